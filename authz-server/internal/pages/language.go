package pages

import (
	"cmp"
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/messages"
)

// Languages are the BCP 47 tags of the languages that pages can be had in, the default first.
func (p *Pages) Languages() []string { return p.cfg.Languages.Tags() }

// Offered are the languages that a person can choose whose locale is a BCP 47 tag, or empty.
func (p *Pages) Offered(locale string) (all []LanguageOption) {
	chosen := p.cfg.Languages.UILocales(locale)
	for _, tag := range p.cfg.Languages.Tags() {
		t := p.cfg.Languages.Tagged(tag)
		all = append(all, LanguageOption{tag, t.OwnName, t == chosen})
	}
	return all
}

// Name is the product's name in the default language.
func (p *Pages) Name() string { return p.cfg.Languages.Default().Brand }

// Language is the tag of the language that a page for r is in: by ?lang=, a later choice in the
// cookie, ui_locales, an earlier choice in the cookie, Accept-Language, in this order.
func (p *Pages) Language(r *http.Request) string { return p.language(r).Tag }

// Problem is what a page for r would say of a problem, with how long to wait.
func (p *Pages) Problem(r *http.Request, problem messages.Problem, wait time.Duration) string {
	return p.language(r).Problem(problem, wait)
}

// PasskeyName is what a passkey is called at first, in the language of a page for r: as its keeper,
// or as the browser and system where it was made. What is not known is empty.
func (p *Pages) PasskeyName(r *http.Request, keeper, browser, system string) string {
	t := p.language(r)
	return cmp.Or(keeper, t.Device(browser, system), t.Passkeys.NewName)
}

func (p *Pages) language(r *http.Request) *messages.Language {
	query := r.URL.Query()
	if t := p.cfg.Languages.Tagged(query.Get("lang")); t != nil {
		return t
	}
	chosen, at := p.languageCookie(r)
	app, ok := r.Context().Value(wishKey{}).(wish)
	if !ok {
		app = wish{wanted: query.Get("ui_locales"), since: p.cfg.Now()}
	}
	if chosen != nil && at.After(app.since) {
		return chosen
	}
	if t := p.cfg.Languages.UILocales(app.wanted); t != nil {
		return t
	}
	if chosen != nil {
		return chosen
	}
	if t := p.cfg.Languages.AcceptLanguage(r.Header.Get("Accept-Language")); t != nil {
		return t
	}
	return p.cfg.Languages.Default()
}

// Product is the product's name in the language of a page for r.
func (p *Pages) Product(r *http.Request) string { return p.language(r).Brand }

const languageCookie = "maru-lang"

// languageCookie reads what the person once chose and when: "ko.1790000000".
func (p *Pages) languageCookie(r *http.Request) (*messages.Language, time.Time) {
	cookie, err := r.Cookie(languageCookie)
	if err != nil {
		return nil, time.Time{}
	}
	tag, at, _ := strings.Cut(cookie.Value, ".")
	seconds, err := strconv.ParseInt(at, 10, 64)
	if err != nil {
		return nil, time.Time{}
	}
	return p.cfg.Languages.Tagged(tag), time.Unix(seconds, 0)
}

// chooseLanguage is language, and remembers a choice made just now.
func (p *Pages) chooseLanguage(w http.ResponseWriter, r *http.Request) *messages.Language {
	t := p.language(r)
	if r.Method == http.MethodGet && r.URL.Query().Get("lang") == t.Tag {
		http.SetCookie(w, &http.Cookie{ //nolint:gosec // G124: Secure unless the issuer is on plain http
			Name: languageCookie, Value: t.Tag + "." + strconv.FormatInt(p.cfg.Now().Unix(),
				10), Path: p.cfg.Issuer.CookiePath(),
			MaxAge: 365 * 24 * 3600, HttpOnly: true, Secure: p.cfg.Issuer.Secure(), SameSite: http.SameSiteLaxMode,
		})
	}
	return t
}

type languageLink struct {
	Tag, Name, URL string
	Current        bool
}

// languageLinks are links to the same page in each language.
func (p *Pages) languageLinks(r *http.Request, current *messages.Language) []languageLink {
	var links []languageLink
	for _, t := range p.cfg.Languages.List() {
		query := r.URL.Query()
		query.Set("lang", t.Tag)
		// The query alone: a path such as //example.org would be a link to somewhere else.
		links = append(links, languageLink{Tag: t.Tag, Name: t.OwnName, URL: "?" + query.Encode(), Current: t == current})
	}
	return links
}

type wishKey struct{}

type wish struct {
	wanted string
	since  time.Time
}

// WithLocales returns r with an application's wish for a language: uiLocales is the OpenID
// parameter ui_locales, BCP 47 tags separated by spaces, said at since. What a person chose on a
// page later than that wins. Without it, Render looks for ui_locales in the query.
func WithLocales(r *http.Request, uiLocales string, since time.Time) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), wishKey{}, wish{uiLocales, since}))
}
