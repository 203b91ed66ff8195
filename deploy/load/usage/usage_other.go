//go:build !linux

package usage

import "time"

// Of returns [ErrUnknown] on this system.
func Of(int) (Usage, error) { return Usage{}, ErrUnknown }

// Family returns [ErrUnknown] on this system.
func Family(int) (Usage, error) { return Usage{}, ErrUnknown }

// Tree returns [ErrUnknown] on this system.
func Tree(int) ([]int, error) { return nil, ErrUnknown }

// Processors returns 0, 0: not known.
func Processors() (busy, idle time.Duration) { return 0, 0 }
