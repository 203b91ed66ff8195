package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
	"github.com/maru-auth/maru/internal/testenv"
)

func receipt(id string) Receipt { return Receipt{ID: id, Until: time.Now().Add(time.Hour)} }

// runPurge runs the work in the background until stop is called.
func runPurge(t *testing.T, s *Store) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { s.Purge(ctx, slog.New(slog.DiscardHandler)) })
	stop = func() { cancel(); wg.Wait() }
	t.Cleanup(stop)
	return stop
}

func TestAPurgeIsAcceptedAtOnceAndDoneInTheBackground(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		const n = 1200
		many(t, s, "ann", n)
		ok(t, s.PurgeAuthor(ctx, receipt("e"), "ann", false))
		if left := traces(t, s, "ann"); left != 2*n {
			t.Errorf("%d rows are left before the work has begun", left)
		}
		_, err := s.CreatePost(ctx, IdempotencyKey{}, ann, Post{Board: "free", Title: "t", Format: "plain", Author: "ann"})
		if !errors.Is(err, ErrDeleted) {
			t.Errorf("and meanwhile she writes: %v", err)
		}
		runPurge(t, s)
		_, err = s.CreatePost(ctx, IdempotencyKey{}, Viewer{Subject: "eve"}, Post{Board: "free", Title: "t", Format: "plain", Author: "eve"})
		ok(t, err)
		ok(t, s.PurgeAuthor(ctx, receipt("f"), "eve", true)) // wakes it
		for author := range map[string]bool{"ann": true, "eve": true} {
			testenv.Eventually(t, "nothing is left of "+author, func() bool { return traces(t, s, author) == 0 })
		}
		var kept, gone int
		ok(t, s.db.QueryRow(ctx, `SELECT (SELECT count(*) FROM posts WHERE author = '' AND NOT removed), (SELECT count(*) FROM posts WHERE author = 'eve')`).Scan(&kept, &gone))
		if kept != n || gone != 0 {
			t.Errorf("%d of ann's posts are kept, %d of eve's", kept, gone)
		}
	})
}

// The program may end between the acknowledgement and the work, or in the middle of it.
func TestAPurgeGoesOnAfterARestart(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		s, err := Open(t.Context(), databaseURL, time.Now)
		ok(t, err)
		many(t, s, "ann", 700)
		ok(t, s.PurgeAuthor(t.Context(), receipt("e"), "ann", true))
		ok(t, s.Close())

		s, err = Open(t.Context(), databaseURL, time.Now)
		ok(t, err)
		_, err = s.deleteSome(t.Context(), "ann", true)
		ok(t, err)
		ok(t, s.Close())

		s, err = Open(t.Context(), databaseURL, time.Now)
		ok(t, err)
		defer s.Close()
		stop := runPurge(t, s)
		testenv.Eventually(t, "nothing is left", func() bool { return traces(t, s, "ann") == 0 })
		stop()
		if err := s.PurgeAuthor(t.Context(), receipt("e"), "ann", true); !errors.Is(err, ErrReceived) {
			t.Error(err)
		}
	})
}

func TestAnEventThatComesManyTimesAtOnceActsOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		var acted, again atomic.Int64
		var wg sync.WaitGroup
		for range 24 {
			wg.Go(func() {
				switch err := s.once(t.Context(), receipt("e"), func(ctx context.Context) error {
					acted.Add(1)
					return s.markAuthor(ctx, "ann", true)
				}); {
				case errors.Is(err, ErrReceived):
					again.Add(1)
				case err != nil:
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if acted.Load() != 1 || again.Load() != 23 {
			t.Errorf("it acted %d times, and came again %d times", acted.Load(), again.Load())
		}
	})
}

// Two replicas meet over the same people, while somebody else writes.
func TestPurgesOfTwoReplicasDoNotDisturbEachOther(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		s, err := Open(t.Context(), databaseURL, time.Now)
		ok(t, err)
		defer s.Close()
		other, err := Open(t.Context(), databaseURL, time.Now)
		ok(t, err)
		defer other.Close()
		many(t, s, "ann", 300)
		for i := range 20 {
			ok(t, s.PurgeAuthor(t.Context(), receipt(fmt.Sprint("e", i)), fmt.Sprint("x", i), true))
		}
		ok(t, s.PurgeAuthor(t.Context(), receipt("e"), "ann", true))
		var wg sync.WaitGroup
		for _, one := range []*Store{s, other} {
			wg.Go(func() {
				if err := one.purgeMarked(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		for range 20 {
			_, err := s.CreatePost(t.Context(), IdempotencyKey{}, bob, Post{Board: "free", Title: "t", Format: "plain", Author: "bob"})
			ok(t, err)
		}
		wg.Wait()
		var counted, there int64
		ok(t, s.db.QueryRow(t.Context(), `SELECT b.posts, (SELECT count(*) FROM posts p WHERE p.board = b.slug AND NOT p.hidden AND NOT p.removed)
			FROM boards b WHERE b.slug = 'free'`).Scan(&counted, &there))
		if left := traces(t, s, "ann"); left != 0 || counted != there {
			t.Errorf("%d rows are left; %d posts are counted, and %d are there", left, counted, there)
		}
	})
}

func TestANameThatHasChangedCountsAsOld(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		ok(t, s.SaveNames(ctx, []Name{{ID: "ann", Name: "Ann", FetchedAt: time.Now()}}))
		for id, want := range map[string]bool{"ann": true, "never seen": false} {
			if kept, err := s.OutdateName(ctx, receipt(id), id); err != nil || kept != want {
				t.Errorf("%s: %t %v", id, kept, err)
			}
		}
		if _, err := s.OutdateName(ctx, receipt("ann"), "ann"); !errors.Is(err, ErrReceived) {
			t.Error(err)
		}
		names, err := s.Names(ctx, []string{"ann", "never seen"})
		if err != nil || len(names) != 1 || names[0].Name != "Ann" || !names[0].FetchedAt.IsZero() {
			t.Errorf("%+v %v", names, err)
		}
		ok(t, s.SaveNames(ctx, []Name{{ID: "ann", Name: "Anna", FetchedAt: time.Now()}}))
		if names, err = s.Names(ctx, []string{"ann"}); err != nil || names[0].Name != "Anna" {
			t.Errorf("%+v %v", names, err)
		}
	})
}
