package login

import (
	"context"
	"errors"
	"net/http"

	"github.com/maru-auth/maru/authz-server/internal/messages"
	"github.com/maru-auth/maru/authz-server/internal/pages"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/internal/httpd"
)

// GET /signup
func (s *Service) showSignup(w http.ResponseWriter, r *http.Request) {
	st, r, ok := s.step(w, r)
	if !ok {
		return
	}
	s.ensureBrowser(w, r)
	s.cfg.Pages.Render(w, r, http.StatusOK, pages.SignupPage{Interaction: st.handle, App: st.app, Email: loginHint(st)})
}

// POST /signup: makes an account and logs in. That an address has an account already cannot be hidden without sending mail;
// it takes as long to find out as to sign up, and tries are counted for each network address.
func (s *Service) postSignup(w http.ResponseWriter, r *http.Request) {
	leave, err := s.Turn(r)
	if err != nil {
		s.tellTurn(w, r, err)
		return
	}
	defer leave()
	st, r, ok := s.step(w, r)
	if !ok {
		return
	}
	page := pages.SignupPage{Interaction: st.handle, App: st.app}
	page.Problems = make(map[string]messages.Problem)
	var problem messages.Problem
	if page.Name, problem = cleanName(r.PostForm.Get("name")); problem != "" {
		page.Problems["name"] = problem
	}
	if page.Email, problem = cleanEmail(r.PostForm.Get("email")); problem != "" {
		page.Problems["email"] = problem
	}
	if _, ok := s.cookie(r, browserCookie); !ok {
		s.ensureBrowser(w, r)
		page.Problems[""] = messages.NeedsCookies
	}
	password := r.PostForm.Get("password")
	if problem := obvious(password); problem != "" {
		page.Problems["password"] = problem
	}
	if len(page.Problems) > 0 {
		s.cfg.Pages.Render(w, r, http.StatusUnprocessableEntity, page)
		return
	}
	ctx := r.Context()
	waiting, cancel := context.WithTimeout(ctx, passwordWait)
	defer cancel()
	// Counted first: from here on it costs work, which anybody can ask for.
	var hash string
	err = s.cfg.Store.TakeQuotas(waiting, addressQuotas(r, "signup", s.cfg.Limits.Signups, s.cfg.Limits.Window)...)
	if err == nil {
		leave()
		hash, problem, err = s.newPassword(waiting, password, page)
	}
	var full *store.QuotaError
	switch {
	case errors.As(err, &full):
		s.cfg.Log.WarnContext(ctx, "sign-up slowed down", "request", httpd.RequestID(ctx), "from", clientAddr(r).String())
		page.Problems[""], page.Wait = messages.TooManyTries, full.Wait
		s.slowDown(w, r, page, full.Wait)
		return
	case busy(err):
		page.Problems[""] = messages.Busy
		s.tellBusy(w, r, page)
		return
	case err != nil:
		s.fail(w, r, err)
		return
	case problem != "":
		page.Problems["password"] = problem
		s.cfg.Pages.Render(w, r, http.StatusUnprocessableEntity, page)
		return
	}
	user, err := s.cfg.Store.CreateUser(ctx, store.User{Email: page.Email, Name: page.Name, Locale: s.cfg.Pages.Language(r), PasswordHash: hash})
	if errors.Is(err, store.ErrExists) {
		if s.signedUp(r, page.Email) {
			s.onward(w, r, st.handle)
			return
		}
		page.Problems["email"] = messages.EmailTaken
		s.cfg.Pages.Render(w, r, http.StatusUnprocessableEntity, page)
		return
	}
	if err == nil {
		err = s.open(w, r, user)
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.onward(w, r, st.handle)
}

// signedUp tells whether the person who is logged in has this address: they clicked twice.
func (s *Service) signedUp(r *http.Request, email string) bool {
	session, err := s.Session(r)
	if err != nil || session == nil {
		return false
	}
	user, err := s.cfg.Store.UserByEmail(r.Context(), email)
	return err == nil && user.ID == session.UserID
}

// newPassword judges and hashes the password of somebody who signs up.
func (s *Service) newPassword(ctx context.Context, password string, page pages.SignupPage) (hash string, problem messages.Problem, err error) {
	problem, err = s.passwords.weakness(ctx, s.passwords.signUp, password, page.Email, page.Name)
	if err == nil && problem == "" {
		hash, err = s.passwords.hash(ctx, s.passwords.signUp, password)
	}
	return hash, problem, err
}
