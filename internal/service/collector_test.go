package service

import (
	"context"
	"runtime/debug"
	"testing"
)

func TestGarbageTakesLittleMoreThanWhatLivesOnceThatIsMuch(t *testing.T) {
	const mib = 1 << 20
	for live, want := range map[uint64]int{0: 400, 5 * mib: 400, 6 * mib: 400, 12 * mib: 200, 16 * mib: 150, 24 * mib: 100, 500 * mib: 100} {
		if got := gcPercent(live); got != want {
			t.Errorf("with %d MiB alive: %d, want %d", live/mib, got, want)
		}
	}
}

func TestTheEnvironmentsGOGCCounts(t *testing.T) {
	before := debug.SetGCPercent(77)
	defer debug.SetGCPercent(before)
	ended, end := context.WithCancel(t.Context())
	end()
	for gogc, want := range map[string]bool{"77": true, "": false} {
		t.Setenv("GOGC", gogc)
		paceCollector(ended)
		now := debug.SetGCPercent(77)
		if (now == 77) != want {
			t.Errorf("with GOGC=%q it is %d", gogc, now)
		}
	}
}
