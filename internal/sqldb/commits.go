package sqldb

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// commits has SQLite's write-ahead log written to disk for many transactions at a time (group
// commit). SQLite itself, with synchronous=FULL, does so within COMMIT, while nobody else can
// write. With synchronous=NORMAL it syncs only around checkpoints: the log before its content goes
// into the database file, that file before the log starts anew, and the header of the log that
// starts anew. So whatever a commit wrote is either still in the log, which we sync, or in the
// database file, which SQLite has synced; and since frames are in the order of commits and their
// checksums form a chain, a power failure leaves the commits up to some point.
//
// Whoever has committed joins a batch before the next may write, and reports no success before that
// batch is on disk. While one batch is synced, the next one gathers. A nil *commits is that of a
// database which syncs by itself.
type commits struct {
	log  *logFile
	sync func() error // of log, unless a test replaces it

	mu      sync.Mutex
	running *batch // nil: no sync is under way
	next    *batch // of those that came after running began; nil: nobody has
	failed  error  // why nothing may be written any more
}

// A batch is a number of commits that one sync covers.
type batch struct {
	done chan struct{}
	err  error // valid once done is closed
}

// join adds a commit, or a write that found nothing to change, to the batch that the next sync
// covers. The caller still has the write connection.
func (c *commits) join() *batch {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.next == nil {
		c.next = &batch{done: make(chan struct{})}
	}
	b := c.next
	if c.running == nil {
		c.start()
	}
	return b
}

// under returns the batch after which all that was committed so far is on disk; nil: it is already.
// A transaction that only read waits for it: its answer may rest on what another has just written.
// (What another process has just written, that process syncs.)
func (c *commits) under() *batch {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.next != nil {
		return c.next
	}
	return c.running
}

// start syncs the next batch. c.mu is held, and next is not nil.
func (c *commits) start() {
	b := c.next
	c.running, c.next = b, nil
	go func() {
		for b != nil {
			b = c.finish(b, c.syncUnlessFailed())
		}
	}()
}

func (c *commits) syncUnlessFailed() error {
	if err := c.check(); err != nil {
		return err
	}
	return c.sync()
}

// finish tells the callers of b how its sync ended, and returns the batch to sync next, or nil.
func (c *commits) finish(b *batch, err error) *batch {
	c.mu.Lock()
	defer c.mu.Unlock()
	// What a failed fsync leaves on disk is unknown, and the next one may succeed without having
	// written it.
	var moved *movedError
	if err != nil && c.failed == nil && !errors.As(err, &moved) {
		c.failed = fmt.Errorf("the database's log could not be written to disk, so the last changes are in doubt; "+
			"restart the program when the disk works: %w", err)
		err = c.failed
	}
	b.err = err
	close(b.done)
	c.running, c.next = c.next, nil
	return c.running
}

// check returns an error if a sync has failed.
func (c *commits) check() error {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failed != nil {
		return unavailable(c.failed)
	}
	return nil
}

// wait waits until b is on disk, for at most limit (0: as long as it takes). It does not end with
// the caller's context: what is committed cannot be called back, and disks are quick.
func (b *batch) wait(limit time.Duration) error {
	if b == nil {
		return nil
	}
	var over <-chan time.Time
	if limit > 0 {
		timer := time.NewTimer(limit)
		defer timer.Stop()
		over = timer.C
	}
	select {
	case <-b.done:
		if b.err != nil {
			return unavailable(b.err)
		}
		return nil
	case <-over:
		return unavailable(fmt.Errorf("a commit was not on disk within %s; whether it holds is unknown", limit))
	}
}

// close waits for the syncs under way and gives the file back. A second call does nothing.
func (c *commits) close() error {
	if c == nil {
		return nil
	}
	for b := c.under(); b != nil; b = c.under() {
		<-b.done
	}
	if err := c.log.file.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return err
	}
	return nil
}

// A logFile is the write-ahead log of a database. SQLite makes it when the first connection of all
// processes reads, and removes it when the last one closes; we hold a connection for as long as we
// use the file. Closing our descriptor drops no lock: SQLite locks the database file and -shm.
type logFile struct {
	path string
	file *os.File
	info fs.FileInfo
}

// A movedError says that the log is not where it was.
type movedError struct{ path string }

func (e *movedError) Error() string {
	return fmt.Sprintf("the database's log %s was removed or replaced under the running program; put it back, or restart the program", e.path)
}

// openLog opens the log of the database at path, and makes sure that a power failure does not take
// its name away, nor the database file's.
func openLog(path string) (*logFile, error) {
	path, err := filepath.EvalSymlinks(path) // as SQLite does
	if err != nil {
		return nil, err
	}
	log := &logFile{path: path + "-wal"}
	if log.file, err = os.Open(log.path); err != nil {
		return nil, err
	}
	if log.info, err = log.file.Stat(); err != nil {
		return nil, errors.Join(err, log.file.Close())
	}
	if err := syncFolder(filepath.Dir(path)); err != nil {
		return nil, errors.Join(err, log.file.Close())
	}
	return log, nil
}

// check returns an error if the log is not in its place. A nil *logFile is that of a database that
// syncs by itself.
func (l *logFile) check() error {
	if l == nil {
		return nil
	}
	if info, err := os.Stat(l.path); err != nil || !os.SameFile(info, l.info) {
		return &movedError{l.path}
	}
	return nil
}

func (l *logFile) sync() error {
	if err := l.check(); err != nil {
		return err
	}
	return syncData(l.file)
}

func syncFolder(path string) error {
	folder, err := os.Open(path) //nolint:gosec // G304: the operator names the file
	if err != nil {
		return err
	}
	err = folder.Sync()
	if errors.Is(err, syscall.EINVAL) { // some file systems cannot, and need not
		err = nil
	}
	return errors.Join(err, folder.Close())
}
