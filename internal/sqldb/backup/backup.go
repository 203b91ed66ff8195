// Package backup copies an SQLite database to a file while servers use it.
package backup

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	_ "modernc.org/sqlite" // the "sqlite" driver
)

// ErrUsePgDump is the error for a Postgres database.
var ErrUsePgDump = errors.New(`Postgres has its own program for that: ` +
	`umask 077; pg_dump --format=custom --file=FILE "$URL", with URL being the value of --database-url; ` +
	`pg_restore --clean --if-exists --dbname="$URL" FILE brings it back`)

// SQLite writes a copy of the SQLite database at databaseURL to a new file that only this account
// can read. It holds what is committed when SQLite begins; servers go on reading and writing
// meanwhile. The copy is checked and synced to disk before it gets its name. Errors:
// [ErrUsePgDump]; one that wraps fs.ErrExist if there is such a file.
func SQLite(ctx context.Context, databaseURL, file string) (err error) {
	path, ok := strings.CutPrefix(databaseURL, "sqlite:")
	if !ok {
		return ErrUsePgDump
	}
	path = strings.TrimPrefix(path, "//")
	if _, err := os.Stat(path); err != nil {
		return fmt.Errorf("the database: %w", err)
	}
	// Created first, so that no other file is overwritten. If we get no further, it is empty, and
	// cannot be mistaken for a backup.
	if err := createPrivate(file); err != nil {
		return err
	}
	partial := file + ".partial"
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(file))
		}
	}()
	if err := createPrivate(partial); err != nil {
		return fmt.Errorf("%w; remove it if no other backup runs", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(partial))
		}
	}()
	if err := copyInto(ctx, path, partial); err != nil {
		return fmt.Errorf("copy the database: %w", err)
	}
	if err := checkCopy(ctx, partial); err != nil {
		return fmt.Errorf("check the copy: %w", err)
	}
	if err := flush(partial); err != nil {
		return err
	}
	if err := os.Rename(partial, file); err != nil {
		return err
	}
	return flush(filepath.Dir(file))
}

func createPrivate(file string) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // G304: the operator names the file
	if err != nil {
		return err
	}
	return f.Close()
}

func flush(file string) error {
	f, err := os.Open(file) //nolint:gosec // G304: the operator names the file
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func openCopy(path, mode string) (*sql.DB, error) {
	return sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?mode="+mode+"&_pragma=busy_timeout(10000)")
}

// copyInto fills the empty file to. Unlike SQLite's backup interface, VACUUM INTO does not start
// over at every write.
func copyInto(ctx context.Context, from, to string) (err error) {
	db, err := openCopy(from, "rw") // a reader of a WAL database may have to create its index; nothing else is written
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	_, err = db.ExecContext(ctx, `VACUUM INTO $1`, to)
	return err
}

func checkCopy(ctx context.Context, file string) (err error) {
	db, err := openCopy(file, "ro")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	var verdict string
	if err := db.QueryRowContext(ctx, `PRAGMA integrity_check(1)`).Scan(&verdict); err != nil {
		return err
	}
	if verdict != "ok" {
		return errors.New(verdict)
	}
	var tables int
	if err := db.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_master
		WHERE type = 'table'`).Scan(&tables); err != nil {
		return err
	}
	if tables == 0 {
		return errors.New("the database is empty: is --database-url right?")
	}
	return nil
}
