package flow

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// ErrBadLogoutToken says that a logout token was not issued for this app, or not as one.
var ErrBadLogoutToken = errors.New("the logout token was refused")

// LogoutToken ends the sessions that a logout token names: those of its sid or, without one, all of
// its subject's (OpenID Connect Back-Channel Logout 1.0 §2.6). It returns how many it ended. A
// replayed token does no harm, so none is remembered. Errors: ErrBadLogoutToken, ErrIssuerDown.
func (c *Client) LogoutToken(ctx context.Context, token string) (ended int, err error) {
	op, err := c.issuer(ctx)
	if err != nil {
		return 0, err
	}
	ctx, cancel := c.issuerContext(ctx)
	defer cancel()
	checked, err := op.verify(ctx, token) // signature, issuer, audience and expiry are checked as of an ID token
	if errors.Is(err, ErrIssuerDown) {
		return 0, err
	}
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrBadLogoutToken, briefly(err))
	}
	var header struct {
		Type *string `json:"typ"`
	}
	var claims struct {
		ID        string                     `json:"jti"`
		SessionID string                     `json:"sid"`
		Events    map[string]json.RawMessage `json:"events"`
	}
	if err := Decode(token, &header, &claims); err != nil {
		return 0, fmt.Errorf("%w: %w", ErrBadLogoutToken, briefly(err))
	}
	_, logout := claims.Events["http://schemas.openid.net/event/backchannel-logout"]
	switch {
	case header.Type != nil && !isLogoutType(*header.Type) || !logout || claims.ID == "" ||
		checked.IssuedAt.Unix() <= 0:
		return 0, fmt.Errorf("%w: it is some other token", ErrBadLogoutToken)
	case checked.Nonce != "":
		return 0, fmt.Errorf("%w: it has a nonce", ErrBadLogoutToken)
	case claims.SessionID == "" && checked.Subject == "":
		return 0, fmt.Errorf("%w: it names no session and nobody", ErrBadLogoutToken)
	}
	for _, s := range c.sessions.Values() {
		if (claims.SessionID != "" && s.sid == claims.SessionID) ||
			(claims.SessionID == "" && s.Subject == checked.Subject) {
			c.end(s)
			ended++
		}
	}
	return ended, nil
}

// isLogoutType tells whether typ is that of a logout token. Back-Channel Logout §2.4 only
// recommends it; a token without one is told from others by its event.
func isLogoutType(typ string) bool {
	typ = strings.ToLower(typ) // a media type; RFC 7515 §4.1.9 lets application/ be left out
	return strings.TrimPrefix(typ, "application/") == "logout+jwt"
}
