package tokens

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"slices"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/oauth"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/grants"
)

// GrantSpec is what a person granted to a client.
type GrantSpec struct {
	Client    *client.Client
	Session   *accounts.Session // whose it is
	Scope     []string          // what the person granted
	Declined  []string          // what they did not, though the client asked for it
	Resources []string          // RFC 8707: the audience is narrowed to these; none: what the scope says
	Claims    *ClaimsRequest    // nil: none
	ACR       string            // what of the log-in's the client is told; empty: the most that it reaches
}

// NewGrant is a grant that begins now; [Issuer.Begin] stores it. It lives as long as what may be
// issued from it: with refresh tokens up to the absolute lifetime, and no longer than its session
// unless the person agreed to offline access; without them until the access token expires.
func (i *Issuer) NewGrant(of GrantSpec) (grants.Grant, error) {
	audience, err := i.resources.Narrow(of.Scope, of.Resources)
	if err != nil {
		return grants.Grant{}, err
	}
	var claims []byte
	if of.Claims != nil {
		if claims, err = json.Marshal(of.Claims); err != nil {
			return grants.Grant{}, err
		}
	}
	now := i.now()
	g := grants.Grant{
		ID:        rand.Text(),
		ClientID:  of.Client.ID,
		UserID:    of.Session.UserID,
		SessionID: of.Session.ID,
		Scope:     of.Scope,
		Declined:  of.Declined,
		Audience:  audience,
		Offline:   slices.Contains(of.Scope, "offline_access"),
		Claims:    string(claims),
		AuthTime:  of.Session.AuthTime,
		ACR:       cmp.Or(of.ACR, of.Session.ACR),
		AMR:       of.Session.AMR,
		CreatedAt: now,
		ExpiresAt: now.Add(i.Lifetimes.Code + i.Lifetimes.AccessToken),
	}
	if of.Client.HasGrantType("refresh_token") {
		g.ExpiresAt = now.Add(i.Lifetimes.RefreshAbsolute)
	}
	return g, nil
}

// Why a grant cannot begin.
var (
	// ErrSessionEnded says that the person logged out while their request was being answered.
	ErrSessionEnded = oauth.LoginRequired.Because("the person has just logged out")

	// ErrClientChanged says that the client's registration was changed, or removed, meanwhile. It
	// is shown to the person, because the redirect URI may no longer be the client's.
	ErrClientChanged = oauth.InvalidRequest.OnPage("the app's registration has just been changed; go back to the app and start again")
)

// Begin stores a grant to c. Call it first in the transaction that acts on the person's decision:
// it holds the session until the grant is there, so that ending the session finds the grant too.
// The error is ErrSessionEnded, ErrClientChanged, or a failure of the database.
func (i *Issuer) Begin(ctx context.Context, g grants.Grant, c *client.Client) error {
	if err := i.store.Sessions.ContinueSession(ctx, g.SessionID); errors.Is(err, store.ErrNotFound) {
		return ErrSessionEnded
	} else if err != nil {
		return err
	}
	if err := i.store.Grants.CreateGrant(ctx, g, c); errors.Is(err, store.ErrStale) {
		return ErrClientChanged
	} else if err != nil {
		return err
	}
	return i.store.Logouts.NoteSessionClient(ctx, g.SessionID, g.ClientID)
}
