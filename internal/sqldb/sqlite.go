package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"github.com/maru-auth/maru/internal/sqldb/internal/fault"
)

// maxJournal is how large the write-ahead log may stay, in bytes, once its content is in the
// database file. It grows beyond that while a reader holds on to an old state.
const maxJournal = 16 << 20

// A connection keeps a sixteenth of the database in memory, within these bounds, in bytes. A look-up
// by a random id needs two pages of its own, and 2,000 people who are active need 16 MB of a million;
// the least holds all of a small database, and the upper levels of all indexes of a large one.
const (
	leastPageCache = 8 << 20
	mostPageCache  = 32 << 20
)

// pageCache is how much of a database of so many bytes each connection keeps in memory at most.
func pageCache(size int64) int64 { return min(max(size/16, leastPageCache), mostPageCache) }

func openSQLite(ctx context.Context, path string, opts Options) (*DB, error) {
	path = strings.TrimPrefix(path, "//")
	if path == "" || strings.ContainsAny(path, "?#") {
		return nil, errors.New(`the database URL "sqlite:PATH" needs a file's path without ? or #`)
	}
	file, err := openFile(path, opts.Create)
	if err != nil {
		return nil, err
	}
	lockTimeout := opts.DatabaseLockTimeout
	if lockTimeout == 0 {
		lockTimeout = 10 * time.Second
	}
	// In WAL mode NORMAL may lose the last commits when power fails; see commits.
	synchronous := "FULL"
	if groupCommits {
		synchronous = "NORMAL"
	}
	common := fmt.Sprintf("&_pragma=busy_timeout(%d)&_pragma=foreign_keys(1)&_pragma=synchronous(%s)&_pragma=cache_size(-%d)",
		lockTimeout.Milliseconds(), synchronous, pageCache(file.info.Size())>>10)
	name := "file:" + (&url.URL{Path: path}).EscapedPath()
	journal := fmt.Sprintf("?mode=rw&_txlock=immediate&_pragma=journal_mode(WAL)&_pragma=journal_size_limit(%d)", maxJournal)
	write, err := openPool(name+journal+common, file, true)
	if err != nil {
		return nil, err
	}
	if err := makeWAL(ctx, write, lockTimeout); err != nil { // before a reader opens it
		return nil, errors.Join(fmt.Errorf("open the database: %w", err), write.Close())
	}
	read, err := openPool(name+"?mode=rw&_pragma=query_only(1)"+common, file, false)
	if err != nil {
		return nil, errors.Join(err, write.Close())
	}
	checks, err := openPool(name+"?mode=rw&_pragma=query_only(1)"+common, file, false)
	if err != nil {
		return nil, errors.Join(err, read.Close(), write.Close())
	}
	checks.SetMaxOpenConns(1)
	readers := min(opts.maxConnections(), max(4, 2*runtime.GOMAXPROCS(0)))
	db := &DB{
		engine: SQLite, opts: opts, write: newPool(write, 1), read: newPool(read, readers), checks: checks, file: file,
		sweeping: newSweepMeters(),
	}
	if !groupCommits {
		return db, nil
	}
	if err := db.groupCommits(ctx, name+"?mode=rw"+common); err != nil {
		return nil, errors.Join(fmt.Errorf("open the database's log: %w", err), db.Close())
	}
	return db, nil
}

// groupCommits makes db sync the log itself. The connection that it holds keeps SQLite from
// removing the log when all others are closed.
func (db *DB) groupCommits(ctx context.Context, dsn string) error {
	held, err := openPool(dsn, db.file, false)
	if err != nil {
		return err
	}
	db.held = held
	held.SetMaxOpenConns(1)
	var tables int
	if err := held.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_schema`).Scan(&tables); err != nil {
		return err
	}
	log, err := openLog(db.file.path)
	if err != nil {
		return err
	}
	db.file.log.Store(log)
	db.commits = &commits{log: log, sync: log.sync}
	return nil
}

// makeWAL opens a connection of the writing pool, which turns the file into a WAL database. For that
// SQLite needs the file for itself, and does not wait for it as it waits for other locks.
func makeWAL(ctx context.Context, write *sql.DB, patience time.Duration) error {
	for began := time.Now(); ; {
		err := write.PingContext(ctx)
		if err == nil || !fault.Busy(err) || time.Since(began) > patience {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(rand.N(20 * time.Millisecond)): //nolint:gosec // G404: nobody gains by guessing it
		}
	}
}

// A dataFile is the file of an SQLite database, as it was when it was opened, with its log.
type dataFile struct {
	path      string
	info      fs.FileInfo
	log       atomic.Pointer[logFile] // nil: SQLite syncs it by itself, or removes it since all is closed
	checkedAt atomic.Int64            // unix nanoseconds at which it was found in its place last
}

func openFile(path string, create bool) (*dataFile, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) && create {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return nil, fmt.Errorf("make the database's folder: %w", err)
		}
		// The file holds people's data: no other account may read it. SQLite gives -wal and -shm
		// the same mode. A file that exists is not opened here: closing it would drop the locks
		// that this process has on it (fcntl(2)).
		file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // G304: the operator names the file
		if err != nil && !errors.Is(err, fs.ErrExist) {                        // another process was faster
			return nil, fmt.Errorf("open the database file: %w", err)
		}
		if err == nil {
			if err := file.Close(); err != nil {
				return nil, err
			}
		}
		info, err = os.Stat(path)
		if err != nil {
			return nil, fmt.Errorf("open the database file: %w", err)
		}
		return &dataFile{path: path, info: info}, nil
	}
	if errors.Is(err, fs.ErrNotExist) {
		if absolute, err := filepath.Abs(path); err == nil {
			path = absolute
		}
		return nil, fmt.Errorf("there is no database at %s; the program creates it when it first serves", path)
	}
	if err != nil {
		return nil, fmt.Errorf("open the database file: %w", err)
	}
	if info.IsDir() {
		return nil, fmt.Errorf("the database %s is a folder", path)
	}
	return &dataFile{path: path, info: info}, nil
}

// check returns an error if the path no longer leads to the file that was opened, or that of the log
// to the log. SQLite does not notice: it would go on writing to a file without a name, and lose all of
// it when the process ends; and a new connection would make another log.
func (f *dataFile) check() error {
	if f == nil {
		return nil
	}
	info, err := os.Stat(f.path)
	if err == nil && os.SameFile(info, f.info) {
		if err := f.log.Load().check(); err != nil {
			f.checkedAt.Store(0)
			return unavailable(err)
		}
		f.checkedAt.Store(time.Now().UnixNano())
		return nil
	}
	f.checkedAt.Store(0)
	return unavailable(fmt.Errorf("the database file %s was removed or replaced under the running program; "+
		"put it back, or restart the program", f.path))
}

// checkRecently is check for what only reads: a look of the last second is enough.
func (f *dataFile) checkRecently() error {
	if f == nil || time.Since(time.Unix(0, f.checkedAt.Load())) < time.Second {
		return nil
	}
	return f.check()
}
