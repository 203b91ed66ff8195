// Package provider puts the rooms of the OpenID provider together, and says at which path each is:
//
//	/.well-known/openid-configuration, /.well-known/oauth-authorization-server
//	                                  discovery.go           OIDC Discovery, RFC 8414
//	/.well-known/jwks.json            package keys           RFC 7517
//	/oauth2/authorize                 package authorize      RFC 6749 §3.1, OIDC Core §3.1.2
//	/oauth2/par                       package authorize      RFC 9126
//	/oauth2/token                     package tokenendpoint  RFC 6749 §3.2
//	/oauth2/device_authorization      package device         RFC 8628 §3.1
//	/device                           package device         RFC 8628 §3.3
//	/oauth2/userinfo                  package tokeninfo      OIDC Core §5.3
//	/oauth2/introspect                package tokeninfo      RFC 7662
//	/oauth2/revoke                    package tokeninfo      RFC 7009
//	/oauth2/register                  package registration   RFC 7591, 7592, OIDC Registration
//	/oauth2/logout                    package logout         OIDC RP-Initiated Logout
//	/oauth2/check_session             package pages          OIDC Session Management
package provider

import (
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/gorilla/mux"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/maru-auth/maru/authz-server/internal/authorize"
	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/clientauth"
	"github.com/maru-auth/maru/authz-server/internal/device"
	"github.com/maru-auth/maru/authz-server/internal/directory"
	"github.com/maru-auth/maru/authz-server/internal/endpoint"
	"github.com/maru-auth/maru/authz-server/internal/fetch"
	"github.com/maru-auth/maru/authz-server/internal/issuer"
	"github.com/maru-auth/maru/authz-server/internal/keys"
	"github.com/maru-auth/maru/authz-server/internal/logout"
	"github.com/maru-auth/maru/authz-server/internal/oauth"
	"github.com/maru-auth/maru/authz-server/internal/pages"
	"github.com/maru-auth/maru/authz-server/internal/people"
	"github.com/maru-auth/maru/authz-server/internal/protocol"
	"github.com/maru-auth/maru/authz-server/internal/queue"
	"github.com/maru-auth/maru/authz-server/internal/registration"
	"github.com/maru-auth/maru/authz-server/internal/status"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/tokenendpoint"
	"github.com/maru-auth/maru/authz-server/internal/tokeninfo"
	"github.com/maru-auth/maru/authz-server/internal/tokens"
	"github.com/maru-auth/maru/internal/httpd"
)

// Config is what the endpoints need. All fields are required but those with a default.
type Config struct {
	Issuer    string            // may have a path, or end in a slash
	Resources []client.Resource // of the settings: resource services, and which scopes belong to each
	Store     *store.Store
	Clients   *directory.Clients
	Fetch     *fetch.Client // gets request objects that clients publish
	Keys      *keys.Ring
	People    *people.People
	Pages     *pages.Pages
	Log       *slog.Logger
	Lifetimes tokens.Lifetimes
	Queue     *queue.Worker    // gets the handler for log-outs
	Now       func() time.Time // nil: time.Now

	Registration registration.Mode // who may register clients; empty: nobody but the operator

	// PairwiseSalt keeps pairwise subjects from being linked (OIDC Core §8.1): 32 random bytes that
	// never change.
	PairwiseSalt []byte

	// StatusSecret keeps places in the status lists from telling an order: status.SecretSize random
	// bytes that never change.
	StatusSecret []byte
	Metrics      prometheus.Registerer // nil: none

	DPoPNonces                  bool   // see clientauth.Config
	StrictAuthMethod            bool   // see clientauth.Config
	ProfileTokenAlg             string // see tokens.Config
	InsecureLegacyResponseTypes bool   // see endpoint.Common
}

// Provider answers the endpoints of the protocol. It is safe for concurrent use.
type Provider struct {
	Authorize    *authorize.Endpoint
	Token        *tokenendpoint.Endpoint
	Device       *device.Endpoint
	TokenInfo    *tokeninfo.Endpoints
	Logout       *logout.Endpoint
	Registration *registration.Endpoint

	// Tokens issues everything that the endpoints give out.
	Tokens *tokens.Issuer
	// Status publishes which of them were revoked. Have its Run running.
	Status *status.Lists
	// Catalog is what else changes while the server runs. Have its Run running.
	Catalog *Catalog

	common   *endpoint.Common
	keys     *keys.Ring
	metadata metadata
}

// statusPath is where the status lists are.
const statusPath = "/oauth2/status"

// New puts the endpoints together.
func New(cfg Config) (*Provider, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	at, err := issuer.Parse(cfg.Issuer)
	if err != nil {
		return nil, fmt.Errorf("the issuer %q %w", cfg.Issuer, err)
	}
	auth, err := clientauth.New(clientauth.Config{
		Issuer: at, Clients: cfg.Clients, Store: cfg.Store, Now: cfg.Now,
		StrictMethod: cfg.StrictAuthMethod, DPoPNonces: cfg.DPoPNonces, NonceSecret: cfg.PairwiseSalt,
	})
	if err != nil {
		return nil, err
	}
	resources := oauth.Resources{Issuer: cfg.Issuer, Catalog: client.NewCatalog(cfg.Resources)}
	lifetimes := cfg.Lifetimes.WithDefaults()
	lists, err := status.New(status.Config{
		Issuer: cfg.Issuer, URL: at.URL(statusPath), Blocks: cfg.Store.Statuses, Grants: cfg.Store.Grants, Keys: cfg.Keys,
		Secret: cfg.StatusSecret, Log: cfg.Log, Now: cfg.Now, TokenLifetime: lifetimes.AccessToken, Metrics: cfg.Metrics,
	})
	if err != nil {
		return nil, err
	}
	issued := tokens.New(tokens.Config{
		Resources: resources, Keys: cfg.Keys, Store: cfg.Store, Status: lists, Lifetimes: lifetimes, Now: cfg.Now,
		PairwiseSalt: cfg.PairwiseSalt, ProfileAlg: cfg.ProfileTokenAlg,
	})
	cfg.Queue.Handle(logout.Handler(logout.Config{
		Issuer: cfg.Issuer, Tokens: issued, Store: cfg.Store, Fetch: cfg.Fetch, Now: cfg.Now,
	}))
	counted, err := tokenendpoint.NewIssued(cfg.Metrics)
	if err != nil {
		return nil, err
	}
	core := protocol.New(protocol.Config{
		Authenticate: auth.Authenticate, Remember: auth.AuthenticateRemembered,
		Grants: tokenendpoint.All(tokenendpoint.Config{Tokens: issued, Store: cfg.Store, Resources: resources, Log: cfg.Log, Now: cfg.Now}),
	})
	common := &endpoint.Common{
		Issuer: at, Auth: auth, People: cfg.People, Pages: cfg.Pages, Log: cfg.Log,
		InsecureLegacyResponseTypes: cfg.InsecureLegacyResponseTypes,
	}
	door := &endpoint.Door{People: cfg.People, Store: cfg.Store, Protocol: core}
	forms := &endpoint.BrowserForms{Common: common, Store: cfg.Store}
	p := &Provider{
		Tokens: issued,
		Status: lists, Catalog: &Catalog{store: cfg.Store, resources: resources.Catalog, log: cfg.Log},
		common: common,
		keys:   cfg.Keys,
		Authorize: &authorize.Endpoint{
			BrowserForms: forms, Door: door, Protocol: core, Tokens: issued, Clients: cfg.Clients, Fetch: cfg.Fetch, Resources: resources, Now: cfg.Now,
		},
		Token: &tokenendpoint.Endpoint{Common: common, Protocol: core, Issued: counted, Refused: cfg.Store.Refusals},
		Device: &device.Endpoint{
			Common: common, Door: door, Tokens: issued, Clients: cfg.Clients, Store: cfg.Store, Resources: resources, Now: cfg.Now,
		},
		TokenInfo:    &tokeninfo.Endpoints{Common: common, Protocol: core, Tokens: issued, Status: lists, Clients: cfg.Clients, Store: cfg.Store, Now: cfg.Now},
		Logout:       &logout.Endpoint{BrowserForms: forms, Tokens: issued, Now: cfg.Now},
		Registration: &registration.Endpoint{Common: common, Clients: cfg.Clients, Mode: cfg.Registration},
	}
	p.metadata = newMetadata(cfg, at)
	return p, nil
}

// Common is what the endpoints share, for those of other packages.
func (p *Provider) Common() *endpoint.Common { return p.common }

// Routes mounts every endpoint, by its path below the issuer, and answers what r has no route for,
// also among those of other packages. HEAD is answered as GET is. Requests must be text: see
// checkText.
func (p *Provider) Routes(r *mux.Router) {
	r.Use(httpd.NameRoutes, crossOrigin, p.checkText)
	r.NotFoundHandler = p.NotFound()
	r.MethodNotAllowedHandler = crossOrigin(p.methodNotAllowed(r))
	get := func(path string, handler http.HandlerFunc) { r.HandleFunc(path, handler).Methods("GET", "HEAD") }
	post := func(path string, most int64, handler http.HandlerFunc) {
		r.Handle(path, endpoint.Bounded(most, handler)).Methods("POST")
	}
	browser := func(path string, handler http.Handler) {
		r.Handle(path, headAsGet(endpoint.Bounded(endpoint.MaxForm, handler.ServeHTTP))).Methods("GET", "HEAD", "POST")
	}
	get("/.well-known/openid-configuration", p.serveMetadata)
	get("/.well-known/oauth-authorization-server", p.serveMetadata)
	get("/.well-known/jwks.json", p.keys.ServeJWKS)
	get(statusPath, p.TokenInfo.StatusLists)
	get(statusPath+"/{list}", p.TokenInfo.StatusList)
	browser("/oauth2/authorize", p.Authorize)
	post("/oauth2/par", authorize.MaxPush, p.Authorize.Push)
	post("/oauth2/token", tokenendpoint.MaxRequest, p.Token.ServeHTTP)
	r.Handle("/oauth2/userinfo", endpoint.Bounded(endpoint.MaxForm, p.TokenInfo.Userinfo)).Methods("GET", "HEAD", "POST")
	post("/oauth2/revoke", endpoint.MaxToken, p.TokenInfo.Revoke)
	post("/oauth2/introspect", endpoint.MaxToken, p.TokenInfo.Introspect)
	post("/oauth2/device_authorization", endpoint.MaxToken, p.Device.Authorize)
	get("/device", p.Device.Show)
	r.Handle("/device", p.common.People.Guard.Form(p.Device.Post)).Methods("POST")
	browser("/oauth2/logout", p.Logout)
	get("/oauth2/check_session", p.common.Pages.CheckSession)
	if p.Registration.Mode.Offered() {
		r.HandleFunc("/oauth2/register", p.Registration.Register).Methods("POST")
		r.Handle("/oauth2/register/{client_id}", headAsGet(http.HandlerFunc(p.Registration.Manage))).Methods("GET", "HEAD", "PUT", "DELETE")
	}
}
