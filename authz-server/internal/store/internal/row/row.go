// Package row says what a statement's outcome means: the errors that all packages of the store
// return, and the functions that turn "no such row" into them; and it keeps others' errors short.
package row

import (
	"database/sql"
	"errors"
	"fmt"
)

// What a look-up or a change can find. Any other error is a failure of the database.
var (
	ErrNotFound = errors.New("not found")
	ErrExists   = errors.New("exists already")
	ErrStale    = errors.New("changed since it was read")

	// ErrDisabled is of a client that an operator disabled. Because it is an ErrNotFound, whoever
	// does not ask for it treats the client as unknown.
	ErrDisabled = fmt.Errorf("disabled: %w", ErrNotFound)
)

// NotFound returns ErrNotFound if err says that there is no row, and err otherwise.
func NotFound(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return ErrNotFound
	}
	return err
}

// Changed returns ErrNotFound if a conditional statement changed no row.
func Changed(rows int64, err error) error {
	if err == nil && rows == 0 {
		return ErrNotFound
	}
	return err
}

// Added returns ErrExists if an INSERT … ON CONFLICT DO NOTHING added no row.
func Added(rows int64, err error) error {
	if err == nil && rows == 0 {
		return ErrExists
	}
	return err
}

// Text scans a row of one text.
func Text(rows *sql.Rows) (text string, err error) { return text, rows.Scan(&text) }
