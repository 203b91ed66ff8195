//go:build !linux

package sqldb

import "os"

const groupCommits = false

func syncData(file *os.File) error { return file.Sync() }
