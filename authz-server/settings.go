package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/fetch"
	"github.com/maru-auth/maru/authz-server/internal/issuer"
	"github.com/maru-auth/maru/authz-server/internal/keys"
	"github.com/maru-auth/maru/authz-server/internal/passwords"
	"github.com/maru-auth/maru/authz-server/internal/signup"
	"github.com/maru-auth/maru/authz-server/internal/ssf"
	"github.com/maru-auth/maru/internal/httpd"
	"github.com/maru-auth/maru/internal/sqldb"
)

// settings is everything that can be set, by a flag or by an environment variable of the same name:
// --database-url is AUTHZ_DATABASE_URL.
type settings struct {
	httpd.Config
	sqldb.Options
	brandSettings
	mailSettings
	signupSettings
	auditSettings

	Issuer             string   `shown:"" help:"The server's public address, and its name in all tokens: an origin (https, or http on a loopback host), with a path if the server shares the host. A slash at the end is part of the name." default:"http://localhost:9000"`
	InsecureHTTPIssuer bool     `name:"insecure-http-issuer" help:"Allow http for an issuer or API origin that is not loopback. Tokens and passwords can then be read on their way."`
	APIOrigin          string   `shown:"" name:"api-origin" help:"The public origin of the resource services: tokens for them name ORIGIN/user and ORIGIN/board." default:"http://localhost:8000"`
	Resource           []string `shown:"" help:"Another resource service and its scopes, \"URL=scope scope\". Can be repeated." placeholder:"URL=SCOPES"`

	DataServices []string `shown:"" help:"Which resource services at the API origin keep data of people: they are asked for what they hold when a person wants it, and told when an account is deleted. One of user, board, none; can be repeated." enum:"user,board,none" default:"user,board" placeholder:"NAME"`

	DocsClientID string `shown:"" name:"docs-client-id" help:"A public client with which administrators try the REST interface for operators in its reference at /admin/docs; its redirect URI is the issuer with /admin/docs/oauth2-redirect.html, and it has the scopes admin:read and admin:write. Empty: there is no /admin/docs." placeholder:"ID"`

	FAPI2TokenAlg               string `name:"fapi2-token-alg" help:"What signs access tokens of clients with the profile fapi2. FAPI 2.0 forbids RS256: choose another as soon as every resource service takes it (user and board: --token-algs). One of ${algorithms}." enum:"${algorithms}" default:"RS256" placeholder:"ALG"`
	DPoPNonces                  bool   `name:"dpop-nonces" help:"Require a nonce of this server in every DPoP proof (RFC 9449, section 8)."`
	StrictAuthMethod            bool   `help:"Take a client's secret only by the method that the client is registered for. Otherwise clients without a profile may use client_secret_basic and client_secret_post alike."`
	InsecureLegacyResponseTypes bool   `help:"Serve the certification profiles of OpenID Connect Core 1.0 that RFC 9700 advises against: the implicit and hybrid response types, whose tokens travel in addresses; and, for clients that registered themselves, codes without PKCE and errors that redirect without asking. Do not use it where strangers can register."`

	Registration            string        `help:"Who may register clients at /oauth2/register: nobody (closed), those with a token from 'client initial-token' (token), or everybody (open)." enum:"closed,token,open" default:"closed"`
	ClientMetadataDocuments bool          `help:"Take the https URL of a client metadata document as client_id, as agents of the Model Context Protocol send it. Anybody can then ask people for their consent, as with open registration; people see the document's host name."`
	RegistrationUnused      time.Duration `help:"How long to keep a client that registered itself without an initial access token and that nobody uses: no person agreed to it, and none is about to. 0: for ever." default:"72h"`
	RegistrationScopes      string        `shown:"" help:"What clients may ask for that no operator registered: those that register themselves, and those of metadata documents." default:"openid profile email address phone offline_access"`

	PasswordBreachURL string `name:"password-breach-url" help:"Ask this service whether a new password is known from a breach, by the range search of Have I Been Pwned: the first five hex digits of the password's SHA-1 are appended, and nothing else is sent. Such as https://api.pwnedpasswords.com/range/. If it does not answer within a second, the password is accepted." placeholder:"URL"`

	OutgoingCAFile           string `shown:"" name:"outgoing-ca-file" help:"A PEM file of certificates to trust, besides the system's, at the addresses of clients (key sets, request objects, metadata documents, log-outs) and at --password-breach-url." placeholder:"PATH"`
	InsecureOutgoingLoopback bool   `help:"Let clients name addresses of this machine for these, and plain http for them. For development and tests."`

	InsecureUpstreamPrivateNetworks []string `shown:"" help:"Networks, such as 10.1.2.0/24, or addresses of your own in which upstreams may be: other providers by which people log in, by https with a certificate that the server trusts (--outgoing-ca-file). Whoever may set up upstreams can then make the server call any port there: name as few addresses as you can. Can be repeated." placeholder:"NETWORK"`

	KeyEncryptionKey     string `help:"The key that encrypts signing keys in the database: 32 random bytes in base64, as 'openssl rand -base64 32' prints them. Set it in the environment or a file, for others can see a command line." placeholder:"BASE64"`
	KeyEncryptionKeyFile string `help:"A file that holds it." placeholder:"PATH"`

	OldKeyEncryptionKey     string `help:"The key before it, until you have run 'keys rewrap'." placeholder:"BASE64"`
	OldKeyEncryptionKeyFile string `help:"A file that holds it." placeholder:"PATH"`

	KeyBits     int           `help:"Size of new RSA signing keys: 2048, 3072 or 4096." default:"2048"`
	KeyRotation time.Duration `help:"How long a signing key signs before the next one takes over. 0: until 'keys rotate'." default:"2160h"`
	JWKSMaxAge  time.Duration `name:"jwks-max-age" help:"How long others may cache the key set." default:"5m"`

	AccessTokenLifetime time.Duration `help:"How long an access token is valid." default:"10m"`
	IDTokenLifetime     time.Duration `name:"id-token-lifetime" help:"How long an ID token is valid." default:"10m"`
	CodeLifetime        time.Duration `help:"How long an authorization code is valid." default:"60s"`
	RefreshIdle         time.Duration `help:"How long a refresh token is valid if it is not used." default:"720h"`
	RefreshAbsolute     time.Duration `help:"How long a grant can be refreshed, at most." default:"2160h"`
	RefreshGrace        time.Duration `help:"How long a used refresh token still gets the same successor, so that a lost answer costs nothing." default:"10s"`
	SessionIdle         time.Duration `help:"How long a person stays logged in without doing anything." default:"12h"`
	SessionAbsolute     time.Duration `help:"How long a person stays logged in, at most." default:"336h"`
}

// longestToken is the longest life that access and ID tokens can be given. A retired key stays in the
// key set for so long: a lower setting must not take it from tokens of before.
const longestToken = 24 * time.Hour

// check returns the first thing that is wrong with the settings.
func (s *settings) check() error {
	if s.Listen == "" {
		s.Listen = "127.0.0.1:9100"
	}
	at, err := issuer.Parse(s.Issuer)
	if err != nil {
		return fmt.Errorf("--issuer %w", err)
	}
	if err := checkOrigin("--issuer", at.Origin(), s.InsecureHTTPIssuer); err != nil {
		return err
	}
	resources, err := s.resources()
	if err != nil {
		return err
	}
	known := client.Scopes(resources)
	for _, scope := range strings.Fields(s.RegistrationScopes) {
		if !slices.Contains(known, scope) {
			return fmt.Errorf("--registration-scopes has %s, which this server does not know; it knows %s", scope, strings.Join(known, " "))
		}
	}
	if s.PasswordBreachURL != "" {
		if err := passwords.CheckBreachURL(s.PasswordBreachURL); err != nil {
			return fmt.Errorf("--password-breach-url %w", err)
		}
	}
	if _, err := s.upstreamNetworks(); err != nil {
		return err
	}
	if !slices.Contains([]int{2048, 3072, 4096}, s.KeyBits) {
		return errors.New("--key-bits must be 2048, 3072 or 4096")
	}
	for _, one := range []struct {
		flag     string
		value    time.Duration
		min, max time.Duration
	}{
		{"--access-token-lifetime", s.AccessTokenLifetime, 10 * time.Second, longestToken},
		{"--id-token-lifetime", s.IDTokenLifetime, 10 * time.Second, longestToken},
		{"--code-lifetime", s.CodeLifetime, 5 * time.Second, 10 * time.Minute}, // RFC 6749 §4.1.2
		{"--refresh-idle", s.RefreshIdle, time.Minute, s.RefreshAbsolute},
		{"--refresh-absolute", s.RefreshAbsolute, time.Minute, 5 * 365 * 24 * time.Hour},
		{"--refresh-grace", s.RefreshGrace, 0, 5 * time.Minute},
		{"--session-idle", s.SessionIdle, time.Minute, s.SessionAbsolute},
		{"--session-absolute", s.SessionAbsolute, time.Minute, 400 * 24 * time.Hour}, // what browsers keep a cookie
		{"--registration-unused", s.RegistrationUnused, 0, 10 * 365 * 24 * time.Hour},
		{"--audit-retention", s.AuditRetention, 0, 100 * 365 * 24 * time.Hour},
		{"--jwks-max-age", s.JWKSMaxAge, 10 * time.Second, 24 * time.Hour},
		{"--shutdown-delay", s.ShutdownDelay, 0, time.Hour},
		{"--shutdown-timeout", s.ShutdownTimeout, 0, time.Hour},
	} {
		if one.value < one.min || one.value > one.max {
			return fmt.Errorf("%s must be from %s to %s", one.flag, one.min, one.max)
		}
	}
	// The next key must be published for so long before it signs.
	if least := 2 * (s.JWKSMaxAge + 5*time.Minute); s.KeyRotation != 0 && s.KeyRotation < least {
		return fmt.Errorf("--key-rotation must be 0 or at least %s", least)
	}
	return nil
}

// upstreamNetworks are the private networks in which upstreams may be.
func (s *settings) upstreamNetworks() (all []netip.Prefix, err error) {
	for _, text := range s.InsecureUpstreamPrivateNetworks {
		network, err := fetch.ParsePrivate(text)
		if err != nil {
			return nil, fmt.Errorf("--insecure-upstream-private-networks: %w", err)
		}
		all = append(all, network)
	}
	return all, nil
}

// upstreamFetch returns what calls upstreams. cfg has what else is set.
func (s *settings) upstreamFetch(cfg fetch.Config) (*fetch.Client, error) {
	networks, err := s.upstreamNetworks()
	if err != nil {
		return nil, err
	}
	cfg.InsecureLoopback, cfg.Private = s.InsecureOutgoingLoopback, networks
	return fetch.New(cfg)
}

// breaches returns who is asked about new passwords; nil: nobody.
func (s *settings) breaches(log *slog.Logger, metrics prometheus.Registerer, calls httpd.Calls, now func() time.Time) (*passwords.Breaches, error) {
	if s.PasswordBreachURL == "" {
		return nil, nil //nolint:nilnil // a nil Breaches asks nobody
	}
	breaches, err := passwords.NewBreaches(passwords.BreachConfig{
		URL: s.PasswordBreachURL, CAFile: s.OutgoingCAFile, Log: log, Metrics: metrics, Calls: calls, Now: now,
	})
	if err != nil {
		return nil, fmt.Errorf("--password-breach-url: %w", err)
	}
	return breaches, nil
}

// checkPages returns the first thing that is wrong with what the pages for people need.
func (s *settings) checkPages() error {
	if _, err := s.brand(); err != nil {
		return err
	}
	entry, err := s.signup()
	if err == nil {
		_, err = signup.New(nil, entry, nil)
	}
	return err
}

// resources returns the services that take this server's tokens.
func (s *settings) resources() ([]client.Resource, error) {
	if err := checkOrigin("--api-origin", s.APIOrigin, s.InsecureHTTPIssuer); err != nil {
		return nil, err
	}
	at, err := issuer.Parse(s.Issuer)
	if err != nil {
		return nil, fmt.Errorf("--issuer %w", err)
	}
	all := append(client.Builtin(s.APIOrigin), ssf.Resource(at), client.Administration(at.URL("/admin")))
	for _, text := range s.Resource {
		one, err := client.ParseResource(text)
		if err != nil {
			return nil, fmt.Errorf("--resource: %w", err)
		}
		all = append(all, one)
	}
	all = client.Named(all)
	if err := client.CheckResources(all); err != nil {
		return nil, fmt.Errorf("--resource: %w", err)
	}
	return all, nil
}

// dataServices are the services that keep data of people.
func (s *settings) dataServices() []string {
	return slices.DeleteFunc(slices.Clone(s.DataServices), func(name string) bool { return name == "none" })
}

// policy returns what a client that an operator registers may be.
func (s *settings) policy() (client.Policy, error) {
	resources, err := s.resources()
	if err != nil {
		return client.Policy{}, err
	}
	return client.Policy{
		Scopes: append(client.Scopes(resources), client.ReservedScopes(resources)...), OwnScopes: client.OwnScopes(resources), DefaultScope: "openid profile email",
		LegacyResponseTypes: s.InsecureLegacyResponseTypes, InsecureLoopback: s.InsecureOutgoingLoopback,
	}, nil
}

// registrationPolicy returns what a client that no operator registered may be. It acts for people
// who agreed, and never for itself.
func (s *settings) registrationPolicy() client.Policy {
	scopes := strings.Fields(s.RegistrationScopes)
	grants := []string{client.AuthorizationCode, client.RefreshToken, client.DeviceCode}
	if s.InsecureLegacyResponseTypes {
		grants = append(grants, client.Implicit)
	}
	return client.Policy{
		Scopes: scopes, OwnScopes: client.OwnScopes(client.Builtin(s.APIOrigin)), DefaultScope: strings.Join(scopes, " "), GrantTypes: grants,
		LegacyResponseTypes: s.InsecureLegacyResponseTypes, InsecureLoopback: s.InsecureOutgoingLoopback,
	}
}

// checkOrigin checks that a setting is scheme://host:port and nothing more: tokens and metadata
// name it, and are compared character by character.
func checkOrigin(flag, value string, insecure bool) error {
	u, err := url.Parse(value)
	if err != nil || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http" {
		return fmt.Errorf("%s must be an origin such as https://login.example", flag)
	}
	if value != u.Scheme+"://"+strings.ToLower(u.Host) {
		return fmt.Errorf("%s must be an origin in lower case: scheme, host and port, with no path, query or fragment, and no slash at the end", flag)
	}
	if u.Scheme == "http" && !loopback(u.Hostname()) && !insecure {
		return fmt.Errorf("%s must be https, because passwords and tokens are sent to it; http is for loopback hosts, or with --insecure-http-issuer", flag)
	}
	return nil
}

func loopback(host string) bool {
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || net.ParseIP(host).IsLoopback()
}

// kek reads the key-encryption keys. warning is a line for the operator; empty: none.
func (s *settings) kek() (kek *keys.KEK, warning string, err error) {
	current, warning, err := keys.ReadKEK("--key-encryption-key", s.KeyEncryptionKey, s.KeyEncryptionKeyFile)
	if err != nil {
		return nil, "", err
	}
	if current == nil {
		return nil, "", errors.New("--key-encryption-key or --key-encryption-key-file must be set, to what 'openssl rand -base64 32' prints; keep a copy: without it the signing keys in the database are lost")
	}
	var old [][]byte
	one, oldWarning, err := keys.ReadKEK("--old-key-encryption-key", s.OldKeyEncryptionKey, s.OldKeyEncryptionKeyFile)
	if err != nil {
		return nil, "", err
	}
	if one != nil {
		old = append(old, one)
	}
	if warning == "" {
		warning = oldWarning
	}
	kek, err = keys.NewKEK(current, old...)
	return kek, warning, err
}

// developmentKEK returns the file authz.kek beside the SQLite database, which 'make run' makes;
// empty: there is none.
func (s *settings) developmentKEK() string {
	path, sqlite := strings.CutPrefix(s.DatabaseURL, "sqlite:")
	if !sqlite {
		return ""
	}
	path, _, _ = strings.Cut(path, "?")
	file := filepath.Join(filepath.Dir(path), "authz.kek")
	if _, err := os.Stat(file); err != nil {
		return ""
	}
	return file
}
