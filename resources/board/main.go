// Command board is the board service: boards, posts and comments of the people who log in at the issuer.
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/maru-auth/maru/internal/cli"
	"github.com/maru-auth/maru/internal/httpd"
	"github.com/maru-auth/maru/internal/service"
	"github.com/maru-auth/maru/internal/sqldb"
	"github.com/maru-auth/maru/resources/board/internal/api"
	"github.com/maru-auth/maru/resources/board/internal/authors"
	"github.com/maru-auth/maru/resources/board/internal/store"
)

type commands struct {
	Serve   config             `cmd:"" default:"withargs" help:"Serve (the default)."`
	Backup  service.BackupCommand `cmd:"" help:"Copy an SQLite database to a file, also while the service uses it."`
	Openapi openAPICommand     `cmd:"" help:"Print the OpenAPI document of the service and exit."`
}

// config is what serving needs.
type config struct {
	service.Settings `embed:""`
	sqldb.Options `embed:""`
	UserAPI       string `name:"user-api" help:"Base URL of the user service, for the names of authors. Empty: no names are asked for." placeholder:"URL"`
	ClientID      string `name:"client-id" help:"This service's own account at the issuer, to ask the user service with (scope user:lookup)." placeholder:"ID"`
	ClientSecret  string `name:"client-secret" help:"The account's secret." placeholder:"SECRET"`

	serving func(net.Addr)   // told the address once the service listens; nil: nobody wants to know
	now     func() time.Time // nil: time.Now
}

type openAPICommand struct {
	Issuer   string `help:"Issuer of the access tokens." default:"http://localhost:9000"`
	Audience string `help:"The service's public address." default:"http://localhost:8000/board"`
}

// Run prints the document.
func (c *openAPICommand) Run() error {
	document, err := api.Document(c.Issuer, c.Audience)
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(document)
	return err
}

// Run serves until the program is told to stop.
func (c *config) Run() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return run(ctx, *c)
}

func main() {
	cli.Main("board", "BOARD_", new(commands), options()...)
}

func options() []kong.Option { return service.Options("board", "127.0.0.1:9300") }

// run serves until ctx ends. Neither the issuer nor the user service need be there.
func run(ctx context.Context, cfg config) (err error) {
	log := cfg.Logger()
	if cfg.now == nil {
		cfg.now = time.Now
	}
	cfg.Create, cfg.Options.Now = true, cfg.now
	posts, err := store.OpenWith(ctx, cfg.Options, cfg.now)
	if err != nil {
		return fmt.Errorf("setting --database-url: %w", err)
	}
	defer func() { err = errors.Join(err, posts.Close()) }()
	if warning := posts.Warning(); warning != "" {
		log.Warn(warning)
	}

	// What works in the background ends before the database closes, and after the last request that may need it.
	var background sync.WaitGroup
	working, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer background.Wait()
	defer stop()

	verifier, err := cfg.Verifier(working, log)
	if err != nil {
		return cli.Usage(err)
	}
	names, err := authors.New(authors.Config{
		UserAPI: cfg.UserAPI, Issuer: cfg.Issuer, ClientID: cfg.ClientID, ClientSecret: cfg.ClientSecret,
		Store: posts, Now: cfg.now, Log: log,
	})
	if err != nil {
		return err
	}
	metrics := prometheus.NewRegistry()
	handler, err := api.New(api.Config{Issuer: cfg.Issuer, Audience: cfg.Audience, Store: posts, Names: names, Verifier: verifier, Log: log, Metrics: metrics, Docs: cfg.DocsClientID, Now: cfg.now})
	if err != nil {
		return err
	}
	background.Go(func() { posts.Watch(working, log, metrics) })
	background.Go(func() { names.Run(working) })
	background.Go(func() { posts.SweepEvery(working, sweepEvery, log) })

	server := httpd.Server{Config: cfg.Config, Log: log, Handler: handler, Ready: posts.Ready, MaxBody: api.MaxBody, Metrics: metrics, Serving: cfg.serving}
	return server.Run(ctx)
}

// sweepEvery is how often expired rows are removed. They count as gone from the moment when they
// expire.
const sweepEvery = 10 * time.Minute
