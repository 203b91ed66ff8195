// Package endurance drives a Maru of its own for a long time at a steady rate, while replicas are
// restarted and clocks are stepped, and tells whether anything failed or grew.
package endurance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/maru-auth/maru/deploy/load/driver"
	"github.com/maru-auth/maru/deploy/load/site"
	"github.com/maru-auth/maru/deploy/stack"
)

// Config says what to do. Root, Dir and Programs must be set.
type Config struct {
	Root, Dir   string
	Programs    stack.Programs
	Duration    time.Duration // at the steady rate
	Capacity    time.Duration // how long it is measured what fits
	Share       float64       // the rate, as a part of what fits
	Connections int
	Restart     time.Duration // between two restarts of a replica
	Clocks      string        // from [BuildWithClocks]; empty: no clock is stepped
	Log         io.Writer     // what the programs print; nil: nowhere
	Out         io.Writer     // how far it is; nil: nobody is told
}

// Result is what came of it.
type Result struct {
	Engine   string           `json:"engine"`
	Replicas int              `json:"replicas"`
	Duration float64          `json:"duration_s"`
	Capacity float64          `json:"capacity"` // steps a second that fit
	Rate     float64          `json:"rate"`     // steps a second that were offered
	Steps    int64            `json:"steps"`    // that succeeded
	Errors   map[string]int64 `json:"errors,omitempty"`
	Example  string           `json:"example,omitempty"` // of an error
	P50      float64          `json:"p50_ms"`
	P99      float64          `json:"p99_ms"`
	Max      float64          `json:"max_ms"`
	Restarts int              `json:"restarts"`
	Clock    int              `json:"clock_steps"`
	Growth   []Growth         `json:"growth"`
}

// Run starts the stack, finds out what fits, and drives it. The error says what failed to run;
// [Result.Check] judges.
func Run(ctx context.Context, cfg Config) (r *Result, err error) {
	s, r, err := start(ctx, cfg)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Stop()) }()
	way := s.Gateway()
	closed, err := driver.Load{Workers: cfg.Connections, WarmUp: cfg.Capacity / 2, Duration: cfg.Capacity}.Run(ctx, mix(s, way))
	if err != nil {
		return nil, err
	}
	if closed.Failed() > 0 {
		return nil, fmt.Errorf("requests failed before the beginning: %v, such as %w", closed.Errors, closed.Example)
	}
	r.Capacity, r.Rate, r.Duration = closed.Rate(), cfg.Share*closed.Rate(), cfg.Duration.Seconds()
	cfg.say("%s, authorization servers: %d; %.0f a second fit, and %.0f are sent for %s", r.Engine, r.Replicas, r.Capacity, r.Rate, cfg.Duration)

	with, cancel := context.WithCancel(ctx)
	e := &endurance{cfg: cfg, site: s, result: r, samples: newSamples(time.Now())}
	var beside sync.WaitGroup
	beside.Go(func() { e.every(with, max(cfg.Duration/300, 200*time.Millisecond), e.sample) })
	beside.Go(func() { e.every(with, 4*time.Minute, func() { e.note(s.Renew(with)) }) })
	if r.Replicas > 1 {
		beside.Go(func() { e.every(with, cfg.Restart, func() { e.restart(with) }) })
	}
	if cfg.Clocks != "" {
		beside.Go(func() { e.every(with, max(cfg.Duration/20, 5*time.Second), e.stepClock) })
	}
	result, err := driver.Load{Workers: cfg.Connections, Rate: r.Rate, Duration: cfg.Duration}.Run(ctx, mix(s, way))
	cancel()
	beside.Wait()
	if err != nil {
		return nil, err
	}
	r.Steps, r.Growth = result.Latency.Count(), e.samples.growth()
	r.P50, r.P99, r.Max = ms(result.Latency.Percentile(50)), ms(result.Latency.Percentile(99)), ms(result.Latency.Max())
	if result.Failed() > 0 {
		r.Errors, r.Example = result.Errors, result.Example.Error()
	}
	return r, errors.Join(e.failed...)
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func (cfg Config) say(format string, args ...any) {
	if cfg.Out != nil {
		fmt.Fprintf(cfg.Out, format+"\n", args...)
	}
}

// start starts two replicas on Postgres, or one on SQLite where there is no Postgres.
func start(ctx context.Context, cfg Config) (*site.Site, *Result, error) {
	r := &Result{Engine: site.Postgres, Replicas: 2}
	// As in production: a replica that is told to stop serves on until the gateway has seen it.
	c := site.Config{Root: cfg.Root, Dir: cfg.Dir, Programs: cfg.Programs, Engine: r.Engine, Replicas: r.Replicas, Workers: cfg.Connections,
		Env: []string{"AUTHZ_SHUTDOWN_DELAY=3s"}, Log: cfg.Log}
	s, err := site.Start(ctx, c)
	if errors.Is(err, site.ErrNoPostgres) {
		r.Engine, r.Replicas = site.SQLite, 1
		c.Engine, c.Replicas = r.Engine, r.Replicas
		s, err = site.Start(ctx, c)
	}
	return s, r, err
}

// shares of a hundred steps by scenario. A journey is a whole log-in.
var shares = []struct {
	scenario string
	of100    int
}{
	{"board-list", 30}, {"refresh", 17}, {"userinfo", 15}, {"client-credentials", 14}, {"introspection", 10},
	{"jwks", 5}, {"status-list", 4}, {"board-post", 3}, {"journey", 2},
}

// mix is workers that do a bit of everything.
func mix(s *site.Site, way site.Way) func(i int) driver.Step {
	all := site.Scenarios()
	return func(worker int) driver.Step {
		var steps []driver.Step
		for _, one := range shares {
			i := slices.IndexFunc(all, func(sc site.Scenario) bool { return sc.Name == one.scenario })
			step := all[i].Step(s, way, worker)
			for range one.of100 {
				steps = append(steps, step)
			}
		}
		n := worker * 7
		return func(ctx context.Context) error {
			n += 37 // it has no factor in common with 100, so that each has its turn, well mixed
			return steps[n%len(steps)](ctx)
		}
	}
}

// endurance is a run.
type endurance struct {
	cfg     Config
	site    *site.Site
	result  *Result
	samples *samples
	stepped atomic.Int64

	mu     sync.Mutex
	failed []error
}

func (e *endurance) note(err error) {
	if err != nil && !errors.Is(err, context.Canceled) {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.failed = append(e.failed, err)
	}
}

// every calls do again and again until ctx ends.
func (e *endurance) every(ctx context.Context, pause time.Duration, do func()) {
	ticker := time.NewTicker(pause)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			do()
		}
	}
}

// restart stops the last replica as an orchestrator would, and starts it again. The others live as
// long as the run, so that it is seen whether they grow.
func (e *endurance) restart(ctx context.Context) {
	replicas := e.site.Replicas()
	name := replicas[len(replicas)-1]
	if err := e.site.StopPart(name); err != nil {
		e.note(fmt.Errorf("the stop of %s: %w", name, err))
		return
	}
	if err := e.site.Launch(name); err != nil {
		e.note(err)
		return
	}
	ready, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	if err := e.site.WaitReady(ready); err != nil {
		e.note(err)
		return
	}
	e.result.Restarts++
}

// Check returns what is wrong: failed requests, memory that grows, or goroutines that do.
func (r *Result) Check() error {
	var errs []error
	if len(r.Errors) > 0 {
		errs = append(errs, fmt.Errorf("requests failed: %v, such as %s", r.Errors, r.Example))
	}
	if r.Steps == 0 {
		errs = append(errs, errors.New("nothing succeeded"))
	}
	for _, one := range r.Growth {
		errs = append(errs, one.check())
	}
	return errors.Join(errs...)
}
