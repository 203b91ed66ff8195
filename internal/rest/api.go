// Package rest is what the interfaces of the resource services have in common, on huma: who calls
// ([Access], [Caller]), routes and their errors as problem documents (RFC 9457), conditional
// requests, merge patches, the cleaning of texts, and what a service publishes about itself. What
// an interface means is each service's own.
//
// A service says what it is ([Resource]), makes an [API], adds its routes with [Route], and serves
// [API.Handler]:
//
//	api, err := rest.New(config, resource)
//	…
//	rest.Route(api, rest.Access{Scopes: []string{"notes:read"}}, huma.Operation{…}, notes.list)
//	handler, err := api.Handler()
package rest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humamux"
	"github.com/gorilla/mux"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/maru-auth/maru/internal/apidocs"
	"github.com/maru-auth/maru/internal/httpd"
	"github.com/maru-auth/maru/internal/sqldb"
	"github.com/maru-auth/maru/jwks"
)

// Config is where an interface runs, and what it stands on.
type Config struct {
	Issuer   string // of the tokens that it trusts
	Audience string // its identifier in tokens, and its public address
	Verifier *jwks.Verifier
	Keys     jwks.KeySource // of the issuer, for what else it signs: see [API.Events]
	Cache    *jwks.Cache    // that has them, for metrics alone; nil: it is not measured
	Log      *slog.Logger
	Metrics  *prometheus.Registry // gets what is counted; nil: it is not published
	Calls    httpd.Calls          // measures the service's calls to others
	Below    string               // what was taken off the paths of requests; metrics name the routes with it
	Docs     string               // public client with which people try the interface at /docs; empty: there is no /docs

	// DPoP says which proofs of possession count, but for the BaseURL, which is Audience.
	DPoP jwks.DPoPConfig

	// Judge decides about a request whose token the verifier accepts, before anything else looks at
	// what the token says: an issuer knows more of its own tokens than they say. The handlers get
	// the context that it returns, which comes from the request's. An error is one of jwks, or an
	// [Answer]. Nil: the verifier's decision stands.
	Judge func(r *http.Request, claims *jwks.Claims) (context.Context, error)
}

// check returns an error that names the setting that is wrong.
func (cfg Config) check() error {
	if _, err := ParseOrigin(cfg.Issuer); err != nil {
		return fmt.Errorf("the issuer (setting --issuer) %w", err)
	}
	if _, err := ParseOrigin(cfg.Audience); err != nil {
		return fmt.Errorf("the audience (setting --audience) %w", err)
	}
	return nil
}

// ParseOrigin parses an http or https URL that paths can be added to.
func ParseOrigin(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil ||
		u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return nil, errors.New("must be an http or https URL without user, query or fragment, such as https://auth.example")
	}
	return u, nil
}

// API is an interface. Once its routes are added it is immutable, and safe for concurrent use.
type API struct {
	cfg      Config
	resource Resource
	router   *mux.Router
	huma     huma.API
	metadata jwks.ResourceMetadata
	guard    *jwks.Guard // nil: without a Verifier
	refused  *prometheus.CounterVec
}

// New returns an interface without routes, or an error that names the setting that is wrong.
// Without a Verifier it can only be described ([API.Document]).
func New(cfg Config, resource Resource) (*API, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	proof := cfg.DPoP
	proof.BaseURL = cfg.Audience
	dpop, err := jwks.NewDPoP(proof)
	if err != nil {
		return nil, err
	}
	a := &API{cfg: cfg, resource: resource, router: newRouter(resource.EncodedPaths, cfg.Below), refused: newRefused(cfg.Metrics)}
	a.huma = humamux.New(a.router, resource.humaConfig(cfg))
	a.metadata = jwks.ResourceMetadata{
		Resource: cfg.Audience, AuthorizationServers: []string{cfg.Issuer}, Scopes: resource.scopeNames(), Name: resource.Name, DPoP: dpop,
	}
	if cfg.Verifier != nil {
		registerVerifier(cfg.Metrics, cfg.Verifier, cfg.Cache)
		a.guard = jwks.NewGuard(cfg.Verifier, jwks.GuardConfig{ResourceMetadata: a.metadata.URL(), DPoP: dpop})
	}
	return a, nil
}

// Location is the public address of a path of the interface: the gateway may have taken a prefix
// off.
func (a *API) Location(path string) string { return strings.TrimSuffix(a.cfg.Audience, "/") + path }

// Handler returns what is to be served: the routes, and what the service publishes about itself.
func (a *API) Handler() (http.Handler, error) {
	if a.guard == nil {
		return nil, errors.New("an interface without a verifier of tokens can only be described")
	}
	document, err := a.Document()
	if err != nil {
		return nil, err
	}
	get := func(path string, handler http.Handler) { a.router.Path(path).Methods(http.MethodGet).Handler(handler) }
	get("/openapi.json", published("application/openapi+json", document))
	for _, path := range a.metadataPaths() {
		get(path, a.metadata)
	}
	if a.cfg.Docs != "" {
		docs, err := apidocs.New(apidocs.Config{
			Title: a.resource.Name, Path: "/docs", Document: "openapi.json",
			Server: a.cfg.Audience, Issuer: a.cfg.Issuer, ClientID: a.cfg.Docs,
		})
		if err != nil {
			return nil, err
		}
		for _, path := range docs.Paths() {
			get(path, docs)
		}
	}
	return around(a.router), nil
}

// metadataPaths are where the gateway may ask for the metadata: with and without the audience's
// path (RFC 9728 §3.1).
func (a *API) metadataPaths() []string {
	const wellKnown = "/.well-known/oauth-protected-resource"
	_, path, _ := strings.Cut(a.metadata.URL(), wellKnown)
	if path == "" {
		return []string{wellKnown}
	}
	return []string{wellKnown, wellKnown + path}
}

func published(contentType string, body []byte) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.Header().Set("Cache-Control", "public, max-age=300")
		w.Write(body) //nolint:errcheck // the client is gone
	})
}

// Document returns the OpenAPI 3.1 document of the routes, indented.
func (a *API) Document() ([]byte, error) {
	compact, err := json.Marshal(a.huma.OpenAPI())
	if err != nil {
		return nil, fmt.Errorf("write the OpenAPI document: %w", err)
	}
	var out bytes.Buffer
	if err := json.Indent(&out, compact, "", "  "); err != nil {
		return nil, err
	}
	out.WriteByte('\n')
	return out.Bytes(), nil
}

// answerTo makes the answer to a handler's error: a [Problem] as it is, the service's own by
// [Resource.Problem]. Any other is written to the log, and the caller learns nothing of it but,
// with [sqldb.ErrUnavailable], that trying again may help.
func (a *API) answerTo(ctx context.Context, err error) error {
	if a.resource.Problem != nil {
		if own := a.resource.Problem(err); own != nil {
			err = own
		}
	}
	var problem *Problem
	var withHeaders huma.HeadersError
	if errors.As(err, &withHeaders) {
		return err
	}
	if errors.As(err, &problem) {
		return problem
	}
	status, level := http.StatusInternalServerError, slog.LevelError
	if errors.Is(err, sqldb.ErrUnavailable) {
		status = http.StatusServiceUnavailable
	}
	if errors.Is(ctx.Err(), context.Canceled) { // the caller went away
		level = slog.LevelDebug
	}
	a.cfg.Log.Log(ctx, level, "request failed", "request", httpd.RequestID(ctx), "error", err)
	return &Problem{Status: status}
}
