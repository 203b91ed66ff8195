// Command peers measures Maru beside other authorization servers, in turns on one machine: closed
// loops with the same connections and RSA-2048 keys. `make peers` calls it. A peer whose runtime
// this machine lacks, or whose packages it cannot get, is left out, and the report says so.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/maru-auth/maru/deploy/load/command"
	"github.com/maru-auth/maru/deploy/load/driver"
	"github.com/maru-auth/maru/deploy/load/site"
	"github.com/maru-auth/maru/deploy/load/usage"
	"github.com/maru-auth/maru/deploy/stack"
	"github.com/maru-auth/maru/internal/machine"
)

type config struct {
	Peers       []string      `help:"Which peers: ${peers}." default:"${peers}"`
	Engine      []string      `help:"Maru's databases: sqlite, postgres." enum:"sqlite,postgres" default:"sqlite,postgres"`
	Connections int           `help:"How many connections send requests, 1 to 200." default:"16"`
	Rounds      int           `help:"How many turns each server has for each kind of request, 1 to 99, after a first one that does not count. The median counts." default:"3"`
	WarmUp      time.Duration `help:"How long a turn lasts before it is measured." default:"500ms"`
	Duration    time.Duration `help:"How long a turn is measured." default:"3s"`
	Keycloak    string        `help:"The distribution of Keycloak ${keycloak} as a zip file. Empty: it is fetched from Maven Central, 170 MB, and kept in bin/peers." placeholder:"PATH"`
	Hydra       string        `help:"An executable of Ory Hydra. Empty: the one that deploy/load/peers/hydra/go.mod pins is compiled." placeholder:"PATH"`

	command.Programs
	machine.Output
}

func main() {
	var cfg config
	command.Main("peers", "Measures Maru beside other authorization servers on this machine. See deploy/load/README.md.", &cfg,
		func(ctx context.Context, r command.Run) error { return run(ctx, cfg, r) },
		kong.Vars{"peers": strings.Join(peerNames(), ","), "keycloak": keycloakVersion})
}

// A contestant is a server that runs.
type contestant struct {
	Name  string
	Store string // where it keeps what it issues

	address, host, path string // of the token endpoint
	service, app        login
	codeForm            string // what a code is exchanged with, up to the code itself

	authorize     func(worker int) driver.Step // gets a code for somebody who has a session
	authorizePath string                       // of those whose servers are in this folder

	codes   func(ctx context.Context, n int) ([]string, error) // of people who are logged in
	usage   func() (usage.Usage, error)                        // of all its processes
	stop    func() error
	pool    chan string
	people  []driver.Step // one of each worker, who stays logged in
	refresh []string      // a refresh token for each worker
}

// login is how a client says who it is.
type login struct{ authorization, form string }

// errLeftOut says why a peer cannot run here.
var errLeftOut = errors.New("left out")

// peers are all there are, in the order of the table.
var peers = []struct {
	name  string
	start func(ctx context.Context, b base) (*contestant, error)
}{
	{"node-oidc-provider", startNode},
	{"zitadel", startZitadel},
	{"keycloak", startKeycloak},
	{"hydra", startHydra},
}

func peerNames() (names []string) {
	for _, one := range peers {
		names = append(names, one.name)
	}
	return names
}

// base is what every contestant needs to start.
type base struct {
	command.Run
	cfg  config
	keep string // a folder that stays, for what is fetched and built
}

func run(ctx context.Context, cfg config, r command.Run) (err error) {
	if cfg.Connections < 1 || cfg.Connections > 200 || cfg.Rounds < 1 || cfg.Rounds > 99 || cfg.Duration <= 0 || cfg.Duration > time.Minute {
		return errors.New("there must be 1 to 200 connections, 1 to 99 rounds, and a duration of at most 1m")
	}
	keep, err := filepath.Abs(filepath.Join(r.Root, "bin", "peers"))
	if err != nil {
		return err
	}
	b, out := base{r, cfg, keep}, r.Out
	report := &Report{Machine: machine.This(), Connections: cfg.Connections, Rounds: cfg.Rounds, Duration: cfg.Duration.Seconds(), Tags: cfg.Tags}
	if err := report.bare(ctx); err != nil {
		return err
	}
	var all []*contestant
	defer func() {
		for _, c := range all {
			err = errors.Join(err, c.stop())
		}
	}()
	programs, err := cfg.Build(ctx, r)
	if err != nil {
		return err
	}
	report.Version, report.RSA = site.Version(ctx, programs)
	ours, err := startMaru(ctx, b, programs, report)
	all = append(all, ours...)
	if err != nil {
		return err
	}
	for _, one := range peers {
		if !slices.Contains(cfg.Peers, one.name) {
			continue
		}
		fmt.Fprintf(out, "starting %s…\n", one.name)
		c, err := one.start(ctx, b)
		if errors.Is(err, errLeftOut) {
			fmt.Fprintln(out, " ", err)
			report.LeftOut = append(report.LeftOut, fmt.Sprintf("%s: %v", one.name, err))
			continue
		}
		if err != nil {
			return fmt.Errorf("%s: %w", one.name, err)
		}
		all = append(all, c)
	}
	if err := compare(ctx, cfg, all, report, out); err != nil {
		return err
	}
	if err := report.bare(ctx); err != nil {
		return err
	}
	fmt.Fprint(out, "\n", report.markdown())
	return cfg.Write("peers", report, report.markdown())
}

// kinds of requests that are compared, with their titles.
var kinds = []struct{ name, title string }{
	{"client-credentials", "client credentials"}, {"authorize", "authorize with a session"}, {"code-exchange", "code exchange"}, {"refresh", "refresh"},
}

// compare has the contestants take turns.
func compare(ctx context.Context, cfg config, all []*contestant, report *Report, out io.Writer) error {
	for _, c := range all {
		c.pool = make(chan string, 1<<16)
		report.Servers = append(report.Servers, Server{Name: c.Name, Store: c.Store, Figures: map[string]Figure{}})
	}
	for _, kind := range kinds {
		turns := make([][]Figure, len(all))
		for round := range cfg.Rounds + 1 {
			for i, c := range all {
				f, err := c.turn(ctx, cfg, kind.name, turns[i])
				if err != nil {
					return fmt.Errorf("%s, %s: %w", c.Name, kind.name, err)
				}
				turns[i] = append(turns[i], f)
				if round == 0 {
					continue // some compile what they run often, and all have caches to fill
				}
				fmt.Fprintf(out, "%-20s %-28s %8.0f/s  half %7.2f ms  99 %% %7.2f ms  CPU %.2f ms\n", kind.name, c.Name, f.Rate, f.P50, f.P99, f.CPU)
			}
		}
		for i := range all {
			report.Servers[i].Figures[kind.name] = median(turns[i][1:])
		}
	}
	return nil
}

// arrive gets the refresh tokens of the workers. It is done just before they are used: a server may
// end a person's oldest grants when there are many, and the other kinds of requests make many.
func (c *contestant) arrive(ctx context.Context, workers int) error {
	codes, err := c.codes(ctx, workers)
	if err != nil {
		return err
	}
	conn := driver.NewConn(c.address)
	defer conn.Close()
	for _, code := range codes {
		t, err := c.token(ctx, conn, c.app, c.codeForm+code)
		if err != nil {
			return err
		}
		c.refresh = append(c.refresh, t.Refresh)
	}
	return nil
}

// turn measures one kind of request once. before are the turns until now.
func (c *contestant) turn(ctx context.Context, cfg config, kind string, before []Figure) (Figure, error) {
	for len(c.pool) > 0 {
		<-c.pool
	}
	if kind == "refresh" && len(before) == 0 {
		if err := c.arrive(ctx, cfg.Connections); err != nil {
			return Figure{}, err
		}
	}
	if kind == "code-exchange" {
		n := 40 * cfg.Connections // in the first round nobody knows how many there will be
		if len(before) > 0 {
			n = int(1.5 * before[len(before)-1].Rate * (cfg.WarmUp + cfg.Duration).Seconds())
		}
		codes, err := c.codes(ctx, max(n, 20*cfg.Connections))
		if err != nil {
			return Figure{}, err
		}
		for _, code := range codes {
			c.pool <- code
		}
	}
	var from, to usage.Usage
	var fromErr, toErr error
	load := driver.Load{Workers: cfg.Connections, WarmUp: cfg.WarmUp, Duration: cfg.Duration,
		Began: func() { from, fromErr = c.usage() }, Ended: func() { to, toErr = c.usage() }}
	if kind == "code-exchange" {
		load.WarmUp = 0 // none is wasted
	}
	result, err := load.Run(ctx, func(i int) driver.Step { return c.step(kind, i) })
	if err != nil {
		return Figure{}, err
	}
	if result.Failed() > 0 {
		return Figure{}, fmt.Errorf("requests failed: %v, such as %w", result.Errors, result.Example)
	}
	f := Figure{Rate: result.Rate(), P50: milliseconds(result.Latency.Percentile(50)), P99: milliseconds(result.Latency.Percentile(99))}
	if errors.Join(fromErr, toErr) == nil {
		f.CPU = milliseconds(to.Since(from).CPU) / float64(max(result.Latency.Count(), 1))
	}
	return f, nil
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func (c *contestant) step(kind string, worker int) driver.Step {
	conn := driver.NewConn(c.address)
	switch kind {
	case "authorize":
		for len(c.people) <= worker {
			c.people = append(c.people, c.authorize(len(c.people)))
		}
		return c.people[worker]
	case "code-exchange":
		return func(ctx context.Context) error {
			select {
			case code := <-c.pool:
				_, err := c.token(ctx, conn, c.app, c.codeForm+code)
				return err
			default:
				return driver.ErrUsedUp
			}
		}
	case "refresh":
		return func(ctx context.Context) error {
			// To the end, also when the turn is over: a successor that got lost would make the token of the
			// next turn one that was used before, and its grant revoked.
			t, err := c.token(context.WithoutCancel(ctx), conn, c.app, "grant_type=refresh_token&refresh_token="+c.refresh[worker])
			if err == nil && t.Refresh != "" {
				c.refresh[worker] = t.Refresh
			}
			return err
		}
	}
	request := c.request(c.service, "grant_type=client_credentials")
	return func(ctx context.Context) error {
		a, err := conn.Do(ctx, request)
		if err != nil {
			return err
		}
		return a.Want(200)
	}
}

// startMaru starts one on each engine.
func startMaru(ctx context.Context, b base, programs stack.Programs, report *Report) (all []*contestant, err error) {
	log, err := b.cfg.OpenLog()
	if err != nil {
		return nil, err
	}
	for _, engine := range b.cfg.Engine {
		s, err := site.Start(ctx, site.Config{Root: b.Root, Dir: filepath.Join(b.Dir, engine), Programs: programs, Engine: engine, Replicas: 1,
			Workers: b.cfg.Connections, Log: log})
		if errors.Is(err, site.ErrNoPostgres) {
			report.LeftOut = append(report.LeftOut, fmt.Sprintf("Maru (Postgres): %v", err))
			continue
		}
		if err != nil {
			return all, err
		}
		at := s.TokenEndpoint()
		all = append(all, &contestant{
			Name: "Maru (" + map[string]string{site.SQLite: "SQLite", site.Postgres: "Postgres"}[engine] + ")", Store: "durable",
			address: at.Address, host: at.Host, path: at.Path, service: login{at.Service, "&scope=board%3Aread"}, app: login{at.App, ""},
			codeForm: at.CodeForm, codes: s.Codes, authorize: s.Authorize, stop: s.Stop, usage: func() (usage.Usage, error) {
				by, err := s.Usage()
				return by["authz-server"].Add(by["postgres"]), err
			},
		})
	}
	return all, nil
}
