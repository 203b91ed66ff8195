package flow

import (
	"context"
	"crypto/subtle"
	"errors"
	"net/http"
	"net/url"
	"time"
)

// Logout ends s here and returns where to send the browser so that the issuer ends its own session,
// and with it every app's (OpenID Connect RP-Initiated Logout 1.0 §2). The address is empty when
// the issuer cannot be asked.
func (c *Client) Logout(w http.ResponseWriter, r *http.Request, s *Session, locale string) (address string) {
	idToken := s.Tokens().ID
	c.end(s)
	c.Forget(w)
	op, err := c.issuer(r.Context())
	if err != nil || op.EndSessionEndpoint == "" {
		return ""
	}
	endpoint, err := url.Parse(op.EndSessionEndpoint)
	if err != nil {
		return ""
	}
	state := secret()
	c.cookies.set(w, "logout", state, int(loginLifetime.Seconds()))
	query := endpoint.Query()
	query.Set("id_token_hint", idToken)
	query.Set("client_id", c.cfg.ClientID)
	query.Set("post_logout_redirect_uri", c.cfg.Origin+"/")
	query.Set("state", state)
	if locale != "" {
		query.Set("ui_locales", locale)
	}
	endpoint.RawQuery = query.Encode()
	return endpoint.String()
}

// LoggedOut tells, once, whether the issuer sent the browser back from a logout that began here.
func (c *Client) LoggedOut(w http.ResponseWriter, r *http.Request) bool {
	state := r.URL.Query()["state"]
	began, ok := c.cookies.get(r, "logout")
	if len(state) != 1 || !ok || subtle.ConstantTimeCompare([]byte(state[0]), []byte(began)) != 1 {
		return false
	}
	c.cookies.set(w, "logout", "", -1)
	return true
}

// Leave ends s in this app alone; other apps and the issuer's session go on. It revokes the tokens
// (RFC 7009) if the issuer answers.
func (c *Client) Leave(w http.ResponseWriter, r *http.Request, s *Session) {
	refresh := s.Tokens().Refresh
	c.end(s)
	c.Forget(w)
	if refresh == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), 3*time.Second)
	defer cancel()
	if err := c.revoke(ctx, refresh, "refresh_token"); err != nil && !errors.Is(err, ErrNoRevocation) {
		c.log.Warn("cannot revoke at logout", "error", err)
	}
}
