package admin

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/maru-auth/maru/authz-server/internal/audit"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/roles"
)

// The bounds of a group's members in one call. An operator's page adds one at a time.
const (
	MaxMembers        = 10_000 // that are returned, or that a group is to have
	MaxMembersChanged = 1000   // who join and leave
)

// ProvisionedGroup is a group as a directory has it.
type ProvisionedGroup struct {
	ID         string
	Name       string
	ExternalID string         // what the directory calls it; of clients alone, each of which has its own
	Members    []roles.Member // in the order of their ids, without administrators; nil: not asked for
	CreatedAt  time.Time
	UpdatedAt  time.Time
	Version    string
}

func provisionedGroupOf(g roles.Provisioned) ProvisionedGroup {
	return ProvisionedGroup{
		ID: g.ID, Name: g.Name, ExternalID: g.ExternalID, CreatedAt: g.CreatedAt, UpdatedAt: g.UpdatedAt,
		Version: strconv.FormatInt(g.Version, 36) + "." + strconv.FormatInt(g.Group.Members, 36),
	}
}

// ProvisionedGroup returns a group as a directory has it, with its members if they are asked for.
// [ErrTooMany]: it has more than [MaxMembers].
func (a *Admin) ProvisionedGroup(ctx context.Context, actor Actor, id string, members bool) (g ProvisionedGroup, err error) {
	if err := a.read(ctx, actor, provisioning(actor, Read)); err != nil {
		return g, err
	}
	return a.provisionedGroup(ctx, actor, id, members)
}

func (a *Admin) provisionedGroup(ctx context.Context, actor Actor, id string, members bool) (g ProvisionedGroup, err error) {
	found, err := a.Store.Roles.Provisioned(ctx, actor.namespace(), id)
	if err != nil {
		return g, err
	}
	g = provisionedGroupOf(found)
	if members {
		g.Members, err = a.membersOf(ctx, id, MaxMembers)
	}
	return g, err
}

// membersOf are the members of a group who are no administrators: most, and not more.
func (a *Admin) membersOf(ctx context.Context, id string, most int) ([]roles.Member, error) {
	return upTo(most, func(after string, limit int) ([]roles.Member, error) {
		return a.Store.Roles.OrdinaryMembers(ctx, id, after, limit)
	}, func(m roles.Member) string { return m.ID })
}

// GroupsOf chooses the groups that [Admin.WalkGroups] goes through: by one of its fields, or all.
type GroupsOf struct {
	ID         string
	Name       string
	ExternalID string
	UserID     string // those that the person is in
}

// WalkGroups goes through groups in the order of their ids, which are the cursors, beginning after one
// ("": the first), until each returns false.
func (a *Admin) WalkGroups(ctx context.Context, actor Actor, of GroupsOf, after string, each func(g ProvisionedGroup, cursor string) bool) error {
	if err := a.read(ctx, actor, provisioning(actor, Read)); err != nil {
		return err
	}
	if of.ID != "" || of.Name != "" {
		return walkOne(after, of.ID, func() (string, error) {
			g, err := a.Store.Roles.GroupNamed(ctx, of.Name)
			return g.ID, err
		}, func(id string) error {
			found, err := a.Store.Roles.Provisioned(ctx, actor.namespace(), id)
			if err == nil {
				each(provisionedGroupOf(found), found.ID)
			}
			return err
		})
	}
	if of.UserID != "" {
		if _, err := a.Store.Users.Provisioned(ctx, actor.namespace(), of.UserID); err != nil {
			return ignoreMissing(err)
		}
	}
	return walk(after, func(after string) ([]roles.Provisioned, error) {
		return a.Store.Roles.List(ctx, actor.namespace(), roles.Listing{ExternalID: of.ExternalID, UserID: of.UserID}, after, walked)
	}, func(g roles.Provisioned) (string, bool) { return g.ID, each(provisionedGroupOf(g), g.ID) })
}

// GroupIDs returns the ids of all groups, in their order. [ErrTooMany]: there are more than most.
func (a *Admin) GroupIDs(ctx context.Context, actor Actor, most int) ([]string, error) {
	if err := a.read(ctx, actor, provisioning(actor, Read)); err != nil {
		return nil, err
	}
	return upTo(most, func(after string, limit int) ([]string, error) {
		return a.Store.Roles.IDs(ctx, after, limit)
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

// ProvisionGroup makes a group with members, as EditProvisionedGroup changes one. [store.ErrExists]:
// there is one of that name, which may be one that directories do not see.
func (a *Admin) ProvisionGroup(ctx context.Context, actor Actor, edit GroupEdit, reason string) (made ProvisionedGroup, err error) {
	do := provisioning(actor, Change)
	err = a.change(ctx, actor, do, reason, func(ctx context.Context) error {
		g := roles.Group{Name: *edit.Name}
		if err := g.Check(); err != nil {
			return wrong("name", "is not right: "+err.Error())
		}
		if g, err = a.Store.Roles.CreateGroup(ctx, g); err != nil {
			return err
		}
		if err := a.keep(ctx, actor, do, g.ID, a.Store.Roles.SetKeeper); err != nil {
			return err
		}
		if err := a.noteGroup(ctx, audit.GroupCreated, g, accounts.User{}, map[string]any{"provisioned": true}); err != nil {
			return err
		}
		if err := a.editGroup(ctx, actor, g.ID, "", edit); err != nil {
			return err
		}
		made, err = a.provisionedGroup(ctx, actor, g.ID, false)
		return err
	})
	return made, err
}

// errMoved says that others have changed an account or a group since it was looked at.
var errMoved = errors.New("others changed it meanwhile")

// ErrContended says that others change the same all the time. Nothing was done; the actor can try
// again in some seconds.
var ErrContended = errors.New("others are changing the same")

// EditProvisionedGroup changes a group: all that edit says, or nothing. It returns the group without
// its members. version is what the actor has seen; empty: any. [store.ErrNotFound]: there is no such
// group for directories. [store.ErrStale]: it has another version by now. [ErrContended]: with
// Exactly, others change the members all the time. [ErrTooMany]: more than [MaxMembersChanged] would
// join or leave. [NotKept]: the directory that acts does not keep the group, or whom it puts in or
// takes out; with Exactly, whom it does not keep stays.
func (a *Admin) EditProvisionedGroup(ctx context.Context, actor Actor, id, version string, edit GroupEdit, reason string) (after ProvisionedGroup, err error) {
	for range 5 {
		err = a.change(ctx, actor, provisioning(actor, Change), reason, func(ctx context.Context) error {
			// Nobody holds people up by a group that is not theirs to change.
			if _, err := a.groupToChange(ctx, actor, id, version); err != nil {
				return err
			}
			if err := a.editGroup(ctx, actor, id, version, edit); err != nil {
				return err
			}
			after, err = a.provisionedGroup(ctx, actor, id, false)
			return err
		})
		if !errors.Is(err, errMoved) {
			return after, err
		}
	}
	return after, ErrContended
}

// groupToChange returns a group that the actor may change, and that has the version, as
// [Admin.EditProvisionedGroup] says.
func (a *Admin) groupToChange(ctx context.Context, actor Actor, id, version string) (g roles.Provisioned, err error) {
	if g, err = a.Store.Roles.Provisioned(ctx, actor.namespace(), id); err != nil {
		return g, err
	}
	if err := a.mayTouch(ctx, actor, provisioning(actor, Change), false, id, a.Store.Roles.Keeper); err != nil {
		return g, err
	}
	if version != "" && version != provisionedGroupOf(g).Version {
		return g, store.ErrStale
	}
	return g, nil
}

// editGroup changes a group. Rows of people are locked before the group's, in the order of their ids,
// as everywhere; what is decided is decided afterwards. errMoved: with Exactly, somebody joined
// between the look at who is in the group and the locks.
func (a *Admin) editGroup(ctx context.Context, actor Actor, id, version string, edit GroupEdit) error {
	named, err := a.turnover(ctx, id, edit)
	if err != nil {
		return err
	}
	people, err := a.holdPeople(ctx, named)
	if err != nil {
		return err
	}
	if err := a.Store.Roles.HoldGroup(ctx, id); err != nil {
		return err
	}
	before, err := a.groupToChange(ctx, actor, id, version)
	if err != nil {
		return err
	}
	wanted := named
	if edit.Exactly {
		if wanted, err = a.turnover(ctx, id, edit); err != nil {
			return err
		}
		for one := range wanted {
			if _, held := named[one]; !held {
				return errMoved
			}
		}
	}
	moves, err := a.movesOf(ctx, actor, id, edit, wanted, people)
	if err != nil {
		return err
	}
	g, err := a.renameGroup(ctx, before.Group, edit.Name)
	if err != nil {
		return err
	}
	if edit.ExternalID != nil && *edit.ExternalID != before.ExternalID {
		if err := a.setGroupExternalID(ctx, actor, g, *edit.ExternalID); err != nil {
			return err
		}
	}
	for _, one := range moves {
		kind, do := audit.GroupLeft, a.Store.Roles.RemoveMember
		if one.joins {
			kind, do = audit.GroupJoined, a.Store.Roles.AddMember
		}
		if err := do(ctx, g.ID, one.user.ID); err != nil {
			return err
		}
		if err := a.noteGroup(ctx, kind, g, one.user, nil); err != nil {
			return err
		}
	}
	return nil
}

// renameGroup gives a group another name; nil: it keeps its own.
func (a *Admin) renameGroup(ctx context.Context, before roles.Group, name *string) (g roles.Group, err error) {
	if name == nil || *name == before.Name {
		return before, nil
	}
	if g, err = a.Store.Roles.EditGroup(ctx, before.ID, func(g *roles.Group) error {
		g.Name = *name
		if err := g.Check(); err != nil {
			return wrong("name", "is not right: "+err.Error())
		}
		return nil
	}); err != nil {
		return g, err
	}
	return g, a.noteGroup(ctx, audit.GroupChanged, g, accounts.User{}, map[string]any{"before": before.Name})
}

func (a *Admin) setGroupExternalID(ctx context.Context, actor Actor, g roles.Group, externalID string) error {
	switch {
	case actor.Kind != Client:
		return wrong("external_id", "is a client's name for it, and only clients have such names")
	case len(externalID) > maxExternalID || !utf8.ValidString(externalID) || !printable(externalID):
		return wrong("external_id", "must be printable text of at most 255 bytes")
	}
	if err := a.Store.Roles.SetExternalID(ctx, actor.ID, g.ID, externalID); err != nil {
		return err
	}
	return a.noteGroup(ctx, audit.GroupChanged, g, accounts.User{}, map[string]any{"members": []string{"external_id"}})
}

func printable(s string) bool {
	for _, r := range s {
		if !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}

// move is a person who joins or leaves a group.
type move struct {
	user  accounts.User
	joins bool
}

// turnover says of people, by their ids, whether they are to be in a group; with Exactly, of those
// alone who are in it and must leave, or the other way round.
func (a *Admin) turnover(ctx context.Context, groupID string, edit GroupEdit) (wanted map[string]bool, err error) {
	if len(edit.Members) > MaxMembers {
		return nil, ErrTooMany
	}
	wanted = maps.Clone(edit.Members)
	if edit.Exactly {
		present, err := a.membersOf(ctx, groupID, MaxMembers)
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
	if len(wanted) > MaxMembersChanged {
		return nil, ErrTooMany
	}
	return wanted, nil
}

// holdPeople locks the rows of people who are to be in a group or not, in the order of their ids, and
// returns them. Whoever is to leave and is not there is left out.
func (a *Admin) holdPeople(ctx context.Context, wanted map[string]bool) (people map[string]accounts.User, err error) {
	people = make(map[string]accounts.User, len(wanted))
	for _, id := range slices.Sorted(maps.Keys(wanted)) {
		err := a.Store.Users.Hold(ctx, id)
		var found accounts.Provisioned
		if err == nil {
			found, err = a.Store.Users.Provisioned(ctx, "", id)
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
func (a *Admin) movesOf(ctx context.Context, actor Actor, groupID string, edit GroupEdit, wanted map[string]bool, people map[string]accounts.User) (all []move, err error) {
	for _, id := range slices.Sorted(maps.Keys(wanted)) {
		user, there := people[id]
		if !there {
			continue
		}
		is, err := a.Store.Roles.IsMember(ctx, groupID, id)
		if err != nil {
			return nil, err
		}
		if is == wanted[id] {
			continue
		}
		err = a.mayTouch(ctx, actor, provisioning(actor, Change), false, id, a.Store.Users.Keeper)
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

// DeprovisionGroup removes a group: its members lose what they had by it, and tokens that say so are
// revoked, in batches.
func (a *Admin) DeprovisionGroup(ctx context.Context, actor Actor, id, version, reason string) error {
	if err := a.change(ctx, actor, provisioning(actor, Change), reason, func(ctx context.Context) error {
		if err := a.Store.Roles.HoldGroup(ctx, id); err != nil {
			return err
		}
		g, err := a.groupToChange(ctx, actor, id, version)
		if err != nil {
			return err
		}
		if err := a.Store.Roles.RemoveGroup(ctx, id); err != nil {
			return err
		}
		return a.noteGroup(ctx, audit.GroupDeleted, g.Group, accounts.User{}, nil)
	}); err != nil {
		return err
	}
	_, err := a.Store.Roles.Purge(ctx)
	return err
}
