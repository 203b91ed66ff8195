package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/internal/growth"
	"github.com/maru-auth/maru/internal/machine"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

type stallCommand struct {
	Accounts int           `help:"How many accounts there are." default:"10000"`
	Expired  int64         `help:"How many expired rows wait in each of the ten tables that are swept most." default:"100000"`
	Engines  []string      `help:"Which engines." default:"sqlite,postgres" enum:"sqlite,postgres"`
	For      time.Duration `help:"How long to sweep on each engine, and as long to watch without a sweep, in turns of 5s. 0: until the backlog is gone." default:"60s"`
	Dir      string        `help:"Where the database is made. Empty: in a temporary folder." placeholder:"PATH"`
	Postgres string        `help:"The URL of a database of Postgres whose account may create databases. Empty: a cluster of its own." placeholder:"URL"`

	machine.Output
}

const (
	// stalled is how long others wait for a sweep at most.
	stalled = 50 * time.Millisecond
	// turn is how long a sweep goes on before others are watched without one.
	turn = 5 * time.Second
)

// waits is what somebody waited for one of many short statements, in milliseconds.
type waits struct {
	Count   int     `json:"count"`
	Median  float64 `json:"p50_ms"`
	P99     float64 `json:"p99_ms"`
	P999    float64 `json:"p999_ms"`
	Longest float64 `json:"longest_ms"`
	Over    int     `json:"over_50_ms"`
}

func newWaits(took []time.Duration) (w waits) {
	if len(took) == 0 {
		return w
	}
	slices.Sort(took)
	at := func(part float64) float64 { return took[int(part*float64(len(took)-1))].Seconds() * 1e3 }
	w = waits{Count: len(took), Median: at(0.5), P99: at(0.99), P999: at(0.999), Longest: at(1)}
	for _, d := range took {
		if d > stalled {
			w.Over++
		}
	}
	return w
}

// stall is what somebody waited while nothing else happened, and in turn with that while a sweep did.
type stall struct {
	Engine  string `json:"engine"`
	Who     string `json:"who"`
	Alone   waits  `json:"alone"`
	Sweep   waits  `json:"sweep"`
	Verdict string `json:"verdict"`
}

const (
	noStall = "none"
	stalls  = "stalls"
)

// judge compares both. A disk or a machine that stalls by itself does so in the turns without a sweep
// too: of waits above the bound there may be as many as there, and three times the root of that more,
// as counts of what happens by chance differ. One alone counts if it is four times the bound.
func (s *stall) judge() string {
	chance := float64(s.Alone.Over) * float64(s.Sweep.Count) / float64(max(s.Alone.Count, 1))
	switch over := float64(s.Sweep.Over); {
	case over > 3*chance+10, s.Alone.Over == 0 && over > 3, s.Sweep.Longest > 4*stalled.Seconds()*1e3+s.Alone.Longest:
		return stalls
	case s.Alone.P999 > stalled.Seconds()*1e3:
		return growth.Unclear
	case over > chance+3*math.Sqrt(chance+1):
		return stalls
	}
	return noStall
}

// swept is how far a sweep came.
type swept struct {
	Engine  string  `json:"engine"`
	Rows    int64   `json:"rows"`
	Backlog int64   `json:"backlog"`
	Seconds float64 `json:"seconds"`
}

type stallReport struct {
	Machine machine.Machine `json:"machine"`
	Stalls  []stall         `json:"stalls"`
	Swept   []swept         `json:"swept"`
}

func (cmd stallCommand) Run(ctx context.Context) (err error) {
	dir := cmd.Dir
	if dir == "" {
		if dir, err = os.MkdirTemp("", "maru-growth-"); err != nil {
			return err
		}
		defer os.RemoveAll(dir)
	}
	all := &stallReport{Machine: machine.This()}
	for _, engine := range cmd.Engines {
		if err := cmd.engine(ctx, engine, dir, all); err != nil {
			return fmt.Errorf("%s: %w", engine, err)
		}
	}
	text := all.markdown()
	fmt.Print("\n", text)
	if err := cmd.Write("stall", all, text); err != nil {
		return err
	}
	var errs []error
	for _, s := range all.Stalls {
		if s.Verdict == stalls {
			errs = append(errs, fmt.Errorf("%s: a %s waits for sweeps: %d times above 50 ms, the longest %.0f ms; without a sweep %d times, the longest %.0f ms",
				s.Engine, s.Who, s.Sweep.Over, s.Sweep.Longest, s.Alone.Over, s.Alone.Longest))
		}
	}
	return errors.Join(errs...)
}

func (r *stallReport) markdown() string {
	text := fmt.Sprintf("`make stall`: %s; statements of others while nothing else happens, and while a replica sweeps, in turns of %s. Times in ms.\n\n", r.Machine, turn)
	var rows [][]string
	for _, s := range r.Stalls {
		row := []string{s.Engine, s.Who}
		for _, w := range []waits{s.Alone, s.Sweep} {
			row = append(row, fmt.Sprint(w.Count), fmt.Sprintf("%.1f, %.1f, %.1f", w.Median, w.P99, w.P999), fmt.Sprintf("%.0f", w.Longest), fmt.Sprint(w.Over))
		}
		rows = append(rows, append(row, s.Verdict))
	}
	text += machine.Table([]string{"engine", "who", "alone: statements>", "p50, p99, p99.9>", "longest>", "over 50>",
		"beside a sweep: statements>", "p50, p99, p99.9>", "longest>", "over 50>", "stalls by the sweep"}, rows)
	for _, s := range r.Swept {
		rate := float64(s.Rows) / max(s.Seconds, 1e-3)
		text += fmt.Sprintf("\n%s: %d of %d expired rows (%.0f %%) went in %.0f s of sweeping, %.0f a second.", s.Engine, s.Rows, s.Backlog,
			100*float64(s.Rows)/float64(max(s.Backlog, 1)), s.Seconds, rate)
		if s.Rows < s.Backlog && rate > 0 {
			text += fmt.Sprintf(" The whole backlog takes %s.", time.Duration(float64(s.Backlog)/rate*float64(time.Second)).Round(time.Second))
		}
		text += "\n"
	}
	return text
}

func (cmd stallCommand) engine(ctx context.Context, engine, dir string, all *stallReport) (err error) {
	url := "sqlite:" + filepath.Join(dir, fmt.Sprintf("expired-%d.db", cmd.Expired))
	if engine == "postgres" {
		admin, closing := cmd.Postgres, func() error { return nil }
		if admin == "" {
			if admin, closing, err = growth.Postgres(); err != nil {
				return err
			}
		}
		defer func() { err = errors.Join(err, closing()) }()
		if url, err = sqldbtest.Create(ctx, admin, fmt.Sprintf("growth_expired_%d", cmd.Expired)); err != nil {
			return err
		}
	}
	f := &fill{accounts: cmd.Accounts, expired: cmd.Expired, now: time.Now()}
	if err := f.ensure(ctx, engine, url); err != nil {
		return err
	}
	var stores [2]*store.Store // the second is another replica's
	for i := range stores {
		if stores[i], err = store.Open(ctx, url, time.Now); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, stores[i].Close()) }()
	}
	probes := probesOf(stores, f)
	// What is swept goes with its tables' rows: sessions take their grants' life.
	done, came := false, swept{Engine: engine, Backlog: sweptTables * cmd.Expired}
	alone, beside := make([][]time.Duration, len(probes)), make([][]time.Duration, len(probes))
	for !done && (cmd.For == 0 || came.Seconds < cmd.For.Seconds()) {
		if err := watch(ctx, probes, alone, func(ctx context.Context) { <-ctx.Done() }); err != nil {
			return err
		}
		var failed error
		began := time.Now()
		if err := watch(ctx, probes, beside, func(ctx context.Context) {
			rows, err := stores[0].Sweep(ctx)
			came.Rows += rows
			if done = err == nil; err != nil && ctx.Err() == nil {
				failed = err
			}
		}); err != nil || failed != nil {
			return errors.Join(err, failed)
		}
		came.Seconds += time.Since(began).Seconds()
		fmt.Printf("%s: %d of %d rows in %.0f s\n", engine, came.Rows, came.Backlog, came.Seconds)
	}
	all.Swept = append(all.Swept, came)
	for i, p := range probes {
		s := stall{Engine: engine, Who: p.who, Alone: newWaits(alone[i]), Sweep: newWaits(beside[i])}
		s.Verdict = s.judge()
		all.Stalls = append(all.Stalls, s)
	}
	return nil
}

// sweptTables is how many of the tables with expired rows lose them by sweeps of their own.
const sweptTables = 9

// probe is somebody who writes or reads all the time.
type probe struct {
	who  string
	once func(ctx context.Context, r *rand.Rand) error
}

func probesOf(stores [2]*store.Store, f *fill) []probe {
	return []probe{
		{"writer", func(ctx context.Context, r *rand.Rand) error {
			return stores[0].UsedIDs.UseID(ctx, "growth", "writer", secret("id", r.Int()), time.Now().Add(time.Hour))
		}},
		{"writer in another process", func(ctx context.Context, r *rand.Rand) error {
			return stores[1].UsedIDs.UseID(ctx, "growth", "replica", secret("id", r.Int()), time.Now().Add(time.Hour))
		}},
		{"reader", func(ctx context.Context, r *rand.Rand) error {
			_, err := stores[0].Clients.Client(ctx, clientID(f.someClient(r)))
			return err
		}},
	}
}

// watch has others write and read for a turn, or until something beside them ends.
func watch(ctx context.Context, probes []probe, took [][]time.Duration, beside func(ctx context.Context)) error {
	ctx, stop := context.WithTimeout(ctx, turn)
	defer stop()
	var others sync.WaitGroup
	failed := make([]error, len(probes))
	for i, p := range probes {
		others.Go(func() {
			r := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), uint64(i))) //nolint:gosec // G404, G115: keeps no secret
			for ctx.Err() == nil && failed[i] == nil {
				began := time.Now()
				if err := p.once(context.WithoutCancel(ctx), r); err != nil {
					failed[i] = err
				}
				took[i] = append(took[i], time.Since(began))
				time.Sleep(2 * time.Millisecond)
			}
		})
	}
	beside(ctx)
	stop()
	others.Wait()
	return errors.Join(failed...)
}
