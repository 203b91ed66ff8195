// Command client-demo is the demo web app: people log in at the issuer, keep a profile in the user
// service and write on the board. It is also an example of a client: it knows only OpenID Connect
// and two public REST interfaces, and works with any issuer that offers what it asks for.
package main

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"
	_ "time/tzdata" // people choose a time zone; the container image has no zone files

	"github.com/alecthomas/kong"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/maru-auth/maru/client-demo/internal/backend"
	"github.com/maru-auth/maru/client-demo/internal/flow"
	"github.com/maru-auth/maru/client-demo/internal/lang"
	"github.com/maru-auth/maru/client-demo/internal/site"
	"github.com/maru-auth/maru/client-demo/internal/web"
	"github.com/maru-auth/maru/internal/cli"
	"github.com/maru-auth/maru/internal/httpd"
	"github.com/maru-auth/maru/internal/tracing"
)

// config has every setting of the program: flags, and environment variables of the same name with
// the prefix DEMO_.
type config struct {
	httpd.Config
	Origin       string `help:"This app's public origin, such as http://localhost:8080. At the issuer, register ORIGIN/callback as redirect URI and ORIGIN/ as post-logout redirect URI." placeholder:"URL" required:""`
	Issuer       string `help:"The issuer to log in at, exactly as it names itself, such as http://localhost:9000." placeholder:"URL" required:""`
	ClientID     string `name:"client-id" help:"This app's client id at the issuer." placeholder:"ID" required:""`
	ClientSecret string `name:"client-secret" help:"This app's client secret (client_secret_basic). Empty: a public client."`
	CookieKey    string `help:"Base64 of the 32 random bytes that seal the cookies of log-ins under way; all replicas need the same. Empty: made at start, so log-ins under way do not survive a restart." placeholder:"KEY"`
	UserAPI      string `name:"user-api" help:"Address of the user service, which is also its audience, such as http://localhost:8000/user." placeholder:"URL" required:""`
	BoardAPI     string `name:"board-api" help:"Address of the board service, which is also its audience, such as http://localhost:8000/board." placeholder:"URL" required:""`
	AccountURL   string `name:"account-url" help:"Where people manage their account at the issuer. Empty: ISSUER/account." placeholder:"URL"`
	APIDocs      bool   `name:"api-docs" help:"Link to the services' API references, USER-API/docs and BOARD-API/docs. The services must be set to serve them."`

	// Serving, if not nil, is called with the address once the app listens: tests listen on port 0.
	Serving func(net.Addr) `kong:"-"`
	// Now is the clock. Nil: time.Now.
	Now func() time.Time `kong:"-"`
	// Languages are those of the pages. Nil: lang.All.
	Languages lang.Languages `kong:"-"`
}

const defaultListen = "127.0.0.1:9400"

// maxForm is the largest form in bytes: the longest post has room, even of characters that are sent
// as %F0%9F%98%80.
const maxForm = 256 << 10

// commands is the command line.
type commands struct {
	Serve   config      `cmd:"" default:"withargs" help:"Serve (the default)."`
	Version cli.Version `cmd:"" help:"Print the version and what it was built from."`
}

func main() { cli.Main("client-demo", "DEMO_", new(commands), options()...) }

func options() []kong.Option {
	return []kong.Option{
		kong.Name("client-demo"),
		kong.Description("The demo web app: log-in, profile, board, and a look at your tokens. It listens on " +
			defaultListen + " unless --listen says otherwise." + cli.Traces),
		kong.DefaultEnvars("DEMO"),
		kong.Help(cli.Help(nil)),
		kong.Bind(cli.RSA(func() string { return "go" })), // which go-jose verifies ID tokens by
	}
}

// Run serves until the program is told to stop.
func (cfg *config) Run() error {
	return cli.UntilStopped(func(ctx context.Context) error { return run(ctx, *cfg) })
}

// run serves the app until ctx ends. It starts without the issuer and the services: each is called
// when it is needed.
func run(ctx context.Context, cfg config) error {
	if err := cfg.check(); err != nil {
		return cli.Usage(err)
	}
	cfg.fill()
	log := cfg.Logger()
	for _, insecure := range []struct{ setting, url string }{{"--origin", cfg.Origin}, {"--issuer", cfg.Issuer}} {
		if plainRemote(insecure.url) {
			log.Warn("no TLS: others can read tokens and cookies on the way",
				"setting", insecure.setting, "url", insecure.url)
		}
	}

	cookieKey, err := cfg.cookieKey()
	if err != nil {
		return err
	}
	metrics := prometheus.NewRegistry()
	calls := httpd.NewCalls(metrics)
	traces, err := tracing.Start(ctx, "client-demo", log, metrics)
	if err != nil {
		return cli.Usage(err)
	}
	defer traces.Stop()
	client, err := flow.New(flow.Config{
		Origin: cfg.Origin, Issuer: cfg.Issuer, ClientID: cfg.ClientID, ClientSecret: cfg.ClientSecret,
		Scopes:    strings.Fields("openid profile email user:read user:write board:read board:write board:moderate"),
		CookieKey: cookieKey, Now: cfg.Now, Log: log, Calls: calls,
	})
	if err != nil {
		return err
	}
	defer client.Close()
	users, boards := backend.NewUsers(cfg.UserAPI, calls), backend.NewBoards(cfg.BoardAPI, calls, cfg.Now)
	defer users.Close()
	defer boards.Close()

	app := web.New(web.Config{
		Config:   site.Config{Origin: cfg.Origin, Issuer: cfg.Issuer, Languages: cfg.Languages, Now: cfg.Now, Log: log},
		ClientID: cfg.ClientID, UserAPI: cfg.UserAPI, BoardAPI: cfg.BoardAPI, APIDocs: cfg.APIDocs,
		AccountURL: cfg.AccountURL,
	}, client, users, boards)
	defer app.Close()
	server := &httpd.Server{Config: cfg.Config, Log: log, Handler: app.Routes(), MaxBody: maxForm, Metrics: metrics, Tracing: traces, Serving: cfg.Serving}
	return server.Run(ctx)
}

// fill gives the settings that are empty their defaults.
func (cfg *config) fill() {
	cfg.Listen = cmp.Or(cfg.Listen, defaultListen)
	cfg.AccountURL = cmp.Or(cfg.AccountURL, strings.TrimSuffix(cfg.Issuer, "/")+"/account")
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Languages == nil {
		cfg.Languages = lang.All
	}
}

// check finds what is wrong with the settings, and cuts the slash at the end of addresses.
func (cfg *config) check() error {
	var errs []error
	origin, err := absolute("--origin", cfg.Origin)
	if err != nil {
		errs = append(errs, err)
	} else if strings.TrimSuffix(origin.Path, "/") != "" {
		errs = append(errs, fmt.Errorf("--origin: %q has a path; give only scheme, host and port", cfg.Origin))
	}
	if cfg.AccountURL != "" {
		if _, err := absolute("--account-url", cfg.AccountURL); err != nil {
			errs = append(errs, err)
		}
	}
	cfg.Origin = strings.TrimSuffix(cfg.Origin, "/")
	if _, err := absolute("--issuer", cfg.Issuer); err != nil {
		errs = append(errs, err)
	}
	if cfg.ClientID == "" {
		errs = append(errs, errors.New("--client-id: missing; it is the id that this app has at the issuer"))
	}
	for _, api := range []struct {
		setting string
		url     *string
	}{{"--user-api", &cfg.UserAPI}, {"--board-api", &cfg.BoardAPI}} {
		if _, err := absolute(api.setting, *api.url); err != nil {
			errs = append(errs, err)
		}
		*api.url = strings.TrimSuffix(*api.url, "/")
	}
	return errors.Join(errs...)
}

// cookieKey decodes the setting, in either alphabet of base64. It is nil if the setting is empty.
func (cfg *config) cookieKey() ([]byte, error) {
	if cfg.CookieKey == "" {
		return nil, nil
	}
	text := strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(strings.TrimSpace(cfg.CookieKey), "="))
	key, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil || len(key) != flow.KeySize {
		return nil, fmt.Errorf("--cookie-key: must be the base64 of %d bytes, such as openssl rand -base64 %d makes", flow.KeySize, flow.KeySize)
	}
	return key, nil
}

// absolute parses an http or https URL without user, query or fragment.
func absolute(setting, text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if strings.Contains(text, "@") { // not repeated: a password could stand in it
		return nil, fmt.Errorf("%s: must be an address such as https://app.example.com, without a user or password", setting)
	}
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" ||
		u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return nil, fmt.Errorf("%s: %q is not an address such as https://app.example.com", setting, text)
	}
	return u, nil
}

// plainRemote tells whether text is an http URL of another machine.
func plainRemote(text string) bool {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" || u.Hostname() == "localhost" {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return ip == nil || !ip.IsLoopback()
}
