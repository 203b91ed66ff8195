package attack

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"
)

// Defaults of Config.
const (
	DefaultWait         = 30 * time.Second
	DefaultTimeout      = 10 * time.Second
	DefaultPatience     = 30 * time.Second
	DefaultRemoval      = 90 * time.Second
	DefaultRevocation   = 10 * time.Second
	DefaultFlood        = 500
	DefaultTokenType    = "at+jwt"
	DefaultSubject      = "rscheck"
	DefaultClientID     = "rscheck-client"
	maxLeeway           = 5 * time.Minute // "usually no more than a few minutes", RFC 7519 §4.1.4
	acceptableLatency   = 2 * time.Second // of a good token while the key set is being fetched
	oversizedTokenBytes = 48 << 10        // below what most servers take of headers
)

// Config says what to attack, and how. Zero values are the defaults.
type Config struct {
	// URL is what is called. Required. Unless AllowRemote is set it must lead
	// to a loopback address, and connections to others fail.
	URL string
	// Method, Header and Body are those of each call. Method: GET if empty.
	Method string
	Header http.Header
	Body   string
	// Audience is what the server expects in aud. Required.
	Audience string
	// Scope has the scopes that the call needs, separated by spaces. Empty:
	// none, and that tokens without scope are refused is not checked.
	Scope string
	// Type is the typ of access tokens, at+jwt if empty. With "JWT" it is not
	// checked that the server tells access tokens from others by their type.
	Type string
	// Subject, ClientID and Claims are in the good token. Claims may replace
	// any other claim. Subject: "rscheck"; ClientID: "rscheck-client".
	Subject, ClientID string
	Claims            map[string]any
	// HTU is the URL that DPoP proofs name, if the server is known to the
	// public by another one. Empty: URL.
	HTU string
	// AllowRemote allows to attack a server on another machine. Only do so
	// with servers that are yours, or whose owner asked you to.
	AllowRemote bool
	// Only and Skip select checks by name; * stands for any text. Only: all if
	// empty.
	Only, Skip []string

	// Wait is how long the server may take, at the start and after a fault,
	// until it accepts a good token: 30 s if zero.
	Wait time.Duration
	// Timeout is that of one call: 10 s if zero.
	Timeout time.Duration
	// Patience is how long the server may take until it fetches the key set
	// because of an unknown key: 30 s if zero.
	Patience time.Duration
	// Removal is how long the server may trust a key that left the key set:
	// 90 s if zero. The key set allows 5 s (Cache-Control: max-age).
	Removal time.Duration
	// Revocation is how long the server may take until it refuses a token that
	// is revoked by a status list: 10 s if zero. The list says 2 s (ttl).
	Revocation time.Duration
	// Flood is how many tokens with unknown keys are sent: 500 if zero.
	Flood int

	// Restart, if not nil, restarts the server with an empty memory, when it
	// did not fetch the key set within Patience, or does not recover from a
	// check within Wait. Without it, what depends on the fetch is reported as
	// unclear, and a server that does not recover ends the run.
	Restart func(context.Context) error
	// Progress, if not nil, is told each result at once.
	Progress func(Result)
}

// prepared returns the configuration with its defaults, or what is wrong.
func (cfg Config) prepared() (Config, error) {
	u, err := url.Parse(cfg.URL)
	switch {
	case err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "":
		return cfg, fmt.Errorf("the URL %q is not an http or https URL", cfg.URL)
	case cfg.Audience == "":
		return cfg, errors.New("the audience is missing: what does the server expect in the aud of its tokens?")
	case cfg.Wait < 0 || cfg.Timeout < 0 || cfg.Patience < 0 || cfg.Removal < 0 || cfg.Revocation < 0 || cfg.Flood < 0:
		return cfg, errors.New("a time or number is negative")
	}
	if err := known(append(slices.Clone(cfg.Only), cfg.Skip...)); err != nil {
		return cfg, err
	}
	cfg.Method = cmp.Or(cfg.Method, http.MethodGet)
	cfg.Type = cmp.Or(cfg.Type, DefaultTokenType)
	cfg.Subject = cmp.Or(cfg.Subject, DefaultSubject)
	cfg.ClientID = cmp.Or(cfg.ClientID, DefaultClientID)
	cfg.HTU = cmp.Or(cfg.HTU, cfg.URL)
	cfg.Wait = cmp.Or(cfg.Wait, DefaultWait)
	cfg.Timeout = cmp.Or(cfg.Timeout, DefaultTimeout)
	cfg.Patience = cmp.Or(cfg.Patience, DefaultPatience)
	cfg.Removal = cmp.Or(cfg.Removal, DefaultRemoval)
	cfg.Revocation = cmp.Or(cfg.Revocation, DefaultRevocation)
	cfg.Flood = cmp.Or(cfg.Flood, DefaultFlood)
	return cfg, nil
}

// known checks that each pattern names a check.
func known(patterns []string) error {
	for _, pattern := range patterns {
		if _, err := path.Match(pattern, ""); err != nil {
			return fmt.Errorf("%q is not a pattern", pattern)
		}
		if !slices.ContainsFunc(catalogue, func(c Check) bool { return selected([]string{pattern}, c.Name) }) {
			return fmt.Errorf("there is no check %q", pattern)
		}
	}
	return nil
}

func selected(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		match, _ := path.Match(pattern, name)
		return match
	})
}

func (cfg *Config) selects(name string) bool {
	return (len(cfg.Only) == 0 || selected(cfg.Only, name)) && !selected(cfg.Skip, name)
}

// ErrRemote is the error of an attack on another machine without AllowRemote.
var ErrRemote = errors.New("the server is not on a loopback address, and this is an attack tool: against a machine that is not yours it may be a crime, and " +
	"against one in use it does harm. If the server is yours, or its owner asked you, allow remote servers explicitly")

// loopbackOnly refuses a connection to another machine. It is asked with the
// address that the name led to, so that no name gets around it.
func loopbackOnly(address string) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	if ip := net.ParseIP(strings.Split(host, "%")[0]); ip == nil || !ip.IsLoopback() {
		return ErrRemote
	}
	return nil
}
