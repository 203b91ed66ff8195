// Package tokens issues and verifies the server's own tokens: access tokens, ID tokens and refresh
// tokens, and the grants that they belong to. It knows keys and rows, and nothing of HTTP.
package tokens

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/keys"
	"github.com/maru-auth/maru/authz-server/internal/oauth"
	"github.com/maru-auth/maru/authz-server/internal/status"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/jwks/jose"
)

// Types of JWT, as their header says.
const (
	typeAccess  = "at+jwt" // RFC 9068 §2.1
	typeRefresh = "rt+jwt"
	typeID      = "JWT"
)

// Config is what an [Issuer] needs. All fields are required but those with a default.
type Config struct {
	Resources oauth.Resources // and the issuer identifier
	Keys      *keys.Ring
	Store     *store.Store
	Status    *status.Lists
	Lifetimes Lifetimes
	Now       func() time.Time // nil: time.Now

	// PairwiseSalt keeps pairwise subjects from being linked (OIDC Core §8.1): 32 random bytes that
	// never change.
	PairwiseSalt []byte

	// ProfileAlg signs access tokens of clients with the profile fapi2 (FAPI 2.0 Security Profile
	// §5.4.1): one of client.Algorithms that every resource service takes. Empty: RS256, as for all
	// other clients.
	ProfileAlg string
}

// Lifetimes says how long what is issued lives. Zero: the default.
type Lifetimes struct {
	AccessToken     time.Duration // 10 minutes
	IDToken         time.Duration // 10 minutes
	Code            time.Duration // 60 seconds
	RefreshIdle     time.Duration // 30 days: a refresh token that is not used for so long ends
	RefreshAbsolute time.Duration // 90 days: the whole grant
	RefreshGrace    time.Duration // 10 seconds: a repeated refresh within it gets the same successor; negative turns it off
}

// WithDefaults returns l with its defaults.
func (l Lifetimes) WithDefaults() Lifetimes {
	return Lifetimes{
		AccessToken:     cmp.Or(l.AccessToken, 10*time.Minute),
		IDToken:         cmp.Or(l.IDToken, 10*time.Minute),
		Code:            cmp.Or(l.Code, time.Minute),
		RefreshIdle:     cmp.Or(l.RefreshIdle, 30*24*time.Hour),
		RefreshAbsolute: cmp.Or(l.RefreshAbsolute, 90*24*time.Hour),
		RefreshGrace:    cmp.Or(l.RefreshGrace, 10*time.Second),
	}
}

// Issuer issues and verifies tokens. It is safe for concurrent use.
type Issuer struct {
	Lifetimes Lifetimes // with their defaults; not to be changed

	url          string // the issuer identifier
	resources    oauth.Resources
	keys         *keys.Ring
	store        *store.Store
	status       *status.Lists
	now          func() time.Time
	pairwiseSalt []byte
	profileAlg   string
}

// New makes an issuer.
func New(cfg Config) *Issuer {
	i := &Issuer{
		Lifetimes:    cfg.Lifetimes.WithDefaults(),
		url:          cfg.Resources.Issuer,
		resources:    cfg.Resources,
		keys:         cfg.Keys,
		store:        cfg.Store,
		status:       cfg.Status,
		now:          cfg.Now,
		pairwiseSalt: cfg.PairwiseSalt,
		profileAlg:   cfg.ProfileAlg,
	}
	if i.now == nil {
		i.now = time.Now
	}
	return i
}

// ErrInvalid says that a token is not one that this server issued, of the type asked for.
var ErrInvalid = errors.New("not a token of this server")

// ErrWithdrawn is an ErrInvalid: the token names a key that was withdrawn, so that the server may
// have signed it, or somebody else.
var ErrWithdrawn = fmt.Errorf("%w: its key was withdrawn", ErrInvalid)

// Sign signs claims with the algorithm that a client registered for; empty: RS256. typ is the "typ"
// of the JWT's header.
func (i *Issuer) Sign(ctx context.Context, alg, typ string, claims any) (string, error) {
	if alg == "" {
		alg = keys.RS256
	}
	text, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	token, _, err := i.keys.SignAs(ctx, alg, typ, text)
	return token, err
}

// Together is [keys.Ring.Together], for functions that issue tokens.
func (i *Issuer) Together(a, b func() error) error { return i.keys.Together(a, b) }

// verify checks that token is a JWT of that type which this server signed, and reads its claims. It
// does not look at the expiry. The error is ErrInvalid, perhaps as ErrWithdrawn, or a failure of
// the database.
func (i *Issuer) verify(ctx context.Context, token, typ string, claims any) error {
	text, _, err := i.keys.Verify(ctx, token, typ)
	if errors.Is(err, keys.ErrWithdrawn) {
		return ErrWithdrawn
	}
	if errors.Is(err, keys.ErrInvalid) {
		return ErrInvalid
	}
	if err != nil {
		return err
	}
	return jose.UnmarshalExact(text, claims)
}
