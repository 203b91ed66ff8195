// Package api is the HTTP interface of the user service: paths under /v1, described by OpenAPI at
// /openapi.json, and the service's metadata as a protected resource (RFC 9728).
package api

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/maru-auth/maru/internal/rest"
	"github.com/maru-auth/maru/resources/user/internal/store"
)

// MaxBody is the largest request body in bytes: several times what the largest profile needs, with
// every character escaped.
const MaxBody = 64 << 10

// Config is what the interface needs. All fields of its own but Now are required to serve.
type Config struct {
	rest.Config // the issuer is also asked for userinfo, to fill a new profile
	Store       *store.Store
	Now         func() time.Time // nil: time.Now
}

// service is what the handlers share. It is immutable once made.
type service struct {
	store    *store.Store
	userinfo *userinfo
	audience string
	now      func() time.Time
	log      *slog.Logger
}

// New returns the service's handler, or an error that says what is wrong with the configuration.
func New(cfg Config) (http.Handler, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	api, err := rest.New(cfg.Config, resource)
	if err != nil {
		return nil, err
	}
	s := &service{store: cfg.Store, userinfo: newUserinfo(cfg.Issuer, cfg.Calls, cfg.Now), audience: cfg.Audience, now: cfg.Now, log: cfg.Log}
	s.addRoutes(api)
	if err := api.Events(cfg.Now, s.applyEvent); err != nil {
		return nil, err
	}
	return api.Handler()
}

// Document returns the OpenAPI 3.1 document of the service that has the audience and trusts the
// issuer, indented.
func Document(issuer, audience string) ([]byte, error) {
	api, err := rest.New(rest.Config{Issuer: issuer, Audience: audience}, resource)
	if err != nil {
		return nil, err
	}
	s := new(service)
	s.addRoutes(api)
	if err := api.Events(nil, s.applyEvent); err != nil {
		return nil, err
	}
	return api.Document()
}

// addRoutes adds the whole interface: every path, and what a token needs for it.
func (s *service) addRoutes(api *rest.API) {
	own := func(scope string) rest.Access { return rest.Access{Scopes: []string{scope}, Person: true} }
	read := func(id, path, summary, description string) huma.Operation {
		return huma.Operation{OperationID: id, Method: http.MethodGet, Path: path, Summary: summary, Description: description,
			Tags: []string{"me"}, Errors: []int{410}, Responses: map[string]*huma.Response{"304": {Description: "Not Modified: it is what If-None-Match names."}}}
	}
	change := func(id, method, path, summary, description string) huma.Operation {
		return huma.Operation{OperationID: id, Method: method, Path: path, Summary: summary, Description: description,
			Tags: []string{"me"}, MaxBodyBytes: MaxBody, Errors: []int{400, 410, 412, 413, 415, 428}}
	}

	rest.Route(api, own("user:read"), read("get-me", "/v1/me", "Get one's own profile",
		"The profile of the person whose token you send. The first call creates it, with the name, picture "+
			"and website that the issuer knows, if the issuer answers."), s.getMe)
	patch := change("update-me", http.MethodPatch, "/v1/me", "Change one's own profile",
		"A JSON Merge Patch (RFC 7396): members that you leave out stay as they are.")
	rest.Route(api, own("user:write"), patch, s.patchMe)
	rest.Route(api, own("user:read"), read("get-settings", "/v1/me/settings", "Get one's own settings", ""), s.getSettings)
	rest.Route(api, own("user:write"), change("replace-settings", http.MethodPut, "/v1/me/settings",
		"Replace one's own settings", ""), s.putSettings)
	rest.Route(api, own("user:read"), read("get-interests", "/v1/me/interests", "Get one's own interests", ""), s.getInterests)
	rest.Route(api, own("user:write"), change("replace-interests", http.MethodPut, "/v1/me/interests", "Replace one's own interests",
		"Tags that differ only in case, or in white space around them, count as one; the first stays."), s.putInterests)
	rest.Route(api, mayExport, huma.Operation{OperationID: "export-me", Method: http.MethodGet, Path: "/v1/me/export",
		Summary: "Get everything that the service keeps about oneself",
		Description: "One document with profile, settings and interests. The person must have been authenticated within the " +
			"last 10 minutes.",
		Tags: []string{"me"}, Errors: []int{410}}, s.exportMe)

	user := read("get-user", "/v1/users/{id}", "Get a person's public profile", "")
	user.Tags, user.Errors = []string{"users"}, []int{404}
	rest.Route(api, rest.Access{Scopes: []string{"user:read", "user:lookup"}}, user, s.getUser)
	users := huma.Operation{OperationID: "list-users", Method: http.MethodGet, Path: "/v1/users", Summary: "Get many public profiles at once",
		Description: "For services that show people's names. Profiles come in the order of the ids; unknown ids are left out.",
		Tags:        []string{"users"}, Errors: []int{422}}
	rest.Route(api, rest.Access{Scopes: []string{"user:lookup"}}, users, s.listUsers)
}
