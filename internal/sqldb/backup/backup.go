// Package backup copies an SQLite database to a file while servers use it, and puts such a file in the
// place of a database that nobody uses.
package backup

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	_ "modernc.org/sqlite" // the "sqlite" driver
)

// What Postgres's own programs do. FILE is the backup, and URL the value of --database-url.
const (
	PgDump    = `umask 077; pg_dump --format=custom --file=FILE "$URL"`
	PgRestore = `pg_restore --exit-on-error --single-transaction --no-owner --dbname="$URL" FILE`
)

// ErrUsePgDump is the error for a Postgres database.
var ErrUsePgDump = errors.New("Postgres has its own program for that: " + PgDump + ", with URL being the value of --database-url")

// SQLite writes a copy of the SQLite database at databaseURL to a new file that only this account
// can read, and beside it, as FILE.json, a [Manifest]. The copy holds what is committed when SQLite
// begins; servers go on reading and writing meanwhile. It is checked and synced to disk before it
// gets its name. Errors: [ErrUsePgDump]; one that wraps fs.ErrExist if there is such a file.
func SQLite(ctx context.Context, databaseURL, file string) (about Manifest, err error) {
	path, ok := strings.CutPrefix(databaseURL, "sqlite:")
	if !ok {
		return about, ErrUsePgDump
	}
	path = strings.TrimPrefix(path, "//")
	if _, err := os.Stat(path); err != nil {
		return about, fmt.Errorf("the database: %w", err)
	}
	// Created first, so that no other file is overwritten. If we get no further, it is empty, and
	// cannot be mistaken for a backup.
	partial := file + ".partial"
	if err := createPrivate(file); err != nil {
		if half, _ := os.Stat(partial); half != nil && errors.Is(err, fs.ErrExist) {
			err = fmt.Errorf("%w, and %s beside it: a backup is being made, or one ended early; then remove both", err, partial)
		}
		return about, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(file))
		}
	}()
	if err := createPrivate(partial); err != nil {
		return about, fmt.Errorf("%w; remove it if no other backup runs", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(partial))
		}
	}()
	if err := copyInto(ctx, path, partial); err != nil {
		return about, fmt.Errorf("copy the database: %w", err)
	}
	if about, err = examine(ctx, partial); err != nil {
		return about, fmt.Errorf("check the copy: %w", err)
	}
	if err := about.write(file + manifestSuffix); err != nil {
		return about, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(file+manifestSuffix))
		}
	}()
	if err := flush(partial); err != nil {
		return about, err
	}
	if err := os.Rename(partial, file); err != nil {
		return about, err
	}
	return about, flush(filepath.Dir(file))
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
