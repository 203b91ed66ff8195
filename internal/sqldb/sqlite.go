package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"time"
)

// maxJournal is how large the write-ahead log may stay, in bytes, once its content is in the
// database file. It grows beyond that while a reader holds on to an old state.
const maxJournal = 16 << 20

// pageCache is how much of the database a connection keeps in memory at most, in bytes. SQLite's 2 MiB
// do not hold the upper levels of all indexes once there are a million accounts.
const pageCache = 8 << 20

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
	// synchronous=FULL: in WAL mode NORMAL may lose acknowledged commits when power fails.
	common := fmt.Sprintf("&_pragma=busy_timeout(%d)&_pragma=foreign_keys(1)&_pragma=synchronous(FULL)&_pragma=cache_size(-%d)",
		lockTimeout.Milliseconds(), pageCache>>10)
	name := "file:" + (&url.URL{Path: path}).EscapedPath()
	journal := fmt.Sprintf("?_txlock=immediate&_pragma=journal_mode(WAL)&_pragma=journal_size_limit(%d)", maxJournal)
	write, err := sql.Open("sqlite", name+journal+common)
	if err != nil {
		return nil, err
	}
	if err := write.PingContext(ctx); err != nil { // turns the file into a WAL database before a reader opens it
		return nil, errors.Join(fmt.Errorf("open the database: %w", err), write.Close())
	}
	read, err := sql.Open("sqlite", name+"?_pragma=query_only(1)"+common)
	if err != nil {
		return nil, errors.Join(err, write.Close())
	}
	checks, err := sql.Open("sqlite", name+"?_pragma=query_only(1)"+common)
	if err != nil {
		return nil, errors.Join(err, read.Close(), write.Close())
	}
	checks.SetMaxOpenConns(1)
	readers := min(opts.maxConnections(), max(4, 2*runtime.GOMAXPROCS(0)))
	return &DB{
		engine: SQLite, opts: opts, write: newPool(write, 1), read: newPool(read, readers), checks: checks, file: file,
		sweeping: newSweepMeters(),
	}, nil
}

// A dataFile is the file of an SQLite database, as it was when it was opened.
type dataFile struct {
	path      string
	info      fs.FileInfo
	checkedAt atomic.Int64 // unix nanoseconds at which it was found in its place last
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

// check returns an error if the path no longer leads to the file that was opened. SQLite does not
// notice: it would go on writing to a file without a name, and lose all of it when the process
// ends.
func (f *dataFile) check() error {
	if f == nil {
		return nil
	}
	info, err := os.Stat(f.path)
	if err == nil && os.SameFile(info, f.info) {
		f.checkedAt.Store(time.Now().UnixNano())
		return nil
	}
	f.checkedAt.Store(0)
	return unavailable(fmt.Errorf("the database file %s was removed or replaced under the running program; "+
		"put it back, or restart the program", f.path))
}

// checkRecently is check for what only reads: a look of the last second is enough.
func (f *dataFile) checkRecently() error {
	if time.Since(time.Unix(0, f.checkedAt.Load())) < time.Second {
		return nil
	}
	return f.check()
}
