package store

import (
	"context"
	"database/sql"
	"errors"
	"math"
	"strings"
	"time"

	"github.com/maru-auth/maru/internal/sqldb"
)

// Post is what somebody wrote on a board.
type Post struct {
	ID, Board, Title       string
	Body                   string // empty in lists
	Format                 string // "plain" or "markdown"
	Author                 string // subject; empty: the author was deleted
	Pinned, Locked, Hidden bool
	Comments               int64  // those that are neither hidden nor deleted
	Version                int64  // starts at 1, grows with each UpdatePost
	WriteRole              string // of its board; Post alone reads it
	CreatedAt, UpdatedAt   time.Time
}

// A PostPosition is where a page of posts ended.
type PostPosition struct {
	Pinned    bool
	CreatedAt int64 // unix microseconds
	ID        string
}

// FirstPost is the position before the first post of every list.
func FirstPost() PostPosition { return PostPosition{Pinned: true, CreatedAt: math.MaxInt64} }

// Position is where a page that ends with p ends.
func (p Post) Position() PostPosition {
	return PostPosition{p.Pinned, sqldb.Micros(p.CreatedAt), p.ID}
}

// blurred is a position at the same place, but for what is as good as impossible: another post of the
// same microsecond whose id begins with the same 25 random bits. It names no post.
func (p PostPosition) blurred() PostPosition {
	const kept = 5
	if len(p.ID) > kept {
		p.ID = p.ID[:kept] + strings.Repeat("2", len(p.ID)-kept) // the least of all such ids, and lists descend
	}
	return p
}

const (
	postColumns = `p.id, p.board, p.title, p.format, p.author, p.pinned, p.locked, p.hidden, p.version, p.created_at, p.updated_at, p.comments`
	// $1 and $2 are the viewer, in every statement that reads for one.
	postVisible = `(NOT p.removed AND (NOT p.hidden OR p.author = $1 OR CAST($2 AS BOOLEAN)))`
)

func scanPost(scan func(...any) error, body ...any) (p Post, err error) {
	var createdAt, updatedAt int64
	err = scan(append([]any{&p.ID, &p.Board, &p.Title, &p.Format, &p.Author, &p.Pinned, &p.Locked, &p.Hidden, &p.Version,
		&createdAt, &updatedAt, &p.Comments}, body...)...)
	p.CreatedAt, p.UpdatedAt = sqldb.Time(createdAt), sqldb.Time(updatedAt)
	return p, err
}

// CreatePost writes a post with p's board, texts, format and author, who looks as viewer. Errors:
// ErrNotFound if there is no such board, those of [Viewer.MayPostOn], ErrDeleted, and those of
// [IdempotencyKey].
func (s *Store) CreatePost(ctx context.Context, key IdempotencyKey, viewer Viewer, p Post) (Post, error) {
	var created Post
	id, parts := newID(), partsOf(p.Title, p.Body) // before others wait for it
	err := s.idempotent(ctx, key, id, func(ctx context.Context) error {
		if err := s.checkAuthor(ctx, p.Author); err != nil {
			return err
		}
		at, searchable := sqldb.Micros(s.now()), 1
		if len(parts) > 1 {
			searchable = 0
		}
		n, err := s.db.Exec(ctx, `INSERT INTO posts
			(id, board, title, body, format, author, pinned, locked, hidden, version, searchable, created_at, updated_at)
			SELECT $1, b.slug, $2, $3, $4, $5, false, false, false, 1, CAST($6 AS BIGINT), CAST($7 AS BIGINT), CAST($8 AS BIGINT)
			FROM boards b WHERE b.slug = $9`,
			id, p.Title, p.Body, p.Format, p.Author, searchable, at, at, p.Board)
		if err != nil {
			return err
		}
		if n == 0 {
			return ErrNotFound
		}
		if err := s.setTerms(ctx, id, p.Board, at, parts); err != nil {
			return err
		}
		// This holds the board's row until the commit: its rules are those of now.
		var b Board
		if err := s.db.ExecReturning(ctx, `UPDATE boards SET posts = posts + 1 WHERE slug = $1 RETURNING moderators_only, write_role`,
			p.Board).Scan(&b.ModeratorsOnly, &b.WriteRole); err != nil {
			return err
		}
		return viewer.MayPostOn(b)
	}, func(ctx context.Context, id string) (err error) {
		created, err = s.Post(ctx, Viewer{Subject: p.Author}, id)
		return err
	})
	return created, err
}

// Post reads one post with its body. Error: ErrNotFound, also for one that viewer cannot see.
func (s *Store) Post(ctx context.Context, viewer Viewer, id string) (Post, error) {
	return found(s, func(db *sqldb.DB) (Post, error) { return post(ctx, db, viewer, id) })
}

func post(ctx context.Context, db *sqldb.DB, viewer Viewer, id string) (Post, error) {
	var body, writeRole string
	p, err := scanPost(db.QueryRow(ctx, `SELECT `+postColumns+`, p.body, `+boardWriteRole+` FROM posts p WHERE `+postVisible+` AND p.id = $3`,
		viewer.Subject, viewer.Moderator, id).Scan, &body, &writeRole)
	if errors.Is(err, sql.ErrNoRows) {
		return p, ErrNotFound
	}
	p.Body, p.WriteRole = body, writeRole
	return p, err
}

// Posts reads up to limit posts of a board after a position, pinned ones first, then the newest.
// next is where the next page begins; nil: this is the last. A page is shorter where many posts are
// hidden from viewer.
func (s *Store) Posts(
	ctx context.Context, viewer Viewer, board string, after PostPosition, limit int,
) (posts []Post, next *PostPosition, err error) {
	return fill(after, Post.Position, bounds{rows: limit}, func(after PostPosition, n int) ([]candidate[Post], error) {
		return s.boardCandidates(ctx, viewer, board, after, n)
	})
}

func (s *Store) boardCandidates(ctx context.Context, viewer Viewer, board string, after PostPosition, n int) ([]candidate[Post], error) {
	return s.postCandidates(ctx, `SELECT `+postColumns+`, `+postVisible+` FROM posts p
		WHERE p.board = $3 AND (p.pinned, p.created_at, p.id) < ($4, $5, $6)
		ORDER BY p.pinned DESC, p.created_at DESC, p.id DESC LIMIT $7`,
		viewer.Subject, viewer.Moderator, board, after.Pinned, after.CreatedAt, after.ID, n)
}

// PostsForAll is [Store.Posts] as all moderators see it, or all who are none. but lists who sees
// something else all the same, and must ask Posts: the authors of hidden posts that were met.
func (s *Store) PostsForAll(
	ctx context.Context, moderators bool, board string, after PostPosition, limit int,
) (posts []Post, next *PostPosition, but []string, err error) {
	viewer := Viewer{Subject: Anonymous.Subject, Moderator: moderators}
	posts, next, err = fill(after, Post.Position, bounds{rows: limit}, func(after PostPosition, n int) ([]candidate[Post], error) {
		found, err := s.boardCandidates(ctx, viewer, board, after, n)
		for _, c := range found {
			if c.row.Hidden && !moderators && c.row.Author != "" {
				but = append(but, c.row.Author)
			}
		}
		return found, err
	})
	return posts, next, but, err
}

// Writes is [sqldb.DB.Writes].
func (s *Store) Writes() (n int64, sole bool) { return s.db.Writes() }

// PostsBy reads up to limit posts of an author, on all boards, the newest first, after a position,
// whose Pinned is ignored. next is as for [Store.Posts].
func (s *Store) PostsBy(
	ctx context.Context, viewer Viewer, author string, after PostPosition, limit int,
) (posts []Post, next *PostPosition, err error) {
	return fill(after, Post.Position, bounds{rows: limit}, func(after PostPosition, n int) ([]candidate[Post], error) {
		return s.postCandidates(ctx, `SELECT `+postColumns+`, `+postVisible+` FROM posts p
			WHERE p.author = $3 AND (p.created_at, p.id) < ($4, $5) ORDER BY p.created_at DESC, p.id DESC LIMIT $6`,
			viewer.Subject, viewer.Moderator, author, after.CreatedAt, after.ID, n)
	})
}

func (s *Store) postCandidates(ctx context.Context, query string, args ...any) ([]candidate[Post], error) {
	return sqldb.All(ctx, s.db.Reader(), func(rows *sql.Rows) (c candidate[Post], err error) {
		c.row, err = scanPost(rows.Scan, &c.shown)
		return c, err
	}, query, args...)
}

// UpdatePost changes title, body and format of the post p.ID if its version is still p.Version and,
// unless evenLocked, it is not locked. Errors: ErrNotFound, ErrChanged, ErrLocked, a WriteRoleError,
// ErrDeleted.
func (s *Store) UpdatePost(ctx context.Context, viewer Viewer, p Post, evenLocked bool) (Post, error) {
	var updated Post
	parts := partsOf(p.Title, p.Body)
	err := s.db.Tx(ctx, func(ctx context.Context) error {
		if err := s.checkAuthor(ctx, viewer.Subject); err != nil {
			return err
		}
		n, err := s.db.Exec(ctx, `UPDATE posts SET title = $1, body = $2, format = $3, version = version + 1,
			searchable = CASE WHEN CAST($4 AS BOOLEAN) THEN 0 ELSE version + 1 END, updated_at = $5
			WHERE id = $6 AND version = $7 AND NOT removed AND (NOT locked OR CAST($8 AS BOOLEAN))`,
			p.Title, p.Body, p.Format, len(parts) > 1, sqldb.Micros(s.now()), p.ID, p.Version, evenLocked)
		if err != nil {
			return err
		}
		if updated, err = s.Post(ctx, viewer, p.ID); err != nil {
			return err
		}
		if err := viewer.MayWriteOn(updated.WriteRole); err != nil {
			return err
		}
		if n == 1 {
			if err := s.removeTerms(ctx, p.ID); err != nil {
				return err
			}
			return s.setTerms(ctx, p.ID, updated.Board, sqldb.Micros(updated.CreatedAt), parts)
		}
		if updated.Locked && !evenLocked {
			return ErrLocked
		}
		return ErrChanged
	})
	return updated, err
}

// DeletePost removes a post and its comments; a version other than 0 must still be the post's. The
// post is gone at once; if it has many comments, [Store.Sweep] removes their rows. Errors:
// ErrNotFound, ErrChanged.
func (s *Store) DeletePost(ctx context.Context, id string, version int64) error {
	err := s.db.Tx(ctx, func(ctx context.Context) error {
		var board string
		var hidden bool
		err := s.db.ExecReturning(ctx, `UPDATE posts SET removed = true, title = '', body = '', author = '' WHERE id = $1 AND NOT removed
			AND (CAST($2 AS BIGINT) = 0 OR version = $3) RETURNING board, hidden`, id, version, version).Scan(&board, &hidden)
		if errors.Is(err, sql.ErrNoRows) {
			return s.why(ctx, `SELECT count(*) FROM posts WHERE id = $1 AND NOT removed`, id)
		}
		if err != nil {
			return err
		}
		if err := s.removeTerms(ctx, id); err != nil || hidden {
			return err
		}
		return s.countPost(ctx, board, -1)
	})
	if err != nil {
		return err
	}
	_, err = s.purge(ctx, id)
	return err
}

// purge removes a batch of a removed post's comments, and the post with the last of them.
func (s *Store) purge(ctx context.Context, post string) (rows int64, err error) {
	rows, err = s.db.Exec(ctx, `DELETE FROM comments WHERE id IN
		(SELECT id FROM comments WHERE post = $1 ORDER BY thread_at, thread, place, id LIMIT 200)`, post)
	if err != nil || rows == sqldb.BatchRows {
		return rows, err
	}
	n, err := s.db.Exec(ctx, `DELETE FROM posts WHERE id = $1 AND removed`, post)
	return rows + n, err
}

func (s *Store) countPost(ctx context.Context, board string, more int) error {
	_, err := s.db.Exec(ctx, `UPDATE boards SET posts = posts + $1 WHERE slug = $2`, more, board)
	return err
}

// why returns why a conditional statement changed nothing: ErrNotFound, or ErrChanged if what it is
// about has another version.
func (s *Store) why(ctx context.Context, count, id string) error {
	var n int
	if err := s.db.QueryRow(ctx, count, id).Scan(&n); err != nil {
		return err
	}
	if n == 0 {
		return ErrNotFound
	}
	return ErrChanged
}

// SetPinned puts a post before the others of its board, or back into its place. Error: ErrNotFound.
func (s *Store) SetPinned(ctx context.Context, id string, pinned bool) error {
	return s.set(ctx, `UPDATE posts SET pinned = $1 WHERE id = $2 AND NOT removed`, pinned, id)
}

// SetLocked stops changes and new comments, or allows them again. Error: ErrNotFound.
func (s *Store) SetLocked(ctx context.Context, id string, locked bool) error {
	return s.set(ctx, `UPDATE posts SET locked = $1 WHERE id = $2 AND NOT removed`, locked, id)
}

// SetHidden hides a post from all but its author and moderators, or shows it again. Error:
// ErrNotFound.
func (s *Store) SetHidden(ctx context.Context, id string, hidden bool) error {
	return s.db.Tx(ctx, func(ctx context.Context) error {
		var board string
		err := s.db.ExecReturning(ctx, `UPDATE posts SET hidden = $1
			WHERE id = $2 AND hidden <> $3 AND NOT removed RETURNING board`,
			hidden, id, hidden).Scan(&board)
		if errors.Is(err, sql.ErrNoRows) {
			return unlessChanged(s.why(ctx, `SELECT count(*) FROM posts WHERE id = $1 AND NOT removed`, id))
		}
		if err != nil {
			return err
		}
		if hidden {
			return s.countPost(ctx, board, -1)
		}
		return s.countPost(ctx, board, 1)
	})
}

// unlessChanged turns ErrChanged into success: the row is there, and is as it should be already.
func unlessChanged(err error) error {
	if errors.Is(err, ErrChanged) {
		return nil
	}
	return err
}

func (s *Store) set(ctx context.Context, update string, value bool, id string) error {
	n, err := s.db.Exec(ctx, update, value, id)
	if err == nil && n == 0 {
		return ErrNotFound
	}
	return err
}
