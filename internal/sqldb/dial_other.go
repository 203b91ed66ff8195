//go:build !linux

package sqldb

import (
	"syscall"
	"time"
)

// userTimeout does nothing on systems without such a limit; keep-alive packets still apply.
func userTimeout(time.Duration) func(network, address string, c syscall.RawConn) error { return nil }
