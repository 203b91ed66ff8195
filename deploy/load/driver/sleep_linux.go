package driver

import (
	"time"

	"golang.org/x/sys/unix"
)

// sleepUntil is exact to some tens of microseconds. Go's own timers are up to a millisecond late,
// which would be counted as the server's.
func sleepUntil(at time.Time) {
	for {
		rest := time.Until(at)
		if rest <= 0 {
			return
		}
		t := unix.NsecToTimespec(rest.Nanoseconds())
		_ = unix.Nanosleep(&t, nil) // interrupted: the loop looks again
	}
}
