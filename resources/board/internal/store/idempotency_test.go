package store_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/maru-auth/maru/resources/board/internal/store"
)

func TestAKeyCreatesOnce(t *testing.T) {
	each(t, func(t *testing.T, s *store.Store, c *clock) {
		ctx := t.Context()
		request := store.IdempotencyKey{Subject: "ann", Route: "posts", Key: "k1", Request: []byte("h1")}
		post := store.Post{Board: "free", Title: "once", Body: "b", Format: "plain", Author: "ann"}
		var mu sync.Mutex
		ids := map[string]int{}
		race(t, 16, nil, func(int) error {
			p, err := s.CreatePost(ctx, request, author, post)
			mu.Lock()
			defer mu.Unlock()
			ids[p.ID]++
			return err
		})
		if len(ids) != 1 {
			t.Fatalf("16 requests with one key made %d posts", len(ids))
		}
		first := must[store.Post](t)(s.CreatePost(ctx, request, author, post))
		if ids[first.ID] != 16 {
			t.Error("a later repetition got another post")
		}

		other := request
		other.Request = []byte("h2")
		_, err := s.CreatePost(ctx, other, author, post)
		wantErr(t, err, store.ErrKeyReused)
		for _, scoped := range []store.IdempotencyKey{
			{Subject: "bob", Route: "posts", Key: "k1", Request: []byte("h2")},
			{Subject: "ann", Route: "elsewhere", Key: "k1", Request: []byte("h2")},
			{Subject: "ann", Route: "posts", Key: "k2", Request: []byte("h2")},
		} {
			if p := must[store.Post](t)(s.CreatePost(ctx, scoped, author, post)); p.ID == first.ID {
				t.Errorf("%+v met the key of another", scoped)
			}
		}

		// What failed is not remembered: the same key may try again.
		missing := post
		missing.Board = "none"
		retry := store.IdempotencyKey{Subject: "ann", Route: "posts", Key: "k3", Request: []byte("h3")}
		_, err = s.CreatePost(ctx, retry, author, missing)
		wantErr(t, err, store.ErrNotFound)
		must[store.Post](t)(s.CreatePost(ctx, retry, author, post))

		// Gone since: creating it again behind its author's back would be wrong.
		if err := s.DeletePost(ctx, first.ID, 0); err != nil {
			t.Fatal(err)
		}
		_, err = s.CreatePost(ctx, request, author, post)
		wantErr(t, err, store.ErrNotFound)

		// A day later the key is free, swept or not, and again for one of many.
		c.advance(store.KeyLifetime)
		clear(ids)
		race(t, 16, nil, func(int) error {
			p, err := s.CreatePost(ctx, other, author, post)
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
		request := store.IdempotencyKey{Subject: "bob", Route: "comments", Key: "k", Request: []byte("h")}
		var ids sync.Map
		race(t, 8, nil, func(int) error {
			created, err := s.CreateComment(ctx, request, stranger, store.Comment{Post: p.ID, Body: "x", Author: "bob"}, false)
			ids.Store(created.ID, true)
			return err
		})
		n := 0
		ids.Range(func(any, any) bool { n++; return true })
		if got := must[store.Post](t)(s.Post(ctx, stranger, p.ID)).Comments; n != 1 || got != 1 {
			t.Errorf("%d answers, %d comments", n, got)
		}
		request = store.IdempotencyKey{Subject: "mod", Route: "boards", Key: "k", Request: []byte("h")}
		race(t, 8, nil, func(int) error {
			_, err := s.CreateBoard(ctx, request, store.Board{Slug: "new", Title: "New"})
			return err
		})
		if won := race(t, 8, store.ErrExists, func(int) error {
			_, err := s.CreateBoard(ctx, store.IdempotencyKey{}, store.Board{Slug: "newer", Title: "Newer"})
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
			request := store.IdempotencyKey{Subject: "ann", Route: "posts", Key: key, Request: []byte("h")}
			must[store.Post](t)(s.CreatePost(ctx, request, author, post))
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
