package api

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humamux"

	"github.com/maru-auth/maru/internal/httpd"
	"github.com/maru-auth/maru/jwks"
	"github.com/maru-auth/maru/resources/board/internal/store"
)

const (
	securityScheme = "oauth2"
	roleModerator  = "moderator"
)

// access is what an operation needs of a token.
type access struct {
	scope       string
	person      bool // a person's token, not a client's own: what is written has an author
	role        bool // and the person is a moderator
	orModerator bool // a moderator's token will do without the scope
}

var (
	mayRead     = access{scope: scopeRead}
	mayWrite    = access{scope: scopeWrite, person: true}
	mayDelete   = access{scope: scopeWrite, person: true, orModerator: true}
	mayModerate = access{scope: scopeModerate, person: true, role: true}
)

// caller is who makes a request.
type caller struct {
	subject   string // the issuer's id of the person, or of the client
	moderator bool   // has the role, and the scope to use it
}

func (c caller) viewer() store.Viewer {
	return store.Viewer{Subject: c.subject, Moderator: c.moderator}
}

type callerKey struct{}

// callerOf returns who makes the request of ctx, which has passed authorize.
func callerOf(ctx context.Context) caller { return ctx.Value(callerKey{}).(caller) }

// Refusals of good tokens for which no other scope would help.
var (
	errClientToken  = errors.New("the token is a client's own")
	errNotModerator = errors.New("the person is no moderator")
)

// authorize lets requests pass whose token has what the operation needs, and refuses others (RFC 6750 §3, RFC 9728 §5.1).
func (s *service) authorize(needs access) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		r, w := humamux.Unwrap(ctx)
		claims, err := s.guard.Authenticate(asSent(r))
		if err == nil && !validSubject(claims.Subject) {
			err = jwks.ErrClaims
		}
		if err == nil {
			err = needs.check(claims)
		}
		if err != nil {
			s.refuse(w, r, err)
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
		return errClientToken
	case needs.role && !isModerator(claims):
		return errNotModerator
	}
	return nil
}

// refuse answers a request whose token does not do.
func (s *service) refuse(w http.ResponseWriter, r *http.Request, err error) {
	s.log.DebugContext(r.Context(), "token refused", "request", httpd.RequestID(r.Context()), "reason", err)
	switch {
	case errors.Is(err, errClientToken):
		httpd.WriteProblem(w, r, httpd.Problem{Status: http.StatusForbidden, Detail: "This needs the token of a person; the one sent belongs to a client."})
		return
	case errors.Is(err, errNotModerator):
		httpd.WriteProblem(w, r, httpd.Problem{Status: http.StatusForbidden, Detail: "This needs a person with the role moderator."})
		return
	}
	refusal := s.guard.Refuse(err)
	if refusal.Challenge != "" {
		w.Header().Set("WWW-Authenticate", refusal.Challenge)
	}
	if refusal.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(refusal.RetryAfter))
	}
	httpd.WriteProblem(w, r, httpd.Problem{Status: refusal.Status, Title: refusal.Title, Detail: refusal.Detail})
}

// validSubject tells whether a subject can be kept: OpenID Connect Core §2 bounds its length, and a database need not take
// control characters or what is not UTF-8.
func validSubject(subject string) bool {
	return subject != "" && len(subject) <= 255 && utf8.ValidString(subject) && strings.IndexFunc(subject, unicode.IsControl) < 0
}
