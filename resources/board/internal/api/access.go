package api

import (
	"context"
	"strings"
	"time"

	"github.com/maru-auth/maru/internal/rest"
	"github.com/maru-auth/maru/jwks"
	"github.com/maru-auth/maru/resources/board/internal/store"
)

// The scopes that this service knows.
const (
	scopeRead     = "board:read"
	scopeWrite    = "board:write"
	scopeModerate = "board:moderate"
)

// exportWithin is how recently a person must have been authenticated to get all that they wrote: a
// browser that was left open is not enough.
const exportWithin = 10 * time.Minute

// What operations need of a token. What is written has an author: a person.
var (
	mayRead     = rest.Access{Scopes: []string{scopeRead}}
	mayWrite    = rest.Access{Scopes: []string{scopeWrite}, Person: true}
	mayDelete   = rest.Access{Scopes: []string{scopeWrite}, Person: true, Or: &mayModerate}
	mayExport   = rest.Access{Scopes: []string{scopeRead}, Person: true, Authentication: &jwks.Authentication{Within: exportWithin}}
	mayModerate = rest.Access{Scopes: []string{scopeModerate}, Role: "moderator"}
)

// mayReadPublic is mayRead for what everybody reads of a public board: the handler asks
// checkReader.
func (s *service) mayReadPublic() rest.Access {
	access := mayRead
	access.Anonymous = s.admitAnonymous
	return access
}

// caller is who makes a request.
type caller struct {
	subject   string // the issuer's id of the person, or of the client
	moderator bool   // has the role, and the scope to use it
	anonymous bool   // there is no token
	roles     string // with spaces between them
}

// callerOf returns who makes the request that a handler's ctx is of.
func callerOf(ctx context.Context) caller {
	c := rest.CallerOf(ctx)
	if c.Claims == nil {
		return caller{anonymous: true}
	}
	return caller{subject: c.Subject, moderator: isModerator(c.Claims), roles: strings.Join(c.Claims.Roles, " ")}
}

// isModerator: the role says that the person may, the scope that the client may on the person's
// behalf.
func isModerator(claims *jwks.Claims) bool { return mayModerate.Check(claims) == nil }

func (c caller) viewer() store.Viewer {
	if c.anonymous {
		return store.Anonymous
	}
	return store.Viewer{Subject: c.subject, Moderator: c.moderator, Roles: c.roles}
}
