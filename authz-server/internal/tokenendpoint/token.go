// Package tokenendpoint is /oauth2/token, with one file for each grant type.
package tokenendpoint

import (
	"context"
	"errors"
	"log/slog"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/clientauth"
	"github.com/maru-auth/maru/authz-server/internal/endpoint"
	"github.com/maru-auth/maru/authz-server/internal/oauth"
	"github.com/maru-auth/maru/authz-server/internal/protocol"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/grants"
	"github.com/maru-auth/maru/authz-server/internal/store/statistics"
	"github.com/maru-auth/maru/authz-server/internal/tokens"
)

// MaxRequest is the largest body of a token request, in bytes: an exchange has several tokens and a
// list of resources.
const MaxRequest = 64 << 10

// Endpoint is /oauth2/token (RFC 6749 §3.2). It is safe for concurrent use.
type Endpoint struct {
	*endpoint.Common
	Protocol *protocol.Protocol
	Issued   *Issued              // nil: nothing is counted
	Refused  *statistics.Refusals // nil: nothing is counted
}

// ServeHTTP has the client authenticated and its grant checked before anything is spent: first the
// DPoP proof, then what the grant is about.
func (e *Endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer, err := e.answer(r)
	if err != nil {
		if endpoint.Refuses(err) {
			e.Refused.Count(clientauth.Named(r))
		}
		e.Error(w, r, err)
		return
	}
	endpoint.WriteJSON(w, http.StatusOK, answer)
}

func (e *Endpoint) answer(r *http.Request) (map[string]any, error) {
	if err := readRequest(r); err != nil {
		return nil, err
	}
	proof, err := e.Auth.ReadProof(r)
	if err != nil {
		return nil, err
	}
	checked, err := e.Protocol.CheckRemembered(r, proof)
	if err == nil && checked.Remembered && unproved(checked.Client, proof) {
		checked, err = e.Protocol.Check(r, proof)
	}
	if err != nil {
		return nil, err
	}
	if unproved(checked.Client, proof) {
		return nil, errUnproved
	}
	if err := e.Auth.SpendProof(r.Context(), checked.Client, proof); err != nil {
		return nil, err
	}
	answer, err := checked.Finish(r.Context())
	if checked.Remembered && errors.Is(err, tokens.ErrHolderChanged) {
		// Nothing was spent but the proof: all is decided anew from the client as it is now.
		if checked, err = e.Protocol.Check(r, proof); err == nil && unproved(checked.Client, proof) {
			err = errUnproved
		}
		if err != nil {
			return nil, err
		}
		answer, err = checked.Finish(r.Context())
	}
	if err == nil {
		e.Issued.count(r.PostForm.Get("grant_type"), checked.Client)
	}
	return answer, err
}

// unproved tells whether a client that gets no tokens without a proof sent none.
func unproved(c *client.Client, proof *clientauth.Proof) bool { return proof == nil && c.DPoPBound }

var errUnproved = oauth.InvalidDPoPProof.Because("this client's tokens are bound to a key: send a DPoP proof")

// readRequest refuses what fosite would take, or would refuse by another name.
func readRequest(r *http.Request) error {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/x-www-form-urlencoded" {
		return oauth.InvalidRequest.Because("send the parameters as application/x-www-form-urlencoded")
	}
	if err := oauth.ReadPost(r); err != nil {
		return err
	}
	switch grant := r.PostForm.Get("grant_type"); {
	case grant == "":
		return oauth.InvalidRequest.Because("the parameter grant_type is missing")
	case !slices.Contains(Types, grant):
		return oauth.UnsupportedGrantType.Because("grant_type must be one of " + strings.Join(Types, ", "))
	}
	return nil
}

// Types are the grant types that the endpoint takes.
var Types = func() (types []string) {
	for _, grant := range All(Config{}) {
		types = append(types, grant.Type())
	}
	return types
}()

// Config is what grants need. All fields are required.
type Config struct {
	Tokens    *tokens.Issuer
	Store     *store.Store
	Resources oauth.Resources
	Log       *slog.Logger
	Now       func() time.Time
}

// All is a grant of each type.
func All(cfg Config) []protocol.Grant {
	return []protocol.Grant{
		&codeGrant{&cfg}, &refreshGrant{&cfg}, &clientCredentialsGrant{&cfg}, &deviceGrant{&cfg}, &exchangeGrant{&cfg},
	}
}

// errOutdated is about a remembered client, which is then read again: nobody is told.
var errOutdated = errors.New("the client was changed since it was read")

// current refuses a remembered client that is another than when the grant was read: rights or secrets
// may be gone. Call it before anything else is decided about the grant.
func current(request *protocol.TokenRequest, g *grants.Grant) error {
	if request.Remembered && !g.ClientUpdatedAt.Equal(request.Client.UpdatedAt) {
		return errOutdated
	}
	return nil
}

// requireKey refuses a request without a proof of the key that what it redeems is bound to; empty:
// to none.
func requireKey(proof *clientauth.Proof, thumbprint string) error {
	if thumbprint != "" && (proof == nil || proof.Thumbprint != thumbprint) {
		return oauth.InvalidGrant.Because("this is bound to a key that the DPoP header does not prove")
	}
	return nil
}

// narrowAccess is what an access token of a grant is good for: a part of the grant's scope, without
// what its client has lost the registration for since and what is gone, and of its audience what belongs to that
// scope and, if the request names resources, to these (RFC 8707 §2.2).
func (cfg *Config) narrowAccess(request *protocol.TokenRequest, g *grants.Grant, scope []string) (tokens.AccessSpec, error) {
	registered := cfg.Resources.Known(oauth.Intersect(scope, request.Client.Scopes()))
	if len(registered) == 0 && len(scope) > 0 {
		return tokens.AccessSpec{}, oauth.InvalidScope.Because("the client is registered for no scope of the grant any more, or their services are gone")
	}
	audience, err := cfg.Resources.Narrow(registered, request.Form["resource"])
	if err != nil {
		return tokens.AccessSpec{}, err
	}
	if audience = oauth.Intersect(audience, g.Audience); len(audience) == 0 {
		return tokens.AccessSpec{}, oauth.InvalidTarget.Because("the grant is for other resources")
	}
	registered, audience = cfg.Resources.Apart(registered, audience)
	return bound(request, tokens.AccessSpec{Scope: registered, Audience: audience}), nil
}

// bound is want, bound to the key that the request proves, if it does.
func bound(request *protocol.TokenRequest, want tokens.AccessSpec) tokens.AccessSpec {
	if request.Proof != nil {
		want.Thumbprint, want.ProofAlg = request.Proof.Thumbprint, clientauth.BoundAlg(request.Proof)
	}
	return want
}

// answer is what every grant answers alike (RFC 6749 §5.1, RFC 9449 §5).
func (cfg *Config) answer(token string, of tokens.AccessSpec) *protocol.TokenAnswer {
	kind := "Bearer"
	if of.Thumbprint != "" {
		kind = "DPoP"
	}
	return &protocol.TokenAnswer{AccessToken: token, TokenType: kind, ExpiresIn: cfg.Tokens.Lifetimes.AccessToken, Scope: of.Scope}
}

// A redemption exchanges what stands for a grant, such as a code, for the grant's first tokens.
type redemption struct {
	request *protocol.TokenRequest
	grant   *grants.Grant
	want    tokens.AccessSpec
	nonce   string // of the ID token; empty: none

	// spend uses up what is redeemed, and stores the first refresh token (nil: there is none) and
	// the note of the access token. Of several requests at once, one wins.
	spend func(ctx context.Context, first *grants.RefreshToken, note grants.Note) (won bool, err error)
	// lost is the refusal of the others.
	lost func(ctx context.Context) error
}

// redeem signs the tokens before it spends what they are given for, so that a failing signature
// loses nothing.
func (cfg *Config) redeem(r redemption) protocol.Finish {
	return func(ctx context.Context) (*protocol.TokenAnswer, error) {
		c := r.request.Client
		answer := cfg.answer("", r.want)
		var note grants.Note
		var first *grants.RefreshToken
		err := cfg.Tokens.Together(func() (err error) {
			answer.AccessToken, note, err = cfg.Tokens.Access(ctx, c, r.grant, r.want)
			if err != nil || !slices.Contains(r.want.Scope, "openid") {
				return err
			}
			id := tokens.IDSpec{Nonce: r.nonce, AccessToken: answer.AccessToken} // which it has the hash of
			answer.IDToken, err = cfg.Tokens.ID(ctx, c, r.grant, id)
			return err
		}, func() error {
			if !c.HasGrantType("refresh_token") {
				return nil
			}
			token, row, err := cfg.Tokens.Refresh(ctx, c, r.grant)
			answer.RefreshToken, first = token, &row
			return err
		})
		if err != nil {
			return nil, err
		}
		won := false
		err = cfg.Store.Tx(ctx, func(ctx context.Context) error {
			if won, err = r.spend(ctx, first, note); err != nil || !won {
				return err
			}
			// RFC 9449 §5: a public client has nothing else that its refresh tokens could be bound
			// to.
			if first != nil && c.Public() && r.request.Proof != nil {
				return cfg.Store.Grants.BindGrant(ctx, r.grant.ID, r.request.Proof.Thumbprint)
			}
			return nil
		})
		switch {
		case err != nil:
			return nil, err
		case !won:
			return nil, r.lost(ctx)
		}
		return answer, cfg.Tokens.ConfirmRoles(ctx, r.grant, answer.AccessToken)
	}
}
