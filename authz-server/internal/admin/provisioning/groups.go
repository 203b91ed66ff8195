package provisioning

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/audit"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/roles"
)

// MaxMembers is how many members of a group one call returns, and how many a group is to have at most
// by one. Of these, [admin.MaxMembersChanged] join and leave.
const MaxMembers = 10_000

// Group is a group as a directory has it.
type Group struct {
	ID         string
	Name       string
	ExternalID string         // what the directory calls it; of clients alone, each of which has its own
	Members    []roles.Member // in the order of their ids, without administrators; nil: not asked for
	CreatedAt  time.Time
	UpdatedAt  time.Time
	Version    string
}

func groupOf(g roles.Provisioned) Group {
	return Group{
		ID: g.ID, Name: g.Name, ExternalID: g.ExternalID, CreatedAt: g.CreatedAt, UpdatedAt: g.UpdatedAt,
		Version: strconv.FormatInt(g.Version, 36) + "." + strconv.FormatInt(g.Group.Members, 36),
	}
}

// Group returns a group as a directory has it, with its members if they are asked for.
// [ErrTooMany]: it has more than [MaxMembers].
func (o *Operations) Group(ctx context.Context, actor admin.Actor, id string, members bool) (g Group, err error) {
	if err := o.base.May(ctx, actor, admin.Read); err != nil {
		return g, err
	}
	return o.group(ctx, actor, id, members)
}

func (o *Operations) group(ctx context.Context, actor admin.Actor, id string, members bool) (g Group, err error) {
	found, err := o.store.Roles.Provisioned(ctx, namespace(actor), id)
	if err != nil {
		return g, err
	}
	g = groupOf(found)
	if members {
		g.Members, err = o.membersOf(ctx, id, MaxMembers)
	}
	return g, err
}

// membersOf are the members of a group who are no administrators: most, and not more.
func (o *Operations) membersOf(ctx context.Context, id string, most int) ([]roles.Member, error) {
	return upTo(most, func(after string, limit int) ([]roles.Member, error) {
		return o.store.Roles.OrdinaryMembers(ctx, id, after, limit)
	}, func(m roles.Member) string { return m.ID })
}

// GroupsOf chooses the groups that [Operations.WalkGroups] goes through: by one of its fields, or all.
type GroupsOf struct {
	ID         string
	Name       string
	ExternalID string
	UserID     string // those that the person is in
}

// WalkGroups goes through groups in the order of their ids, which are the cursors, beginning after one
// ("": the first), until each returns false.
func (o *Operations) WalkGroups(ctx context.Context, actor admin.Actor, of GroupsOf, after string,
	each func(g Group, cursor string) bool) error {
	if err := o.base.May(ctx, actor, admin.Read); err != nil {
		return err
	}
	if of.ID != "" || of.Name != "" {
		return walkOne(after, of.ID, func() (string, error) {
			g, err := o.store.Roles.GroupNamed(ctx, of.Name)
			return g.ID, err
		}, func(id string) error {
			found, err := o.store.Roles.Provisioned(ctx, namespace(actor), id)
			if err == nil {
				each(groupOf(found), found.ID)
			}
			return err
		})
	}
	if of.UserID != "" {
		if _, err := o.store.Users.Provisioned(ctx, namespace(actor), of.UserID); err != nil {
			return store.IgnoreNotFound(err)
		}
	}
	return walk(after, func(after string) ([]roles.Provisioned, error) {
		listing := roles.Listing{ExternalID: of.ExternalID, UserID: of.UserID}
		return o.store.Roles.List(ctx, namespace(actor), listing, after, walked)
	}, func(g roles.Provisioned) (string, bool) { return g.ID, each(groupOf(g), g.ID) })
}

// GroupIDs returns the ids of all groups, in their order. [ErrTooMany]: there are more than most.
func (o *Operations) GroupIDs(ctx context.Context, actor admin.Actor, most int) ([]string, error) {
	if err := o.base.May(ctx, actor, admin.Read); err != nil {
		return nil, err
	}
	return upTo(most, func(after string, limit int) ([]string, error) {
		return o.store.Roles.IDs(ctx, after, limit)
	}, itself)
}

// GroupEdit is what a directory changes about a group.
type GroupEdit struct {
	Name       *string // nil: it stays, as of the next
	ExternalID *string
	// Members says of people, by their ids, whether they are in the group. Whoever is not named stays
	// what they are; or, with Exactly, is not in it.
	Members map[string]bool
	Exactly bool
}

// CreateGroup makes a group with members, as EditGroup changes one. [store.ErrExists]: there is one of
// that name, which may be one that directories do not see.
func (o *Operations) CreateGroup(
	ctx context.Context, actor admin.Actor, edit GroupEdit, reason string,
) (made Group, err error) {
	err = o.base.Change(ctx, actor, reason, func(ctx context.Context) error {
		g := roles.Group{Name: *edit.Name}
		if err := g.Check(); err != nil {
			return wrong("name", "is not right: "+err.Error())
		}
		if g, err = o.store.Roles.CreateGroup(ctx, g); err != nil {
			return err
		}
		if err := o.base.Keep(ctx, actor, o.store.Roles, g.ID); err != nil {
			return err
		}
		if err := o.noteGroup(ctx, audit.GroupCreated, g, accounts.User{}, map[string]any{"provisioned": true}); err != nil {
			return err
		}
		if err := o.editGroup(ctx, actor, g.ID, "", edit); err != nil {
			return err
		}
		made, err = o.group(ctx, actor, g.ID, false)
		return err
	})
	return made, err
}

// EditGroup changes a group: all that edit says, or nothing. It returns the group without its members.
// version is what the actor has seen; empty: any. [store.ErrNotFound]: there is no such group for
// directories. [store.ErrStale]: it has another version by now. [ErrContended]: with Exactly, others
// change the members all the time. [ErrTooMany]: more than [admin.MaxMembersChanged] would join or leave.
// [admin.NotKept]: the directory that acts does not keep the group, or whom it puts in or takes out; with
// Exactly, whom it does not keep stays.
func (o *Operations) EditGroup(
	ctx context.Context, actor admin.Actor, id, version string, edit GroupEdit, reason string,
) (after Group, err error) {
	for range 5 {
		err = o.base.Change(ctx, actor, reason, func(ctx context.Context) error {
			// Nobody holds people up by a group that is not theirs to change.
			if _, err := o.groupToChange(ctx, actor, id, version); err != nil {
				return err
			}
			if err := o.editGroup(ctx, actor, id, version, edit); err != nil {
				return err
			}
			after, err = o.group(ctx, actor, id, false)
			return err
		})
		if !errors.Is(err, errMoved) {
			return after, err
		}
	}
	return after, ErrContended
}

// groupToChange returns a group that the actor may change, and that has the version, as
// [Operations.EditGroup] says.
func (o *Operations) groupToChange(
	ctx context.Context, actor admin.Actor, id, version string,
) (g roles.Provisioned, err error) {
	if g, err = o.store.Roles.Provisioned(ctx, namespace(actor), id); err != nil {
		return g, err
	}
	if err := o.base.MayTouch(ctx, actor, o.store.Roles, id); err != nil {
		return g, err
	}
	if version != "" && version != groupOf(g).Version {
		return g, store.ErrStale
	}
	return g, nil
}

// editGroup changes a group. Rows of people are locked before the group's, in the order of their ids,
// as everywhere; what is decided is decided afterwards. errMoved: with Exactly, somebody joined
// between the look at who is in the group and the locks.
func (o *Operations) editGroup(ctx context.Context, actor admin.Actor, id, version string, edit GroupEdit) error {
	named, err := o.turnover(ctx, id, edit)
	if err != nil {
		return err
	}
	people, err := o.holdPeople(ctx, named)
	if err != nil {
		return err
	}
	if err := o.store.Roles.HoldGroup(ctx, id); err != nil {
		return err
	}
	before, err := o.groupToChange(ctx, actor, id, version)
	if err != nil {
		return err
	}
	wanted := named
	if edit.Exactly {
		if wanted, err = o.turnover(ctx, id, edit); err != nil {
			return err
		}
		for one := range wanted {
			if _, held := named[one]; !held {
				return errMoved
			}
		}
	}
	moves, err := o.movesOf(ctx, actor, id, edit, wanted, people)
	if err != nil {
		return err
	}
	g, err := o.renameGroup(ctx, before.Group, edit.Name)
	if err != nil {
		return err
	}
	if edit.ExternalID != nil && *edit.ExternalID != before.ExternalID {
		if err := o.setGroupExternalID(ctx, actor, g, *edit.ExternalID); err != nil {
			return err
		}
	}
	for _, one := range moves {
		kind, do := audit.GroupLeft, o.store.Roles.RemoveMember
		if one.joins {
			kind, do = audit.GroupJoined, o.store.Roles.AddMember
		}
		if err := do(ctx, g.ID, one.user.ID); err != nil {
			return err
		}
		if err := o.noteGroup(ctx, kind, g, one.user, nil); err != nil {
			return err
		}
	}
	return nil
}

// renameGroup gives a group another name; nil: it keeps its own.
func (o *Operations) renameGroup(ctx context.Context, before roles.Group, name *string) (g roles.Group, err error) {
	if name == nil || *name == before.Name {
		return before, nil
	}
	if g, err = o.store.Roles.EditGroup(ctx, before.ID, func(g *roles.Group) error {
		g.Name = *name
		if err := g.Check(); err != nil {
			return wrong("name", "is not right: "+err.Error())
		}
		return nil
	}); err != nil {
		return g, err
	}
	return g, o.noteGroup(ctx, audit.GroupChanged, g, accounts.User{}, map[string]any{"before": before.Name})
}

func (o *Operations) setGroupExternalID(
	ctx context.Context, actor admin.Actor, g roles.Group, externalID string,
) error {
	if err := checkExternalID(actor, externalID); err != nil {
		return err
	}
	if err := o.store.Roles.SetExternalID(ctx, actor.ID, g.ID, externalID); err != nil {
		return err
	}
	detail := map[string]any{"members": []string{"external_id"}}
	return o.noteGroup(ctx, audit.GroupChanged, g, accounts.User{}, detail)
}

// move is a person who joins or leaves a group.
type move struct {
	user  accounts.User
	joins bool
}

// turnover says of people, by their ids, whether they are to be in a group; with Exactly, of those
// alone who are in it and must leave, or the other way round.
func (o *Operations) turnover(ctx context.Context, groupID string, edit GroupEdit) (wanted map[string]bool, err error) {
	if len(edit.Members) > MaxMembers {
		return nil, ErrTooMany
	}
	wanted = maps.Clone(edit.Members)
	if edit.Exactly {
		present, err := o.membersOf(ctx, groupID, MaxMembers)
		if err != nil {
			return nil, err
		}
		if wanted == nil {
			wanted = map[string]bool{}
		}
		maps.DeleteFunc(wanted, func(_ string, in bool) bool { return !in })
		for _, one := range present {
			if wanted[one.ID] {
				delete(wanted, one.ID)
			} else {
				wanted[one.ID] = false
			}
		}
	}
	if len(wanted) > admin.MaxMembersChanged {
		return nil, ErrTooMany
	}
	return wanted, nil
}

// holdPeople locks the rows of people who are to be in a group or not, in the order of their ids, and
// returns them. Whoever is to leave and is not there is left out.
func (o *Operations) holdPeople(
	ctx context.Context, wanted map[string]bool,
) (people map[string]accounts.User, err error) {
	people = make(map[string]accounts.User, len(wanted))
	for _, id := range slices.Sorted(maps.Keys(wanted)) {
		err := o.store.Users.Hold(ctx, id)
		var found accounts.Provisioned
		if err == nil {
			found, err = o.store.Users.Provisioned(ctx, "", id)
		}
		switch {
		case errors.Is(err, store.ErrNotFound) && wanted[id]:
			return nil, wrong("members", fmt.Sprintf("has %q, which is nobody's id here", id))
		case errors.Is(err, store.ErrNotFound):
		case err != nil:
			return nil, err
		default:
			people[id] = found.User
		}
	}
	return people, nil
}

// movesOf is what it takes so that people, whose rows are locked as the group's is, are in the group
// as wanted says, in the order of their ids.
func (o *Operations) movesOf(
	ctx context.Context, actor admin.Actor, groupID string, edit GroupEdit, wanted map[string]bool,
	people map[string]accounts.User,
) (all []move, err error) {
	for _, id := range slices.Sorted(maps.Keys(wanted)) {
		user, there := people[id]
		if !there {
			continue
		}
		is, err := o.store.Roles.IsMember(ctx, groupID, id)
		if err != nil {
			return nil, err
		}
		if is == wanted[id] {
			continue
		}
		err = o.base.MayTouch(ctx, actor, o.store.Users, id)
		if _, named := edit.Members[id]; edit.Exactly && !named && isNotKept(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		all = append(all, move{user, wanted[id]})
	}
	return all, nil
}

// RemoveGroup removes a group: its members lose what they had by it, and tokens that say so are
// revoked, in batches.
func (o *Operations) RemoveGroup(ctx context.Context, actor admin.Actor, id, version, reason string) error {
	if err := o.base.Change(ctx, actor, reason, func(ctx context.Context) error {
		if err := o.store.Roles.HoldGroup(ctx, id); err != nil {
			return err
		}
		g, err := o.groupToChange(ctx, actor, id, version)
		if err != nil {
			return err
		}
		if err := o.store.Roles.RemoveGroup(ctx, id); err != nil {
			return err
		}
		return o.noteGroup(ctx, audit.GroupDeleted, g.Group, accounts.User{}, nil)
	}); err != nil {
		return err
	}
	return o.base.Purge(ctx)
}
