package admin

import (
	"context"
	"slices"

	"github.com/maru-auth/maru/authz-server/internal/audit"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/roles"
)

// SetGroupRoles replaces the roles of a group, all or nothing, and returns those of before: its members
// get what is new, and lose what is gone, with the tokens that say so, which are revoked in batches.
func (a *Admin) SetGroupRoles(
	ctx context.Context, actor Actor, id string, all []roles.Role, reason string,
) (before []roles.Role, err error) {
	do := Change
	if slices.ContainsFunc(all, roles.Role.Administers) {
		do = Crown
	}
	if err := a.onGroup(ctx, actor, do, id, reason, func(ctx context.Context, g roles.Group) error {
		if before, err = a.Store.Roles.GroupRoles(ctx, id); err != nil {
			return err
		}
		change := func(
			kind audit.Kind, from, to []roles.Role, one func(ctx context.Context, groupID string, r roles.Role) error,
		) error {
			for i, r := range to {
				if slices.Contains(from, r) || slices.Contains(to[:i], r) {
					continue
				}
				if err := one(ctx, id, r); err != nil {
					return a.unknownRole(ctx, err, all)
				}
				if err := a.noteGroup(ctx, kind, g, accounts.User{}, map[string]any{"role": r.String()}); err != nil {
					return err
				}
			}
			return nil
		}
		if err := change(audit.RoleGranted, before, all, a.Store.Roles.GiveGroup); err != nil {
			return err
		}
		return change(audit.RoleRevoked, all, before, a.Store.Roles.TakeGroup)
	}); err != nil {
		return nil, err
	}
	return before, a.purge(ctx)
}
