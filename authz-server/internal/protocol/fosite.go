package protocol

import (
	"context"
	"net/url"
	"time"

	"github.com/ory/fosite"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/clientauth"
	"github.com/maru-auth/maru/authz-server/internal/oauth"
)

// grantHandler is a [Grant] as fosite sees it.
type grantHandler struct{ Grant }

var _ fosite.TokenEndpointHandler = grantHandler{}

func (grantHandler) CanSkipClientAuth(context.Context, fosite.AccessRequester) bool { return false }

func (h grantHandler) CanHandleTokenEndpointRequest(_ context.Context, request fosite.AccessRequester) bool {
	return request.GetGrantTypes().ExactOne(h.Type())
}

func (h grantHandler) HandleTokenEndpointRequest(ctx context.Context, request fosite.AccessRequester) (err error) {
	of := request.GetSession().(*session)          // Protocol.Check makes no other
	c := request.GetClient().(fositeClient).Client // nor does Config.Authenticate
	if !c.HasGrantType(h.Type()) {                 // RFC 6749 §5.2
		return oauth.UnauthorizedClient.Because("the client is not registered for the grant " + h.Type())
	}
	by, ok := ctx.Value(recallKey{}).(*recall)
	of.finish, err = h.Check(ctx, &TokenRequest{
		Client:     c,
		Form:       of.form,
		Scope:      oauth.Words(of.form.Get("scope")),
		Proof:      of.proof,
		Remembered: ok && by.remembered,
	})
	return err
}

func (h grantHandler) PopulateTokenEndpointResponse(ctx context.Context, request fosite.AccessRequester, response fosite.AccessResponder) error {
	if !h.CanHandleTokenEndpointRequest(ctx, request) {
		return fosite.ErrUnknownRequest
	}
	answer, err := request.GetSession().(*session).finish(ctx)
	if err != nil {
		return err
	}
	response.SetAccessToken(answer.AccessToken)
	response.SetTokenType(answer.TokenType)
	response.SetExpiresIn(answer.ExpiresIn)
	response.SetScopes(answer.Scope)
	for name, value := range map[string]string{
		"refresh_token": answer.RefreshToken, "id_token": answer.IDToken, "issued_token_type": answer.IssuedTokenType,
	} {
		if value != "" {
			response.SetExtra(name, value)
		}
	}
	return nil
}

// responder answers all response types by what [Protocol.Respond] was given.
type responder struct{}

var _ fosite.AuthorizeEndpointHandler = responder{}

func (responder) HandleAuthorizeEndpointRequest(ctx context.Context, request fosite.AuthorizeRequester, response fosite.AuthorizeResponder) error {
	parameters, err := request.GetSession().(*session).answer(ctx)
	if err != nil {
		return err
	}
	for name := range parameters {
		response.AddParameter(name, parameters.Get(name))
	}
	for _, kind := range request.GetResponseTypes() {
		request.SetResponseTypeHandled(kind)
	}
	return nil
}

// session carries what one request needs from one of fosite's calls to the next. Nothing of it is
// stored.
type session struct {
	proof  *clientauth.Proof
	form   url.Values                                    // at the token endpoint
	finish Finish                                        // at the token endpoint, once the grant was checked
	answer func(ctx context.Context) (url.Values, error) // at the authorization endpoint
}

var _ fosite.Session = (*session)(nil)

func (*session) SetExpiresAt(fosite.TokenType, time.Time)    {}
func (*session) GetExpiresAt(fosite.TokenType) (t time.Time) { return t }
func (*session) GetUsername() string                         { return "" }
func (*session) GetSubject() string                          { return "" }
func (s *session) Clone() fosite.Session                     { clone := *s; return &clone }

// fositeClient is a client as fosite sees it.
type fositeClient struct{ *client.Client }

var _ fosite.Client = fositeClient{}

func (c fositeClient) GetID() string                      { return c.ID }
func (c fositeClient) GetHashedSecret() []byte            { return nil }
func (c fositeClient) GetRedirectURIs() []string          { return c.RedirectURIs }
func (c fositeClient) GetGrantTypes() fosite.Arguments    { return c.GrantTypes }
func (c fositeClient) GetResponseTypes() fosite.Arguments { return c.ResponseTypes }
func (c fositeClient) GetScopes() fosite.Arguments        { return c.Scopes() }
func (c fositeClient) GetAudience() fosite.Arguments      { return nil }
func (c fositeClient) IsPublic() bool                     { return c.Public() }
