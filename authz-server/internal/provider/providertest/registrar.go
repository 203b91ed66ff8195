package providertest

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/directory"
	"github.com/maru-auth/maru/authz-server/internal/fetch"
	"github.com/maru-auth/maru/authz-server/internal/provider"
	"github.com/maru-auth/maru/authz-server/internal/registration"
	"github.com/maru-auth/maru/internal/testenv/site"
)

// Registrar is a server at which clients register themselves, with a site of a client's developer
// on https.
type Registrar struct {
	*Fixture
	Site  *site.Site
	Pages *site.Pages // of the site
}

// NewRegistrar returns a server at which strangers may register for ordinary grants and the scopes
// openid, profile and email.
func NewRegistrar(t testing.TB, databaseURL string, mode registration.Mode) *Registrar {
	t.Helper()
	return NewRegistrarWith(t, databaseURL, func(cfg *provider.Config, clients *directory.Config) {
		cfg.Registration, clients.MetadataDocuments = mode, true
		clients.Policy = client.Policy{
			Scopes: []string{"openid", "profile", "email"}, DefaultScope: "openid profile email",
			GrantTypes: []string{client.AuthorizationCode, client.RefreshToken, client.DeviceCode},
		}
	})
}

// NewRegistrarWith returns a server whose settings, and those of its directory of clients, change
// completes.
func NewRegistrarWith(t testing.TB, databaseURL string, change func(*provider.Config, *directory.Config)) *Registrar {
	t.Helper()
	r := &Registrar{Pages: &site.Pages{}}
	r.Site = site.New(t, r.Pages)
	r.Fixture = NewWith(t, databaseURL, func(cfg *provider.Config) {
		var err error
		cfg.Fetch, err = fetch.New(fetch.Config{CAFile: r.Site.CAFile, InsecureLoopback: true, Now: cfg.Now})
		if err != nil {
			t.Fatal(err)
		}
		clients := directory.Config{Store: cfg.Store, Fetch: cfg.Fetch, Now: cfg.Now, Log: slog.New(slog.DiscardHandler)}
		change(cfg, &clients)
		if cfg.Clients, err = directory.New(clients); err != nil {
			t.Fatal(err)
		}
	})
	return r
}

// Send sends JSON to a registration endpoint, with a token or without.
func (r *Registrar) Send(method, path, token, body string) Answer {
	r.T.Helper()
	if !strings.HasPrefix(path, "http") {
		path = r.Issuer + path
	}
	q, err := http.NewRequestWithContext(r.T.Context(), method, path, strings.NewReader(body))
	r.must(err)
	if body != "" {
		q.Header.Set("Content-Type", "application/json; charset=utf-8")
	}
	if token != "" {
		q.Header.Set("Authorization", "Bearer "+token)
	}
	return r.Do(q)
}

// WebApp is the one member that the metadata of a web app must have.
const WebApp = `"redirect_uris":["` + Callback + `"]`

// Apply asks to register a web app, with further members of its metadata.
func (r *Registrar) Apply(token, members string) Answer {
	r.T.Helper()
	if members != "" {
		members = "," + members
	}
	return r.Send("POST", "/oauth2/register", token, `{`+WebApp+members+`}`)
}

// Register registers a web app, with further members of its metadata.
func (r *Registrar) Register(token, members string) Registered {
	r.T.Helper()
	return r.Read(r.Apply(token, members), http.StatusCreated)
}

// Registered is what registration tells a client about itself.
type Registered struct {
	ID        string   `json:"client_id"`
	Name      string   `json:"client_name"`
	Secret    string   `json:"client_secret"`
	ExpiresAt *int64   `json:"client_secret_expires_at"`
	IssuedAt  int64    `json:"client_id_issued_at"`
	Token     string   `json:"registration_access_token"`
	URI       string   `json:"registration_client_uri"`
	Scope     string   `json:"scope"`
	Trusted   bool     `json:"trusted"`
	Audiences []string `json:"audiences"`
	Login     string   `json:"initiate_login_uri"`
}

// Read reads an answer of registration, which must have this status and must not be cached.
func (r *Registrar) Read(a Answer, status int) Registered {
	r.T.Helper()
	var c Registered
	err := json.Unmarshal([]byte(a.Body), &c)
	if err != nil || a.Status != status || a.Header.Get("Cache-Control") != "no-store" ||
		!strings.HasPrefix(a.Header.Get("Content-Type"), "application/json") {
		r.T.Fatalf("status %d, %v, %s", a.Status, a.Header, a.Body)
	}
	return c
}

// WantRefused fails the test unless the answer is this error, and its description says so.
func (r *Registrar) WantRefused(what string, a Answer, status int, code, says string) {
	r.T.Helper()
	var e struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	err := json.Unmarshal([]byte(a.Body), &e)
	if err != nil || a.Status != status || e.Error != code || !strings.Contains(e.Description, says) {
		r.T.Errorf("%s: status %d, %s", what, a.Status, a.Body)
	}
	if challenge := a.Header.Get("WWW-Authenticate"); (status == 401) != strings.HasPrefix(challenge, "Bearer ") {
		r.T.Errorf("%s: challenge %q", what, challenge)
	}
}
