// Package lang has everything that the app says. Each language is one file, with its words, plural
// forms, dates and name; to add a language, write its file and list it in [All].
package lang

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/feature/plural"
	"golang.org/x/text/language"
)

// All are the languages that the app speaks. The first is for those who ask for none of them.
var All = Languages{english, korean}

// Language is a language that the app speaks.
type Language struct {
	Tag  language.Tag
	Name string                 // in the language itself
	Date func(time.Time) string // date and time, without the zone

	Words   map[string]string // by key; %s and %d stand for what is put in
	Counted map[string]Forms  // by key: what depends on a number
}

// Forms says how many there are, by plural form (CLDR). Other is required, and stands in for forms
// that are left out. The first %d is the number.
type Forms map[plural.Form]string

// Code is the language's tag as a string: "en", "ko".
func (l *Language) Code() string { return l.Tag.String() }

// T returns the words for key. A key without words is returned as it is; a test finds such keys.
func (l *Language) T(key string, args ...any) string {
	text, ok := l.Words[key]
	if !ok {
		return key
	}
	if len(args) > 0 {
		return fmt.Sprintf(text, args...)
	}
	return text
}

// Has tells whether there are words for key. Tokens may have claims that the app cannot explain.
func (l *Language) Has(key string) bool { return l.Words[key] != "" }

// Count returns the words for n things.
func (l *Language) Count(key string, n int) string {
	forms, ok := l.Counted[key]
	if !ok {
		return key
	}
	text, ok := forms[plural.Cardinal.MatchPlural(l.Tag, n, 0, 0, 0, 0)]
	if !ok {
		text = forms[plural.Other]
	}
	return strings.Replace(text, "%d", strconv.Itoa(n), 1)
}

// Ago returns the words for a time so long ago. It returns false where a date says more: after a
// week, and in the future.
func (l *Language) Ago(ago time.Duration) (string, bool) {
	const day = 24 * time.Hour
	switch {
	case ago < -time.Minute || ago >= 7*day: // clocks may differ a little
		return "", false
	case ago < time.Minute:
		return l.T("just_now"), true
	case ago < time.Hour:
		return l.Count("minutes_ago", int(ago/time.Minute)), true
	case ago < day:
		return l.Count("hours_ago", int(ago/time.Hour)), true
	}
	return l.Count("days_ago", int(ago/day)), true
}

// Languages is a list of languages to choose from. It is not empty.
type Languages []*Language

// Find returns the language with a code, whatever its region, or nil.
func (ls Languages) Find(code string) *Language {
	base, _, _ := strings.Cut(code, "-")
	for _, l := range ls {
		if l.Code() == base {
			return l
		}
	}
	return nil
}

// Others returns all languages but one.
func (ls Languages) Others(shown *Language) Languages {
	var others Languages
	for _, l := range ls {
		if l != shown {
			others = append(others, l)
		}
	}
	return others
}

// maxHeader is how long an Accept-Language header may be, in bytes, to be read.
const maxHeader = 500

// Asked returns the language that best fits what a browser asks for (RFC 9110 §12.5.4).
func (ls Languages) Asked(r *http.Request) *Language {
	header := r.Header.Get("Accept-Language")
	if len(header) > maxHeader {
		return ls[0]
	}
	var tags []language.Tag
	for _, l := range ls {
		tags = append(tags, l.Tag)
	}
	_, i := language.MatchStrings(language.NewMatcher(tags), header)
	return ls[i]
}
