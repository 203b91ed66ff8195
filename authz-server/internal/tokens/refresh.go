package tokens

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/keys"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/grants"
)

// RefreshClaims are the claims of a refresh token. Only this server is meant to read it.
type RefreshClaims struct {
	Issuer   string `json:"iss"`
	Subject  string `json:"sub"`
	Audience string `json:"aud"`
	ClientID string `json:"client_id"`
	IssuedAt int64  `json:"iat"`
	Expiry   int64  `json:"exp"`
	ID       string `json:"jti"` // "<grant id>.<number>"; without a dot: see oldrefresh.go
}

// Refresh makes a grant's next refresh token, and what is to be stored of it.
func (i *Issuer) Refresh(ctx context.Context, c *client.Client, g *grants.Grant) (string, grants.RefreshToken, error) {
	now := i.now()
	next := grants.RefreshToken{Number: g.Refresh.Number + 1, IssuedAt: now, ExpiresAt: now.Add(i.Lifetimes.RefreshIdle)}
	if next.ExpiresAt.After(g.ExpiresAt) || c.Profile == client.ProfileFAPI2 { // which is not rotated
		next.ExpiresAt = g.ExpiresAt
	}
	claims, err := i.refreshClaims(c, g, refreshID(g, next.Number), next)
	if err != nil {
		return "", next, err
	}
	token, kid, err := i.keys.Sign(ctx, typeRefresh, claims)
	next.KeyID = kid
	return token, next, err
}

func refreshID(g *grants.Grant, number int64) string {
	return g.ID + "." + strconv.FormatInt(number, 10)
}

func (i *Issuer) refreshClaims(c *client.Client, g *grants.Grant, id string, t grants.RefreshToken) ([]byte, error) {
	return json.Marshal(RefreshClaims{
		Issuer: i.url, Subject: i.Subject(c, g.UserID), Audience: i.url, ClientID: g.ClientID,
		IssuedAt: t.IssuedAt.Unix(), Expiry: t.ExpiresAt.Unix(), ID: id,
	})
}

// Presented is a refresh token that somebody sent, which this server signed, and what became of it.
type Presented struct {
	RefreshClaims
	Grant  grants.Grant
	UsedAt time.Time // when it was exchanged, or later; zero: it is unused

	// What it was exchanged for, and the jti of that. Empty: it is unused, or its successor has
	// been exchanged as well.
	successor   grants.RefreshToken
	successorID string

	old []byte // its key in the store, if it has no number
}

// Live tells whether the token could be used at the time now, were it unused.
func (p *Presented) Live(now time.Time) bool {
	return p.Grant.Live(now) && now.Before(time.Unix(p.Expiry, 0))
}

// FindRefresh verifies a refresh token and finds its grant. Only a token that this server signed
// reaches the database, so that a forged one cannot touch the grant that it names. The error is
// ErrInvalid, or a failure of the database.
func (i *Issuer) FindRefresh(ctx context.Context, token string) (*Presented, error) {
	p := new(Presented)
	if err := i.verify(ctx, token, typeRefresh, &p.RefreshClaims); err != nil {
		return nil, err
	}
	if p.Issuer != i.url {
		return nil, ErrInvalid
	}
	find := i.findOldRefresh
	if strings.Contains(p.ID, ".") {
		find = i.findRefresh
	}
	err := find(ctx, token, p)
	if errors.Is(err, store.ErrNotFound) {
		err = ErrInvalid
	}
	if err != nil {
		return nil, err
	}
	return p, nil
}

func (i *Issuer) findRefresh(ctx context.Context, _ string, p *Presented) (err error) {
	id, text, _ := strings.Cut(p.ID, ".")
	number, err := strconv.ParseInt(text, 10, 64)
	if err != nil || number < 1 {
		return ErrInvalid
	}
	if p.Grant, err = i.store.Grants.Grant(ctx, id); err != nil {
		return err
	}
	newest := p.Grant.Refresh
	if number == newest.Number && p.IssuedAt == newest.IssuedAt.Unix() && p.Expiry == newest.ExpiresAt.Unix() {
		return nil
	}
	if number >= newest.Number {
		// It was issued after the backup that the database was restored from. That is no reuse.
		return ErrInvalid
	}
	p.UsedAt = newest.RotatedAt
	if number == newest.Number-1 {
		p.successor, p.successorID = newest, refreshID(&p.Grant, newest.Number)
	}
	return nil
}

// RotateRefresh exchanges the unused token p for next, which [Issuer.Refresh] made. Of several
// calls one wins. No call wins if the grant is over.
func (i *Issuer) RotateRefresh(ctx context.Context, p *Presented, next grants.RefreshToken, note grants.Note) (won bool, err error) {
	if p.old != nil {
		return i.store.Grants.RotateOldRefreshToken(ctx, p.old, next, note)
	}
	return i.store.Grants.RotateRefreshToken(ctx, p.Grant.ID, next, note)
}

// Reused tells whether the token p was used before, and is no mere repetition: the window of grace
// is over, or its successor was exchanged too, which only somebody who got it can have done.
func (i *Issuer) Reused(p *Presented) bool {
	return !p.UsedAt.IsZero() && (p.successorID == "" || i.now().Sub(p.UsedAt) > i.Lifetimes.RefreshGrace)
}

// RefreshAgain signs the successor of the used token p again. RS256 is deterministic: it is the
// same to the letter. ErrWithdrawn: nothing is signed by that key any more.
func (i *Issuer) RefreshAgain(ctx context.Context, c *client.Client, p *Presented) (string, error) {
	claims, err := i.refreshClaims(c, &p.Grant, p.successorID, p.successor)
	if err != nil {
		return "", err
	}
	token, err := i.keys.SignWith(ctx, p.successor.KeyID, typeRefresh, claims)
	if errors.Is(err, keys.ErrUnknown) {
		err = ErrWithdrawn
	}
	return token, err
}
