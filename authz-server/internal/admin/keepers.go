package admin

import (
	"context"
	"errors"

	"github.com/maru-auth/maru/authz-server/internal/audit"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/roles"
)

// A directory, which is a client that acts by the scope scim, keeps the accounts and groups that it
// made, and those that an operator gave it: it changes and removes these alone. It sees all that is
// ordinary, so that it finds whom it has by their addresses, and can take nobody's account by that.

// Kept are the accounts or the groups of a store, of each of which it knows the directory that keeps it,
// by its client_id; empty: none does.
type Kept interface {
	Keeper(ctx context.Context, id string) (client string, err error)
	SetKeeper(ctx context.Context, client, id string) error
}

var (
	_ Kept = (*accounts.Users)(nil)
	_ Kept = (*roles.Roles)(nil)
)

// mayTouch asks whether an operation of a class may be done on the account or group with this id.
func (a *Admin) mayTouch(ctx context.Context, actor Actor, do Action, crowned bool, of Kept, id string) error {
	on := Target{Administrative: crowned}
	if do == Provision {
		by, err := of.Keeper(ctx, id)
		if err != nil {
			return err
		}
		on.Foreign = by != actor.ID
	}
	return a.may(actor, do, on)
}

// keep notes that a directory keeps what it has just made. Nobody keeps what operators make.
func (a *Admin) keep(ctx context.Context, actor Actor, do Action, of Kept, id string) error {
	if do != Provision || actor.Kind != Client {
		return nil
	}
	return of.SetKeeper(ctx, actor.ID, id)
}

// EntrustPerson gives an account to a directory, which may change and remove it from then on; the one
// that kept it may not any more. An empty directory: none keeps it.
func (a *Admin) EntrustPerson(ctx context.Context, actor Actor, id, directory, reason string) error {
	return a.onPerson(ctx, actor, Change, id, reason, func(ctx context.Context, user accounts.User) error {
		if err := a.isDirectory(ctx, directory); err != nil {
			return err
		}
		before, err := a.Store.Users.Keeper(ctx, id)
		if err != nil || before == directory {
			return err
		}
		if err := a.Store.Users.SetKeeper(ctx, directory, id); err != nil {
			return err
		}
		return a.note(ctx, audit.UserEntrusted, user, map[string]any{"directory": directory, "before": before})
	})
}

// EntrustGroup is EntrustPerson for a group.
func (a *Admin) EntrustGroup(ctx context.Context, actor Actor, id, directory, reason string) error {
	return a.onGroup(ctx, actor, Change, id, reason, func(ctx context.Context, g roles.Group) error {
		if err := a.isDirectory(ctx, directory); err != nil {
			return err
		}
		before, err := a.Store.Roles.Keeper(ctx, id)
		if err != nil || before == directory {
			return err
		}
		if err := a.Store.Roles.SetKeeper(ctx, directory, id); err != nil {
			return err
		}
		detail := map[string]any{"directory": directory, "before": before}
		return a.noteGroup(ctx, audit.GroupEntrusted, g, accounts.User{}, detail)
	})
}

// isDirectory refuses to give something to whoever could do nothing with it.
func (a *Admin) isDirectory(ctx context.Context, id string) error {
	if id == "" {
		return nil
	}
	c, err := a.Store.Clients.Client(ctx, id)
	if errors.Is(err, store.ErrNotFound) || err == nil && !RightsOf(c.Scopes()).Has(Provisioning) {
		return wrong("directory", "must be the client_id of a client with the scope scim")
	}
	return err
}
