package tokens

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/oauth"
	"github.com/maru-auth/maru/authz-server/internal/status"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/grants"
	"github.com/maru-auth/maru/authz-server/internal/store/statuses"
)

// AccessClaims are the claims of an access token (RFC 9068 §2.2).
type AccessClaims struct {
	Issuer   string          `json:"iss"`
	Subject  string          `json:"sub"`
	Audience oauth.Audiences `json:"aud"`
	ClientID string          `json:"client_id"`
	Scope    string          `json:"scope"`
	IssuedAt int64           `json:"iat"`
	Expiry   int64           `json:"exp"`
	ID       string          `json:"jti"`
	Status   *Status         `json:"status,omitempty"` // none of a token that an earlier version issued

	// Of a person's token alone.
	AuthTime  int64    `json:"auth_time,omitempty"`
	ACR       string   `json:"acr,omitempty"`
	AMR       []string `json:"amr,omitempty"`
	SessionID string   `json:"sid,omitempty"`
	Roles     []string `json:"roles,omitempty"`

	Confirmation *Confirmation `json:"cnf,omitempty"`      // RFC 9449 §6.1: whose key must be proved with the token
	ProofAlg     string        `json:"dpop_alg,omitempty"` // what proofs of that key must be signed by; empty: the key says
	Actor        *Actor        `json:"act,omitempty"`      // RFC 8693 §4.1: who acts for the person

	// Withheld is in exchanged tokens alone: the scopes of the grant that an earlier token of the
	// chain lacked, though it was for their service. No later token of the chain gets them.
	Withheld []string `json:"withheld,omitzero"`
}

// bind binds the token to the key that its client proved, if it did.
func (c *AccessClaims) bind(want AccessSpec) {
	if want.Thumbprint != "" {
		c.Confirmation, c.ProofAlg = &Confirmation{want.Thumbprint}, want.ProofAlg
	}
}

// Confirmation binds a token to a key.
type Confirmation struct {
	Thumbprint string `json:"jkt"`
}

// Actor is a service that acts for the subject, and whom it acts for in turn.
type Actor struct {
	Subject string `json:"sub"`
	Actor   *Actor `json:"act,omitempty"`
}

// GrantID is the grant that the token belongs to: the part of the jti before the dot. It is empty
// for a service's own token.
func (c *AccessClaims) GrantID() string {
	grant, _, ok := strings.Cut(c.ID, ".")
	if !ok {
		return ""
	}
	return grant
}

// AccessSpec is what an access token is to be good for.
type AccessSpec struct {
	Scope      []string
	Audience   []string
	Thumbprint string // RFC 7638, of the DPoP key that it is bound to; empty: a bearer token
	ProofAlg   string // what proofs of that key must be signed by; empty: the key says
	Actor      *Actor
	Withheld   []string // of an exchanged token; see AccessClaims
	Subject    string   // of an exchanged token; empty: the person as the client knows them
	Expiry     int64    // of an exchanged token: not later than this, in seconds; 0: the usual lifetime
	Place      *Place   // in the status lists; nil: a new one
}

// ForService issues a service's token of its own (RFC 6749 §4.4). It writes no row for it.
func (i *Issuer) ForService(ctx context.Context, c *client.Client, want AccessSpec) (string, error) {
	place, err := i.nextPlace(ctx, c)
	if err != nil {
		return "", err
	}
	now := i.now()
	claims := AccessClaims{
		Issuer:   i.url,
		Subject:  c.ID, // RFC 9068 §2.2
		Audience: want.Audience,
		ClientID: c.ID,
		Scope:    strings.Join(want.Scope, " "),
		IssuedAt: now.Unix(),
		Expiry:   now.Add(i.Lifetimes.AccessToken).Unix(),
		ID:       rand.Text(),
		Status:   i.claim(place),
	}
	claims.bind(want)
	return i.Sign(ctx, i.accessAlg(c), typeAccess, claims)
}

// ownLifetime is how long a token is valid that the server issues for a call of its own.
const ownLifetime = time.Minute

// Own issues a token for a call that this server itself makes to a service: as itself, which is the
// client with the issuer's identifier as its name, or, with a session, for that session's person,
// whom want.Subject names if it is not empty. It belongs to no grant, and nobody else gets to see
// it.
func (i *Issuer) Own(ctx context.Context, session *accounts.Session, want AccessSpec) (string, error) {
	place, err := i.status.Next(ctx, statuses.Holder{ClientID: i.url, Own: true})
	if err != nil {
		return "", err
	}
	now := i.now()
	claims := AccessClaims{
		Issuer:   i.url,
		Subject:  i.url,
		Audience: want.Audience,
		ClientID: i.url,
		Scope:    strings.Join(want.Scope, " "),
		IssuedAt: now.Unix(),
		Expiry:   now.Add(ownLifetime).Unix(),
		ID:       rand.Text(),
		Status:   i.claim(place),
	}
	if session != nil {
		claims.Subject, claims.SessionID = session.UserID, session.ID
		claims.AuthTime, claims.ACR, claims.AMR = session.AuthTime.Unix(), session.ACR, session.AMR
	}
	if want.Subject != "" {
		claims.Subject = want.Subject
	}
	return i.Sign(ctx, "", typeAccess, claims)
}

// Access issues an access token of a grant. It writes no row for it: the token is verified from
// itself. The caller gives the note to the write that spends what the token is issued for, so that
// the token ends with the grant.
func (i *Issuer) Access(ctx context.Context, c *client.Client, g *grants.Grant, want AccessSpec) (token string, note grants.Note, err error) {
	var place status.Ref
	var drops string
	shares := len(g.Statuses) >= maxStatuses
	if shares {
		if place, drops, shares, err = i.share(ctx, c, g); err != nil {
			return "", note, err
		}
	}
	if !shares {
		if want.Place != nil {
			place = want.Place.ref
		} else if place, err = i.nextPlace(ctx, c); err != nil {
			return "", note, err
		}
		note = i.note(c, g, place, drops)
	}
	token, err = i.access(ctx, c, g, want, place)
	return token, note, err
}

// AccessAgain is [Issuer.Access] where nothing is spent: when the client keeps its refresh token,
// or gets the same one again, and for exchanged tokens. The tokens that a client gets so share a
// place in the status lists for a while, and only a new place is noted. The error is
// oauth.InvalidGrant if the grant has just ended.
func (i *Issuer) AccessAgain(ctx context.Context, c *client.Client, g *grants.Grant, want AccessSpec) (string, error) {
	place, drops, ok, err := i.share(ctx, c, g)
	if err != nil {
		return "", err
	}
	if !ok {
		if place, err = i.nextPlace(ctx, c); err != nil {
			return "", err
		}
		if err := i.Note(ctx, g, i.note(c, g, place, drops)); err != nil {
			return "", err
		}
	}
	return i.access(ctx, c, g, want, place)
}

// Note gives a grant's row the note of a token that was issued where nothing was spent. The error
// is oauth.InvalidGrant if the grant has just ended.
func (i *Issuer) Note(ctx context.Context, g *grants.Grant, note grants.Note) error {
	err := i.store.Grants.NoteStatus(ctx, g.ID, note)
	if errors.Is(err, store.ErrNotFound) {
		return oauth.InvalidGrant.Because("the grant has been revoked")
	}
	return err
}

func (i *Issuer) access(ctx context.Context, c *client.Client, g *grants.Grant, want AccessSpec, place status.Ref) (string, error) {
	now := i.now()
	claims := AccessClaims{
		Issuer:    i.url,
		Subject:   i.Subject(c, g.UserID),
		Audience:  want.Audience,
		ClientID:  c.ID,
		Scope:     strings.Join(want.Scope, " "),
		IssuedAt:  now.Unix(),
		Expiry:    now.Add(i.Lifetimes.AccessToken).Unix(),
		ID:        g.ID + "." + rand.Text(),
		Status:    i.claim(place),
		AuthTime:  g.AuthTime.Unix(),
		ACR:       g.ACR,
		AMR:       g.AMR,
		SessionID: g.SessionID,
		Actor:     want.Actor,
		Withheld:  want.Withheld,
	}
	if want.Subject != "" {
		claims.Subject = want.Subject
	}
	if want.Expiry != 0 {
		claims.Expiry = min(claims.Expiry, want.Expiry)
	}
	claims.bind(want)
	var err error
	if claims.Roles, err = i.roles(ctx, g.UserID, want.Scope, want.Audience); err != nil {
		return "", err
	}
	return i.Sign(ctx, i.accessAlg(c), typeAccess, claims)
}

// accessAlg is what access tokens of a client are signed by; empty: RS256.
func (i *Issuer) accessAlg(c *client.Client) string {
	if c.Profile == client.ProfileFAPI2 {
		return i.profileAlg
	}
	return ""
}

// Live reads an access token that is valid now: issued here, unexpired, and neither it nor its
// grant revoked, nor its client gone or disabled. Beside that it agrees with the status lists, which
// also know what else was revoked, half a second ago at most. The error is ErrInvalid, or a failure of the database.
func (i *Issuer) Live(ctx context.Context, token string) (AccessClaims, error) {
	var claims AccessClaims
	if err := i.verify(ctx, token, typeAccess, &claims); err != nil {
		return claims, err
	}
	if claims.Issuer != i.url || i.now().Unix() >= claims.Expiry {
		return claims, ErrInvalid
	}
	holder := claims.ClientID
	if holder == i.url { // a token of our own
		holder = ""
	}
	revoked, err := i.store.Grants.TokenRevoked(ctx, claims.ID, holder)
	if err == nil && !revoked {
		revoked, err = i.listed(ctx, &claims)
	}
	if err != nil {
		return claims, err
	}
	if revoked {
		return claims, ErrInvalid
	}
	if id := claims.GrantID(); id != "" {
		g, err := i.store.Grants.Grant(ctx, id)
		if errors.Is(err, store.ErrNotFound) || (err == nil && !g.Live(i.now())) {
			return claims, ErrInvalid
		}
		if err != nil {
			return claims, err
		}
	}
	return claims, nil
}

// listed tells whether a token is invalid by its status list.
func (i *Issuer) listed(ctx context.Context, claims *AccessClaims) (bool, error) {
	if claims.Status == nil {
		return false, nil
	}
	ref, ok := i.status.Ref(claims.Status.List.URI, claims.Status.List.Index)
	if !ok {
		return true, nil
	}
	return i.status.Revoked(ctx, ref)
}

// Person is the person of an access token, whose subject may be pairwise: the grant knows whose it
// is. store.ErrNotFound: the token is a service's own.
func (i *Issuer) Person(ctx context.Context, claims *AccessClaims) (accounts.User, error) {
	g, err := i.store.Grants.Grant(ctx, claims.GrantID())
	if err != nil {
		return accounts.User{}, err
	}
	return i.store.Users.User(ctx, g.UserID)
}
