// Package servicetest runs a resource service for a test: it starts the whole program with an
// issuer that it trusts, mints tokens, makes calls and reads the answers. [Program.Contract] checks
// what every resource service does alike.
package servicetest

import (
	"context"
	"net"
	"net/http"
	"slices"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/maru-auth/maru/internal/service"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
	"github.com/maru-auth/maru/jwks/jwkstest"
)

// A Program is a service's program as a test needs it. S is the settings of serving.
type Program[S any] struct {
	service.Program
	Run      func(ctx context.Context, settings S) error
	Settings func(*S) *service.Settings // that S embeds

	// For Contract: a GET that needs nothing but a token with Scope, every scope that there is,
	// with spaces, and how many operations the OpenAPI document has.
	Read       string
	Scope      string
	Scopes     string
	Operations int
}

// Audience is the service's identifier and public address.
func (p Program[S]) Audience() string { return "http://localhost:8000/" + p.Name }

// metadataURL is where challenges send a client.
func (p Program[S]) metadataURL() string {
	return "http://localhost:8000/.well-known/oauth-protected-resource/" + p.Name
}

// Parse reads a command line, which must be a right one.
func (p Program[S]) Parse(t testing.TB, args ...string) service.Commands[S] {
	t.Helper()
	var commands service.Commands[S]
	parser, err := kong.New(&commands, p.Options()...)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse(args); err != nil {
		t.Fatal(err)
	}
	return commands
}

// A Service is a program that serves.
type Service struct {
	Issuer *jwkstest.Issuer
	URL    string // where it listens
	Stop   func() // ends the program; the test ends it otherwise

	t        testing.TB
	audience string
	client   *http.Client
}

// StartNew starts the program with an issuer, which publishes status lists, and an SQLite database
// of its own.
func (p Program[S]) StartNew(t testing.TB, args ...string) *Service {
	t.Helper()
	issuer := jwkstest.NewIssuer(t)
	issuer.PublishStatusLists()
	return p.Start(t, issuer, sqldbtest.SQLite(t), args...)
}

// Start starts the program, which ends with the test; args are further flags. It returns once the
// program serves.
func (p Program[S]) Start(t testing.TB, issuer *jwkstest.Issuer, databaseURL string, args ...string) *Service {
	t.Helper()
	s := p.startWith(t, issuer.URL(), databaseURL, args...)
	s.Issuer = issuer
	return s
}

// startWith is Start with any issuer, and without one for the service's methods that mint tokens.
func (p Program[S]) startWith(t testing.TB, issuer, databaseURL string, args ...string) *Service {
	t.Helper()
	settings := p.Parse(t, slices.Concat([]string{
		"--issuer=" + issuer, "--audience=" + p.Audience(), "--database-url=" + databaseURL,
		"--listen=127.0.0.1:0", "--log-level=error", "--shutdown-delay=0s",
	}, args)...).Serve
	listening := make(chan net.Addr, 1)
	p.Settings(&settings).Serving = func(addr net.Addr) { listening <- addr }

	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx, settings) }()
	client := &http.Client{
		Transport:     &http.Transport{MaxIdleConnsPerHost: 64},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	stop := func() {
		client.CloseIdleConnections()
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("run: %v", err)
		}
		ended <- nil // whoever stops it again finds it stopped
	}
	t.Cleanup(stop)
	select {
	case addr := <-listening:
		return &Service{URL: "http://" + addr.String(), Stop: stop, t: t, audience: p.Audience(), client: client}
	case err := <-ended:
		ended <- nil
		t.Fatalf("it ended at its start: %v", err)
		return nil
	}
}

// In returns the service for a subtest, which is what its failures are then reported to.
func (s *Service) In(t testing.TB) *Service {
	of := *s
	of.t = t
	return &of
}

// Person returns a token of a person with the scopes, separated by spaces, and the roles.
func (s *Service) Person(subject, scope string, roles ...string) string {
	return s.Issuer.AccessToken(s.t, jwkstest.Token{Subject: subject, Audience: s.audience, Scope: scope, Roles: roles})
}

// Client returns a client's own token with the scopes, separated by spaces, and the roles.
func (s *Service) Client(id, scope string, roles ...string) string {
	return s.Issuer.ClientToken(s.t, jwkstest.Token{ClientID: id, Audience: s.audience, Scope: scope, Roles: roles})
}
