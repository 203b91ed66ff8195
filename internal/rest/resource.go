package rest

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// Resource is a service as clients find it (RFC 9728, OpenAPI).
type Resource struct {
	Name     string // for people
	Scopes   []Scope
	Issuer   string // of the tokens that it trusts
	Audience string // its identifier and public address
}

// Scope is one that a service knows.
type Scope struct {
	Name, Text string
	People     bool // a person can have it
	Clients    bool // a client can have it for itself
}

// Check returns an error that names the setting that is wrong.
func (r Resource) Check() error {
	if _, err := ParseOrigin(r.Issuer); err != nil {
		return fmt.Errorf("the issuer (setting --issuer) %w", err)
	}
	if _, err := ParseOrigin(r.Audience); err != nil {
		return fmt.Errorf("the audience (setting --audience) %w", err)
	}
	return nil
}

// ParseOrigin parses an http or https URL that paths can be added to.
func ParseOrigin(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return nil, errors.New("must be an http or https URL without user, query or fragment, such as https://auth.example")
	}
	return u, nil
}

// Location is the public address of a path of the service: the gateway may have taken a prefix off.
func (r Resource) Location(path string) string { return strings.TrimSuffix(r.Audience, "/") + path }

const wellKnown = "/.well-known/oauth-protected-resource"

// metadataURL is where the metadata is in public (RFC 9728 §3.1: the well-known part goes between host and path). The
// resource has passed Check.
func (r Resource) metadataURL() string {
	u, err := ParseOrigin(r.Audience)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host + wellKnown + strings.TrimSuffix(u.EscapedPath(), "/")
}

// metadataPaths are where the gateway may ask for the metadata: with and without the audience's path.
func (r Resource) metadataPaths() []string {
	_, path, _ := strings.Cut(r.metadataURL(), wellKnown)
	if path == "" {
		return []string{wellKnown}
	}
	return []string{wellKnown, wellKnown + path}
}

// metadata is the document of RFC 9728 §2.
func (r Resource) metadata(proofAlgorithms []string) any {
	scopes := make([]string, len(r.Scopes))
	for i, scope := range r.Scopes {
		scopes[i] = scope.Name
	}
	return struct {
		Resource             string   `json:"resource"`
		AuthorizationServers []string `json:"authorization_servers"`
		ScopesSupported      []string `json:"scopes_supported"`
		BearerMethods        []string `json:"bearer_methods_supported"`
		DPoPAlgorithms       []string `json:"dpop_signing_alg_values_supported"`
		ResourceName         string   `json:"resource_name"`
	}{r.Audience, []string{r.Issuer}, scopes, []string{"header"}, proofAlgorithms, r.Name}
}

const securityScheme = "oauth2"

// HumaConfig is how huma is to be set up: what the OpenAPI document says first, and how bodies are read and written.
func (r Resource) HumaConfig(description string, tags []*huma.Tag) huma.Config {
	people, clients := map[string]string{}, map[string]string{}
	for _, scope := range r.Scopes {
		if scope.People {
			people[scope.Name] = scope.Text
		}
		if scope.Clients {
			clients[scope.Name] = scope.Text
		}
	}
	issuer := strings.TrimSuffix(r.Issuer, "/") // which is a part of its name, and of no address (OpenID Connect Discovery §4)
	token := issuer + "/oauth2/token"
	format := huma.Format{Marshal: huma.DefaultJSONFormat.Marshal, Unmarshal: unmarshal}
	return huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info:    &huma.Info{Title: r.Name, Version: "1.0.0", Description: description},
			Servers: []*huma.Server{{URL: r.Audience}},
			Tags:    tags,
			Components: &huma.Components{
				Schemas: huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer),
				SecuritySchemes: map[string]*huma.SecurityScheme{securityScheme: {
					Type:        "oauth2",
					Description: "An access token (RFC 9068) of the issuer " + r.Issuer + " for the audience " + r.Audience + ", as Authorization: Bearer; or, if it is bound to a key, as Authorization: DPoP with a proof (RFC 9449).",
					Flows: &huma.OAuthFlows{
						AuthorizationCode: &huma.OAuthFlow{AuthorizationURL: issuer + "/oauth2/authorize", TokenURL: token, RefreshURL: token, Scopes: people},
						ClientCredentials: &huma.OAuthFlow{TokenURL: token, Scopes: clients},
					},
				}},
			},
		},
		// "json" is for media types that end in +json. No CreateHooks: they would add links made from the Host header.
		Formats:       map[string]huma.Format{"application/json": format, "json": format},
		DefaultFormat: "application/json",
		Transformers:  []huma.Transformer{addRequestID},
	}
}
