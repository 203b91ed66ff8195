package roles

import (
	"context"
	"database/sql"
	"errors"
	"math"
	"strings"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/store/internal/row"
	"github.com/maru-auth/maru/internal/sqldb"
)

// batch is how many people one transaction takes a role from, with several statements each.
const batch = 20

// Purge finishes what [Roles.Undefine], [Roles.Redefine], [Roles.RemoveGroup] and [Roles.TakeGroup]
// began: it revokes the tokens of those who lost a role, and removes the rows. It works in batches, each a transaction
// of its own, with pauses for others, and returns of how many people it revoked tokens. If it ends
// early, Sweep or another call goes on with it. Several calls at once do no harm.
func (s *Roles) Purge(ctx context.Context) (people int64, err error) {
	for _, step := range []func(context.Context) (int64, error){s.purgeDropped, s.purgeDefinitions, s.purgeGroupRoles, s.purgeGroups, s.removeDefinitions} {
		n, err := step(ctx)
		people += n
		if err != nil {
			return people, err
		}
	}
	return people, nil
}

// Sweeps lists what Purge does, for when a process died before it was done.
func (s *Roles) Sweeps() []sqldb.Sweep {
	// This has batches of its own, so one step does all of it.
	return []sqldb.Sweep{{Name: "removed roles and groups", Batch: math.MaxInt64,
		Step: func(ctx context.Context, _ time.Time) (int64, error) { return s.Purge(ctx) }}}
}

// purgeDropped takes from people the tokens that say a role by a scope which brings it no more. After
// a crash, it begins again with the first of them: to revoke a token twice does no harm.
func (s *Roles) purgeDropped(ctx context.Context) (people int64, err error) {
	type narrowed struct {
		Role
		scopes string
	}
	all, err := sqldb.All(ctx, s.db, func(rows *sql.Rows) (n narrowed, err error) {
		return n, rows.Scan(&n.Resource, &n.Name, &n.scopes)
	}, `SELECT resource, name, dropped FROM roles WHERE dropped <> '' ORDER BY resource, name LIMIT 200`)
	for _, one := range all {
		n, err := s.narrow(ctx, one.Role, strings.Fields(one.scopes))
		people += n
		if err == nil { // unless another scope was dropped meanwhile
			_, err = s.db.Exec(ctx, `UPDATE roles SET dropped = '' WHERE resource = $1 AND name = $2 AND dropped = $3`,
				one.Resource, one.Name, one.scopes)
		}
		if err != nil {
			return people, err
		}
	}
	return people, err
}

// narrow takes the tokens by these scopes from all who have a role, by themselves and by groups.
func (s *Roles) narrow(ctx context.Context, r Role, scopes []string) (people int64, err error) {
	forAll := func(query string, args ...any) error {
		n, err := s.forPeople(ctx, func(ctx context.Context, after string) ([]string, error) {
			return sqldb.All(ctx, s.db, row.Text, query, append([]any{after}, args...)...)
		}, func(ctx context.Context, userID string) error {
			if err := s.revoke(ctx, userID, scopes); err != nil {
				return err
			}
			now, err := s.Of(ctx, userID)
			if err != nil {
				return err
			}
			return s.emit(ctx, userID, []Held{{Role: r, Scopes: scopes}}, now)
		}, nil)
		people += n
		return err
	}
	if err := forAll(`SELECT user_id FROM user_roles WHERE user_id > $1 AND resource = $2 AND role = $3
		ORDER BY user_id LIMIT 20`, r.Resource, r.Name); err != nil {
		return people, err
	}
	after := ""
	return people, pages(func() ([]string, error) {
		return sqldb.All(ctx, s.db, row.Text, `SELECT group_id FROM group_roles
			WHERE resource = $1 AND role = $2 AND group_id > $3 ORDER BY group_id LIMIT 200`, r.Resource, r.Name, after)
	}, func(groups []string) error {
		for _, id := range groups {
			if err := forAll(`SELECT user_id FROM group_members WHERE user_id > $1 AND group_id = $2
				ORDER BY user_id LIMIT 20`, id); err != nil {
				return err
			}
		}
		after = groups[len(groups)-1]
		return nil
	})
}

func (s *Roles) undefined(ctx context.Context) ([]Role, error) {
	return sqldb.All(ctx, s.db, func(rows *sql.Rows) (r Role, err error) { return r, rows.Scan(&r.Resource, &r.Name) },
		`SELECT resource, name FROM roles WHERE removed_at > 0 ORDER BY removed_at LIMIT 200`)
}

// purgeDefinitions takes roles that were removed from the people who were given them, and begins to
// take them from groups.
func (s *Roles) purgeDefinitions(ctx context.Context) (people int64, err error) {
	gone, err := s.undefined(ctx)
	for _, r := range gone {
		n, err := s.forPeople(ctx, func(ctx context.Context, _ string) ([]string, error) {
			return sqldb.All(ctx, s.db, row.Text, `SELECT user_id FROM user_roles
				WHERE resource = $1 AND role = $2 ORDER BY user_id LIMIT 20`, r.Resource, r.Name)
		}, func(ctx context.Context, userID string) error { return s.take(ctx, userID, r) }, nil)
		people += n
		if err != nil {
			return people, err
		}
		if _, err := s.db.Batches(ctx, sqldb.BatchRows, func(ctx context.Context) (int64, error) {
			return s.db.Exec(ctx, `UPDATE group_roles SET removed_at = $1, told_up_to = ''
				WHERE resource = $2 AND role = $3 AND removed_at = 0 AND group_id IN
				(SELECT group_id FROM group_roles WHERE resource = $2 AND role = $3 AND removed_at = 0
				ORDER BY group_id LIMIT 200)`, sqldb.Micros(s.now()), r.Resource, r.Name)
		}); err != nil {
			return people, err
		}
	}
	return people, err
}

// pages has f do something about pages of what is left, of 200 at most, until none is.
func pages[T any](next func() ([]T, error), f func([]T) error) error {
	for {
		page, err := next()
		if err != nil || len(page) == 0 {
			return err
		}
		if err := f(page); err != nil {
			return err
		}
	}
}

// taken is a role that was taken from a group.
type taken struct {
	group string
	role  Role
	at    int64
}

// purgeGroupRoles takes from members what was taken from their groups.
func (s *Roles) purgeGroupRoles(ctx context.Context) (people int64, err error) {
	return people, pages(func() ([]taken, error) {
		return sqldb.All(ctx, s.db, func(rows *sql.Rows) (t taken, err error) {
			return t, rows.Scan(&t.group, &t.role.Resource, &t.role.Name, &t.at)
		}, `SELECT group_id, resource, role, removed_at FROM group_roles WHERE removed_at > 0 ORDER BY removed_at LIMIT 200`)
	}, func(page []taken) error {
		n, err := s.purgeTaken(ctx, page)
		people += n
		return err
	})
}

func (s *Roles) purgeTaken(ctx context.Context, all []taken) (people int64, err error) {
	const its = ` WHERE group_id = $1 AND resource = $2 AND role = $3 AND removed_at = $4`
	for _, t := range all {
		n, err := s.forPeople(ctx, func(ctx context.Context, _ string) ([]string, error) {
			// This lets one process in at a time. No row: the group got the role back.
			var told string
			err := s.db.ExecReturning(ctx, `UPDATE group_roles SET told_up_to = told_up_to`+its+` RETURNING told_up_to`,
				t.group, t.role.Resource, t.role.Name, t.at).Scan(&told)
			if errors.Is(err, sql.ErrNoRows) {
				return nil, nil
			}
			if err != nil {
				return nil, err
			}
			return sqldb.All(ctx, s.db, row.Text, `SELECT user_id FROM group_members
				WHERE group_id = $1 AND user_id > $2 ORDER BY user_id LIMIT 20`, t.group, told)
		}, func(context.Context, string) error { return nil }, func(ctx context.Context, last string) error {
			_, err := s.db.Exec(ctx, `UPDATE group_roles SET told_up_to = $5`+its,
				t.group, t.role.Resource, t.role.Name, t.at, last)
			return err
		})
		people += n
		if err == nil {
			_, err = s.db.Exec(ctx, `DELETE FROM group_roles`+its, t.group, t.role.Resource, t.role.Name, t.at)
		}
		if err != nil {
			return people, err
		}
	}
	return people, nil
}

// purgeGroups lets the members leave the groups that were removed.
func (s *Roles) purgeGroups(ctx context.Context) (people int64, err error) {
	return people, pages(func() ([]string, error) {
		return sqldb.All(ctx, s.db, row.Text, `SELECT id FROM groups WHERE removed_at > 0 ORDER BY removed_at LIMIT 200`)
	}, func(gone []string) error {
		for _, id := range gone {
			n, err := s.forPeople(ctx, func(ctx context.Context, _ string) ([]string, error) {
				return sqldb.All(ctx, s.db, row.Text, `SELECT user_id FROM group_members
					WHERE group_id = $1 ORDER BY user_id LIMIT 20`, id)
			}, func(ctx context.Context, userID string) error { return s.leave(ctx, id, userID) }, nil)
			people += n
			if err == nil {
				// Who joined while it was being removed never had a role by it.
				_, err = s.db.Exec(ctx, `DELETE FROM groups WHERE id = $1 AND removed_at > 0`, id)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// removeDefinitions removes the rows of roles that nobody has any more.
func (s *Roles) removeDefinitions(ctx context.Context) (int64, error) {
	gone, err := s.undefined(ctx)
	for _, r := range gone {
		if _, err := s.db.Exec(ctx, `DELETE FROM roles WHERE resource = $1 AND name = $2 AND removed_at > 0
			AND COALESCE((SELECT user_id FROM user_roles WHERE resource = $1 AND role = $2 ORDER BY user_id LIMIT 1),
			(SELECT group_id FROM group_roles WHERE resource = $1 AND role = $2 ORDER BY group_id LIMIT 1)) IS NULL`, r.Resource, r.Name); err != nil {
			return 0, err
		}
	}
	return 0, err
}

// forPeople has f change what people have, batch after batch: next returns the ids of one, in their
// order, of which the last of the batch before is after; and done (nil: nothing) notes the last of
// them in the same transaction. It locks many people's rows in the order of their ids.
func (s *Roles) forPeople(ctx context.Context, next func(ctx context.Context, after string) ([]string, error),
	f func(ctx context.Context, userID string) error, done func(ctx context.Context, last string) error) (int64, error) {
	after := ""
	return s.db.Batches(ctx, batch, func(ctx context.Context) (int64, error) {
		var ids []string // of the try that was committed
		err := s.db.Tx(ctx, func(ctx context.Context) (err error) {
			if ids, err = next(ctx, after); err != nil || len(ids) == 0 {
				return err
			}
			for _, id := range ids {
				// ErrNotFound: the person is gone, or another process was faster.
				if err := s.change(ctx, id, func(ctx context.Context) error { return f(ctx, id) }); err != nil && !errors.Is(err, row.ErrNotFound) {
					return err
				}
			}
			if done == nil {
				return nil
			}
			return done(ctx, ids[len(ids)-1])
		})
		if err == nil && len(ids) > 0 {
			after = ids[len(ids)-1]
		}
		return int64(len(ids)), err
	})
}
