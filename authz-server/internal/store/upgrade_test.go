package store

import (
	"bytes"
	"io/fs"
	"path"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/store/grants"
	"github.com/maru-auth/maru/authz-server/internal/store/outbox"
	"github.com/maru-auth/maru/internal/sqldb"
	"github.com/maru-auth/maru/internal/sqldb/growthtest"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

// released is the last migration of the version before.
const released = "0008"

// A database of the version before, with rows in every table, is brought up to date, and loses
// nothing.
func TestADatabaseOfTheVersionBeforeIsMigratedWithItsData(t *testing.T) {
	sqldbtest.EachEmpty(t, func(t *testing.T, databaseURL string) {
		ctx := t.Context()
		before, err := sqldb.Open(ctx, databaseURL)
		if err != nil {
			t.Fatal(err)
		}
		if err := before.Migrate(ctx, migrationsUpTo(t, released)); err != nil {
			t.Fatal(err)
		}
		rows := make(map[string]int)
		for _, statement := range fewer(1000) {
			table := tableOf(statement)
			if table == "" || before.QueryRow(ctx, `SELECT COUNT(*) FROM `+table).Scan(new(int)) != nil {
				continue // it is new
			}
			if before.Engine() == sqldb.SQLite {
				statement = strings.ReplaceAll(statement, "AS BYTEA)", "AS BLOB)")
			}
			n, err := before.Exec(ctx, statement)
			if err != nil {
				t.Fatalf("%v in %s", err, statement)
			}
			rows[table] += int(n)
		}
		const waiting = 7
		if _, err := before.Exec(ctx, `INSERT INTO logout_deliveries (id, client_id, user_id, session_id, attempts, last_error,
			created_at, due_at, given_up_at) `+growthtest.Numbers+` SELECT 'old' || i, 'c1', 'u1', 's1', 3, 'slow', 1, 2,
			CASE WHEN i = 7 THEN 3 ELSE 0 END FROM n WHERE i <= 7`); err != nil {
			t.Fatal(err)
		}
		// g1 has the unused refresh token x1, which took the place of this one.
		if _, err := before.Exec(ctx, `INSERT INTO refresh_tokens (token_hash, grant_id, jti, kid, issued_at, expires_at, used_at, successor)
			VALUES ($1, 'g1', 'used', 'k', 1, 9000000000000, 2, $2)`, key(0), key(1)); err != nil {
			t.Fatal(err)
		}
		rows["refresh_tokens"]++
		if err := before.Close(); err != nil {
			t.Fatal(err)
		}

		s, err := Open(ctx, databaseURL, func() time.Time { return planNow })
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		for table, want := range rows {
			var got int
			if err := s.db.QueryRow(ctx, `SELECT COUNT(*) FROM `+table).Scan(&got); err != nil || got != want {
				t.Errorf("%s has %d rows, not %d: %v", table, got, want, err)
			}
		}
		user, err := s.Users.User(ctx, "u1")
		if err != nil || user.PasswordHash != "hash" || user.SecondStep || user.Passkey {
			t.Errorf("%+v %v", user, err)
		}
		if sessions, err := s.Sessions.SessionsOf(ctx, "u1"); err != nil || len(sessions) == 0 {
			t.Errorf("%d sessions, %v", len(sessions), err)
		}
		if g, err := s.Grants.Grant(ctx, "g1"); err != nil || g.UserID != "u1" {
			t.Errorf("%+v %v", g, err)
		}
		testOldRefreshTokens(t, s)
		deliveries, err := s.Outbox.List(ctx, outbox.KindLogout, "", 100)
		if err != nil || len(deliveries) != waiting {
			t.Fatalf("%d log-outs wait: %v", len(deliveries), err)
		}
		first := time.UnixMicro(1).UTC()
		want := outbox.Item{
			ID: "old7", Kind: outbox.KindLogout, Lane: "c1", Topic: "s1", UserID: "u1", Payload: []byte{}, Attempts: 3, LastError: "slow",
			CreatedAt: first, Since: first, DueAt: time.UnixMicro(2).UTC(), GivenUpAt: time.UnixMicro(3).UTC(),
		}
		if got := deliveries[6]; !reflect.DeepEqual(got, want) {
			t.Errorf("%+v\nnot %+v", got, want)
		}
		if taken, err := s.Outbox.Take(ctx, outbox.KindLogout, time.Minute, 100, func(string) int { return 100 }); err != nil ||
			len(taken) != waiting-1 || taken[0].Attempts != 4 {
			t.Errorf("%+v %v", taken, err)
		}
	})
}

// testOldRefreshTokens tests that the refresh tokens of g1 go on from where they were.
func testOldRefreshTokens(t *testing.T, s *Store) {
	t.Helper()
	ctx := t.Context()
	used, g, err := s.Grants.OldRefreshToken(ctx, key(0))
	if err != nil || used.UsedAt != time.UnixMicro(2).UTC() || !bytes.Equal(used.Successor, key(1)) || g.ID != "g1" || !g.Live(planNow) {
		t.Errorf("%+v of %+v: %v", used, g, err)
	}
	if won, err := s.Grants.RotateOldRefreshToken(ctx, key(0), grants.RefreshToken{Number: 1, ExpiresAt: soon}, grants.Note{}); won || err != nil {
		t.Errorf("a used one was exchanged: %t %v", won, err)
	}
	if won, err := s.Grants.RotateOldRefreshToken(ctx, key(1), grants.RefreshToken{Number: 1, ExpiresAt: soon}, grants.Note{}); !won || err != nil {
		t.Errorf("an unused one was not exchanged: %v", err)
	}
	if won, err := s.Grants.RotateRefreshToken(ctx, "g1", grants.RefreshToken{Number: 2, ExpiresAt: soon}, grants.Note{}); !won || err != nil {
		t.Errorf("its successor was not exchanged: %v", err)
	}
	if g, err := s.Grants.Grant(ctx, "g1"); err != nil || g.Refresh.Number != 2 {
		t.Errorf("%+v %v", g.Refresh, err)
	}
}

// migrationsUpTo is the migrations up to the one whose name begins with last.
func migrationsUpTo(t *testing.T, last string) fs.FS {
	t.Helper()
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		t.Fatal(err)
	}
	old := fstest.MapFS{}
	for _, name := range names {
		if base := path.Base(name); base[:4] <= last {
			text, err := migrations.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			old[base] = &fstest.MapFile{Data: text}
		}
	}
	return old
}

var insertsInto = regexp.MustCompile(`^INSERT INTO (\w+)`)

func tableOf(statement string) string {
	found := insertsInto.FindStringSubmatch(strings.TrimSpace(statement))
	if found == nil { // it changes rows in columns that are new
		return ""
	}
	return found[1]
}
