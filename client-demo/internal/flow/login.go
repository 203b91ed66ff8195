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
	"strconv"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// login is a log-in under way. The browser keeps it in a sealed cookie, so it takes no memory here
// and others cannot push it out, however many begin. It is good for one callback.
type login struct {
	State    string    `json:"s"` // the parameter
	Verifier string    `json:"v"` // PKCE, RFC 7636 §4.1
	Nonce    string    `json:"n"`
	To       string    `json:"t"`
	Draft    string    `json:"d,omitempty"` // finds the form that it carries
	MaxAge   *int      `json:"m,omitempty"` // seconds; nil: none was asked for
	Expires  time.Time `json:"e"`
}

// Login is what to log in for.
type Login struct {
	SignUp bool       // begin with sign-up (Initiating User Registration via OpenID Connect 1.0)
	To     string     // local path to go to afterwards; anything else: the home page
	Draft  url.Values // a form that was sent without a session; [Session.TakeDraft] returns it
	Locale string     // language for the issuer's pages; empty: the browser's
	From   netip.Addr // who sent the draft; all with the zero Addr count as one

	// What a service wants of the log-in (RFC 9470, OpenID Connect Core §3.1.2.1).
	MaxAge    *int   // how many seconds ago the person may have logged in; nil: at any time
	ACRValues string // how, space-separated; empty: in any way
}

// Begin sends the browser to the issuer. When it returns an error, nothing has been written.
func (c *Client) Begin(w http.ResponseWriter, r *http.Request, in Login) error {
	op, err := c.issuer(r.Context())
	if err != nil {
		return err
	}
	state, now := secret(), c.now()
	l := login{State: state, Verifier: oauth2.GenerateVerifier(), Nonce: secret(), To: LocalPath(in.To),
		Expires: now.Add(loginLifetime), MaxAge: in.MaxAge}
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
	if in.MaxAge != nil {
		options = append(options, oauth2.SetAuthURLParam("max_age", strconv.Itoa(*in.MaxAge)))
	}
	if in.ACRValues != "" {
		options = append(options, oauth2.SetAuthURLParam("acr_values", in.ACRValues))
	}
	http.Redirect(w, r, op.oauth.AuthCodeURL(state, options...), http.StatusSeeOther)
	return nil
}

// Finish takes the issuer's answer at the redirect URI. It opens a session with a new id, ends the
// browser's old one, and returns where the person wanted to go. When it returns an error, nothing
// but cookies has been written.
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
	// RFC 9207 §2.4: the answer must name the issuer that was asked, even an error.
	if iss, sent := query["iss"]; sent && (len(iss) != 1 || iss[0] != c.cfg.Issuer) || !sent && op.ISSParameter {
		return "", ErrWrongIssuer
	}
	if code := query.Get("error"); code != "" {
		return "", &RefusedError{Code: brief(code), Description: brief(query.Get("error_description"))}
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
	// OpenID Connect Core §3.1.3.7, 11: another nonce is another log-in's.
	if subtle.ConstantTimeCompare([]byte(identity.Nonce), []byte(l.Nonce)) != 1 {
		return "", fmt.Errorf("%w: its nonce is not the one that was sent", ErrBadIDToken)
	}
	// §3.1.3.7, 13: the issuer must have asked the person again if it was too long ago.
	if l.MaxAge != nil && c.now().Sub(identity.authTime) > time.Duration(*l.MaxAge)*time.Second+loginLifetime {
		return "", fmt.Errorf("%w: the log-in that it is about is older than was asked for", ErrBadIDToken)
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
	maxLoginsAside = 5 // log-ins under way in one browser: each tab has its own
)

// loginCookie names the cookie of the log-in with a state. Each has its own, so that tabs do not
// disturb each other.
func loginCookie(state string) string {
	key := hash(state)
	return "login-" + hex.EncodeToString(key[:8])
}

// takeLogin finds the log-in that query answers, once.
func (c *Client) takeLogin(w http.ResponseWriter, r *http.Request, query url.Values) (login, error) {
	state := query["state"]
	if len(state) != 1 {
		return login{}, ErrUnknownState
	}
	// RFC 6749 §10.12: an answer that another browser fetched finds no cookie here.
	sealed, ok := c.cookies.get(r, loginCookie(state[0]))
	if !ok {
		return login{}, ErrUnknownState
	}
	var l login
	if c.sealer.open(loginPurpose, sealed, &l) != nil || l.State != state[0] || !c.now().Before(l.Expires) {
		return login{}, ErrUnknownState
	}
	c.cookies.set(w, loginCookie(l.State), "", -1)
	// A cookie can be replayed, so answered log-ins are remembered here. On another replica, or
	// once this is forgotten, the issuer still takes the code only once.
	if known, _ := c.spent.ContainsOrAdd(hash(l.State), struct{}{}); known {
		return login{}, ErrUnknownState
	}
	return l, nil
}

// dropLogins removes log-ins from the browser that will not be finished: the expired ones and the
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

	authTime time.Time // when the person logged in; the Unix epoch if the issuer does not say
}

// verifyIDToken checks what OpenID Connect Core §3.1.3.7 asks for. go-oidc checks signature,
// issuer, audience and times; azp and at_hash are checked here.
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
	// OpenID Connect Core §2 requires both, but go-oidc does not; without a subject, everybody
	// would be one person.
	if token.Subject == "" || token.IssuedAt.Unix() <= 0 {
		return identity{}, fmt.Errorf("%w: it does not say whom it is about, or when it was made", ErrBadIDToken)
	}
	var claims struct {
		AuthorizedParty   string `json:"azp"`
		Name              string `json:"name"`
		PreferredUsername string `json:"preferred_username"`
		Email             string `json:"email"`
		SessionID         string `json:"sid"`
		AuthTime          int64  `json:"auth_time"`
	}
	if err := token.Claims(&claims); err != nil {
		return identity{}, fmt.Errorf("%w: %w", ErrBadIDToken, err)
	}
	if claims.AuthorizedParty != "" && claims.AuthorizedParty != c.cfg.ClientID ||
		claims.AuthorizedParty == "" && len(token.Audience) > 1 {
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
	return identity{token, name, claims.SessionID, time.Unix(claims.AuthTime, 0)}, nil
}

// tokenError tells a refusal of the token endpoint from an answer that did not come.
func tokenError(err error) error {
	var refused *oauth2.RetrieveError
	if errors.As(err, &refused) && refused.ErrorCode != "" &&
		refused.Response.StatusCode < http.StatusInternalServerError {
		return &RefusedError{Code: refused.ErrorCode, Description: refused.ErrorDescription}
	}
	return fmt.Errorf("%w: %w", ErrIssuerDown, briefly(err))
}

// LocalPath returns to if it is the path of a page of this app, else the home page, so that log-in
// never leads to another site.
func LocalPath(to string) string {
	const home = "/"
	// Browsers take \ for /, and drop control characters.
	strange := func(r rune) bool { return r <= ' ' || r == '\\' || r == 0x7f }
	if len(to) > 2000 || !strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") ||
		strings.ContainsFunc(to, strange) {
		return home
	}
	u, err := url.Parse(to)
	if err != nil || u.IsAbs() || u.Host != "" || u.User != nil || path.Clean(u.Path) != u.Path {
		return home
	}
	switch u.Path {
	case "/login", "/signup", "/callback": // would lead in a circle
		return home
	}
	local := url.URL{Path: u.Path, RawPath: u.RawPath, RawQuery: u.RawQuery}
	return local.String()
}
