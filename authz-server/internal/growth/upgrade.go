package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

type upgradeCommand struct {
	Old      string   `arg:"" help:"The authz-server of the version before, such as one that 'git worktree add /tmp/before v0.1.0' lets you build."`
	Accounts int      `help:"How many accounts there are." default:"1000000"`
	Engines  []string `help:"Which engines." default:"sqlite,postgres" enum:"sqlite,postgres"`
	Dir      string   `help:"Where the databases are made, and removed from." placeholder:"PATH"`
}

// Run makes the schema by the old program, fills it, and measures how long this version's program
// takes until it is ready: with the migrations, and again without.
func (cmd upgradeCommand) Run(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp(cmd.Dir, "maru-growth-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	program := filepath.Join(dir, "authz-server")
	if err := build(ctx, program); err != nil {
		return err
	}
	for _, engine := range cmd.Engines {
		if err := cmd.engine(ctx, engine, dir, program); err != nil {
			return fmt.Errorf("%s: %w", engine, err)
		}
	}
	return nil
}

func (cmd upgradeCommand) engine(ctx context.Context, engine, dir, program string) error {
	url := "sqlite:" + filepath.Join(dir, "before.db")
	if engine == "postgres" {
		admin, closing, err := sqldbtest.StartDurable(postgresSettings...)
		if err != nil {
			return err
		}
		defer closing() //nolint:errcheck // the cluster is thrown away
		if url, err = sqldbtest.Create(ctx, admin, "growth_before"); err != nil {
			return err
		}
	}
	fmt.Printf("%s: the version before makes the schema\n", engine)
	if _, err := untilReady(ctx, cmd.Old, url); err != nil {
		return err
	}
	f := &fill{accounts: cmd.Accounts, now: time.Now()}
	if err := f.fill(ctx, url, os.Stdout); err != nil {
		return err
	}
	for _, what := range []string{"the first start, with the migrations", "the next one"} {
		took, err := untilReady(ctx, program, url)
		if err != nil {
			return err
		}
		fmt.Printf("  %s: ready after %.1f s\n", what, took.Seconds())
	}
	return nil
}

// untilReady starts a server and ends it when it is ready.
func untilReady(ctx context.Context, program, url string) (time.Duration, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	s, err := startServer(ctx, program, url)
	if err != nil {
		return 0, err
	}
	stop()
	<-s.ended
	return s.ready, nil
}
