package provider

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/ory/fosite"

	"github.com/maru-auth/maru/authz-server/internal/login"
	"github.com/maru-auth/maru/authz-server/internal/store"
)

// flow answers every response type: "code" (RFC 6749 §4.1.2), and with the switch for older ones the implicit and hybrid
// combinations (OIDC Core §3.2, §3.3), whose tokens come in the front channel.
type flow struct{ *Server }

var _ fosite.AuthorizeEndpointHandler = (*flow)(nil)

func (s *flow) HandleAuthorizeEndpointRequest(ctx context.Context, ar fosite.AuthorizeRequester, resp fosite.AuthorizeResponder) error {
	given := ar.GetSession().(*session) // grant in authorize.go makes no other
	a, now := given.authorization, s.now()
	g, err := s.newGrant(a, given.login, now)
	if err != nil {
		return err
	}
	if err := s.store.CreateGrant(ctx, g, &a.Client); errors.Is(err, store.ErrStale) {
		return errClientChanged
	} else if err != nil {
		return err
	}
	err = s.store.NoteSessionClient(ctx, g.SessionID, g.ClientID)
	if errors.Is(err, store.ErrNotFound) {
		return refuse(fosite.ErrLoginRequired, "the person has logged out this very moment")
	}
	if err != nil {
		return err
	}
	id := idTokenParts{Nonce: a.Nonce}
	if a.asksFor("code") {
		code := rand.Text() + rand.Text()
		err := s.store.CreateCode(ctx, store.Hash(code), store.Code{
			Grant: g, RedirectURI: a.RedirectURI, CodeChallenge: a.CodeChallenge, Nonce: a.Nonce, KeyThumbprint: a.KeyThumbprint, ExpiresAt: now.Add(s.lifetimes.Code),
		})
		if err != nil {
			return err
		}
		resp.AddParameter("code", code)
		id.Code = code
	}
	if a.asksFor("token") {
		token, err := s.accessToken(ctx, &a.Client, &g, accessRequest{Scope: g.Scope, Audience: g.Audience}, now)
		if err != nil {
			return err
		}
		resp.AddParameter("access_token", token)
		resp.AddParameter("token_type", "Bearer")
		resp.AddParameter("expires_in", seconds(s.lifetimes.AccessToken))
		resp.AddParameter("scope", strings.Join(g.Scope, " "))
		id.AccessToken = token
	}
	if a.asksFor("id_token") {
		// OIDC Core §5.4: where no access token can be had, the scope's claims are in the ID token.
		id.ScopeClaims = len(a.ResponseType) == 1
		token, err := s.idToken(ctx, &a.Client, &g, id, now)
		if err != nil {
			return err
		}
		resp.AddParameter("id_token", token)
	}
	for _, kind := range a.ResponseType {
		ar.SetResponseTypeHandled(kind)
	}
	return nil
}

// errClientChanged says that the client's registration was changed, or removed, while a person's request was being
// answered. It is shown to the person: what the redirect URI is worth now is not known.
var errClientChanged = unsafeError{refuse(fosite.ErrInvalidRequest, "the app's registration has just been changed; go back to the app and start again")}

// newGrant begins a grant. It lives as long as what may be issued from it: with refresh tokens up to the absolute lifetime,
// and no longer than its session unless the person agreed to offline access; without them until the access token expires.
func (s *Server) newGrant(a *authorization, by *login.Session, now time.Time) (store.Grant, error) {
	audience, err := s.narrowAudience(a.Scope, a.Resources)
	if err != nil {
		return store.Grant{}, err
	}
	var claims []byte
	if a.Form.Has("claims") {
		if claims, err = json.Marshal(a.Claims); err != nil {
			return store.Grant{}, err
		}
	}
	g := store.Grant{
		ID:        rand.Text(),
		ClientID:  a.Client.ID,
		UserID:    by.UserID,
		SessionID: by.ID,
		Scope:     a.Scope,
		Declined:  a.Declined,
		Audience:  audience,
		Offline:   slices.Contains(a.Scope, "offline_access"),
		Claims:    string(claims),
		AuthTime:  by.AuthTime,
		ACR:       by.ACR,
		AMR:       by.AMR,
		CreatedAt: now,
		ExpiresAt: now.Add(s.lifetimes.Code + s.lifetimes.AccessToken),
	}
	if a.Client.HasGrantType("refresh_token") {
		g.ExpiresAt = now.Add(s.lifetimes.RefreshAbsolute)
	}
	return g, nil
}
