package pages

import (
	"html/template"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/maru-auth/maru/authz-server/internal/client"
)

// App is a client as a person sees it.
type App struct {
	ID     string
	Name   string // empty: the id is shown
	Logo   string // URLs, or empty
	Home   string
	Policy string
	Terms  string

	Unchecked bool   // nobody here vouched for it: it registered itself, or is known by a document
	Host      string // where that document is: all that is known of who it is
	Return    string // the host that the person goes back to, of an unchecked app
	OnDevice  bool   // they go back to a program on their own device
}

// Display is the app's name, or its id when it has none.
func (a App) Display() string {
	if a.Name == "" {
		return a.ID
	}
	return a.Name
}

// link is raw when it is an http or https address, and empty otherwise: javascript: and its like
// never become a link.
func link(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" {
		return ""
	}
	return raw
}

// appLink is a registered address of an app as a link, or empty.
func appLink(uri string) template.URL {
	if !client.Linkable(uri) {
		return ""
	}
	return template.URL(uri) //nolint:gosec // see client.Linkable; html/template would let no app's own scheme through
}

// HomeLink is the app's own page, or empty. An unchecked app could name anybody's, and look like
// them.
func (a App) HomeLink() string {
	if a.Unchecked {
		return ""
	}
	return link(a.Home)
}

// Site is the host of the app's own page, or empty.
func (a App) Site() string {
	u, err := url.Parse(a.HomeLink())
	if err != nil {
		return ""
	}
	return u.Host
}

// PolicyLink is the app's privacy policy, or empty.
func (a App) PolicyLink() string { return link(a.Policy) }

// TermsLink is the app's terms of service, or empty.
func (a App) TermsLink() string { return link(a.Terms) }

// logo is the address that the page's headers allow the browser to load, or empty; a may be nil.
// The logo of an unchecked app is not loaded: it could be anybody's mark, and would tell the app's
// server who is looking.
func (a *App) logo() string {
	if a == nil || a.Unchecked {
		return ""
	}
	return a.Logo
}

// ShowsLogo tells whether the browser is allowed to load the logo.
func (a App) ShowsLogo() bool { return sourceOf(a.logo()) != "" }

// WithoutLogo is for lists: their headers do not allow logos of many origins.
func (a App) WithoutLogo() App {
	a.Logo = ""
	return a
}

// Letter stands for the logo.
func (a App) Letter() string {
	r, _ := utf8.DecodeRuneInString(strings.TrimSpace(a.Display()))
	if r == utf8.RuneError {
		return "?"
	}
	return strings.ToUpper(string(r))
}
