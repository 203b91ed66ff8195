// Command user is the user service: profiles, settings and interests of the people who log in at
// the issuer.
package main

import (
	"context"
	"fmt"
	"net/http"

	"github.com/maru-auth/maru/internal/cli"
	"github.com/maru-auth/maru/internal/service"
	"github.com/maru-auth/maru/resources/user/internal/api"
	"github.com/maru-auth/maru/resources/user/internal/store"
)

var program = service.Program{Name: "user", Listen: "127.0.0.1:9200", MaxBody: api.MaxBody, Document: api.Document, Migrations: store.Migrations()}

// config is what serving needs.
type config struct {
	service.Settings `embed:""`
}

func main() { program.Main(new(service.Commands[config])) }

// Run serves until the program is told to stop.
func (c *config) Run() error {
	return cli.UntilStopped(func(ctx context.Context) error { return run(ctx, *c) })
}

// run serves until ctx ends.
func run(ctx context.Context, cfg config) error {
	people, err := store.OpenWith(ctx, cfg.Database(), cfg.Clock())
	if err != nil {
		return fmt.Errorf("setting --database-url: %w", err)
	}
	return program.Serve(ctx, cfg.Settings, people.Upkeep, func(p *service.Process) (http.Handler, error) {
		return api.New(api.Config{Config: p.Config, Store: people, Now: p.Now})
	})
}
