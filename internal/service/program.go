package service

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/alecthomas/kong"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/maru-auth/maru/internal/cli"
	"github.com/maru-auth/maru/internal/httpd"
	"github.com/maru-auth/maru/internal/libcrypto"
	"github.com/maru-auth/maru/internal/rest"
	"github.com/maru-auth/maru/internal/sqldb"
	"github.com/maru-auth/maru/internal/tracing"
)

// A Program is what tells one resource service's program from another's.
type Program struct {
	Name     string   // "user": its own, of its variables (USER_…), and of its database (data/user.db)
	Listen   string   // default of --listen, host:port
	MaxBody  int64    // bytes of the largest request body
	Document Document // its OpenAPI document

	Migrations fs.FS // what makes its database's schema, in the folder "migrations"
}

// A Document writes the OpenAPI document of a service that has the audience and trusts the issuer.
type Document func(issuer, audience string) ([]byte, error)

// Commands are the program's, for kong. S is the settings of serving: a struct that embeds
// [Settings], and whose Run method serves until the program is told to stop.
type Commands[S any] struct {
	Serve   S              `cmd:"" default:"withargs" help:"Serve (the default)."`
	Backup  BackupCommand  `cmd:"" help:"Copy an SQLite database to a file, also while the service uses it."`
	Restore RestoreCommand `cmd:"" help:"Put a backup in the place of an SQLite database that no process uses. What was there stays beside it under another name."`
	Openapi OpenAPICommand `cmd:"" help:"Print the OpenAPI document of the service and exit."`
	Version cli.Version    `cmd:"" help:"Print the version, what it was built from, and what computes RSA."`
}

// OpenAPICommand is the command "openapi".
type OpenAPICommand struct {
	Issuer   string `help:"Issuer of the access tokens." default:"http://localhost:9000"`
	Audience string `help:"The service's public address." default:"${audience}"`
}

// Run prints the document.
func (c OpenAPICommand) Run(app *kong.Kong, document Document) error {
	text, err := document(c.Issuer, c.Audience)
	if err != nil {
		return err
	}
	_, err = app.Stdout.Write(text)
	return err
}

// Main runs the command that the arguments and the environment name, and ends the program.
// commands is a pointer to [Commands].
func (p Program) Main(commands any) {
	cli.Main(p.Name, p.prefix()+"_", commands, p.Options()...)
}

func (p Program) prefix() string { return strings.ToUpper(p.Name) }

// Options are kong's for [Commands].
func (p Program) Options() []kong.Option {
	return []kong.Option{
		kong.Name(p.Name),
		kong.Description("Maru's " + p.Name + " service. Every setting is a flag, or an environment variable " +
			"of the same name with the prefix " + p.prefix() + "_." + cli.Traces),
		kong.DefaultEnvars(p.prefix()),
		kong.Vars{"database_url": "sqlite:data/" + p.Name + ".db", "audience": "http://localhost:8000/" + p.Name},
		kong.Bind(p.Document, cli.RSA(libcrypto.Name)),
		kong.BindTo(p.Migrations, (*fs.FS)(nil)),
		kong.Help(cli.Help(nil)),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.PostBuild(p.setListen),
	}
}

// setListen gives --listen of serve, which all programs declare alike, this one's default.
func (p Program) setListen(k *kong.Kong) error {
	for _, command := range k.Model.Children {
		for _, flag := range command.Flags {
			if flag.Name == "listen" {
				flag.Default, flag.HasDefault, flag.PlaceHolder = p.Listen, true, p.Listen
				return nil
			}
		}
	}
	return errors.New("there is no flag --listen")
}

// A Process is a service that is about to serve: what an interface is made from.
type Process struct {
	rest.Config
	Now func() time.Time

	working    context.Context // of the work in the background
	background sync.WaitGroup
}

// Go runs work in the background. Its context ends after the last request has been answered, and
// the database closes after it has returned.
func (p *Process) Go(work func(ctx context.Context)) {
	p.background.Go(func() { work(p.working) })
}

// sweepEvery is how often rows that have expired are removed. They count as gone from the moment
// when they expire.
const sweepEvery = 10 * time.Minute

// Serve makes the interface, serves it until ctx ends, and closes the database. No other service
// need be up, not even the issuer.
func (p Program) Serve(
	ctx context.Context, settings Settings, database sqldb.Upkeep, newInterface func(*Process) (http.Handler, error),
) (err error) {
	defer func() { err = errors.Join(err, database.Close()) }()
	metrics := prometheus.NewRegistry()
	process := &Process{Now: settings.Clock(), Config: rest.Config{
		Issuer: settings.Issuer, Audience: settings.Audience, Docs: settings.DocsClientID,
		Log: settings.Logger(), Metrics: metrics, Calls: httpd.NewCalls(metrics),
	}}
	libcrypto.Announce(process.Log)
	traces, err := tracing.Start(ctx, p.Name, process.Log, metrics)
	if err != nil {
		return cli.Usage(err)
	}
	defer traces.Stop()
	if warning := database.Warning(); warning != "" {
		process.Log.Warn(warning)
	}

	// When ctx ends, requests are still under way, and may need the work in the background, such as
	// the fetching of keys.
	working, stop := context.WithCancel(context.WithoutCancel(ctx))
	process.working = traces.With(working)
	defer process.background.Wait()
	defer stop()

	process.Verifier, process.Cache, process.Keys, err = settings.Verifier(working, process.Log)
	if err != nil {
		return cli.Usage(err)
	}
	handler, err := newInterface(process)
	if err != nil {
		return err
	}
	process.Go(paceCollector)
	process.Go(func(ctx context.Context) { database.Watch(ctx, process.Log, process.Metrics) })
	process.Go(func(ctx context.Context) { database.SweepEvery(ctx, sweepEvery, process.Log) })

	server := httpd.Server{
		Config: settings.Config, Log: process.Log, Handler: handler, Ready: database.Ready,
		MaxBody: p.MaxBody, Metrics: process.Metrics, Tracing: traces, RSA: libcrypto.Name(), Serving: settings.Serving,
	}
	return server.Run(ctx)
}
