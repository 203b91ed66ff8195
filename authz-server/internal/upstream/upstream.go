// Package upstream logs people in by other providers: any that speaks OpenID Connect, and those that
// it has a preset for. /login/upstream/{name} sends somebody there, and they come back to
// /login/upstream/{name}/callback.
//
// Somebody is who the upstream's subject says, and never whoever has the address that it tells: an
// identity that is nobody's yet becomes an account's when its person proves that the account is
// theirs too, or signs up. Package login has the page for that.
package upstream

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/mux"

	"github.com/maru-auth/maru/authz-server/internal/arrival"
	"github.com/maru-auth/maru/authz-server/internal/fetch"
	"github.com/maru-auth/maru/authz-server/internal/guard"
	"github.com/maru-auth/maru/authz-server/internal/issuer"
	"github.com/maru-auth/maru/authz-server/internal/keys"
	"github.com/maru-auth/maru/authz-server/internal/notices"
	"github.com/maru-auth/maru/authz-server/internal/opaque"
	"github.com/maru-auth/maru/authz-server/internal/pages"
	"github.com/maru-auth/maru/authz-server/internal/sender"
	"github.com/maru-auth/maru/authz-server/internal/session"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/upstreams"
	"github.com/maru-auth/maru/authz-server/internal/throttle"
	"github.com/maru-auth/maru/internal/httpd"
)

// Upstreams logs people in by other providers. All fields must be set. It is safe for concurrent
// use; a nil *Upstreams has none.
type Upstreams struct {
	Store    *store.Store
	Fetch    *fetch.Client
	KEK      *keys.KEK
	Pages    *pages.Pages
	Issuer   issuer.URL
	Arrivals *arrival.Arrivals
	Sessions *session.Sessions
	Guard    *guard.Guard
	Throttle *throttle.Throttle
	Notices  *notices.Notices
	Now      func() time.Time
	Log      *slog.Logger
	Counts   *Counts

	documents documents
	mu        sync.Mutex // guards what follows
	known     []provider // those that are enabled
	off       []provider // and those that are not
	read      time.Time
}

// provider is an upstream.
type provider struct {
	Name string
	Settings
	secret string
}

// rememberedFor is how long the list of upstreams is used: every page that logs people in shows it.
const rememberedFor = 2 * time.Second

// all returns the upstreams that are enabled. One whose settings or secret cannot be read is left
// out, and the log says so.
func (u *Upstreams) all(ctx context.Context) ([]provider, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	err := u.look(ctx)
	return u.known, err
}

// look reads the upstreams, unless they were read just now.
func (u *Upstreams) look(ctx context.Context) error {
	if age := u.Now().Sub(u.read); !u.read.IsZero() && age >= 0 && age < rememberedFor {
		return nil
	}
	stored, err := u.Store.Upstreams.List(ctx)
	if err != nil {
		return err
	}
	u.known, u.off, u.read = nil, nil, u.Now()
	for _, one := range stored {
		p := provider{Name: one.Name}
		if p.Settings, err = Read(one); err == nil && !one.Disabled { // what ends sessions needs no secret
			p.secret, _, err = open(u.KEK, one)
		}
		if err != nil {
			u.Log.ErrorContext(ctx, "an upstream cannot be used", "upstream", one.Name, "error", err)
			continue
		}
		if one.Disabled {
			u.off = append(u.off, p)
		} else {
			u.known = append(u.known, p)
		}
	}
	return nil
}

// provider returns the upstream with a name. [store.ErrNotFound]: there is none, or it is disabled.
func (u *Upstreams) provider(ctx context.Context, name string) (*provider, error) {
	all, err := u.all(ctx)
	if err != nil {
		return nil, err
	}
	return named(all, name)
}

func named(all []provider, name string) (*provider, error) {
	i := slices.IndexFunc(all, func(p provider) bool { return p.Name == name })
	if i < 0 {
		return nil, store.ErrNotFound
	}
	return &all[i], nil
}

// providerOrOff is provider also for one that is disabled: nobody logs in by it, and sessions that began
// by it go on. [store.ErrNotFound]: there is none.
func (u *Upstreams) providerOrOff(ctx context.Context, name string) (*provider, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if err := u.look(ctx); err != nil {
		return nil, err
	}
	return named(slices.Concat(u.known, u.off), name)
}

// Buttons are what a page shows that logs people in: of the upstreams with these names, or of all
// for nil.
func (u *Upstreams) Buttons(ctx context.Context, of []string) (buttons []pages.UpstreamButton, err error) {
	if u == nil {
		return nil, nil
	}
	all, err := u.all(ctx)
	for _, one := range all {
		if of == nil || slices.Contains(of, one.Name) {
			buttons = append(buttons, pages.UpstreamButton{Name: one.Name, Title: one.Title})
		}
	}
	return buttons, err
}

// Title is what people call an upstream. [store.ErrNotFound]: there is none, or it is disabled.
func (u *Upstreams) Title(ctx context.Context, name string) (string, error) {
	if u == nil {
		return "", store.ErrNotFound
	}
	p, err := u.provider(ctx, name)
	if err != nil {
		return "", err
	}
	return p.Title, nil
}

// TakesSignups tells whether somebody can make an account by an upstream.
func (u *Upstreams) TakesSignups(ctx context.Context, name string) (bool, error) {
	p, err := u.provider(ctx, name)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return err == nil && !p.NoSignup, err
}

// Routes adds the pages to r.
func (u *Upstreams) Routes(r *mux.Router) {
	r.Handle("/login/upstream/{name}", u.Guard.Form(u.start)).Methods(http.MethodPost)
	r.HandleFunc("/login/upstream/{name}", u.goBack).Methods(http.MethodGet, http.MethodHead)
	r.HandleFunc(callbackPath, u.comeBack).Methods(http.MethodGet)
	r.HandleFunc(callbackPath, u.comeBackByForm).Methods(http.MethodPost)
	r.HandleFunc(loggedOutPath, u.loggedOut).Methods(http.MethodGet)
	r.HandleFunc(backchannelPath, u.takeLogout).Methods(http.MethodPost)
}

const callbackPath = "/login/upstream/{name}/callback"

// callback is where an upstream sends people back to. Each has an address of its own, so that no
// upstream can answer in place of another (RFC 9700 §4.4.2.2).
func (u *Upstreams) callback(name string) string { return u.Issuer.URL(CallbackPath(name)) }

// CallbackPath is where the upstream with a name sends people back to, below the issuer.
func CallbackPath(name string) string { return strings.Replace(callbackPath, "{name}", name, 1) }

// goBack leads somebody who opens the address of a button to the page with the button.
func (u *Upstreams) goBack(w http.ResponseWriter, r *http.Request) { u.Guard.See(w, r, "/login") }

// POST /login/upstream/{name}: sends somebody there, to log in or to prove again who they are.
func (u *Upstreams) start(w http.ResponseWriter, r *http.Request) {
	a, current, r, ok := u.Arrivals.Person(w, r)
	if !ok {
		return
	}
	l := upstreams.Login{Purpose: upstreams.LogIn, Interaction: a.Handle}
	if a.Confirm && current != nil {
		l.Purpose, l.UserID, l.SessionID = upstreams.Confirm, current.UserID, current.ID
	}
	u.Begin(w, r, mux.Vars(r)["name"], l, a)
}

// Begin sends somebody to the upstream with a name. a is why they are here.
func (u *Upstreams) Begin(w http.ResponseWriter, r *http.Request, name string, l upstreams.Login, a arrival.Arrival) {
	back := backOf(l)
	if !u.Sessions.HasBrowser(r) {
		u.Sessions.EnsureBrowser(w, r)
		u.giveUp(w, r, back, noCookies)
		return
	}
	p, err := u.provider(r.Context(), name)
	if errors.Is(err, store.ErrNotFound) {
		u.giveUp(w, r, back, failed)
		return
	}
	if err == nil {
		err = u.Throttle.UpstreamLogin(r)
	}
	var wait *throttle.WaitError
	if errors.As(err, &wait) {
		u.Counts.note(name, limited)
		u.giveUp(w, r, back, limited)
		return
	}
	if err != nil {
		u.Guard.Fail(w, r, err)
		return
	}
	m, err := u.metadata(r.Context(), p, u.cause(r, name))
	if err != nil {
		u.unusable(w, r, p, back, err)
		return
	}
	l.Upstream, l.Issuer = name, p.Issuer
	state, browser := opaque.New(), u.Sessions.Browser(r)
	if err := u.Store.Upstreams.Begin(r.Context(), state, browser, l); err != nil {
		u.Guard.Fail(w, r, err)
		return
	}
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Location", withQuery(m.Authorization, u.request(p, l, a, state, derive(state, browser))))
	w.WriteHeader(http.StatusSeeOther)
}

// request is what the upstream is asked for.
func (u *Upstreams) request(p *provider, l upstreams.Login, a arrival.Arrival, state string, s secrets) url.Values {
	challenge := sha256.Sum256([]byte(s.verifier))
	form := url.Values{"response_type": {"code"}, "client_id": {p.ClientID}, "redirect_uri": {u.callback(p.Name)}, "state": {state},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(challenge[:])}, "code_challenge_method": {"S256"}}
	if p.Scope != "" {
		form.Set("scope", p.Scope)
	}
	if p.ResponseMode != "" {
		form.Set("response_mode", p.ResponseMode)
	}
	if p.OpenID() {
		form.Set("nonce", s.nonce)
	}
	p.demand(form, l, a)
	return form
}

// secrets are what belongs to one log-in at an upstream. They follow from the state, which the
// upstream sees, and the secret of the browser, which it does not: nothing of them is stored, and
// only the browser that began can go on.
type secrets struct{ verifier, nonce string }

func derive(state, browser string) secrets {
	of := func(use string) string {
		sum := sha256.Sum256([]byte(use + " " + state + " " + browser))
		return base64.RawURLEncoding.EncodeToString(sum[:])
	}
	return secrets{verifier: of("upstream verifier"), nonce: of("upstream nonce")}
}

// withQuery adds parameters to an address, which may have some.
func withQuery(address string, more url.Values) string {
	to, err := url.Parse(address)
	if err != nil { // it was checked
		return address
	}
	query := to.Query()
	for name, values := range more {
		query[name] = values
	}
	to.RawQuery = query.Encode()
	return to.String()
}

// cause is on whose account an upstream is called.
func (u *Upstreams) cause(r *http.Request, name string) fetch.Cause {
	return fetch.Cause{Client: "upstream " + name, Networks: sender.Networks(r)}
}

// backOf is the page where a log-in goes on that came to nothing.
func backOf(l upstreams.Login) string {
	switch {
	case l.Purpose == upstreams.Link:
		return "/account/security"
	case l.Purpose == upstreams.Confirm:
		return "/login?" + session.Confirm
	case l.Interaction != "":
		return "/login" + arrival.Arrival{Handle: l.Interaction}.Query()
	}
	return "/login"
}

// giveUp leads back to a page, which says what went wrong.
func (u *Upstreams) giveUp(w http.ResponseWriter, r *http.Request, back, outcome string) {
	separator := "?"
	if strings.Contains(back, "?") {
		separator = "&"
	}
	httpd.NoteRefusal(w, "access_denied", "upstream: "+outcome)
	u.Guard.See(w, r, back+separator+pages.UpstreamParameter+"="+outcome)
}

// unusable gives up because the upstream does not answer, or not as it must. Why is for the log.
func (u *Upstreams) unusable(w http.ResponseWriter, r *http.Request, p *provider, back string, err error) {
	if r.Context().Err() != nil { // the person went away
		u.Guard.Fail(w, r, err)
		return
	}
	outcome := failed
	var call *fetch.Error
	if errors.As(err, &call) && (call.Status == 0 || call.Status >= 500) {
		outcome = unreachable
	}
	u.Log.WarnContext(r.Context(), "an upstream cannot be used", "request", httpd.RequestID(r.Context()), "upstream", p.Name,
		"error", err, "cause", cmp.Or(errors.Unwrap(err), err))
	u.Counts.note(p.Name, outcome)
	u.giveUp(w, r, back, outcome)
}
