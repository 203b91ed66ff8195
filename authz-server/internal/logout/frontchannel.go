package logout

import (
	"context"
	"errors"
	"net/url"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/store"
)

// frames are the addresses that clients of a session want loaded in the browser when it ends, each
// with the issuer and the session in its query, whether the client requires them or not (OIDC
// Front-Channel Logout §3).
func (e *Endpoint) frames(ctx context.Context, sessionID string) ([]string, error) {
	ids, err := e.Store.Logouts.SessionClients(ctx, sessionID)
	if err != nil {
		return nil, err
	}
	var frames []string
	for _, id := range ids {
		c, err := e.Store.Clients.Client(ctx, id)
		if errors.Is(err, store.ErrNotFound) || (err == nil && c.FrontchannelLogoutURI == "") {
			continue
		}
		if err != nil {
			return nil, err
		}
		frames = append(frames, client.WithQuery(c.FrontchannelLogoutURI, url.Values{"iss": {e.Issuer.String()}, "sid": {sessionID}}))
	}
	return frames, nil
}
