// Package adminaccess tells who acts by an access token at the interfaces for operators that programs
// call: the REST interface and SCIM. It is the resource server of the resource `<issuer>/admin`.
//
// A token is judged as services judge it, by package jwks, but with the ring's own keys, and then as
// the database has it at this moment: one that was revoked is refused at once. What its bearer may do
// is decided by [admin.Decide] alone.
package adminaccess

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/clientauth"
	"github.com/maru-auth/maru/authz-server/internal/issuer"
	"github.com/maru-auth/maru/authz-server/internal/keys"
	"github.com/maru-auth/maru/authz-server/internal/proofs"
	"github.com/maru-auth/maru/authz-server/internal/sender"
	"github.com/maru-auth/maru/authz-server/internal/session"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/tokens"
	"github.com/maru-auth/maru/internal/httpd"
	"github.com/maru-auth/maru/internal/sqldb"
	"github.com/maru-auth/maru/jwks"
)

// Path is that of the resource below the issuer.
const Path = "/admin"

// Config is what a [Tokens] needs. All fields are required but those with a default.
type Config struct {
	Issuer issuer.URL
	Ring   *keys.Ring
	Tokens *tokens.Issuer
	Store  *store.Store
	Now    func() time.Time // nil: time.Now
	Log    *slog.Logger     // gets errors that are the server's; nil: none

	// NonceKey is what the nonces are made with that proofs of possession must have: 32 secret bytes,
	// the same in every replica. Nil: proofs need no nonce.
	NonceKey []byte
}

// Tokens tells who acts by an access token. It is safe for concurrent use.
type Tokens struct {
	cfg      Config
	audience string
	verifier *jwks.Verifier
	guard    *jwks.Guard // of paths below the issuer
}

// New makes a [Tokens].
func New(cfg Config) (*Tokens, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	t := &Tokens{cfg: cfg, audience: cfg.Issuer.URL(Path)}
	var err error
	// Nothing is remembered of tokens: these interfaces have few requests.
	if t.verifier, err = jwks.NewVerifier(jwks.VerifierConfig{
		Issuer: cfg.Issuer.String(), Audience: t.audience, Keys: published{cfg.Ring}, Algorithms: client.Algorithms,
		Leeway: -1, Now: cfg.Now, VerifyEveryTime: true,
	}); err != nil {
		return nil, err
	}
	proof := t.Proofs()
	proof.BaseURL = cfg.Issuer.URL("")
	dpop, err := jwks.NewDPoP(proof)
	if err != nil {
		return nil, err
	}
	metadata := jwks.ResourceMetadata{Resource: t.audience}
	t.guard = jwks.NewGuard(t.verifier, jwks.GuardConfig{ResourceMetadata: metadata.URL(), DPoP: dpop})
	return t, nil
}

// Audience is the identifier of the resource, in tokens for it.
func (t *Tokens) Audience() string { return t.audience }

// Verifier tells what a token says, for an interface that authenticates requests itself and then
// calls [Tokens.Judge].
func (t *Tokens) Verifier() *jwks.Verifier { return t.verifier }

// Proofs says which proofs of possession count, but for the BaseURL. All replicas know which were
// used.
func (t *Tokens) Proofs() jwks.DPoPConfig {
	return jwks.DPoPConfig{
		Algorithms: client.Algorithms, Memory: clientauth.UsedProofs(t.cfg.Store),
		RequireNonce: t.cfg.NonceKey != nil, NonceKey: t.cfg.NonceKey,
	}
}

// Actor returns who makes a request, whose path begins below the issuer. Every error is a [*Refused].
// Call it once for a request: a proof of possession is good once.
func (t *Tokens) Actor(w http.ResponseWriter, r *http.Request) (admin.Actor, error) {
	claims, err := t.guard.Authenticate(r)
	if err != nil {
		return admin.Actor{}, t.refuse(r.Context(), err)
	}
	httpd.NoteClient(w, claims.ClientID)
	return t.Judge(r, claims)
}

// Judge returns who makes a request whose token, of these claims, is good as far as it says itself.
// Every error is a [*Refused].
func (t *Tokens) Judge(r *http.Request, claims *jwks.Claims) (admin.Actor, error) {
	actor, err := t.judge(r, claims)
	if err != nil {
		return admin.Actor{}, t.refuse(r.Context(), err)
	}
	return actor, nil
}

func (t *Tokens) judge(r *http.Request, claims *jwks.Claims) (actor admin.Actor, err error) {
	token, err := t.live(r)
	switch {
	case err != nil:
		return actor, err
	case token.Actor != nil || token.Withheld != nil:
		return actor, errActs
	case !t.narrow(token.Audience):
		return actor, errWide
	}
	actor = admin.Actor{ID: token.ClientID, Rights: admin.RightsOf(claims.Scope)}
	actor.From, actor.UserAgent = sender.Of(r)
	if token.GrantID() == "" {
		err = t.client(r.Context(), &actor, token)
	} else {
		err = t.person(r.Context(), &actor, token, claims)
	}
	if err == nil && actor.Rights == 0 {
		err = claims.RequireScope(client.ScopeAdminRead)
	}
	return actor, err
}

// live looks at the request's token as the database has it now.
func (t *Tokens) live(r *http.Request) (tokens.AccessClaims, error) {
	_, text, _ := strings.Cut(strings.TrimSpace(r.Header.Get("Authorization")), " ")
	token, err := t.cfg.Tokens.Live(r.Context(), strings.TrimSpace(text))
	switch {
	case errors.Is(err, tokens.ErrWithdrawn):
		err = jwks.ErrKeyWithdrawn
	case errors.Is(err, tokens.ErrInvalid):
		err = jwks.ErrRevoked
	case errors.Is(err, sqldb.ErrUnavailable):
		err = fmt.Errorf("%w: %w", jwks.ErrStatusUnavailable, err)
	}
	return token, err
}

// narrow tells whether a token is for this resource alone. Another service to which somebody sent it
// could administer the server with it, and services may well have addresses below the issuer's.
func (t *Tokens) narrow(audience []string) bool {
	return len(audience) == 1 && audience[0] == t.audience
}

// client fills in a client that acts for itself.
func (t *Tokens) client(ctx context.Context, actor *admin.Actor, token tokens.AccessClaims) error {
	if token.Subject != token.ClientID || token.ClientID == t.cfg.Issuer.String() {
		return jwks.ErrClaims // a token of the server's own
	}
	c, err := t.cfg.Store.Clients.Client(ctx, token.ClientID)
	if errors.Is(err, store.ErrNotFound) {
		return jwks.ErrRevoked
	}
	actor.Kind, actor.Name = admin.Client, c.Name
	return err
}

// person fills in a person, whose subject the client may know as a pairwise one. Whether they are an
// administrator, admin looks up in each operation.
func (t *Tokens) person(ctx context.Context, actor *admin.Actor, token tokens.AccessClaims, claims *jwks.Claims) error {
	user, err := t.cfg.Tokens.Person(ctx, &token)
	if errors.Is(err, store.ErrNotFound) || err == nil && user.Disabled {
		return jwks.ErrRevoked
	}
	if err != nil {
		return err
	}
	actor.Kind, actor.ID, actor.Name = admin.Person, user.ID, user.Email
	actor.Rights &^= admin.Provisioning
	actor.ACR, actor.AuthTime = token.ACR, session.Proved(user, token.AMR, time.Unix(token.AuthTime, 0))
	if actor.Rights == 0 {
		return nil
	}
	return t.guard.RequireAuthentication(claims, jwks.Authentication{ACR: secondFactor})
}

// secondFactor is what administrators prove.
var secondFactor = []string{proofs.SeveralFactors, proofs.PhishingResistant}

// published has the ring's public keys, for tokens that are verified in this process.
type published struct{ ring *keys.Ring }

var _ jwks.KeySource = published{}

// Keys is [jwks.KeySource.Keys]. All of this server's tokens name their key.
func (p published) Keys(ctx context.Context, kid string) ([]jwks.Key, error) {
	key, err := p.ring.Public(ctx, kid)
	if errors.Is(err, keys.ErrUnknown) {
		return nil, jwks.ErrUnknownKey
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", jwks.ErrKeysUnavailable, err)
	}
	return []jwks.Key{key}, nil
}
