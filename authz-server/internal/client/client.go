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

	"github.com/maru-auth/maru/jwks/jose"
)

// Grant types that a client can be registered for (RFC 7591 §2).
const (
	AuthorizationCode = "authorization_code"
	RefreshToken      = "refresh_token"
	ClientCredentials = "client_credentials"
	DeviceCode        = "urn:ietf:params:oauth:grant-type:device_code"    // RFC 8628
	TokenExchange     = "urn:ietf:params:oauth:grant-type:token-exchange" // RFC 8693
	Implicit          = "implicit"                                        // with [Policy.LegacyResponseTypes] alone
)

// Ways to authenticate at the token endpoint (RFC 7591 §2).
const (
	AuthBasic         = "client_secret_basic"
	AuthPost          = "client_secret_post"
	AuthPrivateKeyJWT = "private_key_jwt" // RFC 7523 §2.2, OpenID Connect Core 1.0 §9
	AuthNone          = "none"            // a public client: it keeps no secret
)

// ProfileFAPI2 is the profile of a client that the FAPI 2.0 Security Profile binds: see [Client.Check] for what follows from it.
const ProfileFAPI2 = "fapi2"

// Client is what is known of a client. Its JSON form is RFC 7591 metadata, with the extension members trusted,
// require_pkce, id_token_claims, audiences, token_exchange_audiences and profile. A value that went through [Client.Check] has its defaults filled in.
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

	Trusted     bool // a first party: nobody is asked for consent
	RequirePKCE bool // an authorization request without code_challenge is refused; always true of a public client
	// IDTokenClaims puts the claims of the granted scope into ID tokens too, where many libraries look
	// for them. OIDC Core §5.4 has them at userinfo, where they are in any case.
	IDTokenClaims bool
	Audiences     []string // identifiers of resources that it serves: it may introspect tokens for them

	// Algorithms of what the server signs for it. Empty: RS256; but userinfo is plain JSON, and no client is made to take a signed introspection.
	IDTokenSignedResponseAlg       string
	UserinfoSignedResponseAlg      string
	AuthorizationSignedResponseAlg string // JARM §3
	IntrospectionSignedResponseAlg string // RFC 9701 §6

	// What it signs. Its keys are in JWKS or at JWKSURI, never both.
	TokenEndpointAuthSigningAlg string // empty: any that the server takes
	RequestObjectSigningAlg     string // empty: any that the server takes
	JWKS                        json.RawMessage
	JWKSURI                     string

	RequestURIs         []string
	SubjectType         string // "public" or "pairwise"; empty: public
	SectorIdentifierURI string
	DefaultMaxAge       *int64 // seconds; nil: none
	RequireAuthTime     bool
	InitiateLoginURI    string

	BackchannelLogoutURI              string
	BackchannelLogoutSessionRequired  bool
	FrontchannelLogoutURI             string
	FrontchannelLogoutSessionRequired bool

	RequirePAR                 bool     // an authorization request that was not pushed is refused (RFC 9126 §6)
	RequireSignedRequestObject bool     // one that is not signed is refused (RFC 9101 §10.5)
	DPoPBound                  bool     // it gets no token without a DPoP proof (RFC 9449 §5.2)
	Profile                    string   // "" or "fapi2"
	TokenExchangeAudiences     []string // identifiers of resources that it may exchange people's tokens for

	// Set by the store, and not part of the JSON form.
	CreatedAt time.Time
	UpdatedAt time.Time
	Unvouched bool // it registered itself without an initial access token, or is known by a document: anybody can make one
}

// member is one member of the JSON form. value points into a Client.
type member struct {
	name  string
	value any // *string, *[]string, *bool, **int64 or *json.RawMessage
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
		{"id_token_claims", &c.IDTokenClaims},
		{"audiences", &c.Audiences},
		{"id_token_signed_response_alg", &c.IDTokenSignedResponseAlg},
		{"userinfo_signed_response_alg", &c.UserinfoSignedResponseAlg},
		{"authorization_signed_response_alg", &c.AuthorizationSignedResponseAlg},
		{"introspection_signed_response_alg", &c.IntrospectionSignedResponseAlg},
		{"token_endpoint_auth_signing_alg", &c.TokenEndpointAuthSigningAlg},
		{"request_object_signing_alg", &c.RequestObjectSigningAlg},
		{"jwks", &c.JWKS},
		{"jwks_uri", &c.JWKSURI},
		{"request_uris", &c.RequestURIs},
		{"subject_type", &c.SubjectType},
		{"sector_identifier_uri", &c.SectorIdentifierURI},
		{"default_max_age", &c.DefaultMaxAge},
		{"require_auth_time", &c.RequireAuthTime},
		{"initiate_login_uri", &c.InitiateLoginURI},
		{"backchannel_logout_uri", &c.BackchannelLogoutURI},
		{"backchannel_logout_session_required", &c.BackchannelLogoutSessionRequired},
		{"frontchannel_logout_uri", &c.FrontchannelLogoutURI},
		{"frontchannel_logout_session_required", &c.FrontchannelLogoutSessionRequired},
		{"require_pushed_authorization_requests", &c.RequirePAR},
		{"require_signed_request_object", &c.RequireSignedRequestObject},
		{"dpop_bound_access_tokens", &c.DPoPBound},
		{"profile", &c.Profile},
		{"token_exchange_audiences", &c.TokenExchangeAudiences},
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
		case **int64:
			empty = *value == nil
		case *json.RawMessage:
			empty = len(*value) == 0
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

// JSONWith is the JSON form of c with the members of more, a JSON object, behind its own: what registration says beside the
// metadata (RFC 7591 §3.2.1).
func (c Client) JSONWith(more any) (json.RawMessage, error) {
	own, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	rest, err := json.Marshal(more)
	if err != nil || len(rest) <= len("{}") {
		return own, err
	}
	return append(append(own[:len(own)-1], ','), rest[1:]...), nil
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
	if err := jose.UnmarshalExact(data, &raw); err != nil {
		return Client{}, nil, &Error{Code: InvalidMetadata, Description: "must be a JSON object: " + err.Error()}
	}
	if raw == nil {
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
		if text, ok := m.value.(*json.RawMessage); ok {
			switch {
			case string(value) == "null":
				*text = nil
			case value[0] != '{':
				return Client{}, nil, metadataError(m.name, "must be %s", jsonType(m.value))
			}
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
	case **int64:
		return "a whole number"
	case *json.RawMessage:
		return "a JSON object"
	}
	return "a string"
}

// Public tells whether c keeps no secret (RFC 6749 §2.1).
func (c *Client) Public() bool { return c.TokenEndpointAuthMethod == AuthNone }

// HasSecret tells whether c authenticates by a secret that it shares with the server.
func (c *Client) HasSecret() bool {
	return c.TokenEndpointAuthMethod == AuthBasic || c.TokenEndpointAuthMethod == AuthPost
}

// HasGrantType tells whether c is registered for a grant type.
func (c *Client) HasGrantType(grant string) bool { return slices.Contains(c.GrantTypes, grant) }

// Document tells whether c is known by a document at its client_id, a URL (draft-ietf-oauth-client-id-metadata-document).
// No other client can have such an id.
func (c *Client) Document() bool { return IsDocumentID(c.ID) }

// IsDocumentID tells whether a client_id is the URL of a document, which need not be a good one: [Client.Check] tells.
func IsDocumentID(id string) bool { return strings.HasPrefix(id, "https://") }

// Host is where the document of such a client is, as it is shown to people: all that the server knows of who it is. Empty for every other client.
func (c *Client) Host() string {
	if !c.Document() {
		return ""
	}
	return hostPort(c.ID)
}

// DropPrivileges takes from a client that no operator vouched for what only an operator can give: to skip consent, to look
// into tokens or exchange them, and to get ID tokens that say more than OIDC Core asks for.
func (c *Client) DropPrivileges() {
	c.Trusted, c.Audiences, c.TokenExchangeAudiences, c.IDTokenClaims = false, nil, nil, false
}

// Vouched tells whether somebody vouched for c: an operator who made it, or who gave away the initial access token that it
// registered with. The older response types are there for the certification profiles of OpenID Connect Core 1.0 and not to
// be offered where strangers can register: with them every client counts as vouched for, as those profiles want it.
func (c *Client) Vouched(legacyResponseTypes bool) bool { return !c.Unvouched || legacyResponseTypes }

// KeepScopes leaves of c's scope what is in known, each word once: a client that registers itself asks every server for the
// same, and reads from the answer what it got (RFC 7591 §3.2.1). A word that is not
// printable ASCII stays, for [Client.Check] to refuse: no server has such a scope.
func (c *Client) KeepScopes(known []string) {
	var kept []string
	for _, word := range strings.Fields(c.Scope) {
		printable := !strings.ContainsFunc(word, func(r rune) bool { return r <= ' ' || r > '~' })
		if (slices.Contains(known, word) || !printable) && !slices.Contains(kept, word) {
			kept = append(kept, word)
		}
	}
	c.Scope = strings.Join(kept, " ")
}

// Sector is the host by which pairwise subjects are told apart (OpenID Connect Core 1.0 §8.1): that of the
// sector_identifier_uri, or else of the redirect URIs. Empty when they have none, or not the same one, which
// [Client.Check] refuses of a client with pairwise subjects.
func (c *Client) Sector() string {
	if c.SectorIdentifierURI != "" {
		return hostName(c.SectorIdentifierURI)
	}
	sector := ""
	for i, uri := range c.RedirectURIs {
		host := hostName(uri)
		if host == "" || i > 0 && host != sector {
			return ""
		}
		sector = host
	}
	return sector
}

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
	rand.Read(bits[:])
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
