package store

import (
	"context"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/store/streams"
)

func (s *planned) ofStreams() {
	s.add("Create", func(ctx context.Context) error {
		_, err := s.Streams.Create(ctx, streams.Stream{ID: "new", ClientID: "c99"})
		return err
	})
	s.add("Stream", func(ctx context.Context) error { _, err := s.Streams.Stream(ctx, "t1"); return err })
	s.add("StreamOf", func(ctx context.Context) error { _, err := s.Streams.StreamOf(ctx, "c1"); return err })
	s.late("StreamOfService", func(ctx context.Context) error { _, err := s.Streams.StreamOfService(ctx, "board"); return err })
	s.add("List", func(ctx context.Context) error { _, err := s.Streams.List(ctx); return err })
	s.add("Edit", func(ctx context.Context) error {
		_, err := s.Streams.Edit(ctx, "t1", func(*streams.Stream) error { return nil })
		return err
	})
	s.add("SetStatus", func(ctx context.Context) error { return s.Streams.SetStatus(ctx, "t1", streams.Paused, "") })
	s.add("CountVerification", func(ctx context.Context) error { return s.Streams.CountVerification(ctx, "t1", time.Second) })
	s.add("Exclude", func(ctx context.Context) error { return s.Streams.Exclude(ctx, "t1", key(1)) })
	s.add("Include", func(ctx context.Context) error { return s.Streams.Include(ctx, "t1", key(1)) })
	s.add("Excluded", func(ctx context.Context) error { _, err := s.Streams.Excluded(ctx, "t1", key(1)); return err })
	s.late("Rewrap", func(ctx context.Context) error { return s.Streams.Rewrap(ctx, "t1", key(1), key(2)) })
	s.add("Delete", func(ctx context.Context) error {
		if err := s.prepare(ctx, "stream_sets", "stream_exclusions"); err != nil {
			return err
		}
		return s.Streams.Delete(ctx, "t1")
	})

	s.add("Emit", func(ctx context.Context) error {
		return s.Streams.Emit(ctx, streams.Event{Type: streams.SessionRevoked, UserID: "u1"})
	})
	s.add("Next", func(ctx context.Context) error { _, err := s.Streams.Next(ctx, 100); return err })
	s.add("Spend", func(ctx context.Context) error { return s.Streams.Spend(ctx, "x1") })
	s.add("Delay", func(ctx context.Context) error { return s.Streams.Delay(ctx, "x1", soon) })

	sets := []streams.Set{{Subject: "p1", Type: streams.SessionRevoked, Claims: []byte("{}")}, {Type: streams.Verification, Claims: []byte("{}")}}
	s.add("Add", func(ctx context.Context) error { return s.Streams.Add(ctx, "t1", sets...) })
	s.add("Add", func(ctx context.Context) error { // to a queue that is full
		if _, err := s.db.Exec(ctx, `-- prepares
			UPDATE streams SET last_seq = 200000 WHERE id = 't1'`); err != nil {
			return err
		}
		if err := s.Streams.Add(ctx, "t1", sets...); err == nil {
			return context.Canceled
		}
		return nil
	})
	ready := func(status streams.Status) func(ctx context.Context) error {
		return func(ctx context.Context) error {
			_, _, err := s.Streams.Ready(ctx, streams.Stream{ID: "t1", Status: status}, 50)
			return err
		}
	}
	s.add("Ready", ready(streams.Enabled))
	s.add("Ready", ready(streams.Paused))
	s.add("Done", func(ctx context.Context) error { return s.Streams.Done(ctx, "t1", "x1") })
	s.add("Refuse", func(ctx context.Context) error { return s.Streams.Refuse(ctx, "t1", "x1", "", soon) })
	s.add("Pushable", func(ctx context.Context) error { _, err := s.Streams.Pushable(ctx); return err })
	s.add("Lease", func(ctx context.Context) error { return s.Streams.Lease(ctx, "t1", soon) })
	s.add("Release", func(ctx context.Context) error { return s.Streams.Release(ctx, "t1", soon, soon) })
	s.add("Failed", func(ctx context.Context) error { return s.Streams.Failed(ctx, "t1", soon, "", soon) })
	s.add("Depth", func(ctx context.Context) error { _, err := s.Streams.Depth(ctx, "t1"); return err })
	s.add("Sets", func(ctx context.Context) error { _, err := s.Streams.Sets(ctx, "t1", "x5", 500); return err })
	s.add("Retry", func(ctx context.Context) error {
		if err := s.prepare(ctx, "stream_sets"); err != nil {
			return err
		}
		_, err := s.Streams.Retry(ctx, "t1")
		return err
	})
	s.add("Drop", func(ctx context.Context) error {
		if err := s.prepare(ctx, "stream_sets"); err != nil {
			return err
		}
		return s.Streams.Drop(ctx, "t1")
	})
}
