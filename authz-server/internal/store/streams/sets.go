package streams

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/store/internal/row"
	"github.com/maru-auth/maru/internal/sqldb"
)

// Set is a security event token that waits for its receiver. It is signed when it is sent.
type Set struct {
	ID       string // the claim "jti", the same at each attempt; set by Add
	StreamID string // set by Add
	Subject  string // sets of one subject go one after another; empty: this one need not wait
	Type     Type
	Claims   json.RawMessage // an object: the claims that do not depend on the stream

	Attempts  int64 // how often the receiver refused it
	LastError string
	CreatedAt time.Time // set by Add
	RefusedAt time.Time // when the receiver refused it first; zero: never
	DueAt     time.Time // not before: the next attempt
	GivenUpAt time.Time // zero: it waits
}

// MaxWaiting is about how many sets wait for a client's stream at most. The server's own streams
// have no bound: what they tell must not be lost.
const MaxWaiting = 100_000

// ErrFull says that [MaxWaiting] sets wait for a stream, and that it was paused for it.
var ErrFull = errors.New("too many events wait for the stream")

// FullReason is why a stream was paused that is full.
const FullReason = "Too many events wait. The stream holds them, and drops new ones, until it is enabled again."

// Add puts sets into the queue of a stream, in their order. It drops them if the stream is disabled
// or gone. ErrFull: it dropped them because too many wait; the stream is then paused. In a
// transaction that adds to several streams, take them in the order of their ids.
func (s *Streams) Add(ctx context.Context, streamID string, sets ...Set) error {
	if len(sets) == 0 {
		return nil
	}
	full := false
	err := s.db.Tx(ctx, func(ctx context.Context) error {
		full = false // an earlier try, which was undone, may have found it full
		// The row is locked until the transaction ends, so that sets are seen in the order of seq.
		var last, allowed int64
		var service string
		err := s.db.ExecReturning(ctx, `UPDATE streams SET last_seq = last_seq + $1
			WHERE id = $2 AND status <> 'disabled' RETURNING last_seq, allowed_seq, service`,
			len(sets), streamID).Scan(&last, &allowed, &service)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		if service == "" && last > allowed && sets[0].Type != StreamUpdated {
			if full, err = s.full(ctx, streamID, last, int64(len(sets))); full || err != nil {
				return err
			}
		}
		for i, set := range sets {
			if err := s.insert(ctx, streamID, last-int64(len(sets)-1-i), set); err != nil {
				return err
			}
		}
		s.db.AfterCommit(ctx, s.tellWaiting)
		return nil
	})
	if err == nil && full {
		return ErrFull
	}
	return err
}

// full tells whether too many sets wait for a stream, to which so many more were to be added up to
// the number last. It then pauses the stream.
func (s *Streams) full(ctx context.Context, streamID string, last, more int64) (bool, error) {
	var first sql.NullInt64
	if err := s.db.QueryRow(ctx, `SELECT min(seq) FROM stream_sets
		WHERE stream_id = $1 AND given_up_at = 0`, streamID).Scan(&first); err != nil {
		return false, err
	}
	if !first.Valid || last-first.Int64 < MaxWaiting {
		return false, nil
	}
	rows, err := s.db.Exec(ctx, `UPDATE streams SET status = 'paused', reason = $1, updated_at = $2
		WHERE id = $3 AND status = 'enabled'`, FullReason, sqldb.Micros(s.now()), streamID)
	if err != nil {
		return true, err
	}
	// The numbers are free again, but for that of what tells the receiver.
	if _, err = s.db.Exec(ctx, `UPDATE streams SET dropped = dropped + $1, last_seq = $2 WHERE id = $3`,
		more, last-more+rows, streamID); err != nil || rows == 0 {
		return true, err
	}
	told, err := Updated(streamID, Paused, FullReason)
	if err != nil {
		return true, err
	}
	return true, s.insert(ctx, streamID, last-more+1, told)
}

func (s *Streams) insert(ctx context.Context, streamID string, seq int64, set Set) error {
	now := sqldb.Micros(s.now())
	_, err := s.db.Exec(ctx, `INSERT INTO stream_sets (jti, stream_id, seq, subject, type, claims,
		attempts, last_error, created_at, refused_at, due_at, given_up_at)
		VALUES ($1, $2, $3, $4, $5, $6, 0, '', $7, 0, $7, 0)`,
		rand.Text(), streamID, seq, set.Subject, string(set.Type), string(set.Claims), now)
	return err
}

// Updated is the set that tells a receiver that its stream has another status (SSF §8.1.5).
func Updated(streamID string, status Status, reason string) (Set, error) {
	event := map[string]string{"status": string(status)}
	if reason != "" {
		event["reason"] = reason
	}
	return OfStream(streamID, StreamUpdated, event)
}

// OfStream is a set about a stream itself.
func OfStream(streamID string, t Type, event map[string]string) (Set, error) {
	claims, err := json.Marshal(map[string]any{
		"sub_id": map[string]string{"format": "opaque", "id": streamID},
		"events": map[string]any{t.URI(): event},
		"txn":    rand.Text(),
	})
	return Set{Type: t, Claims: claims}, err
}

const setColumns = `e.jti, e.stream_id, e.subject, e.type, e.claims, e.attempts, e.last_error,
	e.created_at, e.refused_at, e.due_at, e.given_up_at`

func scanSet(rows *sql.Rows) (s Set, err error) {
	var claims string
	var created, refused, due, givenUp int64
	err = rows.Scan(&s.ID, &s.StreamID, &s.Subject, &s.Type, &claims, &s.Attempts, &s.LastError,
		&created, &refused, &due, &givenUp)
	s.Claims, s.CreatedAt, s.RefusedAt = json.RawMessage(claims), sqldb.Time(created), sqldb.Time(refused)
	s.DueAt, s.GivenUpAt = sqldb.Time(due), sqldb.Time(givenUp)
	return s, err
}

// Ready returns up to limit sets of a stream that can be sent now, the oldest first: of each
// subject the first. If the stream is not enabled, those are what says so. more tells whether
// others wait as well.
func (s *Streams) Ready(ctx context.Context, stream Stream, limit int) (ready []Set, more bool, err error) {
	now := sqldb.Micros(s.now())
	// The + 0 keeps the engines from the index by due_at: nearly all is due, and seq is the order.
	if stream.Status == Enabled {
		ready, err = sqldb.All(ctx, s.db, scanSet, `SELECT `+setColumns+`
			FROM (SELECT jti, stream_id, seq, subject, type, claims, attempts, last_error, created_at,
				refused_at, due_at, given_up_at FROM stream_sets
				WHERE stream_id = $1 AND given_up_at = 0 AND due_at + 0 <= $2 ORDER BY seq LIMIT 500) e
			WHERE e.subject = '' OR NOT EXISTS (SELECT 1 FROM stream_sets b
				WHERE b.stream_id = $1 AND b.subject = e.subject AND b.given_up_at = 0 AND b.seq < e.seq)
			ORDER BY e.seq LIMIT $3`, stream.ID, now, limit+1)
	} else {
		ready, err = sqldb.All(ctx, s.db, scanSet, `SELECT `+setColumns+` FROM stream_sets e
			WHERE e.stream_id = $1 AND e.type = 'stream-updated' AND e.given_up_at = 0 AND e.due_at + 0 <= $2
			ORDER BY e.seq LIMIT $3`, stream.ID, now, limit+1)
	}
	if len(ready) > limit {
		ready, more = ready[:limit], true
	}
	return ready, more, err
}

// Done removes a set that the receiver has, or does not want any more. It is no error if there is
// none with that id in the stream.
func (s *Streams) Done(ctx context.Context, streamID, id string) error {
	_, err := s.db.Exec(ctx, `DELETE FROM stream_sets WHERE jti = $1 AND stream_id = $2`, id, streamID)
	return err
}

// Refuse notes that the receiver does not take a set, and when it is tried again; the zero time
// gives up. It is no error if the set is gone.
func (s *Streams) Refuse(ctx context.Context, streamID, id, reason string, next time.Time) error {
	now, givenUp := s.now(), time.Time{}
	if next.IsZero() {
		next, givenUp = now, now
	}
	_, err := s.db.Exec(ctx, `UPDATE stream_sets SET attempts = attempts + 1, last_error = $1,
		refused_at = CASE WHEN refused_at = 0 THEN CAST($2 AS BIGINT) ELSE refused_at END,
		due_at = $3, given_up_at = $4 WHERE jti = $5 AND stream_id = $6 AND given_up_at = 0`,
		row.Printable(reason), sqldb.Micros(now), sqldb.Micros(next), sqldb.Micros(givenUp), id, streamID)
	return err
}

// Pushable returns the streams that have something to push now and that nobody pushes. By a clock that is
// wrong nothing is pushed, as in [outbox.Queue.Take].
func (s *Streams) Pushable(ctx context.Context) ([]Stream, error) {
	if right, err := s.db.ClockRight(ctx); err != nil || !right {
		return nil, err
	}
	return sqldb.All(ctx, s.db, scanStreams, `SELECT `+streamColumns+` FROM streams s
		WHERE endpoint <> '' AND due_at <= $1 AND leased_until <= $1 AND (status = 'enabled'
			AND (SELECT min(w.due_at) FROM stream_sets w
				WHERE w.stream_id = s.id AND w.given_up_at = 0) <= $1
			OR (SELECT min(w.seq) FROM stream_sets w
				WHERE w.stream_id = s.id AND w.given_up_at = 0 AND w.type = 'stream-updated') > 0)
		ORDER BY id`, sqldb.Micros(s.now()))
}

// Lease makes the caller the one who pushes a stream, until then. ErrNotFound: somebody else does.
func (s *Streams) Lease(ctx context.Context, id string, until time.Time) error {
	return row.Changed(s.db.Exec(ctx, `UPDATE streams SET leased_until = $1
		WHERE id = $2 AND leased_until <= $3 AND due_at <= $3`,
		sqldb.Micros(until), id, sqldb.Micros(s.now())))
}

// Release ends a lease after all went well. No push is tried before next; zero: at once.
func (s *Streams) Release(ctx context.Context, id string, until, next time.Time) error {
	_, err := s.db.Exec(ctx, `UPDATE streams SET leased_until = 0, attempts = 0, failing_since = 0,
		last_error = '', due_at = $1 WHERE id = $2 AND leased_until = $3`,
		sqldb.Micros(next), id, sqldb.Micros(until))
	return err
}

// Failed ends a lease after the receiver could not be reached, or would not answer as it should.
func (s *Streams) Failed(ctx context.Context, id string, until time.Time, reason string, next time.Time) error {
	_, err := s.db.Exec(ctx, `UPDATE streams SET leased_until = 0, attempts = attempts + 1,
		failing_since = CASE WHEN failing_since = 0 THEN CAST($1 AS BIGINT) ELSE failing_since END,
		last_error = $2, due_at = $3 WHERE id = $4 AND leased_until = $5`,
		sqldb.Micros(s.now()), row.Printable(reason), sqldb.Micros(next), id, sqldb.Micros(until))
	return err
}

// Depth is how much waits for a stream.
type Depth struct {
	Waiting int64     // up to 1000, which stands for more
	Oldest  time.Time // when the oldest of them was added; zero: none waits
	Refused int64     // up to 1000: those that the receiver refused, and that were given up
}

// Depth returns how much waits for a stream.
func (s *Streams) Depth(ctx context.Context, id string) (d Depth, err error) {
	var oldest int64
	if err := s.db.QueryRow(ctx, `SELECT count(*), COALESCE(min(created_at), 0) FROM (
		SELECT created_at FROM stream_sets WHERE stream_id = $1 AND given_up_at = 0
		ORDER BY seq LIMIT 1000) w`, id).Scan(&d.Waiting, &oldest); err != nil {
		return d, err
	}
	d.Oldest = sqldb.Time(oldest)
	return d, s.db.QueryRow(ctx, `SELECT count(*) FROM (SELECT jti FROM stream_sets
		WHERE stream_id = $1 AND given_up_at > 0 LIMIT 1000) w`, id).Scan(&d.Refused)
}

// Sets returns up to limit sets of a stream that wait or were given up, in the order of their ids,
// starting after the id after.
func (s *Streams) Sets(ctx context.Context, streamID, after string, limit int) ([]Set, error) {
	return sqldb.All(ctx, s.db, scanSet, `SELECT `+setColumns+` FROM stream_sets e
		WHERE e.stream_id = $1 AND e.jti > $2 ORDER BY e.stream_id, e.jti LIMIT $3`, streamID, after, limit)
}

// Retry has a stream's sets tried again that were given up, in batches, and the receiver at once.
// It returns how many sets there were.
func (s *Streams) Retry(ctx context.Context, streamID string) (int64, error) {
	began := sqldb.Micros(s.now())
	rows, err := s.db.Batches(ctx, sqldb.BatchRows, func(ctx context.Context) (int64, error) {
		return s.db.Exec(ctx, `UPDATE stream_sets
			SET given_up_at = 0, attempts = 0, refused_at = 0, due_at = $1
			WHERE given_up_at > 0 AND jti IN (
				SELECT jti FROM stream_sets WHERE stream_id = $2 AND given_up_at > 0 AND given_up_at <= $1
				ORDER BY stream_id, given_up_at LIMIT 200)`, began, streamID)
	})
	if err == nil {
		_, err = s.db.Exec(ctx, `UPDATE streams SET due_at = 0 WHERE id = $1`, streamID)
	}
	s.db.AfterCommit(ctx, s.tellWaiting)
	return rows, err
}

// Retention is how long an operator can see a set that was given up.
const Retention = 30 * 24 * time.Hour

// Sweeps lists sets that were given up [Retention] ago, and those of streams that are disabled.
func (s *Streams) Sweeps() []sqldb.Sweep {
	return []sqldb.Sweep{
		{Name: "events that receivers refused", Keep: Retention, Rows: sqldb.Rows{
			Table: "stream_sets", Key: "jti", Where: "given_up_at > 0 AND given_up_at <= $1", Order: "given_up_at"}},
		{Name: "events of disabled streams", Step: s.dropDisabled},
	}
}

// dropDisabled removes a batch of what waits for streams that are disabled, but for what tells them
// so.
func (s *Streams) dropDisabled(ctx context.Context, _ time.Time) (rows int64, err error) {
	ids, err := sqldb.All(ctx, s.db, row.Text, `SELECT id FROM streams WHERE status = 'disabled'`)
	if err != nil {
		return 0, err
	}
	for _, id := range ids {
		rows, err = s.db.Exec(ctx, `DELETE FROM stream_sets WHERE jti IN (SELECT jti FROM stream_sets
			WHERE stream_id = $1 AND given_up_at = 0 AND type <> 'stream-updated'
			ORDER BY stream_id, seq LIMIT 200)`, id)
		if err != nil || rows == sqldb.BatchRows {
			return rows, err
		}
	}
	return rows, nil
}

// Drop removes what waits for a stream, but for what tells of its status.
func (s *Streams) Drop(ctx context.Context, streamID string) error {
	_, err := s.db.Remove(ctx, sqldb.Rows{Table: "stream_sets", Key: "jti",
		Where: "stream_id = $1 AND given_up_at = 0 AND type <> 'stream-updated'", Order: "stream_id, seq"}, streamID)
	return err
}
