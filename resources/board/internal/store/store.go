// Package store holds every SQL statement of the board service.
//
// Callers decide who may do what, with some exceptions: what a [Viewer] cannot see does not exist for
// them, and what writes a text decides whether the post is locked, and whether the board takes it from
// the viewer. All methods are safe for concurrent use.
package store

import (
	"context"
	"crypto/rand"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/maru-auth/maru/internal/sqldb"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Migrations are what makes the schema, in the folder "migrations".
func Migrations() fs.FS { return migrations }

// Errors of look-ups and changes. Any other error is the database's.
var (
	ErrNotFound     = errors.New("not found")
	ErrExists       = errors.New("exists already")
	ErrChanged      = errors.New("changed by somebody else meanwhile")
	ErrLocked       = errors.New("the post is locked")
	ErrParent       = errors.New("no such comment to reply to")
	ErrReplyToReply = errors.New("a reply to a reply")
	ErrDeleted      = errors.New("the author was deleted")
	ErrKeyReused    = errors.New("the idempotency key was used for another request")
	ErrReceived     = errors.New("the event was received before")

	ErrModeratorsOnly = errors.New("only moderators write posts on the board")
)

// Store is the board service's database.
type Store struct {
	sqldb.Upkeep
	db         *sqldb.DB
	now        func() time.Time
	index      *sqldb.TermIndex // of the texts of posts
	searches   chan struct{}    // has one element for each that is under way
	searchTime time.Duration    // of a page; longer in tests, which a busy machine must not disturb
	purges     chan struct{}    // of capacity one: somebody is to be removed

	unindexed   chan struct{}    // of capacity one: a long post was written
	formerIndex *sqldb.TermIndex // what a program before migration 13 keeps; nil: none ever ran
}

// A Viewer is whoever looks. A hidden post or comment exists for its author and for moderators
// only.
type Viewer struct {
	Subject   string // never empty
	Moderator bool
	Roles     string // those that the token says, with spaces between them
}

// Has tells whether the viewer has a role; everybody has "".
func (v Viewer) Has(role string) bool {
	return role == "" || slices.Contains(strings.Fields(v.Roles), role)
}

// MayPostOn returns nil if the viewer may write posts on a board. Errors: a [WriteRoleError],
// ErrModeratorsOnly.
func (v Viewer) MayPostOn(b Board) error {
	if b.WriteRole == "" && b.ModeratorsOnly && !v.Moderator {
		return ErrModeratorsOnly
	}
	return v.MayWriteOn(b.WriteRole)
}

// MayWriteOn returns nil if the viewer may write posts and comments on a board with that
// [Board.WriteRole], apart from what MayPostOn says. Error: a [WriteRoleError].
func (v Viewer) MayWriteOn(writeRole string) error {
	if !v.Has(writeRole) {
		return &WriteRoleError{writeRole}
	}
	return nil
}

// WriteRoleError says that a board takes nothing from people without a role.
type WriteRoleError struct{ Role string }

func (e *WriteRoleError) Error() string { return "the board needs the role " + e.Role }

// Anonymous is the viewer who is nobody: an author has no control characters in their subject.
var Anonymous = Viewer{Subject: "\x01"}

// Open is [OpenWith] for tests: without time limits, and it creates an SQLite file that is missing.
func Open(ctx context.Context, databaseURL string, now func() time.Time) (*Store, error) {
	return OpenWith(ctx, sqldb.Options{DatabaseURL: databaseURL, Create: true}, now)
}

// OpenWith connects to opts.DatabaseURL and brings the schema up to date (see [sqldb.OpenStore]),
// and creates the boards of a first start. now dates what is written and decides what has expired.
func OpenWith(ctx context.Context, opts sqldb.Options, now func() time.Time) (*Store, error) {
	db, err := sqldb.OpenStore(ctx, opts, migrations)
	if err != nil {
		return nil, err
	}
	s := &Store{db: db, now: now, searches: make(chan struct{}, searchesAtOnce), searchTime: searchTime, purges: make(chan struct{}, 1), unindexed: make(chan struct{}, 1)}
	s.Upkeep = db.Upkeep(now, s.sweeps())
	if s.index, err = db.TermIndex(ctx, "post_terms_by_time"); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	if s.formerIndex, err = db.FormerTermIndex(ctx, "post_terms"); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	if err := s.makeFirstBoards(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("make the first boards: %w", err), s.Close())
	}
	return s, nil
}

// newID returns 130 random bits: nobody can guess the id of a hidden post.
func newID() string { return strings.ToLower(rand.Text()) }

// ValidID tells whether id has the form of newID. Any other is unknown, and some (NUL, broken
// UTF-8) are errors to Postgres.
func ValidID(id string) bool {
	for i := range len(id) {
		if c := id[i]; (c < 'a' || c > 'z') && (c < '2' || c > '7') {
			return false
		}
	}
	return len(id) == 26
}

// page cuts rows that were read with a limit of one more than wanted, and tells whether there are
// more.
func page[T any](rows []T, limit int) ([]T, bool) {
	if len(rows) > limit {
		return rows[:limit], true
	}
	return rows, false
}

// found reads one thing where it may lag, and says that it is not there only if the latest state
// does.
func found[T any](s *Store, read func(db *sqldb.DB) (T, error)) (T, error) {
	one, err := read(s.db.Reader())
	if errors.Is(err, ErrNotFound) && s.db.Reader() != s.db {
		return read(s.db)
	}
	return one, err
}
