package tokens

import (
	"context"
	"encoding/base64"
	"slices"
	"strings"

	"github.com/maru-auth/maru/authz-server/internal/oauth"
	"github.com/maru-auth/maru/authz-server/internal/store/grants"
	"github.com/maru-auth/maru/authz-server/internal/store/roles"
	"github.com/maru-auth/maru/jwks/jose"
)

// errRolesChanged is rare enough for an error: the app asks again.
var errRolesChanged = oauth.TemporarilyUnavailable.Because("the person's roles were changed just now; ask again")

// roles are the names that the claim "roles" (RFC 9068 §2.2.3.1) of a person's token has: of the roles
// at the resources of its audience, those that a scope of the token brings.
//
// A name does not say whose it is. So where several resources of the audience define one, the person
// must have the role at each of them: an editor of orders is no editor of the board.
func (i *Issuer) roles(ctx context.Context, userID string, scope, audience []string) ([]string, error) {
	defined := i.store.Roles.Known()
	if !slices.ContainsFunc(defined, func(d roles.Definition) bool { return len(oauth.Intersect(d.Scopes, scope)) > 0 }) {
		return nil, nil
	}
	held, err := i.store.Roles.Of(ctx, userID)
	if err != nil {
		return nil, err
	}
	resources := i.resources.Names(audience)
	said := func(r roles.Role) bool {
		return slices.Contains(resources, r.Resource) && slices.ContainsFunc(held, func(h roles.Held) bool {
			return h.Role == r && len(oauth.Intersect(h.Scopes, scope)) > 0
		})
	}
	var names []string
	for _, h := range held {
		elsewhere := slices.ContainsFunc(defined, func(d roles.Definition) bool {
			return d.Name == h.Name && slices.Contains(resources, d.Resource) && !said(d.Role)
		})
		if said(h.Role) && !elsewhere && !slices.Contains(names, h.Name) {
			names = append(names, h.Name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// ConfirmRoles makes sure that a token of a grant, which [Issuer.Access] issued and whose note is
// written by now, says no roles that its person has lost. Whoever takes a role revokes the tokens
// that are noted; this finds those that were noted just after.
func (i *Issuer) ConfirmRoles(ctx context.Context, g *grants.Grant, token string) error {
	// The token is our own, fresh from Access: it need not be verified.
	var claims struct {
		Audience oauth.Audiences `json:"aud"`
		Scope    string          `json:"scope"`
		Roles    []string        `json:"roles"`
	}
	_, rest, _ := strings.Cut(token, ".")
	payload, _, _ := strings.Cut(rest, ".")
	text, err := base64.RawURLEncoding.DecodeString(payload)
	if err != nil {
		return err
	}
	if err := jose.UnmarshalExact(text, &claims); err != nil || len(claims.Roles) == 0 {
		return err
	}
	now, err := i.roles(ctx, g.UserID, strings.Fields(claims.Scope), claims.Audience)
	if err == nil && len(oauth.Without(claims.Roles, now)) > 0 {
		err = errRolesChanged
	}
	return err
}
