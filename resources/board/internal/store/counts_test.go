package store

import (
	"errors"
	"testing"
	"time"

	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

var (
	ann = Viewer{Subject: "ann"}
	bob = Viewer{Subject: "bob"}
)

func onBoth(t *testing.T, test func(t *testing.T, s *Store)) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		s, err := Open(t.Context(), databaseURL, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		s.searchTime = time.Minute
		test(t, s)
	})
}

func annsPost(t *testing.T, s *Store) Post {
	t.Helper()
	p, err := s.CreatePost(t.Context(), IdempotencyKey{}, ann, Post{Board: "free", Title: "t", Body: "b", Format: "plain", Author: "ann"})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func annsComment(t *testing.T, s *Store, post, parent string) Comment {
	t.Helper()
	c, err := s.CreateComment(t.Context(), IdempotencyKey{}, ann, Comment{Post: post, Parent: parent, Body: "c", Author: "ann"}, false)
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
