package upstream

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"

	"github.com/gorilla/mux"

	"github.com/maru-auth/maru/authz-server/internal/arrival"
	"github.com/maru-auth/maru/authz-server/internal/notices"
	"github.com/maru-auth/maru/authz-server/internal/proofs"
	"github.com/maru-auth/maru/authz-server/internal/session"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/upstreams"
)

// What upstreams answer with. Anything else is ignored (RFC 6749 §4.1.2).
var answered = []string{"code", "state", "error", "iss"}

// maxParameter is the longest of these that is read, in bytes.
const maxParameter = 4 << 10

// read returns what the upstream answers; false: it is none that counts.
func read(form url.Values) (url.Values, bool) {
	out := url.Values{}
	for _, name := range answered {
		values := form[name]
		if len(values) > 1 || len(values) == 1 && len(values[0]) > maxParameter {
			return nil, false
		}
		if len(values) == 1 {
			out.Set(name, values[0])
		}
	}
	return out, len(out.Get("state")) == stateLength
}

const stateLength = 43 // of opaque.New

// POST /login/upstream/{name}/callback: an answer that a form brings (OAuth 2.0 Form Post Response
// Mode). It comes from another site, and so without cookies (SameSite=Lax): the browser brings it
// again with them. An answer without cookies does nothing.
func (u *Upstreams) comeBackByForm(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 16<<10)
	if err := r.ParseForm(); err != nil {
		u.Pages.Error(w, r, http.StatusBadRequest, "invalid_request", "The form is too large or not well formed.")
		return
	}
	form, ok := read(r.PostForm)
	if !ok {
		u.giveUp(w, r, "/login", late)
		return
	}
	u.Guard.See(w, r, "/login/upstream/"+url.PathEscape(mux.Vars(r)["name"])+"/callback?"+form.Encode())
}

// GET /login/upstream/{name}/callback: somebody comes back.
func (u *Upstreams) comeBack(w http.ResponseWriter, r *http.Request) {
	leave, err := u.Throttle.LongTurn(r)
	if err != nil {
		u.giveUp(w, r, "/login", limited)
		return
	}
	defer leave()
	name, browser := mux.Vars(r)["name"], u.Sessions.Browser(r)
	form, ok := read(r.URL.Query())
	var l upstreams.Login
	if ok && browser != "" {
		// Whatever else it says, an answer is looked at once, and in the browser that asked.
		l, err = u.Store.Upstreams.Spend(r.Context(), form.Get("state"), browser, name)
	} else {
		err = store.ErrNotFound
	}
	if errors.Is(err, store.ErrNotFound) || err == nil && l.Purpose == upstreams.LogOut {
		u.giveUp(w, r, "/login", late)
		return
	}
	var p *provider
	if err == nil {
		p, err = u.provider(r.Context(), name)
		if errors.Is(err, store.ErrNotFound) || err == nil && p.Issuer != l.Issuer { // it was changed meanwhile
			u.giveUp(w, r, backOf(l), failed)
			return
		}
	}
	if err != nil {
		u.Guard.Fail(w, r, err)
		return
	}
	person, ok := u.person(w, r, p, l, form, derive(form.Get("state"), browser))
	if !ok {
		return
	}
	outcome, err := u.enter(w, r, p, l, person)
	if err != nil {
		u.Counts.note(name, broken)
		u.Guard.Fail(w, r, err)
		return
	}
	u.Counts.note(name, outcome)
	switch outcome {
	case refused, taken, stale, undated:
		u.giveUp(w, r, backOf(l), outcome)
	}
}

// person finds out who came back. If that cannot be found out, it answers and returns false.
func (u *Upstreams) person(w http.ResponseWriter, r *http.Request, p *provider, l upstreams.Login, form url.Values, s secrets) (Person, bool) {
	cause := u.cause(r, p.Name)
	m, err := u.metadata(r.Context(), p, cause)
	if err == nil {
		// RFC 9207 §2.4: of an upstream that says in its metadata that it sends iss, an answer
		// without it is another's.
		if iss := form.Get("iss"); !p.isIssuer(iss) && (iss != "" && p.OpenID() || m.SendsIssuer) {
			err = errors.New("the answer names another issuer")
		}
	}
	var person Person
	switch {
	case err != nil:
	case form.Has("error"):
		u.Log.InfoContext(r.Context(), "an upstream refuses", "upstream", p.Name, "error", clip(form.Get("error"), 60))
		u.Counts.note(p.Name, refused)
		u.giveUp(w, r, backOf(l), refused)
		return Person{}, false
	case form.Get("code") == "":
		err = errors.New("the answer has no code")
	default:
		person, err = u.redeem(r.Context(), p, m, s, form.Get("code"), cause)
		if iss := form.Get("iss"); err == nil && p.OpenID() && iss != "" && iss != person.Issuer {
			err = errors.New("the answer and the ID token name different issuers")
		}
	}
	if err != nil {
		u.unusable(w, r, p, backOf(l), err)
		return Person{}, false
	}
	return person, true
}

// enter does what somebody went to the upstream for. It has answered, unless the outcome is refused,
// taken, stale or undated.
func (u *Upstreams) enter(w http.ResponseWriter, r *http.Request, p *provider, l upstreams.Login, person Person) (outcome string, err error) {
	current, err := u.Sessions.Session(r)
	if err != nil {
		return "", err
	}
	if l.Purpose != upstreams.LogIn && (current == nil || current.ID != l.SessionID || current.UserID != l.UserID) {
		return refused, nil
	}
	if l.Purpose == upstreams.Confirm && session.Local(current.User) { // whose page has no such button
		return refused, nil
	}
	if l.Purpose == upstreams.Confirm && person.since(l.CreatedAt, u.Now(), 0) == stale {
		return stale, nil
	}
	identity, err := u.Store.Upstreams.Identity(r.Context(), p.Name, person.Issuer, person.Subject)
	switch {
	case err != nil && !errors.Is(err, store.ErrNotFound):
		return "", err
	case l.Purpose == upstreams.Link && err == nil && identity.UserID == l.UserID: // linked already
		u.Guard.See(w, r, "/account/security")
		return success, nil
	case l.Purpose == upstreams.Link && err == nil, l.Purpose == upstreams.Confirm && identity.UserID != l.UserID:
		return taken, nil
	case l.Purpose == upstreams.Link:
		return u.link(w, r, p, person, current)
	case err == nil:
		identity.Label = person.Label()
		return u.logIn(w, r, l, person, identity)
	}
	return arrived, u.arrive(w, r, l, person)
}

// logIn logs in the person of an identity, unless they owe the second step.
func (u *Upstreams) logIn(w http.ResponseWriter, r *http.Request, l upstreams.Login, person Person, identity upstreams.Identity) (string, error) {
	user, err := u.Store.Users.User(r.Context(), identity.UserID)
	if errors.Is(err, store.ErrNotFound) || err == nil && user.Disabled {
		return refused, nil
	}
	if err != nil {
		return "", err
	}
	a := arrival.Arrival{Confirm: l.Purpose == upstreams.Confirm}
	if l.Interaction != "" {
		if a, _, err = u.Arrivals.Find(r, l.Interaction); errors.Is(err, store.ErrNotFound) {
			u.Arrivals.LeadOn(w, r, l.Interaction)
			return late, nil
		}
		if err != nil {
			return "", err
		}
	}
	_, trusted, err := u.Sessions.Device(r, user.ID)
	if err != nil {
		return "", err
	}
	if a.Interaction.Fresh {
		if dated := person.since(l.CreatedAt, u.Now(), a.Interaction.MaxAge); dated != success {
			if !user.SecondStep {
				return dated, nil
			}
			// The code that follows is a proof of this very moment, in whatever browser.
			person.Proof, trusted = proofs.ByUpstream, false
		}
	}
	owed := a.Demands().Owed(session.Provable(user), proofs.Login{Proof: person.Proof, Trusted: trusted})
	if owed == proofs.SecondStep {
		if err := u.Sessions.BeginLogin(w, r, user, person.Proof, person.origin(l.Upstream)); err != nil {
			return "", err
		}
		u.Guard.See(w, r, "/login/verify"+a.Query())
		return secondStep, nil
	}
	err = u.Sessions.Open(w, r, session.Opening{User: user, Proof: person.Proof, At: person.authTime, From: person.origin(l.Upstream),
		With: func(ctx context.Context) error { return u.Store.Upstreams.NoteUse(ctx, identity) }})
	if errors.Is(err, store.ErrNotFound) { // disabled or unlinked this very moment
		return refused, nil
	}
	if err != nil {
		return "", err
	}
	u.Arrivals.Onward(w, r, a.Handle)
	return success, nil
}

// link makes the identity that of the person of a session, who proved within minutes that the
// account is theirs.
func (u *Upstreams) link(w http.ResponseWriter, r *http.Request, p *provider, person Person, current *session.Session) (string, error) {
	if u.Now().Sub(current.AuthTime) > proofs.Recent+upstreams.LoginLifetime {
		return refused, nil
	}
	err := u.Store.Tx(r.Context(), func(ctx context.Context) error {
		return u.Join(ctx, r, current.User, p.Name, person.Issuer, person)
	})
	switch {
	case errors.Is(err, store.ErrExists), errors.Is(err, upstreams.ErrTooMany):
		return taken, nil
	case errors.Is(err, store.ErrNotFound):
		return refused, nil
	case err != nil:
		return "", err
	}
	u.Guard.See(w, r, "/account/security?done=upstream_linked")
	return linked, nil
}

// Join makes an identity that of a person, and tells them. Call it in a transaction. Errors are
// those of [upstreams.Upstreams.Link].
func (u *Upstreams) Join(ctx context.Context, r *http.Request, user accounts.User, name, issuer string, person Person) error {
	_, err := u.Store.Upstreams.Link(ctx, upstreams.Identity{Upstream: name, Issuer: issuer, Subject: person.Subject, UserID: user.ID,
		Label: person.Label()})
	if err != nil {
		return err
	}
	return u.Notices.Note(ctx, r, user, notices.UpstreamLinked, name+": "+person.Label())
}

// arrive keeps who came back, for the page where they make an account or prove that one is theirs.
func (u *Upstreams) arrive(w http.ResponseWriter, r *http.Request, l upstreams.Login, person Person) error {
	data, err := json.Marshal(person)
	if err != nil {
		return err
	}
	a := upstreams.Arrival{Upstream: l.Upstream, Issuer: person.Issuer, Data: string(data), Interaction: l.Interaction}
	if err := u.Store.Upstreams.Arrive(r.Context(), u.Sessions.Browser(r), a); err != nil {
		return err
	}
	u.Sessions.EndJoin(w) // what was begun with another identity
	u.Guard.See(w, r, arrival.JoinPath)
	return nil
}

// PersonOf returns who arrived.
func PersonOf(a upstreams.Arrival) (p Person, err error) {
	return p, json.Unmarshal([]byte(a.Data), &p)
}
