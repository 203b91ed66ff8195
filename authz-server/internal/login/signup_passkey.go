package login

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"

	"github.com/maru-auth/maru/authz-server/internal/arrival"
	"github.com/maru-auth/maru/authz-server/internal/guard"
	"github.com/maru-auth/maru/authz-server/internal/messages"
	"github.com/maru-auth/maru/authz-server/internal/passkeys"
	"github.com/maru-auth/maru/authz-server/internal/recovery"
	"github.com/maru-auth/maru/authz-server/internal/sender"
	"github.com/maru-auth/maru/authz-server/internal/session"
	"github.com/maru-auth/maru/authz-server/internal/signup"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
)

// newcomer is somebody who signs up by a passkey alone.
type newcomer struct {
	arrival.Arrival
	user  accounts.User
	entry signup.Entry
}

// newcomer reads what the script of /signup posts: the form's fields, each a text.
func (l *Login) newcomer(w http.ResponseWriter, r *http.Request, fields map[string]string) (n newcomer, err error) {
	p, r, err := l.prover(r, false) // who has the same errors
	if err != nil {
		return n, err
	}
	n.Arrival = p.Arrival
	r.PostForm = url.Values{}
	for name, value := range fields {
		r.PostForm.Set(name, value)
	}
	entry, err := l.admit(r)
	if err == nil {
		n.user, n.entry, err = l.readSignup(w, r, entry, false)
	}
	if err == nil {
		err = l.Throttle.Signup(r.Context(), r)
	}
	return n, err
}

// POST /signup/passkey/begin: the options by which the browser makes the passkey of a new account.
// A server that sends no mail cannot hide that an address has one.
func (l *Login) beginSignup(w http.ResponseWriter, r *http.Request, body []byte) {
	var fields map[string]string
	var n newcomer
	err := readScript(body, &fields)
	if err == nil {
		n, err = l.newcomer(w, r, fields)
	}
	if err == nil && !l.Recovery.SendsMail() {
		_, err = l.Store.Users.UserByEmail(r.Context(), n.user.Email)
		if err == nil {
			err = guard.FormError{"email": messages.EmailTaken}
		} else if errors.Is(err, store.ErrNotFound) {
			err = nil
		}
	}
	if err == nil {
		err = l.Throttle.Ceremony(r)
	}
	var options []byte
	if err == nil {
		options, err = l.Passkeys.BeginSignup(r.Context(), l.browser(r), n.user)
	}
	if err != nil {
		l.refuseNewcomer(w, r, err)
		return
	}
	l.Guard.TellRaw(w, options)
}

// POST /signup/passkey/finish: makes the account with its passkey, or, where the server sends mail,
// has its address confirmed first.
func (l *Login) finishSignupPasskey(w http.ResponseWriter, r *http.Request, body []byte) {
	var posted struct {
		Fields     map[string]string `json:"fields"`
		Credential json.RawMessage   `json:"credential"`
	}
	var n newcomer
	err := readScript(body, &posted)
	if err == nil {
		n, err = l.newcomer(w, r, posted.Fields)
	}
	var made recovery.SignupPasskey
	if err == nil {
		made.Passkey, made.Handle, err = l.Passkeys.FinishSignup(r.Context(), l.browser(r), posted.Credential)
	}
	if err == nil {
		browser, system := sender.Browser(r.UserAgent())
		made.Passkey.Name = l.Pages.PasskeyName(r, passkeys.Provider(made.Passkey), browser, system)
		if l.Recovery.SendsMail() {
			err = l.askToConfirm(w, r, n.user, n.entry, n.Arrival, recovery.SignupProof{Passkey: &made})
		} else {
			err = l.signUpBy(w, r, n, made)
		}
	}
	switch {
	case errors.Is(err, store.ErrExists):
		l.Guard.RefuseScriptFor(w, r, messages.EmailTaken, "the address has an account",
			base64.RawURLEncoding.EncodeToString(made.Passkey.CredentialID))
	case err != nil:
		l.refuseNewcomer(w, r, err)
	case l.Recovery.SendsMail():
		l.Guard.LeadScript(w, recovery.VerifyPath)
	default:
		l.Sessions.ForgetInvitation(w)
		l.Guard.LeadScript(w, l.Arrivals.Next(w, r, n.Handle))
	}
}

// signUpBy makes the account, and logs in.
func (l *Login) signUpBy(w http.ResponseWriter, r *http.Request, n newcomer, made recovery.SignupPasskey) error {
	var user accounts.User
	err := l.Store.Tx(r.Context(), func(ctx context.Context) (err error) {
		if user, err = l.Signup.Create(ctx, n.user, n.entry); err != nil {
			return err
		}
		return l.Recovery.Adopt(ctx, r, user, made)
	})
	if err != nil {
		return err
	}
	return l.Sessions.Open(w, r, session.Opening{User: user, Proof: passkeys.Proof(made.Passkey)})
}

// readScript reads what a script posted.
func readScript(body []byte, into any) error {
	if err := json.Unmarshal(body, into); err != nil {
		return guard.FormError{"": messages.ScriptRefused}
	}
	return nil
}

// refuseNewcomer tells the script what err keeps from being done.
func (l *Login) refuseNewcomer(w http.ResponseWriter, r *http.Request, err error) {
	var closed *signup.Refusal
	var refused *passkeys.RefusedError
	switch {
	case errors.As(err, &closed), errors.Is(err, signup.ErrAddress): // which the page says
		l.Guard.LeadScript(w, "/signup")
	case errors.As(err, &refused):
		l.Guard.RefuseScriptFor(w, r, messages.PasskeyNotMade, refused.Reason, "")
	default:
		l.refusePasskey(w, r, err)
	}
}
