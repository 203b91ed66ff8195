package provider

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"

	"github.com/ory/fosite"

	"github.com/maru-auth/maru/authz-server/internal/store"
)

// codeGrant redeems an authorization code (RFC 6749 §4.1.3, RFC 7636 §4.5, OIDC Core §3.1.3).
type codeGrant struct{ *Server }

var _ fosite.TokenEndpointHandler = (*codeGrant)(nil)

func (*codeGrant) CanSkipClientAuth(context.Context, fosite.AccessRequester) bool { return false }

func (*codeGrant) CanHandleTokenEndpointRequest(_ context.Context, request fosite.AccessRequester) bool {
	return request.GetGrantTypes().ExactOne("authorization_code")
}

// HandleTokenEndpointRequest checks the code. It changes nothing, but for a code that was spent before: that ends the grant.
func (s *codeGrant) HandleTokenEndpointRequest(ctx context.Context, request fosite.AccessRequester) error {
	if err := requireGrant(request.GetClient(), "authorization_code"); err != nil {
		return err
	}
	form := request.GetRequestForm()
	if form.Get("code") == "" {
		return refuse(fosite.ErrInvalidRequest, "the parameter code is missing")
	}
	hash := store.Hash(form.Get("code"))
	code, err := s.store.Code(ctx, hash)
	if errors.Is(err, store.ErrNotFound) {
		return refuse(fosite.ErrInvalidGrant, "the code is unknown")
	}
	if err != nil {
		return err
	}
	if code.Grant.ClientID != request.GetClient().GetID() {
		return refuse(fosite.ErrInvalidGrant, "the code was issued to another client")
	}
	if !code.Active {
		return s.replayed(ctx, &code.Grant)
	}
	if !s.now().Before(code.ExpiresAt) {
		return refuse(fosite.ErrInvalidGrant, "the code has expired; start a new authorization request")
	}
	if !code.Grant.Live(s.now()) {
		return refuse(fosite.ErrInvalidGrant, "the grant has been revoked")
	}
	if form.Get("redirect_uri") != code.RedirectURI {
		return refuse(fosite.ErrInvalidGrant, "redirect_uri must be the same as in the authorization request")
	}
	if err := checkVerifier(code.CodeChallenge, form.Get("code_verifier")); err != nil {
		return err
	}
	given := request.GetSession().(*session) // the token endpoint makes no other
	if err := requireKey(given, code.KeyThumbprint); err != nil {
		return err
	}
	given.code, given.codeHash = &code, hash
	given.access, err = s.narrowAccess(clientOf(request), &code.Grant, code.Grant.Scope, form["resource"])
	return err
}

// checkVerifier compares the verifier with the challenge (RFC 7636 §4.6). A verifier without a challenge means that
// somebody took the challenge out of the authorization request (RFC 9700 §4.8.2).
func checkVerifier(challenge, verifier string) error {
	switch {
	case challenge == "" && verifier == "":
		return nil
	case challenge == "":
		return refuse(fosite.ErrInvalidGrant, "code_verifier was sent, but the authorization request had no code_challenge")
	case verifier == "":
		return refuse(fosite.ErrInvalidGrant, "the parameter code_verifier is missing")
	}
	sum := sha256.Sum256([]byte(verifier))
	if subtle.ConstantTimeCompare([]byte(base64.RawURLEncoding.EncodeToString(sum[:])), []byte(challenge)) != 1 {
		return refuse(fosite.ErrInvalidGrant, "code_verifier does not fit the code_challenge of the authorization request")
	}
	return nil
}

// replayed ends the grant of a code that comes a second time (RFC 6749 §4.1.2): one of the two who had it is a thief.
func (s *Server) replayed(ctx context.Context, g *store.Grant) error {
	revoked, err := s.store.RevokeGrant(ctx, g.ID)
	if err != nil {
		return err
	}
	if revoked {
		s.log.WarnContext(ctx, "an authorization code was used twice; its grant is revoked", "grant", g.ID, "client", g.ClientID)
	}
	return refuse(fosite.ErrInvalidGrant, "the code was used before; everything issued from it is revoked")
}

// PopulateTokenEndpointResponse spends the code.
func (s *codeGrant) PopulateTokenEndpointResponse(ctx context.Context, request fosite.AccessRequester, response fosite.AccessResponder) error {
	if !s.CanHandleTokenEndpointRequest(ctx, request) {
		return fosite.ErrUnknownRequest
	}
	given := request.GetSession().(*session) // the token endpoint makes no other
	g := &given.code.Grant
	won, err := s.redeem(ctx, request, response, g, given.code.Nonce, func(ctx context.Context, first *store.RefreshToken) (bool, error) {
		return s.store.RedeemCode(ctx, given.codeHash, first)
	})
	if err == nil && !won {
		err = s.replayed(ctx, g)
	}
	return err
}
