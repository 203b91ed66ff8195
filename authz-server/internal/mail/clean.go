package mail

import (
	"net/url"
	"regexp"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// The most characters of others' texts in a letter.
const (
	maxName = 60
	maxFact = 120
	maxNote = 300
)

var sixDigits = regexp.MustCompile(`^[0-9]{6}$`)

// oneLine is text in one line of at most limit characters, without those that cannot be seen or
// that change the direction of others.
func oneLine(text string, limit int) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Cs, unicode.Zl, unicode.Zp), r == unicode.ReplacementChar:
			return -1
		}
		return r
	}, text)
	text = strings.Join(strings.Fields(text), " ")
	if letters := []rune(text); len(letters) > limit {
		text = strings.TrimSpace(string(letters[:limit-1])) + "…"
	}
	return text
}

// advertises matches what mail programs make a link of, or a person would dial: a scheme, an
// address, a domain, a telephone number. IDNA counts the three other full stops as dots.
var advertises = regexp.MustCompile(`://|@|(?i)\bwww\b|[\p{L}\p{N}][.。．。][\p{L}]{2}|[.。．。]\s*(?i:com|net|org|io|kr)\b|(\p{N}[^\p{L}]*){5}`)

// strangersName is a name that anybody can have given with somebody else's address. Whoever mails
// an advertisement by it finds it left out.
func strangersName(name string) string {
	if advertises.MatchString(norm.NFKC.String(oneLine(name, 10*maxName))) {
		return ""
	}
	return oneLine(name, maxName)
}

// absolute tells whether link is an http or https address with a host.
func absolute(link string) bool {
	u, err := url.Parse(link)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != ""
}
