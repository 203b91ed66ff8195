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

func TestAStoppedClockStandsStill(t *testing.T) {
	var c clock.Clock
	c.Advance(time.Hour)
	before := time.Now().Add(time.Hour)
	c.Stop()
	stopped := c.Now()
	if stopped.Before(before) || !c.Now().Equal(stopped) {
		t.Errorf("stopped at %v, after %v, and now it is %v", stopped, before, c.Now())
	}
	c.Advance(time.Minute)
	if got := c.Now(); !got.Equal(stopped.Add(time.Minute)) {
		t.Errorf("moved from %v by a minute to %v", stopped, got)
	}
}
