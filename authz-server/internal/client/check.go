package client

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Policy is what a server allows clients to be. [Client.Check] checks them against it.
type Policy struct {
	Scopes       []string // that a client can have
	OwnScopes    []string // that it can have beside them if it acts for nobody but itself
	DefaultScope string   // for a client for people that names none; empty: no scope
	GrantTypes   []string // nil: those of [GrantTypes]
	AuthMethods  []string // nil: [AuthMethods]

	LegacyResponseTypes bool // allows response types that send tokens through the browser, which RFC 9700 §2.1.2 advises against
	InsecureLoopback    bool // allows http for loopback hosts wherever https is required, for development
	Documents           bool // allows the URL of a document as client_id. Set it only for a client whose document you fetched

	MaxBytes int // of the JSON form, as it is stored; 0: any number
}

// MaxMetadata is the longest metadata of a client that no operator registered, in bytes.
const MaxMetadata = 32 << 10

// Limits of a client's metadata, so that rows, pages and log lines have a sensible size.
const (
	maxURIs     = 50
	maxURI      = 2000 // bytes
	maxName     = 100  // characters
	maxText     = 255  // bytes, of identifiers and versions
	maxContacts = 10
	maxScope    = 2000 // bytes
	maxTags     = 50
)

var (
	idPattern  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._~-]*$`)
	tagPattern = regexp.MustCompile(`^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$`)
)

// Check fills in the defaults of RFC 7591 §2, and returns the first thing that is wrong, as an
// [*Error]. All metadata is checked here, wherever it comes from. Client.ID must be set.
//
// The profile fapi2 sets private_key_jwt, PKCE, pushed authorization requests and DPoP-bound
// tokens, and PS256 where no algorithm is named. It refuses RS256, response types other than code,
// and redirect URIs that are not https.
func (c *Client) Check(policy Policy) error {
	c.defaults(policy)
	for _, check := range []func(Policy) *Error{
		c.checkIdentity, c.checkGrants, c.checkResponseTypes, c.checkScope, c.checkAudiences, c.checkRedirectURIs,
		c.checkAlgorithms, c.checkKeys, c.checkRequests, c.checkSubject, c.checkLogout, c.checkProfile, c.checkTexts,
	} {
		if err := check(policy); err != nil {
			return err
		}
	}
	if policy.MaxBytes > 0 {
		if text, err := c.MarshalJSON(); err != nil || len(text) > policy.MaxBytes {
			return metadataError("", "must be at most %d KiB long as the server writes it", policy.MaxBytes>>10)
		}
	}
	return nil
}

func (c *Client) defaults(policy Policy) {
	if len(c.GrantTypes) == 0 {
		c.GrantTypes = []string{AuthorizationCode}
	}
	if len(c.ResponseTypes) == 0 && c.HasGrantType(AuthorizationCode) {
		c.ResponseTypes = []string{"code"}
	}
	if c.Profile == ProfileFAPI2 {
		c.profileDefaults()
	}
	if c.TokenEndpointAuthMethod == "" {
		c.TokenEndpointAuthMethod = AuthBasic
	}
	if c.ApplicationType == "" {
		c.ApplicationType = ApplicationWeb
	}
	if c.Scope == "" && c.ForPeople() {
		c.Scope = policy.DefaultScope
	}
	if c.Public() {
		c.RequirePKCE = true // RFC 9700 §2.1.1
	}
}

// profileDefaults sets what FAPI 2.0 Security Profile §5.3 requires.
func (c *Client) profileDefaults() {
	c.RequirePAR, c.RequirePKCE, c.DPoPBound = true, true, true
	if c.TokenEndpointAuthMethod == "" {
		c.TokenEndpointAuthMethod = AuthPrivateKeyJWT
	}
	for _, alg := range []*string{&c.IDTokenSignedResponseAlg, &c.AuthorizationSignedResponseAlg, &c.IntrospectionSignedResponseAlg} {
		if *alg == "" {
			*alg = "PS256"
		}
	}
}

// ForPeople tells whether c gets tokens for people, who agree to it.
func (c *Client) ForPeople() bool {
	return c.HasGrantType(AuthorizationCode) || c.HasGrantType(DeviceCode) || c.HasGrantType(Implicit)
}

// redirects tells whether a browser is sent back to c with the answer.
func (c *Client) redirects() bool {
	return c.HasGrantType(AuthorizationCode) || c.HasGrantType(Implicit)
}

func (c *Client) checkIdentity(policy Policy) *Error {
	switch {
	case c.Document() && policy.Documents:
		if problem := CheckDocumentID(c.ID); problem != "" {
			return metadataError("client_id", "%s", problem)
		}
		if c.TokenEndpointAuthMethod != AuthNone && c.TokenEndpointAuthMethod != AuthPrivateKeyJWT {
			// A secret in the document would be there for everybody to read.
			return metadataError("token_endpoint_auth_method", "must be none or private_key_jwt for a client that is known by a document")
		}
	case len(c.ID) > maxText || !idPattern.MatchString(c.ID):
		return metadataError("client_id", "must be 1 to %d letters, digits, and . _ ~ - after the first", maxText)
	}
	methods := policy.AuthMethods
	if methods == nil {
		methods = AuthMethods
	}
	if !slices.Contains(methods, c.TokenEndpointAuthMethod) {
		return metadataError("token_endpoint_auth_method", "must be one of %s", strings.Join(methods, ", "))
	}
	if !slices.Contains(applicationTypes, c.ApplicationType) {
		return metadataError("application_type", "must be %s", strings.Join(applicationTypes, " or "))
	}
	return nil
}

func (c *Client) checkGrants(policy Policy) *Error {
	known := policy.GrantTypes
	if known == nil {
		known = GrantTypes(policy.LegacyResponseTypes)
	}
	for i, grant := range c.GrantTypes {
		if !slices.Contains(known, grant) {
			return metadataError("grant_types", "may hold %s and nothing else", strings.Join(known, ", "))
		}
		if slices.Contains(c.GrantTypes[:i], grant) {
			return metadataError("grant_types", "names %s twice", grant)
		}
	}
	if c.HasGrantType(RefreshToken) && !c.HasGrantType(AuthorizationCode) && !c.HasGrantType(DeviceCode) {
		return metadataError("grant_types", "holds refresh_token, which needs authorization_code or %s beside it", DeviceCode)
	}
	for _, grant := range []string{ClientCredentials, TokenExchange} {
		if c.HasGrantType(grant) && c.Public() {
			// RFC 6749 §4.4, RFC 8693 §5: these grants rest on nothing but the client's
			// credentials.
			return metadataError("grant_types", "must not hold %s for a client that keeps no secret (token_endpoint_auth_method none)", grant)
		}
	}
	return nil
}

// checkResponseTypes checks the response types, which must fit the grant types (RFC 7591 §2.1,
// OpenID Connect Registration 1.0 §2).
func (c *Client) checkResponseTypes(policy Policy) *Error {
	known := ResponseTypes(policy.LegacyResponseTypes)
	var code, front bool
	var seen []string
	for _, response := range c.ResponseTypes {
		words := strings.Fields(response)
		slices.Sort(words)
		sorted := strings.Join(words, " ")
		if !slices.Contains(known, sorted) || len(sorted) != len(response) {
			return metadataError("response_types", "may hold %s and nothing else", strings.Join(known, ", "))
		}
		if slices.Contains(seen, sorted) {
			return metadataError("response_types", "names %s twice", sorted)
		}
		seen = append(seen, sorted)
		code = code || slices.Contains(words, "code")
		front = front || sorted != "code"
	}
	if code != c.HasGrantType(AuthorizationCode) {
		return metadataError("response_types", "must hold one with code exactly when grant_types holds authorization_code")
	}
	if front != c.HasGrantType(Implicit) {
		return metadataError("response_types", "must hold one with id_token or token exactly when grant_types holds implicit")
	}
	return nil
}

func (c *Client) checkScope(policy Policy) *Error {
	if len(c.Scope) > maxScope {
		return metadataError("scope", "must be at most %d bytes long", maxScope)
	}
	words := strings.Split(c.Scope, " ")
	if c.Scope == "" {
		words = nil
	}
	for i, word := range words {
		if !scopeToken(word) {
			return metadataError("scope", "must be words separated by one space (RFC 6749 §3.3)")
		}
		own := slices.Contains(policy.OwnScopes, word)
		if !own && !slices.Contains(policy.Scopes, word) {
			return metadataError("scope", "holds %s, which this server does not know; it knows %s", word, strings.Join(policy.Scopes, " "))
		}
		if own && !slices.Equal(c.GrantTypes, []string{ClientCredentials}) {
			return metadataError("scope", "holds %s, which is for clients that act for themselves: the only grant type must be %s",
				word, ClientCredentials)
		}
		if slices.Contains(words[:i], word) {
			return metadataError("scope", "names %s twice", word)
		}
	}
	return nil
}

func (c *Client) checkAudiences(Policy) *Error {
	for _, list := range []struct {
		field string
		ids   []string
	}{{"audiences", c.Audiences}, {"token_exchange_audiences", c.TokenExchangeAudiences}} {
		if len(list.ids) > maxURIs {
			return metadataError(list.field, "may hold at most %d", maxURIs)
		}
		for _, id := range list.ids {
			if problem := checkResourceID(id); problem != "" {
				return metadataError(list.field, "%s", problem)
			}
		}
	}
	if (len(c.TokenExchangeAudiences) > 0) != c.HasGrantType(TokenExchange) {
		return metadataError("token_exchange_audiences", "must name the resources to exchange tokens for exactly when grant_types holds %s", TokenExchange)
	}
	if len(c.Audiences) > 0 && c.Public() {
		return metadataError("audiences", "must be empty for a client without a secret: it cannot authenticate to introspect tokens")
	}
	return nil
}

func (c *Client) checkRedirectURIs(Policy) *Error {
	if c.redirects() && len(c.RedirectURIs) == 0 {
		return redirectError("redirect_uris", "must hold at least one URI for the grant types authorization_code and implicit")
	}
	privateUse := c.Public() || c.ApplicationType == ApplicationNative
	for _, list := range []struct {
		field string
		uris  []string
	}{{"redirect_uris", c.RedirectURIs}, {"post_logout_redirect_uris", c.PostLogoutRedirectURIs}} {
		if len(list.uris) > maxURIs {
			return redirectError(list.field, "may hold at most %d URIs", maxURIs)
		}
		for i, uri := range list.uris {
			if problem := checkRedirectURI(uri, privateUse); problem != "" {
				return redirectError(list.field, "number %d %s", i+1, problem)
			}
			if slices.Contains(list.uris[:i], uri) {
				return redirectError(list.field, "number %d is there twice", i+1)
			}
			// OpenID Connect Registration 1.0 §2, application_type: tokens in a URL need TLS.
			if c.HasGrantType(Implicit) && c.ApplicationType == ApplicationWeb && list.field == "redirect_uris" && !strings.HasPrefix(uri, "https:") {
				return redirectError(list.field, "number %d must be https for a web client with the grant type implicit", i+1)
			}
		}
	}
	return nil
}

func (c *Client) checkTexts(Policy) *Error {
	for _, text := range []struct{ field, value string }{{"software_id", c.SoftwareID}, {"software_version", c.SoftwareVersion}} {
		if len(text.value) > maxText || !printable(text.value) {
			return metadataError(text.field, "must be at most %d bytes of printable text", maxText)
		}
	}
	if len(c.Contacts) > maxContacts {
		return metadataError("contacts", "may hold at most %d", maxContacts)
	}
	for i, contact := range c.Contacts { // RFC 7591 §2: "typically email addresses"
		if len(contact) > maxText || !printable(contact) {
			return metadataError("contacts", "number %d must be at most %d bytes of printable text", i+1, maxText)
		}
	}
	for _, m := range Members {
		if !m.Localizable || m.empty(c) {
			continue
		}
		if err := checkShown(m.Name, *m.field(c).(*string)); err != nil {
			return err
		}
	}
	if len(c.Localized) > maxTags {
		return metadataError("client_name", "and its like may have at most %d language tags", maxTags)
	}
	for _, name := range sortedKeys(c.Localized) {
		base, tag, _ := strings.Cut(name, "#")
		if !localizable(base) || len(tag) > 35 || !tagPattern.MatchString(tag) {
			return metadataError(base, "has a variant whose language tag must be one of BCP 47, such as #ko")
		}
		if err := checkShown(base, c.Localized[name]); err != nil {
			err.Field = name
			return err
		}
	}
	return nil
}

// checkShown checks what people see of a client: its name, and addresses that pages link to or
// load.
func checkShown(field, value string) *Error {
	if field == "client_name" {
		if value != strings.TrimSpace(value) || utf8.RuneCountInString(value) > maxName || !printable(value) || value == "" {
			return metadataError(field, "must be 1 to %d printable characters without space around them", maxName)
		}
		return nil
	}
	if problem := checkWebURI(value); problem != "" {
		return metadataError(field, "%s", problem)
	}
	return nil
}

// printable refuses control characters, and invisible ones by which a name can look like another
// (bidirectional overrides, zero width).
func printable(s string) bool {
	if !utf8.ValidString(s) {
		return false
	}
	for _, r := range s {
		if r == utf8.RuneError || r != ' ' && !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
