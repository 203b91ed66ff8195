// Command load finds out how much a Maru of its own takes on this machine, and what stops it there:
// as many requests as fit (a closed loop), then a part of that at a steady rate (an open loop), for
// each scenario, past the gateway and through it, on SQLite and on a Postgres that writes through to
// the disk. `make load` calls it. It fails if a request fails.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"github.com/maru-auth/maru/deploy/load/site"
	"github.com/maru-auth/maru/deploy/stack"
)

type config struct {
	Scenarios []string `help:"Which scenarios, separated by commas: ${scenarios}. Empty: all." placeholder:"NAME,…"`
	Engine    []string `help:"Which databases: sqlite, postgres. With AUTHZ_DATABASE_URL, USER_DATABASE_URL and BOARD_DATABASE_URL in the environment, postgres is those." enum:"sqlite,postgres" default:"sqlite,postgres"`
	Way       []string `help:"Past the gateway (direct), or through it (gateway)." enum:"direct,gateway" default:"direct,gateway"`

	Connections int           `help:"How many connections send requests, 1 to 1000." default:"16"`
	WarmUp      time.Duration `help:"How long each loop runs before anything is measured." default:"500ms"`
	Duration    time.Duration `help:"How long each loop is measured." default:"2s"`
	Share       float64       `help:"The rate of the open loop as a part of what the closed loop reached. 0: there is no open loop." default:"0.8"`
	Rate        float64       `help:"The rate of the open loop in requests a second, in place of a part. 0: --share decides." default:"0"`
	Sync        bool          `help:"Count how often the databases write through to the disk, by strace, where that is installed." default:"true" negatable:""`

	Tags   string `help:"Build tags of the programs, such as libcrypto." placeholder:"TAG,…"`
	Log    string `help:"A file for what the programs print. Empty: nowhere." placeholder:"PATH"`
	Out    string `help:"A file for what was measured, as JSON. Empty: none." env:"OUT" placeholder:"PATH"`
	Readme string `help:"A file whose table is written anew, between its marks. Empty: none." env:"README" placeholder:"PATH"`
}

func main() {
	var cfg config
	kong.Parse(&cfg, kong.Name("load"), kong.DefaultEnvars("LOAD"), kong.Vars{"scenarios": strings.Join(site.Names(), ", ")},
		kong.Description("Finds the limit of a Maru of its own on this machine, and what stops it there. See deploy/load/README.md."))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, cfg, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

func (cfg config) check() ([]site.Scenario, error) {
	switch {
	case cfg.Connections < 1 || cfg.Connections > 1000:
		return nil, errors.New("--connections must be 1 to 1000")
	case cfg.Duration <= 0 || cfg.Duration > time.Hour || cfg.WarmUp < 0 || cfg.WarmUp > time.Hour:
		return nil, errors.New("--duration and --warm-up must be at most 1h, and the first not 0")
	case cfg.Share < 0 || cfg.Share > 2:
		return nil, errors.New("--share must be 0 to 2")
	case cfg.Rate < 0 || cfg.Rate > 1e6:
		return nil, errors.New("--rate must be 0 to 1000000")
	}
	return site.Pick(cfg.Scenarios)
}

func run(ctx context.Context, cfg config, out io.Writer) (err error) {
	scenarios, err := cfg.check()
	if err != nil {
		return err
	}
	root, err := stack.Root()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "maru-load-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	programs, err := stack.BuildTagged(ctx, root, filepath.Join(dir, "bin"), cfg.Tags)
	if err != nil {
		return err
	}
	var log io.Writer
	if cfg.Log != "" {
		file, err := os.Create(cfg.Log)
		if err != nil {
			return err
		}
		defer file.Close()
		log = file
	}
	report, err := newReport(ctx, cfg, programs, dir)
	if err != nil {
		return err
	}
	for i, engine := range cfg.Engine {
		m := &measurement{cfg: cfg, report: report, out: out}
		if err := m.run(ctx, site.Config{
			Root: root, Dir: filepath.Join(dir, engine), Programs: programs, Engine: engine, Replicas: 1, Workers: cfg.Connections, Log: log,
		}, scenarios, i == 0); errors.Is(err, site.ErrNoPostgres) {
			fmt.Fprintln(out, "left out:", err)
		} else if err != nil {
			return err
		}
	}
	report.print(out)
	if cfg.Out != "" {
		if err := report.writeJSON(cfg.Out); err != nil {
			return err
		}
	}
	if cfg.Readme != "" {
		if err := report.writeInto(cfg.Readme); err != nil {
			return err
		}
	}
	return report.failures()
}
