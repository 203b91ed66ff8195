// Package login is the people's side of the authorization server: /signup, /login, /consent and /account, sessions,
// passwords and the slowing of guesses.
//
// Log-in, sign-up and consent know nothing of each other: each ends by a redirect to /oauth2/authorize, which decides what
// is still missing, or, when no application sent the person, to /account. There is no other way out.
package login

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/gorilla/mux"

	"github.com/maru-auth/maru/authz-server/internal/apps"
	"github.com/maru-auth/maru/authz-server/internal/issuer"
	"github.com/maru-auth/maru/authz-server/internal/pages"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/internal/httpd"
)

// How a person who logs in with a password has proved who they are: the claims "amr" (RFC 8176) and "acr".
const ACRPassword = "1"

var amrPassword = []string{"pwd"}

// Config is what [New] needs. Store, Pages and Issuer must be set.
type Config struct {
	Store  *store.Store
	Pages  *pages.Pages
	Issuer string           // whose origin our forms come from, and below whose path the pages are; https makes cookies Secure
	Now    func() time.Time // nil: time.Now; the store has a clock of its own, which decides what has expired
	Log    *slog.Logger     // nil: slog.Default()

	Limits Limits

	// AccessToken is how long an access token lives: so long an app can use it that has lost its access. 0: 10 minutes.
	AccessToken time.Duration

	// InsecureLegacyResponseTypes is the server's setting: with it, apps that registered themselves count as vouched for.
	InsecureLegacyResponseTypes bool
}

// Limits slow down guessing: how many tries there are within Window. Zero values stand for the defaults.
type Limits struct {
	Account int           // failed log-ins for one account; 5
	Address int           // failed log-ins from one network address (IPv6: a /64; a /48 has ten times as many); 20
	Signups int           // sign-ups from one network address (the same), failed or not, and new passwords chosen by one person; 50
	Window  time.Duration // 15 minutes
}

// Service serves the pages and answers who is logged in. It is safe for concurrent use.
type Service struct {
	*apps.Apps

	cfg       Config
	issuer    issuer.URL
	passwords *passwords
	turns     *turns
	long      *turns        // see LongTurn
	held      chan struct{} // holding one is the right to wait for a try that another holds
	forgery   *http.CrossOriginProtection
}

// New checks cfg.
func New(cfg Config) (*Service, error) {
	at, err := issuer.Parse(cfg.Issuer)
	if err != nil {
		return nil, fmt.Errorf("the issuer %q %w", cfg.Issuer, err)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	setDefault(&cfg.AccessToken, 10*time.Minute)
	setDefault(&cfg.Limits.Account, 5)
	setDefault(&cfg.Limits.Address, 20)
	setDefault(&cfg.Limits.Signups, 50)
	setDefault(&cfg.Limits.Window, 15*time.Minute)
	s := &Service{Apps: &apps.Apps{Store: cfg.Store, Pages: cfg.Pages, Issuer: cfg.Issuer, InsecureLegacyResponseTypes: cfg.InsecureLegacyResponseTypes}, cfg: cfg, issuer: at, passwords: newPasswords(), turns: newTurns(halfOfProcessors()), long: newTurns(longTurns), held: make(chan struct{}, maxHeld), forgery: http.NewCrossOriginProtection()}
	// Behind a gateway that changes the Host header, our own forms would look like another site's.
	if err := s.forgery.AddTrustedOrigin(at.Origin()); err != nil {
		return nil, fmt.Errorf("the issuer's origin: %w", err)
	}
	s.forgery.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		cfg.Pages.Error(w, r, http.StatusForbidden, "access_denied", "This form was sent from another site (its Origin or Sec-Fetch-Site header says so).")
	}))
	return s, nil
}

func setDefault[T int | time.Duration](setting *T, value T) {
	if *setting == 0 {
		*setting = value
	}
}

// Routes adds the pages to r.
func (s *Service) Routes(r *mux.Router) {
	page := func(path string, get, post http.HandlerFunc) {
		r.Handle(path, s.inTurn(get)).Methods(http.MethodGet, http.MethodHead)
		r.Handle(path, s.Form(post)).Methods(http.MethodPost)
	}
	page("/login", s.showLogin, s.postLogin)
	page("/signup", s.showSignup, s.postSignup)
	page("/consent", s.showConsent, s.postConsent)
	page("/account", s.showAccount, s.postAccount)
	r.HandleFunc("/account/profile", s.inTurn(s.showProfile)).Methods(http.MethodGet, http.MethodHead)
	r.Handle("/account/profile", s.form(maxProfile, s.postProfile)).Methods(http.MethodPost)
	page("/account/password", s.showPassword, s.postPassword)
	page("/account/sessions", s.showSessions, s.postSessions)
	page("/account/apps", s.showApps, s.postApps)
	// Where password managers send people (W3C, A Well-Known URL for Changing Passwords).
	r.HandleFunc("/.well-known/change-password", func(w http.ResponseWriter, r *http.Request) {
		s.see(w, r, "/account/password")
	}).Methods(http.MethodGet, http.MethodHead)
}

// Session is a live session and its person.
type Session struct {
	store.Session
	User store.User
}

// touchEvery is how precisely it is known when a session was last seen.
const touchEvery = 5 * time.Minute

// Session returns the session of the browser that sent r, or nil when nobody is logged in there.
func (s *Service) Session(r *http.Request) (*Session, error) {
	cookie, ok := s.cookie(r, sessionCookie)
	if !ok {
		return nil, nil
	}
	session, user, err := s.cfg.Store.SessionByCookie(r.Context(), cookie)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if err := s.touch(r.Context(), session); err != nil {
		return nil, err
	}
	return &Session{session, user}, nil
}

// touch notes that a session is in use. Pages that only read do not wait for a database that cannot write at the moment;
// then the session ends a little earlier, if the person does nothing more.
func (s *Service) touch(ctx context.Context, session store.Session) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	err := s.cfg.Store.TouchSession(ctx, session, touchEvery)
	if errors.Is(err, store.ErrUnavailable) {
		s.cfg.Log.WarnContext(ctx, "cannot note that a session is in use", "request", httpd.RequestID(ctx), "error", err)
		return nil
	}
	return err
}

// maxRequest is how large a stored authorization request may be, form-encoded, in bytes.
const maxRequest = 16 << 10

// ErrTooLarge is what Begin returns for an authorization request that is too large to be kept.
var ErrTooLarge = errors.New("the authorization request is too large")

// Begin stores an authorization request (ClientID and Form of in; without a ClientID, what a page of ours needs to go on) that waits for a person, and binds it to the browser that
// sent r by a cookie. The handle is for the parameter "interaction" of /login, /signup, /consent and /oauth2/authorize. It counts in the quotas until
// it is answered; [*store.QuotaError]: one is used up.
func (s *Service) Begin(w http.ResponseWriter, r *http.Request, in store.Interaction, quotas ...store.Quota) (handle string, err error) {
	if len(in.Form.Encode()) > maxRequest {
		return "", ErrTooLarge
	}
	return s.cfg.Store.CreateInteraction(r.Context(), in, s.ensureBrowser(w, r), quotas...)
}

// Interaction returns the one with this handle. store.ErrNotFound: unknown, expired, spent, or another browser's.
func (s *Service) Interaction(r *http.Request, handle string) (store.Interaction, error) {
	browser, ok := s.cookie(r, browserCookie)
	if !ok || !isSecret(handle) {
		return store.Interaction{}, store.ErrNotFound
	}
	return s.cfg.Store.Interaction(r.Context(), handle, browser)
}

// EndSession ends the session sid with its grants and, when it is the one of the browser that sent r, its cookie. A session
// that has ended already is no error.
func (s *Service) EndSession(w http.ResponseWriter, r *http.Request, sid string) error {
	mine, err := s.Session(r)
	if err != nil {
		return err
	}
	if err := s.cfg.Store.EndSession(r.Context(), sid); err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	if mine == nil || mine.ID == sid {
		s.setCookie(w, sessionCookie, "", -1)
		s.setBrowserState(w, nil, "")
	}
	return nil
}

// Form wraps a handler of one of our own forms: it refuses those that another site sent, and those that no page of ours makes.
func (s *Service) Form(next http.HandlerFunc) http.Handler { return s.form(maxForm, next) }

func (s *Service) form(most int64, next http.HandlerFunc) http.Handler {
	return s.forgery.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, most)
		if err := parseForm(r); err != nil {
			s.cfg.Pages.Error(w, r, http.StatusBadRequest, "invalid_request", err.Error())
			return
		}
		next(w, r)
	}))
}

// onward leads to where the person goes after a step that is done.
func (s *Service) onward(w http.ResponseWriter, r *http.Request, handle string) {
	if handle != "" {
		s.see(w, r, "/oauth2/authorize?interaction="+url.QueryEscape(handle))
		return
	}
	s.see(w, r, s.toward(w, r))
}

// see redirects to a path of this server, after a form too, by a GET that is stored nowhere.
func (s *Service) see(w http.ResponseWriter, r *http.Request, target string) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "same-origin")
	http.Redirect(w, r, s.issuer.Path(target), http.StatusSeeOther)
}

// fail answers an error that is nobody's fault but ours, and logs it.
func (s *Service) fail(w http.ResponseWriter, r *http.Request, err error) {
	if !errors.Is(r.Context().Err(), context.Canceled) { // otherwise the person went away
		s.cfg.Log.ErrorContext(r.Context(), "cannot answer", "request", httpd.RequestID(r.Context()), "path", r.URL.Path, "error", err)
	}
	if errors.Is(err, store.ErrUnavailable) {
		s.cfg.Pages.Error(w, r, http.StatusServiceUnavailable, "temporarily_unavailable", "")
		return
	}
	s.cfg.Pages.Error(w, r, http.StatusInternalServerError, "server_error", "")
}

// step is what /login, /signup and /consent know of the request that they are a part of.
type step struct {
	handle      string // empty: nobody sent the person
	interaction store.Interaction
	app         *pages.App // nil: no application sent the person
}

// step finds the interaction that r names. When it cannot be had, it answers and returns false.
func (s *Service) step(w http.ResponseWriter, r *http.Request) (st step, with *http.Request, ok bool) {
	handle := r.URL.Query().Get("interaction")
	if handle == "" {
		return step{}, r, true
	}
	in, err := s.Interaction(r, handle)
	if errors.Is(err, store.ErrNotFound) {
		s.LeadOn(w, r, handle)
		return step{}, r, false
	}
	if err != nil {
		s.fail(w, r, err)
		return step{}, r, false
	}
	r = pages.WithLocales(r, in.Form.Get("ui_locales"), in.CreatedAt)
	if in.ClientID == "" { // begun by a page of ours that needs a log-in: /device
		return step{handle: handle, interaction: in}, r, true
	}
	app, err := s.App(r, in.ClientID, in.Form.Get("redirect_uri"))
	if err != nil {
		s.fail(w, r, err)
		return step{}, r, false
	}
	httpd.NoteClient(w, app.ID)
	return step{handle, in, &app}, r, true
}
