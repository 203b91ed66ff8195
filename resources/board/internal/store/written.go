package store

import (
	"context"
	"database/sql"

	"github.com/maru-auth/maru/internal/sqldb"
)

// A WrittenPosition is where a page of what somebody wrote ended. The zero value is before the
// first.
type WrittenPosition struct {
	Comments  bool  // all posts were listed
	CreatedAt int64 // unix microseconds
	ID        string
}

// writtenAtOnce is how many posts one statement reads with their bodies, and one more: a hundred of
// the longest have 8 MB.
const writtenAtOnce = 10

// Written reads up to limit posts, with their bodies, and then comments of an author after a
// position, the oldest first: all that is not deleted, hidden or not. next is as for [Store.Posts]; a
// page is shorter where texts are long.
func (s *Store) Written(
	ctx context.Context, author string, after WrittenPosition, limit int,
) (posts []Post, comments []Comment, next *WrittenPosition, err error) {
	if !after.Comments {
		posts, next, err = s.writtenPosts(ctx, author, after, limit)
		if err != nil || next != nil {
			return posts, nil, next, err
		}
		after = WrittenPosition{Comments: true}
		if len(posts) == limit {
			return posts, nil, &after, nil
		}
	}
	comments, next, err = s.writtenComments(ctx, author, after, limit-len(posts))
	return posts, comments, next, err
}

func (s *Store) writtenPosts(
	ctx context.Context, author string, after WrittenPosition, limit int,
) (posts []Post, next *WrittenPosition, err error) {
	for bytes := 0; ; after = *next {
		asked := min(limit-len(posts), writtenAtOnce)
		var some []Post
		if some, next, err = s.someWrittenPosts(ctx, author, after, asked); err != nil {
			return nil, nil, err
		}
		posts = append(posts, some...)
		for _, p := range some {
			bytes += len(p.Body)
		}
		if next == nil || len(some) < asked || len(posts) == limit || bytes >= pageBytes {
			posts, next = lighten(posts, next, func(p Post) string { return p.Body }, writtenPost)
			return posts, next, nil
		}
	}
}

// writtenPost is where a page that ends with a post ends.
func writtenPost(p Post) WrittenPosition {
	return WrittenPosition{CreatedAt: sqldb.Micros(p.CreatedAt), ID: p.ID}
}

func (s *Store) someWrittenPosts(ctx context.Context, author string, after WrittenPosition, limit int) ([]Post, *WrittenPosition, error) {
	return fill(after, writtenPost, bounds{rows: limit}, func(after WrittenPosition, n int) ([]candidate[Post], error) {
		return sqldb.All(ctx, s.db, func(rows *sql.Rows) (c candidate[Post], err error) {
			var body string
			c.row, err = scanPost(rows.Scan, &c.shown, &body)
			c.row.Body = body
			return c, err
		}, `SELECT `+postColumns+`, NOT p.removed, p.body FROM posts p
			WHERE p.author = $1 AND (p.created_at, p.id) > ($2, $3) ORDER BY p.created_at, p.id LIMIT $4`,
			author, after.CreatedAt, after.ID, n)
	})
}

func (s *Store) writtenComments(ctx context.Context, author string, after WrittenPosition, limit int) ([]Comment, *WrittenPosition, error) {
	position := func(c Comment) WrittenPosition {
		return WrittenPosition{Comments: true, CreatedAt: sqldb.Micros(c.CreatedAt), ID: c.ID}
	}
	comments, next, err := fill(after, position, bounds{rows: limit}, func(after WrittenPosition, n int) ([]candidate[Comment], error) {
		return sqldb.All(ctx, s.db, func(rows *sql.Rows) (c candidate[Comment], err error) {
			c.row, err = scanComment(rows.Scan, &c.shown)
			return c, err
		}, `SELECT `+commentColumns+`, NOT c.deleted AND NOT p.removed FROM comments c JOIN posts p ON p.id = c.post
			WHERE c.author = $1 AND c.author <> '' AND (c.created_at, c.id) > ($2, $3) ORDER BY c.created_at, c.id LIMIT $4`,
			author, after.CreatedAt, after.ID, n)
	})
	comments, next = lighten(comments, next, func(c Comment) string { return c.Body }, position)
	return comments, next, err
}
