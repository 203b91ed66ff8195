// Package savedfile keeps what was last fetched on disk, so that a service can
// start while its issuer is away. Whoever can write to such a file can forge
// tokens, or bring revoked ones back: it is created for its owner alone, and
// refused otherwise.
package savedfile

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// CheckFolder returns an error unless there is a folder for the file, which
// itself need not be there, and removes what processes left that were killed
// while they saved.
func CheckFolder(path string) error {
	info, err := os.Stat(filepath.Dir(path))
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("%s is not a directory", filepath.Dir(path))
	}
	removeLeftovers(path, time.Now())
	return nil
}

// removeLeftovers spares what is younger than an hour: it may be another
// process's that saves just now.
func removeLeftovers(path string, now time.Time) {
	names, err := filepath.Glob(path + ".*.new")
	if err != nil { // a path with brackets: nothing is removed
		return
	}
	for _, name := range names {
		if info, err := os.Lstat(name); err == nil && now.Sub(info.ModTime()) > time.Hour {
			_ = os.Remove(name) // the next start tries again
		}
	}
}

// Save replaces the file, wholly or not at all. Its mode becomes 0600.
func Save(path string, text []byte) (err error) {
	temporary, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.new") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(temporary.Name()))
		}
	}()
	_, err = temporary.Write(text)
	if err == nil {
		err = temporary.Sync()
	}
	if err = errors.Join(err, temporary.Close()); err != nil {
		return err
	}
	return os.Rename(temporary.Name(), path)
}

// Load returns what the file has, most bytes at most. It fails with
// fs.ErrNotExist if there is no file, and with other errors for one that must
// not be believed.
func Load(path string, most int64) ([]byte, error) {
	// Looked at before it is opened, since opening a pipe would wait.
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, errors.New("not a regular file")
	}
	file, err := os.Open(path) //nolint:gosec // G304: the service names it
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if info, err = file.Stat(); err != nil {
		return nil, err
	}
	if err := onlyOurs(info); err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(file, most+1))
	if err != nil {
		return nil, err
	}
	if int64(len(text)) > most {
		return nil, fmt.Errorf("more than %d bytes", most)
	}
	return text, nil
}
