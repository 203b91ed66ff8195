package tokens

import (
	"context"
	"errors"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/audit"
	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/oauth"
)

var errOfAnother = oauth.UnauthorizedClient.Because("the token was issued to another client")

// Revoke ends a token of a client (RFC 7009 §2.1): a refresh token with its grant and all the
// grant's access tokens, an access token by itself. The token says which it is. One that
// this server does not know, or that is over, is not an error.
func (i *Issuer) Revoke(ctx context.Context, c *client.Client, token string) error {
	err := i.revokeAccess(ctx, c, token)
	if errors.Is(err, ErrInvalid) {
		err = i.revokeRefresh(ctx, c, token)
	}
	if errors.Is(err, ErrInvalid) {
		return nil
	}
	return err
}

func (i *Issuer) revokeAccess(ctx context.Context, c *client.Client, token string) error {
	var claims AccessClaims
	if err := i.verify(ctx, token, typeAccess, &claims); err != nil {
		return err
	}
	if claims.ClientID != c.ID {
		return errOfAnother
	}
	place := ""
	if claims.Status != nil {
		if ref, ok := i.status.Ref(claims.Status.List.URI, claims.Status.List.Index); ok {
			place = ref.String()
		}
	}
	return i.store.Grants.RevokeToken(ctx, claims.ID, place, time.Unix(claims.Expiry, 0))
}

func (i *Issuer) revokeRefresh(ctx context.Context, c *client.Client, token string) error {
	p, err := i.FindRefresh(ctx, token)
	if err != nil {
		return err
	}
	if p.Grant.ClientID != c.ID {
		return errOfAnother
	}
	return i.store.Tx(ctx, func(ctx context.Context) error {
		revoked, err := i.store.Grants.RevokeGrant(ctx, p.Grant.ID)
		if err != nil || !revoked {
			return err
		}
		e := audit.OfClient(ctx, audit.GrantRevoked, c.ID, c.Name)
		e.Person, e.Detail = p.Grant.UserID, map[string]any{"grant": p.Grant.ID}
		return audit.New(i.store).Record(ctx, e)
	})
}
