package accounts

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/maru-auth/maru/authz-server/internal/store/internal/external"
	"github.com/maru-auth/maru/authz-server/internal/store/internal/row"
	"github.com/maru-auth/maru/authz-server/internal/store/roles"
	"github.com/maru-auth/maru/internal/sqldb"
)

// Provisioned is an account as a client that provisions accounts has it. There is none of whoever
// has power over this server, nor of whoever is being deleted: to such clients, these do not exist.
type Provisioned struct {
	User
	ExternalID string        // what the client calls it; empty: nothing
	Groups     []roles.Group // ID and Name alone, in the order of the ids; 200 at most

	// Cursor is where a list goes on after this account.
	Cursor string
}

// ordinary is of accounts that are provisioned. $1 is the time.
const ordinary = roles.Ordinary + ` AND (u.delete_at = 0 OR u.delete_at > $1)`

// columnsFor are the columns of a Provisioned, with the numbers of two arguments: the client's id and
// a line feed.
func columnsFor(client int) string {
	return userColumns + fmt.Sprintf(`, COALESCE((SELECT e.external_id FROM external_users e
		WHERE e.client_id = $%d AND e.user_id = u.id), ''),
	COALESCE((SELECT string_agg(named.line, $%d) FROM (SELECT g.id || ' ' || g.name AS line
		FROM group_members m JOIN groups g ON g.id = m.group_id
		WHERE m.user_id = u.id AND g.removed_at = 0 ORDER BY m.group_id LIMIT 200) named), '')`, client, client+1)
}

const lineFeed = "\n" // which no name has

func scanProvisioned(scan func(...any) error, more ...any) (p Provisioned, err error) {
	var groups string
	p.User, err = scanUser(scan, append([]any{&p.ExternalID, &groups}, more...)...)
	for line := range strings.SplitSeq(groups, lineFeed) {
		if id, name, ok := strings.Cut(line, " "); ok {
			p.Groups = append(p.Groups, roles.Group{ID: id, Name: name})
		}
	}
	slices.SortFunc(p.Groups, func(a, b roles.Group) int { return strings.Compare(a.ID, b.ID) })
	return p, err
}

// Provisioned returns the account with this id, as the client has it. ErrNotFound: there is none for
// it.
func (s *Users) Provisioned(ctx context.Context, client, id string) (Provisioned, error) {
	return scanProvisioned(s.db.QueryRow(ctx, `SELECT `+columnsFor(3)+` FROM users u
		WHERE u.id = $2 AND `+ordinary, sqldb.Micros(s.now()), id, client, lineFeed).Scan)
}

// A Listing chooses the accounts of a list: by one of its fields, or all.
type Listing struct {
	ExternalID string    // that the client calls so
	GroupID    string    // that are in the group
	Since      time.Time // that changed then or later
	Beginning  string    // that [Users.Search] finds by this
}

// List returns up to limit of the accounts that a client provisions, in an order of the listing's
// own, after a cursor ("" starts at the first). A cursor that is none finds nobody.
func (s *Users) List(ctx context.Context, client string, by Listing, after string, limit int) ([]Provisioned, error) {
	switch {
	case by.ExternalID != "":
		return s.list(ctx, client, `FROM external_users x JOIN users u ON u.id = x.user_id
			WHERE x.client_id = $2 AND x.external_id = $3 AND x.user_id > $4 AND `+ordinary+`
			ORDER BY x.user_id LIMIT $5`, client, by.ExternalID, after, limit)
	case by.GroupID != "":
		return s.list(ctx, client, `FROM group_members x JOIN users u ON u.id = x.user_id
			WHERE x.group_id = $2 AND x.user_id > $3 AND `+ordinary+`
			ORDER BY x.user_id LIMIT $4`, by.GroupID, after, limit)
	case !by.Since.IsZero():
		return s.listSince(ctx, client, by.Since, after, limit)
	case by.Beginning != "":
		return s.listFound(ctx, client, by.Beginning, after, limit)
	}
	return s.list(ctx, client, `FROM users u WHERE u.id > $2 AND `+ordinary+`
		ORDER BY u.id LIMIT $3`, after, limit)
}

// list reads a list in the order of the accounts' ids, which are its cursors.
func (s *Users) list(ctx context.Context, client, from string, args ...any) ([]Provisioned, error) {
	args = append([]any{sqldb.Micros(s.now())}, args...)
	return sqldb.All(ctx, s.db, func(rows *sql.Rows) (p Provisioned, err error) {
		p, err = scanProvisioned(rows.Scan)
		p.Cursor = p.ID
		return p, err
	}, `SELECT `+columnsFor(len(args)+1)+` `+from, append(args, client, lineFeed)...)
}

// listSince lists in the order of the last changes. Whoever changes meanwhile comes again.
func (s *Users) listSince(ctx context.Context, client string, since time.Time, after string, limit int) ([]Provisioned, error) {
	from, id := sqldb.Micros(since), ""
	if after != "" {
		at, last, ok := strings.Cut(after, " ")
		micros, err := strconv.ParseInt(at, 36, 64)
		if !ok || err != nil || micros < from {
			return nil, nil
		}
		from, id = micros, last
	}
	return sqldb.All(ctx, s.db, func(rows *sql.Rows) (p Provisioned, err error) {
		p, err = scanProvisioned(rows.Scan)
		p.Cursor = strconv.FormatInt(sqldb.Micros(p.UpdatedAt), 36) + " " + p.ID
		return p, err
	}, `SELECT `+columnsFor(5)+` FROM users u
		WHERE u.updated_at >= $2 AND (u.updated_at > $2 OR u.id > $3) AND `+ordinary+`
		ORDER BY u.updated_at, u.id LIMIT $4`, sqldb.Micros(s.now()), from, id, limit, client, lineFeed)
}

// listFound lists those that [Users.Search] finds, in its order.
func (s *Users) listFound(ctx context.Context, client, beginning, after string, limit int) ([]Provisioned, error) {
	prefix := cut(folded(beginning))
	last, id, ok := readCursor(after)
	if prefix == "" || !ok || strings.ContainsFunc(prefix, unicode.IsControl) {
		return nil, nil
	}
	if _, err := s.IndexSome(ctx); err != nil {
		return nil, err
	}
	return sqldb.All(ctx, s.db, func(rows *sql.Rows) (p Provisioned, err error) {
		var word []byte
		p, err = scanProvisioned(rows.Scan, &word)
		p.Cursor = cursor(string(word), p.ID)
		return p, err
	}, `SELECT `+columnsFor(7)+`, w.word FROM user_words w JOIN users u ON u.id = w.user_id
		WHERE w.word >= $2 AND w.word < $3 AND (w.word > $2 OR w.user_id > $4) AND NOT EXISTS (SELECT 1 FROM user_words o
			WHERE o.user_id = w.user_id AND o.word >= $5 AND o.word < w.word) AND `+ordinary+`
		ORDER BY w.word, w.user_id LIMIT $6`, sqldb.Micros(s.now()),
		[]byte(max(last, prefix)), []byte(prefix+"\xff"), id, []byte(prefix), limit, client, lineFeed)
}

// IDs returns the ids of up to limit accounts that clients provision, in their order, after one.
func (s *Users) IDs(ctx context.Context, after string, limit int) ([]string, error) {
	return sqldb.All(ctx, s.db, row.Text, `SELECT u.id FROM users u WHERE u.id > $2 AND `+ordinary+`
		ORDER BY u.id LIMIT $3`, sqldb.Micros(s.now()), after, limit)
}

// A Name is what a client calls an account.
type Name struct {
	ClientID   string `json:"client_id"`
	ExternalID string `json:"external_id"`     // empty: it keeps the account without a name for it
	Keeps      bool   `json:"keeps,omitempty"` // it may change and remove the account
}

// NamesOf returns what clients call an account, limit of them at most.
func (s *Users) NamesOf(ctx context.Context, id string, limit int) ([]Name, error) {
	return sqldb.All(ctx, s.db, func(rows *sql.Rows) (n Name, err error) { return n, rows.Scan(&n.ClientID, &n.ExternalID, &n.Keeps) },
		`SELECT client_id, external_id, keeps FROM external_users WHERE user_id = $1 ORDER BY user_id LIMIT $2`, id, limit)
}

// SetExternalID notes what a client calls an account; empty: nothing.
func (s *Users) SetExternalID(ctx context.Context, client, id, externalID string) error {
	return external.Accounts(s.db).Set(ctx, client, id, externalID)
}

// Keeper returns the client that keeps an account: it may change and remove it. Empty: none does.
func (s *Users) Keeper(ctx context.Context, id string) (client string, err error) {
	return external.Accounts(s.db).Keeper(ctx, id)
}

// SetKeeper notes which client keeps an account, and that no other does; empty: none. Hold the
// account.
func (s *Users) SetKeeper(ctx context.Context, client, id string) error {
	return external.Accounts(s.db).SetKeeper(ctx, client, id)
}

// Touch notes that an account has changed since the time before, by a later one: its version is
// another then, whatever clock the change before had. ErrNotFound: there is no such account.
func (s *Users) Touch(ctx context.Context, id string, before time.Time) error {
	return row.Changed(s.db.Exec(ctx, `UPDATE users SET updated_at = $1 WHERE id = $2`,
		max(sqldb.Micros(s.now()), sqldb.Micros(before)+1), id))
}
