package store

import (
	"context"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/store/grants"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

// Postgres writes a changed row beside the old one, without a new entry in any index (HOT), if no
// index has a column that changed. Refreshes change the same row again and again.
func TestARefreshChangesNoIndexOfPostgres(t *testing.T) {
	t.Parallel()
	s, err := Open(t.Context(), sqldbtest.Postgres(t), func() time.Time { return planNow })
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, statement := range []string{
		`INSERT INTO users (id, email, email_key, email_verified, name, locale, password_hash, roles, disabled, created_at, updated_at)
			VALUES ('u', 'u', 'u', false, '', '', '', '', false, 1, 1)`,
		`INSERT INTO clients (id, metadata, created_at, updated_at) VALUES ('c', '{}', 1, 1)`,
		`INSERT INTO grants (id, client_id, user_id, session_id, scope, audience, offline, auth_time, acr, amr, created_at, expires_at,
			revoked_at) VALUES ('g', 'c', 'u', '', '', '', true, 1, '', '', 1, 9000000000000000, 0)`,
	} {
		if _, err := s.db.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Grants.CreateCode(t.Context(), key(1), grants.Code{Grant: grants.Grant{ID: "g"}, ExpiresAt: soon}); err != nil {
		t.Fatal(err)
	}
	err = s.Tx(t.Context(), func(ctx context.Context) error {
		first := grants.RefreshToken{Number: 1, KeyID: "k1", IssuedAt: planNow, ExpiresAt: soon}
		if won, err := s.Grants.RedeemCode(ctx, key(1), &first, grants.Note{}); !won || err != nil {
			t.Error(won, err)
		}
		if won, err := s.Grants.RotateRefreshToken(ctx, "g", grants.RefreshToken{Number: 2, KeyID: "k2", ExpiresAt: soon}, grants.Note{}); !won || err != nil {
			t.Error(won, err)
		}
		if kept, err := s.Grants.KeepRefreshToken(ctx, "g", 2); !kept || err != nil {
			t.Error(kept, err)
		}
		var changed, inPlace int
		err := s.db.QueryRow(ctx, `SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_xact_user_tables
			WHERE relname = 'grants'`).Scan(&changed, &inPlace)
		if changed != 3 || inPlace != 3 {
			t.Errorf("of %d changes of the grant %d were made in place", changed, inPlace)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
