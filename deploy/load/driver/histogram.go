package driver

import (
	"math/bits"
	"time"
)

// Histogram counts durations in buckets whose width is at most 1/64 of their value, so that every
// percentile is exact to 1.6 %, whatever the durations are. The zero value is empty.
type Histogram struct {
	counts [64 * (64 - precision)]int64
	total  int64
	sum    time.Duration
	max    time.Duration
}

// precision is how many bits below its highest one a bucket tells apart.
const precision = 6

// bucket returns the index for a duration: below 64 ns one of its own for each, then 64 for each
// power of two.
func bucket(d time.Duration) int {
	n := uint64(max(d, 0))
	if n < 1<<precision {
		return int(n)
	}
	shift := bits.Len64(n) - precision - 1
	return (shift+1)<<precision + int(n>>shift) - 1<<precision
}

// upper returns the largest duration of a bucket.
func upper(index int) time.Duration {
	if index < 1<<precision {
		return time.Duration(index)
	}
	shift := index>>precision - 1
	return time.Duration((index&(1<<precision-1)+1<<precision+1)<<shift - 1)
}

// Add counts one duration. A negative one counts as 0.
func (h *Histogram) Add(d time.Duration) {
	h.counts[bucket(d)]++
	h.total++
	h.sum += d
	h.max = max(h.max, d)
}

// Merge adds what other has counted.
func (h *Histogram) Merge(other *Histogram) {
	for i, n := range other.counts {
		h.counts[i] += n
	}
	h.total += other.total
	h.sum += other.sum
	h.max = max(h.max, other.max)
}

// Count returns how many durations were added.
func (h *Histogram) Count() int64 { return h.total }

// Max returns the longest duration.
func (h *Histogram) Max() time.Duration { return h.max }

// Mean returns the mean; 0 if there are none.
func (h *Histogram) Mean() time.Duration {
	if h.total == 0 {
		return 0
	}
	return h.sum / time.Duration(h.total)
}

// Percentile returns the duration that p per cent (0 to 100) do not exceed; 0 if there are none.
func (h *Histogram) Percentile(p float64) time.Duration {
	if h.total == 0 {
		return 0
	}
	rank := int64(p / 100 * float64(h.total))
	if float64(rank) < p/100*float64(h.total) || rank == 0 {
		rank++
	}
	var seen int64
	for i, n := range h.counts {
		if seen += n; seen >= rank {
			return min(upper(i), h.max)
		}
	}
	return h.max
}
