// Package external stores what clients call accounts and groups, and which client keeps each.
package external

import (
	"context"
	"database/sql"
	"errors"

	"github.com/maru-auth/maru/internal/sqldb"
)

// Names are what clients call accounts, or what they call groups. A client that keeps something may
// change and remove it; it can have a name for it or none, and so can any other.
type Names struct {
	db     *sqldb.DB
	table  string
	column string // of the account or group
}

// Accounts are the names of accounts in db.
func Accounts(db *sqldb.DB) Names { return Names{db, "external_users", "user_id"} }

// Groups are the names of groups in db.
func Groups(db *sqldb.DB) Names { return Names{db, "external_groups", "group_id"} }

// Set notes what a client calls the account or group with this id; empty: nothing.
func (n Names) Set(ctx context.Context, client, id, name string) error {
	if name != "" {
		_, err := n.db.Exec(ctx, `INSERT INTO `+n.table+` (client_id, `+n.column+`, external_id) VALUES ($1, $2, $3)
			ON CONFLICT (client_id, `+n.column+`) DO UPDATE SET external_id = $3`, client, id, name)
		return err
	}
	if _, err := n.db.Exec(ctx, `DELETE FROM `+n.table+`
		WHERE client_id = $1 AND `+n.column+` = $2 AND NOT keeps`, client, id); err != nil {
		return err
	}
	_, err := n.db.Exec(ctx, `UPDATE `+n.table+` SET external_id = ''
		WHERE client_id = $1 AND `+n.column+` = $2`, client, id)
	return err
}

// Keeper returns the client that keeps the account or group with this id. Empty: none does.
func (n Names) Keeper(ctx context.Context, id string) (client string, err error) {
	err = n.db.QueryRow(ctx, `SELECT client_id FROM `+n.table+`
		WHERE `+n.column+` = $1 AND keeps LIMIT 1`, id).Scan(&client)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return client, err
}

// SetKeeper notes which client keeps the account or group with this id, and that no other does; empty:
// none.
func (n Names) SetKeeper(ctx context.Context, client, id string) error {
	return n.db.Tx(ctx, func(ctx context.Context) error {
		for _, end := range []string{
			`DELETE FROM ` + n.table + ` WHERE ` + n.column + ` = $1 AND keeps AND external_id = ''`,
			`UPDATE ` + n.table + ` SET keeps = FALSE WHERE ` + n.column + ` = $1 AND keeps`,
		} {
			if _, err := n.db.Exec(ctx, end, id); err != nil {
				return err
			}
		}
		if client == "" {
			return nil
		}
		_, err := n.db.Exec(ctx, `INSERT INTO `+n.table+` (client_id, `+n.column+`, external_id, keeps)
			VALUES ($1, $2, '', TRUE) ON CONFLICT (client_id, `+n.column+`) DO UPDATE SET keeps = TRUE`, client, id)
		return err
	})
}
