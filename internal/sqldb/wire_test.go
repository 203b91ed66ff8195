package sqldb_test

import (
	"context"
	"database/sql"
	"errors"
	"testing"

	"github.com/maru-auth/maru/internal/sqldb"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

// transient is how Postgres says that it cannot now. again tells whether a transaction that has
// written something may be repeated: it was undone for certain.
var transient = []struct {
	code  string
	again bool
}{
	{"40001", true},  // serialization_failure
	{"40P01", true},  // deadlock_detected
	{"57P01", true},  // admin_shutdown
	{"57P02", true},  // crash_shutdown
	{"57P03", true},  // cannot_connect_now
	{"57P05", true},  // idle_session_timeout
	{"08006", true},  // connection_failure
	{"25006", true},  // read_only_sql_transaction, after a failover
	{"55P03", false}, // lock_not_available: it has waited long enough
	{"57014", false}, // query_canceled: its time is over
	{"53200", false}, // out_of_memory
	{"53100", false}, // disk_full
	{"58030", false}, // io_error
	{"25P03", false}, // idle_in_transaction_session_timeout
	{"40003", false}, // statement_completion_unknown
}

func throughWire(t *testing.T) (*sqldb.DB, *sqldbtest.Wire) {
	t.Helper()
	w := sqldbtest.StartWire(t, sqldbtest.Postgres(t))
	return openWith(t, w.URL, sqldb.Options{}), w
}

func TestATransactionThatWasUndoneIsRepeatedAndNoOther(t *testing.T) {
	db, w := throughWire(t)
	for i, fault := range transient {
		id := string(rune('a' + i))
		write := func() (runs int, err error) {
			return runs, db.Tx(t.Context(), func(ctx context.Context) error {
				runs++
				if _, err := insert(ctx, db, id); err != nil {
					return err
				}
				_, err := db.Exec(ctx, `UPDATE things SET n = n + 1 WHERE id = $1`, id)
				return err
			})
		}
		w.Fail(&sqldbtest.Fault{Text: "update things", Code: fault.code, Times: 1})
		runs, err := write()
		switch {
		case fault.again && (err != nil || runs != 2):
			t.Errorf("%s: %d runs, %v", fault.code, runs, err)
		case !fault.again && (!errors.Is(err, sqldb.ErrUnavailable) || runs != 1):
			t.Errorf("%s: %d runs, %v", fault.code, runs, err)
		}
		w.Fail(&sqldbtest.Fault{Text: "update things", Code: fault.code})
		_, err = write()
		wantUnavailable(t, err)
		w.Fail(nil)
		if _, err := write(); err != nil {
			t.Errorf("after %s: %v", fault.code, err)
		}
	}
}

// A removal that returns what it removed is not lost when the connection breaks after it, which a new
// transaction would hide.
func TestATransactionWhoseFirstStatementRemovedRowsDoesNotGoOnWithoutIt(t *testing.T) {
	db, w := throughWire(t)
	for _, id := range []string{"removed", "kept"} {
		if _, err := insert(t.Context(), db, id); err != nil {
			t.Fatal(err)
		}
	}
	w.Fail(&sqldbtest.Fault{Text: "update things", Lost: true, Times: 1})
	err := db.Tx(t.Context(), func(ctx context.Context) error {
		gone, err := sqldb.All(ctx, db, func(rows *sql.Rows) (id string, err error) { return id, rows.Scan(&id) },
			`DELETE FROM things WHERE id = $1 RETURNING id`, "removed")
		if err != nil {
			return err
		}
		if len(gone) != 1 {
			t.Errorf("removed %v", gone)
		}
		_, err = db.Exec(ctx, `UPDATE things SET n = n + 1 WHERE id = $1`, "kept")
		return err
	})
	w.Fail(nil)
	left, countErr := count(t.Context(), db, "things")
	if countErr != nil {
		t.Fatal(countErr)
	}
	if err == nil && left != 1 || err != nil && left != 2 {
		t.Errorf("the transaction ends with %v, and %d of two rows are left", err, left)
	}
}

func TestACommitWithUnknownOutcomeIsNotRepeated(t *testing.T) {
	db, w := throughWire(t)
	for _, one := range []struct {
		name  string
		fault sqldbtest.Fault
		rows  int // of the transaction
		runs  int
	}{
		{"done, and the answer is lost", sqldbtest.Fault{Lost: true, AfterExecuting: true}, 1, 1},
		{"not done, and nobody knows", sqldbtest.Fault{Lost: true}, 0, 1},
		{"the session was ended", sqldbtest.Fault{Code: "57P01"}, 0, 1},
		{"a conflict at the commit", sqldbtest.Fault{Code: "40001"}, 1, 2},
	} {
		t.Run(one.name, func(t *testing.T) {
			runs := 0
			one.fault.Text, one.fault.Times = "commit", 1
			w.Fail(&one.fault)
			before, err := count(t.Context(), db, "things")
			if err != nil {
				t.Fatal(err)
			}
			told := false
			err = db.Tx(t.Context(), func(ctx context.Context) error {
				runs++
				db.AfterCommit(ctx, func() { told = true })
				_, err := insert(ctx, db, one.name)
				return err
			})
			if one.runs == 1 {
				wantUnavailable(t, err)
			} else if err != nil {
				t.Error(err)
			}
			if w.Met() != 1 || runs != one.runs || told != (one.runs == 2) {
				t.Errorf("%d runs, %d commits met, told: %t", runs, w.Met(), told)
			}
			if after, err := count(t.Context(), db, "things"); err != nil || after-before != one.rows {
				t.Errorf("%d rows: %v", after-before, err)
			}
		})
	}
}

func TestAWriteWhoseAnswerIsLostIsNotRepeated(t *testing.T) {
	db, w := throughWire(t)
	if _, err := insert(t.Context(), db, "a"); err != nil {
		t.Fatal(err)
	}
	w.Fail(&sqldbtest.Fault{Text: "update things", Lost: true, AfterExecuting: true, Times: 1})
	_, err := db.Exec(t.Context(), `UPDATE things SET n = n + 1 WHERE id = $1`, "a")
	wantUnavailable(t, err)
	var n int
	if err := db.QueryRow(t.Context(), `SELECT n FROM things WHERE id = $1`, "a").Scan(&n); err != nil || n != 2 {
		t.Errorf("n is %d: %v", n, err)
	}
}

func TestAStatementThatWasUndoneIsRepeated(t *testing.T) {
	db, w := throughWire(t)
	for _, fault := range transient {
		w.Fail(&sqldbtest.Fault{Text: "from things", Code: fault.code, Times: 1})
		_, err := count(t.Context(), db, "things")
		if fault.again && err != nil {
			t.Errorf("%s: %v", fault.code, err)
		} else if !fault.again {
			wantUnavailable(t, err)
		}
	}
}

func TestConnectionsToADemotedPrimaryAreMadeAnew(t *testing.T) {
	db, w := throughWire(t)
	backend := func() (pid int) {
		if err := db.QueryRow(t.Context(), `SELECT pg_backend_pid()`).Scan(&pid); err != nil {
			t.Error(err)
		}
		return pid
	}
	before := backend()
	w.Fail(&sqldbtest.Fault{Text: "insert", Code: "25006", Times: 1})
	if _, err := insert(t.Context(), db, "a"); err != nil {
		t.Error(err)
	}
	if after := backend(); after == before {
		t.Error("the connection to the server that only reads is used on")
	}
}
