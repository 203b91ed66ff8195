// Package fault tells what an error of either engine means: what has become of the connection and
// of the statement, and which constraint refused a row.
package fault

import (
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// Broken tells whether err means that the connection is gone, or was never made. A statement that
// only reads may then be repeated.
func Broken(err error) bool {
	var connect *pgconn.ConnectError
	if errors.As(err, &connect) || errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone) {
		return true
	}
	if code := postgresCode(err); code != "" {
		// admin_shutdown, crash_shutdown, cannot_connect_now, idle_session_timeout, and connection
		// exceptions
		return strings.HasPrefix(code, "57P") || strings.HasPrefix(code, "08")
	}
	var network net.Error
	return errors.As(err, &network) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, net.ErrClosed) || errors.Is(err, pgconn.ErrConnClosed) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// Unexecuted tells whether a statement that writes may be repeated outside a transaction: Postgres
// said that it ended the session instead of executing it, or there never was a session. If the
// connection just closed, that is unknown.
func Unexecuted(err error) bool {
	var connect *pgconn.ConnectError
	if errors.As(err, &connect) || errors.Is(err, driver.ErrBadConn) {
		return true
	}
	switch postgresCode(err) {
	case "57P01", "57P02", "57P03", "57P05", "08001", "08004":
		return true
	}
	return false
}

// Crowded tells whether Postgres has no room for another connection just now, or is starting.
// Nothing was executed.
func Crowded(err error) bool {
	code := postgresCode(err)
	return code == "53300" || code == "57P03"
}

// Undone tells whether Postgres has undone the statement, and the transaction that it was in,
// because others were in its way. It may be repeated.
func Undone(err error) bool {
	switch postgresCode(err) {
	case "40001", "40P01": // serialization_failure (also a standby's conflict with its replay), deadlock_detected
		return true
	}
	return false
}

// Demoted tells whether a server that is to write only reads: it is a standby, or was demoted.
func Demoted(err error) bool { return postgresCode(err) == "25006" }

// Locked tells whether a statement gave up on a lock that somebody else holds.
func Locked(err error) bool {
	code := postgresCode(err)
	return code == "55P03" || code == "40P01" // lock_not_available, deadlock_detected
}

// Refused tells whether the database is up but cannot execute the statement now.
func Refused(err error) bool {
	if code := postgresCode(err); code != "" {
		switch code {
		case "57014", // query_canceled: the statement's time is over
			"55P03",                   // lock_not_available
			"40001", "40P01", "40003", // serialization_failure, deadlock_detected, statement_completion_unknown
			"25006",          // read_only_sql_transaction: a standby, after a failover
			"25P03", "25P04": // idle_in_transaction_session_timeout, transaction_timeout
			return true
		}
		// insufficient resources, system errors
		return strings.HasPrefix(code, "53") || strings.HasPrefix(code, "58")
	}
	var lite *sqlite.Error
	if !errors.As(err, &lite) {
		return false
	}
	switch lite.Code() & 0xff {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_INTERRUPT,
		sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY:
		return true
	}
	return false
}

// Busy tells whether SQLite gave up on a lock that another connection holds.
func Busy(err error) bool {
	var lite *sqlite.Error
	return errors.As(err, &lite) && lite.Code()&0xff == sqlite3.SQLITE_BUSY
}

// Damaged tells whether a file is no SQLite database, or a broken one.
func Damaged(err error) bool {
	var lite *sqlite.Error
	if !errors.As(err, &lite) {
		return false
	}
	code := lite.Code() & 0xff
	return code == sqlite3.SQLITE_NOTADB || code == sqlite3.SQLITE_CORRUPT
}

// postgresCode is the SQLSTATE of err, or empty.
func postgresCode(err error) string {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code
	}
	return ""
}

// Duplicate tells whether err is the violation of a primary key or a UNIQUE constraint.
// Prefer ON CONFLICT DO NOTHING and the row count: on Postgres an error ends the transaction.
func Duplicate(err error) bool {
	if code := postgresCode(err); code != "" {
		return code == "23505"
	}
	var lite *sqlite.Error
	return errors.As(err, &lite) &&
		(lite.Code() == sqlite3.SQLITE_CONSTRAINT_UNIQUE || lite.Code() == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY)
}

// MissingReference tells whether err is the violation of a foreign key: the row that another one
// refers to is gone. On Postgres it ends the transaction.
func MissingReference(err error) bool {
	if code := postgresCode(err); code != "" {
		return code == "23503"
	}
	var lite *sqlite.Error
	return errors.As(err, &lite) && lite.Code() == sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY
}
