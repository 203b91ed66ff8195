package store_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/maru-auth/maru/resources/board/internal/store"
)

func TestBoards(t *testing.T) {
	each(t, func(t *testing.T, s *store.Store, c *clock) {
		ctx := t.Context()
		b := must[store.Board](t)(s.CreateBoard(ctx, store.IdempotencyKey{}, store.Board{Slug: "go", Title: "Go", Description: "고"}))
		if b.Version != 1 || b.Posts != 0 || b.CreatedAt.IsZero() {
			t.Errorf("got %+v", b)
		}
		_, err := s.CreateBoard(ctx, store.IdempotencyKey{}, store.Board{Slug: "go", Title: "again"})
		wantErr(t, err, store.ErrExists)

		b.Title = "Go!"
		updated := must[store.Board](t)(s.UpdateBoard(ctx, b))
		if updated.Title != "Go!" || updated.Version != 2 || !updated.UpdatedAt.After(b.UpdatedAt) {
			t.Errorf("got %+v", updated)
		}
		_, err = s.UpdateBoard(ctx, b)
		wantErr(t, err, store.ErrChanged)
		_, err = s.UpdateBoard(ctx, store.Board{Slug: "none", Version: 1})
		wantErr(t, err, store.ErrNotFound)

		p := newPost(t, s, "one")
		newPost(t, s, "two")
		if err := s.SetHidden(ctx, p.ID, true); err != nil {
			t.Fatal(err)
		}
		if free := must[store.Board](t)(s.Board(ctx, "free")); free.Posts != 1 {
			t.Errorf("%d posts are counted, want the one that is not hidden", free.Posts)
		}
		var slugs []string
		for after, more := (store.BoardPosition{}), true; more; {
			var page []store.Board
			if page, more, err = s.Boards(ctx, false, after, 1); err != nil || len(page) != 1 {
				t.Fatal(page, err)
			}
			slugs, after = append(slugs, page[0].Slug), page[0].Position()
		}
		if got := strings.Join(slugs, " "); got != "notice free go" {
			t.Errorf("page by page: %s", got)
		}
	})
}

// Whoever was let in by a board's rules of before waits for the moderator's change, and then writes
// nothing: the rules are read where the text is written.
func TestATextIsWrittenByTheBoardsRulesOfThatMoment(t *testing.T) {
	each(t, func(t *testing.T, s *store.Store, _ *clock) {
		ctx := t.Context()
		p := newPost(t, s, "before")
		c := newComment(t, s, author, p.ID, "", "before")
		posts := func() int64 { return must[store.Board](t)(s.Board(ctx, "free")).Posts }
		change := func(only bool, role string) {
			t.Helper()
			b := must[store.Board](t)(s.Board(ctx, "free"))
			b.ModeratorsOnly, b.WriteRole = only, role
			must[store.Board](t)(s.UpdateBoard(ctx, b))
		}
		write := func(by store.Viewer) (post, comment error) {
			_, post = s.CreatePost(ctx, store.IdempotencyKey{}, by, store.Post{Board: "free", Title: "t", Body: "b", Format: "plain", Author: by.Subject})
			_, comment = s.CreateComment(ctx, store.IdempotencyKey{}, by, store.Comment{Post: p.ID, Body: "b", Author: by.Subject}, false)
			return post, comment
		}
		needsRole := func(err error) bool {
			_, ok := errors.AsType[*store.WriteRoleError](err)
			return ok
		}
		change(true, "")
		if post, comment := write(author); !errors.Is(post, store.ErrModeratorsOnly) || comment != nil {
			t.Errorf("on a board of moderators: %v, %v", post, comment)
		}
		if post, comment := write(moderator); post != nil || comment != nil {
			t.Errorf("a moderator: %v, %v", post, comment)
		}
		change(true, "editor")
		before := posts()
		for _, by := range []store.Viewer{author, moderator} {
			if post, comment := write(by); !needsRole(post) || !needsRole(comment) {
				t.Errorf("%s on a board of editors: %v, %v", by.Subject, post, comment)
			}
		}
		p.Title, c.Body = "after", "after"
		if _, err := s.UpdatePost(ctx, author, p, false); !needsRole(err) {
			t.Errorf("a change of a post: %v", err)
		}
		if _, err := s.UpdateComment(ctx, author, c, false); !needsRole(err) {
			t.Errorf("a change of a comment: %v", err)
		}
		if p := must[store.Post](t)(s.Post(ctx, author, p.ID)); p.Title != "before" || posts() != before {
			t.Errorf("%+v was written, and %d posts", p, posts()-before)
		}
		editor := store.Viewer{Subject: author.Subject, Roles: "editor"}
		if post, comment := write(editor); post != nil || comment != nil {
			t.Errorf("an editor: %v, %v", post, comment)
		}
		must[store.Post](t)(s.UpdatePost(ctx, editor, p, false))
		must[store.Comment](t)(s.UpdateComment(ctx, editor, c, false))
	})
}
