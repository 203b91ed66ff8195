// Package apps knows how an application is shown to a person: its name, where it is from, and a
// warning when nobody vouched for it. Every page that names an application takes it from here, so
// that none can leave out the warning.
package apps

import (
	"errors"
	"net/http"
	"net/netip"
	"net/url"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/pages"
	"github.com/maru-auth/maru/authz-server/internal/store"
)

// Apps shows applications. It is safe for concurrent use.
type Apps struct {
	Store  *store.Store
	Pages  *pages.Pages
	Issuer string // the issuer identifier

	// InsecureLegacyResponseTypes is the server's setting: with it, apps that registered themselves
	// count as vouched for.
	InsecureLegacyResponseTypes bool
}

// App is what a person sees of the client, in the language of r. redirectURI is where the person
// goes back to, or empty when they stay here. An app whose client is gone still has its id.
func (a *Apps) App(r *http.Request, clientID, redirectURI string) (pages.App, error) {
	c, err := a.Store.Clients.Registered(r.Context(), clientID)
	if errors.Is(err, store.ErrNotFound) {
		return pages.App{ID: clientID}, nil
	}
	if err != nil {
		return pages.App{}, err
	}
	c = c.In(a.Pages.Language(r))
	app := pages.App{ID: clientID, Name: c.Name, Logo: c.LogoURI, Home: c.ClientURI, Policy: c.PolicyURI,
		Terms: c.TermsURI, Host: c.Host()}
	app.Unchecked = !c.Vouched(a.InsecureLegacyResponseTypes)
	if app.Unchecked && redirectURI != "" {
		app.Return, app.OnDevice = returnsTo(redirectURI)
		if app.Return == app.Host {
			app.Return = ""
		}
	}
	return app, nil
}

// returnsTo tells where a redirect URI takes the person, as far as that says who is there: a host
// on the web, or a program on their own device, reached by a loopback address or by a scheme of its
// own (RFC 8252 §7.1, §7.3).
func returnsTo(redirectURI string) (host string, onDevice bool) {
	u, err := url.Parse(redirectURI)
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") {
		return "", true
	}
	if address, err := netip.ParseAddr(u.Hostname()); u.Hostname() == "localhost" || err == nil && address.IsLoopback() {
		return "", true
	}
	return u.Host, false
}

// Home is the address where the client begins a log-in (OIDC Core §4), or else its own page; empty
// if neither is known. A client that nobody vouched for has no home: it could lead people anywhere.
func (a *Apps) Home(r *http.Request, c *client.Client) string {
	switch {
	case c.Unvouched:
		return ""
	case c.InitiateLoginURI != "":
		return client.WithQuery(c.InitiateLoginURI, url.Values{"iss": {a.Issuer}})
	}
	return c.In(a.Pages.Language(r)).ClientURI
}
