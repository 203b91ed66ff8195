package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

type stallCommand struct {
	Accounts int           `help:"How many accounts there are." default:"10000"`
	Expired  int64         `help:"How many expired rows wait in each of the ten tables that are swept most." default:"100000"`
	Engines  []string      `help:"Which engines." default:"sqlite,postgres" enum:"sqlite,postgres"`
	For      time.Duration `help:"How long to sweep at most, on each engine, and how long to watch without a sweep before." default:"60s"`
	Dir      string        `help:"Where the database is made. Empty: in a temporary folder." placeholder:"PATH"`
	Postgres string        `help:"The URL of a database of Postgres whose account may create databases. Empty: a cluster of its own." placeholder:"URL"`
	Out      string        `help:"A file for the summary as JSON. Empty: none." env:"OUT" placeholder:"FILE"`
}

// stalled is how long others wait for a sweep at most.
const stalled = 50 * time.Millisecond

// waits is what somebody waited for one of many short statements, in milliseconds.
type waits struct {
	Engine  string  `json:"engine"`
	Who     string  `json:"who"`
	While   string  `json:"while"`
	Count   int     `json:"count"`
	Median  float64 `json:"p50_ms"`
	P99     float64 `json:"p99_ms"`
	P999    float64 `json:"p999_ms"`
	Longest float64 `json:"longest_ms"`
	Over    int     `json:"over_50_ms"`
}

type stalls struct {
	Waits []waits        `json:"waits"`
	Swept map[string]any `json:"swept"`
}

func (cmd stallCommand) Run(ctx context.Context) (err error) {
	dir := cmd.Dir
	if dir == "" {
		if dir, err = os.MkdirTemp("", "maru-growth-"); err != nil {
			return err
		}
		defer os.RemoveAll(dir)
	}
	all := stalls{Swept: map[string]any{}}
	for _, engine := range cmd.Engines {
		if err := cmd.engine(ctx, engine, dir, &all); err != nil {
			return fmt.Errorf("%s: %w", engine, err)
		}
	}
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "\nengine\twho\twhile\tstatements\tp50\tp99\tp99.9\tlongest\tover 50 ms")
	for _, w := range all.Waits {
		fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%.1f ms\t%.1f ms\t%.1f ms\t%.1f ms\t%d\n", w.Engine, w.Who, w.While, w.Count, w.Median, w.P99, w.P999,
			w.Longest, w.Over)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if cmd.Out == "" {
		return nil
	}
	text, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(cmd.Out, append(text, '\n'), 0o600)
}

func (cmd stallCommand) engine(ctx context.Context, engine, dir string, all *stalls) (err error) {
	url := "sqlite:" + filepath.Join(dir, fmt.Sprintf("expired-%d.db", cmd.Expired))
	if engine == "postgres" {
		admin, closing := cmd.Postgres, func() error { return nil }
		if admin == "" {
			if admin, closing, err = sqldbtest.StartDurable(postgresSettings...); err != nil {
				return err
			}
		}
		defer func() { err = errors.Join(err, closing()) }()
		if url, err = sqldbtest.Create(ctx, admin, fmt.Sprintf("growth_expired_%d", cmd.Expired)); err != nil {
			return err
		}
	}
	w := &world{fill: &fill{accounts: cmd.Accounts, expired: cmd.Expired, now: time.Now()}, engine: engine, url: url}
	if err := w.ensure(ctx); err != nil {
		return err
	}
	var stores [2]*store.Store // the second is another replica's
	for i := range stores {
		if stores[i], err = store.Open(ctx, url, time.Now); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, stores[i].Close()) }()
	}
	for _, sweep := range []bool{false, true} {
		swept, found, err := cmd.watch(ctx, stores, w, sweep)
		if err != nil {
			return err
		}
		for i := range found {
			found[i].Engine, found[i].While = engine, "nothing else"
			if sweep {
				found[i].While = "a sweep"
			}
		}
		all.Waits = append(all.Waits, found...)
		if sweep {
			all.Swept[engine] = swept
			fmt.Printf("%s: swept %v\n", engine, swept)
		}
	}
	return nil
}

// watch has others write and read for a while, with or without a sweep.
func (cmd stallCommand) watch(ctx context.Context, stores [2]*store.Store, w *world, sweep bool) (swept map[string]any, found []waits, err error) {
	ctx, stop := context.WithTimeout(ctx, cmd.For)
	defer stop()
	probes := []struct {
		who  string
		once func(ctx context.Context, r *rand.Rand) error
	}{
		{"writer", func(ctx context.Context, r *rand.Rand) error {
			return stores[0].UsedIDs.UseID(ctx, "growth", "writer", secret("id", r.Int()), time.Now().Add(time.Hour))
		}},
		{"writer in another process", func(ctx context.Context, r *rand.Rand) error {
			return stores[1].UsedIDs.UseID(ctx, "growth", "replica", secret("id", r.Int()), time.Now().Add(time.Hour))
		}},
		{"reader", func(ctx context.Context, r *rand.Rand) error {
			_, err := stores[0].Clients.Client(ctx, clientID(w.someClient(r)))
			return err
		}},
	}
	var others sync.WaitGroup
	took, failed := make([][]time.Duration, len(probes)), make([]error, len(probes))
	for i, p := range probes {
		others.Go(func() {
			r := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), uint64(i))) //nolint:gosec // G404, G115: keeps no secret
			for ctx.Err() == nil && failed[i] == nil {
				began := time.Now()
				if err := p.once(ctx, r); err != nil && ctx.Err() == nil {
					failed[i] = err
				}
				took[i] = append(took[i], time.Since(began))
				time.Sleep(2 * time.Millisecond)
			}
		})
	}
	began, rows := time.Now(), int64(0)
	if sweep {
		rows, err = stores[0].Sweep(ctx)
		if ctx.Err() != nil {
			err = nil // it goes on at the next sweep
		} else {
			stop()
		}
	}
	swept = map[string]any{"rows": rows, "seconds": time.Since(began).Seconds(), "all": ctx.Err() == context.Canceled}
	others.Wait()
	for i, p := range probes {
		slices.Sort(took[i])
		at := func(part float64) float64 {
			return took[i][int(part*float64(len(took[i])-1))].Seconds() * 1e3
		}
		one := waits{Who: p.who, Count: len(took[i]), Median: at(0.5), P99: at(0.99), P999: at(0.999), Longest: at(1)}
		for _, d := range took[i] {
			if d > stalled {
				one.Over++
			}
		}
		found = append(found, one)
	}
	return swept, found, errors.Join(append(failed, err)...)
}

// postgresSettings are those of a small server with an SSD.
var postgresSettings = []string{"shared_buffers=1GB", "max_wal_size=2GB", "random_page_cost=1.1"}
