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
	const lag = 2 * time.Second
	db := openWith(t, pair.URL("app"), sqldb.Options{
		DatabaseReadURL: pair.Second.URL("app"), DatabaseStatementTimeout: time.Second,
		DatabaseReadMaxLag: lag, DatabaseConnectTimeout: 3 * time.Second,
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
	// afterWriting is where somebody who has just written is answered, and where somebody else is. On a busy
	// machine it may come too late, or the replica may seem to lag: then it says nothing, and is tried again.
	afterWriting := func(what string, who, other context.Context, write func() error) {
		t.Helper()
		testenv.Eventually(t, what, func() bool {
			began := time.Now()
			if err := write(); err != nil {
				t.Fatal(err)
			}
			own, err := onReplica(who, db.Reader())
			if time.Since(began) >= lag {
				return false
			}
			if err != nil || own {
				t.Fatalf("%s: at the replica: %t (%v)", what, own, err)
			}
			elsewhere, err := onReplica(other, db.Reader())
			return err == nil && elsewhere && time.Since(began) < lag
		})
	}
	become("the replica is used", db.Reader(), true)
	want("other reads", ctx, db, false)
	want("what must not lag", ctx, db.OrReplica(), false)
	if _, err := db.Reader().Exec(ctx, `DELETE FROM things`); err == nil {
		t.Error("a reader writes")
	}
	want("a request that changes something", sqldb.Asking(ctx, "mina", true), db.Reader(), false)
	mina, hana, juno := sqldb.Asking(ctx, "mina", false), sqldb.Asking(ctx, "hana", false), sqldb.Asking(ctx, "juno", false)
	afterWriting("who has just written", mina, hana, func() error {
		_, err := insert(sqldb.Asking(ctx, "mina", true), db, "a")
		return err
	})
	afterWriting("who has just written in a transaction", hana, juno, func() error {
		return db.Tx(sqldb.Asking(ctx, "hana", true), func(ctx context.Context) error {
			want("a transaction", ctx, db.Reader(), false)
			_, err := insert(ctx, db, "b")
			return err
		})
	})
	testenv.Eventually(t, "after a while, everybody again", func() bool {
		for _, who := range []context.Context{mina, hana} {
			if on, err := onReplica(who, db.Reader()); err != nil || !on {
				return false
			}
		}
		return true
	})

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
