package login

import (
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // people choose a time zone, also where the machine knows none
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/language"
	"golang.org/x/text/unicode/norm"

	"github.com/maru-auth/maru/authz-server/internal/pages"
	"github.com/maru-auth/maru/authz-server/internal/store"
)

// profileFields are what people tell of themselves beyond name and e-mail address, each with its place in an account and
// how it is cleaned: every clean function takes what was typed, not empty, and returns what is stored or what is wrong.
var profileFields = []struct {
	name  string
	in    func(*store.User) *string
	clean func(string, time.Time) (string, pages.Problem)
}{
	{"given_name", func(u *store.User) *string { return &u.Claims.GivenName }, cleanLine(maxName)},
	{"family_name", func(u *store.User) *string { return &u.Claims.FamilyName }, cleanLine(maxName)},
	{"middle_name", func(u *store.User) *string { return &u.Claims.MiddleName }, cleanLine(maxName)},
	{"nickname", func(u *store.User) *string { return &u.Claims.Nickname }, cleanLine(maxName)},
	{"preferred_username", func(u *store.User) *string { return &u.Claims.PreferredUsername }, cleanLine(maxName)},
	{"profile", func(u *store.User) *string { return &u.Claims.Profile }, cleanURL},
	{"picture", func(u *store.User) *string { return &u.Claims.Picture }, cleanURL},
	{"website", func(u *store.User) *string { return &u.Claims.Website }, cleanURL},
	{"gender", func(u *store.User) *string { return &u.Claims.Gender }, cleanLine(50)},
	{"birthdate", func(u *store.User) *string { return &u.Claims.Birthdate }, cleanBirthdate},
	{"zoneinfo", func(u *store.User) *string { return &u.Claims.Zoneinfo }, cleanZone},
	{"locale", func(u *store.User) *string { return &u.Locale }, cleanLocale},
	{"phone_number", func(u *store.User) *string { return &u.Claims.PhoneNumber }, cleanPhone},
	{"formatted", func(u *store.User) *string { return &u.Claims.Address.Formatted }, cleanLines(500)},
	{"street_address", func(u *store.User) *string { return &u.Claims.Address.StreetAddress }, cleanLines(300)},
	{"locality", func(u *store.User) *string { return &u.Claims.Address.Locality }, cleanLine(maxName)},
	{"region", func(u *store.User) *string { return &u.Claims.Address.Region }, cleanLine(maxName)},
	{"postal_code", func(u *store.User) *string { return &u.Claims.Address.PostalCode }, cleanLine(20)},
	{"country", func(u *store.User) *string { return &u.Claims.Address.Country }, cleanLine(maxName)},
}

// maxProfileField is more than any field has, in bytes: no more is worked on.
const maxProfileField = 8 << 10

// setProfile writes the typed values into u, cleaned, and tells what is wrong with which. What was not typed is left as it is.
// Another telephone number is not a verified one.
func setProfile(u *store.User, typed map[string]string, now time.Time) map[string]pages.Problem {
	problems := make(map[string]pages.Problem)
	phone := u.Claims.PhoneNumber
	for _, field := range profileFields {
		value, ok := typed[field.name]
		if !ok {
			continue
		}
		if len(value) > maxProfileField {
			problems[field.name] = pages.TextTooLong
			continue
		}
		if value = norm.NFC.String(strings.TrimSpace(value)); value != "" {
			var problem pages.Problem
			if value, problem = field.clean(value, now); problem != "" {
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

// profileOf is setProfile's inverse.
func profileOf(u store.User) map[string]string {
	values := make(map[string]string)
	for _, field := range profileFields {
		values[field.name] = *field.in(&u)
	}
	return values
}

// CleanProfile puts locale and claims of u into the form in which they are stored. Its error names what is wrong.
func CleanProfile(u *store.User, now time.Time) error {
	verified := u.Claims.PhoneVerified
	problems := setProfile(u, profileOf(*u), now)
	u.Claims.PhoneVerified = verified && u.Claims.PhoneNumber != "" // who calls this says so
	for _, field := range profileFields {
		if problem, ok := problems[field.name]; ok {
			return fmt.Errorf("%s: %s", field.name, strings.ReplaceAll(string(problem), "_", " "))
		}
	}
	return nil
}

// cleanLine is for a line of text of at most so many characters.
func cleanLine(most int) func(string, time.Time) (string, pages.Problem) {
	return func(s string, _ time.Time) (string, pages.Problem) {
		if utf8.RuneCountInString(s) > most {
			return s, pages.TextTooLong
		}
		s, problem := cleanName(s)
		if problem != "" {
			problem = pages.TextInvalid
		}
		return s, problem
	}
}

// cleanLines is the same for several lines, which end with a line feed (OIDC Core §5.1.1 allows either). Empty ones are dropped.
func cleanLines(most int) func(string, time.Time) (string, pages.Problem) {
	return func(s string, now time.Time) (string, pages.Problem) {
		if utf8.RuneCountInString(s) > most {
			return s, pages.TextTooLong
		}
		var lines []string
		for line := range strings.SplitSeq(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(s), "\n") {
			if strings.TrimSpace(line) == "" {
				continue
			}
			line, problem := cleanName(line)
			if problem == pages.NameTooLong {
				return s, pages.TextTooLong
			}
			if problem != "" {
				return s, pages.TextInvalid
			}
			lines = append(lines, line)
		}
		return strings.Join(lines, "\n"), ""
	}
}

// maxURL is how long an address on the web may be, in bytes.
const maxURL = 1000

// cleanURL takes web addresses alone: an application may make a link or an image of them.
func cleanURL(s string, _ time.Time) (string, pages.Problem) {
	if len(s) > maxURL {
		return s, pages.TextTooLong
	}
	u, err := url.Parse(s)
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Hostname() == "" || u.User != nil || strings.ContainsAny(s, "\\\"'<>`") ||
		strings.ContainsFunc(s, func(c rune) bool { return unicode.IsSpace(c) || !unicode.IsGraphic(c) }) {
		return s, pages.URLInvalid
	}
	return s, ""
}

// cleanBirthdate takes YYYY-MM-DD, 0000-MM-DD (without the year) and YYYY (OIDC Core §5.1).
func cleanBirthdate(s string, now time.Time) (string, pages.Problem) {
	layout := "2006-01-02"
	if len(s) == 4 {
		layout = "2006"
	}
	date, err := time.Parse(layout, s)
	// It may be tomorrow here already for some.
	if err != nil || date.After(now.Add(24*time.Hour)) || (date.Year() < 1850 && (date.Year() != 0 || layout == "2006")) {
		return s, pages.BirthdayInvalid
	}
	return s, ""
}

// zoneName is how names of time zones look; the machine's zone files are read by them.
var zoneName = regexp.MustCompile(`^[A-Z][A-Za-z0-9_+-]{1,30}(/[A-Z][A-Za-z0-9_+-]{1,30}){0,2}$`)

func cleanZone(s string, _ time.Time) (string, pages.Problem) {
	if !zoneName.MatchString(s) || s == "Local" {
		return s, pages.ZoneInvalid
	}
	if _, err := time.LoadLocation(s); err != nil {
		return s, pages.ZoneInvalid
	}
	return s, ""
}

// cleanLocale takes BCP 47 tags, also with the underscore that some write (OIDC Core §5.1), and makes them canonical.
func cleanLocale(s string, _ time.Time) (string, pages.Problem) {
	if len(s) > 35 { // BCP 47 §4.4.1
		return s, pages.LocaleInvalid
	}
	tag, err := language.Parse(s)
	if err != nil || tag == language.Und {
		return s, pages.LocaleInvalid
	}
	return tag.String(), ""
}

// cleanPhone takes numbers with a country code, however they are grouped, and makes them E.164 (OIDC Core §5.1), with an
// extension as RFC 3966 writes it.
func cleanPhone(s string, _ time.Time) (string, pages.Problem) {
	number, extension, extended := strings.Cut(strings.ToLower(s), ";ext=")
	number = strings.NewReplacer(" ", "", "-", "", ".", "", "(", "", ")", "", "\u00a0", "", "\u2010", "", "\u2011", "").Replace(number)
	if !phoneNumber.MatchString(number) {
		return s, pages.PhoneInvalid
	}
	if !extended {
		return number, ""
	}
	if _, err := strconv.ParseUint(extension, 10, 32); err != nil {
		return s, pages.PhoneInvalid
	}
	return number + ";ext=" + extension, ""
}

var phoneNumber = regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`)
