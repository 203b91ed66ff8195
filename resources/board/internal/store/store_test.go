package store_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
	"github.com/maru-auth/maru/resources/board/internal/store"
)

func TestMain(m *testing.M) {
	sqldbtest.MainMigrated(m, func(ctx context.Context, databaseURL string) error {
		s, err := store.Open(ctx, databaseURL, newClock().now)
		if err != nil {
			return err
		}
		return s.Close()
	})
}

// clock moves on by a second at each look, so that what is written later is dated later.
type clock struct{ micros atomic.Int64 }

func newClock() *clock {
	c := new(clock)
	c.micros.Store(time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC).UnixMicro())
	return c
}

func (c *clock) now() time.Time          { return time.UnixMicro(c.micros.Add(1e6)).UTC() }
func (c *clock) advance(d time.Duration) { c.micros.Add(d.Microseconds()) }

// each runs test on both engines, with a new store.
func each(t *testing.T, test func(t *testing.T, s *store.Store, c *clock)) {
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		c := newClock()
		s := open(t, databaseURL, c)
		test(t, s, c)
	})
}

func open(t *testing.T, databaseURL string, c *clock) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), databaseURL, c.now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

var (
	author    = store.Viewer{Subject: "ann"}
	stranger  = store.Viewer{Subject: "bob"}
	moderator = store.Viewer{Subject: "mod", Moderator: true}
)

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func newPost(t *testing.T, s *store.Store, title string) store.Post {
	t.Helper()
	return must[store.Post](t)(s.CreatePost(t.Context(), store.Once{},
		store.Post{Board: "free", Title: title, Body: "body of " + title, Format: "plain", Author: author.Subject}))
}

func newComment(t *testing.T, s *store.Store, by store.Viewer, post, parent, body string) store.Comment {
	t.Helper()
	return must[store.Comment](t)(s.CreateComment(t.Context(), store.Once{}, by,
		store.Comment{Post: post, Parent: parent, Body: body, Author: by.Subject}, false))
}

func wantErr(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("got error %v, want %v", err, want)
	}
}

func TestAFirstStartMakesTwoBoardsAndLaterOnesKeepThem(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		c := newClock()
		var wg sync.WaitGroup
		for range 4 { // replicas
			wg.Go(func() {
				s, err := store.Open(t.Context(), databaseURL, c.now)
				if err != nil {
					t.Error(err)
					return
				}
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		s := open(t, databaseURL, c)
		free := must[store.Board](t)(s.Board(t.Context(), "free"))
		free.Title = "다른 이름"
		must[store.Board](t)(s.UpdateBoard(t.Context(), free))

		boards, more, err := open(t, databaseURL, c).Boards(t.Context(), false, store.BoardPosition{}, 10)
		if err != nil || more || len(boards) != 2 {
			t.Fatal(boards, more, err)
		}
		if boards[0].Slug != "notice" || !boards[0].ModeratorsOnly || boards[1].Slug != "free" || boards[1].ModeratorsOnly {
			t.Errorf("got %+v", boards)
		}
		if boards[1].Title != "다른 이름" || boards[1].Version != 2 {
			t.Errorf("a later start changed the board: %+v", boards[1])
		}
	})
}

func TestBoards(t *testing.T) {
	each(t, func(t *testing.T, s *store.Store, c *clock) {
		ctx := t.Context()
		b := must[store.Board](t)(s.CreateBoard(ctx, store.Once{}, store.Board{Slug: "go", Title: "Go", Description: "고"}))
		if b.Version != 1 || b.Posts != 0 || b.CreatedAt.IsZero() {
			t.Errorf("got %+v", b)
		}
		_, err := s.CreateBoard(ctx, store.Once{}, store.Board{Slug: "go", Title: "again"})
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
		must[store.Board](t)(s.CreateBoard(ctx, store.Once{}, store.Board{Slug: "other", Title: "Other"}))
		for _, p := range []store.Post{
			{Board: "free", Title: "100% sure", Body: "x"},
			{Board: "free", Title: "snake_case", Body: `C:\temp`},
			{Board: "free", Title: "1000 snakes", Body: "snakeXcase 안녕하세요 Seoul"},
			{Board: "other", Title: "서울의 봄", Body: "it's \"quoted\"; DROP TABLE posts --"},
		} {
			p.Format, p.Author = "plain", author.Subject
			must[store.Post](t)(s.CreatePost(ctx, store.Once{}, p))
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

// race calls f n times at once and returns how many calls returned nil; the others must return lost.
func race(t *testing.T, n int, lost error, f func(i int) error) (won int64) {
	t.Helper()
	var count atomic.Int64
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-start
			switch err := f(i); {
			case err == nil:
				count.Add(1)
			case !errors.Is(err, lost):
				t.Errorf("lost the race by %v, want %v", err, lost)
			}
		})
	}
	close(start)
	wg.Wait()
	return count.Load()
}

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
			_, err := s.CreateComment(ctx, store.Once{}, author, store.Comment{Post: p.ID, Parent: parent, Body: "x", Author: "ann"}, false)
			wantErr(t, err, want)
		}
		_, err := s.CreateComment(ctx, store.Once{}, author, store.Comment{Post: "none", Body: "x", Author: "ann"}, false)
		wantErr(t, err, store.ErrNotFound)

		// Deleted with replies: a stub. Without: gone.
		if err := s.DeleteComment(ctx, one.ID, 0); err != nil {
			t.Fatal(err)
		}
		_, err = s.CreateComment(ctx, store.Once{}, author, store.Comment{Post: p.ID, Parent: one.ID, Body: "x", Author: "ann"}, false)
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
		_, err = s.CreateComment(ctx, store.Once{}, stranger, store.Comment{Post: p.ID, Parent: lonely.ID, Body: "x", Author: "bob"}, false)
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
		_, err = s.CreateComment(ctx, store.Once{}, stranger, store.Comment{Post: p.ID, Body: "x", Author: "bob"}, false)
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
		_, err := s.CreateComment(ctx, store.Once{}, stranger, store.Comment{Post: p.ID, Body: "x", Author: "bob"}, false)
		wantErr(t, err, store.ErrLocked)
		must[store.Comment](t)(s.CreateComment(ctx, store.Once{}, moderator, store.Comment{Post: p.ID, Body: "enough", Author: "mod"}, true))
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
			created, err := s.CreateComment(ctx, store.Once{}, stranger, store.Comment{Post: p.ID, Body: "x", Author: "bob"}, false)
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
				comment, err := s.CreateComment(t.Context(), store.Once{}, stranger, store.Comment{Post: p.ID, Body: "x", Author: "bob"}, false)
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

func TestAKeyCreatesOnce(t *testing.T) {
	each(t, func(t *testing.T, s *store.Store, c *clock) {
		ctx := t.Context()
		once := store.Once{Subject: "ann", Route: "posts", Key: "k1", Request: []byte("h1")}
		post := store.Post{Board: "free", Title: "once", Body: "b", Format: "plain", Author: "ann"}
		var mu sync.Mutex
		ids := map[string]int{}
		race(t, 16, nil, func(int) error {
			p, err := s.CreatePost(ctx, once, post)
			mu.Lock()
			defer mu.Unlock()
			ids[p.ID]++
			return err
		})
		if len(ids) != 1 {
			t.Fatalf("16 requests with one key made %d posts", len(ids))
		}
		first := must[store.Post](t)(s.CreatePost(ctx, once, post))
		if ids[first.ID] != 16 {
			t.Error("a later repetition got another post")
		}

		other := once
		other.Request = []byte("h2")
		_, err := s.CreatePost(ctx, other, post)
		wantErr(t, err, store.ErrKeyReused)
		for _, scoped := range []store.Once{
			{Subject: "bob", Route: "posts", Key: "k1", Request: []byte("h2")},
			{Subject: "ann", Route: "elsewhere", Key: "k1", Request: []byte("h2")},
			{Subject: "ann", Route: "posts", Key: "k2", Request: []byte("h2")},
		} {
			if p := must[store.Post](t)(s.CreatePost(ctx, scoped, post)); p.ID == first.ID {
				t.Errorf("%+v met the key of another", scoped)
			}
		}

		// What failed is not remembered: the same key may try again.
		missing := post
		missing.Board = "none"
		retry := store.Once{Subject: "ann", Route: "posts", Key: "k3", Request: []byte("h3")}
		_, err = s.CreatePost(ctx, retry, missing)
		wantErr(t, err, store.ErrNotFound)
		must[store.Post](t)(s.CreatePost(ctx, retry, post))

		// Gone since: creating it again behind its author's back would be wrong.
		if err := s.DeletePost(ctx, first.ID, 0); err != nil {
			t.Fatal(err)
		}
		_, err = s.CreatePost(ctx, once, post)
		wantErr(t, err, store.ErrNotFound)

		// A day later the key is free, swept or not, and again for one of many.
		c.advance(store.KeyLifetime)
		clear(ids)
		race(t, 16, nil, func(int) error {
			p, err := s.CreatePost(ctx, other, post)
			mu.Lock()
			defer mu.Unlock()
			ids[p.ID]++
			return err
		})
		if len(ids) != 1 || ids[first.ID] != 0 {
			t.Errorf("after a day 16 requests made %v", ids)
		}
	})
}

func TestCommentsAndBoardsCreateOnceToo(t *testing.T) {
	each(t, func(t *testing.T, s *store.Store, c *clock) {
		ctx := t.Context()
		p := newPost(t, s, "talk")
		once := store.Once{Subject: "bob", Route: "comments", Key: "k", Request: []byte("h")}
		var ids sync.Map
		race(t, 8, nil, func(int) error {
			created, err := s.CreateComment(ctx, once, stranger, store.Comment{Post: p.ID, Body: "x", Author: "bob"}, false)
			ids.Store(created.ID, true)
			return err
		})
		n := 0
		ids.Range(func(any, any) bool { n++; return true })
		if got := must[store.Post](t)(s.Post(ctx, stranger, p.ID)).Comments; n != 1 || got != 1 {
			t.Errorf("%d answers, %d comments", n, got)
		}
		once = store.Once{Subject: "mod", Route: "boards", Key: "k", Request: []byte("h")}
		race(t, 8, nil, func(int) error {
			_, err := s.CreateBoard(ctx, once, store.Board{Slug: "new", Title: "New"})
			return err
		})
		if won := race(t, 8, store.ErrExists, func(int) error {
			_, err := s.CreateBoard(ctx, store.Once{}, store.Board{Slug: "newer", Title: "Newer"})
			return err
		}); won != 1 {
			t.Errorf("%d made the same board", won)
		}
	})
}

func TestExpiredKeysAreSwept(t *testing.T) {
	each(t, func(t *testing.T, s *store.Store, c *clock) {
		ctx := t.Context()
		post := store.Post{Board: "free", Title: "t", Body: "b", Format: "plain", Author: "ann"}
		write := func(key string) {
			t.Helper()
			once := store.Once{Subject: "ann", Route: "posts", Key: key, Request: []byte("h")}
			must[store.Post](t)(s.CreatePost(ctx, once, post))
		}
		sweep := func(want int64) {
			t.Helper()
			if n, err := s.Sweep(ctx); err != nil || n != want {
				t.Errorf("swept %d (%v), want %d", n, err, want)
			}
		}
		for i := range 5 {
			write(fmt.Sprint(i))
		}
		sweep(0)
		c.advance(store.KeyLifetime)
		write("young")
		sweep(5)
		sweep(0)
	})
}

func TestNamesAreKept(t *testing.T) {
	each(t, func(t *testing.T, s *store.Store, c *clock) {
		ctx := t.Context()
		at := c.now()
		save := func(names ...store.Name) {
			t.Helper()
			if err := s.SaveNames(ctx, names); err != nil {
				t.Fatal(err)
			}
		}
		save(store.Name{ID: "u1", Name: "안나", FetchedAt: at}, store.Name{ID: "u2", Name: "", FetchedAt: at})
		save(store.Name{ID: "u1", Name: "old news", FetchedAt: at.Add(-time.Hour)}) // a slower replica's
		names, err := s.Names(ctx, []string{"u1", "u2", "u3"})
		if err != nil || len(names) != 2 {
			t.Fatal(names, err)
		}
		for _, n := range names {
			if n.ID == "u1" && n.Name != "안나" || n.ID == "u2" && n.Name != "" || !n.FetchedAt.Equal(at) {
				t.Errorf("got %+v", n)
			}
		}
		save(store.Name{ID: "u1", Unknown: true, FetchedAt: at})
		if names, err := s.Names(ctx, []string{"u1"}); err != nil || len(names) != 0 {
			t.Error(names, err)
		}
		if names, err := s.Names(ctx, nil); err != nil || len(names) != 0 {
			t.Error(names, err)
		}
		race(t, 8, nil, func(i int) error {
			return s.SaveNames(ctx, []store.Name{{ID: "a", Unknown: i%2 == 0, FetchedAt: at}, {ID: "b", Unknown: i%2 == 1, FetchedAt: at}})
		})
	})
}

func TestOnlyIDsMadeHereAreValid(t *testing.T) {
	each(t, func(t *testing.T, s *store.Store, c *clock) {
		if p := newPost(t, s, "x"); !store.ValidID(p.ID) {
			t.Errorf("%q is not valid", p.ID)
		}
	})
	for _, id := range []string{"", "short", strings.Repeat("A", 26), strings.Repeat("a", 25) + "1", strings.Repeat("a", 27), strings.Repeat("\x00", 26), strings.Repeat("a", 25) + "\xff"} {
		if store.ValidID(id) {
			t.Errorf("%q is valid", id)
		}
	}
}

func TestOpenFailsForAWrongURL(t *testing.T) {
	if _, err := store.Open(context.Background(), "mysql://x", time.Now); err == nil {
		t.Error("opened")
	}
}
