// Package charts counts what goes on at the server, for operators to see: how often people log in and
// sign up, and how often apps get tokens. It adds up what the metrics count, in the background.
package charts

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/statistics"
)

// What is counted for charts.
const (
	LogIns   = "logins"   // people who got in
	Failures = "failures" // log-ins that were refused or put off
	SignUps  = "signups"  // accounts that people made
	Tokens   = "tokens"   // requests that were answered with tokens
)

// Kinds lists what is counted.
var Kinds = []string{LogIns, Failures, SignUps, Tokens}

// counted is which metrics the counts come from, so that what an operator's charts show is what the
// metrics show, and nothing is counted in a request.
var counted = map[string]func(labels map[string]string) (kind string){
	"authz_logins_total": func(labels map[string]string) string {
		switch labels["outcome"] {
		case "success":
			return LogIns
		case "refused", "limited":
			return Failures
		}
		return ""
	},
	"authz_signups_total":       func(map[string]string) string { return SignUps },
	"authz_tokens_issued_total": func(map[string]string) string { return Tokens },
}

// countsOf are the counts of this process since it started.
func countsOf(metrics prometheus.Gatherer) (map[string]int64, error) {
	families, err := metrics.Gather()
	counts := map[string]int64{}
	for _, family := range families {
		kindOf := counted[family.GetName()]
		if kindOf == nil {
			continue
		}
		for _, metric := range family.GetMetric() {
			labels := map[string]string{}
			for _, pair := range metric.GetLabel() {
				labels[pair.GetName()] = pair.GetValue()
			}
			if kind := kindOf(labels); kind != "" {
				counts[kind] += int64(metric.GetCounter().GetValue())
			}
		}
	}
	return counts, err
}

// every is how often a replica adds its counts.
const every = 10 * time.Second

// Keep adds what this process counts, in its metrics and of clients that were refused, to the
// statistics, until ctx ends. What could not be added of the metrics is added later; what a crash takes
// along is lost.
func Keep(ctx context.Context, s *store.Store, metrics prometheus.Gatherer, log *slog.Logger) {
	k := keeper{kept: s.Statistics, refused: s.Refusals, metrics: metrics, added: map[string]int64{}}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
			defer cancel()
			if err := k.add(ending); err != nil {
				log.WarnContext(ending, "the last seconds are missing from the statistics", "error", err)
			}
			return
		case <-tick.C:
			if err := k.add(ctx); err != nil && ctx.Err() == nil {
				log.WarnContext(ctx, "cannot add to the statistics; it is tried again", "error", err)
			}
		}
	}
}

// keeper is what a process has added so far.
type keeper struct {
	kept    *statistics.Statistics
	refused *statistics.Refusals
	metrics prometheus.Gatherer
	added   map[string]int64
}

func (k *keeper) add(ctx context.Context) error {
	return errors.Join(k.refused.Keep(ctx), k.addCounts(ctx))
}

func (k *keeper) addCounts(ctx context.Context) error {
	counts, err := countsOf(k.metrics)
	if err != nil {
		return err
	}
	fresh := map[string]int64{}
	for kind, n := range counts {
		if n > k.added[kind] {
			fresh[kind] = n - k.added[kind]
		}
	}
	if len(fresh) == 0 {
		return nil
	}
	if err := k.kept.Add(ctx, fresh); err != nil {
		return err
	}
	k.added = counts
	return nil
}

// Chart is how often something happened, a point for each hour or day, the oldest first and the
// present one last.
type Chart struct {
	Kind   string  `json:"kind"`
	Points []int64 `json:"points"`
}

// Charts are the charts of a time. Days begin at midnight UTC.
type Charts struct {
	Start  time.Time     `json:"start"` // of the first point
	Width  time.Duration `json:"width"` // of a point: an hour, or a day
	Charts []Chart       `json:"charts"`
}

// DayInHours returns the charts of the last 24 hours.
func DayInHours(ctx context.Context, kept *statistics.Statistics, now time.Time) (Charts, error) {
	return draw(ctx, kept, now, statistics.Hour, 24)
}

// MonthInDays returns the charts of the last 31 days.
func MonthInDays(ctx context.Context, kept *statistics.Statistics, now time.Time) (Charts, error) {
	return draw(ctx, kept, now, statistics.Day, 31)
}

func draw(
	ctx context.Context, kept *statistics.Statistics, now time.Time, width statistics.Width, points int,
) (c Charts, err error) {
	c.Width = time.Duration(width)
	c.Start = now.UTC().Truncate(c.Width).Add(-time.Duration(points-1) * c.Width)
	at := map[string]int{}
	for i, kind := range Kinds {
		at[kind] = i
		c.Charts = append(c.Charts, Chart{kind, make([]int64, points)})
	}
	counts, err := kept.Since(ctx, width, c.Start)
	for _, one := range counts {
		i, known := at[one.Kind]
		if point := int(one.Start.Sub(c.Start) / c.Width); known && point >= 0 && point < points {
			c.Charts[i].Points[point] += one.Count
		}
	}
	return c, err
}
