package store

import (
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/store/outbox"
	"github.com/maru-auth/maru/internal/sqldb"
	"github.com/maru-auth/maru/internal/sqldb/growthtest"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

// stays lists what may name a person whose account was deleted, by table and column, and why.
var stays = map[string]string{
	"outbox.user_id":             "clients and services are told of the end; it goes when they have been, and letters go at once",
	"account_events.user_id":     "receivers are told of the end; it goes into their queues within a second, as claims",
	"stream_sets.claims":         "receivers are told of the end; it goes when they have been",
	"passkey_ceremonies.user_id": "it expires within minutes, and the id says nothing without its account",
}

// Every column of every table is looked through, so that a new one is not forgotten.
func TestNothingNamesAPersonWhoseAccountWasDeleted(t *testing.T) {
	sqldbtest.EachEmpty(t, func(t *testing.T, databaseURL string) {
		ctx := t.Context()
		s, err := Open(ctx, databaseURL, func() time.Time { return planNow })
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		for _, statement := range append(fewer(2),
			`UPDATE invitations SET used_by = 'u1', used_at = 1 WHERE id = 'i1'`,
			`UPDATE invitations SET made_by = 'u1' WHERE id = 'i2'`,
			`UPDATE passkey_ceremonies SET user_id = 'u1'`,
			`UPDATE mailed SET email_key = 'u1' WHERE user_id IS NULL`,
		) {
			if s.db.Engine() == sqldb.SQLite {
				statement = strings.ReplaceAll(statement, "AS BYTEA)", "AS BLOB)")
			}
			if _, err := s.db.Exec(ctx, statement); err != nil {
				t.Fatalf("%v in %s", err, statement)
			}
		}
		for where, n := range naming(t, s.db, "u1") {
			if n == 0 && (strings.HasSuffix(where, ".user_id") || strings.HasSuffix(where, ".used_by") || strings.HasSuffix(where, ".made_by")) {
				t.Errorf("the test puts nobody into %s", where)
			}
		}
		if err := s.Users.HastenDeletion(ctx, "u1", false); err != nil {
			t.Fatal(err)
		}
		due, err := s.Users.DueDeletions(ctx, 10)
		if err != nil || len(due) != 1 {
			t.Fatalf("%d are due: %v", len(due), err)
		}
		if err := s.Users.DeleteUser(ctx, due[0]); err != nil {
			t.Fatal(err)
		}
		for where, n := range naming(t, s.db, "u1") {
			if n > 0 && stays[where] == "" {
				t.Errorf("%s still names the person, %d times", where, n)
			}
		}
		for kind, want := range map[string]bool{outbox.KindMail: false, outbox.KindLogout: true} {
			var left bool
			if err := s.db.QueryRow(ctx, `SELECT COUNT(*) > 0 FROM outbox WHERE kind = $1 AND user_id = 'u1'`, kind).Scan(&left); err != nil || left != want {
				t.Errorf("deliveries of the kind %s are left: %t, %v", kind, left, err)
			}
			var others int
			if err := s.db.QueryRow(ctx, `SELECT COUNT(*) FROM outbox WHERE kind = $1`, kind).Scan(&others); err != nil || others == 0 {
				t.Errorf("nothing of the kind %s is left of others: %v", kind, err)
			}
		}
	})
}

// fewer is grown with that many rows of most things: two at least, which one grant has then.
func fewer(rows int) (statements []string) {
	numbers := fmt.Sprintf("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)", rows)
	for _, one := range grown {
		one = strings.Replace(one, growthtest.Numbers, numbers, 1)
		if rows < 502 {
			one = strings.ReplaceAll(one, "'g502'", "'g1'")
		}
		statements = append(statements, one)
	}
	return statements
}

// naming counts the rows of each column of text that name a person.
func naming(t *testing.T, db *sqldb.DB, id string) map[string]int {
	t.Helper()
	ctx := t.Context()
	columns := `SELECT m.name, c.name FROM sqlite_master m JOIN pragma_table_info(m.name) c
		WHERE m.type = 'table' AND c.type = 'TEXT'`
	if db.Engine() != sqldb.SQLite {
		columns = `SELECT table_name, column_name FROM information_schema.columns
			WHERE table_schema = current_schema() AND data_type = 'text'`
	}
	type column struct{ table, name string }
	all, err := sqldb.All(ctx, db, func(rows *sql.Rows) (c column, err error) { return c, rows.Scan(&c.table, &c.name) }, columns)
	if err != nil || len(all) < 100 {
		t.Fatalf("%d columns, %v", len(all), err)
	}
	found := make(map[string]int)
	for _, c := range all {
		var n int
		if err := db.QueryRow(ctx, `SELECT COUNT(*) FROM `+c.table+` WHERE `+c.name+` LIKE $1`, "%"+id+"%").Scan(&n); err != nil {
			t.Fatal(c, err)
		}
		found[c.table+"."+c.name] = n
	}
	return found
}
