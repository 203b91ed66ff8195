package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/maru-auth/maru/internal/growth"
	"github.com/maru-auth/maru/internal/machine"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
	"github.com/maru-auth/maru/internal/testenv/lastrelease"
)

type upgradeCommand struct {
	Old      string   `arg:"" optional:"" help:"The authz-server of the version before. Empty: that of deploy/last-release is built."`
	Accounts int      `help:"How many accounts there are." default:"1000000"`
	Engines  []string `help:"Which engines." default:"sqlite,postgres" enum:"sqlite,postgres"`
	Dir      string   `help:"Where the databases are made, and removed from." placeholder:"PATH"`

	machine.Output
}

// upgrades is what was measured.
type upgrades struct {
	Machine  machine.Machine `json:"machine"`
	Before   string          `json:"before"` // the version
	Accounts int             `json:"accounts"`
	Figures  []upgraded      `json:"figures"`
}

// upgraded is what one engine took, in seconds.
type upgraded struct {
	Engine string  `json:"engine"`
	Rows   int64   `json:"rows"`
	First  float64 `json:"first_start_s"` // with the migrations
	Next   float64 `json:"next_start_s"`
}

// slowStart is how long a start may take, with the migrations of a million accounts.
const slowStart = 10 * time.Second

// Run makes the schema by the old program, fills it, and measures how long this version's program
// takes until it is ready: with the migrations, and again without.
func (cmd upgradeCommand) Run(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp(cmd.Dir, "maru-growth-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	program := filepath.Join(dir, "authz-server")
	if err := growth.Build(ctx, folder, program); err != nil {
		return err
	}
	all := upgrades{Machine: machine.This(), Before: cmd.Old, Accounts: cmd.Accounts}
	if cmd.Old == "" {
		if cmd.Old, all.Before, err = buildLastRelease(ctx, dir); err != nil {
			return err
		}
	}
	var slow []string
	for _, engine := range cmd.Engines {
		one, err := cmd.engine(ctx, engine, dir, program)
		if err != nil {
			return fmt.Errorf("%s: %w", engine, err)
		}
		all.Figures = append(all.Figures, one)
		if max(one.First, one.Next) > slowStart.Seconds() {
			slow = append(slow, engine)
		}
	}
	text := all.markdown()
	fmt.Print("\n", text)
	if err := cmd.Write("upgrade", all, text); err != nil {
		return err
	}
	if len(slow) > 0 {
		return fmt.Errorf("on %s a start takes longer than %s", strings.Join(slow, " and "), slowStart)
	}
	return nil
}

// buildLastRelease compiles the authorization server of the release before.
func buildLastRelease(ctx context.Context, dir string) (program, tag string, err error) {
	release, err := lastrelease.Find(ctx, ".")
	if err != nil {
		return "", "", err
	}
	source := filepath.Join(dir, "before")
	if err := os.Mkdir(source, 0o700); err != nil {
		return "", "", err
	}
	if err := release.Extract(ctx, ".", source); err != nil {
		return "", "", err
	}
	program = filepath.Join(dir, "authz-server-before")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", program, "./authz-server") //nolint:gosec // G204: our own folder
	cmd.Dir, cmd.Stderr = source, os.Stderr
	return program, release.Tag, cmd.Run()
}

func (u upgrades) markdown() string {
	var rows [][]string
	for _, f := range u.Figures {
		rows = append(rows, []string{f.Engine, fmt.Sprint(f.Rows), fmt.Sprintf("%.1f", f.First), fmt.Sprintf("%.1f", f.Next)})
	}
	return fmt.Sprintf("`make upgrade`: %s; %d accounts in the schema of %s.\n\n", u.Machine, u.Accounts, u.Before) +
		machine.Table([]string{"engine", "rows>", "seconds until ready, with the migrations>", "at the next start>"}, rows)
}

func (cmd upgradeCommand) engine(ctx context.Context, engine, dir, program string) (one upgraded, err error) {
	one.Engine = engine
	url := "sqlite:" + filepath.Join(dir, "before.db")
	if engine == "postgres" {
		admin, closing, err := growth.Postgres()
		if err != nil {
			return one, err
		}
		defer closing() //nolint:errcheck // the cluster is thrown away
		if url, err = sqldbtest.Create(ctx, admin, "growth_before"); err != nil {
			return one, err
		}
	}
	fmt.Printf("%s: the version before makes the schema\n", engine)
	if _, err := untilReady(ctx, cmd.Old, url); err != nil {
		return one, err
	}
	f := &fill{accounts: cmd.Accounts, now: time.Now()}
	if one.Rows, err = f.fill(ctx, url, os.Stdout); err != nil {
		return one, err
	}
	for _, to := range []*float64{&one.First, &one.Next} {
		took, err := untilReady(ctx, program, url)
		if err != nil {
			return one, err
		}
		*to = took.Seconds()
	}
	return one, nil
}

// untilReady starts a server and ends it when it is ready.
func untilReady(ctx context.Context, program, url string) (time.Duration, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	s, err := growth.Start(ctx, program, variables(url))
	if err != nil {
		return 0, err
	}
	stop()
	<-s.Ended
	return s.Ready, nil
}
