// Package usage tells what processes have taken of the machine, as Linux counts it.
package usage

import (
	"errors"
	"time"
)

// ErrUnknown is returned on systems that do not tell.
var ErrUnknown = errors.New("this system does not tell what a process takes")

// Usage is what a process, or several, have taken since they started.
type Usage struct {
	CPU     time.Duration // of all processors together; exact to 10 ms for each process
	Written int64         // bytes that it had sent to storage; -1: not known
	RSS     int64         // bytes of memory that it has now
	Peak    int64         // and the most it ever had
}

// Add returns the sum of both.
func (u Usage) Add(other Usage) Usage {
	written := u.Written + other.Written
	if u.Written < 0 || other.Written < 0 {
		written = -1
	}
	return Usage{u.CPU + other.CPU, written, u.RSS + other.RSS, u.Peak + other.Peak}
}

// Since returns what was taken since before. RSS and Peak stay as they are.
func (u Usage) Since(before Usage) Usage {
	if u.Written >= 0 && before.Written >= 0 {
		u.Written -= before.Written
	} else {
		u.Written = -1
	}
	u.CPU -= before.CPU
	return u
}
