package store

import (
	"context"
	"errors"

	"github.com/maru-auth/maru/authz-server/internal/store/roles"
)

// ErrLastAdministrator says that no administrator who can log in would be left.
var ErrLastAdministrator = errors.New("no administrator who can log in would be left")

// KeepAdministrator runs f, which may take away an administrator, in the transaction that ctx
// carries or in one of its own. If there is an administrator before f and none after it,
// ErrLastAdministrator undoes all. Of several calls at once, each sees what those before it left.
//
// Here an administrator is somebody with the role admin/admin, by themselves or by a group, who can
// act as one: the account is open and does not wait to be deleted, and they have a way in and a second
// factor: a passkey, which is both; or a code of an app, and a password or an upstream that is enabled;
// or, without a password, which would be asked for then, an upstream whose log-in can stand for the
// second step.
func (s *Store) KeepAdministrator(ctx context.Context, f func(ctx context.Context) error) error {
	return s.Tx(ctx, func(ctx context.Context) error {
		before, err := s.HasAdministrator(ctx)
		if err != nil {
			return err
		}
		if err := f(ctx); err != nil || !before {
			return err
		}
		// This lock comes after those of what f changes. Its holder may go on in an outer transaction,
		// with rows that depend on one it locked before (the sessions of whoever joins a group of
		// administrators), which nobody who waits here has; or, of several operations together, with
		// other people's and groups'. Should one who waits here have those, the database ends the
		// deadlock, and [sqldb.DB.Tx] does again what it undid.
		if err := s.HoldAdministrators(ctx); err != nil {
			return err
		}
		after, err := s.HasAdministrator(ctx)
		if err == nil && !after {
			err = ErrLastAdministrator
		}
		return err
	})
}

// HoldAdministrators has whoever else calls it, or is about to end [Store.KeepAdministrator], wait until
// the transaction of ctx ends. It locks the row of the role and changes nothing.
func (s *Store) HoldAdministrators(ctx context.Context) error {
	_, err := s.db.Exec(ctx, `UPDATE roles SET builtin = builtin
		WHERE resource = $1 AND name = $2`, roles.Admin.Resource, roles.Admin.Name)
	return err
}

// canAdminister tells of whoever has the role as r. It is a value and no join, and the look-ups below
// are in the order of their indexes, so that Postgres looks at those alone who have it.
const canAdminister = `(SELECT NOT u.disabled AND u.delete_at = 0 AND (u.passkey OR u.second_step AND u.password_hash <> '' OR EXISTS (
		SELECT 1 FROM identities i JOIN upstreams p ON p.name = i.upstream
		WHERE i.user_id = u.id AND NOT p.disabled AND (p.issuer = '' OR p.issuer = i.issuer) AND (u.second_step OR p.strong AND u.password_hash = '')))
	FROM users u WHERE u.id = r.user_id)`

// HasAdministrator tells whether there is an administrator who can act as one.
func (s *Store) HasAdministrator(ctx context.Context) (has bool, err error) {
	err = s.db.QueryRow(ctx, `SELECT COALESCE((SELECT TRUE FROM user_roles r
			WHERE r.resource = $1 AND r.role = $2 AND `+canAdminister+`
			ORDER BY r.resource, r.role, r.user_id LIMIT 1), FALSE)
		OR COALESCE((SELECT TRUE FROM group_roles gr JOIN groups g ON g.id = gr.group_id
			JOIN group_members r ON r.group_id = g.id
			WHERE gr.resource = $1 AND gr.role = $2 AND gr.removed_at = 0 AND g.removed_at = 0
			AND `+canAdminister+`
			ORDER BY gr.resource, gr.role, gr.group_id LIMIT 1), FALSE)`, roles.Admin.Resource, roles.Admin.Name).Scan(&has)
	return has, err
}

// CheckClock is [sqldb.DB.CheckClock].
func (s *Store) CheckClock(ctx context.Context) error { return s.db.CheckClock(ctx) }
