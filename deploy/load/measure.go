package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"runtime"
	"slices"
	"sync/atomic"
	"time"

	"github.com/maru-auth/maru/deploy/load/driver"
	"github.com/maru-auth/maru/deploy/load/site"
	"github.com/maru-auth/maru/deploy/load/usage"
)

// measurement is that of one engine.
type measurement struct {
	cfg    config
	report *Report
	out    io.Writer
	site   *site.Site
	engine string
	syncs  map[string]float64 // by scenario: the way makes no difference
}

// run starts a site and measures all scenarios on it. Those without a database are left out
// unless first.
func (m *measurement) run(ctx context.Context, cfg site.Config, scenarios []site.Scenario, first bool) (err error) {
	starting, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	fmt.Fprintf(m.out, "starting on %s…\n", cfg.Engine)
	if m.site, err = site.Start(starting, cfg); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.site.Stop()) }()
	m.engine, m.syncs = cfg.Engine, make(map[string]float64)
	rest, err := m.site.Usage()
	if err != nil && !errors.Is(err, usage.ErrUnknown) {
		return err
	}
	for _, way := range []site.Way{m.site.Direct(), m.site.Gateway()} {
		for _, one := range scenarios {
			if !slices.Contains(m.cfg.Way, way.Name) || one.NoDatabase && !first {
				continue
			}
			row, err := m.row(ctx, one, way)
			if err != nil {
				return fmt.Errorf("%s: %w", one.Name, err)
			}
			m.report.Rows = append(m.report.Rows, row)
			fmt.Fprintln(m.out, row.line())
		}
	}
	peak, err := m.site.Usage()
	if errors.Is(err, usage.ErrUnknown) {
		return nil
	}
	m.report.memory(cfg.Engine, rest, peak)
	return err
}

// row measures one scenario: what fits, and then a part of that at a steady rate.
func (m *measurement) row(ctx context.Context, one site.Scenario, way site.Way) (Row, error) {
	m.site.Discard() // a code is valid for a minute
	if err := m.site.Renew(ctx); err != nil {
		return Row{}, err
	}
	row := Row{
		Scenario: one.Name, Title: one.Title, Engine: m.engine, Way: way.Name, Connections: m.cfg.Connections, Requests: max(one.Requests, 1),
	}
	if one.NoDatabase {
		row.Engine = "any"
	}
	guess := 0.0
	if one.Prepare != nil {
		var err error
		if guess, err = m.guess(ctx, one, way); err != nil {
			return row, err
		}
	}
	closed, taken, err := m.drive(ctx, one, way, 0, guess)
	if err != nil {
		return row, err
	}
	row.Closed = newLoop(closed, 0)
	row.cost(one, closed, taken, m.report.Units)
	if row.Open, err = m.open(ctx, one, way, closed.Rate()); err != nil {
		return row, err
	}
	if row.Open != nil {
		row.Tail = row.Open.P99 / max(row.Open.P50, 1e-9)
	}
	if one.Writes && m.cfg.Sync {
		if err := m.countSyncs(ctx, one, way); err != nil {
			return row, err
		}
		if n, ok := m.syncs[one.Name]; ok {
			row.Syncs = &n
		}
	}
	row.judge(one, m.report.Units)
	return row, nil
}

// open measures a scenario at a steady rate, a part of what fits; nil: there is to be none.
//
// The rate is less if the processors are busier than that part: to send at a steady rate, the driver
// takes more of them than a closed loop does, and what waits for a processor then waits for the driver.
func (m *measurement) open(ctx context.Context, one site.Scenario, way site.Way, fits float64) (*Loop, error) {
	rate := m.cfg.Rate
	if rate == 0 {
		rate = m.cfg.Share * fits
	}
	if rate == 0 {
		return nil, nil
	}
	for tries := 0; ; tries++ {
		result, taken, err := m.drive(ctx, one, way, rate, rate)
		if err != nil {
			return nil, err
		}
		if m.cfg.Rate > 0 || tries == 2 || taken.busy < m.cfg.Share+0.03 {
			loop := newLoop(result, rate)
			return &loop, nil
		}
		rate *= m.cfg.Share / taken.busy
	}
}

func begin(ctx context.Context, one site.Scenario, s *site.Site) error {
	if one.Begin == nil {
		return nil
	}
	return one.Begin(ctx, s)
}

// guess tells how many steps a second there will be about, so that enough can be prepared.
func (m *measurement) guess(ctx context.Context, one site.Scenario, way site.Way) (float64, error) {
	n := 20 * m.cfg.Connections
	if err := one.Prepare(ctx, m.site, n); err != nil {
		return 0, err
	}
	load := driver.Load{Workers: m.cfg.Connections, Duration: time.Minute}
	result, err := load.Run(ctx, func(i int) driver.Step { return one.Step(m.site, way, i) })
	if err != nil {
		return 0, err
	}
	return result.Rate(), nil
}

// taken is what a loop took of the machine.
type taken struct {
	known bool // this system tells
	by    map[string]usage.Usage
	own   time.Duration // processor time of this process
	busy  float64       // how busy all processors were, with whatever else ran here, of 1
}

// drive runs a loop: closed without a rate. expect is how many steps a second there will be, for
// what must be prepared.
func (m *measurement) drive(ctx context.Context, one site.Scenario, way site.Way, rate, expect float64) (*driver.Result, taken, error) {
	if one.Prepare != nil {
		m.site.Discard()
		n := int(1.3 * expect * (m.cfg.WarmUp + m.cfg.Duration).Seconds())
		if err := one.Prepare(ctx, m.site, n); err != nil {
			return nil, taken{}, err
		}
	}
	if err := begin(ctx, one, m.site); err != nil {
		return nil, taken{}, err
	}
	runtime.GC() // ours must not fall into what is measured
	var before, after map[string]usage.Usage
	var beforeErr, afterErr error
	var ownBefore, ownAfter time.Duration
	var busyBefore, idleBefore, busyAfter, idleAfter time.Duration
	load := driver.Load{
		Workers: m.cfg.Connections, Rate: rate, WarmUp: m.cfg.WarmUp, Duration: m.cfg.Duration,
		Began: func() {
			before, beforeErr = m.site.Usage()
			ownBefore = ownTime()
			busyBefore, idleBefore = usage.Processors()
		},
		Ended: func() {
			after, afterErr = m.site.Usage()
			ownAfter = ownTime()
			busyAfter, idleAfter = usage.Processors()
		},
	}
	result, err := load.Run(ctx, func(i int) driver.Step { return one.Step(m.site, way, i) })
	if err != nil {
		return nil, taken{}, err
	}
	t := taken{own: ownAfter - ownBefore, by: map[string]usage.Usage{}}
	if busy, idle := busyAfter-busyBefore, idleAfter-idleBefore; busy+idle > 0 {
		t.busy = float64(busy) / float64(busy+idle)
	}
	switch err := errors.Join(beforeErr, afterErr); {
	case errors.Is(err, usage.ErrUnknown):
		return result, t, nil
	case err != nil:
		return nil, t, err
	}
	t.known = true
	for name, u := range after {
		t.by[name] = u.Since(before[name])
	}
	return result, t, nil
}

// syncSteps is in how many steps writes through to the disk are counted.
const syncSteps = 200

// countSyncs counts how often a database writes through to the disk, in a loop of its own, since to
// be watched makes it slow.
func (m *measurement) countSyncs(ctx context.Context, one site.Scenario, way site.Way) error {
	if _, done := m.syncs[one.Name]; done {
		return nil
	}
	if one.Prepare != nil {
		m.site.Discard()
		if err := one.Prepare(ctx, m.site, syncSteps); err != nil {
			return err
		}
	}
	if err := begin(ctx, one, m.site); err != nil {
		return err
	}
	pids, err := m.site.Databases()
	if err != nil {
		return err
	}
	n, begun, steps := int64(syncSteps), atomic.Int64{}, atomic.Int64{}
	if one.Hashes > 0 {
		n = 40
	}
	calls, err := watchSyncs(ctx, pids, func() error {
		load := driver.Load{Workers: m.cfg.Connections, Duration: time.Minute}
		_, err := load.Run(ctx, func(i int) driver.Step {
			step := one.Step(m.site, way, i)
			return func(ctx context.Context) error {
				if begun.Add(1) > n {
					return driver.ErrUsedUp
				}
				err := step(ctx)
				if err == nil {
					steps.Add(1)
				}
				return err
			}
		})
		return err
	})
	if errors.Is(err, errNoStrace) {
		return nil
	}
	if err == nil && steps.Load() > 0 {
		m.syncs[one.Name] = float64(calls) / float64(steps.Load())
	}
	return err
}
