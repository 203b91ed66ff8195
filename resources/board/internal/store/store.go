// Package store holds every SQL statement of the board service.
//
// Who may do what is decided above, with two exceptions: what a [Viewer] cannot see does not exist for them, and a lock
// holds at the moment of the change, so the statement that changes decides. All methods are safe for concurrent use.
package store

import (
	"context"
	"crypto/rand"
	"embed"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/maru-auth/maru/internal/sqldb"
)

//go:embed migrations/*.sql
var migrations embed.FS

// What a look-up or a change can find. Any other error is a failure of the database.
var (
	ErrNotFound     = errors.New("not found")
	ErrExists       = errors.New("exists already")
	ErrChanged      = errors.New("changed by somebody else in the meantime")
	ErrLocked       = errors.New("the post is locked")
	ErrParent       = errors.New("no such comment to reply to")
	ErrReplyToReply = errors.New("a reply to a reply")
	ErrKeyReused    = errors.New("the idempotency key was used for another request")
)

// Store is the board service's database.
type Store struct {
	sqldb.Upkeep
	db       *sqldb.DB
	now      func() time.Time
	searches chan struct{} // those under way
}

// A Viewer is who looks. A hidden post or comment exists for its author and for moderators only.
type Viewer struct {
	Subject   string // never empty
	Moderator bool
}

// Anonymous is the viewer who is nobody: an author has no control characters in their subject.
var Anonymous = Viewer{Subject: "\x01"}

// Open is [OpenWith] without limits of time, for tests. It makes an SQLite file that is missing.
func Open(ctx context.Context, databaseURL string, now func() time.Time) (*Store, error) {
	return OpenWith(ctx, sqldb.Options{DatabaseURL: databaseURL, Create: true}, now)
}

// OpenWith connects to opts.DatabaseURL (see [sqldb.OpenWith]), brings the schema up to date and makes the boards of a first start.
// now is the clock that dates what is written and decides what has expired.
func OpenWith(ctx context.Context, opts sqldb.Options, now func() time.Time) (*Store, error) {
	db, err := sqldb.OpenStore(ctx, opts, migrations)
	if err != nil {
		return nil, err
	}
	s := &Store{db: db, now: now, searches: make(chan struct{}, searchesAtOnce)}
	s.Upkeep = db.Upkeep(now, s.sweeps())
	if err := s.makeFirstBoards(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("make the first boards: %w", err), s.Close())
	}
	return s, nil
}

// newID is 130 random bits: nobody guesses the id of a hidden post.
func newID() string { return strings.ToLower(rand.Text()) }

// ValidID tells whether id has the form of the ids made here. What has not is unknown, and some of it (NUL, broken UTF-8)
// is an error to Postgres.
func ValidID(id string) bool {
	for i := range len(id) {
		if c := id[i]; (c < 'a' || c > 'z') && (c < '2' || c > '7') {
			return false
		}
	}
	return len(id) == 26
}

// page cuts what was read with a limit of one more than wanted, and tells whether there was more.
func page[T any](rows []T, limit int) ([]T, bool) {
	if len(rows) > limit {
		return rows[:limit], true
	}
	return rows, false
}
