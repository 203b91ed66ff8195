package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/maru-auth/maru/internal/sqldb"
)

// Comment is an answer to a post, or to another comment on it.
type Comment struct {
	ID, Post             string
	Parent               string // the comment that this one replies to; empty: to the post
	Body                 string // empty when deleted
	Format               string // "plain" or "markdown"; empty when written: plain
	Author               string // empty when deleted, or if the author was
	Hidden, Deleted      bool
	Stub                 bool  // of a list: it has neither body nor author, and is there for its replies
	Version              int64 // starts at 1, grows with each UpdateComment
	CreatedAt, UpdatedAt time.Time

	PostLocked bool   // its post is locked
	WriteRole  string // of its board; Comment alone reads it

	threadAt, place int64
	thread          string
}

// A CommentPosition is where a page of comments ended: a place in a thread. The zero value is
// before the first.
type CommentPosition struct {
	ThreadAt int64 // unix microseconds
	Thread   string
	Place    int64
	ID       string
}

// Position is where a page that ends with c ends.
func (c Comment) Position() CommentPosition {
	return CommentPosition{c.threadAt, c.thread, c.place, c.ID}
}

const (
	commentColumns = `c.id, c.post, c.parent, c.body, c.format, c.author, c.hidden, c.deleted, c.version, c.created_at, c.updated_at,
		c.thread_at, c.thread, c.place, p.locked`
	commentVisible = `(NOT c.hidden OR c.author = $1 OR CAST($2 AS BOOLEAN))`
)

// scanComment reads commentColumns and, behind them, what more the statement selects.
func scanComment(scan func(...any) error, more ...any) (c Comment, err error) {
	var createdAt, updatedAt int64
	err = scan(append([]any{&c.ID, &c.Post, &c.Parent, &c.Body, &c.Format, &c.Author, &c.Hidden, &c.Deleted,
		&c.Version, &createdAt, &updatedAt,
		&c.threadAt, &c.thread, &c.place, &c.PostLocked}, more...)...)
	c.CreatedAt, c.UpdatedAt = sqldb.Time(createdAt), sqldb.Time(updatedAt)
	return c, err
}

// CreateComment writes a comment with c's post, parent, body, format and author, who looks as
// viewer. Errors: ErrNotFound if there is no such post, ErrLocked unless evenLocked, ErrParent,
// ErrReplyToReply, a WriteRoleError, ErrDeleted, and those of [IdempotencyKey].
func (s *Store) CreateComment(ctx context.Context, key IdempotencyKey, viewer Viewer, c Comment, evenLocked bool) (Comment, error) {
	var created Comment
	id := newID()
	err := s.idempotent(ctx, key, id, func(ctx context.Context) error {
		if err := s.checkAuthor(ctx, c.Author); err != nil {
			return err
		}
		// This holds the post's row until the commit: neither the post nor the parent can be
		// deleted meanwhile.
		n, err := s.db.Exec(ctx, `UPDATE posts SET comments = comments + 1
			WHERE id = $1 AND NOT removed AND (NOT locked OR CAST($2 AS BOOLEAN))`,
			c.Post, evenLocked)
		if err != nil {
			return err
		}
		p, err := s.Post(ctx, viewer, c.Post)
		if err != nil {
			return err
		}
		if err := viewer.MayWriteOn(p.WriteRole); err != nil {
			return err
		}
		if n == 0 {
			return ErrLocked
		}
		at := sqldb.Micros(s.now())
		threadAt, thread, place := at, id, int64(0)
		if c.Parent != "" {
			parent, err := s.Comment(ctx, viewer, c.Parent)
			switch {
			case errors.Is(err, ErrNotFound), err == nil && parent.Post != c.Post:
				return ErrParent
			case err != nil:
				return err
			case parent.Parent != "":
				return ErrReplyToReply
			}
			threadAt, thread, place = parent.threadAt, parent.thread, max(at, 1)
		}
		_, err = s.db.Exec(ctx, `INSERT INTO comments
			(id, post, parent, thread_at, thread, place, body, format, author, hidden, deleted, version, created_at, updated_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, false, false, 1, $10, $11)`,
			id, c.Post, c.Parent, threadAt, thread, place, c.Body, cmp.Or(c.Format, "plain"), c.Author, at, at)
		return err
	}, func(ctx context.Context, id string) (err error) {
		created, err = s.Comment(ctx, viewer, id)
		return err
	})
	return created, err
}

// Comment reads one comment. Error: ErrNotFound, also for one that is deleted or that viewer cannot
// see.
func (s *Store) Comment(ctx context.Context, viewer Viewer, id string) (Comment, error) {
	return found(s, func(db *sqldb.DB) (Comment, error) { return comment(ctx, db, viewer, id) })
}

func comment(ctx context.Context, db *sqldb.DB, viewer Viewer, id string) (Comment, error) {
	var writeRole string
	c, err := scanComment(db.QueryRow(ctx, `SELECT `+commentColumns+`, `+boardWriteRole+`
		FROM comments c JOIN posts p ON p.id = c.post
		WHERE `+postVisible+` AND `+commentVisible+` AND c.id = $3 AND NOT c.deleted`,
		viewer.Subject, viewer.Moderator, id).Scan, &writeRole)
	if errors.Is(err, sql.ErrNoRows) {
		return c, ErrNotFound
	}
	c.WriteRole = writeRole
	return c, err
}

// Comments reads up to limit comments of a post after a position, thread by thread, the oldest
// first. next is where the next page begins; nil: this is the last. A comment that is deleted, or
// hidden from viewer, is left out, or, if it has replies, a stub with neither body nor author. A
// page is shorter where many are left out, or texts are long. The caller checks whether viewer can
// see the post.
func (s *Store) Comments(
	ctx context.Context, viewer Viewer, post string, after CommentPosition, limit int,
) (comments []Comment, next *CommentPosition, err error) {
	comments, next, err = fill(after, Comment.Position, bounds{rows: limit}, func(after CommentPosition, n int) ([]candidate[Comment], error) {
		return sqldb.All(ctx, s.db.Reader(), func(rows *sql.Rows) (c candidate[Comment], err error) {
			c.row, err = scanComment(rows.Scan, &c.shown)
			return c, err
			// Not EXISTS, for which Postgres may hash all replies that there are; and ordered, so
			// that it does not read the whole table in the hope of meeting one early.
		}, `SELECT `+commentColumns+`, NOT c.deleted AND `+commentVisible+` OR
				(SELECT 1 FROM comments r WHERE r.parent = c.id AND r.parent <> '' AND NOT r.deleted
					AND (NOT r.hidden OR r.author = $1 OR CAST($2 AS BOOLEAN)) ORDER BY r.hidden LIMIT 1) IS NOT NULL
			FROM comments c JOIN posts p ON p.id = c.post
			WHERE c.post = $3 AND (c.thread_at, c.thread, c.place, c.id) > ($4, $5, $6, $7)
			ORDER BY c.thread_at, c.thread, c.place, c.id LIMIT $8`,
			viewer.Subject, viewer.Moderator, post, after.ThreadAt, after.Thread, after.Place, after.ID, n)
	})
	for i := range comments {
		c := &comments[i]
		c.Stub = c.Deleted || c.Hidden && !viewer.Moderator && c.Author != viewer.Subject
		if c.Stub {
			c.Body, c.Author = "", ""
		}
	}
	comments, next = lighten(comments, next, func(c Comment) string { return c.Body }, Comment.Position)
	return comments, next, err
}

// UpdateComment changes body and format of the comment c.ID if its version is still c.Version and,
// unless evenLocked, its post is not locked. Errors: ErrNotFound, ErrChanged, ErrLocked, a
// WriteRoleError, ErrDeleted.
func (s *Store) UpdateComment(ctx context.Context, viewer Viewer, c Comment, evenLocked bool) (Comment, error) {
	var updated Comment
	err := s.db.Tx(ctx, func(ctx context.Context) error {
		if err := s.checkAuthor(ctx, viewer.Subject); err != nil {
			return err
		}
		n, err := s.db.Exec(ctx, `UPDATE comments SET body = $1, format = $2, version = version + 1, updated_at = $3
			WHERE id = $4 AND version = $5 AND NOT deleted
			AND (CAST($6 AS BOOLEAN) OR NOT EXISTS (SELECT 1 FROM posts p WHERE p.id = comments.post AND p.locked))`,
			c.Body, cmp.Or(c.Format, "plain"), sqldb.Micros(s.now()), c.ID, c.Version, evenLocked)
		if err != nil {
			return err
		}
		if updated, err = s.Comment(ctx, viewer, c.ID); err != nil {
			return err
		}
		if err := viewer.MayWriteOn(updated.WriteRole); err != nil || n == 1 {
			return err
		}
		if updated.PostLocked && !evenLocked {
			return ErrLocked
		}
		return ErrChanged
	})
	return updated, err
}

// DeleteComment removes a comment from lists and counts; a version other than 0 must still be the
// comment's. While it has replies, an empty row stays for them. Errors: ErrNotFound, ErrChanged.
func (s *Store) DeleteComment(ctx context.Context, id string, version int64) error {
	return s.onPostOf(ctx, id, func(ctx context.Context) error {
		var parent string
		var hidden bool
		err := s.db.ExecReturning(ctx, `UPDATE comments SET deleted = true, body = '', author = '', version = version + 1, updated_at = $1
			WHERE id = $2 AND NOT deleted AND (CAST($3 AS BIGINT) = 0 OR version = $4) RETURNING parent, hidden`,
			sqldb.Micros(s.now()), id, version, version).Scan(&parent, &hidden)
		if errors.Is(err, sql.ErrNoRows) {
			return s.why(ctx, `SELECT count(*) FROM comments WHERE id = $1 AND NOT deleted`, id)
		}
		if err != nil {
			return err
		}
		if !hidden {
			if err := s.countComment(ctx, id, -1); err != nil {
				return err
			}
		}
		for _, one := range []string{id, parent} { // the parent too, if it was deleted before and this was its last reply
			if _, err := s.db.Exec(ctx, `DELETE FROM comments WHERE id = $1 AND deleted
				AND NOT EXISTS (SELECT 1 FROM comments r WHERE r.parent = comments.id AND r.parent <> '')`, one); err != nil {
				return err
			}
		}
		return nil
	})
}

// SetCommentHidden hides a comment from all but its author and moderators, or shows it again.
// Error: ErrNotFound.
func (s *Store) SetCommentHidden(ctx context.Context, id string, hidden bool) error {
	return s.onPostOf(ctx, id, func(ctx context.Context) error {
		n, err := s.db.Exec(ctx, `UPDATE comments SET hidden = $1
			WHERE id = $2 AND hidden <> $3 AND NOT deleted`, hidden, id, hidden)
		if err != nil {
			return err
		}
		if n == 0 {
			return unlessChanged(s.why(ctx, `SELECT count(*) FROM comments WHERE id = $1 AND NOT deleted`, id))
		}
		if hidden {
			return s.countComment(ctx, id, -1)
		}
		return s.countComment(ctx, id, 1)
	})
}

// onPostOf runs f in a transaction that holds the row of a comment's post. Everything that changes
// the post's count locks that row first, so that there are no deadlocks. Error: ErrNotFound.
func (s *Store) onPostOf(ctx context.Context, comment string, f func(ctx context.Context) error) error {
	return s.db.Tx(ctx, func(ctx context.Context) error {
		n, err := s.db.Exec(ctx, `UPDATE posts SET locked = locked WHERE id = (SELECT post FROM comments
			WHERE id = $1) AND NOT removed`, comment)
		if err != nil {
			return err
		}
		if n == 0 {
			return ErrNotFound
		}
		return f(ctx)
	})
}

func (s *Store) countComment(ctx context.Context, comment string, more int) error {
	_, err := s.db.Exec(ctx, `UPDATE posts SET comments = comments + $1 WHERE id = (SELECT post FROM comments
		WHERE id = $2)`, more, comment)
	return err
}
