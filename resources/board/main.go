// Command board is the board service: boards, posts and comments of the people who log in at the
// issuer.
package main

import (
	"context"
	"fmt"
	"net/http"

	"github.com/maru-auth/maru/internal/cli"
	"github.com/maru-auth/maru/internal/service"
	"github.com/maru-auth/maru/resources/board/internal/api"
	"github.com/maru-auth/maru/resources/board/internal/authors"
	"github.com/maru-auth/maru/resources/board/internal/store"
)

var program = service.Program{Name: "board", Listen: "127.0.0.1:9300", MaxBody: api.MaxBody, Document: api.Document, Migrations: store.Migrations()}

// config is what serving needs.
type config struct {
	service.Settings `embed:""`
	UserAPI          string `name:"user-api" help:"Base URL of the user service, for the names of authors. Empty: no names are asked for." placeholder:"URL"`
	ClientID         string `name:"client-id" help:"This service's own account at the issuer, to ask the user service with (scope user:lookup)." placeholder:"ID"`
	ClientSecret     string `name:"client-secret" help:"The account's secret." placeholder:"SECRET"`
	DailyCharacters  int    `help:"How many characters one person may write within a day, in posts, comments and changes of them; after that, 429. Each text counts as 200 at least, and each process counts by itself. 0: as many as they like." default:"10000000"`
}

func main() { program.Main(new(service.Commands[config])) }

// Run serves until the program is told to stop.
func (c *config) Run() error {
	return cli.UntilStopped(func(ctx context.Context) error { return run(ctx, *c) })
}

// run serves until ctx ends. The user service need not be there.
func run(ctx context.Context, cfg config) error {
	posts, err := store.OpenWith(ctx, cfg.Database(), cfg.Clock())
	if err != nil {
		return fmt.Errorf("setting --database-url: %w", err)
	}
	return program.Serve(ctx, cfg.Settings, posts.Upkeep, func(p *service.Process) (http.Handler, error) {
		names, err := authors.New(authors.Config{
			UserAPI: cfg.UserAPI, Issuer: cfg.Issuer, ClientID: cfg.ClientID, ClientSecret: cfg.ClientSecret,
			Store: posts, Now: p.Now, Log: p.Log, Calls: p.Calls,
		})
		if err != nil {
			return nil, err
		}
		p.Go(names.Run)
		p.Go(func(ctx context.Context) { posts.Purge(ctx, p.Log) })
		p.Go(func(ctx context.Context) { posts.Index(ctx, p.Log) })
		return api.New(api.Config{Config: p.Config, Store: posts, Names: names, Now: p.Now, DailyCharacters: cfg.DailyCharacters})
	})
}
