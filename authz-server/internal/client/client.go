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

// DropPrivileges takes from c what only an operator can give ([Member.Operator]): to skip consent, to look
// into tokens or exchange them, and to get ID tokens that say more than OIDC Core asks for.
func (c *Client) DropPrivileges() {
	for _, m := range Members {
		if m.Operator {
			m.clear(c)
		}
	}
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
	for _, m := range Members {
		if !m.Localizable {
			continue
		}
		for _, t := range []string{language, tag} { // the exact one last, so that it wins
			if translated := c.Localized[m.Name+"#"+t]; translated != "" {
				*m.field(&c).(*string) = translated
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
