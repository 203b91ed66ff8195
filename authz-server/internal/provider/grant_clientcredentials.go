package provider

import (
	"context"
	"crypto/rand"
	"slices"
	"strings"

	"github.com/ory/fosite"

	"github.com/maru-auth/maru/authz-server/internal/client"
)

// clientCredentialsGrant gives a service a token of its own (RFC 6749 §4.4). It writes nothing to the database.
type clientCredentialsGrant struct{ *Server }

var _ fosite.TokenEndpointHandler = (*clientCredentialsGrant)(nil)

func (*clientCredentialsGrant) CanSkipClientAuth(context.Context, fosite.AccessRequester) bool {
	return false
}

func (*clientCredentialsGrant) CanHandleTokenEndpointRequest(_ context.Context, request fosite.AccessRequester) bool {
	return request.GetGrantTypes().ExactOne("client_credentials")
}

func (s *clientCredentialsGrant) HandleTokenEndpointRequest(_ context.Context, request fosite.AccessRequester) error {
	c := request.GetClient()
	if c.IsPublic() {
		return refuse(fosite.ErrUnauthorizedClient, "a public client cannot use client_credentials: it has no credentials")
	}
	if err := requireGrant(c, "client_credentials"); err != nil {
		return err
	}
	requested := request.GetRequestedScopes()
	for _, scope := range requested {
		if !slices.Contains(c.GetScopes(), scope) {
			return refuse(fosite.ErrInvalidScope, "the client is not registered for the scope "+scope)
		}
		if s.aboutPerson(scope) {
			return refuse(fosite.ErrInvalidScope, "the scope "+scope+" is about a person; this grant has none")
		}
	}
	if len(requested) == 0 { // RFC 6749 §3.3: a default is allowed
		requested = c.GetScopes()
	}
	granted := slices.DeleteFunc(slices.Clone(requested), s.aboutPerson)
	audience, err := s.narrowAudience(granted, request.GetRequestForm()["resource"])
	if err != nil {
		return err
	}
	given := request.GetSession().(*session) // the token endpoint makes no other
	given.access.Scope, given.access.Audience = granted, audience
	return nil
}

// aboutPerson tells whether a scope belongs to no resource service, but says what a token tells of a person (OIDC Core §5.4, §11).
func (s *clientCredentialsGrant) aboutPerson(scope string) bool {
	return len(client.AudienceOf(s.resources, []string{scope})) == 0
}

func (s *clientCredentialsGrant) PopulateTokenEndpointResponse(ctx context.Context, request fosite.AccessRequester, response fosite.AccessResponder) error {
	if !s.CanHandleTokenEndpointRequest(ctx, request) {
		return fosite.ErrUnknownRequest
	}
	now, want := s.now(), request.GetSession().(*session).access // the token endpoint makes no other
	claims := accessClaims{
		Issuer:   s.issuer,
		Subject:  request.GetClient().GetID(), // RFC 9068 §2.2
		Audience: want.Audience,
		ClientID: request.GetClient().GetID(),
		Scope:    strings.Join(want.Scope, " "),
		IssuedAt: now.Unix(),
		Expiry:   now.Add(s.lifetimes.AccessToken).Unix(),
		ID:       rand.Text(),
	}
	claims.bind(want)
	token, err := s.signAs(ctx, s.accessAlg(clientOf(request)), typeAccess, claims)
	if err != nil {
		return err
	}
	s.answer(response, token, want)
	return nil
}
