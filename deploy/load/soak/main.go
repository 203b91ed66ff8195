// Command soak drives a Maru of its own for a long time, with restarts and clock steps, and fails if
// a request fails or anything grows. `make soak` calls it.
package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/maru-auth/maru/deploy/load/command"
	"github.com/maru-auth/maru/deploy/load/endurance"
	"github.com/maru-auth/maru/internal/machine"
)

type config struct {
	Duration    time.Duration `help:"How long, 10s to 72h." default:"10m"`
	Share       float64       `help:"The rate, as a part of what fits." default:"0.8"`
	Connections int           `help:"How many connections send requests, 1 to 1000." default:"16"`
	Restart     time.Duration `help:"Between two restarts of a replica." default:"20s"`
	Clocks      bool          `help:"Step the programs' clocks by up to 3 s; they are built for that anew, which takes some minutes." default:"true" negatable:""`

	command.Programs
	machine.Output
}

func main() {
	var cfg config
	command.Main("soak", "Drives a Maru of its own for a long time, with restarts and clock steps. See deploy/load/README.md.", &cfg,
		func(ctx context.Context, r command.Run) error { return run(ctx, cfg, r) })
}

func run(ctx context.Context, cfg config, r command.Run) (err error) {
	if cfg.Duration < 10*time.Second || cfg.Duration > 72*time.Hour || cfg.Share <= 0 || cfg.Share > 1 || cfg.Connections < 1 ||
		cfg.Connections > 1000 || cfg.Restart < time.Second {
		return errors.New("the duration must be 10s to 72h, the share up to 1, the connections 1 to 1000, and a restart at most each second")
	}
	e := endurance.Config{Root: r.Root, Dir: filepath.Join(r.Dir, "data"), Duration: cfg.Duration, Capacity: 5 * time.Second, Share: cfg.Share,
		Connections: cfg.Connections, Restart: cfg.Restart, Out: r.Out}
	if cfg.Clocks {
		fmt.Fprintln(r.Out, "building the programs with clocks that can be stepped…")
		e.Programs, e.Clocks, err = endurance.BuildWithClocks(ctx, r.Root, r.Dir, cfg.Tags)
	} else {
		e.Programs, err = cfg.Build(ctx, r)
	}
	if err != nil {
		return err
	}
	if e.Log, err = cfg.OpenLog(); err != nil {
		return err
	}
	result, err := endurance.Run(ctx, e)
	if err != nil {
		return err
	}
	text := markdown(machine.This(), result, cfg.Share)
	fmt.Fprint(r.Out, "\n", text)
	return errors.Join(cfg.Write("soak", struct {
		Machine machine.Machine `json:"machine"`
		*endurance.Result
	}{machine.This(), result}, text), result.Check())
}

// markdown is what came of it, as a part of a README.
func markdown(on machine.Machine, r *endurance.Result, share float64) string {
	failed := int64(0)
	for _, n := range r.Errors {
		failed += n
	}
	text := fmt.Sprintf("`make soak`: %s; authorization servers: %d, on %s, behind the gateway.\n\n", on, r.Replicas, r.Engine)
	text += machine.Table([]string{"for", "load", "requests and log-ins>", "failed>", "restarts>", "clock steps>", "p50 ms>", "p99 ms>", "longest ms>"}, [][]string{{
		time.Duration(r.Duration * float64(time.Second)).String(), fmt.Sprintf("%.0f/s, %.0f %% of what fits", r.Rate, 100*share), fmt.Sprint(r.Steps),
		fmt.Sprint(failed), fmt.Sprint(r.Restarts), fmt.Sprint(r.Clock), fmt.Sprintf("%.1f", r.P50), fmt.Sprintf("%.1f", r.P99), fmt.Sprintf("%.0f", r.Max),
	}})
	var rows [][]string
	for _, g := range r.Growth {
		rows = append(rows, []string{g.Program, fmt.Sprintf("%.0f", g.Memory/1e6), fmt.Sprintf("%+.1f", g.Slope*g.Seconds/1e6),
			fmt.Sprintf("%.0f", g.Goroutines), fmt.Sprintf("%.0f", g.Later)})
	}
	return text + "\n" + machine.Table([]string{"after the warm-up", "memory, MB>", "its trend, MB>", "goroutines>", "and later>"}, rows)
}
