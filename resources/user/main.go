// Command user is the user service: profiles, settings and interests of the people who log in at the issuer.
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
	"github.com/maru-auth/maru/resources/user/internal/api"
	"github.com/maru-auth/maru/resources/user/internal/store"
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

	serving func(net.Addr) // told the address once the service listens; nil: nobody wants to know
}

type openAPICommand struct {
	Issuer   string `help:"Issuer of the access tokens." default:"http://localhost:9000"`
	Audience string `help:"The service's public address." default:"http://localhost:8000/user"`
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
	cli.Main("user", "USER_", new(commands), options()...)
}

func options() []kong.Option { return service.Options("user", "127.0.0.1:9200") }

// run serves until ctx ends. The issuer need not be there.
func run(ctx context.Context, cfg config) (err error) {
	log := cfg.Logger()

	cfg.Create, cfg.Options.Now = true, time.Now
	people, err := store.OpenWith(ctx, cfg.Options, time.Now)
	if err != nil {
		return fmt.Errorf("setting --database-url: %w", err)
	}
	defer func() { err = errors.Join(err, people.Close()) }()
	if warning := people.Warning(); warning != "" {
		log.Warn(warning)
	}

	// What works in the background, the fetching of keys too, ends after the last request has been answered, which is after ctx
	// has ended, and before the database closes.
	var background sync.WaitGroup
	working, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer background.Wait()
	defer stop()
	verifier, err := cfg.Verifier(working, log)
	if err != nil {
		return cli.Usage(err)
	}
	metrics := prometheus.NewRegistry()
	handler, err := api.New(api.Config{Issuer: cfg.Issuer, Audience: cfg.Audience, Store: people, Verifier: verifier, Log: log, Metrics: metrics, Docs: cfg.DocsClientID})
	if err != nil {
		return err
	}
	background.Go(func() { people.Watch(working, log, metrics) })

	server := httpd.Server{Config: cfg.Config, Log: log, Handler: handler, Ready: people.Ready, MaxBody: api.MaxBody, Metrics: metrics, Serving: cfg.serving}
	return server.Run(ctx)
}
