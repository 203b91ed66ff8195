package login

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/gorilla/mux"

	"github.com/maru-auth/maru/authz-server/internal/arrival"
	"github.com/maru-auth/maru/authz-server/internal/guard"
	"github.com/maru-auth/maru/authz-server/internal/messages"
	"github.com/maru-auth/maru/authz-server/internal/notices"
	"github.com/maru-auth/maru/authz-server/internal/pages"
	"github.com/maru-auth/maru/authz-server/internal/passkeys"
	"github.com/maru-auth/maru/authz-server/internal/proofs"
	"github.com/maru-auth/maru/authz-server/internal/session"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
)

// passkeyRoutes adds what scripts of /login and /login/verify ask for, and the page that offers a
// passkey.
func (l *Login) passkeyRoutes(r *mux.Router) {
	if !l.Passkeys.On() {
		return
	}
	for _, page := range []string{"/login", "/login/verify"} {
		verify := page == "/login/verify"
		r.Handle(page+"/passkey/begin", l.Guard.Script(func(w http.ResponseWriter, r *http.Request, _ []byte) {
			l.beginPasskey(w, r, verify)
		})).Methods(http.MethodPost)
		r.Handle(page+"/passkey/finish", l.Guard.Script(func(w http.ResponseWriter, r *http.Request, answer []byte) {
			l.finishPasskey(w, r, verify, answer)
		})).Methods(http.MethodPost)
	}
	l.Guard.Route(r, "/login/passkey", l.showOffer, l.postOffer)
	r.Handle("/signup/passkey/begin", l.Guard.Script(l.beginSignup)).Methods(http.MethodPost)
	r.Handle("/signup/passkey/finish", l.Guard.Script(l.finishSignupPasskey)).Methods(http.MethodPost)
}

// prover is who uses a passkey, and what for.
type prover struct {
	arrival.Arrival
	user    *accounts.User // who it has to be; nil: whoever has a passkey
	pending *debtor        // whose log-in it completes; nil: nothing was proved before
}

// prover finds out who uses a passkey on /login, or on /login/verify, and returns r in the language
// of the page. [errElsewhere]: the page is out of date.
func (l *Login) prover(r *http.Request, verify bool) (p prover, with *http.Request, err error) {
	if p.Handle = r.URL.Query().Get("interaction"); p.Handle == "" {
		p.Arrival = arrival.Confirming(r)
	}
	if p.Handle != "" {
		p.Interaction, err = l.Sessions.Interaction(r, p.Handle)
		if errors.Is(err, store.ErrNotFound) { // answered or expired, which the page explains
			err = errElsewhere("/login" + p.Query())
		}
		if err != nil {
			return p, r, err
		}
		r = pages.WithLocales(r, p.Interaction.Form.Get("ui_locales"), p.Interaction.CreatedAt)
	}
	switch {
	case verify:
		who, err := l.owes(r, p.Arrival)
		if err != nil {
			return p, r, err
		}
		if p.user = &who.user; who.session == nil {
			p.pending = &who
		}
	case p.Confirm:
		current, err := l.Sessions.Session(r)
		if err != nil {
			return p, r, err
		}
		if current != nil {
			p.user = &current.User
		}
	}
	return p, r, nil
}

// POST /login/passkey/begin, /login/verify/passkey/begin: the options by which the browser uses a
// passkey.
func (l *Login) beginPasskey(w http.ResponseWriter, r *http.Request, verify bool) {
	p, r, err := l.prover(r, verify)
	if err == nil {
		err = l.Arrivals.NeedsCookies(w, r, guard.FormError{})
	}
	if err == nil {
		err = l.Throttle.Ceremony(r)
	}
	var options []byte
	switch {
	case err != nil:
	case p.user == nil:
		options, err = l.Passkeys.BeginLogin(r.Context(), l.browser(r))
	default:
		options, err = l.Passkeys.BeginConfirmation(r.Context(), l.browser(r), *p.user)
		if errors.Is(err, store.ErrNotFound) { // they have none, so that it can only be another person's
			err = guard.FormError{"": messages.PasskeyRefused}
		}
	}
	if err != nil {
		l.refusePasskey(w, r, err)
		return
	}
	l.Guard.TellRaw(w, options)
}

// browser is the one that sent r.
func (l *Login) browser(r *http.Request) passkeys.Browser {
	return passkeys.Browser{Secret: l.Sessions.Browser(r), Device: l.Sessions.DeviceSecret(r)}
}

// POST /login/passkey/finish, /login/verify/passkey/finish: logs in by a passkey. It is as good as
// any log-in gets, so no second step follows.
func (l *Login) finishPasskey(w http.ResponseWriter, r *http.Request, verify bool, answer []byte) {
	p, r, err := l.prover(r, verify)
	if err == nil {
		err = l.provePasskey(w, r, p, answer)
	}
	l.Counts.note(byPasskey, proofs.Nothing, err)
	if err != nil {
		l.refusePasskey(w, r, err)
		return
	}
	l.Guard.LeadScript(w, l.Arrivals.Next(w, r, p.Handle))
}

// provePasskey judges the browser's answer, and opens the session.
func (l *Login) provePasskey(w http.ResponseWriter, r *http.Request, p prover, answer []byte) error {
	ctx := r.Context()
	try, err := l.Throttle.Passkey(r)
	if err != nil {
		return err
	}
	var user accounts.User
	var used accounts.Passkey
	if p.user == nil {
		user, used, err = l.Passkeys.FinishLogin(ctx, l.browser(r), answer)
	} else {
		user = *p.user
		used, err = l.Passkeys.FinishConfirmation(ctx, l.browser(r), user, answer)
	}
	var refused *passkeys.RefusedError
	if errors.As(err, &refused) {
		try.Fail(ctx)
		l.failed(r, user, byPasskey)
		if refused.Cloned != nil {
			return errors.Join(err, l.tellOfClone(r, *refused.Cloned))
		}
		return err
	}
	try.Release(ctx)
	if err != nil {
		return err
	}
	o := session.Opening{User: user, Proof: passkeys.Proof(used)}
	if p.pending == nil {
		return l.Sessions.Open(w, r, o)
	}
	o.Proof = append(slices.Clone(p.pending.proof), o.Proof...)
	return l.settle(w, r, *p.pending, o)
}

// tellOfClone tells the person that a copy of their passkey may exist.
func (l *Login) tellOfClone(r *http.Request, p accounts.Passkey) error {
	user, err := l.Store.Users.User(r.Context(), p.UserID)
	if err != nil {
		return err
	}
	return l.Store.Tx(r.Context(), func(ctx context.Context) error {
		return l.Notices.Note(ctx, r, user, notices.PasskeyCloned, p.Name)
	})
}

// refusePasskey tells the script what err keeps from being done. Why a passkey is refused is for
// the log alone.
func (l *Login) refusePasskey(w http.ResponseWriter, r *http.Request, err error) {
	var refused *passkeys.RefusedError
	var elsewhere errElsewhere
	switch {
	case errors.As(err, &elsewhere):
		l.Guard.LeadScript(w, string(elsewhere))
	case errors.As(err, &refused):
		l.Guard.RefuseScriptFor(w, r, messages.PasskeyRefused, refused.Reason, refused.Unknown)
	case errors.Is(err, store.ErrNotFound): // the account was disabled, or got another password, this very moment
		l.Guard.RefuseScript(w, r, guard.FormError{"": messages.PasskeyRefused})
	default:
		l.Guard.RefuseScript(w, r, err)
	}
}

// offered is the value of the field "passkeys" with which the script of /login says that the device
// can make a passkey.
const offered = "yes"

// offers tells whether somebody who has just logged in by their password is led past
// /login/passkey, which knows whether they have one already.
func (l *Login) offers(r *http.Request, a arrival.Arrival) bool {
	return l.Passkeys.On() && !a.Confirm && r.PostForm.Get("passkeys") == offered && !l.Sessions.Later(r)
}

// GET /login/passkey: offers a passkey, or leads on if there is one, or nobody is logged in.
func (l *Login) showOffer(w http.ResponseWriter, r *http.Request) {
	a, current, r, ok := l.Arrivals.Person(w, r)
	if !ok {
		return
	}
	if current == nil || current.User.Passkey || l.Sessions.Later(r) {
		l.Arrivals.Onward(w, r, a.Handle)
		return
	}
	l.Pages.Render(w, r, http.StatusOK, pages.PasskeyOfferPage{Query: a.Query(), App: a.App})
}

// POST /login/passkey: no passkey for now.
func (l *Login) postOffer(w http.ResponseWriter, r *http.Request) {
	a, r, ok := l.Arrivals.Of(w, r)
	if !ok {
		return
	}
	l.Sessions.OfferLater(w)
	l.Arrivals.Onward(w, r, a.Handle)
}
