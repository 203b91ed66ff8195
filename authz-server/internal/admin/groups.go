package admin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/audit"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/registry"
	"github.com/maru-auth/maru/authz-server/internal/store/roles"
)

// RoleDefinition says what a role is.
type RoleDefinition struct {
	roles.Role
	Scopes      []string  `json:"scopes"` // with one of them, a token says that its person has the role
	Description string    `json:"description,omitempty"`
	Builtin     bool      `json:"builtin"` // it stays, and so do its scopes
	CreatedAt   time.Time `json:"created_at,omitzero"`
	Version     string    `json:"version"` // for If-Match
}

func definitionOf(d roles.Definition) RoleDefinition {
	return RoleDefinition{d.Role, d.Scopes, d.Description, d.Builtin, d.CreatedAt, strconv.FormatInt(d.Version, 36)}
}

// RoleDefinitions lists the roles that there are, starting after one (the zero Role starts at the first).
func (a *Admin) RoleDefinitions(
	ctx context.Context, actor Actor, after roles.Role, limit int,
) (page Page[RoleDefinition], err error) {
	if err := a.read(ctx, actor, Read); err != nil {
		return page, err
	}
	if limit, err = checkLimit(limit); err != nil {
		return page, err
	}
	all, err := a.Store.Roles.Definitions(ctx, after, limit+1)
	found := pageOf(all, limit, func(d roles.Definition) string { return d.String() })
	return shownAs(found, definitionOf), err
}

// RoleDefinition returns a role. [roles.ErrUnknown]: there is none.
func (a *Admin) RoleDefinition(ctx context.Context, actor Actor, r roles.Role) (d RoleDefinition, err error) {
	if err := a.read(ctx, actor, provisioning(actor, Read)); err != nil {
		return d, err
	}
	found, err := a.Store.Roles.Definition(ctx, r)
	return definitionOf(found), err
}

// crowning is the class of what concerns a role.
func crowning(r roles.Role, do Action) Action {
	if r.Administers() {
		return Crown
	}
	return do
}

// scopesOf returns the scopes by which roles of a resource, by its short name, can be brought into
// tokens.
func (a *Admin) scopesOf(ctx context.Context, resource string) ([]string, error) {
	stored, err := a.Store.Resources.All(ctx)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, one := range append(slices.Clone(a.Config.Resources), registry.Plain(stored)...) {
		if one.Name == resource {
			return one.Scopes, nil
		}
		names = append(names, one.Name)
	}
	return nil, wrong("resource", fmt.Sprintf("must be one that there is: there is no resource %q; there are %s",
		resource, strings.Join(names, ", ")))
}

// definitionError says which part of a definition is wrong.
func definitionError(d roles.Definition, err error) error {
	rest := d
	rest.Role.Name, rest.Scopes = "x", []string{"x"}
	field := "role"
	if rest.Check(rest.Scopes) != nil {
		field = "description"
	} else if rest.Role.Name = d.Name; rest.Check(rest.Scopes) == nil {
		field = "scopes"
	}
	return wrong(field, "is not right: "+err.Error())
}

// DefineRole adds a role for one of the resources. [store.ErrExists]: there is one of that name, or
// it is being removed.
func (a *Admin) DefineRole(ctx context.Context, actor Actor, d roles.Definition, reason string) error {
	return a.change(ctx, actor, crowning(d.Role, Change), reason, func(ctx context.Context) error {
		scopes, err := a.scopesOf(ctx, d.Resource)
		if err != nil {
			return err
		}
		if err := d.Check(scopes); err != nil {
			return definitionError(d, err)
		}
		d.Builtin = false
		if err := a.Store.Roles.Define(ctx, d); err != nil {
			if errors.Is(err, roles.ErrFull) {
				return wrong("role", "is one too many: "+err.Error())
			}
			return err
		}
		return a.Audit.Record(ctx, audit.Entry{Kind: audit.RoleDefined, Target: audit.Target{Kind: "role", ID: d.String()},
			Detail: map[string]any{"scopes": d.Scopes}})
	})
}

// RoleChange is what a definition is to say instead. The zero value changes nothing.
type RoleChange struct {
	Scopes      []string // nil: as before
	Description *string  // nil: as before
}

// RedefineRole changes a role. version is that of the [RoleDefinition] that the actor has seen;
// empty: any. Whoever has the role loses, in batches, the tokens that say so by a scope which it has
// no more; apps get new ones.
//
// [roles.ErrUnknown]: there is no such role. [store.ErrStale]: it is another by now.
// [roles.ErrBuiltin]: its scopes have to stay.
func (a *Admin) RedefineRole(
	ctx context.Context, actor Actor, r roles.Role, version string, change RoleChange, reason string,
) error {
	if err := a.change(ctx, actor, crowning(r, Change), reason, func(ctx context.Context) error {
		d, err := a.Store.Roles.Definition(ctx, r)
		if err != nil {
			return err
		}
		if version != "" && version != definitionOf(d).Version {
			return store.ErrStale
		}
		allowed := d.Scopes // those that it has may stay, whatever became of the resource
		if change.Scopes != nil {
			if allowed, err = a.scopesOf(ctx, r.Resource); err != nil {
				return err
			}
			d.Scopes = change.Scopes
		}
		if change.Description != nil {
			d.Description = *change.Description
		}
		if err := d.Check(allowed); err != nil {
			return definitionError(d, err)
		}
		if err := a.Store.Roles.Redefine(ctx, d); err != nil {
			return err
		}
		return a.Audit.Record(ctx, audit.Entry{Kind: audit.RoleChanged, Target: audit.Target{Kind: "role", ID: r.String()},
			Detail: map[string]any{"scopes": d.Scopes}})
	}); err != nil {
		return err
	}
	return a.purge(ctx)
}

// UndefineRole removes a role: nobody has it from then on, and tokens that say so are revoked, in
// batches. [roles.ErrUnknown]: there is none. [roles.ErrBuiltin]: it has to stay.
func (a *Admin) UndefineRole(ctx context.Context, actor Actor, r roles.Role, reason string) error {
	if err := a.change(ctx, actor, crowning(r, Change), reason, func(ctx context.Context) error {
		return a.keepOne(ctx, actor, func(ctx context.Context) error {
			if err := a.Store.Roles.Undefine(ctx, r); err != nil {
				return err
			}
			return a.Audit.Record(ctx, audit.Entry{Kind: audit.RoleDeleted, Target: audit.Target{Kind: "role", ID: r.String()}})
		})
	}); err != nil {
		return err
	}
	return a.purge(ctx)
}

// Group is people who have roles together.
type Group struct {
	ID         string       `json:"id"`
	Name       string       `json:"name"`
	ExternalID string       `json:"external_id,omitempty"` // what another directory calls it
	Roles      []roles.Role `json:"roles"`                 // empty in lists
	Directory  string       `json:"directory,omitempty" doc:"The client_id of the directory that keeps it by SCIM. Absent: none does, or this is a list."`
	CreatedAt  time.Time    `json:"created_at"`
	UpdatedAt  time.Time    `json:"updated_at"`
	Version    string       `json:"version"` // for If-Match
}

func groupOf(g roles.Group, its []roles.Role) Group {
	return Group{
		ID: g.ID, Name: g.Name, ExternalID: g.ExternalID, Roles: append([]roles.Role{}, its...),
		CreatedAt: g.CreatedAt, UpdatedAt: g.UpdatedAt, Version: strconv.FormatInt(g.Version, 36),
	}
}

// Groups lists groups by their names, starting after a cursor. Their roles are not there.
func (a *Admin) Groups(ctx context.Context, actor Actor, after string, limit int) (page Page[Group], err error) {
	if err := a.read(ctx, actor, Read); err != nil {
		return page, err
	}
	if limit, err = checkLimit(limit); err != nil {
		return page, err
	}
	all, err := a.Store.Roles.Groups(ctx, after, limit+1)
	found := pageOf(all, limit, func(g roles.Group) string { return g.Key })
	return shownAs(found, func(g roles.Group) Group { return groupOf(g, nil) }), err
}

// Group returns a group with its roles. [store.ErrNotFound]: there is none.
func (a *Admin) Group(ctx context.Context, actor Actor, id string) (Group, error) {
	if err := a.read(ctx, actor, Read); err != nil {
		return Group{}, err
	}
	g, err := a.Store.Roles.Group(ctx, id)
	if err != nil {
		return Group{}, err
	}
	its, err := a.Store.Roles.GroupRoles(ctx, id)
	return a.withGroupKeeper(ctx, groupOf(g, its), err)
}

// GroupNamed returns a group with its roles by its name, without regard to case. [store.ErrNotFound]:
// there is none.
func (a *Admin) GroupNamed(ctx context.Context, actor Actor, name string) (Group, error) {
	if err := a.read(ctx, actor, provisioning(actor, Read)); err != nil {
		return Group{}, err
	}
	g, err := a.Store.Roles.GroupNamed(ctx, name)
	if err != nil {
		return Group{}, err
	}
	its, err := a.Store.Roles.GroupRoles(ctx, g.ID)
	return groupOf(g, its), err
}

// Members lists the ids of a group's members, starting after an id.
func (a *Admin) Members(ctx context.Context, actor Actor, id, after string, limit int) (page Page[string], err error) {
	if err := a.read(ctx, actor, Read); err != nil {
		return page, err
	}
	if limit, err = checkLimit(limit); err != nil {
		return page, err
	}
	if _, err := a.Store.Roles.Group(ctx, id); err != nil {
		return page, err
	}
	all, err := a.Store.Roles.Members(ctx, id, after, limit+1)
	return pageOf(all, limit, func(id string) string { return id }), err
}

// MemberAccounts is Members with their accounts, at most 100 of them.
func (a *Admin) MemberAccounts(
	ctx context.Context, actor Actor, id, after string, limit int,
) (page Page[Account], err error) {
	ids, err := a.Members(ctx, actor, id, after, min(limit, 100))
	page = Page[Account]{Items: []Account{}, Next: ids.Next}
	for _, one := range ids.Items {
		user, err := a.Store.Users.User(ctx, one)
		if errors.Is(err, store.ErrNotFound) { // gone this moment
			continue
		}
		if err != nil {
			return page, err
		}
		page.Items = append(page.Items, accountOf(user))
	}
	return page, err
}

// GroupsWith lists the groups that have a role, at most 100, without their roles.
func (a *Admin) GroupsWith(ctx context.Context, actor Actor, r roles.Role) ([]Group, error) {
	if err := a.read(ctx, actor, provisioning(actor, Read)); err != nil {
		return nil, err
	}
	found, err := a.Store.Roles.GroupsWith(ctx, r, 100)
	all := []Group{}
	for _, g := range found {
		all = append(all, groupOf(g, nil))
	}
	return all, err
}

// onGroup runs f, an operation on a group, which nobody else changes meanwhile. If the group makes
// administrators, it is a [Crown], and one who can log in must be left. If it does so only since f, its
// members become administrators in the same transaction, by crownMembers.
func (a *Admin) onGroup(
	ctx context.Context, actor Actor, do Action, id, reason string, f func(ctx context.Context, g roles.Group) error,
) error {
	return a.change(ctx, actor, do, reason, func(ctx context.Context) (err error) {
		var members []string
		if do == Crown { // rows of people are locked before the group's, as everywhere
			if members, err = a.holdMembers(ctx, id, nil); err != nil {
				return err
			}
		}
		if err := a.Store.Roles.HoldGroup(ctx, id); err != nil {
			return err
		}
		g, err := a.Store.Roles.Group(ctx, id)
		if err != nil {
			return err
		}
		its, err := a.Store.Roles.GroupRoles(ctx, id)
		if err != nil {
			return err
		}
		crowned := slices.ContainsFunc(its, roles.Role.Administers)
		if err := a.mayTouch(ctx, actor, do, crowned, a.Store.Roles, id); err != nil {
			return err
		}
		if crowned {
			return a.keepOne(ctx, actor, func(ctx context.Context) error { return f(ctx, g) })
		}
		if err := f(ctx, g); err != nil {
			return err
		}
		if its, err = a.Store.Roles.GroupRoles(ctx, id); err != nil || !slices.ContainsFunc(its, roles.Role.Administers) {
			return err
		}
		return a.crownMembers(ctx, g, members)
	})
}

func (a *Admin) noteGroup(
	ctx context.Context, kind audit.Kind, g roles.Group, person accounts.User, detail map[string]any,
) error {
	return a.Audit.Record(ctx, audit.Entry{
		Kind: kind, Person: person.ID, Target: audit.Target{Kind: "group", ID: g.ID, Label: g.Name}, Detail: detail,
	})
}

// CreateGroup makes a group without members and roles. [store.ErrExists]: there is one of that name.
func (a *Admin) CreateGroup(ctx context.Context, actor Actor, name, externalID, reason string) (Group, error) {
	g := roles.Group{Name: name, ExternalID: externalID}
	do := provisioning(actor, Change)
	err := a.change(ctx, actor, do, reason, func(ctx context.Context) (err error) {
		if err := g.Check(); err != nil {
			return wrong("name", "is not right: "+err.Error())
		}
		if g, err = a.Store.Roles.CreateGroup(ctx, g); err != nil {
			return err
		}
		noteMade(ctx, g.ID)
		if err := a.keep(ctx, actor, do, a.Store.Roles, g.ID); err != nil {
			return err
		}
		return a.noteGroup(ctx, audit.GroupCreated, g, accounts.User{}, nil)
	})
	return groupOf(g, nil), err
}

// EditGroup changes a group's name and external id. version is that of the [Group] that the actor
// has seen; empty: any. [store.ErrStale]: it is another by now. [store.ErrExists]: another group has
// that name.
func (a *Admin) EditGroup(
	ctx context.Context, actor Actor, id, version, name, externalID, reason string,
) (edited Group, err error) {
	do := provisioning(actor, Change)
	err = a.onGroup(ctx, actor, do, id, reason, func(ctx context.Context, before roles.Group) error {
		if version != "" && version != groupOf(before, nil).Version {
			return store.ErrStale
		}
		g, err := a.Store.Roles.EditGroup(ctx, id, func(g *roles.Group) error {
			g.Name, g.ExternalID = name, externalID
			if err := g.Check(); err != nil {
				return wrong("name", "is not right: "+err.Error())
			}
			return nil
		})
		if err != nil {
			return err
		}
		edited = groupOf(g, nil)
		return a.noteGroup(ctx, audit.GroupChanged, g, accounts.User{}, map[string]any{"before": before.Name})
	})
	return edited, err
}

// RemoveGroup removes a group: its members lose what they had by it, and tokens that say so are
// revoked, in batches.
func (a *Admin) RemoveGroup(ctx context.Context, actor Actor, id, reason string) error {
	do := provisioning(actor, Change)
	if err := a.onGroup(ctx, actor, do, id, reason, func(ctx context.Context, g roles.Group) error {
		if err := a.Store.Roles.RemoveGroup(ctx, id); err != nil {
			return err
		}
		return a.noteGroup(ctx, audit.GroupDeleted, g, accounts.User{}, nil)
	}); err != nil {
		return err
	}
	return a.purge(ctx)
}

// Join puts a person into a group. [store.ErrExists]: they are in it.
func (a *Admin) Join(ctx context.Context, actor Actor, groupID, userID, reason string) error {
	return a.member(ctx, actor, groupID, userID, reason, audit.GroupJoined, a.Store.Roles.AddMember)
}

// Leave takes a person out of a group. [store.ErrNotFound]: they are not in it.
func (a *Admin) Leave(ctx context.Context, actor Actor, groupID, userID, reason string) error {
	return a.member(ctx, actor, groupID, userID, reason, audit.GroupLeft, a.Store.Roles.RemoveMember)
}

// member asks about the person and about the group: neither an administrator nor a group that makes
// some is for services. Their rows are locked in this order, as everywhere.
func (a *Admin) member(ctx context.Context, actor Actor, groupID, userID, reason string, kind audit.Kind,
	do func(ctx context.Context, groupID, userID string) error) error {
	class := provisioning(actor, Change)
	return a.onPerson(ctx, actor, class, userID, reason, func(ctx context.Context, user accounts.User) error {
		return a.onGroup(ctx, actor, class, groupID, reason, func(ctx context.Context, g roles.Group) error {
			if err := do(ctx, groupID, userID); err != nil {
				return err
			}
			return a.noteGroup(ctx, kind, g, user, nil)
		})
	})
}

// GiveGroup gives a role to a group. [store.ErrExists]: it has it.
func (a *Admin) GiveGroup(ctx context.Context, actor Actor, id string, r roles.Role, reason string) error {
	return a.onGroup(ctx, actor, crowning(r, Change), id, reason, func(ctx context.Context, g roles.Group) error {
		if err := a.Store.Roles.GiveGroup(ctx, id, r); err != nil {
			return a.unknownRole(ctx, err, []roles.Role{r})
		}
		return a.noteGroup(ctx, audit.RoleGranted, g, accounts.User{}, map[string]any{"role": r.String()})
	})
}

// TakeGroup takes a role from a group: its members lose it, and tokens that say so are revoked, in
// batches. [store.ErrNotFound]: the group does not have it.
func (a *Admin) TakeGroup(ctx context.Context, actor Actor, id string, r roles.Role, reason string) error {
	if err := a.onGroup(ctx, actor, crowning(r, Change), id, reason, func(ctx context.Context, g roles.Group) error {
		if err := a.Store.Roles.TakeGroup(ctx, id, r); err != nil {
			return err
		}
		return a.noteGroup(ctx, audit.RoleRevoked, g, accounts.User{}, map[string]any{"role": r.String()})
	}); err != nil {
		return err
	}
	return a.purge(ctx)
}
