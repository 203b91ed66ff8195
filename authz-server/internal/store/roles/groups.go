package roles

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"github.com/maru-auth/maru/authz-server/internal/store/internal/row"
	"github.com/maru-auth/maru/internal/sqldb"
)

// Group is people who have roles together.
type Group struct {
	ID         string // set by CreateGroup
	Name       string // unique, without regard to case
	ExternalID string // what another directory calls it; empty: nothing
	Version    int64  // counts the changes of the group and its roles, but not of its members
	Members    int64  // counts who joins and leaves
	CreatedAt  time.Time
	UpdatedAt  time.Time

	Key string // what the name is looked up and ordered by; set by the store
}

// GroupKey is what a group is looked up by. Spellings that look the same have the same key.
func GroupKey(name string) string { return cases.Fold().String(norm.NFKC.String(name)) }

// Check checks a group's name and its external id.
func (g Group) Check() error {
	if strings.TrimSpace(g.Name) != g.Name || g.Name == "" || GroupKey(g.Name) == "" {
		return errors.New("the name must have at least one character, and no space around it")
	}
	if err := checkText("the name", g.Name); err != nil {
		return err
	}
	if len(g.Name) == 36 && uuid.Validate(g.Name) == nil {
		return errors.New("the name must not have the form of an id, or people would take it for another group")
	}
	return checkText("the external id", g.ExternalID)
}

// CreateGroup stores a new group, which [Group.Check] found right, and gives it its id and times.
// ErrExists: there is one of that name.
func (s *Roles) CreateGroup(ctx context.Context, g Group) (Group, error) {
	g.ID, g.Key, g.Version = uuid.NewString(), GroupKey(g.Name), 1
	g.CreatedAt = s.now().UTC().Truncate(time.Microsecond)
	g.UpdatedAt = g.CreatedAt
	if err := row.Added(s.db.Exec(ctx, `INSERT INTO groups (id, name, name_key, external_id, version,
		created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $6) ON CONFLICT DO NOTHING`,
		g.ID, g.Name, g.Key, g.ExternalID, g.Version, sqldb.Micros(g.CreatedAt))); err != nil {
		return Group{}, err
	}
	return g, nil
}

const groupColumns = `g.id, g.name, g.name_key, g.external_id, g.version, g.members_version, g.created_at, g.updated_at`

func scanGroup(scan func(...any) error) (g Group, err error) {
	var created, updated int64
	err = scan(&g.ID, &g.Name, &g.Key, &g.ExternalID, &g.Version, &g.Members, &created, &updated)
	g.CreatedAt, g.UpdatedAt = sqldb.Time(created), sqldb.Time(updated)
	return g, row.NotFound(err)
}

// Group returns a group by its id. ErrNotFound: there is none.
func (s *Roles) Group(ctx context.Context, id string) (Group, error) {
	return scanGroup(s.db.QueryRow(ctx, `SELECT `+groupColumns+` FROM groups g
		WHERE g.id = $1 AND g.removed_at = 0`, id).Scan)
}

// GroupNamed returns a group by its name. ErrNotFound: there is none.
func (s *Roles) GroupNamed(ctx context.Context, name string) (Group, error) {
	return scanGroup(s.db.QueryRow(ctx, `SELECT `+groupColumns+` FROM groups g
		WHERE g.name_key = $1 AND g.removed_at = 0`, GroupKey(name)).Scan)
}

// GroupsByExternalID returns the groups that another directory calls so, at most limit.
func (s *Roles) GroupsByExternalID(ctx context.Context, externalID string, limit int) ([]Group, error) {
	return s.groups(ctx, `FROM groups g WHERE g.external_id = $1 AND g.external_id <> '' AND g.removed_at = 0
		ORDER BY g.external_id LIMIT $2`, externalID, limit)
}

// Groups returns up to limit groups in the order of their names, starting after the [Group.Key] after
// ("" starts at the first).
func (s *Roles) Groups(ctx context.Context, after string, limit int) ([]Group, error) {
	return s.groups(ctx, `FROM groups g WHERE g.name_key > $1 AND g.removed_at = 0
		ORDER BY g.name_key LIMIT $2`, after, limit)
}

// GroupsOf returns up to limit groups of a person in the order of their ids, starting after the id
// after.
func (s *Roles) GroupsOf(ctx context.Context, userID, after string, limit int) ([]Group, error) {
	return s.groups(ctx, `FROM group_members m JOIN groups g ON g.id = m.group_id
		WHERE m.user_id = $1 AND m.group_id > $2 AND g.removed_at = 0 ORDER BY m.group_id LIMIT $3`,
		userID, after, limit)
}

// GroupsWith returns up to limit groups that have a role, in the order of their ids.
func (s *Roles) GroupsWith(ctx context.Context, r Role, limit int) ([]Group, error) {
	ids, err := sqldb.All(ctx, s.db, row.Text, `SELECT group_id FROM group_roles
		WHERE resource = $1 AND role = $2 AND removed_at = 0 ORDER BY group_id LIMIT $3`, r.Resource, r.Name, limit)
	if err != nil {
		return nil, err
	}
	var found []Group
	for _, id := range ids { // one by one: Postgres would read all groups for a join
		g, err := s.Group(ctx, id)
		if errors.Is(err, row.ErrNotFound) { // it is being removed
			continue
		}
		if err != nil {
			return nil, err
		}
		found = append(found, g)
	}
	return found, nil
}

func (s *Roles) groups(ctx context.Context, from string, args ...any) ([]Group, error) {
	return sqldb.All(ctx, s.db, func(rows *sql.Rows) (Group, error) { return scanGroup(rows.Scan) },
		`SELECT `+groupColumns+` `+from, args...)
}

// EditGroup changes a group's Name and ExternalID, as edit does, and returns the group as it is then.
// Nobody else can change it between what edit sees and what is stored. If edit returns an error,
// EditGroup returns it and changes nothing. ErrNotFound: there is no such group. ErrExists: another
// has that name.
func (s *Roles) EditGroup(ctx context.Context, id string, edit func(*Group) error) (g Group, err error) {
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		if err := s.touchGroup(ctx, id); err != nil { // this locks the row
			return err
		}
		if g, err = s.Group(ctx, id); err != nil {
			return err
		}
		if err := edit(&g); err != nil {
			return err
		}
		g.Key = GroupKey(g.Name)
		rows, err := s.db.Exec(ctx, `UPDATE groups SET name = $1, name_key = $2, external_id = $3 WHERE id = $4
			AND NOT EXISTS (SELECT 1 FROM groups o WHERE o.name_key = $2 AND o.id <> $4)`,
			g.Name, g.Key, g.ExternalID, id)
		if sqldb.IsDuplicate(err) { // another group got it this very moment
			err = row.ErrExists
		}
		return row.Added(rows, err)
	})
	return g, err
}

// HoldGroup locks a group's row, in a transaction, and changes nothing. ErrNotFound: there is no such
// group.
func (s *Roles) HoldGroup(ctx context.Context, id string) error {
	return row.Changed(s.db.Exec(ctx, `UPDATE groups SET version = version WHERE id = $1 AND removed_at = 0`, id))
}

// touchGroup counts a change of a group, and holds it until the transaction ends.
func (s *Roles) touchGroup(ctx context.Context, id string) error {
	return row.Changed(s.db.Exec(ctx, `UPDATE groups SET version = version + 1, updated_at = $1
		WHERE id = $2 AND removed_at = 0`, sqldb.Micros(s.now()), id))
}

// RemoveGroup removes a group: from now on, it gives nobody a role, and its name is free. Call
// [Roles.Purge] when that is committed: it revokes the tokens of the members. ErrNotFound: there is
// no such group.
func (s *Roles) RemoveGroup(ctx context.Context, id string) error {
	// Its key is one that no name can have.
	return row.Changed(s.db.Exec(ctx, `UPDATE groups SET removed_at = $1, name_key = $2
		WHERE id = $3 AND removed_at = 0`, sqldb.Micros(s.now()), "\x01"+id, id))
}

// AddMember puts a person into a group. ErrExists: they are in it already. ErrNotFound: there is no
// such person, or no such group.
func (s *Roles) AddMember(ctx context.Context, groupID, userID string) error {
	return s.change(ctx, userID, func(ctx context.Context) error {
		rows, err := s.db.Exec(ctx, `INSERT INTO group_members (group_id, user_id, created_at)
			SELECT id, $1, CAST($2 AS BIGINT) FROM groups WHERE id = $3 AND removed_at = 0
			ON CONFLICT DO NOTHING`, userID, sqldb.Micros(s.now()), groupID)
		if err != nil {
			return err
		}
		if rows > 0 {
			return s.countMember(ctx, groupID)
		}
		if _, err := s.Group(ctx, groupID); err != nil {
			return err
		}
		return row.ErrExists
	})
}

// RemoveMember takes a person out of a group. ErrNotFound: they are not in it.
func (s *Roles) RemoveMember(ctx context.Context, groupID, userID string) error {
	return s.change(ctx, userID, func(ctx context.Context) error {
		if err := s.leave(ctx, groupID, userID); err != nil {
			return err
		}
		return s.countMember(ctx, groupID)
	})
}

func (s *Roles) leave(ctx context.Context, groupID, userID string) error {
	return row.Changed(s.db.Exec(ctx, `DELETE FROM group_members
		WHERE group_id = $1 AND user_id = $2`, groupID, userID))
}

// Members returns up to limit members of a group in the order of their ids, starting after the id
// after ("" starts at the first).
func (s *Roles) Members(ctx context.Context, groupID, after string, limit int) (ids []string, err error) {
	return sqldb.All(ctx, s.db, row.Text, `SELECT m.user_id FROM group_members m
		JOIN groups g ON g.id = m.group_id
		WHERE m.group_id = $1 AND m.user_id > $2 AND g.removed_at = 0
		ORDER BY m.user_id LIMIT $3`, groupID, after, limit)
}

// Administrators returns the ids of up to limit people who have the role of administrators, by
// themselves or by a group, whether they can log in or not.
func (s *Roles) Administrators(ctx context.Context, limit int) (ids []string, err error) {
	if ids, err = sqldb.All(ctx, s.db, row.Text, `SELECT user_id FROM user_roles
		WHERE resource = $1 AND role = $2 ORDER BY user_id LIMIT $3`, Admin.Resource, Admin.Name, limit); err != nil {
		return nil, err
	}
	groups, err := s.GroupsWith(ctx, Admin, limit)
	if err != nil {
		return nil, err
	}
	for _, g := range groups {
		members, err := s.Members(ctx, g.ID, "", limit)
		if err != nil {
			return nil, err
		}
		for _, id := range members {
			if len(ids) < limit && !slices.Contains(ids, id) {
				ids = append(ids, id)
			}
		}
		if len(ids) == limit {
			break
		}
	}
	return ids, nil
}

// GiveGroup gives a role to a group. ErrExists: it has it already. ErrNotFound: there is no such
// group. ErrUnknown: nobody defined the role.
func (s *Roles) GiveGroup(ctx context.Context, groupID string, r Role) error {
	return s.db.Tx(ctx, func(ctx context.Context) error {
		if err := s.touchGroup(ctx, groupID); err != nil {
			return err
		}
		if _, err := s.Definition(ctx, r); err != nil {
			return err
		}
		// If it is just being taken away, those who have not lost it yet keep it.
		return row.Added(s.db.Exec(ctx, `INSERT INTO group_roles (group_id, resource, role, created_at)
			VALUES ($1, $2, $3, $4)
			ON CONFLICT (group_id, resource, role) DO UPDATE SET removed_at = 0, told_up_to = ''
			WHERE group_roles.removed_at > 0`, groupID, r.Resource, r.Name, sqldb.Micros(s.now())))
	})
}

// TakeGroup takes a role from a group: from now on, nobody has it by the group. Call [Roles.Purge]
// when that is committed: it revokes the tokens of the members. ErrNotFound: the group does not have
// it, or there is no such group.
func (s *Roles) TakeGroup(ctx context.Context, groupID string, r Role) error {
	return s.db.Tx(ctx, func(ctx context.Context) error {
		if err := s.touchGroup(ctx, groupID); err != nil {
			return err
		}
		return row.Changed(s.db.Exec(ctx, `UPDATE group_roles SET removed_at = $1, told_up_to = ''
			WHERE group_id = $2 AND resource = $3 AND role = $4 AND removed_at = 0`,
			sqldb.Micros(s.now()), groupID, r.Resource, r.Name))
	})
}

// GroupRoles returns the roles of a group, in their order.
func (s *Roles) GroupRoles(ctx context.Context, groupID string) ([]Role, error) {
	return sqldb.All(ctx, s.db, func(rows *sql.Rows) (r Role, err error) {
		return r, rows.Scan(&r.Resource, &r.Name)
	}, `SELECT r.resource, r.role FROM group_roles r
		JOIN groups g ON g.id = r.group_id
		JOIN roles d ON d.resource = r.resource AND d.name = r.role
		WHERE r.group_id = $1 AND g.removed_at = 0 AND r.removed_at = 0 AND d.removed_at = 0
		ORDER BY r.resource, r.role`, groupID)
}
