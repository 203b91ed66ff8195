package admin

import (
	"context"
	"fmt"
	"slices"

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

// tellOfNew tells the administrators of an account that is one of theirs from the beginning.
func (a *Admin) tellOfNew(ctx context.Context, made accounts.User) error {
	if !slices.ContainsFunc(made.Roles, roles.Role.Administers) {
		return nil
	}
	return a.Notices.TellAdministrators(ctx, made)
}

// MaxMembersChanged is how many people can join or leave a group in one transaction, or become
// administrators by it.
const MaxMembersChanged = 1000

// holdMembers locks the rows of a group's members, in the order of their ids, and returns these: one
// more than [MaxMembersChanged] at most. held are those whose rows are locked already.
func (a *Admin) holdMembers(ctx context.Context, groupID string, held []string) ([]string, error) {
	ids, err := a.Store.Roles.Members(ctx, groupID, "", MaxMembersChanged+1)
	if err != nil || slices.Equal(ids, held) {
		return ids, err
	}
	for _, id := range ids {
		if err := store.IgnoreNotFound(a.Store.Users.Hold(ctx, id)); err != nil { // missing: gone this moment
			return nil, err
		}
	}
	return ids, nil
}

// crownMembers is crown for the members of a group that makes administrators from now on, in the
// transaction that gives it the role: otherwise, a crash would leave administrators whose sessions of
// before live on. That bounds how many members it may have. Its row is locked, and so were those of
// its members before it, held; whoever joined between the two is looked for here.
func (a *Admin) crownMembers(ctx context.Context, g roles.Group, held []string) error {
	ids, err := a.holdMembers(ctx, g.ID, held)
	if err != nil {
		return err
	}
	if len(ids) > MaxMembersChanged {
		return wrong("roles",
			fmt.Sprintf("cannot make administrators of a group with more than %d members", MaxMembersChanged))
	}
	for _, id := range ids {
		if err := a.crownMember(ctx, g, id); err != nil {
			return err
		}
	}
	return nil
}

// crownMember is crown for a member of a group, unless something else makes them an administrator:
// then they were one before.
func (a *Admin) crownMember(ctx context.Context, g roles.Group, userID string) error {
	user, err := a.Store.Users.User(ctx, userID)
	if err != nil {
		return store.IgnoreNotFound(err) // gone this moment
	}
	held, err := a.Store.Roles.Of(ctx, userID)
	another := func(name string) bool { return name != g.Name }
	if err != nil || slices.ContainsFunc(held, func(h roles.Held) bool {
		return h.Role.Administers() && (h.Direct || slices.ContainsFunc(h.Groups, another))
	}) {
		return err
	}
	return a.crown(ctx, user)
}
