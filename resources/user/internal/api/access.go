package api

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humamux"

	"github.com/maru-auth/maru/internal/rest"
	"github.com/maru-auth/maru/jwks"
	"github.com/maru-auth/maru/resources/user/internal/store"
)

// access is what an operation needs of a token.
type access struct {
	scopes []string // one of them is enough
	person bool     // a person's token, not a client's own
}

// caller is who makes a request.
type caller struct {
	subject string    // the issuer's id of the person, or of the client
	token   string    // as it was sent: for the issuer that made it, and for nobody else
	issued  time.Time // when the token was made
	openID  bool      // the token may be used at userinfo, by us: it is not bound to the client's key
}

type callerKey struct{}

// callerOf returns who makes the request of ctx, which has passed authorize.
func callerOf(ctx context.Context) caller { return ctx.Value(callerKey{}).(caller) }

// authorize lets requests pass whose token has what the operation needs.
func (s *service) authorize(needs access) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		claims, ok := s.rest.Admit(ctx, needs.check)
		if !ok {
			return
		}
		r, _ := humamux.Unwrap(ctx)
		next(huma.WithValue(ctx, callerKey{}, caller{
			subject: claims.Subject,
			token:   bearerToken(r),
			issued:  claims.IssuedAt,
			openID:  claims.HasScope("openid") && claims.KeyThumbprint == "",
		}))
	}
}

func (needs access) check(claims *jwks.Claims) error {
	err := claims.RequireScope(needs.scopes[0])
	for _, other := range needs.scopes[1:] {
		if claims.HasScope(other) {
			err = nil
		}
	}
	if err == nil && needs.person && claims.IsClient() {
		err = rest.ErrClientToken
	}
	return err
}

// bearerToken returns the token of a request that has passed the guard, which has checked its form.
func bearerToken(r *http.Request) string {
	_, token, _ := strings.Cut(strings.TrimSpace(r.Header.Get("Authorization")), " ")
	return strings.TrimSpace(token)
}

// route registers an operation that needs a token with access.
func route[I, O any](s *service, api huma.API, needs access, op huma.Operation, handler func(context.Context, *I) (*O, error)) {
	op.Security = rest.Needs(needs.scopes...)
	op.Middlewares = huma.Middlewares{s.authorize(needs)}
	rest.Register(api, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := handler(ctx, in)
		if err != nil {
			return nil, s.toProblem(ctx, err)
		}
		return out, nil
	})
}

// toProblem makes the answer to a handler's error.
func (s *service) toProblem(ctx context.Context, err error) error {
	switch {
	case errors.Is(err, store.ErrChanged):
		return rest.Changed()
	case errors.Is(err, store.ErrNotFound):
		return &rest.Problem{Status: http.StatusNotFound}
	}
	return s.rest.Failed(ctx, err)
}
