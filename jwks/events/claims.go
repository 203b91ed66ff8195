package events

import (
	"encoding/json"
	"errors"
	"strings"
	"time"
	"unicode"

	"github.com/maru-auth/maru/jwks"
	"github.com/maru-auth/maru/jwks/internal/exactjson"
	"github.com/maru-auth/maru/jwks/jose"
)

// maxID bounds the jti, in bytes: a receiver keeps it.
const maxID = 255

// claims are those of a Security Event Token.
type claims struct {
	issuer, id, transaction string
	audience                []string
	issuedAt, occurredAt    time.Time // the latter is zero if there is no toe
	subject                 json.RawMessage
	events                  []namedEvent
}

type namedEvent struct {
	uri     string
	payload json.RawMessage
}

var (
	errOtherJWT = errors.New("sub and exp must not be in a security event token (SSF §4.1.2, §4.1.7)")
	errRequired = errors.New("iss, iat, jti, aud and events are required")
	errID       = errors.New("jti must be at most 255 bytes long, without control characters")
)

// parseClaims reads a claims set. Names count to the letter and once, at every
// depth.
func parseClaims(payload []byte) (claims, error) {
	var c claims
	if err := jose.CheckExact(payload); err != nil {
		return c, err
	}
	err := exactjson.Members(string(payload), func(name, value string) (err error) {
		switch name {
		case "iss":
			c.issuer, err = exactjson.String(value)
		case "jti":
			c.id, err = exactjson.String(value)
		case "txn":
			c.transaction, err = exactjson.String(value)
		case "aud":
			c.audience, err = stringOrStrings(value)
		case "iat":
			c.issuedAt, err = exactjson.NumericDate(value)
		case "toe":
			c.occurredAt, err = exactjson.NumericDate(value)
		case "sub_id":
			c.subject = json.RawMessage(value)
		case "sub", "exp":
			err = errOtherJWT
		case "events":
			err = exactjson.Members(value, func(name, value string) error {
				c.events = append(c.events, namedEvent{name, json.RawMessage(value)})
				return nil
			})
		}
		return err
	})
	switch {
	case err != nil:
		return c, err
	case c.issuer == "" || c.id == "" || len(c.audience) == 0 || c.issuedAt.IsZero() || len(c.events) == 0:
		return c, errRequired
	case len(c.id) > maxID || strings.ContainsFunc(c.id, unicode.IsControl):
		return c, errID
	}
	return c, nil
}

// stringOrStrings decodes an aud (RFC 7519 §4.1.3).
func stringOrStrings(value string) ([]string, error) {
	if value[0] == '"' {
		s, err := exactjson.String(value)
		return []string{s}, err
	}
	return exactjson.AppendStrings(nil, value)
}

var (
	errSeveral   = errors.New("a token is about one event")
	errNotObject = errors.New("the event is no object")
)

// event makes the event that the claims tell of. There may be several types if
// they are names for the same event (SSF §4.1.5): one that is known counts.
func (c claims) event() (Event, error) {
	chosen, known := c.events[0], false
	for _, one := range c.events {
		if _, ok := payloads[one.uri]; !ok {
			continue
		}
		if known {
			return Event{}, errSeveral
		}
		chosen, known = one, true
	}
	if chosen.payload[0] != '{' {
		return Event{}, errNotObject
	}
	e := Event{
		ID: c.id, Type: chosen.uri, Issuer: c.issuer, Transaction: c.transaction,
		IssuedAt: c.issuedAt, OccurredAt: c.issuedAt, Raw: chosen.payload,
	}
	if !c.occurredAt.IsZero() {
		e.OccurredAt = c.occurredAt
	}
	common := struct {
		At      jose.NumericDate `json:"event_timestamp"` // CAEP §2
		Subject json.RawMessage  `json:"subject"`         // of drafts before SSF 1.0
	}{}
	if err := unmarshal(chosen.payload, &common); err != nil {
		return Event{}, err
	}
	if !common.At.IsZero() {
		e.OccurredAt = common.At.Time
	}
	if e.OccurredAt.After(c.issuedAt.Add(jwks.DefaultLeeway)) {
		e.OccurredAt = c.issuedAt // nobody can tell of what is still to come
	}
	if c.subject == nil {
		c.subject = common.Subject
	}
	var err error
	if c.subject != nil {
		if e.Subject, err = parseSubject(c.subject, subjectDepth); err != nil {
			return Event{}, err
		}
	}
	if known {
		e.Payload, err = payloads[chosen.uri](chosen.payload)
	}
	return e, err
}

func unmarshal(data []byte, v any) error { return jose.UnmarshalExact(data, v) }
