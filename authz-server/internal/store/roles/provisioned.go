package roles

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/maru-auth/maru/authz-server/internal/store/internal/external"
	"github.com/maru-auth/maru/authz-server/internal/store/internal/row"
	"github.com/maru-auth/maru/internal/sqldb"
)

// Ordinary is the condition that the user u has no role of the server's administration, by themselves
// or by a group, not even one that is just being taken away. The look-ups are values and no joins, so
// that Postgres makes them for the rows that a statement returns alone.
const Ordinary = `NOT COALESCE((SELECT TRUE FROM user_roles o
	WHERE o.user_id = u.id AND o.resource = 'admin' LIMIT 1), FALSE)
	AND NOT COALESCE((SELECT TRUE FROM group_members om JOIN group_roles o ON o.group_id = om.group_id
	WHERE om.user_id = u.id AND o.resource = 'admin' LIMIT 1), FALSE)`

// ordinaryGroup is the condition that the group g makes no administrators.
const ordinaryGroup = `g.removed_at = 0 AND NOT COALESCE((SELECT TRUE FROM group_roles o
	WHERE o.group_id = g.id AND o.resource = 'admin' LIMIT 1), FALSE)`

// Provisioned is a group as a client that provisions groups has it. There is none of groups that make
// administrators: to such clients, these do not exist.
type Provisioned struct {
	Group
	ExternalID string // what the client calls it, which is not what operators do; empty: nothing
}

func provisionedColumns(client int) string {
	return groupColumns + fmt.Sprintf(`, COALESCE((SELECT e.external_id FROM external_groups e
		WHERE e.client_id = $%d AND e.group_id = g.id), '')`, client)
}

func scanProvisioned(scan func(...any) error) (p Provisioned, err error) {
	p.Group, err = scanGroup(func(into ...any) error { return scan(append(into, &p.ExternalID)...) })
	return p, err
}

// Provisioned returns the group with this id, as the client has it. ErrNotFound: there is none for it.
func (s *Roles) Provisioned(ctx context.Context, client, id string) (Provisioned, error) {
	return scanProvisioned(s.db.QueryRow(ctx, `SELECT `+provisionedColumns(2)+` FROM groups g
		WHERE g.id = $1 AND `+ordinaryGroup, id, client).Scan)
}

// A Listing chooses the groups of a list: by one of its fields, or all.
type Listing struct {
	ExternalID string // that the client calls so
	UserID     string // that the person is in
}

// List returns up to limit of the groups that a client provisions, in the order of their ids, after
// one.
func (s *Roles) List(ctx context.Context, client string, by Listing, after string, limit int) ([]Provisioned, error) {
	switch {
	case by.ExternalID != "":
		return s.list(ctx, client, `FROM external_groups x JOIN groups g ON g.id = x.group_id
			WHERE x.client_id = $1 AND x.external_id = $2 AND x.group_id > $3 AND `+ordinaryGroup+`
			ORDER BY x.group_id LIMIT $4`, client, by.ExternalID, after, limit)
	case by.UserID != "":
		return s.list(ctx, client, `FROM group_members x JOIN groups g ON g.id = x.group_id
			WHERE x.user_id = $1 AND x.group_id > $2 AND `+ordinaryGroup+`
			ORDER BY x.group_id LIMIT $3`, by.UserID, after, limit)
	}
	return s.list(ctx, client, `FROM groups g WHERE g.id > $1 AND `+ordinaryGroup+`
		ORDER BY g.id LIMIT $2`, after, limit)
}

func (s *Roles) list(ctx context.Context, client, from string, args ...any) ([]Provisioned, error) {
	return sqldb.All(ctx, s.db, func(rows *sql.Rows) (Provisioned, error) { return scanProvisioned(rows.Scan) },
		`SELECT `+provisionedColumns(len(args)+1)+` `+from, append(args, client)...)
}

// IDs returns the ids of up to limit groups that clients provision, in their order, after one.
func (s *Roles) IDs(ctx context.Context, after string, limit int) ([]string, error) {
	return sqldb.All(ctx, s.db, row.Text, `SELECT g.id FROM groups g WHERE g.id > $1 AND `+ordinaryGroup+`
		ORDER BY g.id LIMIT $2`, after, limit)
}

// A Member is an account in a group.
type Member struct{ ID, Email string }

// OrdinaryMembers returns up to limit members of a group in the order of their ids, after one: those
// who are no administrators.
func (s *Roles) OrdinaryMembers(ctx context.Context, groupID, after string, limit int) ([]Member, error) {
	return sqldb.All(ctx, s.db, func(rows *sql.Rows) (m Member, err error) { return m, rows.Scan(&m.ID, &m.Email) },
		`SELECT u.id, u.email FROM group_members m JOIN users u ON u.id = m.user_id
		WHERE m.group_id = $1 AND m.user_id > $2 AND `+Ordinary+` ORDER BY m.user_id LIMIT $3`, groupID, after, limit)
}

// IsMember tells whether a person is in a group.
func (s *Roles) IsMember(ctx context.Context, groupID, userID string) (is bool, err error) {
	err = s.db.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM group_members
		WHERE group_id = $1 AND user_id = $2)`, groupID, userID).Scan(&is)
	return is, err
}

// SetExternalID notes what a client calls a group; empty: nothing. It counts as a change of the
// group. ErrNotFound: there is no such group.
func (s *Roles) SetExternalID(ctx context.Context, client, id, externalID string) error {
	return s.db.Tx(ctx, func(ctx context.Context) error {
		if err := s.touchGroup(ctx, id); err != nil {
			return err
		}
		return external.Groups(s.db).Set(ctx, client, id, externalID)
	})
}

// Keeper returns the client that keeps a group: it may change and remove it. Empty: none does.
func (s *Roles) Keeper(ctx context.Context, id string) (client string, err error) {
	return external.Groups(s.db).Keeper(ctx, id)
}

// SetKeeper notes which client keeps a group, and that no other does; empty: none. Hold the group.
func (s *Roles) SetKeeper(ctx context.Context, client, id string) error {
	return external.Groups(s.db).SetKeeper(ctx, client, id)
}

// countMember counts a change of who is in a group.
func (s *Roles) countMember(ctx context.Context, groupID string) error {
	_, err := s.db.Exec(ctx, `UPDATE groups SET members_version = members_version + 1, updated_at = $1
		WHERE id = $2`, sqldb.Micros(s.now()), groupID)
	return err
}
