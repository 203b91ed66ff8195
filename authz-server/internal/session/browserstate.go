package session

import (
	"encoding/base64"
	"net/http"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/opaque"
)

// stateCookie tells the script of /oauth2/check_session whether the log-in in this browser is still
// the same (OpenID Connect Session Management 1.0 §4.2). It is not secret and opens nothing; the
// script of that page reads it, in frames of other sites too.
const stateCookie = "maru-browser-state"

// stateOf is the browser state while a session lasts. Logging in again as the same person keeps the
// session, and so this.
func stateOf(sid string) string {
	return base64.RawURLEncoding.EncodeToString(opaque.Hash("browser state of " + sid))
}

// BrowserState returns what an application compares to see whether the log-in has changed. session
// is that of the browser that sent r, or nil; without one the state is empty. BrowserState also
// brings the browser's cookie up to date.
func (s *Sessions) BrowserState(w http.ResponseWriter, r *http.Request, session *Session) string {
	had, _ := s.cookie(r, stateCookie)
	state := had
	if session != nil {
		state = stateOf(session.ID)
	} else if _, sent := s.cookie(r, sessionCookie); sent {
		// Its session has ended. A request without the cookie says nothing: browsers leave it out
		// of requests that another site makes, and such a site must not change the state.
		state = ""
	}
	if state != had {
		s.setBrowserState(w, session, state)
	}
	return state
}

// setBrowserState sets the cookie for as long as the session can last; without a state it removes
// it. Over plain http, browsers refuse SameSite=None: frames on other sites then see no cookie;
// those on other ports of localhost do.
func (s *Sessions) setBrowserState(w http.ResponseWriter, session *Session, state string) {
	cookie := &http.Cookie{ //nolint:gosec // G124: its script reads it; Secure with https
		Name: s.at.Cookie(stateCookie), Value: state, Path: s.at.CookiePath(), MaxAge: -1,
		Secure: s.at.Secure(), SameSite: http.SameSiteLaxMode,
	}
	if s.at.Secure() {
		cookie.SameSite = http.SameSiteNoneMode
	}
	if state != "" {
		cookie.MaxAge = max(1, int(session.ExpiresAt.Sub(s.now())/time.Second))
	}
	http.SetCookie(w, cookie)
}
