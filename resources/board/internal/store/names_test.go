package store_test

import (
	"testing"
	"time"

	"github.com/maru-auth/maru/resources/board/internal/store"
)

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
