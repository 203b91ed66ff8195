package logout

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/fetch"
	"github.com/maru-auth/maru/authz-server/internal/queue"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/outbox"
	"github.com/maru-auth/maru/authz-server/internal/tokens"
)

// typeLogout is the type of a logout token (OIDC Back-Channel Logout §2.4). It keeps
// logout tokens from passing for ID tokens.
const typeLogout = "logout+jwt"

// logoutClaims are the claims of a logout token. The missing nonce also keeps it from
// passing for an ID token.
type logoutClaims struct {
	Issuer    string       `json:"iss"`
	Subject   string       `json:"sub"`
	Audience  string       `json:"aud"`
	IssuedAt  int64        `json:"iat"`
	Expiry    int64        `json:"exp"`
	ID        string       `json:"jti"`
	SessionID string       `json:"sid,omitempty"` // empty: every session of the person
	Events    logoutEvents `json:"events"`
}

// logoutEvents is the one event of a logout token, an empty object.
type logoutEvents struct {
	Logout struct{} `json:"http://schemas.openid.net/event/backchannel-logout"`
}

// tokenLifetime is how long a client may accept a logout token.
const tokenLifetime = 2 * time.Minute

// Config is what [Handler] needs. All fields are required.
type Config struct {
	Issuer string
	Tokens *tokens.Issuer
	Store  *store.Store
	Fetch  *fetch.Client
	Now    func() time.Time
}

// Handler tells clients of sessions that have ended (OIDC Back-Channel Logout §2.5).
func Handler(cfg Config) queue.Handler {
	return queue.Handler{Kind: outbox.KindLogout, Deliver: cfg.tell}
}

// tell tells a client of a log-out once.
//
// Every answer but 200 and 204 is tried again, 400 too: a client also answers 400 when its own
// log-out failed (OIDC Back-Channel Logout §2.8), or when it does not know a new key yet. A second
// delivery does no harm; a missing one leaves somebody logged in.
func (cfg Config) tell(ctx context.Context, item outbox.Item) error {
	c, err := cfg.Store.Clients.Client(ctx, item.Lane)
	if errors.Is(err, store.ErrNotFound) || (err == nil && c.BackchannelLogoutURI == "") { // it is gone, or no longer wants to know
		return queue.ErrUnwanted
	}
	if err != nil {
		return err
	}
	now := cfg.Now()
	token, err := cfg.Tokens.Sign(ctx, c.IDTokenSignedResponseAlg, typeLogout, logoutClaims{
		Issuer: cfg.Issuer, Subject: cfg.Tokens.Subject(&c, item.UserID), Audience: c.ID, SessionID: item.Topic,
		IssuedAt: now.Unix(), Expiry: now.Add(tokenLifetime).Unix(),
		// A new ID for each attempt: a client may refuse one that it has seen (§2.6).
		ID: item.ID + "." + rand.Text(),
	})
	if err != nil {
		return err
	}
	status, err := cfg.Fetch.Post(ctx, c.BackchannelLogoutURI, url.Values{"logout_token": {token}}, fetch.Cause{Client: c.ID, Stranger: c.Unvouched})
	if err == nil && status != http.StatusOK && status != http.StatusNoContent {
		return fmt.Errorf("it answers with status %d", status)
	}
	return err
}
