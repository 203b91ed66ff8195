//go:build !unix

package main

import "time"

// processTime returns the time, where that of the process is not known.
func processTime() time.Duration { return time.Since(started) }
