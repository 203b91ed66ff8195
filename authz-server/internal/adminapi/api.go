// Package adminapi is the REST interface by which programs do what operators do: paths below
// `<issuer>/admin/v1`, described by OpenAPI at `<issuer>/admin/openapi.json`, and the metadata of the
// resource `<issuer>/admin` (RFC 9728).
//
// It decides nothing: package adminaccess tells who acts, and package admin whether they may, and
// does it. Here, requests become its arguments, and what it returns becomes answers.
package adminapi

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/adminaccess"
	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/issuer"
	"github.com/maru-auth/maru/authz-server/internal/ssf"
	"github.com/maru-auth/maru/internal/rest"
	"github.com/maru-auth/maru/jwks"
)

// MaxBody is the largest request body in bytes.
const MaxBody = 64 << 10

// Config is what the interface needs. All fields are required but those with a default.
type Config struct {
	Issuer issuer.URL
	Admin  *admin.Admin
	Access *adminaccess.Tokens
	Log    *slog.Logger

	Streams  ssf.Rules            // says what the event stream of a client may be
	Services []string             // those of --data-services, whose streams stay
	Metrics  *prometheus.Registry // nil: nothing is measured
	Docs     string               // public client with which people try the interface at /admin/docs; empty: there is no such page

	// RepeatKey is what the hashes are made with of requests that may be sent again, which can have
	// passwords in them: 32 secret bytes, the same in every replica.
	RepeatKey []byte
}

// service is what the handlers share. It is immutable once made.
type service struct {
	cfg   Config
	api   *rest.API
	admin *admin.Admin
}

// New returns the interface's handler. The paths of its requests begin below the issuer: see [Ours].
func New(cfg Config) (http.Handler, error) {
	if len(cfg.RepeatKey) == 0 {
		return nil, errors.New("adminapi: there must be a RepeatKey")
	}
	s := &service{cfg: cfg, admin: cfg.Admin}
	var err error
	s.api, err = rest.New(rest.Config{
		Issuer: cfg.Issuer.String(), Audience: cfg.Issuer.URL(adminaccess.Path), Verifier: cfg.Access.Verifier(), DPoP: cfg.Access.Proofs(),
		Judge: s.judge, Log: cfg.Log, Metrics: cfg.Metrics, Below: adminaccess.Path, Docs: cfg.Docs,
	}, resource)
	if err != nil {
		return nil, err
	}
	s.routes()
	handler, err := s.api.Handler()
	if err != nil {
		return nil, err
	}
	return below(handler), nil
}

// Document returns the OpenAPI 3.1 document of the interface of the issuer, indented.
func Document(at issuer.URL) ([]byte, error) {
	api, err := rest.New(rest.Config{Issuer: at.String(), Audience: at.URL(adminaccess.Path)}, resource)
	if err != nil {
		return nil, err
	}
	s := &service{api: api}
	s.routes()
	return api.Document()
}

// metadataPath is where the issuer has the resource's metadata.
const metadataPath = "/.well-known/oauth-protected-resource"

// docsPath is where the reference is, if there is one.
const docsPath = adminaccess.Path + "/docs"

// Ours tells whether a path below the issuer is one of this interface.
func Ours(path string) bool {
	return path == metadataPath+adminaccess.Path || path == adminaccess.Path+"/openapi.json" ||
		path == docsPath || strings.HasPrefix(path, docsPath+"/") || path == adminaccess.Path+"/v1" || strings.HasPrefix(path, adminaccess.Path+"/v1/")
}

// below takes the resource's path off those of requests.
func below(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		inner := *r
		inner.URL = new(url.URL)
		*inner.URL = *r.URL
		if r.URL.Path == metadataPath+adminaccess.Path {
			inner.URL.Path, inner.URL.RawPath = metadataPath, ""
		} else {
			inner.URL.Path = strings.TrimPrefix(r.URL.Path, adminaccess.Path)
			inner.URL.RawPath = strings.TrimPrefix(r.URL.RawPath, adminaccess.Path)
		}
		next.ServeHTTP(w, &inner)
	})
}

// call is who makes a request, and the request.
type call struct {
	actor   admin.Actor
	request *http.Request
}

type callKey struct{}

func callOf(ctx context.Context) call { return ctx.Value(callKey{}).(call) }

// judge is [rest.Config.Judge].
func (s *service) judge(r *http.Request, claims *jwks.Claims) (context.Context, error) {
	actor, err := s.cfg.Access.Judge(r, claims)
	if refused, ok := errors.AsType[*adminaccess.Refused](err); ok {
		return nil, &rest.Answer{Refusal: refused.Refusal, Reason: refused.Reason}
	}
	if err != nil {
		return nil, err
	}
	return context.WithValue(r.Context(), callKey{}, call{actor, r}), nil
}

// What operations need of a token. Which of them need more, such as a person who has just proved who
// they are, is for admin to say.
var (
	reads   = rest.Access{Scopes: []string{client.ScopeAdminRead, client.ScopeAdminWrite}}
	changes = rest.Access{Scopes: []string{client.ScopeAdminWrite}}
)

// route adds an operation, with the method, the path and the summary of which it is described, and
// the statuses of its own errors. Its handler gets who acts.
func route[I, O any](s *service, tag, id, methodAndPath, summary, description string, statuses []int,
	handler func(ctx context.Context, actor admin.Actor, in *I) (*O, error)) {
	method, path, _ := strings.Cut(methodAndPath, " ")
	op := huma.Operation{OperationID: id, Method: method, Path: path, Summary: summary, Description: description, Tags: []string{tag}, Errors: statuses}
	op.Errors = append(op.Errors, http.StatusBadRequest) // what is no text, or has two tokens
	access := reads
	if method != http.MethodGet {
		access = changes
	}
	switch method {
	case http.MethodPost:
		op.DefaultStatus = http.StatusCreated
		if reflect.TypeFor[O]() == reflect.TypeFor[accepted]() {
			op.DefaultStatus = http.StatusAccepted
		}
		fallthrough
	case http.MethodPut, http.MethodPatch:
		op.MaxBodyBytes = MaxBody
		op.Errors = append(op.Errors, 413, 415)
	}
	rest.Route(s.api, access, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := handler(ctx, callOf(ctx).actor, in)
		if err != nil {
			return nil, s.answer(ctx, err)
		}
		return out, nil
	})
}

// routes is the whole interface.
func (s *service) routes() {
	s.peopleRoutes()
	s.clientRoutes()
	s.grantRoutes()
	s.roleRoutes()
	s.resourceRoutes()
	s.upstreamRoutes()
	s.keyRoutes()
	s.deliveryRoutes()
	s.directoryRoutes()
	s.overviewRoutes()
	s.api.OpenAnswers()
}
