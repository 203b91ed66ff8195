package login

import (
	"errors"
	"net/http"
	"net/url"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/pages"
	"github.com/maru-auth/maru/authz-server/internal/proofs"
	"github.com/maru-auth/maru/authz-server/internal/session"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/requests"
	"github.com/maru-auth/maru/internal/httpd"
)

// arrival is what the pages know of why a person is here.
type arrival struct {
	handle      string // of the interaction; empty: nobody sent the person
	interaction requests.Interaction
	app         *pages.App // nil: no application sent the person
	confirm     bool       // somebody who is logged in is to prove again who they are
}

// demands is what is demanded of the log-in.
func (a arrival) demands() proofs.Request {
	return proofs.Request{ACR: a.interaction.ACR, Essential: a.interaction.EssentialACR, Strongest: a.confirm}
}

// query is the query of the pages that the person is led through.
func (a arrival) query() string {
	switch {
	case a.handle != "":
		return "?interaction=" + url.QueryEscape(a.handle)
	case a.confirm:
		return "?" + session.Confirm
	}
	return ""
}

// with is query and one more parameter.
func (a arrival) with(parameter string) string {
	if query := a.query(); query != "" {
		return query + "&" + parameter
	}
	return "?" + parameter
}

// arrival finds the interaction that r names, and returns r in the language that its application
// wishes. When it cannot be had, it answers and returns false.
func (l *Login) arrival(w http.ResponseWriter, r *http.Request) (a arrival, with *http.Request, ok bool) {
	handle := r.URL.Query().Get("interaction")
	if handle == "" {
		return arrival{confirm: r.URL.Query().Get("confirm") == "yes"}, r, true
	}
	in, err := l.Sessions.Interaction(r, handle)
	if errors.Is(err, store.ErrNotFound) {
		l.LeadOn(w, r, handle)
		return arrival{}, r, false
	}
	if err != nil {
		l.Guard.Fail(w, r, err)
		return arrival{}, r, false
	}
	r = pages.WithLocales(r, in.Form.Get("ui_locales"), in.CreatedAt)
	if in.ClientID == "" { // begun by a page of this server that needs a log-in: /device
		return arrival{handle: handle, interaction: in}, r, true
	}
	app, err := l.Apps.App(r, in.ClientID, in.Form.Get("redirect_uri"))
	if err != nil {
		l.Guard.Fail(w, r, err)
		return arrival{}, r, false
	}
	httpd.NoteClient(w, app.ID)
	return arrival{handle: handle, interaction: in, app: &app}, r, true
}

// onward leads to where the person goes after a page that is done. Whoever is not sent by an
// application goes past /agree, which knows whether they have to agree to something.
func (l *Login) onward(w http.ResponseWriter, r *http.Request, handle string) {
	l.Guard.See(w, r, l.next(w, r, handle))
}

// next is where the person goes after a page that is done; see onward.
func (l *Login) next(w http.ResponseWriter, r *http.Request, handle string) (path string) {
	if handle == "" && l.Signup.Terms.Version != "" {
		return "/agree"
	}
	return l.end(w, r, handle)
}

// lead is onward for somebody who has been at /agree.
func (l *Login) lead(w http.ResponseWriter, r *http.Request, handle string) {
	l.Guard.See(w, r, l.end(w, r, handle))
}

// end is where all pages lead in the end.
func (l *Login) end(w http.ResponseWriter, r *http.Request, handle string) (path string) {
	if handle != "" {
		return "/oauth2/authorize?interaction=" + url.QueryEscape(handle)
	}
	return l.Landing(w, r)
}

// LeadOn answers a request for an interaction that does not wait any more. A second click on a
// button whose answer is slow, the back button and a bookmark all make one. What this browser
// finished leads back to its application, if somebody is logged in here; the answer itself is given
// once. For an interaction that is unknown, has expired or is another browser's, a page says so.
func (l *Login) LeadOn(w http.ResponseWriter, r *http.Request, handle string) {
	current, err := l.Sessions.Session(r)
	var in requests.Interaction
	if err == nil {
		in, err = l.Sessions.Spent(r, handle)
	}
	var c client.Client
	if err == nil {
		c, err = l.Store.Clients.Client(r.Context(), in.ClientID)
	}
	if errors.Is(err, store.ErrNotFound) {
		l.Pages.Render(w, r, http.StatusBadRequest, pages.ErrorPage{Code: "invalid_request", Expired: true,
			Detail: "The parameter interaction names a log-in that is finished, has expired, or was started in another browser."})
		return
	}
	var app pages.App
	if err == nil {
		r = pages.WithLocales(r, in.Form.Get("ui_locales"), in.CreatedAt)
		app, err = l.Apps.App(r, in.ClientID, in.Form.Get("redirect_uri"))
	}
	if err != nil {
		l.Guard.Fail(w, r, err)
		return
	}
	switch home := l.Apps.Home(r, &c); {
	case current == nil:
		app.Home = home
		l.Pages.Render(w, r, http.StatusBadRequest, pages.ErrorPage{Code: "invalid_request", Expired: true, App: &app,
			Detail: "This log-in is completed already, and nobody is logged in any more."})
	case home != "":
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Referrer-Policy", "no-referrer")
		w.Header().Set("Location", home)
		w.WriteHeader(http.StatusSeeOther)
	default:
		l.Pages.Render(w, r, http.StatusOK, pages.AlreadyPage{App: app, To: l.again(&c, in.Form)})
	}
}

// again is a link by which a person makes the same request once more, as their application would;
// empty: only the application can make it, for it pushed or signed it.
func (l *Login) again(c *client.Client, form url.Values) string {
	if form.Has("request_uri") || c.RequirePAR || c.RequireSignedRequestObject || c.Profile != "" {
		return ""
	}
	return l.Issuer.Path("/oauth2/authorize?" + form.Encode())
}
