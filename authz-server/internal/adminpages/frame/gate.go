package frame

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/gorilla/mux"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/messages"
	"github.com/maru-auth/maru/authz-server/internal/pages"
	"github.com/maru-auth/maru/authz-server/internal/sender"
	"github.com/maru-auth/maru/authz-server/internal/session"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/requests"
)

// Visit is one request of an administrator.
type Visit struct {
	*Administration
	R       *http.Request
	T       *messages.Language // the words, in the language of the page
	Session *session.Session
	Actor   admin.Actor

	// Typed is what the person posts, or had posted before they proved again who they are; nil: they
	// have typed nothing yet.
	Typed url.Values

	w         http.ResponseWriter
	templates *pages.Templates
}

// gate lets administrators in who have logged in by a second step or a passkey. Nobody else learns
// anything, not even that there is an administration: whoever has logged in and has not the role gets
// what an address gets where there is nothing, whatever they ask for and by whichever method. post
// takes a form of at most so many bytes; nil: there is none.
func (of *Routes) gate(most int64, show, post func(v *Visit) error) http.HandlerFunc {
	a := of.a
	return func(w http.ResponseWriter, r *http.Request) {
		if isGet(r) {
			leave, ok := a.Guard.Turn(w, r)
			if !ok {
				return
			}
			defer leave()
		}
		v, ok := of.enter(w, r)
		if !ok {
			return
		}
		switch {
		case isGet(r):
			v.answer(show)
		case r.Method == http.MethodPost && post != nil:
			a.Guard.FormUpTo(most, func(w http.ResponseWriter, r *http.Request) {
				v.w, v.R, v.Typed = w, r, r.PostForm
				v.answer(post)
			}).ServeHTTP(w, r)
		default:
			allow := "GET, HEAD"
			if post != nil {
				allow += ", POST"
			}
			w.Header().Set("Allow", allow)
			a.Pages.Error(w, r, http.StatusMethodNotAllowed, "invalid_request", "this address takes "+allow)
		}
	}
}

func isGet(r *http.Request) bool { return r.Method == http.MethodGet || r.Method == http.MethodHead }

// enter finds out who sent r. If they may not look, it answers and returns false.
func (of *Routes) enter(w http.ResponseWriter, r *http.Request) (*Visit, bool) {
	a := of.a
	current, err := a.Sessions.Session(r)
	if err != nil {
		a.Guard.Fail(w, r, err)
		return nil, false
	}
	if current == nil {
		if isGet(r) || r.Method == http.MethodPost {
			a.Sessions.WantAdmin(w, addressOf(r))
			a.Guard.See(w, r, "/login")
		} else {
			a.NotFound.ServeHTTP(w, r)
		}
		return nil, false
	}
	administrator, err := a.Admin.IsAdministrator(r.Context(), current.UserID)
	if err != nil {
		a.Guard.Fail(w, r, err)
		return nil, false
	}
	if !administrator {
		a.NotFound.ServeHTTP(w, r)
		return nil, false
	}
	v := &Visit{
		Administration: a, R: r, T: a.Pages.Words(r), Session: current, Actor: actorOf(r, current), w: w,
		templates: of.templates,
	}
	if current.ProvedSeveral() {
		return v, true
	}
	if person := current.Provable(); person.SecondStep || person.Passkey {
		v.leadTo("/login/verify?"+session.ConfirmSeveral, addressOf(r))
	} else {
		setUp := pages.AdminPage{Templates: of.templates, Name: "set_up", Content: struct{}{}}
		a.Pages.Render(w, r, http.StatusForbidden, setUp)
	}
	return nil, false
}

func actorOf(r *http.Request, s *session.Session) admin.Actor {
	a := admin.Actor{
		Kind: admin.Person, ID: s.UserID, Name: s.User.Email, Rights: admin.Reading | admin.Writing, ACR: s.ACR,
		AuthTime:  s.Proved(),
		SessionID: s.ID,
	}
	a.From, a.UserAgent = sender.Of(r)
	return a
}

// addressOf is where the person of r comes back to.
func addressOf(r *http.Request) string {
	if isGet(r) && r.URL.RawQuery != "" {
		return r.URL.EscapedPath() + "?" + r.URL.RawQuery
	}
	return r.URL.EscapedPath()
}

// See leads to a page.
func (v *Visit) See(page string) { v.Guard.See(v.w, v.R, page) }

// leadTo leads to a page that leads back to another.
func (v *Visit) leadTo(page, back string) {
	v.Sessions.WantAdmin(v.w, back)
	v.See(page)
}

// YesNo is whether something is, in a word.
func (v *Visit) YesNo(is bool) string {
	if is {
		return v.T.Admin.Frame.Yes
	}
	return v.T.Admin.Frame.No
}

// notFound answers as for an address where there is nothing.
func (v *Visit) notFound() { v.NotFound.ServeHTTP(v.w, v.R) }

// answer calls a handler, and answers the errors that it leaves.
func (v *Visit) answer(handler func(v *Visit) error) {
	err := handler(v)
	var refused *admin.Refused
	switch {
	case err == nil:
	case errors.Is(err, store.ErrNotFound):
		v.notFound()
	case errors.As(err, &refused):
		v.refused(refused)
	default:
		v.Guard.Fail(v.w, v.R, err)
	}
}

// refused answers what the decision table refuses, where there is no form to say it on.
func (v *Visit) refused(refused *admin.Refused) {
	switch refused.Why {
	case admin.NeedsFreshProof, admin.NeedsSecondFactor:
		v.prove("/login?" + session.ConfirmSeveral)
	case admin.ActorGone:
		v.See("/admin") // which tells what they still are
	default:
		v.Pages.Error(v.w, v.R, http.StatusForbidden, "access_denied", refused.Error())
	}
}

// fresh is for what needs a proof of the last ten minutes of who the person is.
func fresh(next func(v *Visit) error) func(v *Visit) error {
	return func(v *Visit) error {
		if page := v.Session.UnprovedSeveral(v.Now()); page != "" {
			v.prove(page)
			return nil
		}
		if handle := v.R.URL.Query().Get(keptParameter); handle != "" && isGet(v.R) {
			if err := v.recall(handle); err != nil {
				return err
			}
		}
		return next(v)
	}
}

// keptParameter names what a person had typed before they proved again who they are.
const keptParameter = "kept"

// prove leads to a page where the person proves who they are, and from there back here. What they
// typed is kept meanwhile, for them in this browser alone.
func (v *Visit) prove(page string) {
	back := addressOf(v.R)
	if !isGet(v.R) && v.Typed != nil {
		kept := url.Values{"/path": {v.R.URL.Path}, "/person": {v.Session.UserID}}
		for name, values := range v.Typed {
			if !isSecret(name) {
				kept[name] = values
			}
		}
		handle, err := v.Sessions.Begin(v.w, v.R, requests.Interaction{Form: kept})
		switch {
		case err == nil:
			back += "?" + keptParameter + "=" + handle
		case !errors.Is(err, session.ErrTooLarge): // then they type it again
			v.Guard.Fail(v.w, v.R, err)
			return
		}
	}
	v.leadTo(page, back)
}

// isSecret tells whether an input is for what must not be kept.
func isSecret(name string) bool {
	return strings.Contains(name, "secret") || strings.Contains(name, "password") || strings.Contains(name, "private")
}

// recall finds what the person had typed on this page. If it is gone, they type it again.
func (v *Visit) recall(handle string) error {
	in, err := v.Sessions.Interaction(v.R, handle)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err == nil && in.ClientID == "" && in.Form.Get("/path") == v.R.URL.Path &&
		in.Form.Get("/person") == v.Session.UserID {
		v.Typed = in.Form
	}
	return err
}

// In is a variable of the route's path, such as an id.
func (v *Visit) In(name string) string { return mux.Vars(v.R)[name] }

// Asked is a parameter of the query.
func (v *Visit) Asked(name string) string { return v.R.URL.Query().Get(name) }

// Value is what was typed into an input, or else what is stored.
func (v *Visit) Value(name, stored string) string {
	if v.Typed.Has(name) {
		return v.Typed.Get(name)
	}
	return stored
}

// Ticked tells whether a box was ticked, or, before anything was typed, whether it is ticked at first.
func (v *Visit) Ticked(name string, first bool) bool {
	if v.Typed == nil {
		return first
	}
	return v.Typed.Has(name)
}

// Render answers with a page.
func (v *Visit) Render(status int, p pages.AdminPage) {
	p.Templates, p.Sections, p.Who, p.Zone = v.templates, v.sections(), v.Actor.Name, v.Session.User.Zone()
	if p.Done == "" && isGet(v.R) {
		p.Done = v.T.Admin.Done[v.Asked("done")]
	}
	v.Pages.Render(v.w, v.R, status, p)
}

// Show answers with a page that only shows something.
func (v *Visit) Show(name string, content any) error {
	v.Render(http.StatusOK, pages.AdminPage{Name: name, Content: content})
	return nil
}
