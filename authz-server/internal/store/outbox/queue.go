// Package outbox stores what is to be told to others after a transaction: log-outs, mail, calls to
// services. It also knows which clients know of which session. Package queue delivers.
package outbox

import (
	"cmp"
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/store/internal/row"
	"github.com/maru-auth/maru/internal/sqldb"
)

// Item is something that is to be delivered.
type Item struct {
	ID     string // the same at each attempt
	Kind   string // who delivers it
	Lane   string // whoever it goes to; the lanes of a kind take turns. Empty: a lane of its own, "*"
	Topic  string // what it is about, for lists and logs: no secret, nor anything a stranger chose
	UserID string // empty: it concerns no person

	Payload []byte // what else its handler needs
	Sealed  bool   // Payload is encrypted with the key-encryption key; see package queue

	Attempts  int64 // those begun, the present one too
	LastError string
	CreatedAt time.Time
	Since     time.Time // when it was due first, or retried by an operator; giving up counts from here
	DueAt     time.Time // when it is tried next; while a replica tries, when another one may
	GivenUpAt time.Time // zero: it is still tried
}

// Queue stores items until they are delivered. A process must have one Queue for a database, so
// that [Queue.Due] tells of all that it adds.
type Queue struct {
	db  *sqldb.DB
	now func() time.Time

	mu    sync.Mutex
	due   map[string]chan struct{} // by kind
	turns map[string]string        // kind → lane from which Take took last
}

// NewQueue returns the queue in db.
func NewQueue(db *sqldb.DB, now func() time.Time) *Queue {
	return &Queue{db: db, now: now, due: map[string]chan struct{}{}, turns: map[string]string{}}
}

// NewID returns an id for an [Item] whose maker has to know it before [Queue.Add].
func NewID() string { return rand.Text() }

// Add queues an item, in the transaction that ctx carries, if any: an item of a transaction that is
// rolled back is never delivered, and after the commit a crash loses none. Kind must be set. ID,
// CreatedAt and DueAt have defaults: a new one, now, and at once. What counts attempts is ignored.
func (q *Queue) Add(ctx context.Context, item Item) error {
	if item.Kind == "" {
		return errors.New("an item of the queue needs a kind")
	}
	now := q.now()
	if item.CreatedAt.IsZero() {
		item.CreatedAt = now
	}
	if item.DueAt.IsZero() {
		item.DueAt = now
	}
	if item.Payload == nil {
		item.Payload = []byte{}
	}
	_, err := q.db.Exec(ctx, `INSERT INTO outbox (id, kind, lane, topic, user_id, payload, sealed,
		attempts, leased, last_error, created_at, since_at, due_at, given_up_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, 0, false, '', $8, $9, $9, 0)`,
		cmp.Or(item.ID, NewID()), item.Kind, cmp.Or(item.Lane, "*"), item.Topic, item.UserID,
		item.Payload, item.Sealed, sqldb.Micros(item.CreatedAt), sqldb.Micros(item.DueAt))
	if err == nil {
		q.db.AfterCommit(ctx, func() { q.wake(item.Kind) })
	}
	return err
}

// Due receives a value soon after this process added items of a kind. To find those of other
// processes, poll with [Queue.Take].
func (q *Queue) Due(kind string) <-chan struct{} { return q.signal(kind) }

func (q *Queue) wake(kind string) {
	select {
	case q.signal(kind) <- struct{}{}:
	default: // it is known already
	}
}

func (q *Queue) signal(kind string) chan struct{} {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.due[kind] == nil {
		q.due[kind] = make(chan struct{}, 1)
	}
	return q.due[kind]
}

// lanePage is how many lanes one statement of Take looks at.
const lanePage = 200

// takeRounds is how often Take looks again when others took what it found.
const takeRounds = 3

// Take takes up to limit items of a kind that are due. Nobody else takes them before the lease is
// over; if this process dies, another one takes them then. It goes from lane to lane, and the next
// call goes on behind the last one, so that a long queue in one lane costs the others nothing. room
// is asked, once for each lane in which something is due, how many items of it to take at most. By a
// clock that is wrong nothing is taken ([sqldb.DB.ClockRight]): one that is ahead would give up what has
// not expired, and put off what fails for as long as it is ahead.
func (q *Queue) Take(
	ctx context.Context, kind string, lease time.Duration, limit int, room func(lane string) int,
) ([]Item, error) {
	if right, err := q.db.ClockRight(ctx); err != nil || !right {
		return nil, err
	}
	for range takeRounds {
		found, err := q.lanesDue(ctx, kind, limit, room)
		if err != nil || len(found) == 0 {
			return nil, err
		}
		taken, err := q.takeOf(ctx, kind, found, lease, limit)
		if err != nil || len(taken) > 0 {
			return taken, err
		}
	}
	return nil, nil
}

// allowance is how many items of a lane may be taken.
type allowance struct {
	lane string
	most int
}

// takeOf takes items of some lanes, each in a transaction of its own: replicas go round in
// different orders, and would wait for each other's rows in a circle.
func (q *Queue) takeOf(
	ctx context.Context, kind string, from []allowance, lease time.Duration, limit int,
) (taken []Item, err error) {
	for _, a := range from {
		got, err := q.takeLane(ctx, kind, a.lane, lease, min(a.most, limit-len(taken)))
		if err != nil && len(taken) == 0 {
			return nil, err
		}
		if err != nil { // the database will say so again
			return taken, nil
		}
		q.mu.Lock()
		q.turns[kind] = a.lane
		q.mu.Unlock()
		if taken = append(taken, got...); len(taken) >= limit {
			break
		}
	}
	return taken, nil
}

// takeLane takes items of one lane. The condition on due_at stands outside as well, where Postgres
// evaluates it again after waiting for another transaction's update.
func (q *Queue) takeLane(
	ctx context.Context, kind, lane string, lease time.Duration, limit int,
) (taken []Item, err error) {
	now := q.now()
	err = q.db.Tx(ctx, func(ctx context.Context) error {
		taken, err = sqldb.All(ctx, q.db, scanItem, `UPDATE outbox
			SET due_at = $1, leased = true, attempts = attempts + 1
			WHERE due_at <= $2 AND given_up_at = 0 AND id IN (
				SELECT id FROM outbox
				WHERE kind = $3 AND lane = $4 AND due_at <= $2 AND given_up_at = 0
				ORDER BY due_at, id LIMIT `+strconv.Itoa(limit)+`)
			RETURNING `+itemColumns,
			sqldb.Micros(now.Add(lease)), sqldb.Micros(now), kind, lane)
		return err
	})
	if err != nil {
		return nil, err
	}
	return taken, nil
}

// lanesDue returns lanes in which something is due and which have room, beginning behind the lane
// that had its turn last: as many as can fill limit, or all of them.
func (q *Queue) lanesDue(
	ctx context.Context, kind string, limit int, room func(lane string) int,
) (found []allowance, err error) {
	q.mu.Lock()
	from := q.turns[kind]
	q.mu.Unlock()
	now, seen, around := sqldb.Micros(q.now()), map[string]bool{}, from == ""
	for {
		page, err := q.lanes(ctx, kind, from)
		if err != nil {
			return nil, err
		}
		for _, l := range page {
			if seen[l.name] { // once round
				return found, nil
			}
			if seen[l.name] = true; l.due > now {
				continue
			}
			if most := room(l.name); most > 0 {
				found = append(found, allowance{l.name, most})
			}
			if len(found) == limit { // each has at least one
				return found, nil
			}
		}
		switch {
		case len(page) == lanePage:
			from = page[len(page)-1].name
		case around:
			return found, nil
		default:
			from, around = "", true
		}
	}
}

// lane is one that has items waiting, the first of them due then.
type lane struct {
	name string
	due  int64
}

// lanes returns the next lanes behind after that have items waiting, due or not, by two looks at an
// index for each.
func (q *Queue) lanes(ctx context.Context, kind, after string) ([]lane, error) {
	return sqldb.All(ctx, q.db, func(rows *sql.Rows) (l lane, err error) {
		return l, rows.Scan(&l.name, &l.due)
	}, `WITH RECURSIVE waiting (lane, n) AS (
			SELECT min(lane), 1 FROM outbox WHERE kind = $1 AND given_up_at = 0 AND lane > $2
			UNION ALL
			SELECT (SELECT min(o.lane) FROM outbox o
			WHERE o.kind = $1 AND o.given_up_at = 0 AND o.lane > waiting.lane), n + 1
			FROM waiting WHERE lane IS NOT NULL AND n < 200)
		SELECT lane, (SELECT min(o.due_at) FROM outbox o
			WHERE o.kind = $1 AND o.lane = waiting.lane AND o.given_up_at = 0)
		FROM waiting WHERE lane IS NOT NULL`, kind, after)
}

const itemColumns = `id, kind, lane, topic, user_id, payload, sealed, attempts, last_error,
	created_at, since_at, due_at, given_up_at`

func scanItem(rows *sql.Rows) (i Item, err error) {
	var created, since, due, givenUp int64
	err = rows.Scan(&i.ID, &i.Kind, &i.Lane, &i.Topic, &i.UserID, &i.Payload, &i.Sealed, &i.Attempts,
		&i.LastError, &created, &since, &due, &givenUp)
	i.CreatedAt, i.Since = sqldb.Time(created), sqldb.Time(since)
	i.DueAt, i.GivenUpAt = sqldb.Time(due), sqldb.Time(givenUp)
	return i, err
}

// End removes an item that is done or not wanted any more.
func (q *Queue) End(ctx context.Context, id string) error {
	_, err := q.db.Exec(ctx, `DELETE FROM outbox WHERE id = $1`, id)
	return err
}

// Postpone notes why an attempt failed and when the next one is due; the zero time gives up. It
// does nothing if the lease was over and somebody else has taken the item since.
func (q *Queue) Postpone(ctx context.Context, taken Item, reason string, next time.Time) error {
	due, givenUp := next, time.Time{}
	if next.IsZero() {
		due, givenUp = taken.DueAt, q.now()
	}
	_, err := q.db.Exec(ctx, `UPDATE outbox
		SET due_at = $1, given_up_at = $2, last_error = $3, leased = false
		WHERE id = $4 AND attempts = $5 AND due_at = $6`,
		sqldb.Micros(due), sqldb.Micros(givenUp), row.Printable(reason), taken.ID, taken.Attempts,
		sqldb.Micros(taken.DueAt))
	return err
}

// List returns up to limit items of a kind that are not done, including those given up, in the
// order of their ids, starting after the id after.
func (q *Queue) List(ctx context.Context, kind, after string, limit int) ([]Item, error) {
	return sqldb.All(ctx, q.db, scanItem, `SELECT `+itemColumns+` FROM outbox
		WHERE kind = $1 AND id > $2 ORDER BY kind, id LIMIT $3`, kind, after, limit)
}

// Retry has an item of a kind tried at once, and anew for as long as a new one, whether it was
// given up or waits for its next attempt. ErrNotFound: there is none with that id, or it is being
// tried.
func (q *Queue) Retry(ctx context.Context, kind, id string) error {
	err := row.Changed(q.db.Exec(ctx, `UPDATE outbox
		SET given_up_at = 0, attempts = 0, leased = false, due_at = $1, since_at = $1
		WHERE id = $2 AND kind = $3 AND (given_up_at > 0 OR NOT leased OR due_at <= $1)`,
		sqldb.Micros(q.now()), id, kind))
	if err == nil {
		q.db.AfterCommit(ctx, func() { q.wake(kind) })
	}
	return err
}

// Drop removes an item of a kind that is not being tried, and returns it: whoever it is for does not
// get it. ErrNotFound: there is none with that id, or it is being tried.
func (q *Queue) Drop(ctx context.Context, kind, id string) (Item, error) {
	gone, err := sqldb.All(ctx, q.db, scanItem, `DELETE FROM outbox
		WHERE id = $1 AND kind = $2 AND (given_up_at > 0 OR NOT leased OR due_at <= $3)
		RETURNING `+itemColumns, id, kind, sqldb.Micros(q.now()))
	if err == nil && len(gone) == 0 {
		err = row.ErrNotFound
	}
	if err != nil {
		return Item{}, err
	}
	return gone[0], nil
}

// RetryGivenUp is [Queue.Retry] for all items of a kind that were given up, in batches. It returns
// how many there were.
func (q *Queue) RetryGivenUp(ctx context.Context, kind string) (int64, error) {
	began := sqldb.Micros(q.now())
	rows, err := q.db.Batches(ctx, sqldb.BatchRows, func(ctx context.Context) (int64, error) {
		return q.db.Exec(ctx, `UPDATE outbox
			SET given_up_at = 0, attempts = 0, leased = false, due_at = $1, since_at = $1
			WHERE given_up_at > 0 AND id IN (
				SELECT id FROM outbox WHERE kind = $2 AND given_up_at > 0 AND given_up_at <= $1
				ORDER BY kind, given_up_at LIMIT 200)`, began, kind)
	})
	if rows > 0 {
		q.db.AfterCommit(ctx, func() { q.wake(kind) })
	}
	return rows, err
}

// Depth is how much of a kind waits.
type Depth struct {
	Waiting int64     // up to MaxDepth, which stands for more
	Oldest  time.Time // Item.Since of the one that waits longest; zero: none waits
}

// MaxDepth is how far [Queue.Depth] counts.
const MaxDepth = 1000

// Depth returns how much of a kind waits. What is due later counts too; what was given up does not.
func (q *Queue) Depth(ctx context.Context, kind string) (d Depth, err error) {
	var oldest int64
	err = q.db.QueryRow(ctx, `SELECT count(*), COALESCE(min(since_at), 0) FROM (
		SELECT since_at FROM outbox WHERE kind = $1 AND given_up_at = 0
		ORDER BY kind, since_at LIMIT 1000) waiting`, kind).Scan(&d.Waiting, &oldest)
	d.Oldest = sqldb.Time(oldest)
	return d, err
}

// GivenUp is what was given up of a kind, as long as it is kept.
type GivenUp struct {
	Count     int64 // up to MaxDepth, which stands for more
	Oldest    time.Time
	LastError string // of the one that was given up last
}

// GivenUp returns what was given up of a kind.
func (q *Queue) GivenUp(ctx context.Context, kind string) (g GivenUp, err error) {
	var oldest int64
	if err := q.db.QueryRow(ctx, `SELECT count(*), COALESCE(min(given_up_at), 0) FROM (
		SELECT given_up_at FROM outbox WHERE kind = $1 AND given_up_at > 0
		ORDER BY kind, given_up_at LIMIT 1000) given`, kind).Scan(&g.Count, &oldest); err != nil || g.Count == 0 {
		return g, err
	}
	g.Oldest = sqldb.Time(oldest)
	err = q.db.QueryRow(ctx, `SELECT last_error FROM outbox WHERE kind = $1 AND given_up_at > 0
		ORDER BY kind DESC, given_up_at DESC LIMIT 1`, kind).Scan(&g.LastError)
	if errors.Is(err, sql.ErrNoRows) { // it is tried again this moment
		err = nil
	}
	return g, err
}

// Payloads returns up to limit items with a sealed payload, of all kinds, in the order of their
// ids, starting after the id after. next is where the next page begins; empty: there is none.
func (q *Queue) Payloads(ctx context.Context, after string, limit int) (sealed []Item, next string, err error) {
	page, err := sqldb.All(ctx, q.db, scanItem, `SELECT `+itemColumns+` FROM outbox
		WHERE id > $1 ORDER BY id LIMIT $2`, after, limit)
	if len(page) == limit {
		next = page[len(page)-1].ID
	}
	return slices.DeleteFunc(page, func(i Item) bool { return !i.Sealed }), next, err
}

// Reseal replaces a payload's encrypted form. ErrNotFound: another process has done so since it was
// read, or the item is done.
func (q *Queue) Reseal(ctx context.Context, id string, from, to []byte) error {
	return row.Changed(q.db.Exec(ctx, `UPDATE outbox SET payload = $3
		WHERE id = $1 AND payload = $2`, id, from, to))
}

// Retention is how long an operator can see an item that was given up.
const Retention = 30 * 24 * time.Hour

// AskedRetention is Retention for letters that anybody can ask for, by the thousand and to addresses that
// no server takes: their links expire in half an hour, and somebody who wants one asks again.
const AskedRetention = 24 * time.Hour

// asked are those letters. It stands in the index outbox_asked, too.
const asked = `kind = 'mail' AND lane IN ('address_has_account', 'confirm_address', 'confirm_signup', 'reset_password')`

// Sweeps lists items that were given up [Retention] or [AskedRetention] ago.
func (q *Queue) Sweeps() []sqldb.Sweep {
	return []sqldb.Sweep{
		{Name: "deliveries that were given up", Keep: Retention, Rows: sqldb.Rows{
			Table: "outbox", Key: "id", Where: "given_up_at > 0 AND given_up_at <= $1", Order: "given_up_at"}},
		{Name: "letters that anybody can ask for, and that were given up", Keep: AskedRetention, Rows: sqldb.Rows{
			Table: "outbox", Key: "id", Where: "given_up_at > 0 AND given_up_at <= $1 AND " + asked, Order: "given_up_at"}},
	}
}
