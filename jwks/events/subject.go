package events

import (
	"encoding/json"
	"errors"

	"github.com/maru-auth/maru/jwks/internal/exactjson"
)

// subjectDepth bounds how deep subjects contain subjects: aliases may be in a
// member of a complex one (RFC 9493 §3.2.8, SSF §3.3).
const subjectDepth = 3

// maxAliases bounds the names of a subject.
const maxAliases = 32

// FormatComplex is the Format of a [Subject] with Members (SSF §3.3).
const FormatComplex = "complex"

// A Subject is whom or what an event is about (RFC 9493). The zero Subject
// means that the token does not say.
type Subject struct {
	// Format is how the subject is named: account, email, iss_sub, opaque,
	// phone_number, did, uri, aliases; complex (SSF §3.3); or one that this
	// package does not know, and then Raw has all that there is.
	Format string

	Issuer, Subject string // of iss_sub
	Email           string // of email
	Phone           string // of phone_number
	ID              string // of opaque
	URI             string // of account and uri; the url of did

	Aliases []Subject          // names of one subject
	Members map[string]Subject // of complex: user, device, session, application, tenant, org_unit, group
	Raw     json.RawMessage
}

// Person returns the sub by which tokens of the issuer name the person whom the
// subject is as a whole, or the empty string: it is something else, is named
// otherwise, or there is more to it, such as a single session of the person.
func (s Subject) Person(issuer string) string {
	switch s.Format {
	case "iss_sub":
		if s.Issuer == issuer {
			return s.Subject
		}
	case "aliases":
		for _, alias := range s.Aliases {
			if sub := alias.Person(issuer); sub != "" {
				return sub
			}
		}
	case FormatComplex:
		// SSF §3.3.1: the subject is what all members say together.
		if len(s.Members) == 1 {
			return s.Members["user"].Person(issuer)
		}
	}
	return ""
}

var errSubject = errors.New("malformed subject")

// parseSubject reads a subject, itself included not deeper than depth.
func parseSubject(raw json.RawMessage, depth int) (Subject, error) {
	var s Subject
	if depth == 0 || raw[0] != '{' {
		return s, errSubject
	}
	var names struct {
		Format  string            `json:"format"`
		Issuer  string            `json:"iss"`
		Subject string            `json:"sub"`
		Email   string            `json:"email"`
		Phone   string            `json:"phone_number"`
		ID      string            `json:"id"`
		URI     string            `json:"uri"`
		URL     string            `json:"url"`
		Aliases []json.RawMessage `json:"identifiers"`
	}
	format := struct {
		Format string `json:"format"`
	}{}
	if err := unmarshal(raw, &format); err != nil || format.Format == "" {
		return s, errSubject
	}
	s.Format, s.Raw = format.Format, raw
	if s.Format == FormatComplex {
		return s, s.parseMembers(depth)
	}
	if !formats[s.Format] {
		return s, nil
	}
	if err := unmarshal(raw, &names); err != nil {
		return s, errSubject
	}
	s.Issuer, s.Subject, s.Email, s.Phone, s.ID, s.URI = names.Issuer, names.Subject, names.Email, names.Phone, names.ID, names.URI
	if s.Format == "did" {
		s.URI = names.URL
	}
	for _, alias := range names.Aliases {
		one, err := parseSubject(alias, min(depth-1, 1)) // RFC 9493 §3.2.8: aliases have none themselves
		if err != nil {
			return s, err
		}
		s.Aliases = append(s.Aliases, one)
	}
	return s, s.check()
}

// formats are those of RFC 9493 §3.2.
var formats = map[string]bool{
	"account": true, "email": true, "iss_sub": true, "opaque": true, "phone_number": true, "did": true, "uri": true, "aliases": true,
}

// check tells whether the subject has what its format requires, and no aliases
// that it must not have.
func (s Subject) check() error {
	present := map[string]bool{
		"account": s.URI != "", "email": s.Email != "", "iss_sub": s.Issuer != "" && s.Subject != "", "opaque": s.ID != "",
		"phone_number": s.Phone != "", "did": s.URI != "", "uri": s.URI != "", "aliases": len(s.Aliases) > 0,
	}[s.Format]
	if !present || (s.Format != "aliases" && len(s.Aliases) > 0) || len(s.Aliases) > maxAliases {
		return errSubject
	}
	return nil
}

// parseMembers reads the members of a complex subject.
func (s *Subject) parseMembers(depth int) error {
	s.Members = make(map[string]Subject)
	return exactjson.Members(string(s.Raw), func(name, value string) error {
		if name == "format" {
			return nil
		}
		// A complex subject has simple ones only (SSF §3.3).
		one, err := parseSubject(json.RawMessage(value), min(depth-1, 2))
		if err != nil {
			return err
		}
		if one.Format == FormatComplex {
			return errSubject
		}
		s.Members[name] = one
		return nil
	})
}
