package login

import (
	"encoding/base64"
	"net/http"

	"github.com/maru-auth/maru/authz-server/internal/store"
)

// Names of cookies, without the prefix that they get on https: see issuer.URL.Cookie.
const (
	sessionCookie = "maru-session" // who is logged in
	browserCookie = "maru-browser" // which browser it is, logged in or not
	towardCookie  = "maru-toward"  // which page of the account somebody asked for before they logged in
)

// cookie returns the value of one of our cookies, if it has the form of one.
func (s *Service) cookie(r *http.Request, name string) (string, bool) {
	cookie, err := r.Cookie(s.issuer.Cookie(name))
	if err != nil || !isSecret(cookie.Value) {
		return "", false
	}
	return cookie.Value, true
}

// HasCookies tells whether the browser that sent r brought any of the cookies by which it is known here.
func (s *Service) HasCookies(r *http.Request) bool {
	_, session := s.cookie(r, sessionCookie)
	_, browser := s.cookie(r, browserCookie)
	return session || browser
}

// setCookie sets one of our cookies for maxAge seconds; 0: until the browser closes; negative: removes it. SameSite=Lax, because
// an application sends people here by a link, and they must arrive logged in; a form that another site posts comes without it.
func (s *Service) setCookie(w http.ResponseWriter, name, value string, maxAge int) {
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // G124: Secure unless the issuer is on plain http
		Name: s.issuer.Cookie(name), Value: value, Path: s.issuer.CookiePath(), MaxAge: maxAge,
		HttpOnly: true, Secure: s.issuer.Secure(), SameSite: http.SameSiteLaxMode,
	})
}

// ensureBrowser returns the secret that tells this browser from others, and makes one when there is none.
func (s *Service) ensureBrowser(w http.ResponseWriter, r *http.Request) string {
	secret, ok := s.cookie(r, browserCookie)
	if !ok {
		secret = store.NewSecret()
	}
	s.setCookie(w, browserCookie, secret, 24*3600)
	return secret
}

// isSecret tells whether s has the form of what store.NewSecret makes.
func isSecret(s string) bool {
	raw, err := base64.RawURLEncoding.DecodeString(s)
	return err == nil && len(raw) == 32
}
