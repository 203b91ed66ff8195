// Package login has the pages that an authorization request leads a person through: /login,
// /signup, /agree and /consent. They know nothing of each other; package arrival knows why a person
// is here, and where they go on.
package login

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/gorilla/mux"

	"github.com/maru-auth/maru/authz-server/internal/arrival"
	"github.com/maru-auth/maru/authz-server/internal/audit"
	"github.com/maru-auth/maru/authz-server/internal/factors"
	"github.com/maru-auth/maru/authz-server/internal/guard"
	"github.com/maru-auth/maru/authz-server/internal/messages"
	"github.com/maru-auth/maru/authz-server/internal/notices"
	"github.com/maru-auth/maru/authz-server/internal/pages"
	"github.com/maru-auth/maru/authz-server/internal/passkeys"
	"github.com/maru-auth/maru/authz-server/internal/passwords"
	"github.com/maru-auth/maru/authz-server/internal/profile"
	"github.com/maru-auth/maru/authz-server/internal/proofs"
	"github.com/maru-auth/maru/authz-server/internal/recovery"
	"github.com/maru-auth/maru/authz-server/internal/session"
	"github.com/maru-auth/maru/authz-server/internal/signup"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/throttle"
	"github.com/maru-auth/maru/authz-server/internal/upstream"
	"github.com/maru-auth/maru/internal/httpd"
)

// Login serves the pages. All fields but Upstreams must be set. It is safe for concurrent use.
type Login struct {
	Store     *store.Store
	Pages     *pages.Pages
	Arrivals  *arrival.Arrivals
	Sessions  *session.Sessions
	Guard     *guard.Guard
	Throttle  *throttle.Throttle
	Passwords *passwords.Hasher
	Factors   *factors.Factors
	Enrolment *factors.Enrolment
	Passkeys  *passkeys.Passkeys
	Notices   *notices.Notices
	Signup    *signup.Policy
	Now       func() time.Time
	Recovery  *recovery.Recovery
	Log       *slog.Logger
	Counts    *Counts
	Later     *audit.Later
	Upstreams *upstream.Upstreams // nil: there are none
}

// Routes adds the pages to r.
func (l *Login) Routes(r *mux.Router) {
	l.Guard.Route(r, "/login", l.showLogin, l.postLogin)
	l.Guard.Route(r, "/login/verify", l.showVerify, l.postVerify)
	l.Guard.Route(r, "/login/setup", l.showSetUp, l.postSetUp)
	l.passkeyRoutes(r)
	l.Guard.Route(r, "/signup", l.showSignup, l.postSignup)
	l.Guard.Route(r, "/agree", l.showAgree, l.postAgree)
	if l.Upstreams != nil {
		l.Guard.Route(r, arrival.JoinPath, l.showComer, l.postComer)
	}
	l.Guard.Route(r, "/restore", l.showRestore, l.postRestore)
	l.Guard.Route(r, "/consent", l.showConsent, l.postConsent)
}

// GET /login: asks who it is. It asks even if somebody is logged in, for the application that sent
// the person here had a reason (prompt=login, max_age, another account). Only a page of this server
// that sent them is content with any log-in.
func (l *Login) showLogin(w http.ResponseWriter, r *http.Request) {
	a, current, r, ok := l.Arrivals.Person(w, r)
	if !ok {
		return
	}
	if current != nil && a.App == nil && !a.Confirm {
		l.Arrivals.Onward(w, r, a.Handle)
		return
	}
	l.Sessions.EnsureBrowser(w, r)
	page := pages.LoginPage{Query: a.Query(), App: a.App, Email: a.LoginHint(), NoSignup: l.noSignup(r),
		Passkeys: l.Passkeys.On()}
	if email := l.Sessions.Hinted(w, r); email != "" {
		page.Email, page.Done = email, messages.PasswordReset
	}
	if err := l.addUpstreams(r, &page, nil); err != nil {
		l.Guard.Fail(w, r, err)
		return
	}
	if current != nil && a.Confirm {
		page = l.confirmPage(page, current)
		if err := l.addUpstreams(r, &page, current); err != nil {
			l.Guard.Fail(w, r, err)
			return
		}
	}
	if problem := pages.UpstreamProblem(r.URL.Query().Get(pages.UpstreamParameter)); problem != "" {
		page.Problems, page.Done = map[string]messages.Problem{"": problem}, ""
	}
	if r.URL.Query().Get("late") != "" { // for the second step of the last log-in
		page.Problems = map[string]messages.Problem{"": messages.LoginTooLate}
	}
	l.Pages.Render(w, r, http.StatusOK, page)
}

// confirming returns the session of somebody who is to prove again who they are; nil: nobody is.
// Only its person can: another account is for the log-in without a session.
func (l *Login) confirming(r *http.Request, a arrival.Arrival) (*session.Session, error) {
	if !a.Confirm {
		return nil, nil
	}
	return l.Sessions.Session(r)
}

// addUpstreams adds the buttons for other providers to page: all, or, for the person of a session
// who is to prove again who they are, those by which they log in, if that counts ([session.Local]).
func (l *Login) addUpstreams(r *http.Request, page *pages.LoginPage, confirming *session.Session) (err error) {
	if l.Upstreams == nil {
		return nil
	}
	var of []string
	if confirming != nil {
		of = []string{}
		if !session.Local(confirming.User) {
			all, err := l.Store.Upstreams.IdentitiesOf(r.Context(), confirming.UserID)
			if err != nil {
				return err
			}
			for _, one := range all {
				of = append(of, one.Upstream)
			}
		}
	}
	page.Upstreams, err = l.Upstreams.Buttons(r.Context(), of)
	page.UpstreamOnly = confirming != nil && len(page.Upstreams) > 0
	return err
}

// buttons are those for other providers, on a page that is as good without them.
func (l *Login) buttons(r *http.Request) []pages.UpstreamButton {
	buttons, err := l.Upstreams.Buttons(r.Context(), nil)
	if err != nil {
		l.Log.WarnContext(r.Context(), "cannot read the upstreams", "request", httpd.RequestID(r.Context()), "error", err)
	}
	return buttons
}

// confirmPage is page for the person of a session who is to prove again who they are.
func (l *Login) confirmPage(page pages.LoginPage, current *session.Session) pages.LoginPage {
	page.Confirm, page.Email = true, current.User.Email
	page.PasskeyOnly = current.User.PasswordHash == "" && current.User.Passkey && page.Passkeys
	return page
}

// POST /login: checks e-mail address and password, and makes a session, or asks for the second
// step.
func (l *Login) postLogin(w http.ResponseWriter, r *http.Request) {
	a, r, ok := l.Arrivals.Of(w, r)
	if !ok {
		return
	}
	confirming, err := l.confirming(r, a)
	if err != nil {
		l.Guard.Fail(w, r, err)
		return
	}
	email, problem := profile.Email(r.PostForm.Get("email"))
	if confirming != nil {
		email, problem = confirming.User.Email, ""
	}
	err = l.readLogin(w, r, problem)
	var owed proofs.Owed
	if err == nil {
		owed, err = l.logIn(w, r, a, email)
		l.Counts.note(proofOf(r), owed, err)
	}
	if errors.Is(err, store.ErrNotFound) { // no such account; or disabled, or another password, this very moment
		err = guard.FormError{"": messages.WrongCredentials}
	}
	if err != nil {
		l.Guard.Refuse(w, r, err, func(form pages.Form) pages.Page {
			if form.Problems[""] == messages.TooManyTries {
				form.Problems[""] = messages.TooManyLogins
			}
			page := pages.LoginPage{Form: form, Query: a.Query(), App: a.App, Email: email, NoSignup: l.noSignup(r),
				Passkeys: l.Passkeys.On(), Upstreams: l.buttons(r), Code: form.Problems[""] == messages.TooManyLogins || r.PostForm.Has("otp")}
			if confirming != nil {
				page = l.confirmPage(page, confirming)
				page.Upstreams = nil
			}
			return page
		})
		return
	}
	if owed == proofs.SecondStep {
		l.Guard.See(w, r, "/login/verify"+a.Query())
		return
	}
	if l.offers(r, a) {
		l.Guard.See(w, r, "/login/passkey"+a.Query())
		return
	}
	l.Arrivals.Onward(w, r, a.Handle)
}

// proofOf is what a person shows on /login: a code beside the password is the stronger proof.
func proofOf(r *http.Request) string {
	if r.PostForm.Get("otp") != "" {
		return byOTP
	}
	return byPassword
}

// logIn checks the password alone, or together with a code where the page asked for both.
func (l *Login) logIn(w http.ResponseWriter, r *http.Request, a arrival.Arrival, email string) (proofs.Owed, error) {
	password := r.PostForm.Get("password")
	if code := r.PostForm.Get("otp"); code != "" {
		return proofs.Nothing, l.together(w, r, email, password, code)
	}
	user, err := l.authenticate(r, email, password)
	if err != nil {
		return proofs.Nothing, err
	}
	return l.proved(w, r, a, user)
}

// proved takes a right password: the person is logged in, unless they owe the second step.
func (l *Login) proved(w http.ResponseWriter, r *http.Request, a arrival.Arrival, user accounts.User) (proofs.Owed, error) {
	_, trusted, err := l.Sessions.Device(r, user.ID)
	if err != nil {
		return proofs.Nothing, err
	}
	owed := a.Demands().Owed(session.Provable(user), proofs.Login{Proof: proofs.Password, Trusted: trusted})
	if owed == proofs.SecondStep {
		return owed, l.Sessions.BeginLogin(w, r, user, proofs.Password, nil)
	}
	return owed, l.Sessions.Open(w, r, session.Opening{User: user, Proof: proofs.Password})
}

// readLogin tells what is wrong with the form before anything is looked up.
func (l *Login) readLogin(w http.ResponseWriter, r *http.Request, emailProblem messages.Problem) error {
	wrong := make(guard.FormError)
	if emailProblem != "" {
		wrong["email"] = emailProblem
	}
	if r.PostForm.Get("password") == "" {
		wrong["password"] = messages.PasswordMissing
	}
	return l.Arrivals.NeedsCookies(w, r, wrong)
}

// authenticate returns the account that email and password belong to. Errors: [store.ErrNotFound],
// for an unknown or disabled account after the same work as for a wrong password; and those of
// [throttle.Throttle.LogIn].
//
// The try is taken before the password is looked at, so that guesses sent at once are counted as
// well as one after another.
func (l *Login) authenticate(r *http.Request, email, password string) (accounts.User, error) {
	ctx := r.Context()
	waiting, cancel := context.WithTimeout(ctx, throttle.Patience)
	defer cancel()
	user, err := l.Store.Users.UserByEmail(ctx, email)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return accounts.User{}, err
	}
	browser, err := l.Sessions.KnownBrowser(r, user.ID) // that of nobody, too: it takes as long
	if err != nil {
		return accounts.User{}, err
	}
	try, err := l.Throttle.LogIn(waiting, r, email, browser)
	if err != nil {
		return accounts.User{}, l.throttled(r, user, err)
	}
	hash := user.PasswordHash
	if user.Disabled {
		hash = ""
	}
	right, outdated, err := l.Passwords.Check(waiting, l.Passwords.LogIn, password, hash)
	if err != nil {
		try.Release(ctx)
		return accounts.User{}, err
	}
	if !right {
		try.Fail(ctx)
		l.failed(r, user, byPassword)
		return accounts.User{}, store.ErrNotFound
	}
	try.Succeed(ctx)
	if outdated {
		l.rehash(waiting, &user, password)
	}
	return user, nil
}

// rehash moves a password to the present parameters. If that fails, the next log-in tries again.
func (l *Login) rehash(ctx context.Context, user *accounts.User, password string) {
	hash, err := l.Passwords.Hash(ctx, l.Passwords.LogIn, password)
	if err == nil {
		err = l.Store.Users.RehashPassword(ctx, user.ID, user.PasswordHash, hash)
	}
	if err != nil {
		l.Log.WarnContext(ctx, "cannot renew a password hash", "request", httpd.RequestID(ctx), "error", err)
		return
	}
	user.PasswordHash = hash
}
