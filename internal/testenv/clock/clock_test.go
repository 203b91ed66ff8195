package clock_test

import (
	"testing"
	"time"

	"github.com/maru-auth/maru/internal/testenv/clock"
)

func TestAClockStandsStillUntilItIsMoved(t *testing.T) {
	start := time.Date(2026, 5, 1, 9, 0, 0, 0, time.UTC)
	c := clock.At(start)
	c.Advance(time.Hour)
	if first, second := c.Now(), c.Now(); !first.Equal(start.Add(time.Hour)) || !second.Equal(first) {
		t.Error(first, second)
	}
}

func TestTheZeroClockRunsAheadByWhatItWasMoved(t *testing.T) {
	var c clock.Clock
	c.Advance(time.Hour)
	before := time.Now()
	if got := c.Now().Sub(before); got < time.Hour || got > time.Hour+time.Minute {
		t.Error(got)
	}
}
