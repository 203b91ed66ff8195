// Package client is what a server knows about an OAuth client: its metadata, as RFC 7591 §2 and
// OpenID Connect Registration 1.0 §2 define it ([Members]), the defaults and the one check of it
// ([Client.Check]), and the resource services whose scopes a client can have ([Resource]). It knows
// neither a database nor HTTP.
package client

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// ProfileFAPI2 is the profile of a client that must follow the FAPI 2.0 Security Profile. See
// [Client.Check].
const ProfileFAPI2 = "fapi2"

// Client is a client's metadata. Its JSON form has the members of RFC 7591, and of ours trusted,
// require_pkce, id_token_claims, audiences, token_exchange_audiences and profile. [Client.Check]
// fills in the defaults.
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

	// Localized are the members that people read, in other languages, by a name such as
	// "client_name#ko" (RFC 7591 §2.2).
	Localized map[string]string

	Trusted     bool // the operator's own: nobody is asked for consent
	RequirePKCE bool // an authorization request without code_challenge is refused; always true of a public client
	// IDTokenClaims puts the claims of the granted scope into ID tokens, where many libraries look
	// for them. They are always at userinfo, as OIDC Core §5.4 has it.
	IDTokenClaims bool
	Audiences     []string // the resources that it serves, by their identifiers: it may introspect tokens for them

	// What the server signs with for it. Empty: RS256; but userinfo is then plain JSON, and an
	// introspection is signed only if the client asks for it.
	IDTokenSignedResponseAlg       string
	UserinfoSignedResponseAlg      string
	AuthorizationSignedResponseAlg string // JARM §3
	IntrospectionSignedResponseAlg string // RFC 9701 §6

	// What it signs with. Its keys are in JWKS or at JWKSURI, never both.
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
	TokenExchangeAudiences     []string // the resources that it may exchange people's tokens for, by their identifiers

	// Set by the store, and not part of the JSON form.
	CreatedAt time.Time
	UpdatedAt time.Time
	// DisabledAt is when an operator disabled it; zero: it is not disabled. Only the store's look-ups
	// for operators return such a client.
	DisabledAt time.Time
	// UsedAt is when it last got tokens, to within ten minutes; zero: never, as far as is known.
	// Only the store's look-ups for operators set it to what it is now.
	UsedAt time.Time
	// Epoch counts how often all of its tokens were revoked at once. Tokens are issued in the epoch
	// of which the client was read, or not at all.
	Epoch     int64
	Unvouched bool // it registered itself without an initial access token, or has a document: anybody can make one
}

// Public tells whether c keeps no secret (RFC 6749 §2.1).
func (c *Client) Public() bool { return c.TokenEndpointAuthMethod == AuthNone }

// HasSecret tells whether c authenticates with a secret that it shares with the server.
func (c *Client) HasSecret() bool {
	return c.TokenEndpointAuthMethod == AuthBasic || c.TokenEndpointAuthMethod == AuthPost
}

// HasGrantType tells whether c is registered for a grant type.
func (c *Client) HasGrantType(grant string) bool { return slices.Contains(c.GrantTypes, grant) }

// Document tells whether c's client_id is the URL of a document that describes it
// (draft-ietf-oauth-client-id-metadata-document). No other client can have such an id.
func (c *Client) Document() bool { return IsDocumentID(c.ID) }

// IsDocumentID tells whether a client_id is the URL of a document. [CheckDocumentID] tells whether
// it may be.
func IsDocumentID(id string) bool { return strings.HasPrefix(id, "https://") }

// Host is the host of c's document. People see it, because the server knows nothing else about who
// c is. Empty: c has no document.
func (c *Client) Host() string {
	if !c.Document() {
		return ""
	}
	return hostPort(c.ID)
}

// DropPrivileges takes from c what only an operator can give ([Member.Operator]): to skip consent,
// to introspect or exchange tokens, and to get ID tokens that say more than OIDC Core asks for.
func (c *Client) DropPrivileges() {
	for _, m := range Members {
		if m.Operator {
			m.clear(c)
		}
	}
}

// Vouched tells whether an operator vouched for c: by registering it, or by the initial access
// token that it registered with. With the older response types every client counts as vouched for,
// as the certification profiles of OpenID Connect Core 1.0 need it. They are for no server at which
// strangers can register.
func (c *Client) Vouched(legacyResponseTypes bool) bool { return !c.Unvouched || legacyResponseTypes }

// MustUsePKCE reports whether authorization requests for a code need a code_challenge (RFC 9700
// §2.1.1): if c is registered so, as every public client is, and unless c is vouched for.
func (c *Client) MustUsePKCE(legacyResponseTypes bool) bool {
	return c.RequirePKCE || !c.Vouched(legacyResponseTypes)
}

// KeepScopes removes from c's scope what is not in known, and repetitions. A client that registers
// itself asks every server for the same scope, and reads from the answer what it got (RFC 7591
// §3.2.1). A word that is not printable ASCII stays, for [Client.Check] to refuse.
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

// Sector is the host that pairwise subjects are made for (OpenID Connect Core 1.0 §8.1): that of
// the sector_identifier_uri, or else of the redirect URIs. Empty: they have none, or several, which
// [Client.Check] does not allow a client with pairwise subjects.
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

// RedirectsToHostOf tells whether one of c's redirect URIs has the host of an http or https URI, on
// whatever port.
func (c *Client) RedirectsToHostOf(uri string) bool {
	host := hostName(uri)
	return host != "" && slices.ContainsFunc(c.RedirectURIs, func(one string) bool { return hostName(one) == host })
}

// Scopes are the words of c.Scope.
func (c *Client) Scopes() []string { return strings.Fields(c.Scope) }

// In returns c with its name and addresses in a language, as far as it has them. tag is a BCP 47
// tag, such as "ko" or "ko-KR".
func (c Client) In(tag string) Client {
	language, _, _ := strings.Cut(tag, "-")
	for _, m := range Members {
		if !m.Localizable {
			continue
		}
		for _, t := range []string{language, tag} { // the exact one wins
			if translated := c.Localized[m.Name+"#"+t]; translated != "" {
				*m.field(&c).(*string) = translated
			}
		}
	}
	return c
}

// NewID makes a client identifier: 130 random bits.
func NewID() string { return strings.ToLower(rand.Text()) }

// Codes of RFC 7591 §3.2.2.
const (
	InvalidRedirectURI = "invalid_redirect_uri"
	InvalidMetadata    = "invalid_client_metadata"
)

// Error says what is wrong with a client's metadata, and what to change.
type Error struct {
	Code        string // RFC 7591 §3.2.2
	Field       string // the member's name; empty: the metadata as a whole
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
