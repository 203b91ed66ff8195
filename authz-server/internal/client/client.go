// Package client is the metadata of an OAuth client: its type, its defaults and the one check of it ([Client.Check]),
// whatever way it came in (command line, import, later registration), as RFC 7591 §2 and OpenID Connect Registration
// 1.0 §2 name it; and the resource services ([Resource]) whose scopes a client can be registered for.
//
// It knows neither a database nor HTTP.
package client

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Grant types that a client can be registered for (RFC 7591 §2).
const (
	AuthorizationCode = "authorization_code"
	RefreshToken      = "refresh_token"
	ClientCredentials = "client_credentials"
)

// Ways to authenticate at the token endpoint (RFC 7591 §2).
const (
	AuthBasic = "client_secret_basic"
	AuthPost  = "client_secret_post"
	AuthNone  = "none" // a public client: it keeps no secret
)

// Client is what is known of a client. Its JSON form is RFC 7591 metadata, with the extension members trusted,
// require_pkce and audiences. A value that went through [Client.Check] has its defaults filled in.
type Client struct {
	ID                      string
	Name                    string
	RedirectURIs            []string
	PostLogoutRedirectURIs  []string
	GrantTypes              []string
	ResponseTypes           []string
	Scope                   string // words separated by one space
	TokenEndpointAuthMethod string
	ApplicationType         string // "web" or "native"
	LogoURI                 string
	ClientURI               string
	PolicyURI               string
	TermsURI                string
	Contacts                []string
	SoftwareID              string
	SoftwareVersion         string

	// Localized holds the human-readable members in other languages, by full name such as "client_name#ko" (RFC 7591 §2.2).
	Localized map[string]string

	Trusted     bool     // a first party: nobody is asked for consent
	RequirePKCE bool     // an authorization request without code_challenge is refused; always true of a public client
	Audiences   []string // identifiers of resources that it serves: it may introspect tokens for them

	CreatedAt time.Time // set by the store, not part of the JSON form
	UpdatedAt time.Time
}

// member is one member of the JSON form. value points into a Client.
type member struct {
	name  string
	value any // *string, *[]string or *bool
}

// members lists the JSON form in the order in which it is written. A new one is added here, and checked in Check.
func (c *Client) members() []member {
	return []member{
		{"client_id", &c.ID},
		{"client_name", &c.Name},
		{"redirect_uris", &c.RedirectURIs},
		{"post_logout_redirect_uris", &c.PostLogoutRedirectURIs},
		{"grant_types", &c.GrantTypes},
		{"response_types", &c.ResponseTypes},
		{"scope", &c.Scope},
		{"token_endpoint_auth_method", &c.TokenEndpointAuthMethod},
		{"application_type", &c.ApplicationType},
		{"client_uri", &c.ClientURI},
		{"logo_uri", &c.LogoURI},
		{"policy_uri", &c.PolicyURI},
		{"tos_uri", &c.TermsURI},
		{"contacts", &c.Contacts},
		{"software_id", &c.SoftwareID},
		{"software_version", &c.SoftwareVersion},
		{"trusted", &c.Trusted},
		{"require_pkce", &c.RequirePKCE},
		{"audiences", &c.Audiences},
	}
}

// MarshalJSON writes the metadata; members without a value are left out.
func (c Client) MarshalJSON() ([]byte, error) {
	out := []byte{'{'}
	add := func(name string, value any) error {
		raw, err := json.Marshal(value)
		if err != nil {
			return err
		}
		key, err := json.Marshal(name)
		if err != nil {
			return err
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(append(append(out, key...), ':'), raw...)
		return nil
	}
	for _, m := range c.members() {
		var empty bool
		switch value := m.value.(type) {
		case *string:
			empty = *value == ""
		case *[]string:
			empty = len(*value) == 0
		case *bool:
			empty = !*value
		}
		if !empty {
			if err := add(m.name, m.value); err != nil {
				return nil, err
			}
		}
		if localizable[m.name] {
			for _, name := range sortedKeys(c.Localized) {
				if base, _, _ := strings.Cut(name, "#"); base == m.name {
					if err := add(name, c.Localized[name]); err != nil {
						return nil, err
					}
				}
			}
		}
	}
	return append(out, '}'), nil
}

// UnmarshalJSON reads metadata and ignores members that it does not know (RFC 7591 §2). See [Decode].
func (c *Client) UnmarshalJSON(data []byte) error {
	decoded, _, err := Decode(data)
	if err != nil {
		return err
	}
	*c = decoded
	return nil
}

// Decode reads metadata, and returns apart the members that it does not know: RFC 7591 §2 has a server ignore them, a
// command line rather names them. Names are compared exactly. An error is an [*Error]; nothing is checked but the form.
func Decode(data []byte) (c Client, unknown map[string]json.RawMessage, err error) {
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(data, &raw); err != nil || raw == nil {
		return Client{}, nil, &Error{Code: InvalidMetadata, Description: "must be a JSON object"}
	}
	for _, m := range c.members() {
		value, ok := raw[m.name]
		if !ok {
			continue
		}
		delete(raw, m.name)
		if err := json.Unmarshal(value, m.value); err != nil {
			return Client{}, nil, metadataError(m.name, "must be %s", jsonType(m.value))
		}
	}
	for name, value := range raw {
		base, _, tagged := strings.Cut(name, "#")
		if !tagged || !localizable[base] {
			continue
		}
		delete(raw, name)
		var text string
		if err := json.Unmarshal(value, &text); err != nil {
			return Client{}, nil, metadataError(name, "must be a string")
		}
		if c.Localized == nil {
			c.Localized = map[string]string{}
		}
		c.Localized[name] = text
	}
	return c, raw, nil
}

func jsonType(value any) string {
	switch value.(type) {
	case *[]string:
		return "an array of strings"
	case *bool:
		return "true or false"
	}
	return "a string"
}

// Public tells whether c keeps no secret (RFC 6749 §2.1).
func (c *Client) Public() bool { return c.TokenEndpointAuthMethod == AuthNone }

// HasGrantType tells whether c is registered for a grant type.
func (c *Client) HasGrantType(grant string) bool { return slices.Contains(c.GrantTypes, grant) }

// Scopes is the words of c.Scope: what c may ask for.
func (c *Client) Scopes() []string { return strings.Fields(c.Scope) }

// In returns c with its name and addresses in a language, where there are such: tag is a BCP 47 tag such as "ko" or "ko-KR".
func (c Client) In(tag string) Client {
	language, _, _ := strings.Cut(tag, "-")
	for _, m := range c.members() {
		if text, ok := m.value.(*string); ok && localizable[m.name] {
			for _, t := range []string{language, tag} { // the exact one last, so that it wins
				if translated := c.Localized[m.name+"#"+t]; translated != "" {
					*text = translated
				}
			}
		}
	}
	return c
}

// NewID makes a client identifier: 130 random bits.
func NewID() string { return strings.ToLower(rand.Text()) }

// NewSecret makes a client secret: 256 random bits in base64url.
func NewSecret() string {
	var bits [32]byte
	rand.Read(bits[:]) //nolint:errcheck // crypto/rand.Read never returns an error
	return base64.RawURLEncoding.EncodeToString(bits[:])
}

// Codes of RFC 7591 §3.2.2.
const (
	InvalidRedirectURI = "invalid_redirect_uri"
	InvalidMetadata    = "invalid_client_metadata"
)

// Error says what is wrong with a client's metadata, and what to change.
type Error struct {
	Code        string // RFC 7591 §3.2.2
	Field       string // the member's name; empty: the whole
	Description string // begins with a verb: "must be …"
}

func (e *Error) Error() string {
	if e.Field == "" {
		return "the client metadata " + e.Description
	}
	return e.Field + " " + e.Description
}

func metadataError(field, format string, args ...any) *Error {
	return &Error{Code: InvalidMetadata, Field: field, Description: fmt.Sprintf(format, args...)}
}

func redirectError(field, format string, args ...any) *Error {
	return &Error{Code: InvalidRedirectURI, Field: field, Description: fmt.Sprintf(format, args...)}
}
