package grants_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/opaque"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/grants"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
)

// old stores a refresh token as the version before did, and returns its hash. A successor makes it a
// used one.
func old(t *testing.T, f *storetest.World, grantID, id string, successor []byte) []byte {
	t.Helper()
	hash, used := opaque.Hash("old "+id), int64(0)
	if successor != nil {
		used = f.Now.UnixMicro()
	}
	f.Exec(t, `INSERT INTO refresh_tokens (token_hash, grant_id, jti, kid, issued_at, expires_at, used_at, successor)
		VALUES ($1, $2, $3, 'k0', $4, $5, $6, $7)`,
		hash, grantID, id, f.Now.UnixMicro(), f.Now.Add(time.Hour).UnixMicro(), used, append([]byte{}, successor...))
	return hash
}

func TestAnOldRefreshTokenIsExchangedOnceForTheGrantsFirstNumber(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		f.Code(t, "g1", false)
		hash := old(t, f, "g1", "jti", nil)
		unused, g, err := f.Grants.OldRefreshToken(t.Context(), hash)
		if err != nil || unused.ID != "jti" || unused.KeyID != "k0" || !unused.UsedAt.IsZero() ||
			!unused.ExpiresAt.Equal(f.Now.Add(time.Hour)) || g.ID != "g1" || g.Refresh.Number != 0 {
			t.Fatalf("%+v of %+v, %v", unused, g, err)
		}
		won := storetest.Winners(t, func(ctx context.Context, _ int) (bool, error) {
			return f.Grants.RotateOldRefreshToken(ctx, hash, f.RefreshToken(1), grants.Note{})
		})
		if won != 1 {
			t.Fatalf("%d of 32 won", won)
		}
		used, g, err := f.Grants.OldRefreshToken(t.Context(), hash)
		want := f.RefreshToken(1)
		want.RotatedAt = f.Now
		if err != nil || !used.UsedAt.Equal(f.Now) || len(used.Successor) != 0 || g.Refresh != want {
			t.Fatalf("%+v of %+v, %v", used, g, err)
		}
		if won, err := f.Grants.RotateRefreshToken(t.Context(), "g1", f.RefreshToken(2), grants.Note{}); !won || err != nil {
			t.Fatal(won, err)
		}
	})
}

func TestAnOldRefreshTokenThatIsOverIsNotExchanged(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		for _, id := range []string{"used", "revoked", "late"} {
			f.Code(t, id, false)
		}
		used := old(t, f, "used", "a", old(t, f, "used", "b", nil))
		revoked, late := old(t, f, "revoked", "c", nil), old(t, f, "late", "d", nil)
		if _, err := f.Grants.RevokeGrant(t.Context(), "revoked"); err != nil {
			t.Fatal(err)
		}
		refused := func(hashes ...[]byte) {
			t.Helper()
			for _, hash := range hashes {
				if won, err := f.Grants.RotateOldRefreshToken(t.Context(), hash, f.RefreshToken(1), grants.Note{}); won || err != nil {
					t.Error(won, err)
				}
			}
		}
		refused(used, revoked, opaque.Hash("unknown"))
		f.Now = f.Now.Add(time.Hour)
		refused(late)
		for _, id := range []string{"used", "revoked", "late"} {
			if g, err := f.Grants.Grant(t.Context(), id); err != nil || g.Refresh.Number != 0 {
				t.Errorf("%s has a number: %+v, %v", id, g.Refresh, err)
			}
		}
		if _, _, err := f.Grants.OldRefreshToken(t.Context(), opaque.Hash("unknown")); !errors.Is(err, store.ErrNotFound) {
			t.Error(err)
		}
	})
}
