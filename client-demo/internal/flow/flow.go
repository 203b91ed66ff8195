// Package flow is the OpenID Connect relying party of the demo app: log-in by authorization code with PKCE (RFC 6749, RFC 7636,
// OpenID Connect Core), sessions, refreshing tokens, and logout (OpenID Connect RP-Initiated Logout).
//
// Tokens stay on the server. The browser holds a sealed cookie for each log-in under way, and an opaque one that names the
// session.
package flow

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/oauth2"
)

// What can go wrong in a flow. Anything else is a fault of the program.
var (
	ErrIssuerDown   = errors.New("the issuer cannot be reached")
	ErrLoginAgain   = errors.New("the issuer ended this session: log in again")
	ErrUnknownState = errors.New("no log-in under way has this state: it was used already, took too long, or began in another browser")
	ErrWrongIssuer  = errors.New("the answer comes from another issuer than was asked")
	ErrBadIDToken   = errors.New("the ID token was refused")
)

// RefusedError is the issuer's refusal of a request: an OAuth error code and, for a developer, its description.
type RefusedError struct{ Code, Description string }

func (e *RefusedError) Error() string { return "the issuer refused: " + e.Code + ": " + e.Description }

const (
	callTimeout   = 10 * time.Second // one request to the issuer
	loginLifetime = 15 * time.Minute // from leaving for the issuer to coming back
	sessionIdle   = 12 * time.Hour
	sessionMax    = 14 * 24 * time.Hour

	maxSessions   = 10_000 // beyond it the one unused for longest ends
	maxSessionsOf = 20     // of one person: the same among theirs
	maxSpent      = 20_000 // log-ins that are remembered as answered
	maxAnswer     = 256 << 10
	maxCalls      = 64 // to the issuer at once
	placeWait     = time.Second
)

// Config says who this client is and whom it trusts. All fields but ClientSecret,
// CookieKey, Now and Log are needed.
type Config struct {
	Origin       string // this app's, without a slash at the end
	Issuer       string
	ClientID     string
	ClientSecret string // empty: a public client
	Scopes       []string
	CookieKey    []byte           // KeySize bytes, the same for all replicas; empty: made here
	Now          func() time.Time // nil: time.Now
	Log          *slog.Logger     // nil: slog.Default
}

// Client is the relying party. It is safe for concurrent use; make it with [New] and end it with [Client.Close].
type Client struct {
	cfg      Config
	now      func() time.Time
	log      *slog.Logger
	http     *http.Client
	provider discovery

	sealer   sealer
	opening  sync.Mutex                     // while a session is added
	sessions *lru.Cache[[32]byte, *Session] // by the SHA-256 of the cookie
	spent    *lru.Cache[[32]byte, struct{}] // by the SHA-256 of state: log-ins that were answered
	drafts   drafts

	renewals sync.WaitGroup // and fetches of keys
}

// New makes a client, or returns an error for a CookieKey of another length. It asks the issuer nothing
// until it is needed.
func New(cfg Config) (*Client, error) {
	sealer, err := newSealer(cfg.CookieKey)
	if err != nil {
		return nil, err
	}
	c := &Client{cfg: cfg, now: cfg.Now, log: cfg.Log, sealer: sealer}
	if c.now == nil {
		c.now = time.Now
	}
	if c.log == nil {
		c.log = slog.Default()
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxResponseHeaderBytes = 64 << 10
	transport.MaxIdleConnsPerHost = 16
	c.http = &http.Client{
		Timeout:   callTimeout,
		Transport: &boundedTransport{next: transport, places: make(chan struct{}, maxCalls)},
		// A redirect would carry code and secret to another address.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	c.sessions = newCache[*Session](maxSessions)
	c.spent = newCache[struct{}](maxSpent)
	return c, nil
}

func newCache[V any](size int) *lru.Cache[[32]byte, V] {
	cache, err := lru.New[[32]byte, V](size)
	if err != nil {
		panic(err) // only for a size below one
	}
	return cache
}

// Close waits for refreshes under way, which would otherwise lose a rotated token, and closes idle connections.
func (c *Client) Close() {
	c.renewals.Wait()
	c.http.CloseIdleConnections()
}

// secure tells whether this app is served over TLS, which cookies with the prefix __Host- need.
func (c *Client) secure() bool { return strings.HasPrefix(c.cfg.Origin, "https://") }

// cookieName has its own prefix: cookies know no ports, and on localhost the issuer's are in the same jar.
func (c *Client) cookieName(name string) string {
	if c.secure() {
		return "__Host-demo-" + name
	}
	return "demo-" + name
}

func (c *Client) setCookie(w http.ResponseWriter, name, value string, maxAge int) {
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // G124: Secure unless the demo is on plain http
		Name: c.cookieName(name), Value: value, Path: "/", MaxAge: maxAge,
		HttpOnly: true, Secure: c.secure(), SameSite: http.SameSiteLaxMode,
	})
}

// cookie reads one of our cookies; of several with its name, which only someone else can have set, none counts.
func (c *Client) cookie(r *http.Request, name string) (string, bool) {
	found := r.CookiesNamed(c.cookieName(name))
	if len(found) != 1 || found[0].Value == "" {
		return "", false
	}
	return found[0].Value, true
}

// secret returns 256 random bits as text, and hash what is kept of a secret.
func secret() string {
	var b [32]byte
	rand.Read(b[:]) // never fails (crypto/rand)
	return base64.RawURLEncoding.EncodeToString(b[:])
}

func hash(secret string) [32]byte { return sha256.Sum256([]byte(secret)) }

// issuerContext carries the HTTP client that go-oidc and x/oauth2 are to use.
func (c *Client) issuerContext(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithValue(ctx, oauth2.HTTPClient, c.http), callTimeout)
}

// boundedTransport cuts every answer at maxAnswer bytes: what parses it then fails, and nothing fills the memory. And it has
// places for maxCalls requests, so that they do not pile up while the issuer is slow.
type boundedTransport struct {
	next   *http.Transport
	places chan struct{}
}

var errCrowded = errors.New("too many wait for the issuer's answers")

func (t *boundedTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	timeout := time.NewTimer(placeWait)
	defer timeout.Stop()
	select {
	case t.places <- struct{}{}:
		defer func() { <-t.places }()
	case <-timeout.C:
		return nil, errCrowded
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	resp, err := t.next.RoundTrip(r)
	if err == nil {
		resp.Body = boundedBody{io.LimitReader(resp.Body, maxAnswer), resp.Body}
	}
	return resp, err
}

// CloseIdleConnections is looked for by http.Client.
func (t *boundedTransport) CloseIdleConnections() { t.next.CloseIdleConnections() }

type boundedBody struct {
	io.Reader
	io.Closer
}

// maxText bounds, in bytes, what a log has of another program's error: some repeat a whole answer.
const maxText = 300

// briefError is an error whose text is cut.
type briefError struct{ error }

func briefly(err error) error { return briefError{err} }

func (e briefError) Error() string {
	text := e.error.Error()
	if len(text) > maxText {
		text = strings.ToValidUTF8(text[:maxText], "") + "…"
	}
	return text
}

func (e briefError) Unwrap() error { return e.error }
