package tokenendpoint

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"

	"github.com/maru-auth/maru/authz-server/internal/audit"
	"github.com/maru-auth/maru/authz-server/internal/oauth"
	"github.com/maru-auth/maru/authz-server/internal/opaque"
	"github.com/maru-auth/maru/authz-server/internal/protocol"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/grants"
)

// codeGrant redeems an authorization code (RFC 6749 §4.1.3, RFC 7636 §4.5, OIDC Core §3.1.3).
type codeGrant struct{ *Config }

func (*codeGrant) Type() string { return "authorization_code" }

// Check changes nothing, but for a code that was spent before: that ends the grant.
func (cfg *codeGrant) Check(ctx context.Context, request *protocol.TokenRequest) (protocol.Finish, error) {
	form := request.Form
	if form.Get("code") == "" {
		return nil, oauth.InvalidRequest.Because("the parameter code is missing")
	}
	hash := opaque.Hash(form.Get("code"))
	code, err := cfg.Store.Grants.Code(ctx, hash)
	if errors.Is(err, store.ErrNotFound) {
		return nil, oauth.InvalidGrant.Because("the code is unknown")
	}
	if err != nil {
		return nil, err
	}
	if code.Grant.ClientID != request.Client.ID {
		return nil, oauth.InvalidGrant.Because("the code was issued to another client")
	}
	if err := current(request, &code.Grant); err != nil {
		return nil, err
	}
	if !code.Active {
		return nil, cfg.replayed(ctx, request, &code.Grant)
	}
	if !cfg.Now().Before(code.ExpiresAt) {
		return nil, oauth.InvalidGrant.Because("the code has expired; start a new authorization request")
	}
	if !code.Grant.Live(cfg.Now()) {
		return nil, oauth.InvalidGrant.Because("the grant has been revoked")
	}
	if form.Get("redirect_uri") != code.RedirectURI {
		return nil, oauth.InvalidGrant.Because("redirect_uri must be the same as in the authorization request")
	}
	if err := checkVerifier(code.CodeChallenge, form.Get("code_verifier")); err != nil {
		return nil, err
	}
	if err := requireKey(request.Proof, code.KeyThumbprint); err != nil {
		return nil, err
	}
	want, err := cfg.narrowAccess(request, &code.Grant, code.Grant.Scope)
	if err != nil {
		return nil, err
	}
	return cfg.redeem(redemption{
		request: request, grant: &code.Grant, want: want, nonce: code.Nonce,
		spend: func(ctx context.Context, first *grants.RefreshToken, note grants.Note) (bool, error) {
			return cfg.Store.Grants.RedeemCode(ctx, hash, first, note)
		},
		lost: func(ctx context.Context) error { return cfg.replayed(ctx, request, &code.Grant) },
	}), nil
}

// checkVerifier compares the verifier with the challenge (RFC 7636 §4.6). A verifier without a
// challenge means that somebody removed the challenge from the authorization request (RFC 9700
// §4.8.2).
func checkVerifier(challenge, verifier string) error {
	switch {
	case challenge == "" && verifier == "":
		return nil
	case challenge == "":
		return oauth.InvalidGrant.Because("code_verifier was sent, but the authorization request had no code_challenge")
	case verifier == "":
		return oauth.InvalidGrant.Because("the parameter code_verifier is missing")
	}
	sum := sha256.Sum256([]byte(verifier))
	if subtle.ConstantTimeCompare([]byte(base64.RawURLEncoding.EncodeToString(sum[:])), []byte(challenge)) != 1 {
		return oauth.InvalidGrant.Because("code_verifier does not fit the code_challenge of the authorization request")
	}
	return nil
}

// replayed ends the grant of a code that comes a second time (RFC 6749 §4.1.2): one of the two
// senders stole it.
func (cfg *codeGrant) replayed(ctx context.Context, request *protocol.TokenRequest, g *grants.Grant) error {
	revoked, err := cfg.stolen(ctx, audit.CodeReused, request.Client.Name, g)
	if err != nil {
		return err
	}
	if revoked {
		cfg.Log.WarnContext(ctx, "an authorization code was used twice; its grant is revoked", "grant", g.ID, "client", g.ClientID)
	}
	return oauth.InvalidGrant.Because("the code was used before; everything issued from it is revoked")
}
