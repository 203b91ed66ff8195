package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/maru-auth/maru/internal/sqldb"
)

// deletionRows bounds what one step of a deletion does; a number in SQL, so that Postgres knows it.
const deletionRows = "100"

const (
	// lookAgain is when a sweep looks whether anything was left: what was being written at the
	// moment of the deletion is there by then.
	lookAgain = time.Minute
	// keepMarks is how long the mark of a deleted author stays: longer than any token of theirs.
	keepMarks = 24 * time.Hour
)

// markAuthor notes that a person is to be removed: withPosts what they wrote goes, as by
// [Store.DeletePost] and [Store.DeleteComment]; otherwise it stays, and its author is empty. From now
// on they write nothing new ([ErrDeleted]).
func (s *Store) markAuthor(ctx context.Context, author string, withPosts bool) error {
	_, err := s.db.Exec(ctx, `INSERT INTO deleted_authors (author, with_posts, done, deleted_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (author) DO UPDATE SET with_posts = excluded.with_posts`,
		author, withPosts, false, sqldb.Micros(s.now()))
	return err
}

// deleteSome does one step, and returns how many rows it was about; 0: there is nothing left.
//
// Posts and comments change one by one, as when their author does it: a transaction for many would
// hold all of them, and meet others in another order.
func (s *Store) deleteSome(ctx context.Context, author string, withPosts bool) (rows int64, err error) {
	post, comment := s.disownPost, s.disownComment
	if withPosts {
		post, comment = s.deletePost, s.deleteComment
	}
	if rows, err = s.forget(ctx, author); err != nil || rows > 0 {
		return rows, err
	}
	for _, list := range []struct {
		ids    string
		change func(ctx context.Context, id string) error
	}{
		// Not author = $1: Postgres could then follow an index without the author, and read all
		// posts.
		{`SELECT id FROM posts WHERE author >= $1 AND author <= $1 ORDER BY author, created_at, id LIMIT ` + deletionRows, post},
		{`SELECT id FROM comments WHERE author = $1 AND author <> '' ORDER BY author, created_at, id LIMIT ` + deletionRows, comment},
	} {
		ids, err := s.ids(ctx, list.ids, author)
		if err != nil || len(ids) > 0 {
			for _, id := range ids {
				if err := list.change(ctx, id); err != nil {
					return 0, err
				}
			}
			return int64(len(ids)), err
		}
	}
	return 0, nil
}

// forget removes the person's name, and a part of the keys of their requests.
func (s *Store) forget(ctx context.Context, author string) (rows int64, err error) {
	if rows, err = s.db.Exec(ctx, `DELETE FROM author_names WHERE id = $1`, author); err != nil || rows > 0 {
		return rows, err
	}
	return s.db.Exec(ctx, `DELETE FROM idempotency_keys WHERE subject = $1 AND (subject, route, request_key) IN
		(SELECT subject, route, request_key FROM idempotency_keys WHERE subject = $1
			ORDER BY subject, route, request_key LIMIT `+deletionRows+`)`, author)
}

func (s *Store) disownPost(ctx context.Context, id string) error {
	_, err := s.db.Exec(ctx, `UPDATE posts SET author = '' WHERE id = $1`, id)
	return err
}

func (s *Store) disownComment(ctx context.Context, id string) error {
	_, err := s.db.Exec(ctx, `UPDATE comments SET author = '' WHERE id = $1`, id)
	return err
}

func (s *Store) deletePost(ctx context.Context, id string) error {
	err := s.DeletePost(ctx, id, 0)
	if errors.Is(err, ErrNotFound) { // it is deleted already
		return s.disownPost(ctx, id)
	}
	return err
}

func (s *Store) deleteComment(ctx context.Context, id string) error {
	err := s.DeleteComment(ctx, id, 0)
	if errors.Is(err, ErrNotFound) { // its post is deleted, and a sweep will come for the row
		_, err = s.db.Exec(ctx, `UPDATE comments SET author = '', body = '' WHERE id = $1`, id)
	}
	return err
}

func (s *Store) ids(ctx context.Context, query string, args ...any) ([]string, error) {
	return sqldb.All(ctx, s.db, func(rows *sql.Rows) (id string, err error) { return id, rows.Scan(&id) }, query, args...)
}

// checkAuthor refuses what deleted people write. It need not be exact: a sweep looks again.
func (s *Store) checkAuthor(ctx context.Context, author string) error {
	var deleted int
	if err := s.db.QueryRow(ctx, `SELECT count(*) FROM deleted_authors WHERE author = $1`, author).Scan(&deleted); err != nil {
		return err
	}
	if deleted > 0 {
		return ErrDeleted
	}
	return nil
}

// sweepAuthors does one step for a deleted person, and returns 0 if there is nothing to do for
// anybody.
func (s *Store) sweepAuthors(ctx context.Context, now time.Time) (rows int64, err error) {
	var author string
	var withPosts bool
	err = s.db.QueryRow(ctx, `SELECT author, with_posts FROM deleted_authors WHERE NOT done AND deleted_at <= $1
		ORDER BY deleted_at LIMIT 1`, sqldb.Micros(now.Add(-lookAgain))).Scan(&author, &withPosts)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	if rows, err = s.deleteSome(ctx, author, withPosts); err != nil || rows > 0 {
		return rows, err
	}
	return s.db.Exec(ctx, `UPDATE deleted_authors SET done = true WHERE author = $1 AND NOT done`, author)
}
