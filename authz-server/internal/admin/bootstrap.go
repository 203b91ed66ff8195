package admin

import (
	"context"
	"errors"
	"net/url"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/audit"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/roles"
)

// BootstrapLifetime is how long the link of [Admin.Bootstrap] works.
const BootstrapLifetime = 24 * time.Hour

// ErrHasAdministrator says that there is an administrator who can log in.
var ErrHasAdministrator = errors.New("there is an administrator who can log in")

// Bootstrap returns a link by which one person becomes an administrator: by a new account, whoever
// may sign up otherwise, or, logged in already, with their own. It works once, and until another is
// made, or, unless the actor says force, until there is an administrator who can log in. Only the
// machine makes one. [ErrHasAdministrator]: nobody needs it, unless the actor says force.
func (a *Admin) Bootstrap(ctx context.Context, actor Actor, reason string) (link string, expires time.Time, err error) {
	if actor.Kind != Machine {
		return "", expires, refuse(NeedsMachine)
	}
	expires = a.Now().Add(BootstrapLifetime)
	err = a.change(ctx, actor, Crown, reason, func(ctx context.Context) error {
		// Of two at the same moment, each would not see the other's link: the later one waits, and ends it.
		if err := a.Store.HoldAdministrators(ctx); err != nil {
			return err
		}
		has, err := a.Store.HasAdministrator(ctx)
		if err == nil && has && !actor.Force {
			err = ErrHasAdministrator
		}
		if err != nil {
			return err
		}
		before, err := a.Store.Invitations.RevokeNoted(ctx, accounts.ForFirstAdministrator)
		if err != nil {
			return err
		}
		forced, err := a.Store.Invitations.RevokeNoted(ctx, accounts.ForAnotherAdministrator)
		if err != nil {
			return err
		}
		note := accounts.ForFirstAdministrator
		if actor.Force {
			note = accounts.ForAnotherAdministrator
		}
		for _, id := range append(before, forced...) { // such as one in the log of a start that failed
			if err := a.Audit.Record(ctx, audit.Entry{Kind: audit.InvitationWithdrawn, Target: audit.Target{Kind: "invitation", ID: id}}); err != nil {
				return err
			}
		}
		made, secret, err := a.Store.Invitations.CreateInvitation(ctx, accounts.Invitation{
			Note: note, Roles: []roles.Role{roles.Admin}, ExpiresAt: expires,
		})
		if err != nil {
			return err
		}
		link = a.Issuer.URL("/signup?" + url.Values{"invitation": {secret}}.Encode())
		return a.Audit.Record(ctx, audit.Entry{
			Kind: audit.BootstrapLinked, Target: audit.Target{Kind: "invitation", ID: made.ID},
		})
	})
	return link, expires, err
}
