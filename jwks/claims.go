package jwks

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/maru-auth/maru/jwks/internal/exactjson"
	"github.com/maru-auth/maru/jwks/jose"
)

// Claims is what a verified token says. [Verifier.Verify] makes a new one for
// each caller, which may be shared by all that serve a request, and then must
// not be changed.
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

	// Actor is who acts for the subject, in a token that was exchanged (act,
	// RFC 8693 §4.1). Nil: the client itself.
	Actor *Actor

	// KeyThumbprint is the RFC 7638 thumbprint of the key that the token is
	// bound to (cnf.jkt) and that the sender has proved to have. Empty for a
	// bearer token.
	KeyThumbprint string

	// Raw is the claims set as JSON, for claims not named here. See Decode.
	Raw json.RawMessage
}

// An Actor is a party that acts for a token's subject.
type Actor struct {
	Subject string // sub
	Issuer  string // iss; usually empty: the token's
	// Actor is who acted before this one, nil if nobody did. It is for the
	// log: only the current actor counts for what may be done (RFC 8693 §4.1).
	Actor *Actor
}

// HasScope says whether the scope was granted.
func (c *Claims) HasScope(scope string) bool { return slices.Contains(c.Scope, scope) }

// RequireScope returns nil if every one of the scopes was granted, and
// otherwise an error that is ErrInsufficientScope and names them all, so that
// [Guard.WriteError] can tell the client what to ask for.
func (c *Claims) RequireScope(scopes ...string) error {
	for _, s := range scopes {
		if !c.HasScope(s) {
			return &scopeError{slices.Clone(scopes), c.KeyThumbprint != ""}
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

// claimsSet is a claims set as parsed: the claims, and what else decides. It is
// immutable once it was parsed: others get the claims by copy.
type claimsSet struct {
	Claims                  // without Raw
	text            string  // the claims as JSON
	typ             string  // from the header, normalized
	keyID           string  // from the header
	hasConfirmation bool    // cnf is there, whatever its value
	bound           binding // thumbprint: empty unless cnf.jkt is all that cnf has
	status          statusRef

	room [usualStrings]string // for the slices of Claims, if they fit
}

// usualStrings is how many strings the slices of a usual token's claims have,
// all together. More are fine, and take one allocation more.
const usualStrings = 12

// copy returns the claims for one caller, who shares nothing with others that
// can be changed.
func (c *claimsSet) copy() *Claims {
	var copied *Claims
	var room []string
	if n := len(c.Audience) + len(c.Scope) + len(c.AMR) + len(c.Roles); n <= usualStrings {
		both := &struct {
			Claims
			room [usualStrings]string
		}{}
		copied, room = &both.Claims, both.room[:0]
	} else {
		copied, room = &Claims{}, make([]string, 0, n)
	}
	*copied = c.Claims
	for _, list := range []*[]string{&copied.Audience, &copied.Scope, &copied.AMR, &copied.Roles} {
		if *list == nil {
			continue
		}
		start := len(room)
		room = append(room, *list...)
		*list = room[start:len(room):len(room)]
	}
	copied.Actor = c.Actor.copy()
	copied.Raw = json.RawMessage(c.text)
	return copied
}

func (a *Actor) copy() *Actor {
	if a == nil {
		return nil
	}
	return &Actor{Subject: a.Subject, Issuer: a.Issuer, Actor: a.Actor.copy()}
}

// What a string's header and an Actor take, in bytes.
const (
	stringSize = 16
	actorSize  = 40
)

// size returns about how many bytes the claims take beside the struct.
func (c *claimsSet) size() int {
	size := len(c.text)
	if strings.IndexByte(c.text, '\\') >= 0 {
		size *= 2 // strings with escapes are no parts of the text
	}
	if n := len(c.Audience) + len(c.Scope) + len(c.AMR) + len(c.Roles); n > usualStrings {
		size += 2 * n * stringSize
	}
	for a := c.Actor; a != nil; a = a.Actor {
		size += actorSize
	}
	return size
}

// parse reads the claims set. Claims that decide whether the token is good
// must have the right form; those that only inform are left zero if they do
// not.
func (c *claimsSet) parse(text string) error {
	c.text = text
	// Each list takes what the one before it has left.
	room := c.room[:0]
	list := func(values []string, err error) ([]string, error) {
		if err != nil || len(values) == len(room) {
			return nil, err
		}
		start := len(room)
		room = values
		return values[start:len(values):len(values)], nil
	}
	return exactjson.Members(text, func(name, value string) (err error) {
		switch name {
		case "iss":
			c.Issuer, err = exactjson.String(value)
		case "sub":
			c.Subject, err = exactjson.String(value)
		case "aud":
			c.Audience, err = list(appendAudience(room, value))
		case "client_id":
			c.ClientID, err = exactjson.String(value)
		case "jti":
			c.ID, err = exactjson.String(value)
		case "scope":
			c.Scope, err = list(appendScope(room, value))
		case "iat":
			c.IssuedAt, err = exactjson.NumericDate(value)
		case "exp":
			c.Expiry, err = exactjson.NumericDate(value)
		case "nbf":
			c.NotBefore, err = exactjson.NumericDate(value)
		case "cnf":
			c.hasConfirmation = true
			c.bound.thumbprint = confirmationValue(value)
		case "dpop_alg":
			c.bound.algorithm, err = exactjson.String(value)
		case "status":
			c.status, err = statusValue(value)
		case "act":
			// Without it, the actor's doing would pass for the subject's.
			c.Actor, err = actorValue(value, maxActors)
		case "sid":
			c.SessionID, _ = exactjson.String(value)
		case "auth_time":
			c.AuthTime, _ = exactjson.NumericDate(value)
		case "acr":
			c.ACR, _ = exactjson.String(value)
		case "amr":
			c.AMR, _ = list(exactjson.AppendStrings(room, value))
		case "roles":
			c.Roles, _ = list(exactjson.AppendStrings(room, value))
		}
		return err
	})
}

// RFC 7519 §4.1.3: one audience may stand as a plain string.
func appendAudience(list []string, value string) ([]string, error) {
	if value[0] == '"' {
		s, err := exactjson.String(value)
		return append(list, s), err
	}
	return exactjson.AppendStrings(list, value)
}

// RFC 8693 §4.2: a string, its scopes apart by single spaces (and no other
// white space). Some issuers write an array.
func appendScope(list []string, value string) ([]string, error) {
	if value[0] == '[' {
		return exactjson.AppendStrings(list, value)
	}
	scopes, err := exactjson.String(value)
	for len(scopes) > 0 {
		var scope string
		if scope, scopes, _ = strings.Cut(scopes, " "); scope != "" {
			list = append(list, scope)
		}
	}
	return list, err
}

// confirmationValue returns the thumbprint of the key that a token is bound to
// (RFC 9449 §6.1), or the empty string if it is bound in another way, or in
// several.
func confirmationValue(value string) string {
	var thumbprint string
	err := exactjson.Members(value, func(name, value string) (err error) {
		if name != "jkt" {
			return errConfirmation
		}
		thumbprint, err = exactjson.String(value)
		return err
	})
	if err != nil || !jose.IsThumbprint(thumbprint) {
		return ""
	}
	return thumbprint
}

var (
	errConfirmation = errors.New("another confirmation method than jkt")
	errActors       = errors.New("too long a chain of actors")
)

const maxActors = 16

// actorValue decodes an actor and the actors before it, at most most of them.
func actorValue(value string, most int) (*Actor, error) {
	if most == 0 {
		return nil, errActors
	}
	actor := &Actor{}
	err := exactjson.Members(value, func(name, value string) (err error) {
		switch name {
		case "sub":
			actor.Subject, err = exactjson.String(value)
		case "iss":
			actor.Issuer, err = exactjson.String(value)
		case "act":
			actor.Actor, err = actorValue(value, most-1)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return actor, nil
}
