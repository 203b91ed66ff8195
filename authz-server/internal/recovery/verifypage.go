package recovery

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/maru-auth/maru/authz-server/internal/arrival"
	"github.com/maru-auth/maru/authz-server/internal/guard"
	"github.com/maru-auth/maru/authz-server/internal/messages"
	"github.com/maru-auth/maru/authz-server/internal/pages"
	"github.com/maru-auth/maru/authz-server/internal/passkeys"
	"github.com/maru-auth/maru/authz-server/internal/proofs"
	"github.com/maru-auth/maru/authz-server/internal/session"
	"github.com/maru-auth/maru/authz-server/internal/signup"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/roles"
	"github.com/maru-auth/maru/authz-server/internal/throttle"
	"github.com/maru-auth/maru/authz-server/internal/upstream"
)

// verification is an address that is to be confirmed: of a sign-up, or of an account.
type verification struct {
	accounts.Mailed
	linked  bool             // the browser followed the link
	signup  Signup           // zero: it is an account's
	mine    bool             // the sign-up began in this browser; or the account's person is logged in here
	app     *pages.App       // where the sign-up goes on; nil: no application sent the person
	current *session.Session // nil: nobody is logged in
}

// verification finds what the browser that sent r can confirm, and returns r in the language that
// the application wishes. [store.ErrNotFound]: nothing.
func (l *Links) verification(r *http.Request) (v verification, with *http.Request, err error) {
	browser := l.Sessions.Browser(r)
	if v.current, err = l.Sessions.Session(r); err != nil {
		return v, r, err
	}
	if secret := l.Sessions.Link(r, VerifyLink); secret != "" {
		v.linked = true
		v.Mailed, err = l.Store.Mailed.MailedByLink(r.Context(), accounts.ToSignUp, secret)
		if errors.Is(err, store.ErrNotFound) {
			v.Mailed, err = l.Store.Mailed.MailedByLink(r.Context(), accounts.ToChangeAddress, secret)
		}
	} else {
		v.Mailed, err = l.Recovery.Pending(r.Context(), browser, accounts.ToSignUp, accounts.ToChangeAddress)
	}
	if err != nil {
		return v, r, err
	}
	if v.Purpose == accounts.ToChangeAddress {
		v.mine = v.current != nil && v.current.UserID == v.User.ID
		return v, r, nil
	}
	v.mine = v.Of(browser)
	if v.signup, err = SignupOf(v.Mailed); err != nil || !v.mine || v.signup.Interaction == "" {
		return v, r, err
	}
	a, r, err := l.Arrivals.Find(r, v.signup.Interaction)
	if errors.Is(err, store.ErrNotFound) { // it took too long: the person goes on to their account
		v.signup.Interaction, err = "", nil
	}
	v.app = a.App
	return v, r, err
}

// page is what asks for the confirmation.
func (v verification) page(r *http.Request) pages.Page {
	if !v.linked {
		page := pages.CodePage{Action: VerifyPath, Back: "/signup", Email: v.Email, App: v.app, Again: r.URL.Query().Has("again")}
		if v.Purpose == accounts.ToChangeAddress {
			page.Back = "/account/email"
		} else if v.signup.Interaction != "" {
			page.Back += arrival.Arrival{Handle: v.signup.Interaction}.Query()
		}
		return page
	}
	page := pages.ProveAddressPage{Email: v.Email, App: v.app, Signup: v.Purpose == accounts.ToSignUp}
	if page.Signup && !v.mine && !v.signup.Any() {
		page.Name = v.signup.Name
	}
	page.MustLogIn = !page.Signup && !v.mine
	return page
}

// again is the page with what is wrong with its form.
func (v verification) again(r *http.Request, form pages.Form) pages.Page {
	switch page := v.page(r).(type) {
	case pages.CodePage:
		page.Form, page.Again = form, false
		return page
	case pages.ProveAddressPage:
		page.Form = form
		return page
	default:
		return page
	}
}

// GET /verify: asks somebody who followed a link to confirm, and for the code of somebody who has
// not yet.
func (l *Links) showVerify(w http.ResponseWriter, r *http.Request) {
	if l.takeLink(w, r, VerifyLink) {
		return
	}
	v, r, ok := l.verificationOrGone(w, r)
	if !ok {
		return
	}
	if v.Purpose == accounts.ToChangeAddress && !v.mine {
		l.Sessions.Want(w, VerifyLink)
	}
	l.Pages.Render(w, r, http.StatusOK, v.page(r))
}

// verificationOrGone is verification; when there is nothing to confirm, it answers and returns
// false.
func (l *Links) verificationOrGone(w http.ResponseWriter, r *http.Request) (verification, *http.Request, bool) {
	v, r, err := l.verification(r)
	if err == nil && !v.linked && v.Purpose == accounts.ToChangeAddress && !v.mine {
		err = store.ErrNotFound // whoever asked for it has logged out
	}
	switch {
	case err == nil:
		return v, r, true
	case !errors.Is(err, store.ErrNotFound):
		l.Guard.Fail(w, r, err)
	case l.confirmedAlready(r, v):
		l.Sessions.DropLink(w, r, VerifyLink)
		l.Arrivals.Onward(w, r, "")
	default:
		l.linkGone(w, r, VerifyLink)
	}
	return v, r, false
}

// confirmedAlready tells whether the link was spent by the person who is logged in: by a first
// click.
func (l *Links) confirmedAlready(r *http.Request, v verification) bool {
	secret := l.Sessions.Link(r, VerifyLink)
	if v.current == nil || secret == "" {
		return false
	}
	for _, purpose := range []accounts.MailPurpose{accounts.ToSignUp, accounts.ToChangeAddress} {
		email, err := l.Store.Mailed.SpentMailed(r.Context(), purpose, secret)
		if err == nil && accounts.EmailKey(email) == accounts.EmailKey(v.current.User.Email) {
			return true
		}
	}
	return false
}

// POST /verify: takes the code of a letter, sends another one, throws a sign-up away, or confirms.
func (l *Links) postVerify(w http.ResponseWriter, r *http.Request) {
	leave, ok := l.Guard.Turn(w, r)
	if !ok {
		return
	}
	defer leave()
	v, r, ok := l.verificationOrGone(w, r)
	if !ok {
		return
	}
	var err error
	switch {
	case !v.linked && r.PostForm.Has("again"):
		if err = l.verifyAgain(r, v); err == nil {
			l.Guard.See(w, r, VerifyPath+"?again")
			return
		}
	case v.linked && v.Purpose == accounts.ToSignUp && r.PostForm.Has("discard"):
		if err = l.Store.Mailed.DropMailed(r.Context(), v.Mailed); err == nil {
			l.Sessions.DropLink(w, r, VerifyLink)
			l.Pages.Render(w, r, http.StatusOK, pages.SignupDroppedPage{})
			return
		}
	default:
		l.confirm(w, r, v, leave)
		return
	}
	l.refuseVerify(w, r, err, v)
}

func (l *Links) refuseVerify(w http.ResponseWriter, r *http.Request, err error, v verification) {
	l.Guard.Refuse(w, r, err, func(form pages.Form) pages.Page { return v.again(r, form) })
}

// verifyAgain sends another letter.
func (l *Links) verifyAgain(r *http.Request, v verification) error {
	browser := l.Sessions.Browser(r)
	if v.Purpose == accounts.ToChangeAddress {
		return l.Recovery.BeginAddress(r, browser, v.User, v.Email)
	}
	return l.Recovery.BeginSignup(r, browser, v.Email, v.signup)
}

// confirm does what the link is for, if the person has proved enough: the code in the browser that
// asked, or the link there; elsewhere, the password that was chosen at sign-up too. A click alone,
// by the owner of an address with which a stranger signed up, makes no account.
func (l *Links) confirm(w http.ResponseWriter, r *http.Request, v verification, leave func()) {
	err := l.proveAddress(w, r, &v, leave)
	if err == nil && v.Purpose == accounts.ToChangeAddress {
		err = l.Recovery.FinishAddress(r, v.Mailed)
	} else if err == nil {
		err = l.finishSignup(w, r, v)
	}
	var refused *signup.Refusal
	switch {
	case errors.Is(err, store.ErrNotFound): // spent this very moment
		l.linkGone(w, r, VerifyLink)
	case errors.As(err, &refused):
		l.Pages.Render(w, r, http.StatusForbidden, pages.NoSignupPage{Reason: refused.Reason, App: v.app})
	case errors.Is(err, signup.ErrAddress): // the policy has changed since
		l.Pages.Render(w, r, http.StatusForbidden, pages.NoSignupPage{Reason: messages.SignupClosed, App: v.app})
	case errors.Is(err, store.ErrExists):
		l.Sessions.DropLink(w, r, VerifyLink)
		l.Pages.Render(w, r, http.StatusConflict, pages.AddressTakenPage{Email: v.Email})
	case errors.Is(err, upstream.ErrTaken):
		l.Sessions.DropLink(w, r, VerifyLink)
		l.Guard.See(w, r, "/login?"+pages.UpstreamParameter+"=taken")
	case err != nil:
		l.refuseVerify(w, r, err, v)
	case v.Purpose == accounts.ToChangeAddress:
		l.Sessions.DropLink(w, r, VerifyLink)
		l.Guard.See(w, r, "/account?done="+string(messages.AddressChanged))
	default:
		l.Sessions.DropLink(w, r, VerifyLink)
		if v.signup.InvitedRoles != "" && v.signup.Passkey == nil && v.signup.Interaction == "" {
			l.Guard.See(w, r, "/account/security/app") // without which administrators do nothing
			return
		}
		l.Arrivals.Onward(w, r, v.signup.Interaction)
	}
}

// proveAddress checks the code or the password that r brought. A right code makes v a link.
func (l *Links) proveAddress(w http.ResponseWriter, r *http.Request, v *verification, leave func()) error {
	if !v.linked {
		m, _, err := l.tryCode(r, v.Mailed)
		if err == nil {
			v.Mailed, v.linked = m, true
		}
		return err
	}
	if v.mine {
		return nil
	}
	if v.Purpose == accounts.ToChangeAddress {
		return guard.FormError{} // the page says that the person must log in
	}
	if !l.Sessions.HasBrowser(r) {
		l.Sessions.EnsureBrowser(w, r)
	}
	return l.signupPassword(r, *v, leave)
}

// signupPassword checks the password that was chosen at sign-up. Who signed up by a passkey alone
// confirms in the same browser.
func (l *Links) signupPassword(r *http.Request, v verification, leave func()) error {
	if v.signup.Any() {
		return guard.FormError{"": messages.SignupElsewhere}
	}
	password := r.PostForm.Get("password")
	if password == "" {
		return guard.FormError{"password": messages.PasswordMissing}
	}
	leave() // passwords have a queue of their own
	waiting, cancel := context.WithTimeout(r.Context(), throttle.Patience)
	defer cancel()
	err := l.Recovery.TryPassword(r, v.Mailed, func() (bool, error) {
		right, _, err := l.Passwords.Check(waiting, l.Passwords.LogIn, password, v.signup.PasswordHash)
		return right, err
	})
	return codeProblem(err, "password", messages.SignupPassword, messages.SignupOver)
}

// finishSignup makes the account and logs in.
func (l *Links) finishSignup(w http.ResponseWriter, r *http.Request, v verification) error {
	entry := signup.Entry{Version: v.signup.Terms, Address: v.signup.Address}
	entry.Upstream = v.signup.Upstream != nil
	entry.Invitation.ID, entry.Invitation.Email = v.signup.Invitation, v.signup.InvitedAddress
	for name := range strings.FieldsSeq(v.signup.InvitedRoles) { // which ones are given, the invitation says when it is spent
		if one, err := roles.Parse(name); err == nil {
			entry.Invitation.Roles = append(entry.Invitation.Roles, one)
		}
	}
	made, err := l.Recovery.FinishSignup(r, v.Mailed, func(ctx context.Context, user accounts.User) (accounts.User, error) {
		made, err := l.Signup.Create(ctx, user, entry)
		if err == nil && v.signup.Passkey != nil {
			err = l.Recovery.Adopt(ctx, r, made, *v.signup.Passkey)
		}
		if from := v.signup.Upstream; err == nil && from != nil {
			err = l.Upstreams.Adopt(ctx, r, made, from.Name, from.Issuer, from.Person)
		}
		return made, err
	})
	if err != nil {
		return err
	}
	l.Sessions.ForgetInvitation(w)
	opening := session.Opening{User: made, Proof: proofs.Password}
	if v.signup.Passkey != nil { // made in this very browser
		opening.Proof = passkeys.Proof(v.signup.Passkey.Passkey)
	}
	if from := v.signup.Upstream; from != nil {
		opening.Proof, opening.From = from.Person.Proof, from.Person.MadeAccount(from.Name)
	}
	return l.Sessions.Open(w, r, opening)
}
