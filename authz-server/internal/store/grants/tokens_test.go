package grants_test

import (
	"context"
	"errors"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/opaque"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/grants"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
)

// refreshed stores a grant whose refresh token has the number 1.
func refreshed(t *testing.T, f *storetest.World, id string) {
	t.Helper()
	first := f.RefreshToken(1)
	if won, err := f.Grants.RedeemCode(t.Context(), f.Code(t, id, false), &first, grants.Note{}); !won || err != nil {
		t.Fatal(won, err)
	}
}

func TestARefreshTokenIsRotatedOnceAndTheOthersFindItsSuccessor(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		refreshed(t, f, "g1")
		refreshed(t, f, "another")
		f.Now = f.Now.Add(time.Minute)
		var winner atomic.Value
		won := storetest.Winners(t, func(ctx context.Context, i int) (bool, error) {
			next := f.RefreshToken(2)
			next.KeyID = "k" + strconv.Itoa(i)
			won, err := f.Grants.RotateRefreshToken(ctx, "g1", next, grants.Note{})
			if won {
				winner.Store(next.KeyID)
			}
			return won, err
		})
		if won != 1 {
			t.Fatalf("%d of 32 won", won)
		}
		want := f.RefreshToken(2)
		want.KeyID, want.RotatedAt = winner.Load().(string), f.Now
		if g, err := f.Grants.Grant(t.Context(), "g1"); err != nil || g.Refresh != want {
			t.Fatalf("%+v, %v", g.Refresh, err)
		}
		if g, err := f.Grants.Grant(t.Context(), "another"); err != nil || g.Refresh.Number != 1 {
			t.Fatalf("another grant: %+v, %v", g.Refresh, err)
		}
		if n := f.Count(t, "refresh_tokens"); n != 0 {
			t.Errorf("%d rows beside the grants", n)
		}
	})
}

func TestOnlyTheNewestRefreshTokenOfALiveGrantIsUsed(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		for _, id := range []string{"g1", "revoked", "without"} {
			if id == "without" {
				f.Code(t, id, false)
				continue
			}
			refreshed(t, f, id)
		}
		if _, err := f.Grants.RevokeGrant(t.Context(), "revoked"); err != nil {
			t.Fatal(err)
		}
		uses := func(id string, number int64) (rotated, kept bool) {
			t.Helper()
			kept, err := f.Grants.KeepRefreshToken(t.Context(), id, number)
			if err != nil {
				t.Fatal(err)
			}
			if rotated, err = f.Grants.RotateRefreshToken(t.Context(), id, f.RefreshToken(number+1), grants.Note{}); err != nil {
				t.Fatal(err)
			}
			return rotated, kept
		}
		for _, one := range []struct {
			id     string
			number int64
		}{{"revoked", 1}, {"without", 1}, {"unknown", 1}, {"g1", 2}, {"g1", 0}} {
			if rotated, kept := uses(one.id, one.number); rotated || kept {
				t.Errorf("%+v: rotated %t, kept %t", one, rotated, kept)
			}
		}
		if rotated, kept := uses("g1", 1); !rotated || !kept {
			t.Errorf("rotated %t, kept %t", rotated, kept)
		}
		if rotated, kept := uses("g1", 1); rotated || kept {
			t.Errorf("again: rotated %t, kept %t", rotated, kept)
		}
		f.Now = f.Now.Add(time.Hour) // the token expires, and not its grant
		if rotated, _ := uses("g1", 2); rotated {
			t.Error("an expired token was rotated")
		}
		f.Now = f.Now.Add(23 * time.Hour)
		if rotated, kept := uses("g1", 2); rotated || kept {
			t.Errorf("of an expired grant: rotated %t, kept %t", rotated, kept)
		}
	})
}

// What fails before the commit, a crash say, leaves the token as it was.
func TestARotationThatIsNotCommittedDidNotHappen(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		refreshed(t, f, "g1")
		crash := errors.New("crash")
		err := f.Tx(t.Context(), func(ctx context.Context) error {
			if won, err := f.Grants.RotateRefreshToken(ctx, "g1", f.RefreshToken(2), grants.Note{}); !won || err != nil {
				t.Error(won, err)
			}
			return crash
		})
		if !errors.Is(err, crash) {
			t.Fatal(err)
		}
		if won, err := f.Grants.RotateRefreshToken(t.Context(), "g1", f.RefreshToken(2), grants.Note{}); !won || err != nil {
			t.Fatal(won, err)
		}
	})
}

func TestRevokedTokensAreRememberedUntilTheyExpire(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		expires := f.Now.Add(10 * time.Minute)
		for range 2 { // twice is no error
			if err := f.Grants.RevokeToken(t.Context(), "t1", "", expires); err != nil {
				t.Fatal(err)
			}
		}
		if revoked, err := f.Grants.TokenRevoked(t.Context(), "t1", "app"); !revoked || err != nil {
			t.Fatal(revoked, err)
		}
		if revoked, err := f.Grants.TokenRevoked(t.Context(), "t2", "app"); revoked || err != nil {
			t.Fatal(revoked, err)
		}
		f.Code(t, "g1", false)
		if rows, err := f.Sweep(t.Context()); rows != 0 || err != nil {
			t.Fatal("swept too early:", rows, err)
		}
		f.Now = f.Now.Add(49 * time.Hour)
		if rows, err := f.Sweep(t.Context()); rows != 3 || err != nil {
			t.Fatalf("swept %d rows, want the token, the grant and the session: %v", rows, err)
		}
		if _, err := f.Grants.Code(t.Context(), opaque.Hash("code g1")); !errors.Is(err, store.ErrNotFound) {
			t.Fatalf("the grant's code is still there: %v", err)
		}
	})
}
