package store_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/maru-auth/maru/resources/board/internal/store"
)

func TestHiddenPostsExistForTheirAuthorAndModeratorsOnly(t *testing.T) {
	each(t, func(t *testing.T, s *store.Store, c *clock) {
		ctx := t.Context()
		p := newPost(t, s, "secret plan")
		if err := s.SetHidden(ctx, p.ID, true); err != nil {
			t.Fatal(err)
		}
		for _, v := range []struct {
			viewer store.Viewer
			sees   bool
		}{{author, true}, {stranger, false}, {moderator, true}} {
			got, err := s.Post(ctx, v.viewer, p.ID)
			if v.sees && (err != nil || !got.Hidden) {
				t.Errorf("%s: %+v, %v", v.viewer.Subject, got, err)
			}
			if !v.sees && !errors.Is(err, store.ErrNotFound) {
				t.Errorf("%s: %v", v.viewer.Subject, err)
			}
			list, _, err := s.Posts(ctx, v.viewer, "free", store.FirstPost(), 10)
			if err != nil || (len(list) == 1) != v.sees {
				t.Errorf("%s lists %d posts: %v", v.viewer.Subject, len(list), err)
			}
			found, _, err := s.SearchPosts(ctx, v.viewer, "secret", "", store.FirstPost(), 10)
			if err != nil || (len(found) == 1) != v.sees {
				t.Errorf("%s finds %d posts: %v", v.viewer.Subject, len(found), err)
			}
		}
		if err := s.SetHidden(ctx, p.ID, false); err != nil {
			t.Fatal(err)
		}
		must[store.Post](t)(s.Post(ctx, stranger, p.ID))
		wantErr(t, s.SetHidden(ctx, "aaaaaaaaaaaaaaaaaaaaaaaaaa", true), store.ErrNotFound)
	})
}

func TestPagesOfPostsStayStableWhileOthersWrite(t *testing.T) {
	each(t, func(t *testing.T, s *store.Store, c *clock) {
		ctx := t.Context()
		var ids []string
		for i := range 7 {
			ids = append(ids, newPost(t, s, fmt.Sprint("post ", i)).ID)
		}
		if err := s.SetPinned(ctx, ids[2], true); err != nil {
			t.Fatal(err)
		}
		want := []string{ids[2], ids[6], ids[5], ids[4], ids[3], ids[1], ids[0]}
		var got []string
		at := store.FirstPost()
		for after := &at; after != nil; {
			page, next, err := s.Posts(ctx, stranger, "free", *after, 2)
			if err != nil {
				t.Fatal(err)
			}
			if len(page) == 0 {
				t.Fatal("an empty page")
			}
			after = next
			for _, p := range page {
				if p.Body != "" {
					t.Error("a list carries a body")
				}
				got = append(got, p.ID)
			}
			newPost(t, s, "late") // goes to the front: no page that follows may repeat or miss one
		}
		if strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("got  %v\nwant %v", got, want)
		}
	})
}

func TestSearchTakesItsTextLiterally(t *testing.T) {
	each(t, func(t *testing.T, s *store.Store, c *clock) {
		ctx := t.Context()
		must[store.Board](t)(s.CreateBoard(ctx, store.IdempotencyKey{}, store.Board{Slug: "other", Title: "Other"}))
		for _, p := range []store.Post{
			{Board: "free", Title: "100% sure", Body: "x"},
			{Board: "free", Title: "snake_case", Body: `C:\temp`},
			{Board: "free", Title: "1000 snakes", Body: "snakeXcase 안녕하세요 Seoul"},
			{Board: "other", Title: "서울의 봄", Body: "it's \"quoted\"; DROP TABLE posts --"},
		} {
			p.Format, p.Author = "plain", author.Subject
			must[store.Post](t)(s.CreatePost(ctx, store.IdempotencyKey{}, author, p))
		}
		for _, c := range []struct{ text, board, want string }{
			{"100%", "", "100% sure"},
			{"100", "", "1000 snakes|100% sure"},
			{"%", "", "100% sure"},
			{"_", "", "snake_case"},
			{"e_c", "", "snake_case"},
			{`\`, "", "snake_case"},
			{`\t`, "", "snake_case"},
			{"녕하", "", "1000 snakes"},
			{"서울", "", "서울의 봄"},
			{"서울", "free", ""},
			{"sEOUL", "", "1000 snakes"},
			{"SNAKE", "free", "1000 snakes|snake_case"},
			{"'s", "", "서울의 봄"},
			{`"quoted"; DROP TABLE posts --`, "other", "서울의 봄"},
			{"nothing like it", "", ""},
		} {
			posts, next, err := s.SearchPosts(ctx, stranger, c.text, c.board, store.FirstPost(), 10)
			if err != nil || next != nil {
				t.Errorf("%q: %v, %v", c.text, next, err)
			}
			var titles []string
			for _, p := range posts {
				titles = append(titles, p.Title)
			}
			if got := strings.Join(titles, "|"); got != c.want {
				t.Errorf("%q on %q finds %s, want %s", c.text, c.board, got, c.want)
			}
		}
		first, next, err := s.SearchPosts(ctx, stranger, "snake", "", store.FirstPost(), 1)
		if err != nil || next == nil || len(first) != 1 || first[0].Title != "1000 snakes" {
			t.Fatal(first, next, err)
		}
		second, next, err := s.SearchPosts(ctx, stranger, "snake", "", *next, 1)
		if err != nil || next != nil || len(second) != 1 || second[0].Title != "snake_case" {
			t.Fatal(second, next, err)
		}
	})
}

func TestAChangeOfAPostNeedsItsVersionAndNoLock(t *testing.T) {
	each(t, func(t *testing.T, s *store.Store, c *clock) {
		ctx := t.Context()
		p := newPost(t, s, "draft")
		p.Title, p.Body, p.Format = "제목", "**본문**", "markdown"
		updated := must[store.Post](t)(s.UpdatePost(ctx, author, p, false))
		if updated.Title != "제목" || updated.Body != "**본문**" || updated.Format != "markdown" || updated.Version != 2 ||
			!updated.UpdatedAt.After(p.UpdatedAt) || !updated.CreatedAt.Equal(p.CreatedAt) {
			t.Errorf("got %+v", updated)
		}
		_, err := s.UpdatePost(ctx, author, p, false)
		wantErr(t, err, store.ErrChanged)
		if err := s.SetLocked(ctx, p.ID, true); err != nil {
			t.Fatal(err)
		}
		_, err = s.UpdatePost(ctx, author, updated, false)
		wantErr(t, err, store.ErrLocked)
		must[store.Post](t)(s.UpdatePost(ctx, author, updated, true))
		wantErr(t, s.DeletePost(ctx, p.ID, 1), store.ErrChanged)
		if err := s.DeletePost(ctx, p.ID, 3); err != nil {
			t.Fatal(err)
		}
		wantErr(t, s.DeletePost(ctx, p.ID, 0), store.ErrNotFound)
		_, err = s.UpdatePost(ctx, author, p, false)
		wantErr(t, err, store.ErrNotFound)
	})
}

func TestOfChangesAtOnceOneWins(t *testing.T) {
	each(t, func(t *testing.T, s *store.Store, c *clock) {
		p := newPost(t, s, "race")
		comment := newComment(t, s, author, p.ID, "", "race")
		b := must[store.Board](t)(s.Board(t.Context(), "free"))
		for name, change := range map[string]func(i int) error{
			"post": func(i int) error {
				q := p
				q.Title = fmt.Sprint("by ", i)
				_, err := s.UpdatePost(t.Context(), author, q, false)
				return err
			},
			"comment": func(i int) error {
				d := comment
				d.Body = fmt.Sprint("by ", i)
				_, err := s.UpdateComment(t.Context(), author, d, false)
				return err
			},
			"board": func(i int) error {
				d := b
				d.Title = fmt.Sprint("by ", i)
				_, err := s.UpdateBoard(t.Context(), d)
				return err
			},
		} {
			if won := race(t, 16, store.ErrChanged, change); won != 1 {
				t.Errorf("%s: %d of 16 changes of one version won", name, won)
			}
		}
		if won := race(t, 16, store.ErrNotFound, func(int) error { return s.DeleteComment(t.Context(), comment.ID, 0) }); won != 1 {
			t.Errorf("%d of 16 deleted the same comment", won)
		}
		if won := race(t, 16, store.ErrNotFound, func(int) error { return s.DeletePost(t.Context(), p.ID, 0) }); won != 1 {
			t.Errorf("%d of 16 deleted the same post", won)
		}
	})
}
