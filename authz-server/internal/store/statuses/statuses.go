// Package statuses stores what the Token Status Lists are made of: the lists, and the blocks of
// them that replicas leased. Which tokens were revoked by themselves, and which grants ended, is in
// package grants.
//
// A block belongs to a client, so that all tokens of a client are revoked by one statement.
package statuses

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/store/internal/row"
	"github.com/maru-auth/maru/internal/sqldb"
)

// ListSize is how many positions a list has: 128 KiB of bits.
const ListSize = 1 << 20

// List is a status list.
type List struct {
	ID        int64
	Name      string    // in its address
	RevokedAt time.Time // zero, or since when all of it is revoked
}

// Block is a range of a list's positions for the tokens of one client.
type Block struct {
	List      string // its name
	First     int64
	Size      int64
	ExpiresAt time.Time // when the last token has expired
	RevokedAt time.Time // zero, or since when all of its tokens are revoked
}

// Statuses stores lists and blocks.
type Statuses struct {
	db  *sqldb.DB
	now func() time.Time
}

// New returns the lists in db.
func New(db *sqldb.DB, now func() time.Time) *Statuses { return &Statuses{db, now} }

// InTransaction tells whether ctx carries a transaction, which Lease must not join: it would be
// undone with it, while the replica went on using the block.
func (s *Statuses) InTransaction(ctx context.Context) bool { return s.db.InTransaction(ctx) }

// Holder is whose tokens a block is for: a client as it was read.
type Holder struct {
	ClientID string // the issuer's address, if it is the issuer itself
	Epoch    int64  // of the client
	Own      bool   // it is the issuer itself, which is always there
}

// Lease takes the next positions of the newest list, size of them and at most [ListSize], for the
// tokens of a client. Their last token must have expired at expires. When the list is full, a list
// with the name fresh takes its place. No position is ever leased twice. ErrNotFound: the client was
// removed or disabled since it was read, or all its tokens were revoked.
//
// Call it outside of transactions (see InTransaction).
func (s *Statuses) Lease(ctx context.Context, of Holder, size int64, expires time.Time, fresh string) (Block, error) {
	block := Block{Size: size, ExpiresAt: expires}
	err := s.db.Tx(ctx, func(ctx context.Context) error {
		if err := s.hold(ctx, of); err != nil {
			return err
		}
		id, err := s.take(ctx, &block)
		if errors.Is(err, sql.ErrNoRows) {
			// Of several replicas that see a full list, one makes the next: who comes after it has
			// committed finds room.
			if _, err := s.db.Exec(ctx, `INSERT INTO status_lists (id, name, leased, revoked_at)
				SELECT COALESCE(max(id), 0) + 1, $1, 0, 0 FROM status_lists
				HAVING COALESCE(max(CASE WHEN leased + $2 <= $3 THEN id END), 0) < COALESCE(max(id), 1)
				ON CONFLICT DO NOTHING`, fresh, size, int64(ListSize)); err != nil {
				return err
			}
			id, err = s.take(ctx, &block)
		}
		if err != nil {
			return err
		}
		_, err = s.db.Exec(ctx, `INSERT INTO status_blocks (list_id, first, size, client_id,
			expires_at, revoked_at) VALUES ($1, $2, $3, $4, $5, 0)`,
			id, block.First, size, of.ClientID, sqldb.Micros(expires))
		return err
	})
	return block, err
}

// hold locks the row of a client that is to get a block: what revokes all its tokens comes wholly
// before, and the client is refused, or wholly after, and finds the block. It notes that the client
// is in use.
func (s *Statuses) hold(ctx context.Context, of Holder) error {
	if of.Own {
		return nil
	}
	return row.Changed(s.db.Exec(ctx, `UPDATE clients SET used_at = $3
		WHERE id = $1 AND epoch = $2 AND removed_at = 0 AND disabled_at = 0`, of.ClientID, of.Epoch, sqldb.Micros(s.now())))
}

// take moves on the newest list's mark. sql.ErrNoRows: it has no room, or there is no list.
func (s *Statuses) take(ctx context.Context, block *Block) (id int64, err error) {
	err = s.db.ExecReturning(ctx, `UPDATE status_lists SET leased = leased + $1
		WHERE id = (SELECT max(id) FROM status_lists) AND leased + $1 <= $2
		RETURNING id, name, leased - $1`, block.Size, int64(ListSize)).Scan(&id, &block.List, &block.First)
	return id, err
}

// Lists returns all lists that unexpired tokens may refer to, the oldest first.
func (s *Statuses) Lists(ctx context.Context) ([]List, error) {
	return sqldb.All(ctx, s.db, func(rows *sql.Rows) (l List, err error) {
		var revoked int64
		err = rows.Scan(&l.ID, &l.Name, &revoked)
		l.RevokedAt = sqldb.Time(revoked)
		return l, err
	}, `SELECT id, name, revoked_at FROM status_lists ORDER BY id`)
}

// RevokedBlocks returns the unexpired blocks that were revoked at or after since.
func (s *Statuses) RevokedBlocks(ctx context.Context, since time.Time) ([]Block, error) {
	return sqldb.All(ctx, s.db, func(rows *sql.Rows) (b Block, err error) {
		var expires, revoked int64
		err = rows.Scan(&b.List, &b.First, &b.Size, &expires, &revoked)
		b.ExpiresAt, b.RevokedAt = sqldb.Time(expires), sqldb.Time(revoked)
		return b, err
	}, `SELECT l.name, b.first, b.size, b.expires_at, b.revoked_at
		FROM status_blocks b JOIN status_lists l ON l.id = b.list_id
		WHERE b.revoked_at >= $1`, max(sqldb.Micros(since), 1))
}

// RevokeClient revokes all tokens that a client holds, its own and those of people's grants to it. A
// new epoch of the client, in the same transaction, has replicas take a new block at once; without
// one they notice within a second.
func (s *Statuses) RevokeClient(ctx context.Context, clientID string) error {
	_, err := s.db.Exec(ctx, `UPDATE status_blocks SET revoked_at = $1
		WHERE client_id = $2 AND revoked_at = 0`, sqldb.Micros(s.now()), clientID)
	return err
}

// RevokeAll revokes every token that any list is for, also those that the database does not know
// of because it is a backup, and ends the lists.
func (s *Statuses) RevokeAll(ctx context.Context) error {
	_, err := s.db.Exec(ctx, `UPDATE status_lists SET leased = $1, revoked_at = $2
		WHERE revoked_at = 0`, int64(ListSize), sqldb.Micros(s.now()))
	return err
}

// keepRevoked is how long a wholly revoked list stays, for tokens that the database knows nothing
// of: as long as an access token can live by the settings.
const keepRevoked = 25 * time.Hour

// Sweeps lists blocks whose tokens have expired, and full lists without blocks.
func (s *Statuses) Sweeps() []sqldb.Sweep {
	return []sqldb.Sweep{
		{Name: "blocks of status lists", Keep: time.Minute, Rows: sqldb.Rows{
			Table: "status_blocks", Key: "list_id, first", Where: "expires_at < $1", Order: "expires_at"}},
		{Name: "status lists", Step: s.sweepLists, Batch: sqldb.BatchRows},
	}
}

// sweepLists removes lists that are full, or nearly so, and have no blocks. The newest stays: its
// id must not be used again.
func (s *Statuses) sweepLists(ctx context.Context, now time.Time) (int64, error) {
	return s.db.Exec(ctx, `DELETE FROM status_lists WHERE id IN (
		SELECT l.id FROM status_lists l
		WHERE l.id < (SELECT max(id) FROM status_lists) AND l.revoked_at < $1
		AND NOT EXISTS (SELECT 1 FROM status_blocks b WHERE b.list_id = l.id)
		ORDER BY l.id LIMIT 200)`, sqldb.Micros(now.Add(-keepRevoked)))
}
