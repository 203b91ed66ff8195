package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/maru-auth/maru/internal/sqldb"
)

// Board is a place for posts.
type Board struct {
	Slug, Title, Description string
	ModeratorsOnly           bool // only moderators write posts; everybody may comment
	PublicRead               bool // everybody may read it, even without a token
	// WriteRole is the role that writing posts and comments takes; ModeratorsOnly does not count then.
	// Empty: none.
	WriteRole            string
	Posts                int64 // those that are not hidden
	Version              int64 // starts at 1, grows with each UpdateBoard
	CreatedAt, UpdatedAt time.Time
}

// A BoardPosition is where a page of boards ended. The zero value is before the first.
type BoardPosition struct {
	CreatedAt int64 // unix microseconds
	Slug      string
}

// Position is where a page that ends with b ends.
func (b Board) Position() BoardPosition { return BoardPosition{sqldb.Micros(b.CreatedAt), b.Slug} }

// makeFirstBoards creates the boards of a first start. Boards are never deleted, so later starts
// find them.
func (s *Store) makeFirstBoards(ctx context.Context) error {
	now := s.now()
	for i, b := range []Board{
		{Slug: "notice", Title: "공지 · Notice", Description: "운영진이 알리는 소식 · News from the moderators",
			ModeratorsOnly: true, PublicRead: true},
		{Slug: "free", Title: "자유 게시판 · Free board", Description: "무엇이든 이야기해요 · Talk about anything"},
	} {
		b.CreatedAt = now.Add(time.Duration(i) * time.Microsecond) // their order in the list
		if _, err := s.insertBoard(ctx, b); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) insertBoard(ctx context.Context, b Board) (rows int64, err error) {
	at := sqldb.Micros(b.CreatedAt)
	return s.db.Exec(ctx, `INSERT INTO boards (slug, title, description, moderators_only, public_read, write_role, version, created_at, updated_at)
		VALUES ($1, $2, $3, $4, $5, $6, 1, $7, $8) ON CONFLICT DO NOTHING`,
		b.Slug, b.Title, b.Description, b.ModeratorsOnly, b.PublicRead, b.WriteRole, at, at)
}

// CreateBoard creates a board with b's slug, texts and rules. Errors: ErrExists, and those of
// [IdempotencyKey].
func (s *Store) CreateBoard(ctx context.Context, key IdempotencyKey, b Board) (Board, error) {
	var created Board
	err := s.idempotent(ctx, key, b.Slug, func(ctx context.Context) error {
		b.CreatedAt = s.now()
		n, err := s.insertBoard(ctx, b)
		if err == nil && n == 0 {
			return ErrExists
		}
		return err
	}, func(ctx context.Context, slug string) (err error) {
		created, err = s.Board(ctx, slug)
		return err
	})
	return created, err
}

// UpdateBoard changes texts and rules of the board b.Slug if its version is still b.Version.
// Errors: ErrNotFound, ErrChanged.
func (s *Store) UpdateBoard(ctx context.Context, b Board) (Board, error) {
	var updated Board
	err := s.db.Tx(ctx, func(ctx context.Context) error {
		n, err := s.db.Exec(ctx, `UPDATE boards SET title = $1, description = $2, moderators_only = $3, public_read = $4,
			write_role = $5, version = version + 1, updated_at = $6
			WHERE slug = $7 AND version = $8`,
			b.Title, b.Description, b.ModeratorsOnly, b.PublicRead, b.WriteRole, sqldb.Micros(s.now()), b.Slug, b.Version)
		if err != nil {
			return err
		}
		updated, err = s.Board(ctx, b.Slug)
		if err == nil && n == 0 {
			return ErrChanged
		}
		return err
	})
	return updated, err
}

// boardWriteRole is the [Board.WriteRole] of the board that a post p is on.
const boardWriteRole = `(SELECT b.write_role FROM boards b WHERE b.slug = p.board)`

const boardColumns = `b.slug, b.title, b.description, b.moderators_only, b.public_read, b.write_role, b.version, b.created_at, b.updated_at, b.posts`

func scanBoard(scan func(...any) error) (b Board, err error) {
	var createdAt, updatedAt int64
	err = scan(&b.Slug, &b.Title, &b.Description, &b.ModeratorsOnly, &b.PublicRead, &b.WriteRole, &b.Version, &createdAt, &updatedAt, &b.Posts)
	b.CreatedAt, b.UpdatedAt = sqldb.Time(createdAt), sqldb.Time(updatedAt)
	return b, err
}

// Board reads one board. Error: ErrNotFound.
func (s *Store) Board(ctx context.Context, slug string) (Board, error) {
	return found(s, func(db *sqldb.DB) (Board, error) {
		b, err := scanBoard(db.QueryRow(ctx, `SELECT `+boardColumns+` FROM boards b WHERE b.slug = $1`, slug).Scan)
		if errors.Is(err, sql.ErrNoRows) {
			return b, ErrNotFound
		}
		return b, err
	})
}

// Boards reads up to limit boards after a position, all or only those with PublicRead, the oldest
// first, and tells whether there are more.
func (s *Store) Boards(ctx context.Context, publicOnly bool, after BoardPosition, limit int) (boards []Board, more bool, err error) {
	query := `SELECT ` + boardColumns + ` FROM boards b WHERE (b.created_at, b.slug) > ($1, $2) ORDER BY b.created_at, b.slug LIMIT $3`
	if publicOnly {
		query = `SELECT ` + boardColumns + ` FROM boards b
			WHERE b.public_read AND (b.created_at, b.slug) > ($1, $2) ORDER BY b.created_at, b.slug LIMIT $3`
	}
	boards, err = sqldb.All(ctx, s.db.Reader(), func(rows *sql.Rows) (Board, error) { return scanBoard(rows.Scan) },
		query, after.CreatedAt, after.Slug, limit+1)
	boards, more = page(boards, limit)
	return boards, more, err
}
