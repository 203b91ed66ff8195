package upstream

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/gorilla/mux"

	"github.com/maru-auth/maru/authz-server/internal/opaque"
	"github.com/maru-auth/maru/authz-server/internal/pages"
	"github.com/maru-auth/maru/authz-server/internal/session"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/upstreams"
	"github.com/maru-auth/maru/internal/httpd"
)

const loggedOutPath = "/login/upstream/{name}/logged-out"

// LoggedOutPath is where the upstream with a name sends people back to who logged out there, below the
// issuer.
func LoggedOutPath(name string) string { return strings.Replace(loggedOutPath, "{name}", name, 1) }

// Farewell is what is left of a log-in at an upstream when the session here ends that began by it.
type Farewell struct {
	Title string // what people call the upstream
	Leads bool   // they are led there, to log out

	provider provider
	idToken  string // of the log-in there; empty: it is not kept
}

// Farewell returns what will be left when a session ends; nil: nothing. Call it before.
func (u *Upstreams) Farewell(ctx context.Context, current *session.Session) (*Farewell, error) {
	if u == nil {
		return nil, nil //nolint:nilnil // nothing is left
	}
	origin, err := u.Sessions.Origin(ctx, current)
	if err != nil || origin == nil {
		return nil, err
	}
	p, err := u.provider(ctx, origin.Upstream)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil //nolint:nilnil // the same
	}
	if err != nil {
		return nil, err
	}
	f := &Farewell{Title: p.Title, Leads: p.Logout, provider: *p}
	if p.Logout && p.isIssuer(origin.Issuer) { // the settings may name another by now
		f.idToken, err = u.hint(ctx, current.ID, *origin)
	}
	return f, err
}

// hint returns the ID token by which a session began; empty: it is not kept, or no key opens it.
func (u *Upstreams) hint(ctx context.Context, sessionID string, o upstreams.Origin) (token string, err error) {
	o.IDToken, err = u.Store.Upstreams.IDToken(ctx, sessionID)
	if errors.Is(err, store.ErrNotFound) || err == nil && o.IDToken == "" {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	if token, _, err = openHint(u.KEK, o); err != nil {
		u.Log.WarnContext(ctx, "the ID token of a session cannot be used", "upstream", o.Upstream, "error", err)
		return "", nil
	}
	return token, nil
}

// LeadOut is where somebody whose session has ended logs out at the upstream (OpenID Connect
// RP-Initiated Logout §2). They come back to go on to next, an address that was checked; empty: to a
// page of this server. It returns an empty text if f leads nowhere, or there is no way there.
//
// The upstream gets client_id and, as id_token_hint, the ID token that it gave: some refuse without, and
// others then need not ask the person.
func (u *Upstreams) LeadOut(w http.ResponseWriter, r *http.Request, f *Farewell, next string) string {
	if f == nil || !f.Leads {
		return ""
	}
	p, state := &f.provider, opaque.New()
	m, err := u.metadata(r.Context(), p, u.cause(r, p.Name))
	if err == nil && m.EndSession == "" {
		return ""
	}
	if err == nil {
		err = u.Fetch.Check(m.EndSession)
	}
	if err == nil {
		err = u.Store.Upstreams.Begin(r.Context(), state, u.Sessions.EnsureBrowser(w, r),
			upstreams.Login{Upstream: p.Name, Issuer: p.Issuer, Purpose: upstreams.LogOut, Interaction: next})
	}
	if err != nil { // here, they are logged out all the same
		u.Log.WarnContext(r.Context(), "nobody can be led to log out at an upstream", "request", httpd.RequestID(r.Context()),
			"upstream", p.Name, "error", err)
		return ""
	}
	form := url.Values{"client_id": {p.ClientID}, "state": {state}, "post_logout_redirect_uri": {u.Issuer.URL(LoggedOutPath(p.Name))}}
	if f.idToken != "" {
		form.Set("id_token_hint", f.idToken)
	}
	return withQuery(m.EndSession, form)
}

// GET /login/upstream/{name}/logged-out: somebody comes back who logged out there. Whatever the address
// says, they go on to where they were going when this server led them there, in this browser.
func (u *Upstreams) loggedOut(w http.ResponseWriter, r *http.Request) {
	name, browser := mux.Vars(r)["name"], u.Sessions.Browser(r)
	l, err := upstreams.Login{}, store.ErrNotFound
	if form, ok := read(r.URL.Query()); ok && browser != "" {
		l, err = u.Store.Upstreams.Spend(r.Context(), form.Get("state"), browser, name)
	}
	page := pages.LoggedOutPage{}
	if err == nil && l.Purpose == upstreams.LogOut {
		if l.Interaction != "" {
			header := w.Header()
			header.Set("Cache-Control", "no-store")
			header.Set("Referrer-Policy", "no-referrer")
			header.Set("Location", l.Interaction)
			w.WriteHeader(http.StatusSeeOther)
			return
		}
		page.There = pages.BackFrom
		page.Upstream, err = u.Title(r.Context(), name)
	}
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		u.Guard.Fail(w, r, err)
		return
	}
	u.Pages.Render(w, r, http.StatusOK, page)
}
