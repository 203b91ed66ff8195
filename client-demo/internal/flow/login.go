package flow

import (
	"context"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// login is a log-in under way. The browser keeps it in a sealed cookie, so that however many begin, none
// takes memory here, and none is pushed out by others. It is good for one callback.
type login struct {
	State    string    `json:"s"` // the parameter
	Verifier string    `json:"v"` // PKCE, RFC 7636 §4.1
	Nonce    string    `json:"n"`
	To       string    `json:"t"`
	Draft    string    `json:"d,omitempty"` // by which the form is found that it carries
	Expires  time.Time `json:"e"`
}

// Login is what to log in for.
type Login struct {
	SignUp bool       // begin with making an account (Initiating User Registration via OpenID Connect)
	To     string     // local path to go to afterwards. Anything that is none: the home page
	Draft  url.Values // a form that was sent without a session; its page finds it by [Session.TakeDraft]
	Locale string     // language to ask the issuer's pages for. Empty: the browser's
	From   netip.Addr // whose draft it is; the zero Addr is one sender too
}

// Begin sends the browser to the issuer. When it returns an error, nothing has been written.
func (c *Client) Begin(w http.ResponseWriter, r *http.Request, in Login) error {
	op, err := c.issuer(r.Context())
	if err != nil {
		return err
	}
	state, now := secret(), c.now()
	l := login{State: state, Verifier: oauth2.GenerateVerifier(), Nonce: secret(), To: LocalPath(in.To), Expires: now.Add(loginLifetime)}
	l.Draft = c.drafts.put(in.From, in.Draft, now, l.Expires)
	sealed, err := c.sealer.seal(loginPurpose, l)
	if err == nil && len(sealed) > maxSealed {
		l.To = LocalPath("")
		sealed, err = c.sealer.seal(loginPurpose, l)
	}
	if err != nil {
		return err
	}
	c.dropLogins(w, r)
	c.cookies.set(w, loginCookie(state), sealed, int(loginLifetime.Seconds()))
	options := []oauth2.AuthCodeOption{oauth2.S256ChallengeOption(l.Verifier), oidc.Nonce(l.Nonce)}
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
// and returns where the person wanted to go. When it returns an error, nothing has been written but
// cookies.
func (c *Client) Finish(w http.ResponseWriter, r *http.Request) (to string, err error) {
	query := r.URL.Query()
	l, err := c.takeLogin(w, r, query)
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
	answer, err := op.oauth.Exchange(ctx, query.Get("code"), oauth2.VerifierOption(l.Verifier))
	if err != nil {
		return "", tokenError(err)
	}
	raw, _ := answer.Extra("id_token").(string)
	identity, err := c.verifyIDToken(ctx, op, raw, answer.AccessToken)
	if err != nil {
		return "", err
	}
	// OpenID Connect Core §3.1.3.7, 11: else the token was made for another log-in.
	if subtle.ConstantTimeCompare([]byte(identity.Nonce), []byte(l.Nonce)) != 1 {
		return "", fmt.Errorf("%w: its nonce is not the one that was sent", ErrBadIDToken)
	}

	s := &Session{Subject: identity.Subject, sid: identity.sid, created: c.now(), seen: c.now(), name: identity.name}
	s.store(c.now(), answer, raw, c.cfg.Scopes)
	if draft := c.drafts.take(l.Draft, c.now()); draft != nil {
		s.drafts = map[string]url.Values{l.To: draft}
	}
	if old := c.Session(r); old != nil {
		c.end(old)
	}
	c.open(w, s)
	return l.To, nil
}

const (
	loginPurpose   = "login"
	maxLoginsAside = 5 // log-ins that one browser has under way: each tab its own
)

// loginCookie is the name of the cookie of the log-in with a state: tabs do not disturb each other.
func loginCookie(state string) string {
	key := hash(state)
	return "login-" + hex.EncodeToString(key[:8])
}

// takeLogin finds the log-in that query answers, once: a second answer finds nothing.
func (c *Client) takeLogin(w http.ResponseWriter, r *http.Request, query url.Values) (login, error) {
	state := query["state"]
	if len(state) != 1 {
		return login{}, ErrUnknownState
	}
	// RFC 6749 §10.12: an answer that another browser fetched is worth nothing here, for it has no cookie.
	sealed, ok := c.cookies.get(r, loginCookie(state[0]))
	if !ok {
		return login{}, ErrUnknownState
	}
	var l login
	if c.sealer.open(loginPurpose, sealed, &l) != nil || l.State != state[0] || !c.now().Before(l.Expires) {
		return login{}, ErrUnknownState
	}
	c.cookies.set(w, loginCookie(l.State), "", -1)
	// A cookie can be sent again. Of two answers at once, one is the first. (Elsewhere, and should this
	// be forgotten early, the issuer still takes the code once.)
	if known, _ := c.spent.ContainsOrAdd(hash(l.State), struct{}{}); known {
		return login{}, ErrUnknownState
	}
	return l, nil
}

// dropLogins removes from the browser log-ins that nobody will finish: those that have expired, and the
// oldest of too many.
func (c *Client) dropLogins(w http.ResponseWriter, r *http.Request) {
	prefix := c.cookies.name("login-")
	expires := map[string]time.Time{}
	for _, cookie := range r.Cookies() {
		name, ok := strings.CutPrefix(cookie.Name, prefix)
		if !ok {
			continue
		}
		var l login
		if c.sealer.open(loginPurpose, cookie.Value, &l) != nil || !c.now().Before(l.Expires) {
			l.Expires = time.Time{}
		}
		expires["login-"+name] = l.Expires
	}
	names := slices.SortedFunc(maps.Keys(expires), func(a, b string) int { return expires[a].Compare(expires[b]) })
	for i, name := range names {
		if expires[name].IsZero() || i < len(names)-maxLoginsAside+1 {
			c.cookies.set(w, name, "", -1)
		}
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
	token, err := op.verify(ctx, raw)
	if errors.Is(err, ErrIssuerDown) {
		return identity{}, err
	}
	if err != nil {
		return identity{}, fmt.Errorf("%w: %w", ErrBadIDToken, err)
	}
	// OpenID Connect Core §2 requires both. go-oidc takes a token without them, and without a subject everybody is one person.
	if token.Subject == "" || token.IssuedAt.Unix() <= 0 {
		return identity{}, fmt.Errorf("%w: it does not say whom it is about, or when it was made", ErrBadIDToken)
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
	return fmt.Errorf("%w: %w", ErrIssuerDown, briefly(err))
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
