package rest

import (
	"context"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humamux"

	"github.com/maru-auth/maru/internal/httpd"
	"github.com/maru-auth/maru/internal/sqldb"
	"github.com/maru-auth/maru/jwks"
)

// Access is what an operation needs of a token.
type Access struct {
	Scopes []string // one of them is enough
	Person bool     // a person's token, not a client's own
	Role   string   // a person's token, and this role; empty: none

	// Authentication is how the person must have been authenticated (RFC 9470); a client's own
	// token does not do then. It holds for Or too. Nil: in any way.
	Authentication *jwks.Authentication

	// Or is another way in: a token that has that access needs nothing else. Nil: there is none.
	Or *Access

	// Anonymous is for an operation that may also do without a token. It decides on a request that
	// carries none: true lets it pass, as that of a [Caller] without claims, and the handler asks
	// for a token ([API.NoToken]) if it is needed after all; false refuses the request, which
	// Anonymous has then answered. Nil: a token is needed.
	Anonymous func(huma.Context) bool
}

// Check returns nil if a token with these claims has the access, apart from Authentication. Errors:
// that of [jwks.Claims.RequireScope], or a [Refusal].
func (a Access) Check(claims *jwks.Claims) error {
	if a.Or != nil && a.Or.Check(claims) == nil {
		return nil
	}
	err := claims.RequireScope(a.Scopes[0])
	for _, other := range a.Scopes[1:] {
		if claims.HasScope(other) {
			err = nil
		}
	}
	switch {
	case err != nil:
		return err
	case (a.Person || a.Role != "" || a.Authentication != nil) && claims.IsClient():
		return errClientToken
	case a.Role != "" && !claims.HasRole(a.Role):
		return roleNeeded(a.Role)
	}
	return nil
}

// security is what the OpenAPI document says of the access.
func (a Access) security() []map[string][]string {
	security := needs(a.Scopes...)
	if a.Or != nil {
		security = append(security, a.Or.security()...)
	}
	if a.Anonymous != nil {
		security = append(security, map[string][]string{})
	}
	return security
}

// A Caller is who makes a request.
type Caller struct {
	Subject string       // the issuer's id of the person, or of the client; empty: nobody, there is no token
	Claims  *jwks.Claims // nil: there is no token
	Token   string       // as it was sent: only its issuer may be shown it
}

type callerKey struct{}

// CallerOf returns who makes the request that a handler's ctx is of.
func CallerOf(ctx context.Context) Caller { return ctx.Value(callerKey{}).(Caller) }

// authorize is the middleware that lets requests pass whose token has the access.
func (a *API) authorize(access Access) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		r, _ := humamux.Unwrap(ctx)
		if access.Anonymous != nil {
			ctx.AppendHeader("Vary", "Authorization, DPoP")
			if !carriesToken(r) {
				if access.Anonymous(ctx) {
					next(huma.WithValue(ctx, callerKey{}, Caller{}))
				}
				return
			}
		}
		claims, judged, ok := a.admit(ctx, access)
		if !ok {
			return
		}
		if judged != nil {
			ctx = huma.WithContext(ctx, judged)
		}
		ctx.SetHeader("Cache-Control", "private, no-store") // unless the answer says otherwise
		changes := r.Method != http.MethodGet && r.Method != http.MethodHead
		ctx = huma.WithContext(ctx, sqldb.Asking(ctx.Context(), claims.Subject, changes))
		next(huma.WithValue(ctx, callerKey{}, Caller{Subject: claims.Subject, Claims: claims, Token: sentToken(r)}))
	}
}

// admit authenticates a request and decides on what its token says. It returns false once it has
// refused the request (RFC 6750 §3, RFC 9728 §5.1). judged is the context that [Config.Judge] made;
// nil: there is no Judge.
func (a *API) admit(ctx huma.Context, access Access) (claims *jwks.Claims, judged context.Context, ok bool) {
	r, w := humamux.Unwrap(ctx)
	claims, err := a.guard.Authenticate(asSent(r))
	if err == nil {
		httpd.NoteClient(w, claims.ClientID)
	}
	if err == nil && !ValidSubject(claims.Subject) {
		err = jwks.ErrClaims
	}
	if err == nil && a.cfg.Judge != nil {
		judged, err = a.cfg.Judge(r, claims)
	}
	if err == nil {
		err = access.Check(claims)
	}
	if err == nil && access.Authentication != nil {
		err = a.guard.RequireAuthentication(claims, *access.Authentication)
	}
	if err != nil {
		a.refuse(w, r, err)
		return nil, nil, false
	}
	return claims, judged, true
}

// carriesToken tells whether a request has anything that could be a token. If so, it is judged as
// one.
func carriesToken(r *http.Request) bool {
	return len(r.Header["Authorization"]) > 0 || len(r.Header["Dpop"]) > 0 || r.URL.Query().Has("access_token")
}

// sentToken returns the token of a request that has passed the guard, which has checked its form.
func sentToken(r *http.Request) string {
	_, token, _ := strings.Cut(strings.TrimSpace(r.Header.Get("Authorization")), " ")
	return strings.TrimSpace(token)
}

// ValidSubject tells whether somebody could have the subject. The issuer's ids are opaque, but
// OpenID Connect Core §2 bounds their length, and control characters and what is not UTF-8 are kept
// from the database.
func ValidSubject(subject string) bool {
	return subject != "" && len(subject) <= 255 && utf8.ValidString(subject) && strings.IndexFunc(subject, unicode.IsControl) < 0
}
