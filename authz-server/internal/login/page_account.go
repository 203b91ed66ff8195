package login

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/messages"
	"github.com/maru-auth/maru/authz-server/internal/pages"
	"github.com/maru-auth/maru/authz-server/internal/store"
)

// owner returns the session of the person whose account it is. When nobody is logged in, it leads to /login, and from there
// back to this page, and returns false.
func (s *Service) owner(w http.ResponseWriter, r *http.Request) (*Session, bool) {
	session, err := s.Session(r)
	if err != nil {
		s.fail(w, r, err)
		return nil, false
	}
	if session == nil {
		if page := r.URL.Path; slices.Contains(accountPages, page) {
			s.setCookie(w, towardCookie, strings.TrimPrefix(page, "/account/"), towardFor)
		}
		s.see(w, r, "/login")
		return nil, false
	}
	return session, true
}

// accountPages are those that a log-in leads back to.
var accountPages = []string{"/account/profile", "/account/password", "/account/sessions", "/account/apps"}

// towardFor is how long a log-in may take that is to lead back to a page of the account, in seconds.
const towardFor = 900

// toward is the page of the account that the person asked for before they logged in, and it forgets that; /account, if none.
func (s *Service) toward(w http.ResponseWriter, r *http.Request) string {
	cookie, err := r.Cookie(s.issuer.Cookie(towardCookie))
	if err != nil {
		return "/account"
	}
	s.setCookie(w, towardCookie, "", -1)
	if page := "/account/" + cookie.Value; slices.Contains(accountPages, page) {
		return page
	}
	return "/account"
}

// done is what the address says was just done: one of the things that there is a text for, or nothing.
func done(r *http.Request) messages.Done {
	if d := messages.Done(r.URL.Query().Get("done")); slices.Contains(messages.Dones, d) {
		return d
	}
	return ""
}

// GET /account
func (s *Service) showAccount(w http.ResponseWriter, r *http.Request) {
	session, ok := s.owner(w, r)
	if !ok {
		return
	}
	s.cfg.Pages.Render(w, r, http.StatusOK, pages.AccountPage{Done: done(r), Name: session.User.Name, Email: session.User.Email})
}

// POST /account: changes the name.
func (s *Service) postAccount(w http.ResponseWriter, r *http.Request) {
	session, ok := s.owner(w, r)
	if !ok {
		return
	}
	name, problem := cleanName(r.PostForm.Get("name"))
	if problem != "" {
		page := pages.AccountPage{Name: name, Email: session.User.Email}
		page.Problems = map[string]messages.Problem{"name": problem}
		s.cfg.Pages.Render(w, r, http.StatusUnprocessableEntity, page)
		return
	}
	if err := s.cfg.Store.SetName(r.Context(), session.UserID, name); err != nil {
		s.fail(w, r, err)
		return
	}
	s.see(w, r, "/account?done="+string(messages.NameChanged))
}

// GET /account/password
func (s *Service) showPassword(w http.ResponseWriter, r *http.Request) {
	session, ok := s.owner(w, r)
	if !ok {
		return
	}
	s.cfg.Pages.Render(w, r, http.StatusOK, pages.PasswordPage{Email: session.User.Email})
}

// POST /account/password: changes the password of whoever knows the present one, and ends all other sessions and what apps
// were allowed in them.
func (s *Service) postPassword(w http.ResponseWriter, r *http.Request) {
	session, ok := s.owner(w, r)
	if !ok {
		return
	}
	page := pages.PasswordPage{Email: session.User.Email}
	refuse := func(field string, problem messages.Problem) {
		page.Problems = map[string]messages.Problem{field: problem}
		s.cfg.Pages.Render(w, r, http.StatusUnprocessableEntity, page)
	}
	current, chosen := r.PostForm.Get("password"), r.PostForm.Get("new_password")
	if current == "" {
		refuse("password", messages.PasswordMissing)
		return
	}
	if problem := obvious(chosen); problem != "" {
		refuse("new_password", problem)
		return
	}
	ctx := r.Context()
	waiting, cancel := context.WithTimeout(ctx, passwordWait)
	defer cancel()
	var problem messages.Problem
	err := s.cfg.Store.TakeQuotas(waiting, store.Quota{Subject: "new-password " + session.UserID, Limit: s.cfg.Limits.Signups, Window: s.cfg.Limits.Window})
	if err == nil {
		problem, err = s.passwords.weakness(waiting, s.passwords.change, chosen, session.User.Email, session.User.Name)
	}
	var full *store.QuotaError
	switch {
	case errors.As(err, &full):
		page.Problems, page.Wait = map[string]messages.Problem{"": messages.TooManyTries}, full.Wait
		s.slowDown(w, r, page, full.Wait)
		return
	case busy(err):
		page.Problems = map[string]messages.Problem{"": messages.Busy}
		s.tellBusy(w, r, page)
		return
	case err != nil:
		s.fail(w, r, err)
		return
	case problem != "":
		refuse("new_password", problem)
		return
	}
	taken, wait, ok, err := s.reserve(waiting, limited{passwordSubject(session.ID), s.cfg.Limits.Account})
	if busy(err) {
		page.Problems = map[string]messages.Problem{"": messages.Busy}
		s.tellBusy(w, r, page)
		return
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	if !ok {
		page.Problems, page.Wait = map[string]messages.Problem{"": messages.TooManyTries}, wait
		s.slowDown(w, r, page, wait)
		return
	}
	right, _, err := s.passwords.check(waiting, s.passwords.change, current, session.User.PasswordHash)
	if err == nil && !right {
		taken.fail(ctx)
		refuse("password", messages.PasswordWrong)
		return
	}
	taken.release(ctx)
	if err == nil && string(normal(current)) == string(normal(chosen)) {
		refuse("new_password", messages.PasswordSame)
		return
	}
	var hash string
	if err == nil {
		hash, err = s.passwords.hash(waiting, s.passwords.change, chosen)
	}
	var cookie string
	if err == nil {
		cookie, err = s.cfg.Store.ChangePassword(ctx, session.UserID, session.User.PasswordHash, hash, session.ID)
	}
	switch {
	case busy(err):
		page.Problems = map[string]messages.Problem{"": messages.Busy}
		s.tellBusy(w, r, page)
	case errors.Is(err, store.ErrNotFound): // it was changed elsewhere, or the session ended, this very moment
		if _, ok := s.owner(w, r); ok {
			refuse("password", messages.PasswordWrong)
		}
	case err != nil:
		s.fail(w, r, err)
	default:
		s.setCookie(w, sessionCookie, cookie, int(session.ExpiresAt.Sub(s.cfg.Now())/time.Second))
		s.see(w, r, "/account/sessions?done="+string(messages.PasswordChanged))
	}
}

// GET /account/sessions
func (s *Service) showSessions(w http.ResponseWriter, r *http.Request) {
	session, ok := s.owner(w, r)
	if !ok {
		return
	}
	all, err := s.cfg.Store.SessionsOf(r.Context(), session.UserID)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	now := s.cfg.Now()
	page := pages.SessionsPage{Done: done(r), Zone: zoneOf(session.User)}
	if page.Done != "" {
		page.TokensLast = s.cfg.AccessToken
	}
	for _, one := range all {
		shown := pages.Session{ID: one.ID, Current: one.ID == session.ID, Address: one.Address, LoggedIn: one.AuthTime, Seen: now.Sub(one.SeenAt)}
		shown.Browser, shown.System = device(one.UserAgent)
		if shown.Current {
			page.Sessions = append([]pages.Session{shown}, page.Sessions...)
			continue
		}
		page.Sessions = append(page.Sessions, shown)
	}
	s.cfg.Pages.Render(w, r, http.StatusOK, page)
}

// zoneOf is the time zone that a person says they are in, or nil.
func zoneOf(user store.User) *time.Location {
	if user.Claims.Zoneinfo == "" {
		return nil
	}
	zone, err := time.LoadLocation(user.Claims.Zoneinfo)
	if err != nil {
		return nil
	}
	return zone
}

// POST /account/sessions: ends one of the person's other sessions, or all of them.
func (s *Service) postSessions(w http.ResponseWriter, r *http.Request) {
	session, ok := s.owner(w, r)
	if !ok {
		return
	}
	what, err := messages.SessionEnded, error(nil)
	if id := r.PostForm.Get("session"); id != "" {
		err = s.cfg.Store.EndSessionOf(r.Context(), session.UserID, id)
	} else if r.PostForm.Get("others") == "yes" {
		what, err = messages.OthersEnded, s.cfg.Store.EndSessionsOf(r.Context(), session.UserID, session.ID)
	} else {
		s.cfg.Pages.Error(w, r, http.StatusBadRequest, "invalid_request", "The parameter session is missing.")
		return
	}
	if err != nil && !errors.Is(err, store.ErrNotFound) { // one that has ended already, or was never theirs, is not there afterwards either
		s.fail(w, r, err)
		return
	}
	s.see(w, r, "/account/sessions?done="+string(what))
}

// GET /account/apps
func (s *Service) showApps(w http.ResponseWriter, r *http.Request) {
	session, ok := s.owner(w, r)
	if !ok {
		return
	}
	connections, err := s.cfg.Store.Connections(r.Context(), session.UserID)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	page := pages.AppsPage{Done: done(r)}
	if page.Done != "" {
		page.TokensLast = s.cfg.AccessToken
	}
	for _, one := range connections {
		app, err := s.App(r, one.ClientID, "")
		if err != nil {
			s.fail(w, r, err)
			return
		}
		page.Apps = append(page.Apps, pages.AllowedApp{App: app, Words: one.Scope, Since: s.cfg.Now().Sub(one.UpdatedAt)})
	}
	s.cfg.Pages.Render(w, r, http.StatusOK, page)
}

// POST /account/apps: takes back what an application was allowed.
func (s *Service) postApps(w http.ResponseWriter, r *http.Request) {
	session, ok := s.owner(w, r)
	if !ok {
		return
	}
	client := r.PostForm.Get("client")
	if client == "" {
		s.cfg.Pages.Error(w, r, http.StatusBadRequest, "invalid_request", "The parameter client is missing.")
		return
	}
	if err := s.cfg.Store.WithdrawConsent(r.Context(), session.UserID, client); err != nil {
		s.fail(w, r, err)
		return
	}
	s.see(w, r, "/account/apps?done="+string(messages.AppWithdrawn))
}
