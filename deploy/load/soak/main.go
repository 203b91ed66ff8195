// Command soak drives a Maru of its own for a long time, with restarts and clock steps, and fails if
// a request fails or anything grows. `make soak` calls it.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/alecthomas/kong"

	"github.com/maru-auth/maru/deploy/load/endurance"
	"github.com/maru-auth/maru/deploy/load/machine"
	"github.com/maru-auth/maru/deploy/stack"
)

type config struct {
	Duration    time.Duration `help:"How long, 10s to 72h." default:"10m"`
	Share       float64       `help:"The rate, as a part of what fits." default:"0.8"`
	Connections int           `help:"How many connections send requests, 1 to 1000." default:"16"`
	Restart     time.Duration `help:"Between two restarts of a replica." default:"20s"`
	Clocks      bool          `help:"Step the programs' clocks by up to 3 s; they are built for that anew, which takes some minutes." default:"true" negatable:""`

	Tags string `help:"Build tags of the programs, such as libcrypto." placeholder:"TAG,…"`
	Log  string `help:"A file for what the programs print. Empty: nowhere." placeholder:"PATH"`
	Out  string `help:"A file for what was measured, as JSON. Empty: none." env:"OUT" placeholder:"PATH"`
}

func main() {
	var cfg config
	kong.Parse(&cfg, kong.Name("soak"), kong.DefaultEnvars("SOAK"),
		kong.Description("Drives a Maru of its own for a long time. See deploy/load/README.md."))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, cfg, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, cfg config, out io.Writer) (err error) {
	if cfg.Duration < 10*time.Second || cfg.Duration > 72*time.Hour || cfg.Share <= 0 || cfg.Share > 1 || cfg.Connections < 1 ||
		cfg.Connections > 1000 || cfg.Restart < time.Second {
		return errors.New("the duration must be 10s to 72h, the share up to 1, the connections 1 to 1000, and a restart at most each second")
	}
	root, err := stack.Root()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "maru-soak-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	e := endurance.Config{Root: root, Dir: filepath.Join(dir, "data"), Duration: cfg.Duration, Capacity: 5 * time.Second, Share: cfg.Share,
		Connections: cfg.Connections, Restart: cfg.Restart, Out: out}
	if cfg.Clocks {
		fmt.Fprintln(out, "building the programs with clocks that can be stepped…")
		e.Programs, e.Clocks, err = endurance.BuildWithClocks(ctx, root, dir, cfg.Tags)
	} else {
		e.Programs, err = stack.BuildTagged(ctx, root, filepath.Join(dir, "bin"), cfg.Tags)
	}
	if err != nil {
		return err
	}
	if cfg.Log != "" {
		file, err := os.Create(cfg.Log)
		if err != nil {
			return err
		}
		defer file.Close()
		e.Log = file
	}
	result, err := endurance.Run(ctx, e)
	if err != nil {
		return err
	}
	print(out, result)
	if cfg.Out != "" {
		text, err := json.MarshalIndent(struct {
			Machine machine.Machine `json:"machine"`
			*endurance.Result
		}{machine.This(), result}, "", "  ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(cfg.Out, append(text, '\n'), 0o644); err != nil {
			return err
		}
	}
	return result.Check()
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
