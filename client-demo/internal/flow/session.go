package flow

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/oauth2"
)

// Session is one person's log-in in one browser. It is safe for concurrent use.
type Session struct {
	Subject string // the person's id at the issuer, the claim sub
	sid     string // the session at the issuer, the claim sid; may be empty

	mu          sync.Mutex
	key         [32]byte
	created     time.Time
	seen        time.Time
	ended       bool
	name        string
	preferences Preferences
	flash       string
	drafts      map[string]url.Values

	tokens    Tokens
	scopes    []string
	renewAt   time.Time
	retryAt   time.Time // not before: the last refresh has just failed
	refusedAt time.Time // when a service last refused a token so that it was refreshed
	renewal   *renewal  // the refresh under way
}

// Tokens are a session's tokens as the issuer sent them.
type Tokens struct {
	Access, ID, Refresh string
	Expires             time.Time // of the access token
}

// Preferences are those of a person's settings that pages need. The zero value is for a person
// without any.
type Preferences struct {
	Language string // "ko", "en", or empty: the browser's
	TimeZone string // IANA name, or empty: UTC
	Theme    string // "light", "dark", or empty: the system's
	ReadAt   time.Time
}

// open gives s a new id and sets the cookie. A person with too many sessions loses the one unused
// for longest.
func (c *Client) open(w http.ResponseWriter, s *Session) {
	c.sweepSessions()
	id := secret()
	s.key = hash(id)
	c.cookies.set(w, "session", id, 0)
	c.opening.Lock()
	defer c.opening.Unlock()
	var same []*Session
	for _, other := range c.sessions.Values() { // the cache's oldest comes first
		if other.Subject == s.Subject {
			same = append(same, other)
		}
	}
	for i := range len(same) - maxSessionsOf + 1 {
		c.end(same[i])
	}
	c.sessions.Add(s.key, s)
}

// Session returns the session of the browser that sent r, or nil.
func (c *Client) Session(r *http.Request) *Session {
	id, ok := c.cookies.get(r, "session")
	if !ok {
		return nil
	}
	s, ok := c.sessions.Get(hash(id))
	if !ok {
		return nil
	}
	now := c.now()
	if s.over(now) {
		c.end(s)
		return nil
	}
	s.mu.Lock()
	s.seen = now
	s.mu.Unlock()
	return s
}

func (s *Session) over(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ended || now.Sub(s.seen) >= sessionIdle || now.Sub(s.created) >= sessionMax
}

// sweepSessions ends sessions that have lasted or rested too long. The cache's oldest is the one
// unused for longest.
func (c *Client) sweepSessions() {
	for {
		_, s, ok := c.sessions.GetOldest()
		if !ok || !s.over(c.now()) {
			return
		}
		c.end(s)
	}
}

// HadSession tells whether r names a session, even one that is over: somebody was logged in here.
func (c *Client) HadSession(r *http.Request) bool {
	_, ok := c.cookies.get(r, "session")
	return ok
}

// Forget removes the session cookie from the browser.
func (c *Client) Forget(w http.ResponseWriter) { c.cookies.set(w, "session", "", -1) }

// end closes s and forgets its tokens.
func (c *Client) end(s *Session) {
	s.mu.Lock()
	s.ended = true
	s.tokens = Tokens{}
	s.mu.Unlock()
	c.sessions.Remove(s.key)
}

// store takes over the tokens of answer; those that it leaves out stay. Callers hold mu, or s is
// not shared yet.
func (s *Session) store(now time.Time, answer *oauth2.Token, idToken string, asked []string) {
	s.tokens.Access = answer.AccessToken
	if answer.RefreshToken != "" {
		s.tokens.Refresh = answer.RefreshToken
	}
	if idToken != "" {
		s.tokens.ID = idToken
	}
	lifetime := time.Duration(answer.ExpiresIn) * time.Second
	if lifetime <= 0 {
		lifetime = time.Minute // RFC 6749 §5.1 leaves it open
	}
	s.tokens.Expires = now.Add(lifetime)
	s.renewAt = s.tokens.Expires.Add(-min(time.Minute, lifetime/4))
	s.retryAt = time.Time{}
	if scope, ok := answer.Extra("scope").(string); ok {
		s.scopes = strings.Fields(scope)
	} else if s.scopes == nil { // RFC 6749 §5.1: left out if it is what was asked for
		s.scopes = asked
	}
}

// keepRefresh takes over the refresh token, and nothing else, of an answer that cannot be checked
// yet: the one before it is used up.
func (s *Session) keepRefresh(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if token != "" && !s.ended {
		s.tokens.Refresh = token
	}
}

// Name is what to call the person: the profile's display name once it is known, before that the ID
// token's name, which may be empty.
func (s *Session) Name() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.name
}

// SetName keeps the profile's display name.
func (s *Session) SetName(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if name != "" {
		s.name = name
	}
}

// Tokens returns the tokens. Only one page shows them.
func (s *Session) Tokens() Tokens {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tokens
}

// Granted tells whether the person granted scope.
func (s *Session) Granted(scope string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Contains(s.scopes, scope)
}

// Moderator tells whether to show what moderators use. It looks into the access token, which a
// client must not rely on (RFC 9068 §6): if it is wrong, a button is missing or one too many is
// shown, and the board service still decides.
func (s *Session) Moderator() bool { return s.Granted("board:moderate") && s.HasRole("moderator") }

// HasRole tells whether the person has a role at the board service, as Moderator does.
func (s *Session) HasRole(role string) bool {
	var claims struct {
		Roles []string `json:"roles"`
	}
	return Decode(s.Tokens().Access, nil, &claims) == nil && slices.Contains(claims.Roles, role)
}

// Preferences returns what SetPreferences set last.
func (s *Session) Preferences() Preferences {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.preferences
}

// SetPreferences keeps the settings that pages need.
func (s *Session) SetPreferences(p Preferences) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.preferences = p
}

// SetFlash keeps the key of a message for the next page.
func (s *Session) SetFlash(message string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.flash = message
}

// TakeFlash returns the key that SetFlash kept, once.
func (s *Session) TakeFlash() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	message := s.flash
	s.flash = ""
	return message
}

// TakeDraft returns the form that was sent to the page at path after the session had ended, once.
func (s *Session) TakeDraft(path string) url.Values {
	s.mu.Lock()
	defer s.mu.Unlock()
	draft := s.drafts[path]
	delete(s.drafts, path)
	return draft
}
