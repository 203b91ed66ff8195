package authorize

import (
	"context"
	"errors"
	"net/url"

	"github.com/maru-auth/maru/authz-server/internal/oauth"
)

// Explain reads an authorization request's parameters, and returns the redirect URI that the answer
// goes to (empty: none, a page says what is wrong) and, with an error, the status that fits it.
func (e *Endpoint) Explain(ctx context.Context, form url.Values) (redirectURI string, status int, err error) {
	a, err := e.readRequest(ctx, form, false)
	if err != nil {
		status = e.Refusal(ctx, err).Status
	}
	var refused *oauth.Error
	if a == nil || errors.As(err, &refused) && refused.PageOnly {
		return "", status, err
	}
	return a.RedirectURI, status, err
}
