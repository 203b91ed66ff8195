package flow

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"strings"
	"sync/atomic"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// login is a log-in under way, found by state and good for one callback.
type login struct {
	browser  [32]byte // hash of the cookie of the browser that began it
	verifier string   // PKCE, RFC 7636 §4.1
	nonce    string
	to       string
	draft    atomic.Pointer[url.Values]
	expires  time.Time
}

// Login is what to log in for.
type Login struct {
	SignUp bool       // begin with making an account (Initiating User Registration via OpenID Connect)
	To     string     // local path to go to afterwards. Anything that is none: the home page
	Draft  url.Values // a form that was sent without a session; its page finds it by [Session.TakeDraft]
	Locale string     // language to ask the issuer's pages for. Empty: the browser's
}

// Begin sends the browser to the issuer. When it returns an error, nothing has been written.
func (c *Client) Begin(w http.ResponseWriter, r *http.Request, in Login) error {
	op, err := c.issuer(r.Context())
	if err != nil {
		return err
	}
	// One cookie for all log-ins that this browser has under way, so that two tabs do not disturb each other.
	browser, ok := c.cookie(r, "login")
	if !ok {
		browser = secret()
	}
	c.sweepLogins()
	state := secret()
	l := &login{browser: hash(browser), verifier: oauth2.GenerateVerifier(), nonce: secret(), to: LocalPath(in.To), expires: c.now().Add(loginLifetime)}
	key := hash(state)
	c.logins.Add(key, l)
	if size := len(in.Draft.Encode()); size > 0 && size <= maxDraft {
		l.draft.Store(&in.Draft)
		c.drafts.Add(key, struct{}{})
	}
	c.setCookie(w, "login", browser, int(loginLifetime.Seconds()))

	options := []oauth2.AuthCodeOption{oauth2.S256ChallengeOption(l.verifier), oidc.Nonce(l.nonce)}
	if in.SignUp {
		options = append(options, oauth2.SetAuthURLParam("prompt", "create"))
	}
	if in.Locale != "" {
		options = append(options, oauth2.SetAuthURLParam("ui_locales", in.Locale))
	}
	http.Redirect(w, r, op.oauth.AuthCodeURL(state, options...), http.StatusSeeOther)
	return nil
}

// Finish takes the issuer's answer at the redirect URI. It opens a session with a new id, ends the one that the browser had,
// and returns where the person wanted to go. When it returns an error, nothing has been written.
func (c *Client) Finish(w http.ResponseWriter, r *http.Request) (to string, err error) {
	query := r.URL.Query()
	l, err := c.takeLogin(r, query)
	if err != nil {
		return "", err
	}
	op, err := c.issuer(r.Context())
	if err != nil {
		return "", err
	}
	// RFC 9207 §2.4: the answer must name the issuer that was asked, also when it is an error.
	if iss, sent := query["iss"]; sent && (len(iss) != 1 || iss[0] != c.cfg.Issuer) || !sent && op.ISSParameter {
		return "", ErrWrongIssuer
	}
	if code := query.Get("error"); code != "" {
		return "", &RefusedError{Code: code, Description: query.Get("error_description")}
	}
	if len(query["code"]) != 1 {
		return "", &RefusedError{Code: "invalid_response", Description: "the answer carries no code"}
	}

	ctx, cancel := c.issuerContext(r.Context())
	defer cancel()
	answer, err := op.oauth.Exchange(ctx, query.Get("code"), oauth2.VerifierOption(l.verifier))
	if err != nil {
		return "", tokenError(err)
	}
	raw, _ := answer.Extra("id_token").(string)
	identity, err := c.verifyIDToken(ctx, op, raw, answer.AccessToken)
	if err != nil {
		return "", err
	}
	// OpenID Connect Core §3.1.3.7, 11: else the token was made for another log-in.
	if subtle.ConstantTimeCompare([]byte(identity.Nonce), []byte(l.nonce)) != 1 {
		return "", fmt.Errorf("%w: its nonce is not the one that was sent", ErrBadIDToken)
	}

	s := &Session{Subject: identity.Subject, sid: identity.sid, created: c.now(), seen: c.now(), name: identity.name}
	s.store(c.now(), answer, raw, c.cfg.Scopes)
	if draft := l.draft.Load(); draft != nil {
		s.drafts = map[string]url.Values{l.to: *draft}
	}
	if old := c.Session(r); old != nil {
		c.end(old)
	}
	c.open(w, s)
	return l.to, nil
}

// takeLogin finds the log-in that query answers, once: a second answer finds nothing.
func (c *Client) takeLogin(r *http.Request, query url.Values) (*login, error) {
	state := query["state"]
	browser, bound := c.cookie(r, "login")
	if len(state) != 1 || !bound {
		return nil, ErrUnknownState
	}
	key := hash(state[0])
	l, ok := c.logins.Peek(key)
	// RFC 6749 §10.12: an answer that another browser fetched is worth nothing here.
	if !ok || l.browser != hash(browser) || !c.now().Before(l.expires) {
		return nil, ErrUnknownState
	}
	if !c.logins.Remove(key) { // of two answers at once, one removes it
		return nil, ErrUnknownState
	}
	return l, nil
}

// sweepLogins forgets log-ins that nobody finished, and with them the forms that they carry.
func (c *Client) sweepLogins() {
	for {
		key, l, ok := c.logins.GetOldest()
		if !ok || c.now().Before(l.expires) {
			return
		}
		c.logins.Remove(key)
	}
}

type identity struct {
	*oidc.IDToken
	name string
	sid  string // the session at the issuer, or empty
}

// verifyIDToken checks what OpenID Connect Core §3.1.3.7 asks for: go-oidc signature, issuer, audience and times; here azp and at_hash.
func (c *Client) verifyIDToken(ctx context.Context, op *issuer, raw, accessToken string) (identity, error) {
	if raw == "" {
		return identity{}, fmt.Errorf("%w: there is none in the answer", ErrBadIDToken)
	}
	token, err := op.verifier.Verify(ctx, raw)
	if err != nil {
		return identity{}, fmt.Errorf("%w: %w", ErrBadIDToken, err)
	}
	var claims struct {
		AuthorizedParty   string `json:"azp"`
		Name              string `json:"name"`
		PreferredUsername string `json:"preferred_username"`
		Email             string `json:"email"`
		SessionID         string `json:"sid"`
	}
	if err := token.Claims(&claims); err != nil {
		return identity{}, fmt.Errorf("%w: %w", ErrBadIDToken, err)
	}
	if claims.AuthorizedParty != "" && claims.AuthorizedParty != c.cfg.ClientID || claims.AuthorizedParty == "" && len(token.Audience) > 1 {
		return identity{}, fmt.Errorf("%w: it was made for another client", ErrBadIDToken)
	}
	if token.AccessTokenHash != "" {
		if err := token.VerifyAccessToken(accessToken); err != nil {
			return identity{}, fmt.Errorf("%w: %w", ErrBadIDToken, err)
		}
	}
	name := claims.Name
	for _, other := range []string{claims.PreferredUsername, claims.Email} {
		if name == "" {
			name = other
		}
	}
	return identity{token, name, claims.SessionID}, nil
}

// tokenError sorts an error of the token endpoint: refused by the issuer, or no answer from it.
func tokenError(err error) error {
	var refused *oauth2.RetrieveError
	if errors.As(err, &refused) && refused.ErrorCode != "" && refused.Response.StatusCode < http.StatusInternalServerError {
		return &RefusedError{Code: refused.ErrorCode, Description: refused.ErrorDescription}
	}
	return fmt.Errorf("%w: %w", ErrIssuerDown, err)
}

// LocalPath returns to, when it is the path of a page of this app, and else the home page: nobody is sent elsewhere after log-in.
func LocalPath(to string) string {
	const home = "/"
	if len(to) > 2000 || !strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") || strings.ContainsFunc(to, func(r rune) bool { return r <= ' ' || r == '\\' || r == 0x7f }) {
		return home
	}
	u, err := url.Parse(to)
	if err != nil || u.IsAbs() || u.Host != "" || u.User != nil || path.Clean(u.Path) != u.Path {
		return home
	}
	switch u.Path {
	case "/login", "/signup", "/callback": // would lead round in a circle
		return home
	}
	local := url.URL{Path: u.Path, RawPath: u.RawPath, RawQuery: u.RawQuery}
	return local.String()
}
