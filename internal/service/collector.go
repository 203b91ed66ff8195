package service

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// A service keeps some megabytes. With Go's GOGC of 100 it would collect garbage for every few dozen
// requests; with a larger one that stays, each token that it comes to remember would cost that many
// times its size. So garbage may take four times what lives while that is little, and as much as
// lives when it is more than spareHeap.
const (
	mostPercent  = 400
	leastPercent = 100 // Go's own
	spareHeap    = 24 << 20
	paceEvery    = 5 * time.Second
)

// gcPercent is the GOGC for so many bytes that live.
func gcPercent(live uint64) int {
	return int(min(max(spareHeap*100/max(live, 1), leastPercent), mostPercent))
}

// paceCollector sets GOGC as the heap grows and shrinks, until ctx ends. What the environment says
// counts in its place, and GOMEMLIMIT counts all the same.
func paceCollector(ctx context.Context) {
	if os.Getenv("GOGC") != "" {
		return
	}
	tick := time.NewTicker(paceEvery)
	defer tick.Stop()
	for set := 0; ; {
		live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
		metrics.Read(live)
		if percent := gcPercent(live[0].Value.Uint64()); percent != set { // each setting stops the world for a moment
			debug.SetGCPercent(percent)
			set = percent
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
