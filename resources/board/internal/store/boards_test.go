package store_test

import (
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
