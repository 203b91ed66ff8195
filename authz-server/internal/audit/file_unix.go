//go:build unix

package audit

import (
	"errors"
	"os"
	"syscall"
)

// lock takes a file for this process until it is closed. [errFileTaken]: another process has it. On a
// file system without locks, nobody is kept away.
func lock(f *os.File) error {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	switch {
	case errors.Is(err, syscall.EWOULDBLOCK):
		return errFileTaken
	case errors.Is(err, syscall.ENOLCK), errors.Is(err, syscall.ENOTSUP):
		return nil
	}
	return err
}
