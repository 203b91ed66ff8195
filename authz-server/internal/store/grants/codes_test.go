package grants_test

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/opaque"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/grants"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
)

func TestACodeComesBackAsItWasStored(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		hash := f.Code(t, "g1", true)
		c, err := f.Grants.Code(t.Context(), hash)
		if err != nil {
			t.Fatal(err)
		}
		if !c.Active || c.RedirectURI != "https://app.example/cb" || c.CodeChallenge != "challenge" || c.Nonce != "n" ||
			c.KeyThumbprint != "jkt2" || c.Grant.KeyThumbprint != "jkt" || c.Grant.Claims != "{}" || !c.ExpiresAt.Equal(f.Now.Add(time.Minute)) {
			t.Errorf("code: %+v", c)
		}
		g := c.Grant
		if g.ID != "g1" || g.ClientID != "app" || g.UserID != f.Person.ID || !g.Offline ||
			!slices.Equal(g.Scope, []string{"openid", "user:read"}) ||
			!slices.Equal(g.AMR, []string{"pwd"}) || !g.AuthTime.Equal(f.Now) || !g.Live(f.Now) || g.Live(f.Now.Add(25*time.Hour)) {
			t.Errorf("grant: %+v", g)
		}
		if _, err := f.Grants.Code(t.Context(), opaque.Hash("another")); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("an unknown code gave %v", err)
		}
	})
}

func TestACodeIsRedeemedOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		hash := f.Code(t, "g1", false)
		var winner atomic.Int64
		won := storetest.Winners(t, func(ctx context.Context, i int) (bool, error) {
			first := f.RefreshToken(1)
			first.KeyID = "k" + strconv.Itoa(i)
			won, err := f.Grants.RedeemCode(ctx, hash, &first, grants.Note{})
			if won {
				winner.Store(int64(i))
			}
			return won, err
		})
		if won != 1 {
			t.Fatalf("%d of 32 won", won)
		}
		want := f.RefreshToken(1)
		want.KeyID = "k" + strconv.FormatInt(winner.Load(), 10)
		if c, err := f.Grants.Code(t.Context(), hash); err != nil || c.Active || c.Grant.Refresh != want {
			t.Fatalf("the spent code: %+v, %v", c, err)
		}
	})
}

func TestAnExpiredOrRevokedCodeIsNotRedeemed(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		late, revoked := f.Code(t, "late", false), f.Code(t, "revoked", false)
		if ok, err := f.Grants.RevokeGrant(t.Context(), "revoked"); !ok || err != nil {
			t.Fatal(ok, err)
		}
		if ok, err := f.Grants.RevokeGrant(t.Context(), "revoked"); ok || err != nil {
			t.Fatalf("the second revocation: %t, %v", ok, err)
		}
		first := f.RefreshToken(1)
		if won, err := f.Grants.RedeemCode(t.Context(), revoked, &first, grants.Note{}); won || err != nil {
			t.Errorf("a revoked grant's code: %t, %v", won, err)
		}
		f.Now = f.Now.Add(time.Minute)
		if won, err := f.Grants.RedeemCode(t.Context(), late, &first, grants.Note{}); won || err != nil {
			t.Errorf("an expired code: %t, %v", won, err)
		}
		for _, id := range []string{"late", "revoked"} {
			if g, err := f.Grants.Grant(t.Context(), id); err != nil || g.Refresh.Number != 0 {
				t.Errorf("%s has a refresh token: %+v, %v", id, g.Refresh, err)
			}
		}
	})
}

func TestOfASpentCodeOnlyItsHashStays(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		hash := f.Code(t, "g", false)
		if won, err := f.Grants.RedeemCode(t.Context(), hash, nil, grants.Note{}); err != nil || !won {
			t.Fatal(won, err)
		}
		code, err := f.Grants.Code(t.Context(), hash)
		if err != nil || code.Active || code.Grant.ID != "g" || code.RedirectURI+code.CodeChallenge+code.Nonce+code.KeyThumbprint != "" {
			t.Errorf("%+v %v", code, err)
		}
	})
}

// The first try spent the code and was undone; the second finds that it may not.
func TestACodeSpentInATransactionThatWasUndoneIsNotRedeemed(t *testing.T) {
	storetest.Each(t, func(t *testing.T, w *storetest.World) {
		hash := w.Code(t, "g", true)
		if !w.UndoFirstCommit(t, "grants", "RETURN NULL;") {
			return
		}
		won, err := w.Grants.RedeemCode(t.Context(), hash, nil, grants.Note{})
		if won || err != nil {
			t.Errorf("%v, %v", won, err)
		}
	})
}
