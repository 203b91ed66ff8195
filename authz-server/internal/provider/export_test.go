package provider

import (
	"context"
	"errors"
	"net/http"
	"net/url"
)

// DeliverLogouts makes one attempt for each of some deliveries that are due, and returns how many there were.
func (s *Server) DeliverLogouts(ctx context.Context) (int, error) { return s.deliverLogouts(ctx) }

// RegistrationsOfAll is how many clients can be registered in an hour that nobody vouches for.
const RegistrationsOfAll = registrationsOfAll

// ReadAuthorization reads an authorization request's parameters, and returns the redirect URI that the answer goes to (empty:
// none, a page says what is wrong) and, with an error, the status that fits it.
func (s *Server) ReadAuthorization(ctx context.Context, form url.Values) (redirectURI string, status int, err error) {
	a, err := s.readAuthorization(ctx, form, false)
	if err != nil {
		status = s.refusal(ctx, err).CodeField
	}
	var unsafe unsafeError
	if a == nil || errors.As(err, &unsafe) {
		return "", status, err
	}
	return a.RedirectURI, status, err
}

// NeedsLongTurn tells whether r, whose form has been read, waits in the longer queue.
func NeedsLongTurn(r *http.Request, authenticates bool) bool { return needsLongTurn(r, authenticates) }
