//go:build race

package testenv

// Race tells whether this test runs under the race detector, which makes Go code ten times as slow.
const Race = true
