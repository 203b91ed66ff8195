package api

import (
	"context"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humamux"

	"github.com/maru-auth/maru/internal/rest"
	"github.com/maru-auth/maru/jwks"
	"github.com/maru-auth/maru/resources/board/internal/store"
)

const roleModerator = "moderator"

// access is what an operation needs of a token.
type access struct {
	scope       string
	person      bool // a person's token, not a client's own: what is written has an author
	role        bool // and the person is a moderator
	orModerator bool // a moderator's token will do without the scope
	orPublic    bool // and where the board allows it, no token at all; the handler asks [caller.mayRead]
}

var (
	mayRead     = access{scope: scopeRead}
	mayLook     = access{scope: scopeRead, orPublic: true}
	mayWrite    = access{scope: scopeWrite, person: true}
	mayDelete   = access{scope: scopeWrite, person: true, orModerator: true}
	mayModerate = access{scope: scopeModerate, person: true, role: true}
)

// caller is who makes a request.
type caller struct {
	subject   string // the issuer's id of the person, or of the client
	moderator bool   // has the role, and the scope to use it
	stranger  bool   // nobody: there is no token
}

func (c caller) viewer() store.Viewer {
	if c.stranger {
		return store.Nobody
	}
	return store.Viewer{Subject: c.subject, Moderator: c.moderator}
}

type callerKey struct{}

// callerOf returns who makes the request of ctx, which has passed authorize.
func callerOf(ctx context.Context) caller { return ctx.Value(callerKey{}).(caller) }

// authorize lets requests pass whose token has what the operation needs.
func (s *service) authorize(needs access) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		if needs.orPublic {
			ctx.AppendHeader("Vary", "Authorization, DPoP")
			if r, _ := humamux.Unwrap(ctx); isStranger(r) {
				s.letIn(ctx, next)
				return
			}
		}
		claims, ok := s.rest.Admit(ctx, needs.check)
		if !ok {
			return
		}
		ctx.SetHeader("Cache-Control", "private, no-store")
		next(huma.WithValue(ctx, callerKey{}, caller{subject: claims.Subject, moderator: isModerator(claims)}))
	}
}

// isModerator: the role says that the person may, the scope that the client may on the person's behalf.
func isModerator(claims *jwks.Claims) bool {
	return !claims.IsClient() && claims.HasRole(roleModerator) && claims.HasScope(scopeModerate)
}

func (needs access) check(claims *jwks.Claims) error {
	if needs.orModerator && isModerator(claims) {
		return nil
	}
	switch err := claims.RequireScope(needs.scope); {
	case err != nil:
		return err
	case needs.person && claims.IsClient():
		return rest.ErrClientToken
	case needs.role && !isModerator(claims):
		return rest.ErrNotModerator
	}
	return nil
}

// route registers an operation that needs a token with access.
func route[I, O any](s *service, api huma.API, needs access, op huma.Operation, handler func(context.Context, *I) (*O, error)) {
	op.Security = rest.Needs(needs.scope)
	if needs.orModerator {
		op.Security = rest.Needs(needs.scope, scopeModerate)
	}
	if needs.orPublic {
		op.Security = publicSecurity(needs.scope)
		op.Errors = append(op.Errors, http.StatusTooManyRequests)
	}
	op.Middlewares = huma.Middlewares{s.authorize(needs)}
	rest.Register(api, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := handler(ctx, in)
		if err != nil {
			return nil, s.toProblem(ctx, err)
		}
		return out, nil
	})
}

func forbidden(detail string) *rest.Problem {
	return &rest.Problem{Status: http.StatusForbidden, Detail: detail}
}

// toProblem makes the answer to a handler's error.
func (s *service) toProblem(ctx context.Context, err error) error {
	switch {
	case errors.Is(err, store.ErrNotFound):
		return &rest.Problem{Status: http.StatusNotFound, Detail: "There is no such thing, or it is hidden from you."}
	case errors.Is(err, store.ErrChanged):
		return rest.Changed()
	case errors.Is(err, store.ErrLocked):
		return forbidden("The post is locked: there are no changes and no new comments.")
	case errors.Is(err, store.ErrExists):
		return &rest.Problem{Status: http.StatusConflict, Detail: "There is a board with this slug already."}
	case errors.Is(err, store.ErrParent):
		return rest.Invalid("body.parent", errors.New("must be the id of a comment of this post"))
	case errors.Is(err, store.ErrReplyToReply):
		return rest.Invalid("body.parent", errors.New("is a reply itself; reply to the comment that it replies to"))
	case errors.Is(err, errManySearches):
		return later(http.StatusTooManyRequests, "You are searching already. Wait for the answers before you search again.")
	case errors.Is(err, errSearchesBusy):
		return later(http.StatusServiceUnavailable, "Too many are searching at the moment. Try again.")
	case errors.Is(err, store.ErrKeyReused):
		return rest.Invalid("header.Idempotency-Key", errors.New("was used for another request; make a new key for each new request"))
	}
	return s.rest.Failed(ctx, err)
}
