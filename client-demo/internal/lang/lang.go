// Package lang holds what the app says, in each of its languages. One file a language has all of its words, its plural forms, its
// dates and its name in the menu; a language is added by such a file and its place in [All].
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

// Language is one language that the app speaks.
type Language struct {
	Tag  language.Tag
	Name string                 // in the language itself, for the menu
	Date func(time.Time) string // a day and its time, without the zone

	Words   map[string]string // what pages say, by key; %s and %d stand for what is put in
	Counted map[string]Forms  // the same, where it depends on a number
}

// Forms are the ways to say how many there are: one for each plural form of the language that differs from the form Other, which
// every language has. The first %d stands for the number.
type Forms map[plural.Form]string

// Code is the language's tag as a string: "en", "ko".
func (l *Language) Code() string { return l.Tag.String() }

// T returns the words for key. A key without words is returned as it is; a test finds those.
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

// Has tells whether there are words for key: some tokens have claims that the app cannot explain.
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

// Ago returns the words for a time that lies so far back, and false where a date says more: after a week, and in the future.
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

// Languages are some to choose from; there is at least one.
type Languages []*Language

// Find returns the language with a code, or nil. A region is of no account: the app speaks one English.
func (ls Languages) Find(code string) *Language {
	base, _, _ := strings.Cut(code, "-")
	for _, l := range ls {
		if l.Code() == base {
			return l
		}
	}
	return nil
}

// Others returns all but one, which the menu offers on its pages.
func (ls Languages) Others(shown *Language) Languages {
	var others Languages
	for _, l := range ls {
		if l != shown {
			others = append(others, l)
		}
	}
	return others
}

// maxHeader bounds the Accept-Language header that is read, in bytes.
const maxHeader = 500

// Asked returns the language that fits best what a browser asks for (RFC 9110 §12.5.4).
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
