// Package flow is the OpenID Connect relying party of the demo app: log-in by authorization code
// with PKCE (RFC 6749, RFC 7636, OpenID Connect Core), sessions, refreshing tokens, and logout
// (OpenID Connect RP-Initiated Logout).
//
// Tokens stay on the server. The browser holds a sealed cookie for each log-in under way, and an
// opaque one for the session.
package flow

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/oauth2"

	"github.com/maru-auth/maru/client-demo/internal/outbound"
	"github.com/maru-auth/maru/internal/httpd"
)

// What can go wrong in a flow. Anything else is a fault of the program.
var (
	ErrIssuerDown   = errors.New("the issuer cannot be reached")
	ErrLoginAgain   = errors.New("the issuer ended this session: log in again")
	ErrUnknownState = errors.New("no log-in under way has this state: it was used already, took too long, or began in another browser")
	ErrWrongIssuer  = errors.New("the answer comes from another issuer than was asked")
	ErrBadIDToken   = errors.New("the ID token was refused")
)

// RefusedError is the issuer's refusal of a request: an OAuth error code and, for a developer, its
// description.
type RefusedError struct{ Code, Description string }

func (e *RefusedError) Error() string { return "the issuer refused: " + e.Code + ": " + e.Description }

const (
	callTimeout   = 10 * time.Second // one request to the issuer
	loginLifetime = 15 * time.Minute // from leaving for the issuer to coming back
	sessionIdle   = 12 * time.Hour
	sessionMax    = 14 * 24 * time.Hour

	maxSessions   = 10_000 // beyond it, the one unused for longest ends
	maxSessionsOf = 20     // of one person; beyond it theirs unused for longest ends
	maxSpent      = 20_000 // answered log-ins that are remembered
)

// Config says who this client is and whom it trusts. All fields but ClientSecret, CookieKey, Now
// and Log are required.
type Config struct {
	Origin       string // this app's, without a slash at the end
	Issuer       string
	ClientID     string
	ClientSecret string // empty: a public client
	Scopes       []string
	CookieKey    []byte           // KeySize bytes, the same for all replicas; empty: made here
	Now          func() time.Time // nil: time.Now
	Log          *slog.Logger     // nil: slog.Default
	Calls        httpd.Calls
}

// Client is the relying party. It is safe for concurrent use; make it with [New] and end it with
// [Client.Close].
type Client struct {
	cfg      Config
	now      func() time.Time
	log      *slog.Logger
	http     *http.Client
	provider fetched[*issuer]
	cookies  cookies

	sealer   sealer
	opening  sync.Mutex                     // while a session is added
	sessions *lru.Cache[[32]byte, *Session] // by the SHA-256 of the cookie
	spent    *lru.Cache[[32]byte, struct{}] // by the SHA-256 of state: log-ins that were answered
	drafts   drafts

	renewals sync.WaitGroup // also fetches of documents
}

// New makes a client, or returns an error for a CookieKey of the wrong length. It does not call the
// issuer yet.
func New(cfg Config) (*Client, error) {
	sealer, err := newSealer(cfg.CookieKey)
	if err != nil {
		return nil, err
	}
	c := &Client{cfg: cfg, now: cfg.Now, log: cfg.Log, sealer: sealer,
		cookies: cookies{strings.HasPrefix(cfg.Origin, "https://")}}
	if c.now == nil {
		c.now = time.Now
	}
	if c.log == nil {
		c.log = slog.Default()
	}
	c.http = outbound.NewClient(outbound.Limits{
		Timeout: callTimeout, AtOnce: 64, Answer: 256 << 10, To: "issuer", Calls: cfg.Calls,
	})
	c.provider = fetched[*issuer]{client: c, name: "discovery document", fetch: c.discover}
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

// Close waits for refreshes under way, which would otherwise lose a rotated token, and closes idle
// connections.
func (c *Client) Close() {
	c.renewals.Wait()
	c.http.CloseIdleConnections()
}

// secret returns 256 random bits as text.
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
