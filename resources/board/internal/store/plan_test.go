package store

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/maru-auth/maru/internal/sqldb"
	"github.com/maru-auth/maru/internal/sqldb/growthtest"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

// minute is how far apart posts are, in microseconds: an index by time has them in many stretches.
const minute = 60_000_000

// grown puts most of everything in one place: the board free, the post p1 with all comments, the
// deleted comment c1 with half of them as replies. Every fourth post and comment is hidden, and the
// post p2 is deleted, but its comments are there.
var grown = []string{
	`INSERT INTO boards (slug, title, description, moderators_only, public_read, version, created_at, updated_at, posts)
		` + growthtest.Numbers + ` SELECT 'b' || i, 't', '', false, i % 3000 = 0, 1, i, i, 0 FROM n`,
	`INSERT INTO posts (id, board, title, body, format, author, pinned, locked, hidden, version, searchable, created_at, updated_at, removed)
		` + growthtest.Numbers + ` SELECT
		'p' || i, 'free', 'title', 'body', 'plain', 'ann', i % 1000 = 0, false, i % 4 = 0, 1, 1, i * CAST(60000000 AS BIGINT), i, i = 2 FROM n`,
	`INSERT INTO comments (id, post, parent, thread_at, thread, place, body, author, hidden, deleted, version, created_at, updated_at)
		` + growthtest.Numbers + ` SELECT 'c' || i, 'p1', CASE WHEN i % 2 = 0 THEN 'c1' ELSE '' END,
		CASE WHEN i % 2 = 0 THEN 1 ELSE i END, CASE WHEN i % 2 = 0 THEN 'c1' ELSE 'c' || i END,
		CASE WHEN i % 2 = 0 THEN i ELSE 0 END, 'b', 'ann', i % 4 = 0, i % 2 = 1 AND i < 10000, 1, i, i FROM n`,
	`INSERT INTO comments (id, post, parent, thread_at, thread, place, body, author, hidden, deleted, version, created_at, updated_at)
		` + growthtest.Numbers + ` SELECT 'd' || i, 'p2', '', i, 'd' || i, 0, 'b', 'ann', false, false, 1, i, i FROM n WHERE i <= 1000`,
	`INSERT INTO idempotency_keys (subject, route, request_key, request_hash, resource, expires_at)
		` + growthtest.Numbers + ` SELECT 'ann', 'posts', 'k' || i, CAST('' AS BYTEA), 'p', i FROM n`,
	`INSERT INTO deleted_authors (author, with_posts, done, deleted_at)
		` + growthtest.Numbers + ` SELECT 'x' || i, i % 4 = 1, i % 2 = 0, i - CASE WHEN i % 2 = 0 THEN 86400000000 WHEN i < 10 THEN 60000000 ELSE 0 END FROM n`,
	`INSERT INTO author_names (id, name, fetched_at) ` + growthtest.Numbers + ` SELECT 'a' || i, 'n', i FROM n`,
	`INSERT INTO received_events (id, expires_at) ` + growthtest.Numbers + ` SELECT 'e' || i, i FROM n`,
}

// grownTerms are those of all posts, of a half, of one in fifty, of another, and of a few. The texts
// have only the first: so a search for others goes through all that have them.
const grownTerms = `'tit itl tle bod ody ⌂free' || CASE WHEN i % 2 = 0 THEN ' hal alf' ELSE '' END ||
	CASE i % 50 WHEN 1 THEN ' fif ift fty 마루' WHEN 2 THEN ' oth the her' ELSE '' END || CASE WHEN i % 1000 = 0 THEN ' rar are' ELSE '' END`

var grownIndex = map[sqldb.Engine][]string{
	sqldb.SQLite: {
		`INSERT INTO post_terms_by_time (number, id, position) ` + growthtest.Numbers + ` SELECT (i * 60000000 >> 20) << 14, 'p' || i, i * 60000000 FROM n`,
		`INSERT INTO post_terms_by_time_fts (rowid, terms) ` + growthtest.Numbers + ` SELECT (i * 60000000 >> 20) << 14, ` + grownTerms + ` FROM n`,
	},
	sqldb.Postgres: {
		`INSERT INTO post_terms_by_time (id, position, terms) ` + growthtest.Numbers + ` SELECT 'p' || i, i * CAST(60000000 AS BIGINT), CAST(` + grownTerms + ` ||
			(SELECT string_agg(' ''@' || bits || ':' || (i * CAST(60000000 AS BIGINT) >> bits) || '''', '') FROM generate_series(28, 49, 3) bits) AS tsvector)
			FROM n`,
	},
}

// indexTables are FTS5's own.
var indexTables = map[sqldb.Engine]map[string]string{sqldb.SQLite: {
	"post_terms_by_time_fts": "it is virtual", "post_terms_by_time_fts_data": "the index itself", "post_terms_by_time_fts_idx": "of the index's pages",
	"post_terms_by_time_fts_config": "settings", "post_terms_by_time_fts_docsize": "looked up by number",
}}

func TestNoStatementScansOrCountsWhatGrows(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		s, err := Open(t.Context(), databaseURL, func() time.Time { return time.UnixMicro(growthtest.Rows / 20) })
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		moderator := Viewer{Subject: "mod", Moderator: true}
		var ids []string
		for i := range 200 {
			ids = append(ids, fmt.Sprint("a", i+1))
		}
		request := IdempotencyKey{Subject: "ann", Route: "posts", Key: "k1", Request: []byte{}}
		call := func(method string, do func(ctx context.Context) error) growthtest.Call {
			return growthtest.Call{Method: method, Do: do}
		}
		search := func(text string) growthtest.Call {
			return call("SearchPosts", func(ctx context.Context) error {
				_, _, err := s.SearchPosts(ctx, moderator, text, "", FirstPost(), 100)
				return err
			})
		}
		growthtest.Test{
			DB: s.db, URL: databaseURL, Store: reflect.TypeFor[*Store](),
			Fill: slices.Concat(grown, grownIndex[s.db.Engine()]), Small: indexTables[s.db.Engine()],
			Calls: []growthtest.Call{
				call("PurgeAuthor", func(ctx context.Context) error {
					return s.PurgeAuthor(ctx, Receipt{ID: "new"}, "nobody", true)
				}),
				call("OutdateName", func(ctx context.Context) error {
					_, err := s.OutdateName(ctx, Receipt{ID: "newer"}, "a1")
					return err
				}),
				call("Purge", func(ctx context.Context) error {
					_, err := s.marked(ctx, marked{at: 500, author: "x500"})
					return err
				}),
				call("Board", func(ctx context.Context) error { _, err := s.Board(ctx, "free"); return err }),
				call("Boards", func(ctx context.Context) error {
					_, _, err := s.Boards(ctx, false, BoardPosition{500, "b500"}, 100)
					return err
				}),
				call("Boards", func(ctx context.Context) error {
					_, _, err := s.Boards(ctx, true, BoardPosition{500, "b500"}, 100)
					return err
				}),
				call("CreateBoard", func(ctx context.Context) error {
					_, err := s.CreateBoard(ctx, IdempotencyKey{Subject: "ann", Route: "boards", Key: "k", Request: []byte{}}, Board{Slug: "new"})
					return err
				}),
				call("UpdateBoard", func(ctx context.Context) error {
					_, err := s.UpdateBoard(ctx, Board{Slug: "free", Version: 1})
					return err
				}),
				call("Post", func(ctx context.Context) error { _, err := s.Post(ctx, bob, "p1"); return err }),
				call("Posts", func(ctx context.Context) error { _, _, err := s.Posts(ctx, bob, "free", FirstPost(), 100); return err }),
				call("Posts", func(ctx context.Context) error {
					_, _, err := s.Posts(ctx, moderator, "free", PostPosition{CreatedAt: 10_000 * minute, ID: "p10000"}, 100)
					return err
				}),
				call("PostsForAll", func(ctx context.Context) error {
					_, _, _, err := s.PostsForAll(ctx, false, "free", PostPosition{CreatedAt: 10_000 * minute, ID: "p10000"}, 100)
					return err
				}),
				call("Writes", func(context.Context) error { s.Writes(); return nil }),
				call("PostsBy", func(ctx context.Context) error {
					_, _, err := s.PostsBy(ctx, bob, "ann", FirstPost(), 100)
					return err
				}),
				call("SearchPosts", func(ctx context.Context) error {
					_, _, err := s.SearchPosts(ctx, bob, "nowhere", "", FirstPost(), 100)
					return err
				}),
				call("SearchPosts", func(ctx context.Context) error {
					_, _, err := s.SearchPosts(ctx, bob, "nowhere", "free", FirstPost(), 100)
					return err
				}),
				call("SearchPosts", func(ctx context.Context) error {
					_, _, err := s.SearchPosts(ctx, moderator, "rare", "free", FirstPost(), 100) // the texts have only its terms
					return err
				}),
				search("half"), search("fifty"), search("마루"), search("half rare"), search("fifty other"), search("half fifty"),
				call("SearchPosts", func(ctx context.Context) error {
					_, _, err := s.SearchPosts(ctx, moderator, "title nowhere", "", FirstPost(), 100)
					return err
				}),
				call("Index", func(ctx context.Context) error { _, err := s.indexAll(ctx); return err }),
				call("Index", func(ctx context.Context) error {
					if err := growthtest.Prepare(ctx, s.db, `UPDATE posts SET searchable = 0 WHERE id IN ('p5', 'p6')`); err != nil {
						return err
					}
					_, err := s.indexAll(ctx)
					return err
				}),
				call("CreatePost", func(ctx context.Context) error {
					_, err := s.CreatePost(ctx, request, ann, Post{Board: "free", Author: "ann"})
					return err
				}),
				call("CreatePost", func(ctx context.Context) error {
					_, err := s.CreatePost(ctx, IdempotencyKey{"ann", "posts", "k19000", []byte{}}, ann, Post{Board: "free", Author: "ann"})
					if !errors.Is(err, ErrNotFound) { // what the key made is gone
						return fmt.Errorf("repeated: %w", err)
					}
					return nil
				}),
				call("Known", func(ctx context.Context) error { _, _, err := s.Known(ctx, request); return err }),
				call("UpdatePost", func(ctx context.Context) error {
					_, err := s.UpdatePost(ctx, moderator, Post{ID: "p1", Version: 1}, false)
					return err
				}),
				call("SetPinned", func(ctx context.Context) error { return s.SetPinned(ctx, "p1", true) }),
				call("SetLocked", func(ctx context.Context) error { return s.SetLocked(ctx, "p1", true) }),
				call("SetHidden", func(ctx context.Context) error { return s.SetHidden(ctx, "p1", true) }),
				call("SetHidden", func(ctx context.Context) error { return s.SetHidden(ctx, "p1", false) }),
				call("DeletePost", func(ctx context.Context) error { return s.DeletePost(ctx, "p1", 0) }),
				call("DeletePost", func(ctx context.Context) error {
					if err := s.DeletePost(ctx, "p1", 7); err != ErrChanged { //nolint:errorlint // not wrapped here
						return fmt.Errorf("another version: %w", err)
					}
					return s.DeletePost(ctx, "p3", 1)
				}),
				call("Comment", func(ctx context.Context) error { _, err := s.Comment(ctx, ann, "c2"); return err }),
				call("Comments", func(ctx context.Context) error {
					_, _, err := s.Comments(ctx, bob, "p1", CommentPosition{}, 100)
					return err
				}),
				call("Comments", func(ctx context.Context) error {
					_, _, err := s.Comments(ctx, moderator, "p1", CommentPosition{1, "c1", 9000, "c9000"}, 100)
					return err
				}),
				call("CreateComment", func(ctx context.Context) error {
					_, err := s.CreateComment(ctx, IdempotencyKey{}, ann, Comment{Post: "p1", Parent: "c10001", Author: "ann"}, false)
					return err
				}),
				call("UpdateComment", func(ctx context.Context) error {
					_, err := s.UpdateComment(ctx, ann, Comment{ID: "c2", Version: 1}, false)
					return err
				}),
				call("SetCommentHidden", func(ctx context.Context) error { return s.SetCommentHidden(ctx, "c2", true) }),
				call("SetCommentHidden", func(ctx context.Context) error { return s.SetCommentHidden(ctx, "c6", true) }),
				call("DeleteComment", func(ctx context.Context) error { return s.DeleteComment(ctx, "c2", 0) }),
				call("DeleteComment", func(ctx context.Context) error {
					if err := s.DeleteComment(ctx, "c2", 7); err != ErrChanged { //nolint:errorlint // not wrapped here
						return fmt.Errorf("another version: %w", err)
					}
					return nil
				}),
				call("Written", func(ctx context.Context) error {
					_, _, _, err := s.Written(ctx, "ann", WrittenPosition{CreatedAt: 500 * minute, ID: "p500"}, 100)
					return err
				}),
				call("Written", func(ctx context.Context) error {
					_, _, _, err := s.Written(ctx, "ann", WrittenPosition{Comments: true, CreatedAt: 500, ID: "c500"}, 100)
					return err
				}),
				call("Purge", func(ctx context.Context) error { return deleteAnn(ctx, s, false, "none") }),
				call("Purge", func(ctx context.Context) error { return deleteAnn(ctx, s, false, "names and keys") }),
				call("Purge", func(ctx context.Context) error { return deleteAnn(ctx, s, true, "names and keys") }),
				call("Purge", func(ctx context.Context) error { return deleteAnn(ctx, s, false, "posts") }),
				call("Purge", func(ctx context.Context) error { return deleteAnn(ctx, s, true, "posts") }),
				call("Names", func(ctx context.Context) error { _, err := s.Names(ctx, ids); return err }),
				call("SaveNames", func(ctx context.Context) error {
					return s.SaveNames(ctx, []Name{{ID: "a1", Name: "x", FetchedAt: time.Now()}, {ID: "a2", Unknown: true}})
				}),
				call("Sweep", func(ctx context.Context) error { _, err := s.Sweep(ctx); return err }),
			},
		}.Run(t)
	})
}

// deleteAnn does some steps of a purge once there is nothing left of what comes before it.
func deleteAnn(ctx context.Context, s *Store, withPosts bool, gone string) error {
	var before []string
	switch gone {
	case "posts": // all but one, which is deleted; and most of the comments, which no test could wait for
		before = []string{`UPDATE posts SET author = 'bob' WHERE id <> 'p2'`,
			`UPDATE comments SET author = 'bob' WHERE author = 'ann' AND id NOT IN ('c6', 'c12', 'd1', 'd2')`}
		fallthrough
	case "names and keys":
		before = append(before, `DELETE FROM idempotency_keys WHERE subject = 'ann'`)
	}
	for _, statement := range before {
		if err := growthtest.Prepare(ctx, s.db, statement); err != nil {
			return err
		}
	}
	for range 10 {
		if rows, err := s.deleteSome(ctx, "ann", withPosts); err != nil || rows == 0 {
			return err
		}
	}
	return nil
}
