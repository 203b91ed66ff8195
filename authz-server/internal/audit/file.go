package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
)

// file is a file of JSON lines that follows the chain. How far it has come stands beside it, in
// PATH.position, so that a program that starts again, and a full disk, leave no gap; without that
// file, it begins with the oldest entry that there is. One process at a time writes a file: the
// others wait until that lets it go.
type file struct {
	path     string
	position int64
	f        *os.File // locked; nil: to be opened
}

// errFileTaken says that another process writes the file.
var errFileTaken = errors.New("another process writes it: each replica needs a file of its own")

func openFile(path string) (*file, error) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() { // nothing can be taken back from a pipe
		return nil, fmt.Errorf("%s is no ordinary file", path)
	}
	f := &file{path: path}
	if err := f.open(); err != nil && !errors.Is(err, errFileTaken) { // the program that this one follows may be ending
		return nil, err
	}
	return f, nil
}

func (f *file) positionPath() string { return f.path + ".position" }

// open opens the file, and takes it for this process. It goes on from where the one before it came.
func (f *file) open() error {
	opened, err := os.OpenFile(f.path, os.O_APPEND|os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	err = lock(opened)
	if err == nil {
		err = endLine(opened)
	}
	var noted int64
	if err == nil {
		noted, err = f.noted()
	}
	if err != nil {
		return errors.Join(err, opened.Close())
	}
	f.f, f.position = opened, max(f.position, noted)
	return nil
}

// endLine ends what a machine that stopped in the middle of a line left of it, so that it spoils no other:
// it was not noted that the entry is there, so it comes again, on a line of its own.
func endLine(f *os.File) error {
	info, err := f.Stat()
	if err != nil || info.Size() == 0 {
		return err
	}
	last := make([]byte, 1)
	if _, err := f.ReadAt(last, info.Size()-1); err != nil || last[0] == '\n' {
		return err
	}
	_, err = f.WriteString("\n")
	return err
}

// noted is how far the file has come, as note wrote it; 0: it did not.
func (f *file) noted() (position int64, err error) {
	text, err := os.ReadFile(f.positionPath())
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err == nil {
		position, err = strconv.ParseInt(string(bytes.TrimSpace(text)), 10, 64)
	}
	if err != nil {
		return 0, fmt.Errorf("%s: %w", f.positionPath(), err)
	}
	return position, nil
}

func (f *file) close() {
	if f.f != nil {
		f.f.Close()
		f.f = nil
	}
}

// reopen opens the file if it is not open, or anew if another took its place, as log rotation does.
func (f *file) reopen() error {
	if f.f != nil {
		here, err := f.f.Stat()
		there, other := os.Stat(f.path)
		if err == nil && other == nil && os.SameFile(here, there) {
			return nil
		}
		f.close()
	}
	return f.open()
}

// add appends entries to the open file, all or none, and notes how far it has come. A crash in between
// writes them again: none is missing, and the position tells the double ones.
func (f *file) add(entries []Entry) error {
	var text bytes.Buffer
	for _, e := range entries {
		one, err := json.Marshal(e)
		if err != nil {
			return err
		}
		text.Write(one)
		text.WriteByte('\n')
	}
	before, err := f.f.Stat()
	if err != nil {
		return err
	}
	if _, err = f.f.Write(text.Bytes()); err == nil {
		err = f.f.Sync()
	}
	if err != nil { // such as a full disk: no half line stays
		return errors.Join(err, f.f.Truncate(before.Size()))
	}
	f.position = entries[len(entries)-1].Position
	return f.note()
}

// note writes how far the file has come.
func (f *file) note() error {
	temporary, err := os.CreateTemp(filepath.Dir(f.path), filepath.Base(f.path)+".*.position")
	if err != nil {
		return err
	}
	if _, err = fmt.Fprintf(temporary, "%d\n", f.position); err == nil {
		err = temporary.Sync() // or a machine that stops could leave an empty file under the name
	}
	if err = errors.Join(err, temporary.Close()); err == nil {
		err = os.Rename(temporary.Name(), f.positionPath())
	}
	if err != nil {
		return errors.Join(err, os.Remove(temporary.Name()))
	}
	return nil
}

// Follow writes what the chain has and the file has not.
func (c *Chainer) Follow(ctx context.Context) error {
	for {
		if err := c.file.reopen(); err != nil {
			return err
		}
		entries, err := c.log.After(ctx, c.file.position, batch)
		if err != nil {
			return err
		}
		if len(entries) == 0 {
			return c.backTo(ctx)
		}
		if err := c.file.add(entries); err != nil {
			return err
		}
	}
}

// backTo finds out that the chain is shorter than the file: the database was restored from a
// backup. The file goes on with what comes from now on.
func (c *Chainer) backTo(ctx context.Context) error {
	head, _, err := c.cfg.Store.Audit.Ends(ctx)
	if err != nil || head.Position >= c.file.position {
		return err
	}
	c.cfg.Log.WarnContext(ctx, "the audit file has entries that the database has not: it was restored from a backup, or entries were removed; "+
		"'audit verify --head' with a head of the file tells", "file", c.file.position, "database", head.Position)
	c.file.position = head.Position
	return c.file.note()
}
