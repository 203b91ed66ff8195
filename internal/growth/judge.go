package growth

import (
	"context"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// most is the highest ratio of costs that still counts as flat: of a request, and of a call of the
// store, many of which are one look-up of 20 µs, where one more level of an index shows.
const (
	most        = 1.2
	mostOfStore = 2
)

// What a figure tells.
const (
	Flat    = "flat"
	Dearer  = "costs more"
	Unclear = "unclear" // the machine was too busy to tell
)

// figure is what one scenario cost on one engine: the times are medians, and the 90th percentile. The
// ratio lies between Low and High with a confidence of 96 %.
type figure struct {
	Engine   string  `json:"engine"`
	Scenario string  `json:"scenario"`
	Runs     int     `json:"runs"`
	SmallUS  float64 `json:"small_us"`
	LargeUS  float64 `json:"large_us"`
	Ratio    float64 `json:"ratio"`
	Low      float64 `json:"ratio_low"`
	High     float64 `json:"ratio_high"`
	Verdict  string  `json:"verdict"`
	Small90  float64 `json:"small_p90_us"`
	Large90  float64 `json:"large_p90_us"`
}

// judge says what the ratio tells: where it lies for certain must be on one side of the bound.
func (f *figure) judge() string {
	bound := most
	if strings.HasPrefix(f.Scenario, storePrefix) {
		bound = mostOfStore
	}
	switch {
	case f.Low > bound:
		return Dearer
	case f.High <= bound:
		return Flat
	}
	return Unclear
}

// measure repeats a scenario for so long, in turn on each database: whatever else the machine does
// meets both. If it is not clear then that the cost is flat, it goes on for up to four times as long:
// of so many scenarios one seems dearer by chance now and then.
func measure[W any](ctx context.Context, each time.Duration, one Scenario[W], worlds []W) (figure, error) {
	r := rand.New(rand.NewPCG(1, uint64(len(one.Name)))) //nolint:gosec // G404: keeps no secret
	took := make([][]time.Duration, len(worlds))
	const warm, least = 5, 3 * parts
	n := 0
	for longer := range 4 {
		for began := time.Now(); n < warm+least || time.Since(began) < each; n++ {
			for k := range worlds {
				i := (k + n) % len(worlds)
				d, err := one.Once(ctx, worlds[i], r)
				if err != nil {
					return figure{}, err
				}
				if n >= warm {
					took[i] = append(took[i], d)
				}
			}
		}
		if f := newFigure(one.Name, took[0], took[1]); f.Verdict == Flat || longer == 3 {
			return f, nil
		}
	}
	panic("not reached")
}

// parts is how many parts of a run have a ratio of their own. In order, the median of what they stand
// for lies between the fourth and the twelfth of 15 with a probability of 96.5 %.
const parts = 15

// newFigure compares what was measured in turn.
func newFigure(scenario string, small, large []time.Duration) figure {
	at := func(took []time.Duration, part float64) float64 {
		sorted := slices.Sorted(slices.Values(took))
		return float64(sorted[int(part*float64(len(sorted)-1))].Nanoseconds()) / 1e3
	}
	var ratios []float64
	for i := range parts {
		from, to := i*len(small)/parts, (i+1)*len(small)/parts
		ratios = append(ratios, at(large[from:to], 0.5)/at(small[from:to], 0.5))
	}
	slices.Sort(ratios)
	f := figure{Scenario: scenario, Runs: len(small), SmallUS: at(small, 0.5), LargeUS: at(large, 0.5), Small90: at(small, 0.9), Large90: at(large, 0.9)}
	f.Ratio, f.Low, f.High = f.LargeUS/f.SmallUS, ratios[3], ratios[11]
	f.Verdict = f.judge()
	return f
}
