package streams_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
	"github.com/maru-auth/maru/authz-server/internal/store/streams"
)

func made(t *testing.T, w *storetest.World) streams.Stream {
	t.Helper()
	s, err := w.Streams.Create(t.Context(), streams.Stream{ID: "s", ClientID: "app", Delivered: []streams.Type{streams.AccountDisabled}})
	storetest.OK(t, err)
	return s
}

func set(subject string) streams.Set {
	return streams.Set{Subject: subject, Type: streams.AccountDisabled, Claims: []byte(`{}`)}
}

func TestOneOfManyPutsAnEventIntoQueues(t *testing.T) {
	storetest.Each(t, func(t *testing.T, w *storetest.World) {
		made(t, w)
		storetest.OK(t, w.Users.SetDisabled(t.Context(), w.Person.ID, true))
		events, err := w.Streams.Next(t.Context(), 10)
		if err != nil || len(events) != 1 {
			t.Fatalf("%+v %v", events, err)
		}
		storetest.OneWins(t, store.ErrNotFound, func(ctx context.Context, _ int) error { return w.Streams.Spend(ctx, events[0].ID) })
	})
}

func TestOneOfManyPushesAStream(t *testing.T) {
	storetest.Each(t, func(t *testing.T, w *storetest.World) {
		s := made(t, w)
		storetest.OneWins(t, store.ErrNotFound, func(ctx context.Context, _ int) error {
			return w.Streams.Lease(ctx, s.ID, w.Now.Add(time.Minute))
		})
		w.Now = w.Now.Add(time.Minute)
		storetest.OK(t, w.Streams.Lease(t.Context(), s.ID, w.Now.Add(time.Minute))) // the first one died
	})
}

func TestTheEventsOfAPersonComeOneAfterAnother(t *testing.T) {
	storetest.Each(t, func(t *testing.T, w *storetest.World) {
		ctx := t.Context()
		_, err := w.Streams.Create(ctx, streams.Stream{ID: "s", ClientID: "app", Delivered: streams.Types})
		storetest.OK(t, err)
		storetest.OK(t, w.Users.SetName(ctx, w.Person.ID, "first"))
		w.Now = w.Now.Add(-time.Hour) // the clock of another replica
		storetest.OK(t, w.Users.SetName(ctx, w.Person.ID, "second"))
		w.Now = w.Now.Add(time.Hour)
		for _, want := range []string{"first", "second"} {
			events, err := w.Streams.Next(ctx, 10)
			if err != nil || len(events) != 1 || events[0].Detail.Claims["name"] != want {
				t.Fatalf("%s: %+v %v", want, events, err)
			}
			storetest.OK(t, w.Streams.Spend(ctx, events[0].ID))
		}
	})
}

// Nothing that is dropped is dropped unseen.
func TestAStreamForWhichTooMuchWaitsIsPaused(t *testing.T) {
	storetest.Each(t, func(t *testing.T, w *storetest.World) {
		ctx, s := t.Context(), made(t, w)
		storetest.OK(t, w.Streams.Add(ctx, s.ID, set("a")))
		w.Exec(t, `UPDATE streams SET last_seq = $1`, streams.MaxWaiting)
		if err := w.Streams.Add(ctx, s.ID, set("b"), set("c")); !errors.Is(err, streams.ErrFull) {
			t.Errorf("full: %v", err)
		}
		if err := w.Streams.Add(ctx, s.ID, set("d")); !errors.Is(err, streams.ErrFull) {
			t.Errorf("still full: %v", err)
		}
		got, err := w.Streams.Stream(ctx, s.ID)
		if err != nil || got.Status != streams.Paused || got.Reason != streams.FullReason || got.Dropped != 3 {
			t.Errorf("%+v %v", got, err)
		}
		// The receiver is told, and nothing else.
		ready, _, err := w.Streams.Ready(ctx, got, 10)
		if err != nil || len(ready) != 1 || ready[0].Type != streams.StreamUpdated {
			t.Errorf("%+v %v", ready, err)
		}
		storetest.OK(t, w.Streams.SetStatus(ctx, s.ID, streams.Enabled, ""))
		storetest.OK(t, w.Streams.Add(ctx, s.ID, set("e"))) // so that the receiver can catch up
		if got, err = w.Streams.Stream(ctx, s.ID); err != nil || got.Status != streams.Enabled || got.Dropped != 0 {
			t.Errorf("%+v %v", got, err)
		}
		if ready, _, err = w.Streams.Ready(ctx, got, 10); err != nil || len(ready) != 3 {
			t.Errorf("%+v %v", ready, err)
		}
	})
}

func TestSweepDropsWhatWaitsForADisabledStreamAndWhatWasGivenUpLongAgo(t *testing.T) {
	storetest.Each(t, func(t *testing.T, w *storetest.World) {
		ctx, s := t.Context(), made(t, w)
		told, err := streams.Updated(s.ID, streams.Disabled, "")
		storetest.OK(t, err)
		storetest.OK(t, w.Streams.Add(ctx, s.ID, set("a"), set("b"), told))
		ready, _, err := w.Streams.Ready(ctx, s, 10)
		if err != nil || len(ready) != 3 {
			t.Fatalf("%+v %v", ready, err)
		}
		storetest.OK(t, w.Streams.Refuse(ctx, s.ID, ready[0].ID, "no", time.Time{}))
		storetest.OK(t, w.Streams.SetStatus(ctx, s.ID, streams.Disabled, ""))
		count := func(want int) {
			t.Helper()
			_, err := w.Sweep(ctx)
			storetest.OK(t, err)
			if n := w.Count(t, "stream_sets"); n != want {
				t.Errorf("%d are left, not %d", n, want)
			}
		}
		count(2)
		w.Now = w.Now.Add(streams.Retention)
		count(1)
		storetest.OK(t, w.Clients.MarkRemoved(ctx, "app"))
		count(0)
		if _, err := w.Streams.Stream(ctx, s.ID); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("the stream of a removed client: %v", err)
		}
	})
}

func TestThereAreSoManyStreamsAndNoMore(t *testing.T) {
	storetest.Each(t, func(t *testing.T, w *storetest.World) {
		ctx := t.Context()
		for i := range streams.MaxStreams {
			_, err := w.Streams.Create(ctx, streams.Stream{ID: streams.NewID(), ClientID: string(rune('a' + i))})
			storetest.OK(t, err)
		}
		if _, err := w.Streams.Create(ctx, streams.Stream{ID: "x", ClientID: "one more"}); !errors.Is(err, store.ErrExists) {
			t.Error(err)
		}
		_, err := w.Streams.Create(ctx, streams.Stream{ID: "y", Service: "board"})
		storetest.OK(t, err)
	})
}
