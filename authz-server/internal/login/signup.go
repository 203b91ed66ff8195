package login

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/maru-auth/maru/authz-server/internal/arrival"
	"github.com/maru-auth/maru/authz-server/internal/guard"
	"github.com/maru-auth/maru/authz-server/internal/messages"
	"github.com/maru-auth/maru/authz-server/internal/pages"
	"github.com/maru-auth/maru/authz-server/internal/passwords"
	"github.com/maru-auth/maru/authz-server/internal/profile"
	"github.com/maru-auth/maru/authz-server/internal/proofs"
	"github.com/maru-auth/maru/authz-server/internal/recovery"
	"github.com/maru-auth/maru/authz-server/internal/sender"
	"github.com/maru-auth/maru/authz-server/internal/session"
	"github.com/maru-auth/maru/authz-server/internal/signup"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/roles"
	"github.com/maru-auth/maru/authz-server/internal/throttle"
)

// Pages of the account to which somebody is led who has an invitation that goes with roles.
const (
	InvitationPath = "/account/invitation" // where somebody who is logged in takes them
	SecondStepPath = "/account/security/app"
)

// GET /signup. The link of an invitation leads here.
func (l *Login) showSignup(w http.ResponseWriter, r *http.Request) {
	if l.takeInvitation(w, r) {
		return
	}
	a, r, ok := l.Arrivals.Of(w, r)
	if !ok {
		return
	}
	entry, err := l.admit(r)
	if err != nil {
		l.refuseSignup(w, r, err, a, pages.SignupPage{})
		return
	}
	if len(entry.Invitation.Roles) > 0 { // somebody who has an account takes them for that
		current, err := l.Sessions.Session(r)
		if err != nil {
			l.Guard.Fail(w, r, err)
			return
		}
		if current != nil {
			l.Guard.See(w, r, InvitationPath)
			return
		}
	}
	l.Sessions.EnsureBrowser(w, r)
	page := pages.SignupPage{Email: entry.Invitation.Email}
	if page.Email == "" {
		page.Email = a.LoginHint()
	}
	l.Pages.Render(w, r, http.StatusOK, l.signupPage(r, page, a, entry))
}

// POST /signup: writes to the address, which somebody has to confirm before there is an account. A
// server that sends no mail makes the account and logs in at once; then the page cannot hide that
// an address has an account; finding out takes as long as signing up, and tries are counted for
// each network address.
func (l *Login) postSignup(w http.ResponseWriter, r *http.Request) {
	leave, ok := l.Guard.Turn(w, r)
	if !ok {
		return
	}
	defer leave()
	a, r, ok := l.Arrivals.Of(w, r)
	if !ok {
		return
	}
	var user accounts.User
	entry, err := l.admit(r)
	if err == nil {
		user, entry, err = l.readSignup(w, r, entry, true)
	}
	if err == nil {
		user.PasswordHash, err = l.newPassword(r, user, leave)
	}
	if err == nil && l.Recovery.SendsMail() {
		err = l.askToConfirm(w, r, user, entry, a, recovery.SignupProof{})
	} else if err == nil {
		err = l.signUp(w, r, user, entry)
	}
	var refused *signup.Refusal
	if errors.As(err, &refused) && refused.Reason == messages.InvitationUsed && l.signedUp(r, r.PostForm.Get("email")) {
		err = nil // it was used by the first of two clicks
	}
	if err != nil {
		l.refuseSignup(w, r, err, a, l.signupPage(r, pages.SignupPage{Email: user.Email, Name: user.Name}, a, entry))
		return
	}
	if l.Recovery.SendsMail() {
		l.Guard.See(w, r, recovery.VerifyPath)
		return
	}
	l.Sessions.ForgetInvitation(w)
	if len(entry.Invitation.Roles) > 0 && a.Handle == "" {
		l.Guard.See(w, r, SecondStepPath) // without which administrators do nothing
		return
	}
	l.Arrivals.Onward(w, r, a.Handle)
}

// askToConfirm writes to the address of somebody who signs up. Whether it has an account does not
// show: its owner gets another letter. proof is the zero value if there is a password.
func (l *Login) askToConfirm(w http.ResponseWriter, r *http.Request, user accounts.User, entry signup.Entry, a arrival.Arrival,
	proof recovery.SignupProof) error {
	l.Sessions.DropLink(w, r, recovery.VerifyLink)
	return l.Recovery.BeginSignup(r, l.Sessions.Browser(r), user.Email, recovery.Signup{
		Name: user.Name, PasswordHash: user.PasswordHash, SignupProof: proof, Locale: user.Locale, Interaction: a.Handle,
		Terms: entry.Version, Address: entry.Address, Invitation: entry.Invitation.ID, InvitedAddress: entry.Invitation.Email,
		InvitedRoles: strings.Join(roles.Names(entry.Invitation.Roles), " "),
	})
}

// takeInvitation moves the secret of an invitation from the address to a cookie, and leads to the
// page without it, so that neither a log nor the history of the browser keeps it. It tells whether
// it answered.
func (l *Login) takeInvitation(w http.ResponseWriter, r *http.Request) bool {
	query := r.URL.Query()
	secret := query.Get("invitation")
	if secret == "" {
		return false
	}
	query.Del("invitation")
	if !l.Sessions.KeepInvitation(w, secret) {
		l.Sessions.ForgetInvitation(w)
		query.Set("invitation", "") // the page says what is wrong with the link
	}
	path := "/signup"
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	l.Guard.See(w, r, path)
	return true
}

// admit finds out whether whoever sent r may see the form. Guesses of invitations are counted.
func (l *Login) admit(r *http.Request) (signup.Entry, error) {
	secret := l.Sessions.Invitation(r)
	if secret == "" {
		entry, err := l.Signup.Admit(r.Context(), "", l.Now())
		var refused *signup.Refusal
		if errors.As(err, &refused) && refused.Reason == messages.InvitationMissing && r.URL.Query().Has("invitation") {
			refused.Reason = messages.InvitationUnknown // see takeInvitation
		}
		return entry, err
	}
	waiting, cancel := context.WithTimeout(r.Context(), throttle.Patience)
	defer cancel()
	try, err := l.Throttle.Invitation(waiting, r)
	if err != nil {
		return signup.Entry{}, err
	}
	entry, err := l.Signup.Admit(r.Context(), secret, l.Now())
	var refused *signup.Refusal
	if errors.As(err, &refused) && refused.Reason == messages.InvitationUnknown {
		try.Fail(r.Context())
	} else {
		try.Release(r.Context())
	}
	return entry, err
}

// noSignup tells whether the browser that sent r has no way to an account.
func (l *Login) noSignup(r *http.Request) bool {
	return !l.Signup.Offered() || l.Signup.NeedsInvitation() && l.Sessions.Invitation(r) == ""
}

// refuseSignup answers what err keeps from being done: with again, or, where no other form would
// do, with a page that says so.
func (l *Login) refuseSignup(w http.ResponseWriter, r *http.Request, err error, a arrival.Arrival, again pages.SignupPage) {
	var refused *signup.Refusal
	if errors.As(err, &refused) {
		l.Pages.Render(w, r, http.StatusForbidden, pages.NoSignupPage{Reason: refused.Reason, Query: a.Query(), App: a.App})
		return
	}
	l.Guard.Refuse(w, r, err, func(form pages.Form) pages.Page {
		again.Form = form
		return again
	})
}

// signupPage completes page with what it says of the policy.
func (l *Login) signupPage(r *http.Request, page pages.SignupPage, a arrival.Arrival, entry signup.Entry) pages.SignupPage {
	page.Query, page.App, page.Passkeys = a.Query(), a.App, l.Passkeys.On()
	page.Upstreams = l.buttons(r)
	page.Invited, page.Domains, page.Terms = entry.Invitation.Email, l.Signup.Domains(), pages.Terms(l.Signup.Terms)
	return page
}

// readSignup reads the form, and tells what is wrong with it as far as that costs nothing to find
// out. password says that one has to be chosen.
func (l *Login) readSignup(w http.ResponseWriter, r *http.Request, entry signup.Entry, password bool) (accounts.User, signup.Entry, error) {
	user := accounts.User{Locale: l.Pages.Language(r)}
	wrong := make(guard.FormError)
	var problem messages.Problem
	if user.Name, problem = profile.Name(r.PostForm.Get("name")); problem != "" {
		wrong["name"] = problem
	}
	if user.Email, problem = profile.Email(r.PostForm.Get("email")); problem == "" {
		problem = l.Signup.For(entry, user.Email)
	}
	if problem != "" {
		wrong["email"] = problem
	}
	if problem := passwords.Obvious(r.PostForm.Get("password")); password && problem != "" {
		wrong["password"] = problem
	}
	// Of the terms that the page showed: they may have changed since.
	if l.Signup.Terms.Version != "" && r.PostForm.Get("terms") != l.Signup.Terms.Version {
		wrong["terms"] = messages.TermsMissing
	}
	entry.Version = l.Signup.Terms.Version
	entry.Address, _ = sender.Of(r)
	return user, entry, l.Arrivals.NeedsCookies(w, r, wrong)
}

// newPassword judges and hashes the password of somebody who signs up. It is counted first: from
// here on it costs work, which anybody can ask for. leave ends the sender's turn, for that work has
// a queue of its own.
func (l *Login) newPassword(r *http.Request, user accounts.User, leave func()) (hash string, err error) {
	waiting, cancel := context.WithTimeout(r.Context(), throttle.Patience)
	defer cancel()
	if err := l.Throttle.Signup(waiting, r); err != nil {
		return "", err
	}
	leave()
	password := r.PostForm.Get("password")
	problem, err := l.Passwords.Weakness(waiting, l.Passwords.SignUp, password, user.Email, user.Name)
	if err != nil {
		return "", err
	}
	if problem != "" {
		return "", guard.FormError{"password": problem}
	}
	return l.Passwords.Hash(waiting, l.Passwords.SignUp, password)
}

// signUp makes the account and logs in. A second click finds the account, and its person logged in:
// that is no error.
func (l *Login) signUp(w http.ResponseWriter, r *http.Request, user accounts.User, entry signup.Entry) error {
	made, err := l.Signup.Create(r.Context(), user, entry)
	if errors.Is(err, store.ErrExists) {
		if l.signedUp(r, user.Email) {
			return nil
		}
		return guard.FormError{"email": messages.EmailTaken}
	}
	if err != nil {
		return err
	}
	return l.Sessions.Open(w, r, session.Opening{User: made, Proof: proofs.Password})
}

// signedUp tells whether the person who is logged in has this address.
func (l *Login) signedUp(r *http.Request, email string) bool {
	current, err := l.Sessions.Session(r)
	if err != nil || current == nil {
		return false
	}
	user, err := l.Store.Users.UserByEmail(r.Context(), email)
	return err == nil && user.ID == current.UserID
}
