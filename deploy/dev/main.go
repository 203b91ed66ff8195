// Command dev runs the whole of Maru on this machine: the authorization server, the user and board
// services, the demo app and the gateway, each as a process of its own, on loopback. `make run`
// calls it.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"github.com/maru-auth/maru/deploy/stack"
)

type config struct {
	Data     string        `help:"Folder of databases, keys and programs. Relative to the repository's folder." default:"data" placeholder:"DIR"`
	Ports    string        `help:"default: the ports below. free: any that are free, printed at the start." enum:"default,free" default:"default"`
	Replicas int           `help:"How many authorization servers to run behind the gateway. More than one needs Postgres in AUTHZ_DATABASE_URL." default:"1"`
	Wait     time.Duration `help:"How long the parts may take to become ready." default:"60s"`

	IssuerPort int `help:"Port of the issuer's origin (gateway)." default:"${issuer}"`
	APIPort    int `help:"Port of the API's origin (gateway)." default:"${api}" name:"api-port"`
	AppPort    int `help:"Port of the demo app's origin (gateway)." default:"${app}"`
	AuthzPort  int `help:"Port of the authorization server; further ones take the next." default:"${authz}"`
	UserPort   int `help:"Port of the user service." default:"${user}"`
	BoardPort  int `help:"Port of the board service." default:"${board}"`
	DemoPort   int `help:"Port of the demo app." default:"${demo}"`
	InboxPort  int `help:"Port of the page with the mail that is sent. It is not used with AUTHZ_MAIL_SMTP_URL." default:"${inbox}"`
}

func main() {
	var cfg config
	p := stack.DevelopmentPorts()
	port := func(n int) string { return fmt.Sprint(n) }
	kong.Parse(&cfg, kong.Name("dev"),
		kong.Description("Runs Maru on this machine. Set AUTHZ_DATABASE_URL, USER_DATABASE_URL and BOARD_DATABASE_URL "+
			"to use other databases than files in the data folder. Every setting of the programs "+
			"(AUTHZ_…, USER_…, BOARD_…, DEMO_…) is passed on."),
		kong.DefaultEnvars("DEV"),
		kong.Vars{"issuer": port(p.Issuer), "api": port(p.API), "app": port(p.App), "authz": port(p.Authz[0]),
			"user": port(p.User), "board": port(p.Board), "demo": port(p.Demo), "inbox": port(p.Inbox)})

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	err := run(ctx, cfg, os.Environ(), os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "maru:", err)
	}
	os.Exit(status(err))
}

// status is the exit status that goes with an error of [run]: that of the part that ended, if one
// did.
func status(err error) int {
	var exit stack.Exit
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit) && exit.Code != 0:
		return exit.Code
	}
	return 1
}

// run returns nil when it was asked to stop by ctx, and an error when it could not start or when a
// part ended.
func run(ctx context.Context, cfg config, env []string, out io.Writer) error {
	root, err := stack.Root()
	if err != nil {
		return err
	}
	ports, err := cfg.ports()
	if err != nil {
		return err
	}
	if slices.ContainsFunc(env, func(pair string) bool { return strings.HasPrefix(pair, "AUTHZ_MAIL_SMTP_URL=") }) {
		ports.Inbox = 0
	}
	if err := ports.Check(); err != nil { // before the build: it takes long, and this needs no patience
		return err
	}
	data := cfg.Data
	if !filepath.IsAbs(data) {
		data = filepath.Join(root, data)
	}
	unlock, err := lock(data)
	if err != nil {
		return err
	}
	defer unlock()
	programs, err := stack.BuildAloud(ctx, root, filepath.Join(data, "bin"), out)
	if err != nil {
		return unlessStopped(ctx, err)
	}
	requests, err := openRequests(filepath.Join(data, "requests.log"))
	if err != nil {
		return err
	}
	defer requests.Close()
	log := filepath.Join(data, "gateway.log")
	env = append([]string{"GATEWAY_LOG=" + stack.GatewayLog(log)}, env...)
	s, err := stack.New(stack.Config{Root: root, Dir: data, Programs: programs, Ports: ports, Env: env, Log: apart{out, requests}})
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "Starting…")
	starting, cancel := context.WithTimeout(ctx, cfg.Wait)
	defer cancel()
	if err := s.Start(starting); err != nil {
		return unlessStopped(ctx, err)
	}
	defer s.Stop()
	announce(out, s, requests.Name(), log)

	select {
	case <-ctx.Done():
		fmt.Fprintln(out, "Stopping…")
		return nil
	case exit := <-s.Exits():
		if exit.Err == nil {
			exit.Err = errors.New("it should have gone on") // status 0, and yet not what was wanted
		}
		return exit
	}
}

// unlessStopped drops an error that only says that the person pressed Ctrl-C.
func unlessStopped(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

func (cfg config) ports() (stack.Ports, error) {
	if cfg.Replicas < 1 {
		return stack.Ports{}, errors.New("--replicas: at least 1")
	}
	if cfg.Ports == "free" {
		return stack.FreePorts(cfg.Replicas)
	}
	p := stack.Ports{Issuer: cfg.IssuerPort, API: cfg.APIPort, App: cfg.AppPort, User: cfg.UserPort,
		Board: cfg.BoardPort, Demo: cfg.DemoPort, Inbox: cfg.InboxPort}
	for i := range cfg.Replicas {
		p.Authz = append(p.Authz, cfg.AuthzPort+i)
	}
	return p, nil
}

func announce(out io.Writer, s *stack.Stack, requests, gateway string) {
	o := s.Origins()
	fmt.Fprintf(out, `
Maru runs.
  demo app   %s
  API        %s/user/docs  %s/board/docs
  issuer     %s
`, o.App, o.API, o.API, o.Issuer)
	if s.Inbox() != "" {
		fmt.Fprintf(out, "  inbox      %s\n", s.Inbox())
	}
	fmt.Fprintf(out, "  requests   %s, and the gateway's in %s\n\n", requests, gateway)
	for _, a := range stack.Accounts {
		role := ""
		if a.Role != "" {
			role = "  (" + a.Role + ")"
		}
		fmt.Fprintf(out, "  log in as  %s  password  %s%s\n", a.Email, a.Password, role)
	}
	fmt.Fprint(out, "\nCtrl-C stops all of it.\n\n")
}
