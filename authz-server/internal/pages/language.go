package pages

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/language"
)

// catalogue is every language, the first for those who ask for none of them.
var catalogue = []*messages{&english, &korean}

// Languages are the BCP 47 tags that pages can be had in, the first by default.
func Languages() []string {
	var tags []string
	for _, t := range catalogue {
		tags = append(tags, t.Tag)
	}
	return tags
}

var matcher = language.NewMatcher([]language.Tag{language.English, language.Korean})

// match finds the catalogue's language for tags in order of preference, or nil when it has none of them.
func match(tags ...language.Tag) *messages {
	for _, tag := range tags {
		if tag == language.Und {
			continue
		}
		if _, i, confidence := matcher.Match(tag); confidence >= language.High {
			return catalogue[i]
		}
	}
	return nil
}

// maxLocales is how much of a list of languages is read, in bytes: parsing is work that a stranger asks for.
const maxLocales = 200

func parseUILocales(s string) *messages {
	if len(s) > maxLocales {
		s = s[:maxLocales]
	}
	for _, word := range strings.Fields(s) {
		if tag, err := language.Parse(word); err == nil {
			if t := match(tag); t != nil {
				return t
			}
		}
	}
	return nil
}

func parseAcceptLanguage(s string) *messages {
	if len(s) > maxLocales {
		s = s[:maxLocales]
		if i := strings.LastIndexByte(s, ','); i >= 0 {
			s = s[:i]
		}
	}
	tags, _, err := language.ParseAcceptLanguage(s)
	if err != nil {
		return nil
	}
	return match(tags...)
}

func byTag(tag string) *messages {
	for _, t := range catalogue {
		if t.Tag == tag {
			return t
		}
	}
	return nil
}

// Language is the tag of the language that a page for r is in: by ?lang=, a later choice in the cookie, ui_locales, an
// earlier choice in the cookie, Accept-Language, in this order.
func (p *Pages) Language(r *http.Request) string { return p.language(r).Tag }

func (p *Pages) language(r *http.Request) *messages {
	query := r.URL.Query()
	if t := byTag(query.Get("lang")); t != nil {
		return t
	}
	chosen, at := p.languageCookie(r)
	wish, ok := r.Context().Value(localesKey{}).(locales)
	if !ok {
		wish = locales{wanted: query.Get("ui_locales"), since: p.cfg.Now()}
	}
	if chosen != nil && at.After(wish.since) {
		return chosen
	}
	if t := parseUILocales(wish.wanted); t != nil {
		return t
	}
	if chosen != nil {
		return chosen
	}
	if t := parseAcceptLanguage(r.Header.Get("Accept-Language")); t != nil {
		return t
	}
	return catalogue[0]
}

const languageCookie = "maru-lang"

// languageCookie reads what the person once chose and when: "ko.1790000000".
func (p *Pages) languageCookie(r *http.Request) (*messages, time.Time) {
	cookie, err := r.Cookie(languageCookie)
	if err != nil {
		return nil, time.Time{}
	}
	tag, at, _ := strings.Cut(cookie.Value, ".")
	seconds, err := strconv.ParseInt(at, 10, 64)
	if err != nil {
		return nil, time.Time{}
	}
	return byTag(tag), time.Unix(seconds, 0)
}

// chooseLanguage is language, and remembers a choice made just now.
func (p *Pages) chooseLanguage(w http.ResponseWriter, r *http.Request) *messages {
	t := p.language(r)
	if r.Method == http.MethodGet && r.URL.Query().Get("lang") == t.Tag {
		http.SetCookie(w, &http.Cookie{ //nolint:gosec // G124: Secure unless the issuer is on plain http
			Name: languageCookie, Value: t.Tag + "." + strconv.FormatInt(p.cfg.Now().Unix(), 10), Path: p.cfg.Issuer.CookiePath(),
			MaxAge: 365 * 24 * 3600, HttpOnly: true, Secure: p.cfg.Issuer.Secure(), SameSite: http.SameSiteLaxMode,
		})
	}
	return t
}

type languageLink struct {
	Tag, Name, URL string
	Current        bool
}

// languageLinks lead to the same page in each language.
func languageLinks(r *http.Request, current *messages) []languageLink {
	var links []languageLink
	for _, t := range catalogue {
		query := r.URL.Query()
		query.Set("lang", t.Tag)
		// The query alone: a path such as //example.org would be a link to somewhere else.
		links = append(links, languageLink{Tag: t.Tag, Name: t.Language, URL: "?" + query.Encode(), Current: t == current})
	}
	return links
}
