package rest

import (
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// Resource is what a service says of itself, wherever it runs (RFC 9728, OpenAPI).
type Resource struct {
	Name        string // for people
	Description string
	Tags        []*huma.Tag // groups of operations
	Scopes      []Scope

	// EncodedPaths matches paths as they are sent: a parameter may then hold an escaped slash, and
	// the handler unescapes it.
	EncodedPaths bool

	// RefuseNUL refuses bodies with U+0000, which a database cannot store, for a service whose
	// members do not each refuse it.
	RefuseNUL bool

	// Problem is the answer to an error of the service's own: a [Problem], or one with headers. It
	// returns nil for any other error. Nil: the service has none.
	Problem func(err error) error
}

// Scope is one that a service knows.
type Scope struct {
	Name, Text string
	People     bool // a person can have it
	Clients    bool // a client can have it for itself
}

func (r Resource) scopeNames() []string {
	names := make([]string, len(r.Scopes))
	for i, scope := range r.Scopes {
		names[i] = scope.Name
	}
	return names
}

const securityScheme = "oauth2"

// humaConfig is how huma is set up: how the OpenAPI document begins, and how bodies are read and
// written.
func (r Resource) humaConfig(cfg Config) huma.Config {
	format := huma.Format{Marshal: marshal, Unmarshal: unmarshal}
	if r.RefuseNUL {
		format.Unmarshal = unmarshalText
	}
	return huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info:    &huma.Info{Title: r.Name, Version: "1.0.0", Description: r.Description},
			Servers: []*huma.Server{{URL: cfg.Audience}},
			Tags:    r.Tags,
			Components: &huma.Components{
				Schemas:         huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer),
				SecuritySchemes: map[string]*huma.SecurityScheme{securityScheme: r.securityScheme(cfg)},
			},
		},
		// "json" is for media types that end in +json. No CreateHooks: they would add links made
		// from the Host header.
		Formats:       map[string]huma.Format{"application/json": format, "json": format},
		DefaultFormat: "application/json",
		Transformers:  []huma.Transformer{addRequestID},
	}
}

// securityScheme tells how to get a token, and how to send it.
func (r Resource) securityScheme(cfg Config) *huma.SecurityScheme {
	people, clients := map[string]string{}, map[string]string{}
	for _, scope := range r.Scopes {
		if scope.People {
			people[scope.Name] = scope.Text
		}
		if scope.Clients {
			clients[scope.Name] = scope.Text
		}
	}
	issuer := strings.TrimSuffix(cfg.Issuer, "/") // which is part of its name, but of no address (OpenID Connect Discovery §4)
	token := issuer + "/oauth2/token"
	return &huma.SecurityScheme{
		Type: "oauth2",
		Description: "An access token (RFC 9068) of the issuer " + cfg.Issuer + " for the audience " + cfg.Audience +
			", as Authorization: Bearer; or, if it is bound to a key, as Authorization: DPoP with a proof (RFC 9449).",
		Flows: &huma.OAuthFlows{
			AuthorizationCode: &huma.OAuthFlow{AuthorizationURL: issuer + "/oauth2/authorize", TokenURL: token, RefreshURL: token, Scopes: people},
			ClientCredentials: &huma.OAuthFlow{TokenURL: token, Scopes: clients},
		},
	}
}

// needs is what an operation says in the OpenAPI document about scopes: one of them is enough.
func needs(scopes ...string) []map[string][]string {
	var security []map[string][]string
	for _, scope := range scopes {
		security = append(security, map[string][]string{securityScheme: {scope}})
	}
	return security
}
