package store_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/maru-auth/maru/resources/board/internal/store"
)

func TestThreadsListTheirRepliesAfterThem(t *testing.T) {
	each(t, func(t *testing.T, s *store.Store, c *clock) {
		ctx := t.Context()
		p := newPost(t, s, "talk")
		one := newComment(t, s, author, p.ID, "", "one")
		two := newComment(t, s, stranger, p.ID, "", "two")
		oneA := newComment(t, s, stranger, p.ID, one.ID, "one a")
		newComment(t, s, author, p.ID, two.ID, "two a")
		newComment(t, s, author, p.ID, one.ID, "one b")
		if got := bodies(t, s, stranger, p.ID, 2); got != "one|one a|one b|two|two a" {
			t.Errorf("page by page: %s", got)
		}

		other := newPost(t, s, "other")
		foreign := newComment(t, s, author, other.ID, "", "foreign")
		for parent, want := range map[string]error{oneA.ID: store.ErrReplyToReply, foreign.ID: store.ErrParent, "none": store.ErrParent} {
			_, err := s.CreateComment(ctx, store.IdempotencyKey{}, author,
				store.Comment{Post: p.ID, Parent: parent, Body: "x", Author: "ann"}, false)
			wantErr(t, err, want)
		}
		_, err := s.CreateComment(ctx, store.IdempotencyKey{}, author, store.Comment{Post: "none", Body: "x", Author: "ann"}, false)
		wantErr(t, err, store.ErrNotFound)

		// Deleted with replies: a stub. Without: gone.
		if err := s.DeleteComment(ctx, one.ID, 0); err != nil {
			t.Fatal(err)
		}
		_, err = s.CreateComment(ctx, store.IdempotencyKey{}, author,
			store.Comment{Post: p.ID, Parent: one.ID, Body: "x", Author: "ann"}, false)
		wantErr(t, err, store.ErrParent)
		if got := bodies(t, s, stranger, p.ID, 10); got != "-|one a|one b|two|two a" {
			t.Errorf("with a stub: %s", got)
		}
		if err := s.DeleteComment(ctx, oneA.ID, 0); err != nil {
			t.Fatal(err)
		}
		if got := bodies(t, s, stranger, p.ID, 10); got != "-|one b|two|two a" {
			t.Errorf("a deleted reply: %s", got)
		}
		_, err = s.Comment(ctx, moderator, one.ID)
		wantErr(t, err, store.ErrNotFound)
		if got := must[store.Post](t)(s.Post(ctx, stranger, p.ID)).Comments; got != 3 {
			t.Errorf("%d comments are counted, want 3", got)
		}

		if err := s.DeletePost(ctx, p.ID, 0); err != nil {
			t.Fatal(err)
		}
		_, err = s.Comment(ctx, moderator, two.ID)
		wantErr(t, err, store.ErrNotFound)
		must[store.Comment](t)(s.Comment(ctx, stranger, foreign.ID))
	})
}

// bodies reads all comments in pages of limit and joins their bodies; a stub is "-".
func bodies(t *testing.T, s *store.Store, viewer store.Viewer, post string, limit int) string {
	t.Helper()
	var got []string
	for after := new(store.CommentPosition); after != nil; {
		page, next, err := s.Comments(t.Context(), viewer, post, *after, limit)
		if err != nil {
			t.Fatal(err)
		}
		after = next
		for _, c := range page {
			body := c.Body
			if c.Author == "" {
				body = "-" + body
			}
			got = append(got, body)
		}
	}
	return strings.Join(got, "|")
}

func TestHiddenCommentsExistForTheirAuthorAndModeratorsOnly(t *testing.T) {
	each(t, func(t *testing.T, s *store.Store, c *clock) {
		ctx := t.Context()
		p := newPost(t, s, "talk")
		lonely := newComment(t, s, author, p.ID, "", "lonely")
		answered := newComment(t, s, author, p.ID, "", "answered")
		reply := newComment(t, s, stranger, p.ID, answered.ID, "answer")
		for _, id := range []string{lonely.ID, answered.ID} {
			if err := s.SetCommentHidden(ctx, id, true); err != nil {
				t.Fatal(err)
			}
		}
		for viewer, want := range map[store.Viewer]string{
			author: "lonely|answered|answer", moderator: "lonely|answered|answer", stranger: "-|answer",
		} {
			if got := bodies(t, s, viewer, p.ID, 10); got != want {
				t.Errorf("%s sees %s, want %s", viewer.Subject, got, want)
			}
		}
		if got := must[store.Post](t)(s.Post(ctx, moderator, p.ID)).Comments; got != 1 {
			t.Errorf("%d comments are counted, want the one that everybody sees", got)
		}
		_, err := s.Comment(ctx, stranger, lonely.ID)
		wantErr(t, err, store.ErrNotFound)
		_, err = s.CreateComment(ctx, store.IdempotencyKey{}, stranger,
			store.Comment{Post: p.ID, Parent: lonely.ID, Body: "x", Author: "bob"}, false)
		wantErr(t, err, store.ErrParent)

		// A hidden reply no longer holds up its hidden parent.
		if err := s.SetCommentHidden(ctx, reply.ID, true); err != nil {
			t.Fatal(err)
		}
		if got := bodies(t, s, store.Viewer{Subject: "third"}, p.ID, 10); got != "" {
			t.Errorf("a third person sees %s", got)
		}

		// With its post, a comment is out of sight too.
		if err := s.SetCommentHidden(ctx, answered.ID, false); err != nil {
			t.Fatal(err)
		}
		must[store.Comment](t)(s.Comment(ctx, stranger, answered.ID))
		if err := s.SetHidden(ctx, p.ID, true); err != nil {
			t.Fatal(err)
		}
		_, err = s.Comment(ctx, stranger, answered.ID)
		wantErr(t, err, store.ErrNotFound)
		_, err = s.CreateComment(ctx, store.IdempotencyKey{}, stranger, store.Comment{Post: p.ID, Body: "x", Author: "bob"}, false)
		wantErr(t, err, store.ErrNotFound)
		wantErr(t, s.SetCommentHidden(ctx, "none", true), store.ErrNotFound)
	})
}

func TestALockEndsCommentsAndTheirChanges(t *testing.T) {
	each(t, func(t *testing.T, s *store.Store, c *clock) {
		ctx := t.Context()
		p := newPost(t, s, "heated")
		comment := newComment(t, s, stranger, p.ID, "", "first")
		if err := s.SetLocked(ctx, p.ID, true); err != nil {
			t.Fatal(err)
		}
		_, err := s.CreateComment(ctx, store.IdempotencyKey{}, stranger, store.Comment{Post: p.ID, Body: "x", Author: "bob"}, false)
		wantErr(t, err, store.ErrLocked)
		must[store.Comment](t)(s.CreateComment(ctx, store.IdempotencyKey{}, moderator,
			store.Comment{Post: p.ID, Body: "enough", Author: "mod"}, true))
		comment.Body = "changed"
		_, err = s.UpdateComment(ctx, stranger, comment, false)
		wantErr(t, err, store.ErrLocked)
		updated := must[store.Comment](t)(s.UpdateComment(ctx, stranger, comment, true))
		if updated.Body != "changed" || updated.Version != 2 || !updated.PostLocked {
			t.Errorf("got %+v", updated)
		}
		wantErr(t, s.DeleteComment(ctx, comment.ID, 1), store.ErrChanged)
		if err := s.DeleteComment(ctx, comment.ID, 2); err != nil {
			t.Fatal(err)
		}
		_, err = s.UpdateComment(ctx, stranger, updated, true)
		wantErr(t, err, store.ErrNotFound)
	})
}

func TestCountsAreExactUnderManyHands(t *testing.T) {
	each(t, func(t *testing.T, s *store.Store, c *clock) {
		ctx := t.Context()
		p := newPost(t, s, "busy")
		ids := make([]string, 24)
		race(t, len(ids), nil, func(i int) error {
			created, err := s.CreateComment(ctx, store.IdempotencyKey{}, stranger, store.Comment{Post: p.ID, Body: "x", Author: "bob"}, false)
			ids[i] = created.ID
			return err
		})
		// Each of 8 is deleted twice, each of 8 others is hidden twice, all at once.
		race(t, 32, store.ErrNotFound, func(i int) error {
			if i < 16 {
				return s.DeleteComment(ctx, ids[i/2], 0)
			}
			return s.SetCommentHidden(ctx, ids[i/2], true)
		})
		if got := must[store.Post](t)(s.Post(ctx, stranger, p.ID)).Comments; got != 8 {
			t.Errorf("%d comments are counted, want 8", got)
		}
	})
}

func TestNoCommentOutlivesItsPost(t *testing.T) {
	each(t, func(t *testing.T, s *store.Store, c *clock) {
		for range 5 {
			p := newPost(t, s, "short-lived")
			var created sync.Map
			race(t, 9, store.ErrNotFound, func(i int) error {
				if i == 4 {
					return s.DeletePost(t.Context(), p.ID, 0)
				}
				comment, err := s.CreateComment(t.Context(), store.IdempotencyKey{}, stranger,
					store.Comment{Post: p.ID, Body: "x", Author: "bob"}, false)
				if err == nil {
					created.Store(comment.ID, true)
				}
				return err
			})
			created.Range(func(id, _ any) bool {
				_, err := s.Comment(t.Context(), moderator, id.(string))
				wantErr(t, err, store.ErrNotFound)
				return true
			})
		}
	})
}

// Anybody may ask for the comments of a public post, and read the answer slowly: it must not have much.
func TestAPageOfLongCommentsEndsEarlyAndNoneIsMissing(t *testing.T) {
	each(t, func(t *testing.T, s *store.Store, _ *clock) {
		const comments, most = 60, 256 << 10
		post := newPost(t, s, "t")
		body := strings.Repeat("😀", 2000)
		for range comments {
			newComment(t, s, author, post.ID, "", body)
		}
		got, pages := map[string]bool{}, 0
		for after := (store.CommentPosition{}); ; pages++ {
			page, next, err := s.Comments(t.Context(), stranger, post.ID, after, 100)
			if err != nil {
				t.Fatal(err)
			}
			bytes := 0
			for _, c := range page {
				got[c.ID] = true
				bytes += len(c.Body)
			}
			if bytes > most+len(body) {
				t.Errorf("a page of %d comments has %d bytes", len(page), bytes)
			}
			if next == nil {
				break
			}
			after = *next
		}
		if len(got) != comments || pages == 0 {
			t.Errorf("%d comments on %d pages and the last", len(got), pages)
		}
	})
}
