package store

import (
	"context"
	"log/slog"

	"github.com/maru-auth/maru/authz-server/internal/store/statistics"
	"github.com/maru-auth/maru/internal/sqldb/growthtest"
)

func (s *planned) ofOperators() {
	s.add("Search", func(ctx context.Context) error { _, err := s.Users.Search(ctx, "u1", "", 100); return err })
	s.add("Search", func(ctx context.Context) error { _, err := s.Users.Search(ctx, "u", "dTE5MQB1MTkx", 100); return err })
	s.add("IndexSome", func(ctx context.Context) error {
		// Their names are others by now, so words come and go.
		if err := growthtest.Prepare(ctx, s.db, `UPDATE users SET indexed_at = 0, name = 'm' WHERE id IN ('u7', 'u8')`); err != nil {
			return err
		}
		_, err := s.Users.IndexSome(ctx)
		return err
	})
	s.add("Index", func(ctx context.Context) error {
		ended, cancel := context.WithCancel(ctx)
		cancel()
		s.Users.Index(ended, slog.New(slog.DiscardHandler))
		return nil
	})
	s.add("Hold", func(ctx context.Context) error { return s.Clients.Hold(ctx, "c1") })
	s.add("Add", func(ctx context.Context) error { return s.Statistics.Add(ctx, map[string]int64{"k1": 1}) })
	s.add("Since", func(ctx context.Context) error {
		_, err := s.Statistics.Since(ctx, statistics.Hour, planNow)
		return err
	})
}
