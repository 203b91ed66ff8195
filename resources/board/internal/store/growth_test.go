package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/maru-auth/maru/internal/sqldb"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

var (
	ann = Viewer{Subject: "ann"}
	bob = Viewer{Subject: "bob"}
)

func onBoth(t *testing.T, test func(t *testing.T, s *Store)) {
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		s, err := Open(t.Context(), databaseURL, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		test(t, s)
	})
}

func annsPost(t *testing.T, s *Store) Post {
	t.Helper()
	p, err := s.CreatePost(t.Context(), Once{}, Post{Board: "free", Title: "t", Body: "b", Format: "plain", Author: "ann"})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func annsComment(t *testing.T, s *Store, post, parent string) Comment {
	t.Helper()
	c, err := s.CreateComment(t.Context(), Once{}, ann, Comment{Post: post, Parent: parent, Body: "c", Author: "ann"}, false)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestCountsFollowWhatIsHiddenAndDeleted(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		p := annsPost(t, s)
		other := annsPost(t, s)
		check := func(posts, comments int64) {
			t.Helper()
			b, err := s.Board(ctx, "free")
			ok(t, err)
			got, err := s.Post(ctx, ann, p.ID)
			ok(t, err)
			if b.Posts != posts || got.Comments != comments {
				t.Fatalf("%d posts and %d comments, want %d and %d", b.Posts, got.Comments, posts, comments)
			}
		}
		c, d := annsComment(t, s, p.ID, ""), annsComment(t, s, p.ID, "")
		check(2, 2)
		ok(t, s.SetHidden(ctx, p.ID, true))
		ok(t, s.SetHidden(ctx, p.ID, true)) // twice is once
		check(1, 2)
		ok(t, s.SetHidden(ctx, p.ID, false))
		ok(t, s.SetCommentHidden(ctx, c.ID, true))
		ok(t, s.SetCommentHidden(ctx, c.ID, true))
		check(2, 1)
		ok(t, s.DeleteComment(ctx, c.ID, 0)) // was not counted
		check(2, 1)
		ok(t, s.DeleteComment(ctx, d.ID, 0))
		check(2, 0)
		ok(t, s.SetHidden(ctx, other.ID, true))
		ok(t, s.DeletePost(ctx, other.ID, 0))
		check(1, 0)
	})
}

func TestCountsAreExactWhenManyHideAndDeleteAtOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		p := annsPost(t, s)
		const n = 8
		var ids []string
		for range n {
			ids = append(ids, annsComment(t, s, p.ID, "").ID)
		}
		errs := make(chan error)
		for i, id := range ids {
			go func() { errs <- s.SetCommentHidden(ctx, id, i%2 == 0) }()
			go func() {
				err := s.DeleteComment(ctx, id, 0)
				if i%4 != 0 {
					err = nil
				}
				errs <- err
			}()
		}
		for range 2 * n {
			if err := <-errs; err != nil && !errors.Is(err, ErrNotFound) {
				t.Error(err)
			}
		}
		got, err := s.Post(ctx, ann, p.ID)
		ok(t, err)
		comments, _, err := s.Comments(ctx, bob, p.ID, CommentPosition{}, 100)
		ok(t, err)
		if got.Comments != int64(len(comments)) {
			t.Errorf("%d comments are counted, %d are shown", got.Comments, len(comments))
		}
	})
}

func TestADeletedCommentLeavesARowOnlyForItsReplies(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		p := annsPost(t, s)
		rows := func(want int) {
			t.Helper()
			var n int
			ok(t, s.db.QueryRow(ctx, `SELECT count(*) FROM comments`).Scan(&n))
			if n != want {
				t.Fatalf("%d rows, want %d", n, want)
			}
		}
		parent := annsComment(t, s, p.ID, "")
		reply, last := annsComment(t, s, p.ID, parent.ID), annsComment(t, s, p.ID, parent.ID)
		ok(t, s.DeleteComment(ctx, parent.ID, 0))
		rows(3)
		ok(t, s.DeleteComment(ctx, reply.ID, 0))
		rows(2)
		ok(t, s.DeleteComment(ctx, last.ID, 0))
		rows(0)
		if err := s.DeleteComment(ctx, last.ID, 0); !errors.Is(err, ErrNotFound) {
			t.Error(err)
		}
	})
}

func TestAPostWithManyCommentsIsGoneAtOnceAndItsRowsSoon(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		p := annsPost(t, s)
		c := annsComment(t, s, p.ID, "")
		_, err := s.db.Exec(ctx, `INSERT INTO comments (id, post, parent, thread_at, thread, place, body, author, hidden, deleted, version, created_at, updated_at)
			WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 450)
			SELECT 'c' || i, $1, '', i, 'c' || i, 0, 'b', 'ann', false, false, 1, i, i FROM n`, p.ID)
		ok(t, err)
		ok(t, s.DeletePost(ctx, p.ID, 0))
		for name, err := range map[string]error{
			"read":            func() error { _, err := s.Post(ctx, ann, p.ID); return err }(),
			"read its part":   func() error { _, err := s.Comment(ctx, ann, c.ID); return err }(),
			"pin":             s.SetPinned(ctx, p.ID, true),
			"lock":            s.SetLocked(ctx, p.ID, true),
			"hide":            s.SetHidden(ctx, p.ID, true),
			"delete":          s.DeletePost(ctx, p.ID, 0),
			"delete its part": s.DeleteComment(ctx, c.ID, 0),
			"hide its part":   s.SetCommentHidden(ctx, c.ID, true),
			"comment": func() error {
				_, err := s.CreateComment(ctx, Once{}, ann, Comment{Post: p.ID, Body: "c", Author: "ann"}, true)
				return err
			}(),
		} {
			if !errors.Is(err, ErrNotFound) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if list, _, err := s.Posts(ctx, Viewer{Subject: "m", Moderator: true}, "free", FirstPost(), 10); err != nil || len(list) != 0 {
			t.Error(list, err)
		}
		var largest int64
		for {
			n, err := s.sweepPosts(ctx, time.Now())
			ok(t, err)
			if n == 0 {
				break
			}
			largest = max(largest, n)
		}
		if largest > sqldb.BatchRows+1 {
			t.Errorf("one batch removed %d rows", largest)
		}
		var posts, comments int
		ok(t, s.db.QueryRow(ctx, `SELECT (SELECT count(*) FROM posts), (SELECT count(*) FROM comments)`).Scan(&posts, &comments))
		if posts != 0 || comments != 0 {
			t.Errorf("%d posts and %d comments are left", posts, comments)
		}
	})
}

func TestAPageEndsEarlyAmongManyRowsThatNobodyMaySee(t *testing.T) {
	type row struct{ n int }
	all := make([]candidate[row], 5000)
	for i := range all {
		all[i] = candidate[row]{row{i + 1}, i%2500 == 2000 || i == 0}
	}
	read := func(after, n int) ([]candidate[row], error) {
		if n > pageChunk {
			t.Fatalf("%d rows by one statement", n)
		}
		return all[after:min(after+n, len(all))], nil
	}
	var got []int
	pages := 0
	for after := new(int); after != nil; pages++ {
		rows, next, err := fill(*after, func(r row) int { return r.n }, bounds{rows: 10}, read)
		ok(t, err)
		for _, r := range rows {
			got = append(got, r.n)
		}
		if next != nil && *next-*after > pageVisits+pageChunk {
			t.Errorf("a page looked at %d rows", *next-*after)
		}
		after = next
	}
	if want := []int{1, 2001, 4501}; !slices.Equal(got, want) || pages < 4 {
		t.Errorf("%v in %d pages, want %v", got, pages, want)
	}
}

func TestSearchesWaitForEachOtherAndNoLongerThanTheirCaller(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		for range searchesAtOnce {
			s.searches <- struct{}{}
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, _, err := s.SearchPosts(ctx, ann, "x", "", FirstPost(), 1); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		<-s.searches
		if _, _, err := s.SearchPosts(t.Context(), ann, "x", "", FirstPost(), 1); err != nil {
			t.Error(err)
		}
	})
}

func TestASearchGoesOnWhereItStopped(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		old := annsPost(t, s)
		_, err := s.db.Exec(ctx, `INSERT INTO posts (id, board, title, body, format, author, pinned, locked, hidden, version, created_at, updated_at)
			WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 6000)
			SELECT 'p' || i, 'free', 'noise', 'noise', 'plain', 'ann', false, false, false, 1, CAST($1 AS BIGINT) + i, 0 FROM n`, old.CreatedAt.UnixMicro())
		ok(t, err)
		var found []string
		pages, at := 0, FirstPost()
		for after := &at; after != nil; pages++ {
			posts, next, err := s.SearchPosts(ctx, ann, "t", "free", *after, 10)
			ok(t, err)
			for _, p := range posts {
				found = append(found, p.ID)
			}
			after = next
		}
		if fmt.Sprint(found) != fmt.Sprint([]string{old.ID}) || pages < 2 {
			t.Errorf("found %v in %d pages", found, pages)
		}
	})
}
