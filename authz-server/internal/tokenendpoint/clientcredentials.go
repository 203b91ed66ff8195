package tokenendpoint

import (
	"context"
	"slices"

	"github.com/maru-auth/maru/authz-server/internal/oauth"
	"github.com/maru-auth/maru/authz-server/internal/protocol"
	"github.com/maru-auth/maru/authz-server/internal/tokens"
)

// clientCredentialsGrant gives a service a token of its own (RFC 6749 §4.4). It writes nothing to
// the database.
type clientCredentialsGrant struct{ *Config }

func (*clientCredentialsGrant) Type() string { return "client_credentials" }

func (cfg *clientCredentialsGrant) Check(_ context.Context, request *protocol.TokenRequest) (protocol.Finish, error) {
	c := request.Client
	if c.Public() {
		return nil, oauth.UnauthorizedClient.Because("a public client cannot use client_credentials: it has no credentials")
	}
	requested := request.Scope
	for _, scope := range requested {
		if !slices.Contains(c.Scopes(), scope) {
			return nil, oauth.InvalidScope.Because("the client is not registered for the scope " + scope)
		}
		if cfg.aboutPerson(scope) {
			return nil, oauth.InvalidScope.Because("the scope " + scope + " is about a person; this grant has none")
		}
	}
	if len(requested) == 0 { // RFC 6749 §3.3: a default is allowed
		requested = c.Scopes()
	}
	granted := slices.DeleteFunc(slices.Clone(requested), cfg.aboutPerson)
	audience, err := cfg.Resources.Narrow(granted, request.Form["resource"])
	if err != nil {
		return nil, err
	}
	granted, audience = cfg.Resources.Apart(granted, audience)
	want := bound(request, tokens.AccessSpec{Scope: granted, Audience: audience})
	return func(ctx context.Context) (*protocol.TokenAnswer, error) {
		token, err := cfg.Tokens.ForService(ctx, c, want)
		return cfg.answer(token, want), err
	}, nil
}

// aboutPerson reports whether a scope asks for claims about a person, and not for access to a
// service.
func (cfg *clientCredentialsGrant) aboutPerson(scope string) bool {
	return len(cfg.Resources.Of(scope)) == 0
}
