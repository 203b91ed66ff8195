// Package api is the HTTP interface of the user service: paths under /v1, described by OpenAPI at /openapi.json, and the
// service's metadata as a protected resource (RFC 9728).
package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humamux"
	"github.com/gorilla/mux"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/maru-auth/maru/jwks"
	"github.com/maru-auth/maru/resources/user/internal/store"
)

// maxBody is the largest request body in bytes: several times what the largest allowed profile needs, escapes and all.
const maxBody = 64 << 10

// Config is what the interface needs. All fields but Now are required to serve.
type Config struct {
	Issuer   string // of the tokens; asked for userinfo when a profile comes into being
	Audience string // this service's identifier and public address
	Store    *store.Store
	Verifier *jwks.Verifier
	Log      *slog.Logger
	Metrics  *prometheus.Registry // gets the count of refused tokens
	Now      func() time.Time     // nil: time.Now
}

// service is what the handlers share. It is immutable once made.
type service struct {
	store    *store.Store
	userinfo *userinfo
	guard    *jwks.Guard
	refused  *prometheus.CounterVec
	log      *slog.Logger
}

// New returns the service's handler, for httpd.Server, or an error that says what is wrong with the configuration.
func New(cfg Config) (http.Handler, error) {
	resource, err := newResource(cfg.Issuer, cfg.Audience)
	if err != nil {
		return nil, err
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	dpop, err := jwks.NewDPoP(jwks.DPoPConfig{BaseURL: cfg.Audience})
	if err != nil {
		return nil, err
	}
	s := &service{
		store:    cfg.Store,
		userinfo: newUserinfo(cfg.Issuer, cfg.Now),
		guard:    jwks.NewGuard(cfg.Verifier, jwks.GuardConfig{ResourceMetadata: resource.metadataURL, DPoP: dpop}),
		refused:  newRefused(cfg.Metrics),
		log:      cfg.Log,
	}
	router, document := s.routes(resource)
	openAPI, err := marshal(document)
	if err != nil {
		return nil, err
	}
	serve := func(path, contentType string, body []byte) {
		router.Path(path).Methods(http.MethodGet).HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", contentType)
			w.Header().Set("Cache-Control", "public, max-age=300")
			w.Write(body) //nolint:errcheck // nobody is left to tell
		})
	}
	metadata, err := json.Marshal(resource.metadata(dpop.Algorithms()))
	if err != nil {
		return nil, err
	}
	serve("/openapi.json", "application/openapi+json", openAPI)
	for _, path := range resource.metadataPaths() {
		serve(path, "application/json", metadata)
	}
	return around(router), nil
}

// Document returns the OpenAPI 3.1 document of the service that has the audience and trusts the issuer, indented.
func Document(issuer, audience string) ([]byte, error) {
	resource, err := newResource(issuer, audience)
	if err != nil {
		return nil, err
	}
	_, document := new(service).routes(resource)
	return marshal(document)
}

func marshal(document *huma.OpenAPI) ([]byte, error) {
	compact, err := json.Marshal(document)
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

// routes is the whole interface: every path, and what a token needs for it.
func (s *service) routes(resource resource) (*mux.Router, *huma.OpenAPI) {
	// Paths are matched as they were sent: ids are opaque, and may hold an escaped slash.
	router := mux.NewRouter().UseEncodedPath().SkipClean(true)
	router.NotFoundHandler = http.HandlerFunc(notFound)
	router.MethodNotAllowedHandler = methodNotAllowed(router)
	api := humamux.New(router, s.humaConfig(resource))

	own := func(scope string) access { return access{scopes: []string{scope}, person: true} }

	read := func(id, path, summary, description string) huma.Operation {
		return huma.Operation{OperationID: id, Method: http.MethodGet, Path: path, Summary: summary, Description: description,
			Tags: []string{"me"}, Responses: map[string]*huma.Response{"304": {Description: "Not Modified: it is what If-None-Match names."}}}
	}
	change := func(id, method, path, summary, description string) huma.Operation {
		return huma.Operation{OperationID: id, Method: method, Path: path, Summary: summary, Description: description,
			Tags: []string{"me"}, MaxBodyBytes: maxBody, Errors: []int{400, 412, 413, 415, 428}}
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

// scopes that this service knows, for people to read.
var scopes = map[string]string{
	"user:read":   "Read one's own profile, settings and interests, and public profiles one at a time.",
	"user:write":  "Change one's own profile, settings and interests.",
	"user:lookup": "Read public profiles, also many at once. For services.",
}

func (s *service) humaConfig(resource resource) huma.Config {
	jsonFormat := huma.Format{Marshal: huma.DefaultJSONFormat.Marshal, Unmarshal: unmarshal}
	people := map[string]string{"user:read": scopes["user:read"], "user:write": scopes["user:write"]}
	services := map[string]string{"user:lookup": scopes["user:lookup"], "user:read": scopes["user:read"]}
	token := resource.issuer + "/oauth2/token"
	return huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{
				Title:   "Maru user service",
				Version: "1.0.0",
				Description: "Profiles, settings and interests of people. Texts are in Unicode, and kept in normalization form C; lengths count code points. " +
					"A resource is changed with the ETag that it was read with in If-Match: 428 without, 412 when somebody else was faster. " +
					"Errors are problem documents (RFC 9457). Members may be added to answers within this version: ignore those you do not know.",
			},
			Servers: []*huma.Server{{URL: resource.audience}},
			Tags: []*huma.Tag{
				{Name: "me", Description: "What belongs to the person whose token it is."},
				{Name: "users", Description: "Public profiles."},
			},
			Components: &huma.Components{
				Schemas: huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer),
				SecuritySchemes: map[string]*huma.SecurityScheme{securityScheme: {
					Type:        "oauth2",
					Description: "An access token (RFC 9068) of the issuer " + resource.issuer + " for the audience " + resource.audience + ", as Authorization: Bearer; or, if it is bound to a key, as Authorization: DPoP with a proof (RFC 9449).",
					Flows: &huma.OAuthFlows{
						AuthorizationCode: &huma.OAuthFlow{AuthorizationURL: resource.issuer + "/oauth2/authorize", TokenURL: token, RefreshURL: token, Scopes: people},
						ClientCredentials: &huma.OAuthFlow{TokenURL: token, Scopes: services},
					},
				}},
			},
		},
		// "json" is for media types that end in +json. No CreateHooks: they would add links made from the Host header.
		Formats:       map[string]huma.Format{"application/json": jsonFormat, "json": jsonFormat},
		DefaultFormat: "application/json",
		Transformers:  []huma.Transformer{addRequestID},
	}
}

// unmarshal is json.Unmarshal but for text that is not UTF-8, which json would silently alter (RFC 8259 §8.1).
func unmarshal(data []byte, v any) error {
	if !utf8.Valid(data) {
		return errors.New("not UTF-8")
	}
	return json.Unmarshal(data, v)
}

// resource is this service as RFC 9728 sees it.
type resource struct {
	issuer, audience string
	metadataURL      string // RFC 9728 §3.1
	path             string // of the audience, without a slash at its end
}

func newResource(issuer, audience string) (resource, error) {
	if _, err := parseOrigin(issuer); err != nil {
		return resource{}, fmt.Errorf("the issuer (setting --issuer) %w", err)
	}
	u, err := parseOrigin(audience)
	if err != nil {
		return resource{}, fmt.Errorf("the audience (setting --audience) %w", err)
	}
	path := strings.TrimSuffix(u.EscapedPath(), "/")
	return resource{issuer: issuer, audience: audience, path: path,
		metadataURL: u.Scheme + "://" + u.Host + wellKnown + path}, nil
}

func parseOrigin(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return nil, errors.New("must be an http or https URL without user, query or fragment, such as https://auth.example")
	}
	return u, nil
}

const wellKnown = "/.well-known/oauth-protected-resource"

// metadataPaths are where the gateway may ask for the metadata: with and without the audience's path.
func (r resource) metadataPaths() []string {
	if r.path == "" {
		return []string{wellKnown}
	}
	return []string{wellKnown, wellKnown + r.path}
}

// metadata is the document of RFC 9728 §2.
func (r resource) metadata(proofAlgorithms []string) any {
	return struct {
		Resource             string   `json:"resource"`
		AuthorizationServers []string `json:"authorization_servers"`
		ScopesSupported      []string `json:"scopes_supported"`
		BearerMethods        []string `json:"bearer_methods_supported"`
		DPoPAlgorithms       []string `json:"dpop_signing_alg_values_supported"`
		ResourceName         string   `json:"resource_name"`
	}{r.audience, []string{r.issuer}, []string{"user:read", "user:write", "user:lookup"}, []string{"header"}, proofAlgorithms, "Maru user service"}
}
