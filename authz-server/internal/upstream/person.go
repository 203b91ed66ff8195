package upstream

import (
	"encoding/json"
	"errors"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/maru-auth/maru/authz-server/internal/store/upstreams"
	"github.com/maru-auth/maru/jwks/jose"
)

// Person is who somebody is at an upstream, as it says.
type Person struct {
	Issuer        string `json:"iss,omitempty"` // of the subject; that of the settings, or of a tenant
	Subject       string `json:"sub"`
	Session       string `json:"sid,omitempty"` // there; empty: it says none
	Email         string `json:"email,omitempty"`
	EmailVerified bool   `json:"email_verified,omitempty"` // by the upstream's rule, once it has been read
	Name          string `json:"name,omitempty"`
	GivenName     string `json:"given_name,omitempty"`
	FamilyName    string `json:"family_name,omitempty"`
	Nickname      string `json:"nickname,omitempty"`
	Picture       string `json:"picture,omitempty"`
	Locale        string `json:"locale,omitempty"`

	Proof []string `json:"amr"` // of a log-in by it; see package proofs

	// IDToken is by what the upstream says it, encrypted; empty: it is not kept.
	IDToken string `json:"id_token,omitempty"`

	authTime time.Time // of the log-in there; zero: it does not say
}

// Label is what people know an identity by.
func (p Person) Label() string {
	for _, one := range []string{p.Email, p.Name, p.Nickname} {
		if one != "" {
			return clip(one, 100)
		}
	}
	return clip(p.Subject, 20)
}

// origin is what is noted of a session that begins by p's log-in at an upstream.
func (p Person) origin(upstream string) *upstreams.Origin {
	return &upstreams.Origin{Upstream: upstream, Issuer: p.Issuer, Subject: p.Subject, Session: p.Session, Dated: !p.authTime.IsZero(),
		IDToken: p.IDToken}
}

// MadeAccount is what is noted of a session that begins when p makes an account by an upstream:
// whenever they logged in there, they did this now.
func (p Person) MadeAccount(upstream string) *upstreams.Origin {
	o := p.origin(upstream)
	o.Dated = true
	return o
}

// clip shortens text to at most n bytes of valid UTF-8, without what would not show, or turn what is
// around it about.
func clip(text string, n int) string {
	if len(text) > n {
		text = text[:n]
	}
	return strings.Map(func(c rune) rune {
		if c == utf8.RuneError || !unicode.IsPrint(c) {
			return -1
		}
		return c
	}, text)
}

// Bounds of what is taken of an answer, in bytes.
const (
	maxSubject = 255 // OpenID Connect Core §2
	maxClaim   = 500
)

var errSubject = errors.New("it does not say who the person is: the subject is missing, too long, or not a text or a whole number")

// isSubject tells whether a subject names somebody. Postgres stores no NUL.
func isSubject(text string) bool {
	return text != "" && len(text) <= maxSubject && !strings.ContainsFunc(text, unicode.IsControl)
}

// answer is a JSON object of an upstream.
type answer map[string]any

// readJSON reads what an upstream answers, in which names must be unique.
func readJSON(body []byte, into any) error {
	if err := jose.CheckExact(body); err != nil {
		return err
	}
	decoder := json.NewDecoder(strings.NewReader(string(body)))
	decoder.UseNumber() // an id must not lose digits
	if err := decoder.Decode(into); err != nil {
		return errors.New("the answer does not have the form that it should have")
	}
	return nil
}

// at returns what is at a path of names with dots between them.
func (a answer) at(path string) any {
	var found any = map[string]any(a)
	for name := range strings.SplitSeq(path, ".") {
		object, ok := found.(map[string]any)
		if !ok {
			return nil
		}
		found = object[name]
	}
	return found
}

// text returns a text, or a whole number as one; empty: there is none, or it is too long.
func (a answer) text(path string) string {
	var text string
	switch found := a.at(path).(type) {
	case string:
		text = found
	case json.Number:
		if !strings.ContainsAny(found.String(), ".eE") {
			text = found.String()
		}
	}
	if len(text) > maxClaim {
		return ""
	}
	return text
}

// bool tells whether a claim is true. Apple writes it as a text.
func (a answer) bool(path string) bool {
	found := a.at(path)
	return found == true || found == "true"
}

// texts returns a text or a list of them.
func (a answer) texts(path string) (all []string) {
	if list, ok := a.at(path).([]any); ok {
		for _, one := range list {
			if text, ok := one.(string); ok {
				all = append(all, text)
			}
		}
		return all
	}
	if text := a.text(path); text != "" {
		all = append(all, text)
	}
	return all
}

// person reads the claims: each from where chosen has it, or else usual, or else under its own
// name.
func (a answer) person(chosen, usual map[string]string) Person {
	where := func(claim string) string {
		for _, paths := range []map[string]string{chosen, usual} {
			if path := paths[claim]; path != "" {
				return path
			}
		}
		return claim
	}
	text := func(claim string) string { return a.text(where(claim)) }
	return Person{
		Subject: text("sub"), Email: text("email"), EmailVerified: a.bool(where("email_verified")), Name: text("name"),
		GivenName: text("given_name"), FamilyName: text("family_name"), Nickname: text("nickname"), Picture: text("picture"), Locale: text("locale"),
	}
}
