package sqldb_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/internal/sqldb"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
	"github.com/maru-auth/maru/internal/testenv"
)

func TestReadsThatMayLagGoToTheReplicaWhileItIsFit(t *testing.T) {
	pair := sqldbtest.StartPair(t, "app")
	db := openWith(t, pair.URL("app"), sqldb.Options{
		DatabaseReadURL: pair.Second.URL("app"), DatabaseStatementTimeout: time.Second,
		DatabaseReadMaxLag: 2 * time.Second, DatabaseConnectTimeout: 3 * time.Second,
	})
	ctx := t.Context()
	onReplica := func(ctx context.Context, on *sqldb.DB) (yes bool, err error) {
		return yes, on.QueryRow(ctx, `SELECT pg_is_in_recovery()`).Scan(&yes)
	}
	want := func(what string, ctx context.Context, on *sqldb.DB, want bool) {
		t.Helper()
		if got, err := onReplica(ctx, on); err != nil || got != want {
			t.Errorf("%s: at the replica: %t, want %t (%v)", what, got, want, err)
		}
	}
	become := func(what string, on *sqldb.DB, want bool) {
		t.Helper()
		testenv.Eventually(t, what, func() bool {
			got, err := onReplica(ctx, on)
			return err == nil && got == want
		})
	}
	become("the replica is used", db.Reader(), true)
	want("other reads", ctx, db, false)
	want("what must not lag", ctx, db.OrReplica(), false)
	if _, err := db.Reader().Exec(ctx, `DELETE FROM things`); err == nil {
		t.Error("a reader writes")
	}
	want("a request that changes something", sqldb.Asking(ctx, "mina", true), db.Reader(), false)
	mina, hana := sqldb.Asking(ctx, "mina", false), sqldb.Asking(ctx, "hana", false)
	want("who wrote nothing", mina, db.Reader(), true)
	if _, err := insert(sqldb.Asking(ctx, "mina", true), db, "a"); err != nil {
		t.Fatal(err)
	}
	want("who has just written", mina, db.Reader(), false)
	want("somebody else", hana, db.Reader(), true)
	if err := db.Tx(sqldb.Asking(ctx, "hana", true), func(ctx context.Context) error {
		want("a transaction", ctx, db.Reader(), false)
		_, err := insert(ctx, db, "b")
		return err
	}); err != nil {
		t.Error(err)
	}
	want("who has just written in a transaction", hana, db.Reader(), false)
	become("after a while, everybody again", db.Reader(), true)

	// It falls behind: what it replays stops, and commits go on.
	pair.Second.Exec(`SELECT pg_wal_replay_pause()`)
	n := 0
	testenv.Eventually(t, "a replica that lags is not used", func() bool {
		n++
		if _, err := insert(ctx, db, time.Now().String()); err != nil {
			t.Fatal(err)
		}
		on, err := onReplica(ctx, db.Reader())
		return err == nil && !on
	})
	pair.Second.Exec(`SELECT pg_wal_replay_resume()`)
	become("it has caught up", db.Reader(), true)

	// It is away.
	pair.First.Exec(`ALTER SYSTEM SET synchronous_standby_names = ''`)
	pair.First.Exec(`SELECT pg_reload_conf()`)
	pair.Second.Kill()
	for range 20 {
		want("while the replica is away", ctx, db.Reader(), false)
	}
	pair.Second.Start()
	become("it is back", db.Reader(), true)

	// The database is away.
	pair.First.Kill()
	for range 20 {
		want("while the database is away", ctx, db.Reader(), true)
		want("while the database is away, what is better late than never", ctx, db.OrReplica(), true)
	}
	if err := db.Ready(ctx); err != nil {
		t.Errorf("not ready for reads: %v", err)
	}
	_, err := onReplica(ctx, db)
	wantUnavailable(t, err)
	_, err = onReplica(sqldb.Asking(ctx, "mina", true), db.OrReplica())
	wantUnavailable(t, err)
	_, err = insert(ctx, db, "c")
	wantUnavailable(t, err)
	pair.Second.Promote()
	testenv.Eventually(t, "the promoted replica takes writes", func() bool {
		_, err := insert(ctx, db, "c")
		return err == nil
	})
	become("the promoted replica answers reads", db.Reader(), false)
}

func TestAReplicaOfSQLiteOrWithoutTLSIsRefused(t *testing.T) {
	for _, opts := range []sqldb.Options{
		{DatabaseURL: sqldbtest.SQLite(t), DatabaseReadURL: "postgres://u@127.0.0.1/d", Create: true},
		{DatabaseURL: sqldbtest.Postgres(t), DatabaseReadURL: "sqlite:x"},
		{DatabaseURL: sqldbtest.Postgres(t), DatabaseReadURL: "postgres://u:geheim@db.example/d"},
		{DatabaseURL: sqldbtest.Postgres(t), DatabaseReadURL: "postgres://u:geheim@db.example:x/d"},
	} {
		db, err := sqldb.OpenWith(t.Context(), opts)
		if err == nil {
			db.Close()
		}
		if err == nil || !strings.Contains(err.Error(), "--database-read-url") || strings.Contains(err.Error(), "geheim") {
			t.Errorf("%s: %v", opts.DatabaseReadURL, err)
		}
	}
}
