package tokenendpoint

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/oauth"
	"github.com/maru-auth/maru/authz-server/internal/protocol"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/grants"
	"github.com/maru-auth/maru/authz-server/internal/tokens"
	"github.com/maru-auth/maru/internal/httpd"
)

// exchangeGrant lets a service exchange a person's access token for one that calls a further
// service on the person's behalf (RFC 8693). The new token belongs to the same grant and ends with
// it, expires no later than the given one, and names the acting services in "act".
//
// Its scope holds only scopes of its target services that the person granted to the app, and that
// both the app and the exchanging client are registered for. Where an earlier token of the chain
// was for the same service, the new one has no scope that the earlier lacked: the claim "withheld"
// remembers what the chain gave up. Scopes about the person, such as openid, are never passed on.
//
// Its "sub" is that of the given token: the target knows the person by the name that it would see
// if the app called it directly. A pairwise subject (OIDC Core §8.1) stays pairwise.
type exchangeGrant struct{ *Config }

// tokenTypeAccess is the one type of token that is taken and given (RFC 8693 §3).
const tokenTypeAccess = "urn:ietf:params:oauth:token-type:access_token"

// maxActors is how many services may act for one another.
const maxActors = 4

// exchanging is a person's access token that was checked and is to be exchanged.
type exchanging struct {
	claims tokens.AccessClaims
	grant  grants.Grant
}

func (*exchangeGrant) Type() string { return client.TokenExchange }

func (cfg *exchangeGrant) Check(ctx context.Context, request *protocol.TokenRequest) (protocol.Finish, error) {
	c, form := request.Client, request.Form
	if request.Remembered { // the grant is another client's, and does not tell whether this one was changed
		return nil, errOutdated
	}
	if c.Public() || len(c.TokenExchangeAudiences) == 0 {
		return nil, oauth.UnauthorizedClient.Because("the client may exchange tokens for no service: its token_exchange_audiences are empty")
	}
	switch {
	case form.Has("actor_token") || form.Has("actor_token_type"):
		return nil, oauth.InvalidRequest.Because("actor_token is not supported: the client that authenticates is the actor")
	case form.Get("subject_token") == "":
		return nil, oauth.InvalidRequest.Because("the parameter subject_token is missing")
	case form.Get("subject_token_type") != tokenTypeAccess:
		return nil, oauth.InvalidRequest.Because("subject_token_type must be " + tokenTypeAccess)
	case form.Has("requested_token_type") && form.Get("requested_token_type") != tokenTypeAccess:
		return nil, oauth.InvalidRequest.Because("requested_token_type must be " + tokenTypeAccess + ", or be left out")
	}
	subject, err := cfg.readSubjectToken(ctx, request)
	if err != nil {
		return nil, err
	}
	targets, err := exchangeTargets(c, slices.Concat(form["resource"], form["audience"]))
	if err != nil {
		return nil, err
	}
	withheld := cfg.withheld(subject)
	allowed, err := cfg.exchangeable(ctx, c, subject, targets, withheld)
	if err != nil {
		return nil, err
	}
	scope, err := exchangeScope(allowed, request.Scope)
	if err != nil {
		return nil, err
	}
	audience, err := cfg.Resources.Narrow(scope, targets)
	if err != nil {
		return nil, err
	}
	scope, audience = cfg.Resources.Apart(scope, audience)
	want := bound(request, tokens.AccessSpec{
		Scope: scope, Audience: audience, Subject: subject.claims.Subject, Expiry: subject.claims.Expiry,
		Actor: &tokens.Actor{Subject: c.ID, Actor: subject.claims.Actor}, Withheld: withheld,
	})
	return func(ctx context.Context) (*protocol.TokenAnswer, error) { return cfg.exchange(ctx, c, subject, want) }, nil
}

// readSubjectToken checks that the token is live, is a person's, and was issued to this client or
// for a resource that it serves. All errors are invalid_request (RFC 8693 §2.2.2).
func (cfg *exchangeGrant) readSubjectToken(ctx context.Context, request *protocol.TokenRequest) (*exchanging, error) {
	c := request.Client
	claims, err := cfg.Tokens.Live(ctx, request.Form.Get("subject_token"))
	if errors.Is(err, tokens.ErrInvalid) {
		return nil, oauth.InvalidRequest.Because("subject_token is not a valid access token of this server: it may have expired, or be revoked")
	}
	if err != nil {
		return nil, err
	}
	if claims.ClientID != c.ID && len(oauth.Intersect(c.Audiences, claims.Audience)) == 0 {
		return nil, oauth.InvalidRequest.Because("subject_token was neither issued to this client, nor for a resource among its audiences")
	}
	g, err := cfg.Store.Grants.Grant(ctx, claims.GrantID())
	if errors.Is(err, store.ErrNotFound) {
		return nil, oauth.InvalidRequest.Because("subject_token is a service's own and not a person's; use client_credentials")
	}
	if err != nil {
		return nil, err
	}
	// RFC 9449 §7: without its key, a bound token can be neither used nor exchanged for one that
	// needs no key.
	if claims.Confirmation != nil && (request.Proof == nil || request.Proof.Thumbprint != claims.Confirmation.Thumbprint) {
		return nil, oauth.InvalidRequest.Because("subject_token is bound to a key that the DPoP header does not prove")
	}
	actors := 1
	for a := claims.Actor; a != nil; a = a.Actor {
		actors++
	}
	if actors > maxActors {
		return nil, oauth.InvalidRequest.Because("subject_token was exchanged too many times already")
	}
	return &exchanging{claims, g}, nil
}

// exchangeTargets is the services that the new token is to be for. The parameters resource and
// audience both name them by their identifiers (RFC 8693 §2.1).
func exchangeTargets(c *client.Client, named []string) ([]string, error) {
	if len(named) == 0 {
		if len(c.TokenExchangeAudiences) > 1 {
			return nil, oauth.InvalidRequest.Because("say by resource or audience which service the token is to be for")
		}
		return c.TokenExchangeAudiences, nil
	}
	for _, target := range named {
		if !slices.Contains(c.TokenExchangeAudiences, target) {
			return nil, oauth.InvalidTarget.Because("the client may not exchange tokens for " + target)
		}
	}
	return named, nil
}

// withheld is the scopes of the grant that no token made from the subject token may carry: those
// that it lacks though it is for their service, or carries others of that service to be handed on,
// and those that tokens before it lacked. It is never nil.
func (cfg *exchangeGrant) withheld(subject *exchanging) []string {
	claims := &subject.claims
	carried := strings.Fields(claims.Scope)
	services := slices.Concat(claims.Audience, cfg.Resources.Of(carried...))
	withheld := append([]string{}, claims.Withheld...)
	for _, scope := range oauth.Without(subject.grant.Scope, carried) {
		met := len(oauth.Intersect(cfg.Resources.Of(scope), services)) > 0
		// An exchanged token without the claim comes from a version that did not remember.
		forgotten := claims.Actor != nil && claims.Withheld == nil
		if (met || forgotten) && !slices.Contains(withheld, scope) {
			withheld = append(withheld, scope)
		}
	}
	return withheld
}

// exchangeable is the scopes of the targets that the new token may carry.
func (cfg *exchangeGrant) exchangeable(ctx context.Context, c *client.Client, subject *exchanging, targets, withheld []string) ([]string, error) {
	app, err := cfg.Store.Clients.Client(ctx, subject.grant.ClientID)
	if errors.Is(err, store.ErrNotFound) {
		return nil, oauth.InvalidRequest.Because("the client that subject_token was made for is gone")
	}
	if err != nil {
		return nil, err
	}
	granted := oauth.Intersect(oauth.Intersect(subject.grant.Scope, app.Scopes()), c.Scopes())
	return slices.DeleteFunc(oauth.Without(granted, withheld), func(scope string) bool {
		return len(oauth.Intersect(cfg.Resources.Of(scope), targets)) == 0
	}), nil
}

// exchangeScope is what the new token is good for: what is requested, or all that is allowed.
func exchangeScope(allowed, requested []string) ([]string, error) {
	for _, scope := range requested {
		if !slices.Contains(allowed, scope) {
			return nil, oauth.InvalidScope.Because("the scope " + scope + " cannot be had: the person must have granted it, the client be registered for it, it must belong to the service that the token is for, and no token of that service on the way may have lacked it")
		}
	}
	if len(requested) > 0 {
		allowed = oauth.Intersect(allowed, requested)
	}
	if len(allowed) == 0 {
		return nil, oauth.InvalidScope.Because("no scope of that service was granted by the person and kept by every token on the way, or the client is registered for none")
	}
	return allowed, nil
}

// exchange issues the token.
func (cfg *exchangeGrant) exchange(ctx context.Context, c *client.Client, subject *exchanging, want tokens.AccessSpec) (*protocol.TokenAnswer, error) {
	left := min(cfg.Tokens.Lifetimes.AccessToken, time.Duration(want.Expiry-cfg.Now().Unix())*time.Second)
	if left <= 0 {
		return nil, oauth.InvalidRequest.Because("subject_token has expired")
	}
	g := &subject.grant
	token, err := cfg.Tokens.AccessAgain(ctx, c, g, want)
	if err != nil {
		return nil, err
	}
	cfg.Log.InfoContext(ctx, "a token was exchanged", "request", httpd.RequestID(ctx), "client", c.ID, "of_client", subject.claims.ClientID,
		"grant", g.ID, "subject_token", subject.claims.ID, "audience", want.Audience, "scope", want.Scope)
	answer := cfg.answer(token, want)
	answer.ExpiresIn, answer.IssuedTokenType = left, tokenTypeAccess
	return answer, nil
}
