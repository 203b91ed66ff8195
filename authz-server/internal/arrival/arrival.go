// Package arrival knows why a person is on a page of a log-in, and where they go on.
//
// The pages know nothing of each other: each ends by a redirect to /oauth2/authorize, which decides
// what is still missing, or, when no application sent the person, to their account. There is no
// other way out.
package arrival

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/maru-auth/maru/authz-server/internal/apps"
	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/guard"
	"github.com/maru-auth/maru/authz-server/internal/issuer"
	"github.com/maru-auth/maru/authz-server/internal/messages"
	"github.com/maru-auth/maru/authz-server/internal/pages"
	"github.com/maru-auth/maru/authz-server/internal/profile"
	"github.com/maru-auth/maru/authz-server/internal/proofs"
	"github.com/maru-auth/maru/authz-server/internal/session"
	"github.com/maru-auth/maru/authz-server/internal/signup"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/requests"
	"github.com/maru-auth/maru/internal/httpd"
)

// Arrivals finds out why people are here, and leads them on. All fields must be set. It is safe for
// concurrent use.
type Arrivals struct {
	Store    *store.Store
	Pages    *pages.Pages
	Issuer   issuer.URL
	Sessions *session.Sessions
	Guard    *guard.Guard
	Apps     *apps.Apps
	Signup   *signup.Policy

	// Landing is the path where somebody goes on whom no application sent.
	Landing func(http.ResponseWriter, *http.Request) string
}

// Arrival is what a page knows of why a person is here.
type Arrival struct {
	Handle      string // of the interaction; empty: nobody sent the person
	Interaction requests.Interaction
	App         *pages.App // nil: no application sent the person
	Confirm     bool       // somebody who is logged in is to prove again who they are
	Several     bool       // with Confirm: by a second step or a passkey
}

// Demands is what is demanded of the log-in.
func (a Arrival) Demands() proofs.Request {
	if a.Several {
		return proofs.Several
	}
	return proofs.Request{ACR: a.Interaction.ACR, Essential: a.Interaction.EssentialACR, Strongest: a.Confirm}
}

// Query is the query of the pages that the person is led through.
func (a Arrival) Query() string {
	switch {
	case a.Handle != "":
		return "?interaction=" + url.QueryEscape(a.Handle)
	case a.Several:
		return "?" + session.ConfirmSeveral
	case a.Confirm:
		return "?" + session.Confirm
	}
	return ""
}

// With is Query and one more parameter.
func (a Arrival) With(parameter string) string {
	if query := a.Query(); query != "" {
		return query + "&" + parameter
	}
	return "?" + parameter
}

// LoginHint is the parameter login_hint (OpenID Connect Core §3.1.2.1), if it can be an address.
func (a Arrival) LoginHint() string {
	hint := strings.TrimSpace(a.Interaction.Form.Get("login_hint"))
	if len(hint) > profile.MaxEmail || strings.ContainsAny(hint, "\r\n") {
		return ""
	}
	return hint
}

// Confirming is the arrival of somebody whom no interaction brought: they may be to prove again who
// they are.
func Confirming(r *http.Request) Arrival {
	confirm := "confirm=" + r.URL.Query().Get("confirm")
	several := confirm == session.ConfirmSeveral
	return Arrival{Confirm: several || confirm == session.Confirm, Several: several}
}

// Of finds the interaction that r names, and returns r in the language that its application
// wishes. When it cannot be had, it answers and returns false.
func (s *Arrivals) Of(w http.ResponseWriter, r *http.Request) (a Arrival, with *http.Request, ok bool) {
	handle := r.URL.Query().Get("interaction")
	if handle == "" {
		return Confirming(r), r, true
	}
	a, with, err := s.Find(r, handle)
	switch {
	case errors.Is(err, store.ErrNotFound):
		s.LeadOn(w, r, handle)
	case err != nil:
		s.Guard.Fail(w, with, err)
	case a.App != nil:
		httpd.NoteClient(w, a.App.ID)
	}
	return a, with, err == nil
}

// Person is Of, and who is logged in; nil: nobody.
func (s *Arrivals) Person(w http.ResponseWriter, r *http.Request) (a Arrival, current *session.Session, with *http.Request, ok bool) {
	if a, r, ok = s.Of(w, r); !ok {
		return Arrival{}, nil, r, false
	}
	current, err := s.Sessions.Session(r)
	if err != nil {
		s.Guard.Fail(w, r, err)
		return Arrival{}, nil, r, false
	}
	return a, current, r, true
}

// Find finds the interaction that waits in the browser that sent r, and returns r in the language
// that its application wishes. [store.ErrNotFound]: it does not wait any more.
func (s *Arrivals) Find(r *http.Request, handle string) (a Arrival, with *http.Request, err error) {
	in, err := s.Sessions.Interaction(r, handle)
	if err != nil {
		return Arrival{}, r, err
	}
	r = pages.WithLocales(r, in.Form.Get("ui_locales"), in.CreatedAt)
	a = Arrival{Handle: handle, Interaction: in}
	if in.ClientID == "" { // begun by a page of this server that needs a log-in: /device
		return a, r, nil
	}
	app, err := s.Apps.App(r, in.ClientID, in.Form.Get("redirect_uri"))
	if err != nil {
		return Arrival{}, r, err
	}
	a.App = &app
	return a, r, nil
}

// Onward leads to where the person goes after a page that is done. Whoever is not sent by an
// application goes past /agree, which knows whether they have to agree to something.
func (s *Arrivals) Onward(w http.ResponseWriter, r *http.Request, handle string) {
	s.Guard.See(w, r, s.Next(w, r, handle))
}

// JoinPath is the page for somebody who came from an upstream and whose identity there is nobody's
// yet. It knows where they go on.
const JoinPath = "/login/upstream"

// Next is where the person goes after a page that is done; see Onward. Whoever proves that an
// account is theirs, to log in to it by an upstream from now on, is asked about that first.
func (s *Arrivals) Next(w http.ResponseWriter, r *http.Request, handle string) (path string) {
	if s.Sessions.Joining(r) {
		return JoinPath
	}
	return s.Joined(w, r, handle)
}

// Joined is Next for somebody who was asked.
func (s *Arrivals) Joined(w http.ResponseWriter, r *http.Request, handle string) (path string) {
	if handle == "" && s.Signup.Terms.Version != "" {
		return "/agree"
	}
	return s.End(w, r, handle)
}

// End is Next for somebody who has been at /agree.
func (s *Arrivals) End(w http.ResponseWriter, r *http.Request, handle string) (path string) {
	if handle != "" {
		return "/oauth2/authorize?interaction=" + url.QueryEscape(handle)
	}
	return s.Landing(w, r)
}

// LeadOn answers a request for an interaction that does not wait any more. A second click on a
// button whose answer is slow, the back button and a bookmark all make one. What this browser
// finished leads back to its application, if somebody is logged in here; the answer itself is given
// once. For an interaction that is unknown, has expired or is another browser's, a page says so.
func (s *Arrivals) LeadOn(w http.ResponseWriter, r *http.Request, handle string) {
	current, err := s.Sessions.Session(r)
	var in requests.Interaction
	if err == nil {
		in, err = s.Sessions.Spent(r, handle)
	}
	var c client.Client
	if err == nil {
		c, err = s.Store.Clients.Client(r.Context(), in.ClientID)
	}
	if errors.Is(err, store.ErrNotFound) {
		s.Pages.Render(w, r, http.StatusBadRequest, pages.ErrorPage{Code: "invalid_request", Expired: true,
			Detail: "The parameter interaction names a log-in that is finished, has expired, or was started in another browser."})
		return
	}
	var app pages.App
	if err == nil {
		r = pages.WithLocales(r, in.Form.Get("ui_locales"), in.CreatedAt)
		app, err = s.Apps.App(r, in.ClientID, in.Form.Get("redirect_uri"))
	}
	if err != nil {
		s.Guard.Fail(w, r, err)
		return
	}
	switch home := s.Apps.Home(r, &c); {
	case current == nil:
		app.Home = home
		s.Pages.Render(w, r, http.StatusBadRequest, pages.ErrorPage{Code: "invalid_request", Expired: true, App: &app,
			Detail: "This log-in is completed already, and nobody is logged in any more."})
	case home != "":
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Referrer-Policy", "no-referrer")
		w.Header().Set("Location", home)
		w.WriteHeader(http.StatusSeeOther)
	default:
		s.Pages.Render(w, r, http.StatusOK, pages.AlreadyPage{App: app, To: s.again(&c, in.Form)})
	}
}

// again is a link by which a person makes the same request once more, as their application would;
// empty: only the application can make it, for it pushed or signed it.
func (s *Arrivals) again(c *client.Client, form url.Values) string {
	if form.Has("request_uri") || c.RequirePAR || c.RequireSignedRequestObject || c.Profile != "" {
		return ""
	}
	return s.Issuer.Path("/oauth2/authorize?" + form.Encode())
}

// NeedsCookies adds to wrong that the browser sent no cookie, if so: the page sets one, and in a
// browser that keeps no cookies logging in would not last. It returns wrong, or nil if that is
// empty.
func (s *Arrivals) NeedsCookies(w http.ResponseWriter, r *http.Request, wrong guard.FormError) error {
	if !s.Sessions.HasBrowser(r) {
		s.Sessions.EnsureBrowser(w, r)
		wrong[""] = messages.NeedsCookies
	}
	if len(wrong) > 0 {
		return wrong
	}
	return nil
}
