package store_test

import (
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/store/outbox"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
	"github.com/maru-auth/maru/authz-server/internal/store/streams"
)

// A replica whose clock has stepped ahead leaves what waits to the others: it would give up letters that
// have time, and put off for a day what fails.
func TestAReplicaWithAWrongClockDeliversNothing(t *testing.T) {
	storetest.Each(t, func(t *testing.T, w *storetest.World) {
		if !w.Concurrent(t) { // SQLite has no clock of its own, nor replicas
			return
		}
		ctx := t.Context()
		storetest.OK(t, w.Outbox.Add(ctx, outbox.Item{Kind: "k"}))
		_, err := w.Streams.Create(ctx, streams.Stream{ID: "s", Service: "user", Endpoint: "https://r.example/events", Status: streams.Enabled,
			Delivered: []streams.Type{streams.AccountDisabled}})
		storetest.OK(t, err)
		storetest.OK(t, w.Streams.Add(ctx, "s", streams.Set{ID: "set", Subject: "x", Type: streams.AccountDisabled, Claims: []byte("{}")}))
		for name, test := range map[string]struct {
			ahead time.Duration
			want  int
		}{"a day ahead": {24 * time.Hour, 0}, "right": {0, 1}} {
			s := storetest.Ahead(t, w.URL(), func() time.Time { return w.Now }, test.ahead)
			taken, err := s.Outbox.Take(ctx, "k", time.Minute, 10, func(string) int { return 10 })
			if err != nil || len(taken) != test.want {
				t.Errorf("%s: took %d: %v", name, len(taken), err)
			}
			pushed, err := s.Streams.Pushable(ctx)
			if err != nil || len(pushed) != test.want {
				t.Errorf("%s: pushes %d: %v", name, len(pushed), err)
			}
		}
	})
}
