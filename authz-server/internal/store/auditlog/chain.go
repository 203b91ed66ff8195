package auditlog

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/maru-auth/maru/internal/sqldb"
)

// Link is a place in the chain.
type Link struct {
	Position int64 // 0: before the first entry
	MAC      []byte
}

// Anchor is what stands for the entries that were removed for their age.
type Anchor struct {
	Link // of the newest of them
	Seal []byte
}

// Waiting returns up to limit entries that wait for their place in the chain, the oldest first.
func (s *Entries) Waiting(ctx context.Context, limit int) ([]Entry, error) {
	return s.all(ctx, `SELECT * FROM audit_log WHERE mac IS NULL ORDER BY id LIMIT $1`, `e.id`, limit)
}

// Backlog returns since when the oldest entry waits for its place. Zero: none does.
func (s *Entries) Backlog(ctx context.Context) (since time.Time, err error) {
	var at int64
	err = s.db.QueryRow(ctx, `SELECT at FROM audit_log WHERE mac IS NULL ORDER BY id LIMIT 1`).Scan(&at)
	if errors.Is(err, sql.ErrNoRows) {
		return since, nil
	}
	return sqldb.Time(at), err
}

// Chain gives up to limit entries that wait their places, and returns them. mac is called for each
// with the link before it. Of several calls at once, one works and the others wait for it: the lock
// of the chain's row takes the place of a lease, and needs no clock.
func (s *Entries) Chain(ctx context.Context, limit int, mac func(before Link, e Entry) []byte) (chained []Entry, err error) {
	return chained, s.db.Tx(ctx, func(ctx context.Context) error {
		chained = nil
		last, _, err := s.hold(ctx)
		if err != nil {
			return err
		}
		waiting, err := s.Waiting(ctx, limit)
		if err != nil || len(waiting) == 0 {
			return err
		}
		for _, e := range waiting {
			e.Position = last.Position + 1
			e.MAC = mac(last, e)
			rows, err := s.db.Exec(ctx, `UPDATE audit_log SET position = $1, mac = $2
				WHERE id = $3 AND position IS NULL`, e.Position, e.MAC, e.ID)
			if err == nil && rows != 1 {
				err = errors.New("auditlog: an entry that waits for its place has one, or is gone")
			}
			if err != nil {
				return err
			}
			last = Link{e.Position, e.MAC}
			chained = append(chained, e)
		}
		_, err = s.db.Exec(ctx, `UPDATE audit_chain SET position = $1, mac = $2 WHERE id = 1`, last.Position, last.MAC)
		return err
	})
}

// hold locks the ends of the chain until the transaction ends.
func (s *Entries) hold(ctx context.Context) (head Link, anchor Anchor, err error) {
	err = s.db.ExecReturning(ctx, `UPDATE audit_chain SET position = position WHERE id = 1
		RETURNING position, mac, anchor_position, anchor_mac, anchor_seal`).Scan(
		&head.Position, &head.MAC, &anchor.Position, &anchor.MAC, &anchor.Seal)
	return head, anchor, err
}

// Ends returns the link of the newest entry, and the anchor.
func (s *Entries) Ends(ctx context.Context) (head Link, anchor Anchor, err error) {
	err = s.db.QueryRow(ctx, `SELECT position, mac, anchor_position, anchor_mac, anchor_seal
		FROM audit_chain WHERE id = 1`).Scan(
		&head.Position, &head.MAC, &anchor.Position, &anchor.MAC, &anchor.Seal)
	return head, anchor, err
}

// Trim removes up to limit entries from the old end of the chain, as far as all are older than
// before, and returns how many. The newest of them becomes the anchor, under the seal that seal
// makes.
func (s *Entries) Trim(ctx context.Context, before time.Time, limit int, seal func(Link) []byte) (rows int64, err error) {
	return rows, s.db.Tx(ctx, func(ctx context.Context) error {
		rows = 0
		_, anchor, err := s.hold(ctx)
		if err != nil {
			return err
		}
		old, err := s.After(ctx, anchor.Position, limit)
		if err != nil {
			return err
		}
		var last Link
		for _, e := range old {
			if !e.At.Before(before) {
				break
			}
			last = Link{e.Position, e.MAC}
		}
		if last.Position == 0 {
			return nil
		}
		for _, remove := range []string{
			`DELETE FROM audit_personal WHERE entry_id IN (SELECT id FROM audit_log
				WHERE position > $1 AND position <= $2)`,
			`DELETE FROM audit_log WHERE position > $1 AND position <= $2`,
		} {
			if rows, err = s.db.Exec(ctx, remove, anchor.Position, last.Position); err != nil {
				return err
			}
		}
		_, err = s.db.Exec(ctx, `UPDATE audit_chain SET anchor_position = $1, anchor_mac = $2,
			anchor_seal = $3 WHERE id = 1`, last.Position, last.MAC, seal(last))
		return err
	})
}
