package api

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"time"
	_ "time/tzdata" // time zones, also where the machine has none
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/text/cases"
	"golang.org/x/text/language"

	"github.com/maru-auth/maru/internal/rest"
)

// The limits of what people write, in code points.
const (
	maxDisplayName = 80
	maxBio         = 500
	maxURL         = 500
	maxTag         = 30
	maxInterests   = 30
	maxTags        = 10 * maxInterests // duplicates included
)

// displayName returns the cleaned name, or an error that says what is wrong with it.
func displayName(text string) (string, error) {
	return rest.Length{Least: 1, Most: maxDisplayName}.Line(text)
}

// bio returns the cleaned text, with \n between its lines. Empty is allowed.
func bio(text string) (string, error) {
	text, err := rest.Length{Most: maxBio}.Lines(text)
	if err == nil &&
		strings.ContainsFunc(text, func(r rune) bool { return r != '\n' && r != '\t' && rest.Misleading(r) }) {
		return "", rest.ErrControl
	}
	return text, err
}

var errURL = fmt.Errorf("must be an http or https URL of at most %d characters, such as https://name.example/", maxURL)

// marks escapes what could end an attribute or begin an element of a page.
var marks = strings.NewReplacer(`"`, "%22", "'", "%27", "<", "%3C", ">", "%3E", "`", "%60")

// webURL returns the URL escaped and with its host in ASCII, so that a page can contain it. Empty
// is allowed.
func webURL(text string) (string, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return "", nil
	}
	if !utf8.ValidString(text) || utf8.RuneCountInString(text) > maxURL ||
		strings.ContainsFunc(text, func(r rune) bool { return r == '\\' || unicode.IsSpace(r) || rest.Misleading(r) }) {
		return "", errURL
	}
	u, err := url.Parse(text)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Opaque != "" || u.User != nil ||
		u.Hostname() == "" {
		return "", errURL
	}
	if u.Host, err = asciiHost(u); err != nil {
		return "", errURL
	}
	u.RawQuery = marks.Replace(u.RawQuery) // package url leaves it as it is
	text = u.String()
	if len(text) > maxURL {
		return "", errURL
	}
	return text, nil
}

// asciiHost returns the host and port of u, internationalized names in their ASCII form (RFC 5891).
func asciiHost(u *url.URL) (string, error) {
	host := u.Hostname()
	if addr, err := netip.ParseAddr(host); err == nil {
		if addr.Zone() != "" {
			return "", errURL // a zone means something on one machine only
		}
		return strings.ToLower(u.Host), nil
	}
	host, err := idna.Lookup.ToASCII(host)
	if err != nil {
		return "", err
	}
	if again, err := idna.Lookup.ToASCII(host); err != nil || again != host {
		return "", errURL // browsers would not accept the name in this form
	}
	if port := u.Port(); port != "" {
		host += ":" + port
	}
	return host, nil
}

var errInterests = fmt.Errorf("must be at most %d", maxInterests)

// tags returns the cleaned tags in their order, each once whatever its case.
func tags(texts []string) ([]string, error) {
	kept, seen := []string{}, make(map[string]bool)
	if len(texts) > maxTags {
		return nil, rest.Invalid("body.tags", errInterests)
	}
	for i, text := range texts {
		tag, err := rest.Length{Least: 1, Most: maxTag}.Line(text)
		if err != nil {
			return nil, rest.Invalid(fmt.Sprintf("body.tags[%d]", i), err)
		}
		// A Caser keeps state: one for each use.
		if key := cases.Fold().String(tag); !seen[key] {
			seen[key] = true
			kept = append(kept, tag)
		}
	}
	if len(kept) > maxInterests {
		return nil, rest.Invalid("body.tags", errInterests)
	}
	return kept, nil
}

// locale returns a BCP 47 tag in its canonical form. Empty is allowed.
func locale(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	const longest = 35 // RFC 5646 §4.4.1
	if len(text) <= longest {
		if tag, err := language.Parse(text); err == nil && len(tag.String()) <= longest {
			return tag.String(), nil
		}
	}
	return "", errors.New("must be a language tag (BCP 47) such as ko or en-GB, or empty")
}

// zoneName is the form of names in the IANA database. It keeps LoadLocation from opening other
// files.
var zoneName = regexp.MustCompile(`^[A-Z][A-Za-z0-9_+-]{0,31}(/[A-Z][A-Za-z0-9_+-]{0,31}){0,2}$`)

// timeZone checks that the text names a time zone of the IANA database. Empty is allowed.
func timeZone(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	if zoneName.MatchString(text) && text != "Local" {
		if _, err := time.LoadLocation(text); err == nil {
			return text, nil
		}
	}
	return "", errors.New("must be the name of a time zone (IANA) such as Asia/Seoul, or empty")
}
