// Command soak drives a Maru of its own for a long time, with restarts and clock steps, and fails if
// a request fails or anything grows. `make soak` calls it.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/maru-auth/maru/deploy/load/command"
	"github.com/maru-auth/maru/deploy/load/endurance"
	"github.com/maru-auth/maru/deploy/load/machine"
)

type config struct {
	Duration    time.Duration `help:"How long, 10s to 72h." default:"10m"`
	Share       float64       `help:"The rate, as a part of what fits." default:"0.8"`
	Connections int           `help:"How many connections send requests, 1 to 1000." default:"16"`
	Restart     time.Duration `help:"Between two restarts of a replica." default:"20s"`
	Clocks      bool          `help:"Step the programs' clocks by up to 3 s; they are built for that anew, which takes some minutes." default:"true" negatable:""`

	command.Programs
	command.JSON
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
	print(r.Out, result)
	return errors.Join(cfg.JSON.Write(struct {
		Machine machine.Machine `json:"machine"`
		*endurance.Result
	}{machine.This(), result}), result.Check())
}

func print(out io.Writer, r *endurance.Result) {
	fmt.Fprintf(out, "\n%s\n%d requests and log-ins in %.0f s; half took %.1f ms at most, 99 %% %.1f ms, all %.0f ms\nrestarts: %d; clock steps: %d; failed: %v\n\n",
		machine.This(), r.Steps, r.Duration, r.P50, r.P99, r.Max, r.Restarts, r.Clock, r.Errors)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "after the warm-up\tMB\tMB an hour\tgoroutines\tlater\t")
	for _, g := range r.Growth {
		fmt.Fprintf(w, "%s\t%.0f\t%+.0f\t%.0f\t%.0f\t\n", g.Program, g.Memory/1e6, g.Slope*3600/1e6, g.Goroutines, g.Later)
	}
	w.Flush()
}
