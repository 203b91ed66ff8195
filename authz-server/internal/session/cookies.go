package session

import (
	"encoding/base64"
	"net/http"
	"regexp"
	"unicode/utf8"

	"github.com/maru-auth/maru/authz-server/internal/opaque"
)

// Names of cookies, without the prefix that they get on https: see issuer.URL.Cookie.
const (
	sessionCookie    = "maru-session"    // who is logged in
	browserCookie    = "maru-browser"    // which browser it is, logged in or not
	deviceCookie     = "maru-device"     // the same, for longer: where people have logged in before
	laterCookie      = "maru-later"      // somebody wants no passkey for now
	wantedCookie     = "maru-toward"     // which page of the account somebody asked for before they logged in
	invitationCookie = "maru-invitation" // the secret of the link by which somebody is invited to sign up
	linkCookie       = "maru-link-"      // the secret of a mailed link that somebody opened; the page's name follows
	joiningCookie    = "maru-joining"    // somebody came from an upstream, and logs in to the account that they want to log in to by it
	hintCookie       = "maru-address"    // which address a page fills in for somebody who is to log in next
)

// cookie returns the value of a cookie that [Sessions.setCookie] made, if it has the form of one.
func (s *Sessions) cookie(r *http.Request, name string) (string, bool) {
	cookie, err := r.Cookie(s.at.Cookie(name))
	if err != nil || !isSecret(cookie.Value) {
		return "", false
	}
	return cookie.Value, true
}

// HasCookies tells whether the browser that sent r brought a cookie by which this server knows it.
func (s *Sessions) HasCookies(r *http.Request) bool {
	_, session := s.cookie(r, sessionCookie)
	_, browser := s.cookie(r, browserCookie)
	return session || browser
}

// setCookie sets a cookie for maxAge seconds; 0 keeps it until the browser closes, and a negative
// value removes it. It is SameSite=Lax: an application sends people here by a link, and they must
// arrive logged in, but a form that another site posts comes without the cookie.
func (s *Sessions) setCookie(w http.ResponseWriter, name, value string, maxAge int) {
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // G124: Secure unless the issuer is on plain http
		Name: s.at.Cookie(name), Value: value, Path: s.at.CookiePath(), MaxAge: maxAge,
		HttpOnly: true, Secure: s.at.Secure(), SameSite: http.SameSiteLaxMode,
	})
}

// EnsureBrowser returns the secret that tells this browser from others, and gives it one when it
// has none.
func (s *Sessions) EnsureBrowser(w http.ResponseWriter, r *http.Request) string {
	secret, ok := s.cookie(r, browserCookie)
	if !ok {
		secret = opaque.New()
	}
	s.setCookie(w, browserCookie, secret, 24*3600)
	return secret
}

// isSecret tells whether s has the form of what opaque.New makes.
func isSecret(s string) bool {
	raw, err := base64.RawURLEncoding.DecodeString(s)
	return err == nil && len(raw) == 32
}

// DeviceSecret returns the secret by which a browser is known in which somebody has logged in
// before; empty: the browser that sent r did not bring it.
func (s *Sessions) DeviceSecret(r *http.Request) string {
	secret, _ := s.cookie(r, deviceCookie)
	return secret
}

// laterFor is how long somebody is not offered a passkey who did not want one, in seconds.
const laterFor = 60 * 24 * 3600

// OfferLater notes that the person in this browser wants no passkey for now.
func (s *Sessions) OfferLater(w http.ResponseWriter) { s.setCookie(w, laterCookie, "yes", laterFor) }

// Later tells whether the person in this browser wants no passkey for now.
func (s *Sessions) Later(r *http.Request) bool {
	_, err := r.Cookie(s.at.Cookie(laterCookie))
	return err == nil
}

// HasBrowser tells whether the browser that sent r brought the secret of EnsureBrowser.
func (s *Sessions) HasBrowser(r *http.Request) bool {
	_, ok := s.cookie(r, browserCookie)
	return ok
}

// wantedFor is how long a log-in may take that is to lead back to a page, in seconds.
const wantedFor = 900

// Want remembers which page somebody asked for before they logged in.
func (s *Sessions) Want(w http.ResponseWriter, page string) {
	s.setCookie(w, wantedCookie, page, wantedFor)
}

// Wanted returns the page that somebody asked for before they logged in, and forgets it; empty if
// there is none. The browser could have changed it: check that it is a page of this server.
func (s *Sessions) Wanted(w http.ResponseWriter, r *http.Request) (page string) {
	cookie, err := r.Cookie(s.at.Cookie(wantedCookie))
	if err != nil {
		return ""
	}
	s.setCookie(w, wantedCookie, "", -1)
	return cookie.Value
}

// WantAdmin is Want for a page of the administration, with its query.
func (s *Sessions) WantAdmin(w http.ResponseWriter, page string) {
	if IsAdminPage(page) {
		s.Want(w, page)
	}
}

// adminPage is an address of the administration, with a query or without, as it can be in a cookie.
var adminPage = regexp.MustCompile(`^/admin(/[A-Za-z0-9_~%-][A-Za-z0-9_.~%:-]*)*(\?[A-Za-z0-9_.~%:&=+-]*)?$`)

// IsAdminPage tells whether a path of this server is a page of the administration, to lead back to.
func IsAdminPage(page string) bool { return len(page) <= 1000 && adminPage.MatchString(page) }

// Browser returns the secret of EnsureBrowser; empty: the browser that sent r did not bring it.
func (s *Sessions) Browser(r *http.Request) string {
	secret, _ := s.cookie(r, browserCookie)
	return secret
}

// linkFor is how long a browser keeps the secret of a link that was opened, in seconds.
const linkFor = 1800

// KeepLink keeps the secret of a mailed link that leads to a page, so that the page's address need
// not have it. false: it does not have the form of one.
func (s *Sessions) KeepLink(w http.ResponseWriter, page, secret string) bool {
	if !isSecret(secret) {
		return false
	}
	s.setCookie(w, linkCookie+page, secret, linkFor)
	return true
}

// Link returns what KeepLink keeps; empty: nothing.
func (s *Sessions) Link(r *http.Request, page string) string {
	secret, _ := s.cookie(r, linkCookie+page)
	return secret
}

// DropLink forgets what KeepLink keeps.
func (s *Sessions) DropLink(w http.ResponseWriter, r *http.Request, page string) {
	if _, err := r.Cookie(s.at.Cookie(linkCookie + page)); err == nil {
		s.setCookie(w, linkCookie+page, "", -1)
	}
}

// Join remembers that somebody who came from an upstream logs in to an account that is theirs, and
// is to be asked then whether they want to log in to it by the upstream from now on.
func (s *Sessions) Join(w http.ResponseWriter) { s.setCookie(w, joiningCookie, "yes", wantedFor) }

// Joining tells whether Join was called in the browser that sent r.
func (s *Sessions) Joining(r *http.Request) bool {
	_, err := r.Cookie(s.at.Cookie(joiningCookie))
	return err == nil
}

// EndJoin forgets what Join remembers.
func (s *Sessions) EndJoin(w http.ResponseWriter) { s.setCookie(w, joiningCookie, "", -1) }

// Hint remembers the address that somebody is to log in with next.
func (s *Sessions) Hint(w http.ResponseWriter, email string) {
	s.setCookie(w, hintCookie, base64.RawURLEncoding.EncodeToString([]byte(email)), wantedFor)
}

// Hinted returns what Hint remembers, and forgets it; empty: nothing. The browser could have
// changed it.
func (s *Sessions) Hinted(w http.ResponseWriter, r *http.Request) (email string) {
	cookie, err := r.Cookie(s.at.Cookie(hintCookie))
	if err != nil {
		return ""
	}
	s.setCookie(w, hintCookie, "", -1)
	raw, err := base64.RawURLEncoding.DecodeString(cookie.Value)
	if err != nil || !utf8.Valid(raw) {
		return ""
	}
	return string(raw)
}
