package tokens

import (
	"context"
	"strings"

	"github.com/maru-auth/maru/authz-server/internal/opaque"
	"github.com/maru-auth/maru/authz-server/internal/store/grants"
)

// findOldRefresh finds a refresh token of the version in which each of them had a row. Its jti is
// random, without a dot, and its row is found by a hash of its signature. This can go with the
// table refresh_tokens.
func (i *Issuer) findOldRefresh(ctx context.Context, token string, p *Presented) error {
	hash := opaque.Hash(token[strings.LastIndexByte(token, '.')+1:])
	t, g, err := i.store.Grants.OldRefreshToken(ctx, hash)
	if err != nil {
		return err
	}
	if t.ID != p.ID {
		return ErrInvalid
	}
	p.Grant, p.UsedAt, p.old = g, t.UsedAt, hash
	switch {
	case t.UsedAt.IsZero():
	case len(t.Successor) > 0: // of the same version
		next, _, err := i.store.Grants.OldRefreshToken(ctx, t.Successor)
		if err != nil {
			return err
		}
		p.successorID = next.ID
		p.successor = grants.RefreshToken{KeyID: next.KeyID, IssuedAt: next.IssuedAt, ExpiresAt: next.ExpiresAt}
	case g.Refresh.Number == 1:
		p.successor, p.successorID = g.Refresh, refreshID(&g, 1)
	}
	return nil
}
