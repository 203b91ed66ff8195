package admin

import (
	"context"
	"errors"
	"slices"

	"github.com/maru-auth/maru/authz-server/internal/audit"
	"github.com/maru-auth/maru/authz-server/internal/notices"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/roles"
)

// crown does what follows when somebody has become an administrator, in that transaction. Until then,
// services and directories could change the account, and whoever had a way into it would now
// administer the server. All sessions end, with what apps got in them, and the person is told, who
// knows which passkeys and other ways in are theirs. Those stay: without any, nobody would get in.
func (a *Admin) crown(ctx context.Context, user accounts.User) error {
	if err := a.Store.Sessions.EndSessionsByAdmin(ctx, user.ID); err != nil {
		return err
	}
	return a.Notices.Note(ctx, nil, user, notices.BecameAdministrator, "")
}

// crownMembers is crown for the members of a group that makes administrators now, of whom it can have
// many: each in a transaction of their own, after the one that gave the group the role.
func (a *Admin) crownMembers(ctx context.Context, actor Actor, groupID, reason string) error {
	const page = 100
	return a.afterwards(ctx, func(ctx context.Context) error {
		ctx = audit.With(ctx, actor.entry(reason))
		after := ""
		for {
			ids, err := a.Store.Roles.Members(ctx, groupID, after, page)
			if err != nil || len(ids) == 0 {
				return err
			}
			for _, id := range ids {
				if err := a.crownMember(ctx, groupID, id); err != nil {
					return err
				}
			}
			after = ids[len(ids)-1]
		}
	})
}

// crownMember is crown for a member of a group, unless something else makes them an administrator:
// then they were one before, or are told of that.
func (a *Admin) crownMember(ctx context.Context, groupID, userID string) error {
	return a.Store.Tx(ctx, func(ctx context.Context) error {
		err := a.Store.Users.Hold(ctx, userID)
		var user accounts.User
		if err == nil {
			user, err = a.Store.Users.User(ctx, userID)
		}
		var g roles.Group
		if err == nil {
			g, err = a.Store.Roles.Group(ctx, groupID)
		}
		if errors.Is(err, store.ErrNotFound) {
			return nil // gone this moment
		}
		if err != nil {
			return err
		}
		held, err := a.Store.Roles.Of(ctx, userID)
		otherwise := func(h roles.Held) bool {
			return administrative(h.Role) && (h.Direct || slices.ContainsFunc(h.Groups, func(name string) bool { return name != g.Name }))
		}
		if err != nil || slices.ContainsFunc(held, otherwise) ||
			!slices.ContainsFunc(held, func(h roles.Held) bool { return administrative(h.Role) }) {
			return err
		}
		return a.crown(ctx, user)
	})
}
