package client

import (
	"maps"
	"net/mail"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Policy is what the server supports: what [Client.Check] checks against.
type Policy struct {
	Scopes       []string // all that a client may be registered for
	DefaultScope string   // given to a client for people that names none; empty: no scope
	GrantTypes   []string // nil: the three of this package
	AuthMethods  []string // nil: the three of this package
}

// Limits of a client's metadata. They keep a row, a page and a log line of sensible size.
const (
	maxURIs     = 50
	maxURI      = 2000 // bytes
	maxName     = 100  // characters
	maxText     = 255  // bytes, of identifiers and versions
	maxContacts = 10
	maxScope    = 2000 // bytes
	maxTags     = 50
)

// localizable are the members that can have language tags (RFC 7591 §2.2).
var localizable = map[string]bool{"client_name": true, "client_uri": true, "logo_uri": true, "policy_uri": true, "tos_uri": true}

var (
	idPattern  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._~-]*$`)
	tagPattern = regexp.MustCompile(`^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$`)
)

// Check fills in the defaults of RFC 7591 §2 and says what is wrong, as an [*Error] about the first thing found.
// It is the only check of a client's metadata. Client.ID must be set.
func (c *Client) Check(policy Policy) error {
	c.defaults(policy)
	for _, check := range []func(Policy) *Error{c.checkIdentity, c.checkGrants, c.checkScope, c.checkURIs, c.checkTexts} {
		if err := check(policy); err != nil {
			return err
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
	if c.TokenEndpointAuthMethod == "" {
		c.TokenEndpointAuthMethod = AuthBasic
	}
	if c.ApplicationType == "" {
		c.ApplicationType = "web"
	}
	if c.Scope == "" && c.HasGrantType(AuthorizationCode) {
		c.Scope = policy.DefaultScope
	}
	if c.Public() {
		c.RequirePKCE = true // RFC 9700 §2.1.1
	}
}

func (c *Client) checkIdentity(policy Policy) *Error {
	if len(c.ID) > maxText || !idPattern.MatchString(c.ID) {
		return metadataError("client_id", "must be 1 to %d letters, digits, and . _ ~ - after the first", maxText)
	}
	methods := policy.AuthMethods
	if methods == nil {
		methods = []string{AuthBasic, AuthPost, AuthNone}
	}
	if !slices.Contains(methods, c.TokenEndpointAuthMethod) {
		return metadataError("token_endpoint_auth_method", "must be one of %s", strings.Join(methods, ", "))
	}
	if c.ApplicationType != "web" && c.ApplicationType != "native" {
		return metadataError("application_type", "must be web or native")
	}
	return nil
}

func (c *Client) checkGrants(policy Policy) *Error {
	known := policy.GrantTypes
	if known == nil {
		known = []string{AuthorizationCode, RefreshToken, ClientCredentials}
	}
	for i, grant := range c.GrantTypes {
		if !slices.Contains(known, grant) {
			return metadataError("grant_types", "may hold %s and nothing else", strings.Join(known, ", "))
		}
		if slices.Contains(c.GrantTypes[:i], grant) {
			return metadataError("grant_types", "names %s twice", grant)
		}
	}
	if c.HasGrantType(RefreshToken) && !c.HasGrantType(AuthorizationCode) {
		return metadataError("grant_types", "holds refresh_token, which needs authorization_code beside it")
	}
	if c.HasGrantType(ClientCredentials) && c.Public() {
		// RFC 6749 §4.4: the client's own credentials are all that this grant rests on.
		return metadataError("grant_types", "must not hold client_credentials for a client without a secret (token_endpoint_auth_method none)")
	}
	for _, response := range c.ResponseTypes {
		if response != "code" {
			return metadataError("response_types", "may hold code and nothing else")
		}
	}
	if len(c.ResponseTypes) > 1 {
		return metadataError("response_types", "names code twice")
	}
	// RFC 7591 §2.1: the two go together.
	if (len(c.ResponseTypes) > 0) != c.HasGrantType(AuthorizationCode) {
		return metadataError("response_types", "must hold code exactly when grant_types holds authorization_code")
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
		if !slices.Contains(policy.Scopes, word) {
			return metadataError("scope", "holds %s, which this server does not know; it knows %s", word, strings.Join(policy.Scopes, " "))
		}
		if slices.Contains(words[:i], word) {
			return metadataError("scope", "names %s twice", word)
		}
	}
	if len(c.Audiences) > maxURIs {
		return metadataError("audiences", "may hold at most %d", maxURIs)
	}
	for _, audience := range c.Audiences {
		if problem := checkResourceID(audience); problem != "" {
			return metadataError("audiences", "%s", problem)
		}
	}
	if len(c.Audiences) > 0 && c.Public() {
		return metadataError("audiences", "must be empty for a client without a secret: it cannot authenticate to introspect tokens")
	}
	return nil
}

func (c *Client) checkURIs(Policy) *Error {
	if c.HasGrantType(AuthorizationCode) && len(c.RedirectURIs) == 0 {
		return redirectError("redirect_uris", "must hold at least one URI for the grant type authorization_code")
	}
	privateUse := c.Public() || c.ApplicationType == "native"
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
		return metadataError("contacts", "may hold at most %d addresses", maxContacts)
	}
	for i, contact := range c.Contacts {
		address, err := mail.ParseAddress(contact)
		if err != nil || address.Address != contact || len(contact) > maxText || !printable(contact) {
			return metadataError("contacts", "number %d must be a mail address", i+1)
		}
	}
	for _, m := range c.members() {
		if value, ok := m.value.(*string); ok && localizable[m.name] && *value != "" {
			if err := checkShown(m.name, *value); err != nil {
				return err
			}
		}
	}
	if len(c.Localized) > maxTags {
		return metadataError("client_name", "and its like may have at most %d language tags", maxTags)
	}
	for _, name := range sortedKeys(c.Localized) {
		base, tag, _ := strings.Cut(name, "#")
		if !localizable[base] || len(tag) > 35 || !tagPattern.MatchString(tag) {
			return metadataError(base, "has a variant whose language tag must be one of BCP 47, such as #ko")
		}
		if err := checkShown(base, c.Localized[name]); err != nil {
			err.Field = name
			return err
		}
	}
	return nil
}

// checkShown checks what people see of a client: its name, and addresses that a page links to or loads.
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

// printable refuses control characters and the invisible ones that make a name read as another's (bidirectional overrides, zero width).
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
