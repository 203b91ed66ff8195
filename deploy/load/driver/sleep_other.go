//go:build !linux

package driver

import "time"

func sleepUntil(at time.Time) { time.Sleep(time.Until(at)) }
