//go:build !linux

package sqldb

import (
	"syscall"
	"time"
)

// userTimeout does nothing where the system has no such limit; keep-alive packets remain.
func userTimeout(time.Duration) func(network, address string, c syscall.RawConn) error { return nil }
