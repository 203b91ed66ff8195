package sqldb_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/internal/sqldb"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

// old are rows of the table things whose n is a time that is over.
var old = sqldb.Rows{Table: "things", Key: "id", Where: "n <= $1", Order: "n"}

// addThings inserts rows whose n is the number in the row's id.
func addThings(t *testing.T, db *sqldb.DB, numbers ...int) {
	t.Helper()
	for _, n := range numbers {
		_, err := db.Exec(t.Context(), `INSERT INTO things (id, n, live, raw) VALUES ($1, $2, true, $3)`, fmt.Sprint("t", n), n, []byte{})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func things(t *testing.T, db *sqldb.DB) []string {
	t.Helper()
	ids, err := sqldb.All(t.Context(), db, func(rows *sql.Rows) (id string, err error) { return id, rows.Scan(&id) },
		`SELECT id FROM things ORDER BY n`)
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

func TestASweepRemovesWhatIsOldInBatches(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		db := open(t, databaseURL)
		addThings(t, db, 1, 2, 3, 4, 5, 95, 96, 101)
		var batches []int64
		statements := 0
		ctx := sqldb.Observe(t.Context(), func(query string, _ []any) {
			if strings.HasPrefix(query, "DELETE FROM things") {
				statements++
			}
		})
		left := []int64{2, 2, 1, 7}
		rows, err := db.Sweep(ctx, time.UnixMicro(100), []sqldb.Sweep{
			{Name: "things", Rows: old, Keep: 5 * time.Microsecond, Batch: 3},
			{Name: "others", Batch: 2, Step: func(_ context.Context, now time.Time) (int64, error) {
				if now.UnixMicro() != 100 {
					t.Errorf("a step is told that it is %v", now)
				}
				n := left[len(batches)]
				batches = append(batches, n)
				return n, nil
			}},
		})
		if err != nil || rows != 6+5 {
			t.Errorf("%d rows went (%v), want 11", rows, err)
		}
		if got := things(t, db); !slices.Equal(got, []string{"t96", "t101"}) {
			t.Errorf("%q stay", got)
		}
		if statements != 3 || len(batches) != 3 {
			t.Errorf("%d statements and %d steps, want 3 of each: two full batches, and one that is not", statements, len(batches))
		}
	})
}

func TestAConditionOfASweepMayDoWithoutTime(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		db := open(t, databaseURL)
		addThings(t, db, 1, 2, 3)
		even := sqldb.Rows{Table: "things", Key: "id, n", Where: "n = 2 OR n = 4", Order: "id"}
		if rows, err := db.Sweep(t.Context(), time.Now(), []sqldb.Sweep{{Name: "even ones", Rows: even}}); rows != 1 || err != nil {
			t.Error(rows, err)
		}
		if got := things(t, db); !slices.Equal(got, []string{"t1", "t3"}) {
			t.Errorf("%q stay", got)
		}
	})
}

func TestWhatASweepCannotRemoveKeepsNothingElse(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		db := open(t, databaseURL)
		addThings(t, db, 1)
		broken := sqldb.Rows{Table: "nowhere", Key: "id", Where: "n <= $1", Order: "n"}
		rows, err := db.Sweep(t.Context(), time.UnixMicro(100), []sqldb.Sweep{{Name: "ghosts", Rows: broken}, {Name: "things", Rows: old}})
		if rows != 1 || err == nil || !strings.Contains(err.Error(), "remove ghosts") {
			t.Errorf("%d rows went, and the error is %v", rows, err)
		}
	})
}

// Another transaction makes a row young again after the sweep has seen that it is old: it stays.
func TestARowThatBecomesYoungMeanwhileIsNotSwept(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		db := open(t, databaseURL)
		addThings(t, db, 1)
		swept := make(chan error, 1)
		err := db.Tx(t.Context(), func(ctx context.Context) error {
			if _, err := db.Exec(ctx, `UPDATE things SET n = 1000 WHERE id = 't1'`); err != nil {
				return err
			}
			go func() {
				_, err := db.Sweep(t.Context(), time.UnixMicro(100), []sqldb.Sweep{{Name: "things", Rows: old}})
				swept <- err
			}()
			return untilOneWaitsForALock(t, db)
		})
		if err := errors.Join(err, <-swept); err != nil {
			t.Fatal(err)
		}
		if got := things(t, db); !slices.Equal(got, []string{"t1"}) {
			t.Errorf("%q stay, want the row that became young", got)
		}
	})
}

// untilOneWaitsForALock returns once a statement waits for another's lock. On SQLite one writer is
// let in at a time, and there is nothing to wait for.
func untilOneWaitsForALock(t *testing.T, db *sqldb.DB) error {
	for db.Engine() == sqldb.Postgres {
		var waiting int
		err := db.QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity
			WHERE datname = current_database() AND wait_event_type = 'Lock'`).Scan(&waiting)
		if err != nil || waiting > 0 {
			return err
		}
		time.Sleep(5 * time.Millisecond)
	}
	return nil
}

func TestNothingIsSweptByAClockThatIsAhead(t *testing.T) {
	databaseURL := sqldbtest.Postgres(t)
	day := func() time.Time { return time.Now().Add(24 * time.Hour) }
	db, err := sqldb.OpenWith(t.Context(), sqldb.Options{DatabaseURL: databaseURL, Now: day})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	ctx, stop := context.WithCancel(t.Context())
	var log lines
	log.said = stop // the first line ends the sweeping
	db.SweepEvery(ctx, time.Hour, slog.New(&log), day, []sqldb.Sweep{{Name: "things", Step: func(context.Context, time.Time) (int64, error) {
		t.Error("a clock that is a day ahead decides what is old")
		return 0, nil
	}}})
	db.SweepEvery(t.Context(), time.Hour, slog.New(&log), day, nil) // nothing to sweep: it returns
	if !strings.Contains(log.text, "ahead of the database") {
		t.Errorf("the log says %q", log.text)
	}
}

// lines is a log that keeps its text.
type lines struct {
	slog.Handler
	text string
	said func()
}

func (l *lines) Enabled(context.Context, slog.Level) bool { return true }

func (l *lines) Handle(_ context.Context, record slog.Record) error {
	l.text += record.Message
	record.Attrs(func(a slog.Attr) bool { l.text += " " + a.String(); return true })
	l.said()
	return nil
}
