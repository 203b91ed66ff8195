package growthtest

import (
	"database/sql/driver"
	"encoding/binary"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// lite is a connection by SQLite's own interface: database/sql does not show the cost of a
// statement.
type lite struct {
	t   *testing.T
	tls *libc.TLS
	db  uintptr
}

var liteScan = regexp.MustCompile(`^SCAN (\S+)( USING .*)?$`)

func explainSQLite(t *testing.T, path string, ran []statement) (all [][]cost) {
	l := &lite{t: t, tls: libc.NewTLS()}
	defer l.tls.Close()
	p := l.pointer()
	defer libc.Xfree(l.tls, p)
	name := l.text(path)
	defer libc.Xfree(l.tls, name)
	if rc := sqlite3.Xsqlite3_open_v2(l.tls, name, p, sqlite3.SQLITE_OPEN_READWRITE, 0); rc != sqlite3.SQLITE_OK {
		t.Fatalf("open %s: %d", path, rc)
	}
	l.db = at(p)
	defer sqlite3.Xsqlite3_close_v2(l.tls, l.db)

	l.run(statement{query: `PRAGMA foreign_keys = 1`}, nil)
	l.run(statement{query: `BEGIN IMMEDIATE`}, nil)
	for i, count := range times(ran) {
		one := ran[i]
		if count > explained {
			l.run(one, nil)
			all = append(all, nil)
			continue
		}
		var c cost
		var plan []string
		l.run(statement{"EXPLAIN QUERY PLAN " + one.query, one.args}, func(stmt uintptr) {
			detail := libc.GoString(sqlite3.Xsqlite3_column_text(l.tls, stmt, 3))
			plan = append(plan, detail)
			if m := liteScan.FindStringSubmatch(detail); m != nil &&
				(m[2] == "" || !strings.Contains(one.query, "LIMIT")) {
				c.scans = append(c.scans, m[1])
			}
			if strings.Contains(detail, "AUTOMATIC") {
				c.scans = append(c.scans, strings.Fields(detail)[1])
			}
		})
		began := time.Now()
		c.rows, c.steps = l.run(one, nil)
		c.took, c.plan = time.Since(began), strings.Join(plan, "\n")
		all = append(all, []cost{c})
	}
	l.run(statement{query: `ROLLBACK`}, nil)
	return all
}

// run runs one statement to its end. It returns how many rows it stepped over in scans, and the
// steps of the virtual machine.
func (l *lite) run(one statement, row func(stmt uintptr)) (scanned, steps int64) {
	l.t.Helper()
	p, query := l.pointer(), l.text(one.query)
	defer libc.Xfree(l.tls, p)
	defer libc.Xfree(l.tls, query)
	if rc := sqlite3.Xsqlite3_prepare_v2(l.tls, l.db, query, -1, p, 0); rc != sqlite3.SQLITE_OK {
		l.fatal(one)
	}
	stmt := at(p)
	defer sqlite3.Xsqlite3_finalize(l.tls, stmt)
	for i, arg := range one.args {
		name := l.text(fmt.Sprint("$", i+1))
		defer libc.Xfree(l.tls, name)
		if place := sqlite3.Xsqlite3_bind_parameter_index(l.tls, stmt, name); place > 0 {
			defer libc.Xfree(l.tls, l.bind(stmt, place, arg))
		}
	}
	for {
		switch sqlite3.Xsqlite3_step(l.tls, stmt) {
		case sqlite3.SQLITE_ROW:
			if row != nil {
				row(stmt)
			}
		case sqlite3.SQLITE_DONE:
			return int64(sqlite3.Xsqlite3_stmt_status(l.tls, stmt, sqlite3.SQLITE_STMTSTATUS_FULLSCAN_STEP, 0)),
				int64(sqlite3.Xsqlite3_stmt_status(l.tls, stmt, sqlite3.SQLITE_STMTSTATUS_VM_STEP, 0))
		default:
			l.fatal(one)
		}
	}
}

// bind binds an argument and returns the memory that is to be freed after the statement.
func (l *lite) bind(stmt uintptr, place int32, arg any) (memory uintptr) {
	value, err := driver.DefaultParameterConverter.ConvertValue(arg)
	if err != nil {
		l.t.Fatal(err)
	}
	switch v := value.(type) {
	case nil:
		sqlite3.Xsqlite3_bind_null(l.tls, stmt, place)
	case int64:
		sqlite3.Xsqlite3_bind_int64(l.tls, stmt, place, v)
	case bool:
		n := int64(0)
		if v {
			n = 1
		}
		sqlite3.Xsqlite3_bind_int64(l.tls, stmt, place, n)
	case string:
		memory = l.text(v)
		sqlite3.Xsqlite3_bind_text(l.tls, stmt, place, memory, int32(len(v)), 0)
	case []byte:
		memory = l.text(string(v))
		sqlite3.Xsqlite3_bind_blob(l.tls, stmt, place, memory, int32(len(v)), 0)
	default:
		l.t.Fatalf("an argument of type %T", v)
	}
	return memory
}

func (l *lite) text(s string) uintptr {
	p, err := libc.CString(s)
	if err != nil {
		l.t.Fatal(err)
	}
	return p
}

// at reads the address that is at p.
func at(p uintptr) uintptr { return uintptr(binary.NativeEndian.Uint64(libc.GoBytes(p, 8))) }

func (l *lite) pointer() uintptr { return l.text(strings.Repeat("\x00", 8)) }

func (l *lite) fatal(one statement) {
	l.t.Helper()
	l.t.Fatalf("%s\n%s", libc.GoString(sqlite3.Xsqlite3_errmsg(l.tls, l.db)), one.query)
}
