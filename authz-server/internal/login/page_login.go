package login

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/messages"
	"github.com/maru-auth/maru/authz-server/internal/pages"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/internal/httpd"
)

// GET /login: asks who it is. It never goes on by itself, also when somebody is logged in: the one who sent the person here
// (prompt=login, max_age, another account) had a reason. A page of ours that sent them wants no more than a log-in.
func (s *Service) showLogin(w http.ResponseWriter, r *http.Request) {
	st, r, ok := s.step(w, r)
	if !ok {
		return
	}
	session, err := s.Session(r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	if session != nil && st.app == nil {
		s.onward(w, r, st.handle)
		return
	}
	s.ensureBrowser(w, r)
	s.cfg.Pages.Render(w, r, http.StatusOK, pages.LoginPage{Interaction: st.handle, App: st.app, Email: loginHint(st)})
}

// loginHint is the parameter login_hint (OpenID Connect Core §3.1.2.1), if it can be an address.
func loginHint(st step) string {
	hint := strings.TrimSpace(st.interaction.Form.Get("login_hint"))
	if len(hint) > maxEmail || strings.ContainsAny(hint, "\r\n") {
		return ""
	}
	return hint
}

// POST /login: checks e-mail address and password, and makes a session.
func (s *Service) postLogin(w http.ResponseWriter, r *http.Request) {
	st, r, ok := s.step(w, r)
	if !ok {
		return
	}
	email, problem := cleanEmail(r.PostForm.Get("email"))
	password := r.PostForm.Get("password")
	page := pages.LoginPage{Interaction: st.handle, App: st.app, Email: email}
	page.Problems = make(map[string]messages.Problem)
	if problem != "" {
		page.Problems["email"] = problem
	}
	if password == "" {
		page.Problems["password"] = messages.PasswordMissing
	}
	if _, ok := s.cookie(r, browserCookie); !ok {
		// Nobody who was shown our page comes without it, unless the browser keeps no cookies: then logging in is in vain.
		s.ensureBrowser(w, r)
		page.Problems[""] = messages.NeedsCookies
	}
	if len(page.Problems) > 0 {
		s.cfg.Pages.Render(w, r, http.StatusUnprocessableEntity, page)
		return
	}
	user, wait, err := s.authenticate(r, email, password)
	switch {
	case errors.Is(err, errTooMany):
		page.Problems[""], page.Wait = messages.TooManyLogins, wait
		s.slowDown(w, r, page, wait)
	case errors.Is(err, errWrong):
		page.Problems[""] = messages.WrongCredentials
		s.cfg.Pages.Render(w, r, http.StatusUnprocessableEntity, page)
	case busy(err):
		page.Problems[""] = messages.Busy
		s.tellBusy(w, r, page)
	case err != nil:
		s.fail(w, r, err)
	default:
		if err := s.open(w, r, user); errors.Is(err, store.ErrNotFound) { // disabled, or another password, this very moment
			page.Problems[""] = messages.WrongCredentials
			s.cfg.Pages.Render(w, r, http.StatusUnprocessableEntity, page)
			return
		} else if err != nil {
			s.fail(w, r, err)
			return
		}
		s.onward(w, r, st.handle)
	}
}

var (
	errTooMany = errors.New("too many tries")
	errWrong   = errors.New("wrong e-mail address or password")
)

// busy tells whether a password was not checked because others were.
func busy(err error) bool { return errors.Is(err, errBusy) || errors.Is(err, context.DeadlineExceeded) }

func (s *Service) slowDown(w http.ResponseWriter, r *http.Request, page pages.Page, wait time.Duration) {
	w.Header().Set("Retry-After", strconv.Itoa(int((wait+time.Second-1)/time.Second)))
	s.cfg.Pages.Render(w, r, http.StatusTooManyRequests, page)
}

func (s *Service) tellBusy(w http.ResponseWriter, r *http.Request, page pages.Page) {
	w.Header().Set("Retry-After", "5")
	s.cfg.Pages.Render(w, r, http.StatusServiceUnavailable, page)
}

// passwordWait is how long a person waits until others have been served.
const passwordWait = 10 * time.Second

// authenticate returns the account that email and password belong to. Errors: errTooMany with how long to wait; errWrong, for
// an unknown or disabled account after the same work as for a wrong password; and those that busy knows.
//
// The try is taken before the password is looked at, so that guesses sent at once are counted as well as one after another.
func (s *Service) authenticate(r *http.Request, email, password string) (user store.User, wait time.Duration, err error) {
	ctx := r.Context()
	waiting, cancel := context.WithTimeout(ctx, passwordWait)
	defer cancel()
	account := accountSubject(email)
	taken, wait, ok, err := s.reserve(waiting, append(addressSubjects(r, "address", s.cfg.Limits.Address), limited{account, s.cfg.Limits.Account})...)
	if err != nil {
		return store.User{}, 0, err
	}
	if !ok {
		s.cfg.Log.WarnContext(ctx, "log-in slowed down", "request", httpd.RequestID(ctx), "from", clientAddr(r).String())
		return store.User{}, wait, errTooMany
	}
	user, err = s.cfg.Store.UserByEmail(ctx, email)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		taken.release(ctx)
		return store.User{}, 0, err
	}
	hash := user.PasswordHash
	if user.Disabled {
		hash = ""
	}
	right, outdated, err := s.passwords.check(waiting, s.passwords.logIn, password, hash)
	if err != nil {
		taken.release(ctx)
		return store.User{}, 0, err
	}
	if !right {
		taken.fail(ctx)
		return store.User{}, 0, errWrong
	}
	taken.succeed(ctx, account)
	if outdated {
		s.rehash(waiting, &user, password)
	}
	return user, 0, nil
}

// rehash moves a password to the present parameters. If that fails, the next log-in tries again.
func (s *Service) rehash(ctx context.Context, user *store.User, password string) {
	hash, err := s.passwords.hash(ctx, s.passwords.logIn, password)
	if err == nil {
		err = s.cfg.Store.RehashPassword(ctx, user.ID, user.PasswordHash, hash)
	}
	if err != nil {
		s.cfg.Log.WarnContext(ctx, "cannot renew a password hash", "request", httpd.RequestID(ctx), "error", err)
		return
	}
	user.PasswordHash = hash
}

// open makes a session for user, whose password was checked against user.PasswordHash, and gives the browser a new cookie:
// one that somebody planted before is worth nothing. The same person keeps their session under its id, so that applications
// that hang on it stay logged in; another person's session in this browser ends.
func (s *Service) open(w http.ResponseWriter, r *http.Request, user store.User) error {
	before, err := s.Session(r)
	if err != nil {
		return err
	}
	in := store.Session{UserID: user.ID, AMR: amrPassword, ACR: ACRPassword, Address: clientAddr(r).String(), UserAgent: cut(r.UserAgent(), 300)}
	if before != nil && before.UserID == user.ID {
		in.ID = before.ID
	}
	session, cookie, err := s.cfg.Store.CreateSession(r.Context(), in, user.PasswordHash)
	if err != nil {
		return err
	}
	if before != nil && before.UserID != user.ID {
		if err := s.cfg.Store.EndSession(r.Context(), before.ID); err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
	}
	s.setCookie(w, sessionCookie, cookie, int(session.ExpiresAt.Sub(session.CreatedAt)/time.Second))
	s.setBrowserState(w, &Session{Session: session}, stateOf(session.ID))
	return nil
}

// cut shortens s to at most n bytes of valid UTF-8 without control characters.
func cut(s string, n int) string {
	if len(s) > n {
		s = s[:n]
	}
	return strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f {
			return -1
		}
		return c
	}, strings.ToValidUTF8(s, ""))
}
