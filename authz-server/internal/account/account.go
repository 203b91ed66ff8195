// Package account has the pages where people look after their account: name, profile, password,
// where they are logged in, and which apps they have allowed what.
package account

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gorilla/mux"

	"github.com/maru-auth/maru/authz-server/internal/apps"
	"github.com/maru-auth/maru/authz-server/internal/factors"
	"github.com/maru-auth/maru/authz-server/internal/guard"
	"github.com/maru-auth/maru/authz-server/internal/messages"
	"github.com/maru-auth/maru/authz-server/internal/notices"
	"github.com/maru-auth/maru/authz-server/internal/pages"
	"github.com/maru-auth/maru/authz-server/internal/passkeys"
	"github.com/maru-auth/maru/authz-server/internal/passwords"
	"github.com/maru-auth/maru/authz-server/internal/profile"
	"github.com/maru-auth/maru/authz-server/internal/recovery"
	"github.com/maru-auth/maru/authz-server/internal/session"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/throttle"
	"github.com/maru-auth/maru/authz-server/internal/upstream"
)

// Account serves the pages. All fields must be set that do not say otherwise. It is safe for concurrent use.
type Account struct {
	Store     *store.Store
	Pages     *pages.Pages
	Sessions  *session.Sessions
	Guard     *guard.Guard
	Throttle  *throttle.Throttle
	Passwords *passwords.Hasher
	Factors   *factors.Factors
	Enrolment *factors.Enrolment
	Passkeys  *passkeys.Passkeys
	Apps      *apps.Apps
	Recovery  *recovery.Recovery
	Notices   *notices.Notices
	Upstreams *upstream.Upstreams // nil: there are none
	Now       func() time.Time

	// AccessToken is the lifetime of access tokens: for so long, an app that lost its access can
	// still use one.
	AccessToken time.Duration

	// Administrator tells whether a person is one, who has a link to the administration then; nil:
	// nobody has.
	Administrator func(ctx context.Context, userID string) (bool, error)

	// Services returns what the resource services hold of the person of a session, by service; and,
	// by the ids of apps that know the person by another subject, under that. A service that does
	// not answer has an object that says so.
	Services func(ctx context.Context, session accounts.Session) (own map[string]json.RawMessage,
		ofApps map[string]map[string]json.RawMessage, err error)
}

// maxProfile is how large the form of a profile may be, in bytes: an address has many lines, and a
// character takes up to twelve.
const maxProfile = 64 << 10

// Routes adds the pages to r.
func (a *Account) Routes(r *mux.Router) {
	a.Guard.Route(r, "/account", a.showAccount, a.postAccount)
	a.Guard.RouteUpTo(maxProfile, r, "/account/profile", a.showProfile, a.postProfile)
	a.Guard.Route(r, "/account/email", a.showEmail, a.postEmail)
	a.Guard.Route(r, "/account/password", a.showPassword, a.postPassword)
	a.Guard.Route(r, "/account/security", a.showSecurity, nil)
	a.secondStepRoutes(r)
	a.passkeyRoutes(r)
	a.upstreamRoutes(r)
	a.Guard.Route(r, "/account/sessions", a.showSessions, a.postSessions)
	a.Guard.Route(r, dataPage, a.showData, a.postData)
	a.Guard.Route(r, "/account/apps", a.showApps, a.postApps)
	a.Guard.Route(r, invitationPage, a.showInvitation, a.postInvitation)
	// Where password managers send people (W3C, A Well-Known URL for Changing Passwords).
	r.HandleFunc("/.well-known/change-password", func(w http.ResponseWriter, r *http.Request) {
		a.Guard.See(w, r, "/account/password")
	}).Methods(http.MethodGet, http.MethodHead)
}

// owner returns the session of the person whose account it is. If nobody is logged in, it redirects
// to /login, which leads back to this page, and returns false; so it does, to /restore, if the
// account waits to be deleted.
func (a *Account) owner(w http.ResponseWriter, r *http.Request) (*session.Session, bool) {
	current, err := a.Sessions.Session(r)
	if err != nil {
		a.Guard.Fail(w, r, err)
		return nil, false
	}
	if current == nil {
		a.want(w, r.URL.Path)
		a.Guard.See(w, r, "/login")
		return nil, false
	}
	if !current.User.DeleteAt.IsZero() {
		a.Guard.See(w, r, "/restore")
		return nil, false
	}
	return current, true
}

// want remembers the page that a log-in is to lead back to, if it is one of landings.
func (a *Account) want(w http.ResponseWriter, page string) {
	if slices.Contains(landings, page) {
		a.Sessions.Want(w, strings.TrimPrefix(page, "/account/"))
	}
}

// landings are the pages that a log-in leads back to.
var landings = []string{"/account/profile", "/account/email", "/account/password", "/account/security", "/account/sessions", "/account/apps",
	dataPage, appPage, codesPage, offPage, invitationPage}

// Landing returns the page of the account that the person asked for before they logged in, and
// forgets it; /account if there is none.
func (a *Account) Landing(w http.ResponseWriter, r *http.Request) string {
	wanted := a.Sessions.Wanted(w, r)
	if "/"+wanted == recovery.VerifyPath { // a mailed link, which only the account's person may follow
		return recovery.VerifyPath
	}
	if session.IsAdminPage(wanted) { // whoever may not look at it is not told that it is there
		return wanted
	}
	if page := "/account/" + wanted; slices.Contains(landings, page) {
		return page
	}
	return "/account"
}

// done is what the address says was just done, if there is a text for it.
func done(r *http.Request) messages.Done {
	if d := messages.Done(r.URL.Query().Get("done")); slices.Contains(messages.Dones, d) {
		return d
	}
	return ""
}

// GET /account
func (a *Account) showAccount(w http.ResponseWriter, r *http.Request) {
	current, ok := a.owner(w, r)
	if !ok {
		return
	}
	page := a.page(current)
	page.Done = done(r)
	if a.Administrator != nil {
		var err error
		if page.Administrator, err = a.Administrator(r.Context(), current.UserID); err != nil {
			a.Guard.Fail(w, r, err)
			return
		}
	}
	a.Pages.Render(w, r, http.StatusOK, page)
}

func (a *Account) page(current *session.Session) pages.AccountPage {
	u := current.User
	return pages.AccountPage{Name: u.Name, Email: u.Email, Verified: u.EmailVerified, SendsMail: a.Recovery.SendsMail(),
		Languages: a.Pages.Offered(u.Locale)}
}

// POST /account: changes the name, and the language of pages and mail.
func (a *Account) postAccount(w http.ResponseWriter, r *http.Request) {
	current, ok := a.owner(w, r)
	if !ok {
		return
	}
	name, problem := profile.Name(r.PostForm.Get("name"))
	locale, changed, known := a.locale(r, current.User.Locale)
	if !known {
		a.Pages.Error(w, r, http.StatusBadRequest, "invalid_request", "The parameter locale must be a language of this server, or empty.")
		return
	}
	var err error
	if problem != "" {
		err = guard.FormError{"name": problem}
	} else {
		err = a.edit(r, current, func(u *accounts.User) error {
			if u.Name = name; changed {
				u.Locale = locale
			}
			return nil
		})
	}
	if err != nil {
		a.Guard.Refuse(w, r, err, func(form pages.Form) pages.Page {
			page := a.page(current)
			page.Form, page.Name, page.Languages = form, name, a.Pages.Offered(locale)
			return page
		})
		return
	}
	switch {
	case changed && locale != "": // the browser shows the next page in it, and remembers that
		a.Guard.See(w, r, "/account?done="+string(messages.LanguageChanged)+"&lang="+url.QueryEscape(locale))
	case changed:
		a.Guard.See(w, r, "/account?done="+string(messages.LanguageChanged))
	default:
		a.Guard.See(w, r, "/account?done="+string(messages.NameChanged))
	}
}

// locale reads the language that the person chooses, and tells whether it is another than before,
// and whether this server has it. Without the field, it stays, and so does one of the same language
// that says more, such as en-GB.
func (a *Account) locale(r *http.Request, before string) (locale string, changed, known bool) {
	chosen := r.PostForm.Get("locale")
	if !r.PostForm.Has("locale") {
		return before, false, true
	}
	for _, one := range a.Pages.Offered(before) {
		known = known || one.Tag == chosen
		if one.Chosen && one.Tag == chosen {
			return before, false, true
		}
	}
	return chosen, chosen != before, known || chosen == ""
}
