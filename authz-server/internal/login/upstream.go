package login

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/arrival"
	"github.com/maru-auth/maru/authz-server/internal/guard"
	"github.com/maru-auth/maru/authz-server/internal/messages"
	"github.com/maru-auth/maru/authz-server/internal/pages"
	"github.com/maru-auth/maru/authz-server/internal/profile"
	"github.com/maru-auth/maru/authz-server/internal/recovery"
	"github.com/maru-auth/maru/authz-server/internal/session"
	"github.com/maru-auth/maru/authz-server/internal/signup"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/upstreams"
	"github.com/maru-auth/maru/authz-server/internal/upstream"
)

// comer is somebody who came from an upstream and whose identity there is nobody's yet.
type comer struct {
	arrival.Arrival
	stored  upstreams.Arrival
	person  upstream.Person
	title   string           // what people call the upstream
	current *session.Session // nil: nobody is logged in
	prove   string           // where they prove that the account of the session is theirs; empty: they did since then
}

// sessionPrecision is how precisely it is known when somebody logged in.
const sessionPrecision = time.Second

// comer finds who came from an upstream in the browser that sent r, and returns r in the language
// that the application wishes. If there is nobody, it answers and returns false.
func (l *Login) comer(w http.ResponseWriter, r *http.Request) (c comer, with *http.Request, ok bool) {
	var err error
	if c.stored, err = l.Store.Upstreams.Arrival(r.Context(), l.Sessions.Browser(r)); err == nil {
		c.title, err = l.Upstreams.Title(r.Context(), c.stored.Upstream)
	}
	if err == nil {
		c.person, err = upstream.PersonOf(c.stored)
	}
	if errors.Is(err, store.ErrNotFound) { // expired, or done in another window
		l.Sessions.EndJoin(w)
		l.Guard.See(w, r, "/login?"+pages.UpstreamParameter+"=late")
		return c, r, false
	}
	if err == nil && c.stored.Interaction != "" {
		c.Arrival, r, err = l.Arrivals.Find(r, c.stored.Interaction)
		if errors.Is(err, store.ErrNotFound) { // it took too long: the person goes on to their account
			c.Arrival, err = arrival.Arrival{}, nil
		}
	}
	if err == nil {
		c.current, err = l.Sessions.Session(r)
	}
	if err == nil && c.current != nil {
		c.prove = "/login?" + session.Confirm
		if !c.current.AuthTime.Before(c.stored.CreatedAt.Truncate(sessionPrecision)) {
			c.prove, err = l.Sessions.Unproved(r.Context(), c.current)
		}
	}
	if err != nil {
		l.Guard.Fail(w, r, err)
		return c, r, false
	}
	return c, r, true
}

// GET /login/upstream: asks somebody who came from an upstream whether they have an account; or, if
// they have logged in to it since, whether that identity is to open it from now on.
func (l *Login) showComer(w http.ResponseWriter, r *http.Request) {
	c, r, ok := l.comer(w, r)
	if !ok {
		return
	}
	if c.current != nil && l.Sessions.Joining(r) {
		l.askToLink(w, r, c)
		return
	}
	page, _, err := l.joinPage(r, c)
	if err != nil {
		l.Guard.Fail(w, r, err)
		return
	}
	l.Pages.Render(w, r, http.StatusOK, page)
}

// askToLink shows the question, if both sides are proved. An account that the person was logged in
// to before is not: somebody else may sit at their browser.
func (l *Login) askToLink(w http.ResponseWriter, r *http.Request, c comer) {
	if c.prove != "" {
		l.Guard.See(w, r, l.proveAccount(c))
		return
	}
	l.Pages.Render(w, r, http.StatusOK, c.linkPage())
}

// proveAccount is where somebody proves that an account is theirs.
func (l *Login) proveAccount(c comer) string {
	if c.current == nil {
		return "/login" + c.Query()
	}
	return cmp.Or(c.prove, arrival.JoinPath)
}

func (c comer) linkPage() pages.UpstreamLinkPage {
	return pages.UpstreamLinkPage{Title: c.title, Label: c.person.Label(), App: c.App, Email: c.current.User.Email, Session: c.current.ID}
}

// joinPage is the page for c, and by what they sign up.
func (l *Login) joinPage(r *http.Request, c comer) (page pages.UpstreamJoinPage, entry signup.Entry, err error) {
	page = pages.UpstreamJoinPage{Title: c.title, Label: c.person.Label(), App: c.App, Email: c.person.Email, Proved: c.person.EmailVerified,
		Domains: l.Signup.Domains(), Terms: pages.Terms(l.Signup.Terms)}
	if name, problem := profile.Name(c.person.Name); problem == "" {
		page.Name = name
	}
	// Only to the owner of an address is told whether it has an account.
	if c.person.EmailVerified {
		_, err = l.Store.Users.UserByEmail(r.Context(), c.person.Email)
		page.Known = err == nil
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return page, entry, err
		}
	}
	takes, err := l.Upstreams.TakesSignups(r.Context(), c.stored.Upstream)
	if err != nil {
		return page, entry, err
	}
	page.NoSignup = !takes
	entry, err = l.admit(r)
	var refused *signup.Refusal
	if errors.As(err, &refused) {
		page.Refused, err = refused.Reason, nil
	}
	if page.Invited = entry.Invitation.Email; page.Email == "" {
		page.Email = page.Invited
	}
	return page, entry, err
}

// POST /login/upstream: makes an account (do=signup), leads to the log-in to one that there is
// (login), links the identity to it (link), or forgets who came (drop).
func (l *Login) postComer(w http.ResponseWriter, r *http.Request) {
	leave, ok := l.Guard.Turn(w, r)
	if !ok {
		return
	}
	defer leave()
	c, r, ok := l.comer(w, r)
	if !ok {
		return
	}
	switch r.PostForm.Get("do") {
	case "signup":
		l.signUpComer(w, r, c)
	case "login":
		l.Sessions.Join(w)
		l.Guard.See(w, r, l.proveAccount(c))
	case "link":
		l.linkComer(w, r, c)
	case "drop":
		if err := l.Store.Upstreams.SpendArrival(r.Context(), l.Sessions.Browser(r), c.stored); err != nil && !errors.Is(err, store.ErrNotFound) {
			l.Guard.Fail(w, r, err)
			return
		}
		l.leave(w, r, c)
	default:
		l.Pages.Error(w, r, http.StatusBadRequest, "invalid_request", "The parameter do must be signup, login, link or drop.")
	}
}

// leave leads on somebody whose identity is linked now, or forgotten.
func (l *Login) leave(w http.ResponseWriter, r *http.Request, c comer) {
	l.Sessions.EndJoin(w)
	if c.current == nil {
		l.Guard.See(w, r, "/login"+c.Query())
		return
	}
	l.Guard.See(w, r, l.Arrivals.Joined(w, r, c.Handle))
}

// linkComer links the identity to the account whose person has proved both.
func (l *Login) linkComer(w http.ResponseWriter, r *http.Request, c comer) {
	if c.current == nil || c.prove != "" || r.PostForm.Get("session") != c.current.ID { // asked in another session
		l.Guard.See(w, r, l.proveAccount(c))
		return
	}
	err := l.Store.Tx(r.Context(), func(ctx context.Context) error {
		if err := l.Store.Upstreams.SpendArrival(ctx, l.Sessions.Browser(r), c.stored); err != nil {
			return err
		}
		return l.Upstreams.Join(ctx, r, c.current.User, c.stored.Upstream, c.stored.Issuer, c.person)
	})
	switch {
	case errors.Is(err, store.ErrExists), errors.Is(err, upstreams.ErrTooMany):
		err = guard.FormError{"": messages.UpstreamTaken}
	case errors.Is(err, store.ErrNotFound): // a second click
		err = nil
	}
	if err != nil {
		l.Guard.Refuse(w, r, err, func(form pages.Form) pages.Page {
			page := c.linkPage()
			page.Form = form
			return page
		})
		return
	}
	l.leave(w, r, c)
}

// signUpComer makes an account that the identity opens; or, where the server sends mail and the
// upstream does not vouch for the address, has that confirmed first.
func (l *Login) signUpComer(w http.ResponseWriter, r *http.Request, c comer) {
	page, entry, err := l.joinPage(r, c)
	if err != nil {
		l.Guard.Fail(w, r, err)
		return
	}
	if !page.Signs() {
		l.Pages.Render(w, r, http.StatusForbidden, page)
		return
	}
	user, entry, err := l.readSignup(w, r, entry, false)
	page.Name, page.Email = user.Name, user.Email
	if err == nil {
		err = l.Throttle.Signup(r.Context(), r)
	}
	user.EmailVerified = c.person.EmailVerified && accounts.EmailKey(user.Email) == accounts.EmailKey(c.person.Email)
	confirms := !user.EmailVerified && l.Recovery.SendsMail()
	if err == nil && confirms {
		c.person.IDToken = "" // what waits for a letter to be read keeps none
		err = l.askToConfirm(w, r, user, entry, c.Arrival, recovery.SignupProof{Upstream: &recovery.SignupUpstream{
			Name: c.stored.Upstream, Issuer: c.stored.Issuer, Person: c.person}})
	} else if err == nil {
		err = l.makeComer(w, r, c, user, entry)
	}
	var refused *signup.Refusal
	switch {
	case errors.Is(err, store.ErrNotFound): // a second click
		l.leave(w, r, c)
	case errors.As(err, &refused):
		l.refuseSignup(w, r, err, c.Arrival, pages.SignupPage{})
	case err != nil:
		l.Guard.Refuse(w, r, err, func(form pages.Form) pages.Page {
			page.Form = form
			return page
		})
	case confirms:
		l.Guard.See(w, r, recovery.VerifyPath)
	default:
		l.Sessions.ForgetInvitation(w)
		l.Sessions.EndJoin(w)
		l.Guard.See(w, r, l.Arrivals.Joined(w, r, c.Handle))
	}
}

// makeComer makes the account, links the identity and logs in.
func (l *Login) makeComer(w http.ResponseWriter, r *http.Request, c comer, user accounts.User, entry signup.Entry) error {
	var made accounts.User
	entry.Upstream = true
	err := l.Store.Tx(r.Context(), func(ctx context.Context) (err error) {
		if err := l.Store.Upstreams.SpendArrival(ctx, l.Sessions.Browser(r), c.stored); err != nil {
			return err
		}
		if made, err = l.Signup.Create(ctx, user, entry); err != nil {
			return err
		}
		return l.Upstreams.Adopt(ctx, r, made, c.stored.Upstream, c.stored.Issuer, c.person)
	})
	switch {
	case errors.Is(err, signup.ErrAddress): // the policy is another by now
		return guard.FormError{"email": messages.EmailDomain}
	case errors.Is(err, store.ErrExists):
		return guard.FormError{"email": messages.EmailTaken}
	case errors.Is(err, upstream.ErrTaken): // in another browser meanwhile
		return guard.FormError{"": messages.UpstreamTaken}
	case err != nil:
		return err
	}
	return l.Sessions.Open(w, r, session.Opening{User: made, Proof: c.person.Proof, From: c.person.MadeAccount(c.stored.Upstream)})
}
