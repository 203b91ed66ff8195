package store

import (
	"context"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/store/auditlog"
)

func (s *planned) ofAudit() {
	s.add("Add", func(ctx context.Context) error {
		return s.Audit.Add(ctx, auditlog.Entry{Kind: "k", By: auditlog.Part{UserID: "u1", Data: "{}"}, About: auditlog.Part{UserID: "u2", Data: "{}"}})
	})
	s.add("After", func(ctx context.Context) error { _, err := s.Audit.After(ctx, 100, 200); return err })
	s.add("Waiting", func(ctx context.Context) error { _, err := s.Audit.Waiting(ctx, 200); return err })
	s.add("Backlog", func(ctx context.Context) error { _, err := s.Audit.Backlog(ctx); return err })
	s.add("Ends", func(ctx context.Context) error { _, _, err := s.Audit.Ends(ctx); return err })
	s.add("Chain", func(ctx context.Context) error {
		_, err := s.Audit.Chain(ctx, 200, func(auditlog.Link, auditlog.Entry) []byte { return []byte("mac") })
		return err
	})
	s.add("Trim", func(ctx context.Context) error {
		_, err := s.Audit.Trim(ctx, time.UnixMicro(1000), 200, func(auditlog.Link) []byte { return []byte("seal") })
		return err
	})
	s.add("Owner", func(ctx context.Context) error { _, err := s.Sessions.Owner(ctx, "s1"); return err })
	for _, f := range []auditlog.Filter{
		{}, {Kind: "kind50"}, {TargetID: "c1"}, {TargetID: "c1", Kind: "kind50"}, {UserID: "u1"},
		{UserID: "u1", TargetID: "c1", Kind: "kind50"}, {ActorID: "c1"}, {ActorID: "c1", Kind: "kind50"}, {ActorID: "c1", TargetID: "c2", UserID: "u1"},
	} {
		f.Limit = 100
		s.add("List", func(ctx context.Context) error { _, err := s.Audit.List(ctx, f); return err })
	}
}
