package login

import (
	"context"
	"errors"
	"net/http"

	"github.com/maru-auth/maru/authz-server/internal/arrival"
	"github.com/maru-auth/maru/authz-server/internal/factors"
	"github.com/maru-auth/maru/authz-server/internal/guard"
	"github.com/maru-auth/maru/authz-server/internal/messages"
	"github.com/maru-auth/maru/authz-server/internal/pages"
	"github.com/maru-auth/maru/authz-server/internal/proofs"
	"github.com/maru-auth/maru/authz-server/internal/session"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/upstreams"
	"github.com/maru-auth/maru/authz-server/internal/throttle"
)

// debtor is somebody who owes a second step: their password was right just now, or they are logged
// in and are to prove more.
type debtor struct {
	user    accounts.User
	session *session.Session // that is to be raised; nil: the log-in is pending
	proof   proofs.Proof     // of a pending log-in
	from    *upstreams.Origin
	owed    proofs.Owed // SecondStep or Passkey
}

// GET /login/verify: asks for the second step. The parameter recovery asks for a recovery code.
func (l *Login) showVerify(w http.ResponseWriter, r *http.Request) {
	a, r, ok := l.Arrivals.Of(w, r)
	if !ok {
		return
	}
	who, ok := l.debtor(w, r, a)
	if !ok {
		return
	}
	page := l.verifyPage(a, who)
	page.Recovery = r.URL.Query().Get("recovery") != ""
	l.Pages.Render(w, r, http.StatusOK, page)
}

func (l *Login) verifyPage(a arrival.Arrival, who debtor) pages.VerifyPage {
	return pages.VerifyPage{Query: a.Query(), App: a.App, Email: who.user.Email, Passkey: who.user.Passkey && l.Passkeys.On(),
		OTP: who.user.SecondStep && who.owed == proofs.SecondStep, Trusts: who.session == nil}
}

// debtor finds out who owes a second step in the browser that sent r. If nobody does, it leads to
// where the log-in goes on, and returns false.
func (l *Login) debtor(w http.ResponseWriter, r *http.Request, a arrival.Arrival) (debtor, bool) {
	who, err := l.owes(r, a)
	if err == nil && who.owed != proofs.SecondStep && who.owed != proofs.Passkey {
		l.Arrivals.Onward(w, r, a.Handle)
		return debtor{}, false
	}
	var elsewhere errElsewhere
	if errors.As(err, &elsewhere) {
		l.Guard.See(w, r, string(elsewhere))
		return debtor{}, false
	}
	if err != nil {
		l.Guard.Fail(w, r, err)
		return debtor{}, false
	}
	return who, true
}

// owes finds out who is logging in in the browser that sent r, or is logged in there, and what they
// owe. [errElsewhere]: nobody, or nothing more.
func (l *Login) owes(r *http.Request, a arrival.Arrival) (debtor, error) {
	pending, err := l.Sessions.PendingLogin(r)
	// What was begun before this request, perhaps by another person, is not its log-in.
	if err == nil && pending.CreatedAt.Before(a.Interaction.CreatedAt) {
		err = store.ErrNotFound
	}
	if err == nil {
		who := debtor{user: pending.User, proof: pending.AMR, from: pending.From,
			owed: a.Demands().Owed(session.Provable(pending.User), proofs.Login{Proof: pending.AMR})}
		if who.owed != proofs.SecondStep { // it was turned off meanwhile
			return debtor{}, errElsewhere("/login" + a.Query())
		}
		return who, nil
	}
	var current *session.Session
	if errors.Is(err, store.ErrNotFound) {
		current, err = l.Sessions.Session(r)
	}
	if err != nil {
		return debtor{}, err
	}
	if current == nil {
		return debtor{}, errElsewhere("/login" + a.With("late=yes"))
	}
	return debtor{user: current.User, session: current, owed: a.Demands().Owed(current.Provable(), current.Login())}, nil
}

// errElsewhere is the path where a log-in goes on whose page is out of date.
type errElsewhere string

func (e errElsewhere) Error() string { return "the log-in goes on at " + string(e) }

// POST /login/verify: takes a code of the person's app, or a recovery code. The log-in is complete
// then, or the session is raised.
func (l *Login) postVerify(w http.ResponseWriter, r *http.Request) {
	a, r, ok := l.Arrivals.Of(w, r)
	if !ok {
		return
	}
	who, ok := l.debtor(w, r, a)
	if !ok {
		return
	}
	recovery := r.PostForm.Has("recovery")
	err := l.verify(w, r, who, recovery)
	proof := byOTP
	if recovery {
		proof = byRecovery
	}
	l.Counts.note(proof, proofs.Nothing, err)
	if errors.Is(err, store.ErrNotFound) { // a second click, or the session has just ended: look again
		l.Guard.See(w, r, "/login/verify"+a.Query())
		return
	}
	if err != nil {
		l.Guard.Refuse(w, r, err, func(form pages.Form) pages.Page {
			page := l.verifyPage(a, who)
			page.Form, page.Recovery, page.Trust = form, recovery, r.PostForm.Has("trust")
			return page
		})
		return
	}
	if recovery && !a.Confirm {
		l.recovered(w, r, a, who)
		return
	}
	l.Arrivals.Onward(w, r, a.Handle)
}

// recovered leads on somebody who used a recovery code: to their account, which says how many are
// left, or where they were going, by a page that says so if there are few.
func (l *Login) recovered(w http.ResponseWriter, r *http.Request, a arrival.Arrival, who debtor) {
	if a.Handle == "" {
		l.Guard.See(w, r, "/account/security?done="+string(messages.RecoveryUsed))
		return
	}
	left, err := l.Store.Factors.RecoveryCodes(r.Context(), who.user.ID)
	if err != nil {
		l.Guard.Fail(w, r, err)
		return
	}
	if left > pages.FewCodes {
		l.Arrivals.Onward(w, r, a.Handle)
		return
	}
	l.Pages.Render(w, r, http.StatusOK, pages.RecoveryLeftPage{App: a.App, Left: left, Next: "/oauth2/authorize" + a.Query()})
}

// verify checks the code, which counts as a try if it can be one, and logs in. Errors:
// [guard.FormError], those of [throttle.Throttle.SecondStep], and [store.ErrNotFound] if there is
// nothing to log in to any more.
func (l *Login) verify(w http.ResponseWriter, r *http.Request, who debtor, recovery bool) error {
	field, wrong := "otp", messages.CodeWrong
	if recovery {
		field, wrong = "recovery", messages.RecoveryCodeWrong
	}
	typed := r.PostForm.Get(field)
	if typed == "" {
		return guard.FormError{field: messages.CodeMissing}
	}
	if !who.user.SecondStep || who.owed != proofs.SecondStep ||
		recovery && !factors.IsRecoveryCode(typed) || !recovery && !factors.IsCode(typed) {
		return guard.FormError{field: wrong}
	}
	known, _, err := l.Sessions.Device(r, who.user.ID)
	if err != nil {
		return err
	}
	waiting, cancel := context.WithTimeout(r.Context(), throttle.Patience)
	defer cancel()
	try, err := l.Throttle.SecondStep(waiting, r, who.user.ID, known)
	if err != nil {
		return l.throttled(r, who.user, err)
	}
	var spend factors.Spend
	if recovery {
		spend, err = l.Factors.CheckRecovery(r, who.user, typed)
	} else {
		spend, err = l.Factors.CheckApp(r.Context(), who.user.ID, typed)
	}
	if err == nil {
		err = l.complete(w, r, who, spend)
	}
	if errors.Is(err, factors.ErrUsed) {
		wrong = messages.CodeUsed
	}
	if errors.Is(err, factors.ErrUsed) || errors.Is(err, factors.ErrWrong) {
		try.Fail(r.Context())
		l.failed(r, who.user, field)
		return guard.FormError{field: wrong}
	}
	try.Release(r.Context())
	return err
}

// complete logs in, or raises the session, and spends the code in the same transaction.
func (l *Login) complete(w http.ResponseWriter, r *http.Request, who debtor, spend factors.Spend) error {
	if who.session != nil {
		return l.Sessions.Raise(w, r, who.session, proofs.WithCode(who.session.AMR), spend)
	}
	return l.settle(w, r, who, session.Opening{User: who.user, Proof: proofs.WithCode(who.proof), Trust: r.PostForm.Has("trust"), With: spend})
}

// settle completes the pending log-in of who. If it began at an upstream, the person still has to log
// in there. Errors are those of [session.Sessions.Open]; with [store.ErrNotFound], nothing is pending
// any more.
func (l *Login) settle(w http.ResponseWriter, r *http.Request, who debtor, o session.Opening) error {
	with := o.With
	o.From, o.With = who.from, func(ctx context.Context) error {
		if err := l.Sessions.EndLogin(ctx, r); err != nil {
			return err
		}
		if who.from != nil {
			identity, err := l.Store.Upstreams.Identity(ctx, who.from.Upstream, who.from.Issuer, who.from.Subject)
			if err != nil {
				return err
			}
			identity.UserID = who.user.ID // it may be another person's by now
			if err := l.Store.Upstreams.NoteUse(ctx, identity); err != nil {
				return err
			}
		}
		if with != nil {
			return with(ctx)
		}
		return nil
	}
	err := l.Sessions.Open(w, r, o)
	if errors.Is(err, store.ErrNotFound) {
		if ended := l.Sessions.EndLogin(r.Context(), r); ended != nil && !errors.Is(ended, store.ErrNotFound) {
			return ended
		}
	}
	return err
}
