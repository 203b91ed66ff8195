// Package profile reads what people write about themselves (names, e-mail addresses, telephone
// numbers, dates, places), in the ways that people write it, and turns it into claims as OpenID
// Connect defines them.
package profile

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"time"
	_ "time/tzdata" // people choose a time zone, also where the machine knows none
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/language"
	"golang.org/x/text/unicode/norm"

	"github.com/maru-auth/maru/authz-server/internal/messages"
	"github.com/maru-auth/maru/authz-server/internal/places"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
)

// fields are what people tell about themselves beyond name and e-mail address. A clean function
// takes what was typed, which is not empty, and returns what to store or what is wrong.
var fields = []struct {
	name  string
	in    func(*accounts.User) *string
	clean func(string, where) (string, messages.Problem)
}{
	{"given_name", func(u *accounts.User) *string { return &u.Claims.GivenName }, cleanLine(maxName)},
	{"family_name", func(u *accounts.User) *string { return &u.Claims.FamilyName }, cleanLine(maxName)},
	{"middle_name", func(u *accounts.User) *string { return &u.Claims.MiddleName }, cleanLine(maxName)},
	{"nickname", func(u *accounts.User) *string { return &u.Claims.Nickname }, cleanLine(maxName)},
	{"preferred_username", func(u *accounts.User) *string { return &u.Claims.PreferredUsername }, cleanLine(maxName)},
	{"profile", func(u *accounts.User) *string { return &u.Claims.Profile }, cleanURL},
	{"picture", func(u *accounts.User) *string { return &u.Claims.Picture }, cleanURL},
	{"website", func(u *accounts.User) *string { return &u.Claims.Website }, cleanURL},
	{"gender", func(u *accounts.User) *string { return &u.Claims.Gender }, cleanLine(50)},
	{"birthdate", func(u *accounts.User) *string { return &u.Claims.Birthdate }, cleanBirthdate},
	{"zoneinfo", func(u *accounts.User) *string { return &u.Claims.Zoneinfo }, cleanZone},
	{"locale", func(u *accounts.User) *string { return &u.Locale }, cleanLocale},
	{"phone_number", func(u *accounts.User) *string { return &u.Claims.PhoneNumber }, cleanPhone},
	{"formatted", func(u *accounts.User) *string { return &u.Claims.Address.Formatted }, cleanLines(500)},
	{"street_address", func(u *accounts.User) *string { return &u.Claims.Address.StreetAddress }, cleanLines(300)},
	{"locality", func(u *accounts.User) *string { return &u.Claims.Address.Locality }, cleanLine(maxName)},
	{"region", func(u *accounts.User) *string { return &u.Claims.Address.Region }, cleanLine(maxName)},
	{"postal_code", func(u *accounts.User) *string { return &u.Claims.Address.PostalCode }, cleanLine(20)},
	{"country", func(u *accounts.User) *string { return &u.Claims.Address.Country }, cleanCountry},
}

// Fields are the names of the fields of a profile, in the order of the claims.
func Fields() []string {
	var names []string
	for _, field := range fields {
		names = append(names, field.name)
	}
	return names
}

// where is the time and country that decide how to read what a person types.
type where struct {
	now    time.Time
	region string // code in ISO 3166-1 of the country whose telephone numbers they dial; empty: unknown
}

// maxField is more than any field can hold, in bytes.
const maxField = 8 << 10

// Set writes the typed values into u, cleaned, and returns what is wrong, by field. Fields that
// were not typed stay as they are. A telephone number that changes is no longer verified. region is
// the country to assume when u does not tell; it may be empty.
func Set(u *accounts.User, typed map[string]string, now time.Time, region string) map[string]messages.Problem {
	at := where{now, regionOf(u, typed, region)}
	problems := make(map[string]messages.Problem)
	phone := u.Claims.PhoneNumber
	for _, field := range fields {
		value, ok := typed[field.name]
		if !ok {
			continue
		}
		if len(value) > maxField {
			problems[field.name] = messages.TextTooLong
			continue
		}
		if value = norm.NFC.String(strings.TrimSpace(value)); value != "" {
			var problem messages.Problem
			if value, problem = field.clean(value, at); problem != "" {
				problems[field.name] = problem
				continue
			}
		}
		*field.in(u) = value
	}
	if u.Claims.PhoneNumber != phone || phone == "" {
		u.Claims.PhoneVerified = false
	}
	return problems
}

// Of returns the profile of u, by field.
func Of(u accounts.User) map[string]string {
	values := make(map[string]string)
	for _, field := range fields {
		values[field.name] = *field.in(&u)
	}
	return values
}

// Clean puts locale and claims of u into the form in which they are stored. Its error names what is
// wrong.
func Clean(u *accounts.User, now time.Time) error {
	verified := u.Claims.PhoneVerified
	problems := Set(u, Of(*u), now, "")
	u.Claims.PhoneVerified = verified && u.Claims.PhoneNumber != "" // the caller vouches for it
	for _, field := range fields {
		if problem, ok := problems[field.name]; ok {
			return fmt.Errorf("%s: %s", field.name, strings.ReplaceAll(string(problem), "_", " "))
		}
	}
	return nil
}

// cleanLine cleans a line of text of at most most characters.
func cleanLine(most int) func(string, where) (string, messages.Problem) {
	return func(s string, _ where) (string, messages.Problem) {
		if utf8.RuneCountInString(s) > most {
			return s, messages.TextTooLong
		}
		s, problem := Name(s)
		if problem != "" {
			problem = messages.TextInvalid
		}
		return s, problem
	}
}

// cleanLines is cleanLine for several lines. They end with a line feed (OIDC Core §5.1.1 allows
// either), and empty ones are dropped.
func cleanLines(most int) func(string, where) (string, messages.Problem) {
	return func(s string, at where) (string, messages.Problem) {
		if utf8.RuneCountInString(s) > most {
			return s, messages.TextTooLong
		}
		var lines []string
		for line := range strings.SplitSeq(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(s), "\n") {
			if strings.TrimSpace(line) == "" {
				continue
			}
			line, problem := Name(line)
			if problem == messages.NameTooLong {
				return s, messages.TextTooLong
			}
			if problem != "" {
				return s, messages.TextInvalid
			}
			lines = append(lines, line)
		}
		return strings.Join(lines, "\n"), ""
	}
}

// maxURL is how long an address on the web may be, in bytes.
const maxURL = 1000

// cleanURL takes web addresses only: applications make links and images of them.
func cleanURL(s string, _ where) (string, messages.Problem) {
	if len(s) > maxURL {
		return s, messages.TextTooLong
	}
	u, err := url.Parse(s)
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Hostname() == "" || u.User != nil || strings.ContainsAny(s, "\\\"'<>`") ||
		strings.ContainsFunc(s, func(c rune) bool { return unicode.IsSpace(c) || !unicode.IsGraphic(c) }) {
		return s, messages.URLInvalid
	}
	return s, ""
}

// zoneName is the form of a time zone's name, which becomes the name of a file.
var zoneName = regexp.MustCompile(`^[A-Z][A-Za-z0-9_+-]{1,30}(/[A-Z][A-Za-z0-9_+-]{1,30}){0,2}$`)

func cleanZone(s string, _ where) (string, messages.Problem) {
	if !zoneName.MatchString(s) || s == "Local" {
		return s, messages.ZoneInvalid
	}
	if _, err := time.LoadLocation(s); err != nil {
		return s, messages.ZoneInvalid
	}
	return s, ""
}

// cleanLocale takes BCP 47 tags, also with the underscore that some write (OIDC Core §5.1), and makes them canonical.
func cleanLocale(s string, _ where) (string, messages.Problem) {
	if len(s) > 35 { // BCP 47 §4.4.1
		return s, messages.LocaleInvalid
	}
	tag, err := language.Parse(s)
	if err != nil || tag == language.Und {
		return s, messages.LocaleInvalid
	}
	return tag.String(), ""
}

// cleanCountry takes a country's code in either case, and any other text as it is.
func cleanCountry(s string, at where) (string, messages.Problem) {
	if len(s) == 2 && places.CountryCode(s) != "" {
		return places.CountryCode(s), ""
	}
	return cleanLine(maxName)(s, at)
}
