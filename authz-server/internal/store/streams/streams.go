// Package streams stores who is told what happens to accounts (OpenID Shared Signals Framework 1.0):
// the streams (streams.go), what happened and is in no queue yet (events.go), and the queue of each
// stream (sets.go). Package ssf is the transmitter.
package streams

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/store/internal/row"
	"github.com/maru-auth/maru/internal/sqldb"
)

// Status is what a stream does with events (SSF §8.1.2.1).
type Status string

// The statuses.
const (
	Enabled  Status = "enabled"
	Paused   Status = "paused"   // events wait until it is enabled again
	Disabled Status = "disabled" // events are dropped
)

// Statuses lists every Status.
var Statuses = []Status{Enabled, Paused, Disabled}

// Stream is how a receiver gets events.
type Stream struct {
	ID          string
	ClientID    string   // whose it is; empty: this server's own, for a service
	Service     string   // the name of that service; empty: it is a client's
	Audience    string   // the claim "aud"
	Endpoint    string   // where SETs are pushed; empty: the receiver polls
	Header      []byte   // the value of the header Authorization of a push, encrypted; empty: none
	Description string   // for people
	Requested   []string // URIs of the event types that the receiver named
	Delivered   []Type   // those that it gets
	Status      Status
	Reason      string // why it has this status; may be empty

	Dropped      int64 // events that found the queue full, since the stream was enabled last
	Attempts     int64 // pushes that failed, since the last one that went well
	FailingSince time.Time
	LastError    string
	DueAt        time.Time // no push is tried before
	CreatedAt    time.Time
	UpdatedAt    time.Time

	lastSeq int64
}

// Push tells whether SETs are pushed. Otherwise they are polled.
func (s *Stream) Push() bool { return s.Endpoint != "" }

// Own tells whether the stream is this server's own, for a service that keeps data of people.
func (s *Stream) Own() bool { return s.Service != "" }

// Wants tells whether the receiver gets events of a type.
func (s *Stream) Wants(t Type) bool { return slices.Contains(s.Delivered, t) }

// MaxStreams is how many streams clients can have together: every event is looked at for each.
const MaxStreams = 100

// Streams stores streams and events. It is safe for concurrent use. A process must have one for a
// database, so that [Streams.Happened] and [Streams.Waiting] tell of all that it adds.
type Streams struct {
	db  *sqldb.DB
	now func() time.Time

	happened chan struct{}

	mu      sync.Mutex
	waiting chan struct{} // closed when there is something new for some stream
}

// New returns the streams in db.
func New(db *sqldb.DB, now func() time.Time) *Streams {
	return &Streams{db: db, now: now, happened: make(chan struct{}, 1), waiting: make(chan struct{})}
}

// Happened receives a value soon after this process wrote an event.
func (s *Streams) Happened() <-chan struct{} { return s.happened }

// Waiting returns a channel that is closed as soon as this process adds to a queue, or enables a
// stream. Ask for it before you look.
func (s *Streams) Waiting() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.waiting
}

func (s *Streams) tellWaiting() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.waiting)
	s.waiting = make(chan struct{})
}

const streamColumns = `id, client_id, service, audience, endpoint, header, description, requested,
	delivered, status, reason, last_seq, dropped, attempts, failing_since, last_error, due_at,
	created_at, updated_at`

func scanStream(scan func(...any) error) (Stream, error) {
	var s Stream
	var requested, delivered string
	var failing, due, created, updated int64
	if err := scan(&s.ID, &s.ClientID, &s.Service, &s.Audience, &s.Endpoint, &s.Header, &s.Description,
		&requested, &delivered, &s.Status, &s.Reason, &s.lastSeq, &s.Dropped, &s.Attempts, &failing,
		&s.LastError, &due, &created, &updated); err != nil {
		return Stream{}, row.NotFound(err)
	}
	if err := json.Unmarshal([]byte(requested), &s.Requested); err != nil {
		return Stream{}, err
	}
	for _, word := range strings.Fields(delivered) {
		s.Delivered = append(s.Delivered, Type(word))
	}
	s.FailingSince, s.DueAt = sqldb.Time(failing), sqldb.Time(due)
	s.CreatedAt, s.UpdatedAt = sqldb.Time(created), sqldb.Time(updated)
	return s, nil
}

func scanStreams(rows *sql.Rows) (Stream, error) { return scanStream(rows.Scan) }

// words are the types between spaces, so that LIKE finds one.
func words(types []Type) string {
	text := " "
	for _, t := range types {
		text += string(t) + " "
	}
	return text
}

func requestedText(uris []string) (string, error) {
	if uris == nil {
		uris = []string{}
	}
	text, err := json.Marshal(uris)
	return string(text), err
}

// NewID makes the id of a stream, of characters that RFC 3986 §2.3 calls unreserved.
func NewID() string { return strings.ToLower(rand.Text()) }

// Create stores a new stream, which is enabled. ErrExists: its client, or its service, has one
// already, or there are [MaxStreams].
func (s *Streams) Create(ctx context.Context, in Stream) (made Stream, err error) {
	requested, err := requestedText(in.Requested)
	if err != nil {
		return Stream{}, err
	}
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		var n int64
		if err := s.db.QueryRow(ctx, `SELECT count(*) FROM streams WHERE service = ''`).Scan(&n); err != nil {
			return err
		}
		if n >= MaxStreams && !in.Own() {
			return row.ErrExists
		}
		if err := row.Added(s.db.Exec(ctx, `INSERT INTO streams (id, client_id, service, audience,
			endpoint, header, description, requested, delivered, status, reason, last_seq, allowed_seq,
			dropped, attempts, failing_since, last_error, due_at, leased_until, verified_at, created_at,
			updated_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'enabled', '', 0, 0, 0, 0, 0, '', 0, 0, 0, $10, $10)
			ON CONFLICT DO NOTHING`,
			in.ID, in.ClientID, in.Service, in.Audience, in.Endpoint, bytesOf(in.Header),
			in.Description, requested, words(in.Delivered), sqldb.Micros(s.now()))); err != nil {
			return err
		}
		made, err = s.Stream(ctx, in.ID)
		return err
	})
	return made, err
}

// Stream returns a stream. ErrNotFound: there is none with that id.
func (s *Streams) Stream(ctx context.Context, id string) (Stream, error) {
	return scanStream(s.db.QueryRow(ctx, `SELECT `+streamColumns+` FROM streams WHERE id = $1`, id).Scan)
}

// StreamOf returns the stream of a client. ErrNotFound: it has none.
func (s *Streams) StreamOf(ctx context.Context, clientID string) (Stream, error) {
	return scanStream(s.db.QueryRow(ctx, `SELECT `+streamColumns+` FROM streams
		WHERE client_id = $1 AND client_id <> ''`, clientID).Scan)
}

// StreamOfService returns this server's own stream for a service. ErrNotFound: there is none.
func (s *Streams) StreamOfService(ctx context.Context, name string) (Stream, error) {
	return scanStream(s.db.QueryRow(ctx, `SELECT `+streamColumns+` FROM streams
		WHERE service = $1 AND service <> ''`, name).Scan)
}

// List returns all streams, in the order of their ids.
func (s *Streams) List(ctx context.Context) ([]Stream, error) {
	return sqldb.All(ctx, s.db, scanStreams, `SELECT `+streamColumns+` FROM streams ORDER BY id`)
}

// Edit changes a stream's Audience, Endpoint, Header, Description, Requested and Delivered, as edit
// does. Nobody else can change it between what edit sees and what is stored. If edit returns an
// error, Edit returns it and changes nothing. ErrNotFound: there is no such stream.
func (s *Streams) Edit(ctx context.Context, id string, edit func(*Stream) error) (edited Stream, err error) {
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		// First of all this locks the row.
		if err := row.Changed(s.db.Exec(ctx, `UPDATE streams SET updated_at = $1 WHERE id = $2`,
			sqldb.Micros(s.now()), id)); err != nil {
			return err
		}
		if edited, err = s.Stream(ctx, id); err != nil {
			return err
		}
		if err := edit(&edited); err != nil {
			return err
		}
		requested, err := requestedText(edited.Requested)
		if err != nil {
			return err
		}
		// What was wrong with another endpoint does not delay the new one.
		_, err = s.db.Exec(ctx, `UPDATE streams SET audience = $1, endpoint = $2, header = $3,
			description = $4, requested = $5, delivered = $6, due_at = 0, attempts = 0,
			failing_since = 0, last_error = '' WHERE id = $7`,
			edited.Audience, edited.Endpoint, bytesOf(edited.Header), edited.Description, requested,
			words(edited.Delivered), id)
		s.db.AfterCommit(ctx, s.tellWaiting)
		return err
	})
	return edited, err
}

func bytesOf(b []byte) []byte { return append([]byte{}, b...) }

// moreWaiting is how many sets a full queue takes after somebody enabled its stream in spite of it,
// so that the receiver can catch up.
const moreWaiting = MaxWaiting / 10

// SetStatus changes what a stream does with events. Those that wait for a stream that is disabled
// are dropped by [Streams.Drop], or by Sweep. ErrNotFound: there is no such stream.
func (s *Streams) SetStatus(ctx context.Context, id string, status Status, reason string) error {
	err := row.Changed(s.db.Exec(ctx, `UPDATE streams SET status = $1, reason = $2, dropped = 0,
		allowed_seq = last_seq + $3, due_at = 0, updated_at = $4 WHERE id = $5`,
		string(status), reason, moreWaiting, sqldb.Micros(s.now()), id))
	if err == nil {
		s.db.AfterCommit(ctx, s.tellWaiting)
	}
	return err
}

// CountVerification notes that a receiver asks for a verification. ErrNotFound: it did so within
// the last interval.
func (s *Streams) CountVerification(ctx context.Context, id string, interval time.Duration) error {
	now := s.now()
	return row.Changed(s.db.Exec(ctx, `UPDATE streams SET verified_at = $1
		WHERE id = $2 AND verified_at <= $3`, sqldb.Micros(now), id, sqldb.Micros(now.Add(-interval))))
}

// Delete removes a stream with all that waits for it. ErrNotFound: there is none with that id.
func (s *Streams) Delete(ctx context.Context, id string) error {
	for _, of := range []sqldb.Rows{
		{Table: "stream_sets", Key: "jti", Where: "stream_id = $1", Order: "stream_id, jti"},
		{Table: "stream_exclusions", Key: "stream_id, subject_hash", Where: "stream_id = $1",
			Order: "stream_id, subject_hash"},
	} {
		if _, err := s.db.Remove(ctx, of, id); err != nil {
			return err
		}
	}
	return row.Changed(s.db.Exec(ctx, `DELETE FROM streams WHERE id = $1`, id))
}

// MaxExclusions is how many subjects a receiver can exclude from its stream.
const MaxExclusions = 10_000

// Exclude keeps events of a subject, which is known by a hash, from a stream. ErrStale: there are
// [MaxExclusions] already.
func (s *Streams) Exclude(ctx context.Context, id string, subject []byte) error {
	return s.db.Tx(ctx, func(ctx context.Context) error {
		var n int64
		// This counts one after another, and never more than there may be.
		if err := row.Changed(s.db.Exec(ctx, `UPDATE streams SET updated_at = $1 WHERE id = $2`,
			sqldb.Micros(s.now()), id)); err != nil {
			return err
		}
		if err := s.db.QueryRow(ctx, `SELECT count(*) FROM stream_exclusions WHERE stream_id = $1`,
			id).Scan(&n); err != nil {
			return err
		}
		if n >= MaxExclusions {
			return row.ErrStale
		}
		_, err := s.db.Exec(ctx, `INSERT INTO stream_exclusions (stream_id, subject_hash, created_at)
			VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, id, subject, sqldb.Micros(s.now()))
		return err
	})
}

// Include undoes Exclude.
func (s *Streams) Include(ctx context.Context, id string, subject []byte) error {
	_, err := s.db.Exec(ctx, `DELETE FROM stream_exclusions WHERE stream_id = $1 AND subject_hash = $2`,
		id, subject)
	return err
}

// Excluded tells whether a stream gets no events of a subject.
func (s *Streams) Excluded(ctx context.Context, id string, subject []byte) (bool, error) {
	var n int64
	err := s.db.QueryRow(ctx, `SELECT count(*) FROM stream_exclusions
		WHERE stream_id = $1 AND subject_hash = $2`, id, subject).Scan(&n)
	return n > 0, err
}

// Rewrap replaces a stream's encrypted header. ErrNotFound: it is another one by now.
func (s *Streams) Rewrap(ctx context.Context, id string, from, to []byte) error {
	return row.Changed(s.db.Exec(ctx, `UPDATE streams SET header = $3 WHERE id = $1 AND header = $2`,
		id, from, to))
}
