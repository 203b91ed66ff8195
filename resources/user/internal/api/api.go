// Package api is the HTTP interface of the user service: paths under /v1, described by OpenAPI at /openapi.json, and the
// service's metadata as a protected resource (RFC 9728).
package api

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humamux"
	"github.com/gorilla/mux"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/maru-auth/maru/internal/rest"
	"github.com/maru-auth/maru/jwks"
	"github.com/maru-auth/maru/resources/user/internal/store"
)

// MaxBody is the largest request body in bytes: several times what the largest allowed profile needs, escapes and all.
const MaxBody = 64 << 10

// Config is what the interface needs. All fields but Now are required to serve.
type Config struct {
	Issuer   string // of the tokens; asked for userinfo when a profile comes into being
	Audience string // this service's identifier and public address
	Store    *store.Store
	Verifier *jwks.Verifier
	Log      *slog.Logger
	Metrics  *prometheus.Registry // gets the count of refused tokens
	Docs     string               // public client with which people try the interface at /docs; empty: there is no /docs
	Now      func() time.Time     // nil: time.Now
}

// service is what the handlers share. It is immutable once made.
type service struct {
	rest     *rest.Service
	store    *store.Store
	userinfo *userinfo
	log      *slog.Logger
}

// New returns the service's handler, for httpd.Server, or an error that says what is wrong with the configuration.
func New(cfg Config) (http.Handler, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	resource := newResource(cfg.Issuer, cfg.Audience)
	common, err := rest.New(rest.Config{Resource: resource, Verifier: cfg.Verifier, Log: cfg.Log, Metrics: cfg.Metrics, Docs: cfg.Docs})
	if err != nil {
		return nil, err
	}
	s := &service{rest: common, store: cfg.Store, userinfo: newUserinfo(cfg.Issuer, cfg.Now), log: cfg.Log}
	return common.Handler(s.routes(resource))
}

// Document returns the OpenAPI 3.1 document of the service that has the audience and trusts the issuer, indented.
func Document(issuer, audience string) ([]byte, error) {
	resource := newResource(issuer, audience)
	if err := resource.Check(); err != nil {
		return nil, err
	}
	_, document := new(service).routes(resource)
	return rest.MarshalDocument(document)
}

func newResource(issuer, audience string) rest.Resource {
	return rest.Resource{Name: "Maru user service", Issuer: issuer, Audience: audience, Scopes: []rest.Scope{
		{Name: "user:read", Text: "Read one's own profile, settings and interests, and public profiles one at a time.", People: true, Clients: true},
		{Name: "user:write", Text: "Change one's own profile, settings and interests.", People: true},
		{Name: "user:lookup", Text: "Read public profiles, also many at once. For services.", Clients: true},
	}}
}

// routes is the whole interface: every path, and what a token needs for it.
func (s *service) routes(resource rest.Resource) (*mux.Router, *huma.OpenAPI) {
	// Paths are matched as they were sent: ids are opaque, and may hold an escaped slash.
	router := rest.NewRouter().UseEncodedPath()
	api := humamux.New(router, resource.HumaConfig(description, tagTexts))

	own := func(scope string) access { return access{scopes: []string{scope}, person: true} }

	read := func(id, path, summary, description string) huma.Operation {
		return huma.Operation{OperationID: id, Method: http.MethodGet, Path: path, Summary: summary, Description: description,
			Tags: []string{"me"}, Responses: map[string]*huma.Response{"304": {Description: "Not Modified: it is what If-None-Match names."}}}
	}
	change := func(id, method, path, summary, description string) huma.Operation {
		return huma.Operation{OperationID: id, Method: method, Path: path, Summary: summary, Description: description,
			Tags: []string{"me"}, MaxBodyBytes: MaxBody, Errors: []int{400, 412, 413, 415, 428}}
	}

	route(s, api, own("user:read"), read("get-me", "/v1/me", "Get one's own profile",
		"The profile of the person whose token it is. It comes into being on the first call, filled with the name, picture and website that the issuer knows, if it answers."), s.getMe)
	patch := change("update-me", http.MethodPatch, "/v1/me", "Change one's own profile",
		"A JSON Merge Patch (RFC 7396): members that are left out stay as they are.")
	route(s, api, own("user:write"), patch, s.patchMe)
	route(s, api, own("user:read"), read("get-settings", "/v1/me/settings", "Get one's own settings", ""), s.getSettings)
	route(s, api, own("user:write"), change("replace-settings", http.MethodPut, "/v1/me/settings", "Replace one's own settings", ""), s.putSettings)
	route(s, api, own("user:read"), read("get-interests", "/v1/me/interests", "Get one's own interests", ""), s.getInterests)
	route(s, api, own("user:write"), change("replace-interests", http.MethodPut, "/v1/me/interests", "Replace one's own interests",
		"Tags that differ only in case or in white space around them count once; the first stays."), s.putInterests)

	user := read("get-user", "/v1/users/{id}", "Get a person's public profile", "")
	user.Tags, user.Errors = []string{"users"}, []int{404}
	route(s, api, access{scopes: []string{"user:read", "user:lookup"}}, user, s.getUser)
	users := huma.Operation{OperationID: "list-users", Method: http.MethodGet, Path: "/v1/users", Summary: "Get many public profiles at once",
		Description: "For services that show people's names. Profiles come in the order of the ids; ids that nobody has are left out.", Tags: []string{"users"}, Errors: []int{422}}
	route(s, api, access{scopes: []string{"user:lookup"}}, users, s.listUsers)

	return router, api.OpenAPI()
}

const description = "Profiles, settings and interests of people. Texts are in Unicode, and kept in normalization form C; lengths count code points. " +
	"A resource is changed with the ETag that it was read with in If-Match: 428 without, 412 when somebody else was faster. " +
	"Errors are problem documents (RFC 9457). Members may be added to answers within this version: ignore those you do not know."

var tagTexts = []*huma.Tag{
	{Name: "me", Description: "What belongs to the person whose token it is."},
	{Name: "users", Description: "Public profiles."},
}
