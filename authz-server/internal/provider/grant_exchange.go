package provider

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/ory/fosite"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/internal/httpd"
)

// exchangeGrant lets a service that got a person's access token have another one, to call a further service for the same person
// (RFC 8693). The new token belongs to the same grant and ends with it, lives no longer than the one it was made from, and says
// in "act" who acts.
//
// What it is good for is narrow: only scopes of the services that it is for, that the person granted to the app in the first
// place, that the app is still registered for, and that the exchanging client is. Of a service that the given token is for
// already, or that any token was for from which it was made, no scope beyond that token's: the chain remembers what it gave
// up in the claim "withheld". Scopes about the person (openid and its like) are never handed on.
//
// Its "sub" is that of the given token: the service behind knows the person by the name that it would see if the app called it directly.
// If that is a pairwise one (OIDC Core §8.1), nobody learns here whose it is.
type exchangeGrant struct{ *Server }

var _ fosite.TokenEndpointHandler = (*exchangeGrant)(nil)

// tokenTypeAccess is the one type of token that is taken and given (RFC 8693 §3).
const tokenTypeAccess = "urn:ietf:params:oauth:token-type:access_token"

// maxActors is how many services may act for one another.
const maxActors = 4

// exchanging is a person's access token that was checked and is to be exchanged.
type exchanging struct {
	claims accessClaims
	grant  store.Grant
}

func (*exchangeGrant) CanSkipClientAuth(context.Context, fosite.AccessRequester) bool { return false }

func (*exchangeGrant) CanHandleTokenEndpointRequest(_ context.Context, request fosite.AccessRequester) bool {
	return request.GetGrantTypes().ExactOne(client.TokenExchange)
}

func (s *exchangeGrant) HandleTokenEndpointRequest(ctx context.Context, request fosite.AccessRequester) error {
	c, form := clientOf(request), request.GetRequestForm()
	if err := requireGrant(request.GetClient(), client.TokenExchange); err != nil {
		return err
	}
	if c.Public() || len(c.TokenExchangeAudiences) == 0 {
		return refuse(fosite.ErrUnauthorizedClient, "the client may exchange tokens for no service: its token_exchange_audiences are empty")
	}
	switch {
	case form.Has("actor_token") || form.Has("actor_token_type"):
		return refuse(fosite.ErrInvalidRequest, "actor_token is not supported: the client that authenticates is the actor")
	case form.Get("subject_token") == "":
		return refuse(fosite.ErrInvalidRequest, "the parameter subject_token is missing")
	case form.Get("subject_token_type") != tokenTypeAccess:
		return refuse(fosite.ErrInvalidRequest, "subject_token_type must be "+tokenTypeAccess)
	case form.Has("requested_token_type") && form.Get("requested_token_type") != tokenTypeAccess:
		return refuse(fosite.ErrInvalidRequest, "requested_token_type must be "+tokenTypeAccess+", or be left out")
	}
	given := request.GetSession().(*session) // the token endpoint makes no other
	subject, err := s.readSubjectToken(ctx, c, given, form.Get("subject_token"))
	if err != nil {
		return err
	}
	targets, err := exchangeTargets(c, slices.Concat(form["resource"], form["audience"]))
	if err != nil {
		return err
	}
	withheld := s.withheld(subject)
	allowed, err := s.exchangeable(ctx, c, subject, targets, withheld)
	if err != nil {
		return err
	}
	scope, err := exchangeScope(allowed, request.GetRequestedScopes())
	if err != nil {
		return err
	}
	audience, err := s.narrowAudience(scope, targets)
	if err != nil {
		return err
	}
	given.subject = subject
	given.access = accessRequest{
		Scope: scope, Audience: audience, Subject: subject.claims.Subject, Expiry: subject.claims.Expiry,
		Actor: &actor{Subject: c.ID, Actor: subject.claims.Actor}, Withheld: withheld,
	}
	return nil
}

// readSubjectToken checks that the token is a live one of a person, and one that came to this client rightly: issued to it, or meant
// for a resource that it serves. Whatever is wrong is invalid_request (RFC 8693 §2.2.2).
func (s *exchangeGrant) readSubjectToken(ctx context.Context, c *client.Client, given *session, token string) (*exchanging, error) {
	claims, err := s.liveAccessToken(ctx, token)
	if errors.Is(err, errNotOurs) {
		return nil, refuse(fosite.ErrInvalidRequest, "subject_token is not a valid access token of this server: it may have expired, or be revoked")
	}
	if err != nil {
		return nil, err
	}
	if claims.ClientID != c.ID && len(intersect(c.Audiences, claims.Audience)) == 0 {
		return nil, refuse(fosite.ErrInvalidRequest, "subject_token was neither issued to this client, nor for a resource among its audiences")
	}
	g, err := s.store.Grant(ctx, claims.grantID())
	if errors.Is(err, store.ErrNotFound) {
		return nil, refuse(fosite.ErrInvalidRequest, "subject_token is a service's own and not a person's; use client_credentials")
	}
	if err != nil {
		return nil, err
	}
	// RFC 9449 §7: whoever holds such a token without its key may not use it, and not change it for one that needs no key either.
	if claims.Confirmation != nil && (given.proof == nil || given.proof.thumbprint != claims.Confirmation.Thumbprint) {
		return nil, refuse(fosite.ErrInvalidRequest, "subject_token is bound to a key that the DPoP header does not prove")
	}
	actors := 1
	for a := claims.Actor; a != nil; a = a.Actor {
		actors++
	}
	if actors > maxActors {
		return nil, refuse(fosite.ErrInvalidRequest, "subject_token was exchanged too many times already")
	}
	return &exchanging{claims, g}, nil
}

// exchangeTargets is the services that the new token is to be for. The parameters resource and audience both name them by their
// identifiers (RFC 8693 §2.1).
func exchangeTargets(c *client.Client, named []string) ([]string, error) {
	if len(named) == 0 {
		if len(c.TokenExchangeAudiences) > 1 {
			return nil, refuse(fosite.ErrInvalidRequest, "say by resource or audience which service the token is to be for")
		}
		return c.TokenExchangeAudiences, nil
	}
	for _, target := range named {
		if !slices.Contains(c.TokenExchangeAudiences, target) {
			return nil, refuse(errInvalidTarget, "the client may not exchange tokens for "+target)
		}
	}
	return named, nil
}

// withheld is the scopes of the grant that no token made from the subject token may carry: those that it lacks though it is
// for their service, or carries others of that service to be handed on, and those that tokens before it lacked. It is never nil.
func (s *exchangeGrant) withheld(subject *exchanging) []string {
	claims := &subject.claims
	carried := strings.Fields(claims.Scope)
	services := slices.Concat(claims.Audience, client.AudienceOf(s.resources, carried))
	withheld := append([]string{}, claims.Withheld...)
	for _, scope := range without(subject.grant.Scope, carried) {
		met := len(intersect(client.AudienceOf(s.resources, []string{scope}), services)) > 0
		// An exchanged token without the claim comes from a version that did not remember.
		forgotten := claims.Actor != nil && claims.Withheld == nil
		if (met || forgotten) && !slices.Contains(withheld, scope) {
			withheld = append(withheld, scope)
		}
	}
	return withheld
}

// exchangeable is the scopes of the targets that the new token may carry.
func (s *exchangeGrant) exchangeable(ctx context.Context, c *client.Client, subject *exchanging, targets, withheld []string) ([]string, error) {
	app, err := s.store.Client(ctx, subject.grant.ClientID)
	if errors.Is(err, store.ErrNotFound) {
		return nil, refuse(fosite.ErrInvalidRequest, "the client that subject_token was made for is gone")
	}
	if err != nil {
		return nil, err
	}
	granted := intersect(intersect(subject.grant.Scope, app.Scopes()), c.Scopes())
	return slices.DeleteFunc(without(granted, withheld), func(scope string) bool {
		return len(intersect(client.AudienceOf(s.resources, []string{scope}), targets)) == 0
	}), nil
}

// exchangeScope is what the new token is good for: what is requested, or all that is allowed.
func exchangeScope(allowed, requested []string) ([]string, error) {
	for _, scope := range requested {
		if !slices.Contains(allowed, scope) {
			return nil, refuse(fosite.ErrInvalidScope, "the scope "+scope+" cannot be had: the person must have granted it, the client be registered for it, it must belong to the service that the token is for, and no token of that service on the way may have lacked it")
		}
	}
	if len(requested) > 0 {
		allowed = intersect(allowed, requested)
	}
	if len(allowed) == 0 {
		return nil, refuse(fosite.ErrInvalidScope, "no scope of that service was granted by the person and kept by every token on the way, or the client is registered for none")
	}
	return allowed, nil
}

func (s *exchangeGrant) PopulateTokenEndpointResponse(ctx context.Context, request fosite.AccessRequester, response fosite.AccessResponder) error {
	if !s.CanHandleTokenEndpointRequest(ctx, request) {
		return fosite.ErrUnknownRequest
	}
	given := request.GetSession().(*session) // the token endpoint makes no other
	c, g, now := clientOf(request), &given.subject.grant, s.now()
	left := min(s.lifetimes.AccessToken, time.Duration(given.access.Expiry-now.Unix())*time.Second)
	if left <= 0 {
		return refuse(fosite.ErrInvalidRequest, "subject_token has expired")
	}
	token, err := s.accessToken(ctx, c, g, given.access, now)
	if err != nil {
		return err
	}
	s.log.InfoContext(ctx, "a token was exchanged", "request", httpd.RequestID(ctx), "client", c.ID, "of_client", given.subject.claims.ClientID, "grant", g.ID,
		"subject_token", given.subject.claims.ID, "audience", given.access.Audience, "scope", given.access.Scope)
	s.answer(response, token, given.access)
	response.SetExpiresIn(left)
	response.SetExtra("issued_token_type", tokenTypeAccess)
	return nil
}
