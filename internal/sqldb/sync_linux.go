package sqldb

import (
	"os"
	"syscall"
)

// groupCommits tells whether [commits] syncs the log. Elsewhere SQLite does, at every commit.
const groupCommits = true

// syncData has the file's content, and as much of its metadata as finding it takes, written to disk.
func syncData(file *os.File) error {
	for {
		err := syscall.Fdatasync(int(file.Fd()))
		if err != syscall.EINTR {
			return os.NewSyscallError("fdatasync", err)
		}
	}
}
