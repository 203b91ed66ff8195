package store_test

import (
	"context"
	"errors"
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
	t.Parallel()
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
	return must[store.Post](t)(s.CreatePost(t.Context(), store.IdempotencyKey{}, author,
		store.Post{Board: "free", Title: title, Body: "body of " + title, Format: "plain", Author: author.Subject}))
}

func newComment(t *testing.T, s *store.Store, by store.Viewer, post, parent, body string) store.Comment {
	t.Helper()
	return must[store.Comment](t)(s.CreateComment(t.Context(), store.IdempotencyKey{}, by,
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

// race calls f n times at once and returns how many calls returned nil; the others must return
// lost.
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

func TestOnlyIDsMadeHereAreValid(t *testing.T) {
	each(t, func(t *testing.T, s *store.Store, c *clock) {
		if p := newPost(t, s, "x"); !store.ValidID(p.ID) {
			t.Errorf("%q is not valid", p.ID)
		}
	})
	for _, id := range []string{
		"", "short", strings.Repeat("A", 26), strings.Repeat("a", 25) + "1", strings.Repeat("a", 27),
		strings.Repeat("\x00", 26), strings.Repeat("a", 25) + "\xff",
	} {
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
