// Package provider holds the OAuth 2 and OpenID Connect endpoints of the authorization server, one file each:
//
//	/.well-known/openid-configuration, /.well-known/oauth-authorization-server   discovery.go   OIDC Discovery, RFC 8414
//	/.well-known/jwks.json                                                       (package keys)  RFC 7517
//	/oauth2/authorize                                                            authorize.go   RFC 6749 §3.1, OIDC Core §3.1.2
//	/oauth2/par                                                                  par.go         RFC 9126
//	/oauth2/token                                                                token.go       RFC 6749 §3.2
//	/oauth2/device_authorization                                                 device_authorization.go   RFC 8628 §3.1
//	/device                                                                      device_page.go   RFC 8628 §3.3
//	/oauth2/userinfo                                                             userinfo.go    OIDC Core §5.3
//	/oauth2/introspect                                                           introspect.go  RFC 7662
//	/oauth2/revoke                                                               revoke.go      RFC 7009
//	/oauth2/register                                                             registration.go RFC 7591, 7592, OIDC Registration
//	/oauth2/logout                                                               logout.go      OIDC RP-Initiated Logout
//	  and what follows from it                                                   backchannel.go, frontchannel.go  OIDC Back-Channel and Front-Channel Logout
//	/oauth2/check_session                                                        checksession.go  OIDC Session Management
//
// fosite runs the protocol: it authenticates clients, finds the handler of a grant, and writes answers. What it should do
// and does wrong or not at all is done here: the reading of authorization requests (request.go), the grants (grant_*.go),
// the tokens (tokens.go). It is named nowhere else in the program.
package provider

import (
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/gorilla/mux"
	"github.com/ory/fosite"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/directory"
	"github.com/maru-auth/maru/authz-server/internal/fetch"
	"github.com/maru-auth/maru/authz-server/internal/issuer"
	"github.com/maru-auth/maru/authz-server/internal/keys"
	"github.com/maru-auth/maru/authz-server/internal/login"
	"github.com/maru-auth/maru/authz-server/internal/pages"
	"github.com/maru-auth/maru/authz-server/internal/store"
)

// Config is what the endpoints need. All fields are required but those with a default.
type Config struct {
	Issuer    string            // may have a path, or end in a slash
	Resources []client.Resource // resource services, and which scopes belong to each
	Store     *store.Store
	Clients   *directory.Clients
	Fetch     *fetch.Client // for what clients keep at addresses of their own
	Keys      *keys.Ring
	Login     *login.Service
	Pages     *pages.Pages
	Log       *slog.Logger
	Lifetimes Lifetimes
	Now       func() time.Time // nil: time.Now

	Metrics prometheus.Registerer // nil: nobody counts

	Registration RegistrationMode // who may register clients; empty: nobody but the operator

	// PairwiseSalt keeps pairwise subjects from being linked (OIDC Core §8.1): 32 random bytes that never change.
	PairwiseSalt []byte

	// DPoPNonces asks clients for a nonce of this server in every DPoP proof (RFC 9449 §8).
	DPoPNonces bool
	// ProfileTokenAlg is what access tokens of clients with the profile fapi2 are signed by (FAPI 2.0 Security Profile
	// §5.4.1): one of client.Algorithms that every resource service takes. Empty: RS256, as for all other clients.
	ProfileTokenAlg string

	// StrictAuthMethod takes a client's secret only by the method that it registered for, and not in
	// the Authorization header and in the body alike.
	StrictAuthMethod bool

	// InsecureLegacyResponseTypes offers the implicit and hybrid response types, whose tokens travel in addresses. RFC 9700 §2.1.2 advises against them.
	InsecureLegacyResponseTypes bool
}

// Lifetimes says how long what is issued lives. Zero: the default.
type Lifetimes struct {
	AccessToken     time.Duration // 10 minutes
	IDToken         time.Duration // 10 minutes
	Code            time.Duration // 60 seconds
	RefreshIdle     time.Duration // 30 days: a refresh token that is not used for so long ends
	RefreshAbsolute time.Duration // 90 days: the whole grant
	RefreshGrace    time.Duration // 10 seconds: a repeated refresh within it gets the same successor; negative: none does
}

func (l Lifetimes) withDefaults() Lifetimes {
	for value, fallback := range map[*time.Duration]time.Duration{
		&l.AccessToken:     10 * time.Minute,
		&l.IDToken:         10 * time.Minute,
		&l.Code:            time.Minute,
		&l.RefreshIdle:     30 * 24 * time.Hour,
		&l.RefreshAbsolute: 90 * 24 * time.Hour,
		&l.RefreshGrace:    10 * time.Second,
	} {
		if *value == 0 {
			*value = fallback
		}
	}
	return l
}

// Server answers the OAuth endpoints. It is safe for concurrent use.
type Server struct {
	issuer      string     // as tokens name it
	at          issuer.URL // where the endpoints are
	resources   []client.Resource
	store       *store.Store
	clients     *directory.Clients
	fetch       *fetch.Client
	keys        *keys.Ring
	login       *login.Service
	pages       *pages.Pages
	log         *slog.Logger
	lifetimes   Lifetimes
	now         func() time.Time
	provider    *fosite.Fosite
	crossOrigin *http.CrossOriginProtection
	metadata    metadata
	logouts     *prometheus.CounterVec

	registration        RegistrationMode
	pairwiseSalt        []byte
	legacyResponseTypes bool
	dpopNonces          bool
	strictAuthMethod    bool
	profileTokenAlg     string
	nonceKey            []byte
}

// New puts the endpoints together.
func New(cfg Config) (*Server, error) {
	s := &Server{
		issuer:      cfg.Issuer,
		resources:   cfg.Resources,
		store:       cfg.Store,
		clients:     cfg.Clients,
		fetch:       cfg.Fetch,
		keys:        cfg.Keys,
		login:       cfg.Login,
		pages:       cfg.Pages,
		log:         cfg.Log,
		lifetimes:   cfg.Lifetimes.withDefaults(),
		now:         cfg.Now,
		crossOrigin: http.NewCrossOriginProtection(),

		registration:        cfg.Registration,
		pairwiseSalt:        cfg.PairwiseSalt,
		legacyResponseTypes: cfg.InsecureLegacyResponseTypes,
		dpopNonces:          cfg.DPoPNonces,
		strictAuthMethod:    cfg.StrictAuthMethod,
		profileTokenAlg:     cfg.ProfileTokenAlg,
	}
	if s.now == nil {
		s.now = time.Now
	}
	var err error
	if s.at, err = issuer.Parse(cfg.Issuer); err != nil {
		return nil, fmt.Errorf("the issuer %q %w", cfg.Issuer, err)
	}
	// Behind the gateway the Host header need not be the issuer's.
	if err := s.crossOrigin.AddTrustedOrigin(s.at.Origin()); err != nil {
		return nil, err
	}
	if s.nonceKey, err = newNonceKey(cfg.PairwiseSalt); err != nil {
		return nil, err
	}
	if s.logouts, err = newLogoutCounter(cfg.Metrics); err != nil {
		return nil, err
	}
	s.provider = s.newProvider()
	s.metadata = s.newMetadata()
	return s, nil
}

// Routes mounts every endpoint, by its path below the issuer, and answers what r has no route for, also among those of other
// packages. HEAD is answered as GET is. Requests must be text: see checkText.
func (s *Server) Routes(r *mux.Router) {
	r.Use(crossOrigin, s.checkText)
	r.NotFoundHandler = crossOrigin(http.HandlerFunc(s.notFound))
	r.MethodNotAllowedHandler = crossOrigin(s.methodNotAllowed(r))
	r.HandleFunc("/.well-known/openid-configuration", s.serveMetadata).Methods("GET", "HEAD")
	r.HandleFunc("/.well-known/oauth-authorization-server", s.serveMetadata).Methods("GET", "HEAD")
	r.HandleFunc("/.well-known/jwks.json", s.keys.ServeJWKS).Methods("GET", "HEAD")
	r.Handle("/oauth2/authorize", headAsGet(bounded(maxForm, s.authorize))).Methods("GET", "HEAD", "POST")
	r.Handle("/oauth2/par", bounded(maxPush, s.pushAuthorization)).Methods("POST")
	r.Handle("/oauth2/token", bounded(maxTokenRequest, s.token)).Methods("POST")
	r.Handle("/oauth2/userinfo", bounded(maxForm, s.userinfo)).Methods("GET", "HEAD", "POST")
	r.Handle("/oauth2/revoke", bounded(maxBackChannel, s.revoke)).Methods("POST")
	r.Handle("/oauth2/introspect", bounded(maxBackChannel, s.introspect)).Methods("POST")
	r.Handle("/oauth2/device_authorization", bounded(maxBackChannel, s.authorizeDevice)).Methods("POST")
	r.HandleFunc("/device", s.showDevice).Methods("GET", "HEAD")
	r.Handle("/device", s.login.Form(s.postDevice)).Methods("POST")
	r.Handle("/oauth2/logout", headAsGet(bounded(maxForm, s.logout))).Methods("GET", "HEAD", "POST")
	r.HandleFunc("/oauth2/check_session", s.pages.CheckSession).Methods("GET", "HEAD")
	if s.registers() {
		r.HandleFunc("/oauth2/register", s.register).Methods("POST")
		r.Handle("/oauth2/register/{client_id}", headAsGet(http.HandlerFunc(s.manageRegistration))).Methods("GET", "HEAD", "PUT", "DELETE")
	}
}

// The largest bodies of back-channel requests, in bytes: a token or two, and what authenticates the client.
const (
	maxTokenRequest = 64 << 10 // an exchange has several tokens, and a list of resources
	maxBackChannel  = 32 << 10
)

// bounded refuses to read more of a body than an endpoint can need.
func bounded(most int64, next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, most)
		next(w, r)
	})
}
