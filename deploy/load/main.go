// Command load finds out how much a Maru of its own takes on this machine, and what stops it there:
// as many requests as fit (a closed loop), then a part of that at a steady rate (an open loop), for
// each scenario, past the gateway and through it, on SQLite and on a Postgres that writes through to
// the disk. `make load` calls it. It fails if a request fails.
package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/maru-auth/maru/deploy/load/command"
	"github.com/maru-auth/maru/deploy/load/site"
	"github.com/maru-auth/maru/internal/machine"
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

	command.Programs
	machine.Output
}

func main() {
	var cfg config
	command.Main("load", "Finds the limit of a Maru of its own on this machine, and what stops it there. See deploy/load/README.md.", &cfg,
		func(ctx context.Context, r command.Run) error { return run(ctx, cfg, r) },
		kong.Vars{"scenarios": strings.Join(site.Names(), ", ")})
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

func run(ctx context.Context, cfg config, r command.Run) error {
	scenarios, err := cfg.check()
	if err != nil {
		return err
	}
	programs, err := cfg.Build(ctx, r)
	if err != nil {
		return err
	}
	log, err := cfg.OpenLog()
	if err != nil {
		return err
	}
	report, err := newReport(ctx, cfg, programs, r.Dir)
	if err != nil {
		return err
	}
	for i, engine := range cfg.Engine {
		m := &measurement{cfg: cfg, report: report, out: r.Out}
		if err := m.run(ctx, site.Config{
			Root: r.Root, Dir: filepath.Join(r.Dir, engine), Programs: programs, Engine: engine, Replicas: 1, Workers: cfg.Connections, Log: log,
		}, scenarios, i == 0); errors.Is(err, site.ErrNoPostgres) {
			fmt.Fprintln(r.Out, "left out:", err)
		} else if err != nil {
			return err
		}
	}
	report.print(r.Out)
	return errors.Join(cfg.Write("load", report, report.markdown()), report.failures())
}
