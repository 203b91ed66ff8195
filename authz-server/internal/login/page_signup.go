package login

import (
	"context"
	"errors"
	"net/http"

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
	s.cfg.Pages.Render(w, r, http.StatusOK, "signup", pages.Signup{Interaction: st.handle, App: st.app, Email: loginHint(st)})
}

// POST /signup: makes an account and logs in. That an address has an account already cannot be hidden without sending mail;
// it takes as long to find out as to sign up, and tries are counted for each network address.
func (s *Service) postSignup(w http.ResponseWriter, r *http.Request) {
	st, r, ok := s.step(w, r)
	if !ok {
		return
	}
	page := pages.Signup{Interaction: st.handle, App: st.app}
	page.Problems = make(map[string]pages.Problem)
	var problem pages.Problem
	if page.Name, problem = cleanName(r.PostForm.Get("name")); problem != "" {
		page.Problems["name"] = problem
	}
	if page.Email, problem = cleanEmail(r.PostForm.Get("email")); problem != "" {
		page.Problems["email"] = problem
	}
	if _, ok := s.cookie(r, browserCookie); !ok {
		s.ensureBrowser(w, r)
		page.Problems[""] = pages.NeedsCookies
	}
	ctx := r.Context()
	waiting, cancel := context.WithTimeout(ctx, passwordWait)
	defer cancel()
	password := r.PostForm.Get("password")
	problem, err := s.passwords.weakness(waiting, password, page.Email, page.Name)
	if busy(err) {
		page.Problems[""] = pages.Busy
		s.tellBusy(w, r, "signup", page)
		return
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	if problem != "" {
		page.Problems["password"] = problem
	}
	if len(page.Problems) > 0 {
		s.cfg.Pages.Render(w, r, http.StatusUnprocessableEntity, "signup", page)
		return
	}
	taken, wait, ok, err := s.reserve(ctx, limited{signupSubject(r), s.cfg.Limits.Signups})
	if err != nil {
		s.fail(w, r, err)
		return
	}
	if !ok {
		s.cfg.Log.WarnContext(ctx, "sign-up slowed down", "request", httpd.RequestID(ctx), "from", clientAddr(r).String())
		page.Problems[""], page.Wait = pages.TooManyTries, wait
		s.slowDown(w, r, "signup", page, wait)
		return
	}
	hash, err := s.passwords.hash(waiting, password)
	if busy(err) {
		taken.release(ctx)
		page.Problems[""] = pages.Busy
		s.tellBusy(w, r, "signup", page)
		return
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	user, err := s.cfg.Store.CreateUser(ctx, store.User{Email: page.Email, Name: page.Name, Locale: s.cfg.Pages.Language(r), PasswordHash: hash})
	if errors.Is(err, store.ErrExists) {
		page.Problems["email"] = pages.EmailTaken
		s.cfg.Pages.Render(w, r, http.StatusUnprocessableEntity, "signup", page)
		return
	}
	if err == nil {
		err = s.open(w, r, user)
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	onward(w, r, st.handle)
}
