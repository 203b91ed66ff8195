// Command growth measures whether what the board service does costs the same however many posts there
// are. See internal/growth/README.md.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/maru-auth/maru/internal/growth"
	"github.com/maru-auth/maru/internal/sqldb"
	"github.com/maru-auth/maru/resources/board/internal/store"
)

type config struct {
	Compare compareCommand `cmd:"" help:"Fill databases of two sizes on each engine, and compare what each scenario costs."`
}

func main() { growth.Main(new(config)) }

type compareCommand struct {
	growth.Settings `embed:""`
}

// Run compares.
func (cmd compareCommand) Run(ctx context.Context) (err error) {
	issuer, err := growth.NewIssuer()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, issuer.Close()) }()
	return growth.Compare(ctx, cmd.Settings, growth.Subject[*world]{
		Name: "board", Marks: "growth-board", Package: "resources/board", What: "posts", Scenarios: scenarios,
		Open: func(ctx context.Context, d *growth.Database) (*world, error) { return open(ctx, d, issuer) },
	})
}

// open makes the world of a database, which it fills if it is empty.
func open(ctx context.Context, d *growth.Database, issuer *growth.Issuer) (w *world, err error) {
	w = &world{fill: &fill{posts: d.Size, now: time.Now()}, issuer: issuer}
	if err := w.ensure(ctx, d); err != nil {
		return nil, err
	}
	if w.store, err = store.OpenWith(ctx, sqldb.Options{DatabaseURL: d.URL}, time.Now); err != nil {
		return nil, err
	}
	if err := errors.Join(d.Warm(ctx), w.warm(ctx)); err != nil {
		return nil, err
	}
	w.server, err = d.StartService(ctx, "board", issuer)
	return w, err
}

// ensure fills the database unless that was done before.
func (f *fill) ensure(ctx context.Context, d *growth.Database) error {
	s, err := store.Open(ctx, d.URL, time.Now)
	if err != nil {
		return err
	}
	_, err = s.Board(ctx, slug(0))
	if err := s.Close(); err != nil {
		return err
	}
	if errors.Is(err, store.ErrNotFound) {
		fmt.Printf("%s: fill %d posts\n", d.Engine, f.posts)
		return Fill(ctx, d.URL, f, os.Stdout)
	}
	return err
}
