package adminpages

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

// A visit is one request of an administrator.
type visit struct {
	*Administration
	w       http.ResponseWriter
	r       *http.Request
	t       *messages.Language
	session *session.Session
	actor   admin.Actor

	// typed is what the person posts, or had posted before they proved again who they are; nil: they
	// have typed nothing yet.
	typed url.Values
}

// gate lets administrators in who have logged in by a second step or a passkey. Nobody else learns
// anything, not even that there is an administration: whoever has logged in and has not the role gets
// what an address gets where there is nothing, whatever they ask for and by whichever method. post
// takes a form of at most so many bytes; nil: there is none.
func (a *Administration) gate(most int64, show, post func(v *visit) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if isGet(r) {
			leave, ok := a.Guard.Turn(w, r)
			if !ok {
				return
			}
			defer leave()
		}
		v, ok := a.enter(w, r)
		if !ok {
			return
		}
		switch {
		case isGet(r):
			v.answer(show)
		case r.Method == http.MethodPost && post != nil:
			a.Guard.FormUpTo(most, func(w http.ResponseWriter, r *http.Request) {
				v.w, v.r, v.typed = w, r, r.PostForm
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
func (a *Administration) enter(w http.ResponseWriter, r *http.Request) (*visit, bool) {
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
	v := &visit{Administration: a, w: w, r: r, t: a.Pages.Words(r), session: current, actor: actorOf(r, current)}
	if current.ProvedSeveral() {
		return v, true
	}
	if person := current.Provable(); person.SecondStep || person.Passkey {
		v.leadTo("/login/verify?"+session.ConfirmSeveral, addressOf(r))
	} else {
		a.Pages.Render(w, r, http.StatusForbidden, pages.AdminPage{Templates: a.templates, Name: "set_up", Content: struct{}{}})
	}
	return nil, false
}

func actorOf(r *http.Request, s *session.Session) admin.Actor {
	a := admin.Actor{
		Kind: admin.Person, ID: s.UserID, Name: s.User.Email, Rights: admin.Reading | admin.Writing, ACR: s.ACR, AuthTime: s.AuthTime,
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

// leadTo leads to a page that leads back to another.
func (v *visit) leadTo(page, back string) {
	v.Sessions.WantAdmin(v.w, back)
	v.Guard.See(v.w, v.r, page)
}

// notFound answers as for an address where there is nothing.
func (v *visit) notFound() { v.NotFound.ServeHTTP(v.w, v.r) }

// answer calls a handler, and answers the errors that it leaves.
func (v *visit) answer(handler func(v *visit) error) {
	err := handler(v)
	var refused *admin.Refused
	switch {
	case err == nil:
	case errors.Is(err, store.ErrNotFound):
		v.notFound()
	case errors.As(err, &refused):
		v.refused(refused)
	default:
		v.Guard.Fail(v.w, v.r, err)
	}
}

// refused answers what the decision table refuses, where there is no form to say it on.
func (v *visit) refused(refused *admin.Refused) {
	switch refused.Why {
	case admin.NeedsFreshProof, admin.NeedsSecondFactor:
		v.prove("/login?" + session.ConfirmSeveral)
	case admin.ActorGone:
		v.Guard.See(v.w, v.r, "/admin") // which tells what they still are
	default:
		v.Pages.Error(v.w, v.r, http.StatusForbidden, "access_denied", refused.Error())
	}
}

// fresh is for what needs a proof of the last ten minutes of who the person is.
func fresh(next func(v *visit) error) func(v *visit) error {
	return func(v *visit) error {
		if page := v.session.UnprovedSeveral(v.Now()); page != "" {
			v.prove(page)
			return nil
		}
		if handle := v.r.URL.Query().Get(keptParameter); handle != "" && isGet(v.r) {
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
func (v *visit) prove(page string) {
	back := addressOf(v.r)
	if !isGet(v.r) && v.typed != nil {
		kept := url.Values{"/path": {v.r.URL.Path}, "/person": {v.session.UserID}}
		for name, values := range v.typed {
			if !isSecret(name) {
				kept[name] = values
			}
		}
		handle, err := v.Sessions.Begin(v.w, v.r, requests.Interaction{Form: kept})
		switch {
		case err == nil:
			back += "?" + keptParameter + "=" + handle
		case !errors.Is(err, session.ErrTooLarge): // then they type it again
			v.Guard.Fail(v.w, v.r, err)
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
func (v *visit) recall(handle string) error {
	in, err := v.Sessions.Interaction(v.r, handle)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err == nil && in.ClientID == "" && in.Form.Get("/path") == v.r.URL.Path && in.Form.Get("/person") == v.session.UserID {
		v.typed = in.Form
	}
	return err
}

// in is a variable of the route's path, such as an id.
func (v *visit) in(name string) string { return mux.Vars(v.r)[name] }

// asked is a parameter of the query.
func (v *visit) asked(name string) string { return v.r.URL.Query().Get(name) }

// value is what was typed into an input, or else what is stored.
func (v *visit) value(name, stored string) string {
	if v.typed.Has(name) {
		return v.typed.Get(name)
	}
	return stored
}

// ticked tells whether a box was ticked, or, before anything was typed, whether it is ticked at first.
func (v *visit) ticked(name string, at1st bool) bool {
	if v.typed == nil {
		return at1st
	}
	return v.typed.Has(name)
}

// render answers with a page.
func (v *visit) render(status int, p pages.AdminPage) {
	p.Templates, p.Sections, p.Zone = v.templates, v.sections(), v.session.User.Zone()
	if p.Done == "" && isGet(v.r) {
		p.Done = v.t.Admin.Done[v.asked("done")]
	}
	v.Pages.Render(v.w, v.r, status, p)
}

// show answers with a page that only shows something.
func (v *visit) show(name string, content any) error {
	v.render(http.StatusOK, pages.AdminPage{Name: name, Content: content})
	return nil
}
