package backup

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/maru-auth/maru/internal/sqldb"
	"github.com/maru-auth/maru/internal/sqldb/internal/fault"
)

// ErrUsePgRestore is the error for a Postgres database.
var ErrUsePgRestore = errors.New("Postgres has its own program for that: stop the servers, give the database another name " +
	"(ALTER DATABASE … RENAME TO …), make an empty one in its place, and run " + PgRestore + ", with URL being the value of --database-url")

// ErrInUse is the error for a database that a process has open.
var ErrInUse = errors.New("a process uses the database: stop it first")

// Restore says how to put a backup in the place of a database.
type Restore struct {
	DatabaseURL string // sqlite:PATH
	File        string // the backup
	Migrations  fs.FS  // with the program's migrations in its folder "migrations": what a database of it looks like

	// Prepare, if not nil, changes the copy before it takes the database's place. When it returns,
	// the copy must not be open.
	Prepare func(ctx context.Context, databaseURL string) error

	Now func() time.Time // nil: time.Now
}

// Restored says what was done.
type Restored struct {
	Manifest
	Unchecked bool   // the backup had no manifest to compare it with
	Kept      string // what the database is called now that was there; empty: there was none
}

// Report is what was done, in lines for the operator.
func (d Restored) Report(file string) string {
	text := fmt.Sprintf("restored %s: %s", file, d.Manifest)
	if d.Unchecked {
		text += "\nthere is no manifest of it: nobody knows whether it is what the backup was"
	}
	if d.Kept != "" {
		text += "\nthe database that was there is " + d.Kept
	}
	return text
}

// Run checks the backup, copies it, checks the copy, and has it take the place of the database, which
// stays beside it under another name. Whatever goes wrong, and whenever the machine stops, the
// database's name leads to the old one or to the new one, whole. The file of the backup stays as it
// is. Errors: [ErrInUse], [ErrUsePgRestore].
func (r Restore) Run(ctx context.Context) (done Restored, err error) {
	path, ok := strings.CutPrefix(r.DatabaseURL, "sqlite:")
	if !ok {
		return done, ErrUsePgRestore
	}
	if r.Now == nil {
		r.Now = time.Now
	}
	path = strings.TrimPrefix(path, "//")
	if path == "" || strings.ContainsAny(path, "?#") {
		return done, errors.New(`the database URL "sqlite:PATH" needs a file's path without ? or #`)
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real // not the link, but what it leads to, is replaced
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return done, fmt.Errorf("make the database's folder: %w", err)
	}
	copied := path + ".restoring"
	if err := createPrivate(copied); err != nil {
		return done, fmt.Errorf("%w; remove it if no other restore runs", err)
	}
	defer func() { err = errors.Join(err, removeAll(copied)) }()
	if done.Manifest, done.Unchecked, err = r.bring(ctx, copied); err != nil {
		return done, fmt.Errorf("%s: %w", r.File, err)
	}
	if r.Prepare != nil {
		if err := r.Prepare(ctx, "sqlite:"+copied); err != nil {
			return done, err
		}
	}
	if err := settle(ctx, copied); err != nil {
		return done, fmt.Errorf("close the copy: %w", err)
	}
	final, err := examine(ctx, copied)
	if err != nil {
		return done, fmt.Errorf("check the copy: %w", err)
	}
	if done.Kept, err = r.replace(ctx, copied, path); err != nil {
		return done, err
	}
	if digest, _, err := sum(path); err != nil || digest != final.SHA256 {
		return done, errors.Join(err, fmt.Errorf("what is at %s now is not what was put there; the database before it is %s", path, done.Kept))
	}
	return done, nil
}

// bring copies the backup to the empty file copied, and checks that.
func (r Restore) bring(ctx context.Context, copied string) (found Manifest, unchecked bool, err error) {
	said, err := readManifest(r.File)
	if unchecked = errors.Is(err, fs.ErrNotExist); err != nil && !unchecked {
		return found, false, err
	}
	if info, err := os.Stat(r.File + "-wal"); err == nil && info.Size() > 0 {
		return found, unchecked, errors.New("there is a -wal file beside it: it is the file of a database, and no backup; make one by the command backup")
	}
	if err := copyFile(r.File, copied); err != nil {
		return found, unchecked, err
	}
	if found.SHA256, found.Bytes, err = sum(copied); err != nil {
		return found, unchecked, err
	}
	if !unchecked && (said.SHA256 != found.SHA256 || said.Bytes != found.Bytes) {
		return found, unchecked, fmt.Errorf("it is not what its manifest says: SHA-256 %s of %d bytes, and not %s of %d",
			found.SHA256, found.Bytes, said.SHA256, said.Bytes)
	}
	if found, err = examine(ctx, copied); err != nil {
		return found, unchecked, fmt.Errorf("it is no whole database: %w", err)
	}
	if !unchecked {
		found.MadeAt = said.MadeAt
		if said.Schema != found.Schema || !maps.Equal(said.Rows, found.Rows) {
			return found, unchecked, errors.New("its tables are not what its manifest says")
		}
	}
	db, err := sqldb.OpenReadOnly(ctx, sqldb.Options{DatabaseURL: "sqlite:" + copied})
	if err != nil {
		return found, unchecked, err
	}
	about, err := db.Inspect(ctx, r.Migrations)
	if err = errors.Join(err, db.Close()); err != nil {
		return found, unchecked, err
	}
	if about.Unfit == nil && about.Schema == 0 {
		about.Unfit = errors.New("the database has no schema")
	}
	if about.Unfit != nil {
		return found, unchecked, fmt.Errorf("it is no database of this program: %w", about.Unfit)
	}
	return found, unchecked, nil
}

// copyFile fills the file to, which exists, with what is in from.
func copyFile(from, to string) (err error) {
	if err := ordinary(from); err != nil {
		return err
	}
	source, err := os.Open(from) //nolint:gosec // G304: the operator names the file
	if err != nil {
		return err
	}
	defer source.Close()
	target, err := os.OpenFile(to, os.O_WRONLY|os.O_TRUNC|noFollow, 0o600) //nolint:gosec // G304: the operator names the file
	if err != nil {
		return err
	}
	_, err = io.Copy(target, source)
	return errors.Join(err, target.Sync(), target.Close())
}

// settle brings all of a database that nobody else uses into its one file, and onto the disk.
func settle(ctx context.Context, file string) (err error) {
	db, err := openCopy(file, "rw")
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(1)
	if err = errors.Join(alone(ctx, db), db.Close()); err != nil {
		return err
	}
	return flush(file)
}

// alone turns a database that was opened into one of a single file, which only its only user can.
// [ErrInUse]: there is another.
func alone(ctx context.Context, db interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}) error {
	var mode string
	err := db.QueryRowContext(ctx, `PRAGMA journal_mode=DELETE`).Scan(&mode)
	if fault.Busy(err) || err == nil && mode != "delete" {
		return ErrInUse
	}
	return err
}

// replace gives the copy the name path. What had it gets the name that is returned.
func (r Restore) replace(ctx context.Context, copied, path string) (kept string, err error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		adopt(copied, filepath.Dir(path))
		for _, suffix := range journals { // of a database that is gone: SQLite would take them for the new one's
			if _, err := os.Stat(path + suffix); err == nil {
				return "", fmt.Errorf("there is %s%s without its database: move it away first", path, suffix)
			}
		}
		if err := os.Link(copied, path); err != nil { // unlike a rename, it replaces nothing
			return "", err
		}
		return "", flush(filepath.Dir(path))
	}
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() {
		return "", fmt.Errorf("the database %s is no ordinary file", path)
	}
	release, err := r.hold(ctx, path)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, release()) }()
	adopt(copied, path)
	kept = path + r.Now().UTC().Format(".before-restore-20060102T150405Z")
	if err := os.Link(path, kept); err != nil {
		return "", fmt.Errorf("keep the database that is there: %w", err)
	}
	for _, suffix := range journals { // only a broken database still has them
		if err := os.Rename(path+suffix, kept+suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return kept, err
		}
	}
	if err := flush(filepath.Dir(path)); err != nil {
		return kept, err
	}
	if err := os.Rename(copied, path); err != nil {
		return kept, err
	}
	return kept, flush(filepath.Dir(path))
}

// journals are what SQLite calls the files beside a database, after its name.
var journals = []string{"-wal", "-shm", "-journal"}

// hold keeps every other process from using the database at path until release is called. A database
// that is broken is held by nothing, if no process has it open.
func (r Restore) hold(ctx context.Context, path string) (release func() error, err error) {
	nothing := func() error { return nil }
	if is, err := isSQLite(path); err != nil || !is { // SQLite would remove what it finds beside it
		return nothing, errors.Join(err, unused(path))
	}
	db, err := openCopy(path, "rw")
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	if err = alone(ctx, conn); err == nil {
		_, err = conn.ExecContext(ctx, `BEGIN EXCLUSIVE`)
	}
	if err == nil {
		return func() error {
			_, err := conn.ExecContext(context.WithoutCancel(ctx), `ROLLBACK`)
			return errors.Join(err, conn.Close(), db.Close())
		}, nil
	}
	broken := fault.Damaged(err)
	if closed := errors.Join(conn.Close(), db.Close()); closed != nil && !broken {
		err = errors.Join(err, closed)
	}
	switch {
	case errors.Is(err, ErrInUse) || fault.Busy(err):
		return nil, ErrInUse
	case !broken:
		return nil, fmt.Errorf("the database that is there: %w", err)
	}
	return nothing, unused(path)
}

// isSQLite tells whether a file begins as a database of SQLite, or is empty, as a new one is.
func isSQLite(path string) (bool, error) {
	f, err := os.Open(path) //nolint:gosec // G304: the operator names the file
	if err != nil {
		return false, err
	}
	defer f.Close()
	const magic = "SQLite format 3\x00"
	first := make([]byte, len(magic))
	n, err := io.ReadFull(f, first)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return n == 0, nil
	}
	return string(first) == magic, err
}

func removeAll(file string) (err error) {
	for _, suffix := range append([]string{""}, journals...) {
		if gone := os.Remove(file + suffix); !errors.Is(gone, fs.ErrNotExist) {
			err = errors.Join(err, gone)
		}
	}
	return err
}
