package grants_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/opaque"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
)

func TestARefreshTokenIsRotatedOnceAndTheOthersFindItsSuccessor(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		first := f.RefreshToken("g1", "first")
		if won, err := f.Grants.RedeemCode(t.Context(), f.Code(t, "g1", false), &first); !won || err != nil {
			t.Fatal(won, err)
		}
		won := storetest.Winners(t, func(ctx context.Context, i int) (bool, error) {
			return f.Grants.RotateRefreshToken(ctx, first.Hash, f.RefreshToken("g1", "next"+string(rune('a'+i))))
		})
		if won != 1 {
			t.Fatalf("%d of 32 won", won)
		}
		used, _, err := f.Grants.RefreshToken(t.Context(), first.Hash)
		if err != nil || !used.UsedAt.Equal(f.Now) {
			t.Fatalf("%+v, %v", used, err)
		}
		successor, g, err := f.Grants.RefreshToken(t.Context(), used.Successor)
		if err != nil || !successor.UsedAt.IsZero() || successor.KeyID != "k1" || g.ID != "g1" {
			t.Fatalf("%+v of %+v, %v", successor, g, err)
		}
	})
}

func TestARevokedGrantRotatesNothing(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		first := f.RefreshToken("g1", "first")
		if won, err := f.Grants.RedeemCode(t.Context(), f.Code(t, "g1", false), &first); !won || err != nil {
			t.Fatal(won, err)
		}
		if _, err := f.Grants.RevokeGrant(t.Context(), "g1"); err != nil {
			t.Fatal(err)
		}
		if won, err := f.Grants.RotateRefreshToken(t.Context(), first.Hash, f.RefreshToken("g1", "next")); won || err != nil {
			t.Fatal(won, err)
		}
	})
}

func TestRevokedTokensAreRememberedUntilTheyExpire(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		expires := f.Now.Add(10 * time.Minute)
		for range 2 { // twice is no error
			if err := f.Grants.RevokeToken(t.Context(), "t1", expires); err != nil {
				t.Fatal(err)
			}
		}
		if revoked, err := f.Grants.TokenRevoked(t.Context(), "t1"); !revoked || err != nil {
			t.Fatal(revoked, err)
		}
		if revoked, err := f.Grants.TokenRevoked(t.Context(), "t2"); revoked || err != nil {
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
