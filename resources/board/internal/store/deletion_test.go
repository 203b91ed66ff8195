package store

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

// erase removes a person to the end.
func erase(t *testing.T, s *Store, author string, withPosts bool) {
	t.Helper()
	ok(t, s.PurgeAuthor(t.Context(), receipt(rand.Text()), author, withPosts))
	ok(t, s.purgeMarked(t.Context()))
}

// traces counts the rows that name the person, besides the mark.
func traces(t *testing.T, s *Store, author string) (rows int) {
	t.Helper()
	ok(t, s.db.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM posts WHERE author = $1) + (SELECT count(*) FROM comments WHERE author = $1) +
		(SELECT count(*) FROM author_names WHERE id = $1) + (SELECT count(*) FROM idempotency_keys WHERE subject = $1)`, author).Scan(&rows))
	return rows
}

func bobsComment(t *testing.T, s *Store, post, parent string) Comment {
	t.Helper()
	c, err := s.CreateComment(t.Context(), IdempotencyKey{}, bob, Comment{Post: post, Parent: parent, Body: "bob's", Author: "bob"}, false)
	ok(t, err)
	return c
}

// written makes what there can be of ann, among what others wrote: it returns her posts (the last
// one is hidden), and her comments on a post of bob's.
func written(t *testing.T, s *Store) (posts []Post, comments []Comment, bobs Post) {
	t.Helper()
	ctx := t.Context()
	key := IdempotencyKey{Subject: "ann", Route: "posts", Key: "k", Request: []byte{1}}
	keyed, err := s.CreatePost(ctx, key, ann, Post{Board: "free", Title: "t", Body: "b", Format: "plain", Author: "ann"})
	ok(t, err)
	posts = []Post{keyed, annsPost(t, s), annsPost(t, s)}
	ok(t, s.SetHidden(ctx, posts[2].ID, true))
	annsComment(t, s, posts[0].ID, "")
	bobsComment(t, s, posts[0].ID, "")
	bobs, err = s.CreatePost(ctx, IdempotencyKey{}, bob, Post{Board: "free", Title: "bob's", Body: "b", Format: "plain", Author: "bob"})
	ok(t, err)
	answered, hidden := annsComment(t, s, bobs.ID, ""), annsComment(t, s, bobs.ID, "")
	bobsComment(t, s, bobs.ID, answered.ID)
	ok(t, s.SetCommentHidden(ctx, hidden.ID, true))
	comments = []Comment{answered, hidden, annsComment(t, s, bobs.ID, "")}
	gone := annsPost(t, s) // deleted, and not swept: its comments are still there
	annsComment(t, s, gone.ID, "")
	_, err = s.db.Exec(ctx, `UPDATE posts SET removed = true WHERE id = $1`, gone.ID)
	ok(t, err)
	ok(t, s.countPost(ctx, "free", -1))
	ok(t, s.SaveNames(ctx, []Name{{ID: "ann", Name: "Ann", FetchedAt: time.Now()}, {ID: "bob", Name: "Bob", FetchedAt: time.Now()}}))
	return posts, comments, bobs
}

func TestWhatADeletedPersonWroteStaysWithoutThem(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		posts, comments, bobs := written(t, s)
		erase(t, s, "ann", false)
		if n := traces(t, s, "ann"); n != 0 {
			t.Errorf("%d rows name ann", n)
		}
		for i, p := range posts {
			got, err := s.Post(ctx, bob, p.ID)
			if i == 2 { // hidden: for nobody but moderators now
				if !errors.Is(err, ErrNotFound) {
					t.Errorf("a hidden post: %v", err)
				}
				got, err = s.Post(ctx, Viewer{Subject: "mod", Moderator: true}, p.ID)
			}
			if err != nil || got.Author != "" || got.Title != "t" || got.Body != "b" || got.Version != p.Version {
				t.Errorf("post %d: %+v %v", i, got, err)
			}
		}
		list, _, err := s.Comments(ctx, bob, bobs.ID, CommentPosition{}, 100)
		ok(t, err)
		if len(list) != 3 || list[0].ID != comments[0].ID || list[0].Author != "" || list[0].Stub || list[0].Body != "c" ||
			list[1].Author != "bob" || list[2].ID != comments[2].ID {
			t.Errorf("%+v", list)
		}
		board, err := s.Board(ctx, "free")
		ok(t, err)
		post, err := s.Post(ctx, bob, bobs.ID)
		ok(t, err)
		if board.Posts != 3 || post.Comments != 3 || post.Author != "bob" {
			t.Errorf("counts: %d posts and %d comments; by %q", board.Posts, post.Comments, post.Author)
		}
		if names, err := s.Names(ctx, []string{"bob"}); err != nil || len(names) != 1 {
			t.Errorf("bob's name: %v %v", names, err)
		}
	})
}

func TestWhatADeletedPersonWroteGoesWithThem(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		posts, comments, bobs := written(t, s)
		erase(t, s, "ann", true)
		if n := traces(t, s, "ann"); n != 0 {
			t.Errorf("%d rows name ann", n)
		}
		mod := Viewer{Subject: "mod", Moderator: true}
		for _, p := range posts {
			if _, err := s.Post(ctx, mod, p.ID); !errors.Is(err, ErrNotFound) {
				t.Error(err)
			}
		}
		for _, c := range comments {
			if _, err := s.Comment(ctx, mod, c.ID); !errors.Is(err, ErrNotFound) {
				t.Error(err)
			}
		}
		list, _, err := s.Comments(ctx, bob, bobs.ID, CommentPosition{}, 100)
		ok(t, err)
		if len(list) != 2 || list[0].ID != comments[0].ID || !list[0].Stub || list[0].Body != "" || list[1].Author != "bob" {
			t.Errorf("a stub for bob's reply, and the reply: %+v", list)
		}
		board, err := s.Board(ctx, "free")
		ok(t, err)
		post, err := s.Post(ctx, bob, bobs.ID)
		ok(t, err)
		if board.Posts != 1 || post.Comments != 1 {
			t.Errorf("%d posts and %d comments are counted", board.Posts, post.Comments)
		}
		_, err = s.Sweep(ctx)
		ok(t, err)
		var texts int
		ok(t, s.db.QueryRow(ctx, `SELECT (SELECT count(*) FROM posts WHERE body = 'b' AND author <> 'bob') +
			(SELECT count(*) FROM comments WHERE body = 'c')`).Scan(&texts))
		if texts != 0 {
			t.Errorf("%d of ann's texts are left in the database", texts)
		}
	})
}

// many gives the author n posts, of which half are hidden, and n comments on a post of bob's.
func many(t *testing.T, s *Store, author string, n int) {
	t.Helper()
	p, err := s.CreatePost(t.Context(), IdempotencyKey{}, bob, Post{Board: "free", Title: "bob's", Body: "b", Format: "plain", Author: "bob"})
	ok(t, err)
	for _, statement := range []string{
		`INSERT INTO posts (id, board, title, body, format, author, pinned, locked, hidden, version, created_at, updated_at)
			WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)
			SELECT 'p' || i, 'free', 't', 'b', 'plain', $1, false, false, i %% 2 = 0, 1, i, i FROM n WHERE $2 <> ''`,
		`INSERT INTO comments (id, post, parent, thread_at, thread, place, body, author, hidden, deleted, version, created_at, updated_at)
			WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)
			SELECT 'c' || i, $2, '', i, 'c' || i, 0, 'c', $1, true, false, 1, i, i FROM n`,
	} {
		_, err := s.db.Exec(t.Context(), fmt.Sprintf(statement, n), author, p.ID)
		ok(t, err)
	}
	ok(t, s.countPost(t.Context(), "free", (n+1)/2))
}

func TestTheDeletionOfMuchIsDoneInPartsAndGoesOnWhereItStopped(t *testing.T) {
	for _, withPosts := range []bool{false, true} {
		t.Run(fmt.Sprint("with posts ", withPosts), func(t *testing.T) {
			onBoth(t, func(t *testing.T, s *Store) {
				const n = 350
				many(t, s, "ann", n)
				for step := range 3 {
					if rows, err := s.deleteSome(t.Context(), "ann", withPosts); err != nil || rows != 100 {
						t.Errorf("step %d: %d rows: %v", step, rows, err)
					}
				}
				if left := traces(t, s, "ann"); left != 2*n-300 {
					t.Errorf("%d rows are left after three steps", left)
				}
				erase(t, s, "ann", withPosts)
				if left := traces(t, s, "ann"); left != 0 {
					t.Errorf("%d rows are left", left)
				}
				board, err := s.Board(t.Context(), "free")
				ok(t, err)
				want := int64(1 + n/2)
				if withPosts {
					want = 1
				}
				if board.Posts != want {
					t.Errorf("%d posts are counted, want %d", board.Posts, want)
				}
			})
		})
	}
}

func TestADeletedPersonWritesNothingNewForADay(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
		s, err := Open(t.Context(), databaseURL, func() time.Time { return now })
		ok(t, err)
		defer s.Close()
		ctx := t.Context()
		theirs, err := s.CreatePost(ctx, IdempotencyKey{}, bob, Post{Board: "free", Title: "t", Format: "plain", Author: "bob"})
		ok(t, err)
		write := func() error {
			_, post := s.CreatePost(ctx, IdempotencyKey{}, ann, Post{Board: "free", Title: "t", Format: "plain", Author: "ann"})
			_, comment := s.CreateComment(ctx, IdempotencyKey{}, ann, Comment{Post: theirs.ID, Body: "c", Author: "ann"}, false)
			if errors.Is(post, ErrDeleted) && errors.Is(comment, ErrDeleted) {
				return ErrDeleted
			}
			return errors.Join(post, comment)
		}
		post := annsPost(t, s)
		comment := annsComment(t, s, theirs.ID, "")
		for range 2 {
			ok(t, s.PurgeAuthor(ctx, Receipt{rand.Text(), now.Add(365 * 24 * time.Hour)}, "ann", true))
		}
		// What they wrote is theirs until it is its turn, and stays as it is.
		if _, err := s.UpdatePost(ctx, ann, post, false); !errors.Is(err, ErrDeleted) {
			t.Errorf("a change of a post: %v", err)
		}
		if _, err := s.UpdateComment(ctx, ann, comment, false); !errors.Is(err, ErrDeleted) {
			t.Errorf("a change of a comment: %v", err)
		}
		if err := write(); !errors.Is(err, ErrDeleted) {
			t.Error(err)
		}
		now = now.Add(keepMarks - time.Microsecond)
		_, err = s.Sweep(ctx)
		ok(t, err)
		if err := write(); !errors.Is(err, ErrDeleted) {
			t.Errorf("a day later: %v", err)
		}
		now = now.Add(time.Microsecond)
		if rows, err := s.Sweep(ctx); err != nil || rows != 1 {
			t.Errorf("%d rows: %v", rows, err)
		}
		ok(t, write())
	})
}

// What was being written at the moment of the deletion, and what its caller did not finish, goes
// with a sweep.
func TestASweepFinishesADeletion(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		now := time.Now()
		s, err := Open(t.Context(), databaseURL, func() time.Time { return now })
		ok(t, err)
		defer s.Close()
		for name, withPosts := range map[string]bool{"ann": false, "eve": true} {
			erase(t, s, name, withPosts)
		}
		many(t, s, "ann", 250)
		_, err = s.db.Exec(t.Context(), `UPDATE posts SET author = 'eve' WHERE id IN ('p1', 'p2')`)
		ok(t, err)
		_, err = s.Sweep(t.Context())
		ok(t, err)
		if traces(t, s, "ann") != 498 || traces(t, s, "eve") != 2 {
			t.Error("it looked too early")
		}
		now = now.Add(lookAgain)
		_, err = s.Sweep(t.Context())
		ok(t, err)
		var kept, there int
		ok(t, s.db.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM posts WHERE id LIKE 'p%' AND author = ''),
			(SELECT count(*) FROM posts WHERE id IN ('p1', 'p2'))`).Scan(&kept, &there))
		if traces(t, s, "ann") != 0 || traces(t, s, "eve") != 0 || kept != 248 || there != 0 {
			t.Errorf("ann has %d rows, eve %d; %d posts are kept, and %d of eve's are there", traces(t, s, "ann"), traces(t, s, "eve"), kept, there)
		}
	})
}

func TestDeletionsAndChangesAtOnceDoNotHoldEachOtherUp(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		many(t, s, "ann", 300)
		bobs, err := s.CreatePost(ctx, IdempotencyKey{}, bob, Post{Board: "free", Title: "t", Format: "plain", Author: "bob"})
		ok(t, err)
		work := []func(ctx context.Context, i int) error{
			func(ctx context.Context, i int) error {
				return s.PurgeAuthor(ctx, receipt(rand.Text()), "ann", i%3 > 0)
			},
			func(ctx context.Context, _ int) error { return s.purgeMarked(ctx) },
			func(ctx context.Context, i int) error { return s.SetHidden(ctx, fmt.Sprint("p", i+1), i%2 == 0) },
			func(ctx context.Context, i int) error { return s.DeletePost(ctx, fmt.Sprint("p", 300-i), 0) },
			func(ctx context.Context, i int) error { return s.DeleteComment(ctx, fmt.Sprint("c", 300-i), 0) },
			func(ctx context.Context, i int) error {
				_, err := s.CreateComment(ctx, IdempotencyKey{}, bob, Comment{Post: bobs.ID, Body: "x", Author: "bob"}, false)
				return err
			},
		}
		var wg sync.WaitGroup
		for i := range 12 {
			for _, one := range work {
				wg.Go(func() {
					if err := one(ctx, i); err != nil && !errors.Is(err, ErrNotFound) {
						t.Error(err)
					}
				})
			}
		}
		wg.Wait()
		erase(t, s, "ann", true)
		var counted, there int64
		ok(t, s.db.QueryRow(ctx, `SELECT b.posts, (SELECT count(*) FROM posts p WHERE p.board = b.slug AND NOT p.hidden AND NOT p.removed)
			FROM boards b WHERE b.slug = 'free'`).Scan(&counted, &there))
		if counted != there {
			t.Errorf("%d posts are counted, and %d are there", counted, there)
		}
		if left := traces(t, s, "ann"); left != 0 {
			t.Errorf("%d rows are left", left)
		}
	})
}

// The user service may hear of a deletion later than this one, and tells the name until then.
func TestTheNameOfADeletedPersonIsNotKeptAgain(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		erase(t, s, "ann", false)
		ok(t, s.SaveNames(t.Context(), []Name{{ID: "ann", Name: "Ann", FetchedAt: time.Now()}, {ID: "bob", Name: "Bob", FetchedAt: time.Now()}}))
		names, err := s.Names(t.Context(), []string{"ann", "bob"})
		if ok(t, err); len(names) != 1 || names[0].ID != "bob" {
			t.Errorf("kept %v", names)
		}
	})
}

// However many of the longest posts somebody asks for at once, a page has few: it is in memory as a
// whole.
func TestAPageOfLongPostsEndsEarlyAndNoneIsMissing(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		const posts = 25
		body := strings.Repeat("가", 20_000)
		for range posts {
			_, err := s.CreatePost(t.Context(), IdempotencyKey{}, ann, Post{Board: "free", Title: "t", Body: body, Format: "plain", Author: "ann"})
			ok(t, err)
		}
		annsComment(t, s, annsPost(t, s).ID, "")
		got, comments := map[string]bool{}, 0
		for after := (WrittenPosition{}); ; {
			some, more, next, err := s.Written(t.Context(), "ann", after, 100)
			ok(t, err)
			bytes := 0
			for _, p := range some {
				got[p.ID] = true
				bytes += len(p.Body)
			}
			if comments += len(more); bytes > pageBytes+len(body) {
				t.Errorf("a page of %d posts has %d bytes", len(some), bytes)
			}
			if next == nil {
				break
			}
			after = *next
		}
		if len(got) != posts+1 || comments != 1 {
			t.Errorf("%d posts and %d comments, want %d and 1", len(got), comments, posts+1)
		}
	})
}

func TestAllThatAPersonWroteIsReadInPages(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		posts, comments, _ := written(t, s)
		for limit := 1; limit < 9; limit++ {
			var got []string
			for after := (WrittenPosition{}); ; {
				somePosts, someComments, next, err := s.Written(t.Context(), "ann", after, limit)
				ok(t, err)
				for _, p := range somePosts {
					if p.Body != "b" {
						t.Errorf("%+v", p)
					}
					got = append(got, p.ID)
				}
				for _, c := range someComments {
					got = append(got, c.ID)
				}
				if n := len(somePosts) + len(someComments); n > limit {
					t.Errorf("a page of %d has %d", limit, n)
				}
				if next == nil {
					break
				}
				after = *next
			}
			want := 0
			for _, p := range posts {
				want++
				if !slices.Contains(got, p.ID) {
					t.Errorf("with pages of %d, the post %s is missing", limit, p.ID)
				}
			}
			for _, c := range comments {
				want++
				if !slices.Contains(got, c.ID) {
					t.Errorf("with pages of %d, the comment %s is missing", limit, c.ID)
				}
			}
			if len(got) != want+1 { // and her comment on her own post
				t.Errorf("with pages of %d: %d of %d", limit, len(got), want+1)
			}
		}
	})
}
