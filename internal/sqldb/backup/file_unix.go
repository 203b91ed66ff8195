//go:build unix

package backup

import (
	"fmt"
	"io"
	"os"
	"syscall"
)

// What SQLite locks of a database's file, whatever is in it (its os_unix.c).
const (
	pendingByte = 0x40000000
	lockedBytes = 2 + 510
)

// noFollow opens no link in the place of a file that this program has just made.
const noFollow = syscall.O_NOFOLLOW

// unused tells by SQLite's locks whether another process has a file open that is no whole database.
func unused(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0) //nolint:gosec // G304: the operator names the file
	if err != nil {
		return err
	}
	defer f.Close()
	lock := syscall.Flock_t{Type: syscall.F_WRLCK, Whence: io.SeekStart, Start: pendingByte, Len: lockedBytes}
	if err := syscall.FcntlFlock(f.Fd(), syscall.F_GETLK, &lock); err != nil {
		return fmt.Errorf("find out who uses %s: %w", path, err)
	}
	if lock.Type != syscall.F_UNLCK {
		return ErrInUse
	}
	return nil
}

// adopt gives a file the owner that another one has, if this account may: the server, and not the
// administrator who restores its database, must be able to read it.
func adopt(file, like string) {
	info, err := os.Stat(like)
	if err != nil {
		return
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); ok {
		// Only root may. The folder can be the server's: a link that it puts there leads root nowhere.
		_ = os.Lchown(file, int(owner.Uid), int(owner.Gid))
	}
}
