package jwks

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// Claims is what a verified token says. A Claims that [Verifier.Verify]
// returned must not be changed: it may be shared by all that serve a request.
type Claims struct {
	Issuer   string   // iss
	Subject  string   // sub: a person's id, or the client's for a token of its own
	Audience []string // aud; the Verifier's is among them
	ClientID string   // client_id: the client that the token was issued to
	ID       string   // jti
	// Scope has the granted scopes (scope, a space-separated string, or an
	// array).
	Scope []string

	IssuedAt  time.Time // iat
	Expiry    time.Time // exp; never zero
	NotBefore time.Time // nbf; zero if absent

	// About the person's login; zero for a client's own token, or if the
	// issuer does not say.
	SessionID string    // sid
	AuthTime  time.Time // auth_time: when the person logged in
	ACR       string    // acr: how surely
	AMR       []string  // amr: by which means

	// Roles has the person's roles (roles, RFC 9068 §2.2.3.1), where they are
	// plain strings.
	Roles []string

	// Raw is the claims set as JSON, for claims not named here. See Decode.
	Raw json.RawMessage
}

// HasScope says whether the scope was granted.
func (c *Claims) HasScope(scope string) bool { return slices.Contains(c.Scope, scope) }

// RequireScope returns nil if every one of the scopes was granted, and
// otherwise an error that is ErrInsufficientScope and names them all, so that
// [Guard.WriteError] can tell the client what to ask for.
func (c *Claims) RequireScope(scopes ...string) error {
	for _, s := range scopes {
		if !c.HasScope(s) {
			return &scopeError{slices.Clone(scopes)}
		}
	}
	return nil
}

// HasRole says whether the person has the role.
func (c *Claims) HasRole(role string) bool { return slices.Contains(c.Roles, role) }

// IsClient says whether a client acts for itself (client credentials) and no
// person is behind the token. RFC 9068 §2.2: the subject is the client then.
func (c *Claims) IsClient() bool { return c.Subject != "" && c.Subject == c.ClientID }

// Decode stores the claims set in the value that v points to, as
// json.Unmarshal does: for claims that Claims has no field for.
func (c *Claims) Decode(v any) error { return json.Unmarshal(c.Raw, v) }

// claimsSet is a claims set as parsed: the claims, and what else decides.
type claimsSet struct {
	Claims
	typ             string // from the header, normalized
	hasConfirmation bool   // cnf is there, whatever its value
}

// parse reads the claims set. Claims that decide whether the token is good
// must have the right form; those that only inform are left zero if they do
// not.
func (c *claimsSet) parse(payload []byte) error {
	c.Raw = payload
	return eachMember(payload, func(name, value []byte) (err error) {
		switch string(name) {
		case "iss":
			c.Issuer, err = stringValue(value)
		case "sub":
			c.Subject, err = stringValue(value)
		case "aud":
			c.Audience, err = audienceValue(value)
		case "client_id":
			c.ClientID, err = stringValue(value)
		case "jti":
			c.ID, err = stringValue(value)
		case "scope":
			c.Scope, err = scopeValue(value)
		case "iat":
			c.IssuedAt, err = timeValue(value)
		case "exp":
			c.Expiry, err = timeValue(value)
		case "nbf":
			c.NotBefore, err = timeValue(value)
		case "cnf":
			c.hasConfirmation = true
		case "sid":
			c.SessionID, _ = stringValue(value)
		case "auth_time":
			c.AuthTime, _ = timeValue(value)
		case "acr":
			c.ACR, _ = stringValue(value)
		case "amr":
			c.AMR, _ = stringsValue(value)
		case "roles":
			c.Roles, _ = stringsValue(value)
		}
		return err
	})
}

// RFC 7519 §4.1.3: one audience may stand as a plain string.
func audienceValue(value []byte) ([]string, error) {
	if value[0] == '"' {
		s, err := stringValue(value)
		return []string{s}, err
	}
	return stringsValue(value)
}

// RFC 8693 §4.2: a string, its scopes apart by single spaces (and no other
// white space). Some issuers write an array.
func scopeValue(value []byte) ([]string, error) {
	if value[0] == '[' {
		return stringsValue(value)
	}
	s, err := stringValue(value)
	if err != nil || s == "" {
		return nil, err
	}
	scopes := strings.Split(s, " ")
	return slices.DeleteFunc(scopes, func(s string) bool { return s == "" }), nil
}
