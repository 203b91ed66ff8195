package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
)

// lock keeps a second run off the folder until unlock, or the end of this process.
func lock(data string) (unlock func(), err error) {
	if err := os.MkdirAll(data, 0o700); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(filepath.Join(data, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		file.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("another run uses %s: stop it, or choose another folder with --data (DEV_DATA)", data)
		}
		return nil, fmt.Errorf("lock %s: %w", data, err)
	}
	return func() { file.Close() }, nil
}

// requestsSize is how long the file of requests may be before a start begins it anew; the one
// before is kept.
const requestsSize = 20 << 20

func openRequests(path string) (*os.File, error) {
	if info, err := os.Stat(path); err == nil && info.Size() > requestsSize {
		if err := os.Rename(path, path+".old"); err != nil {
			return nil, err
		}
	}
	return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
}

// apart is a log whose lines of requests go to a file, so that a person sees the others. Each Write
// is a line.
type apart struct{ rest, requests io.Writer }

func (a apart) Write(line []byte) (int, error) {
	if bytes.Contains(line, []byte(" level=INFO msg=request ")) || bytes.Contains(line, []byte(`"level":"INFO","msg":"request"`)) {
		return a.requests.Write(line)
	}
	return a.rest.Write(line)
}
