// Package storetest gives tests a store on each database engine, with somebody in it.
package storetest

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/opaque"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/grants"
	"github.com/maru-auth/maru/internal/sqldb"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

// World is a store and its clock. [Each] adds the person and their session.
type World struct {
	*store.Store
	Now     time.Time // what the store's clock shows; a test moves it
	Person  accounts.User
	Session accounts.Session

	url string
	db  *sqldb.DB // see sql
}

// Empty runs test once on each engine, with an empty store and in parallel with other tests.
func Empty(t *testing.T, test func(t *testing.T, w *World)) {
	t.Helper()
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		w := &World{Now: time.Date(2026, 5, 1, 9, 0, 0, 0, time.UTC), url: databaseURL}
		var err error
		w.Store, err = store.Open(t.Context(), databaseURL, func() time.Time { return w.Now })
		OK(t, err)
		t.Cleanup(func() {
			if err := w.Close(); err != nil {
				t.Error(err)
			}
		})
		test(t, w)
	})
}

// Each is Empty with a client, "app", a person with the e-mail address a@example.com and the
// password hash "x", and their session.
func Each(t *testing.T, test func(t *testing.T, w *World)) {
	t.Helper()
	Empty(t, func(t *testing.T, w *World) {
		OK(t, w.Clients.CreateClient(t.Context(), client.Client{ID: "app"}))
		var err error
		w.Person, err = w.Users.CreateUser(t.Context(), accounts.User{Email: "a@example.com", Name: "A", PasswordHash: "x"})
		OK(t, err)
		w.Session, _, err = w.Sessions.CreateSession(t.Context(), accounts.Session{UserID: w.Person.ID}, "x")
		OK(t, err)
		test(t, w)
	})
}

// OK ends the test if there is an error.
func OK(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Code stores a code of a new grant that the person gave "app" in their session, and returns the
// code's hash.
func (w *World) Code(t *testing.T, id string, offline bool) []byte {
	t.Helper()
	hash := opaque.Hash("code " + id)
	g := grants.Grant{
		ID: id, ClientID: "app", UserID: w.Person.ID, SessionID: w.Session.ID,
		Scope: []string{"openid", "user:read"}, Audience: []string{"https://api.example/user"}, Offline: offline,
		AuthTime: w.Now, ACR: "1", AMR: []string{"pwd"}, CreatedAt: w.Now, ExpiresAt: w.Now.Add(24 * time.Hour), Claims: "{}",
		KeyThumbprint: "jkt",
	}
	c, err := w.Clients.Client(t.Context(), "app")
	OK(t, err)
	OK(t, w.Grants.CreateGrant(t.Context(), g, &c))
	OK(t, w.Grants.CreateCode(t.Context(), hash, grants.Code{
		Grant: g, RedirectURI: "https://app.example/cb", CodeChallenge: "challenge", Nonce: "n", KeyThumbprint: "jkt2",
		ExpiresAt: w.Now.Add(time.Minute),
	}))
	return hash
}

// Another adds a person with that e-mail address.
func (w *World) Another(t *testing.T, email string) accounts.User {
	t.Helper()
	user, err := w.Users.CreateUser(t.Context(), accounts.User{Email: email, Name: "B", PasswordHash: "x"})
	OK(t, err)
	return user
}

// Delete deletes a person's account, as their wish or an operator's does in the end.
func (w *World) Delete(t *testing.T, user accounts.User) {
	t.Helper()
	OK(t, w.Users.HastenDeletion(t.Context(), user.ID, false))
	due, err := w.Users.DueDeletions(t.Context(), 1)
	OK(t, err)
	if len(due) != 1 || due[0].ID != user.ID {
		t.Fatalf("%v are due, not %s", due, user.ID)
	}
	OK(t, w.Users.DeleteUser(t.Context(), due[0]))
}

// RefreshToken returns a grant's refresh token of that number, which lasts an hour. It does not
// store it.
func (w *World) RefreshToken(number int64) grants.RefreshToken {
	return grants.RefreshToken{Number: number, KeyID: "k1", IssuedAt: w.Now, ExpiresAt: w.Now.Add(time.Hour)}
}

// LiveGrants returns those of the grants that are live.
func (w *World) LiveGrants(t *testing.T, ids ...string) (live []string) {
	t.Helper()
	for _, id := range ids {
		g, err := w.Grants.Grant(t.Context(), id)
		OK(t, err)
		if g.Live(w.Now) {
			live = append(live, id)
		}
	}
	return live
}

// Winners runs try 32 times at once and counts how often it won. An error fails the test.
func Winners(t *testing.T, try func(ctx context.Context, i int) (won bool, err error)) int64 {
	t.Helper()
	var won atomic.Int64
	var wg sync.WaitGroup
	for i := range 32 {
		wg.Go(func() {
			ok, err := try(t.Context(), i)
			if err != nil {
				t.Error(err)
			}
			if ok {
				won.Add(1)
			}
		})
	}
	wg.Wait()
	return won.Load()
}

// OneWins runs try 32 times at once: one call must succeed, and the others must return the error
// lost.
func OneWins(t *testing.T, lost error, try func(ctx context.Context, i int) error) {
	t.Helper()
	won := Winners(t, func(ctx context.Context, i int) (bool, error) {
		err := try(ctx, i)
		if errors.Is(err, lost) {
			return false, nil
		}
		return err == nil, err
	})
	if won != 1 {
		t.Errorf("%d of 32 at once succeeded", won)
	}
}

// Statements returns the statements that do runs, when called with a context.
func Statements(ctx context.Context, do func(ctx context.Context)) (all []string) {
	do(sqldb.Observe(ctx, func(query string, _ []any) { all = append(all, query) }))
	return all
}

// BeforeStatements returns a context in which f is called with every statement just before it runs.
func BeforeStatements(ctx context.Context, f func(query string)) context.Context {
	return sqldb.Observe(ctx, func(query string, _ []any) { f(query) })
}

// UndoFirstCommit has Postgres undo the next transaction that updates the table, as if another had
// been in its way, so that it runs again; second, of PL/pgSQL, comes before each row that it then
// updates. It returns false on SQLite, which undoes nothing in that way.
func (w *World) UndoFirstCommit(t *testing.T, table, second string) bool {
	t.Helper()
	if w.sql(t).Engine() != sqldb.Postgres {
		return false
	}
	for _, statement := range []string{
		`CREATE SEQUENCE tries`,
		`CREATE FUNCTION undo() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN
			IF nextval(''tries'') = 1 THEN RAISE EXCEPTION ''undone'' USING ERRCODE = ''40001''; END IF;
			RETURN NULL; END'`,
		`CREATE FUNCTION again() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN
			IF (SELECT is_called FROM tries) THEN ` + second + ` END IF; RETURN NEW; END'`,
		`CREATE TRIGGER again BEFORE UPDATE ON ` + table + ` FOR EACH ROW EXECUTE FUNCTION again()`,
		`CREATE CONSTRAINT TRIGGER undo AFTER UPDATE ON ` + table + ` DEFERRABLE INITIALLY DEFERRED
			FOR EACH ROW EXECUTE FUNCTION undo()`,
	} {
		w.Exec(t, statement)
	}
	return true
}

// Concurrent tells whether transactions run side by side: on Postgres.
func (w *World) Concurrent(t *testing.T) bool {
	t.Helper()
	return w.sql(t).Engine() == sqldb.Postgres
}

// Blocked tells whether a statement waits for another transaction's lock, on Postgres.
func (w *World) Blocked(t *testing.T) bool {
	t.Helper()
	return w.Count(t, `pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`) > 0
}

// Beside returns a world for Exec and Count alone, in a database that another store has opened.
func Beside(databaseURL string) *World { return &World{url: databaseURL} }

// URL is that of the database, to open a second store on it.
func (w *World) URL() string { return w.url }

// Ahead opens the database as a replica does whose clock is ahead of Postgres's, and compares the two. The
// store's own time is now, and as much ahead.
func Ahead(t *testing.T, databaseURL string, now func() time.Time, by time.Duration) *store.Store {
	t.Helper()
	s, err := store.OpenWith(t.Context(), sqldb.Options{DatabaseURL: databaseURL, Now: func() time.Time { return time.Now().Add(by) }},
		func() time.Time { return now().Add(by) })
	OK(t, err)
	t.Cleanup(func() { OK(t, s.Close()) })
	return s
}

// Exec runs a statement for which the store has no method. BYTEA works on both engines.
func (w *World) Exec(t *testing.T, statement string, args ...any) {
	t.Helper()
	db := w.sql(t)
	if db.Engine() == sqldb.SQLite {
		statement = strings.ReplaceAll(statement, "AS BYTEA)", "AS BLOB)")
	}
	_, err := db.Exec(t.Context(), statement, args...)
	OK(t, err)
}

// Count counts the rows of a table; from may go on with a WHERE.
func (w *World) Count(t *testing.T, from string) int {
	t.Helper()
	n, err := sqldb.All(t.Context(), w.sql(t), func(rows *sql.Rows) (n int, err error) { return n, rows.Scan(&n) }, `SELECT count(*)
		FROM `+from)
	OK(t, err)
	return n[0]
}

// sql returns a connection beside the store's.
func (w *World) sql(t *testing.T) *sqldb.DB {
	t.Helper()
	if w.db == nil {
		db, err := sqldb.Open(t.Context(), w.url)
		OK(t, err)
		t.Cleanup(func() {
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		})
		w.db = db
	}
	return w.db
}

// TablesWith lists the tables of a database on SQLite that have a column.
func (w *World) TablesWith(t *testing.T, column string) []string {
	t.Helper()
	all, err := sqldb.All(t.Context(), w.sql(t), func(rows *sql.Rows) (name string, err error) { return name, rows.Scan(&name) },
		`SELECT m.name FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.type = 'table' AND c.name = $1`, column)
	OK(t, err)
	return all
}
