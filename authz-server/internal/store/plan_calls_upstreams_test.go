package store

import (
	"context"

	"github.com/maru-auth/maru/authz-server/internal/store/upstreams"
)

func (s *planned) ofUpstreams() {
	s.add("Create", func(ctx context.Context) error {
		return s.Upstreams.Create(ctx, upstreams.Upstream{Name: "new", Settings: "{}"})
	})
	s.add("Upstream", func(ctx context.Context) error { _, err := s.Upstreams.Upstream(ctx, "p1"); return err })
	s.add("List", func(ctx context.Context) error { _, err := s.Upstreams.List(ctx); return err })
	s.add("Update", func(ctx context.Context) error {
		return s.Upstreams.Update(ctx, upstreams.Upstream{Name: "p1", Version: 1})
	})
	s.late("Rewrap", func(ctx context.Context) error { return s.Upstreams.Rewrap(ctx, "p1", key(1), key(2)) })
	s.add("Delete", func(ctx context.Context) error { return s.Upstreams.Delete(ctx, "p9") })
	s.add("RemoveIdentities", func(ctx context.Context) error {
		if err := s.prepare(ctx, "identities"); err != nil {
			return err
		}
		_, err := s.Upstreams.RemoveIdentities(ctx, "p1")
		return err
	})
	s.add("Identity", func(ctx context.Context) error {
		_, err := s.Upstreams.Identity(ctx, "p1", "https://p.example", "3000")
		return err
	})
	s.add("IdentitiesOf", func(ctx context.Context) error { _, err := s.Upstreams.IdentitiesOf(ctx, "u1"); return err })
	s.add("Link", func(ctx context.Context) error {
		_, err := s.Upstreams.Link(ctx, upstreams.Identity{Upstream: "p1", Issuer: "https://p.example", Subject: "new", UserID: "u30"})
		return err
	})
	s.add("NoteUse", func(ctx context.Context) error {
		return s.Upstreams.NoteUse(ctx, upstreams.Identity{ID: "x2", UserID: "u1"})
	})
	s.add("Unlink", func(ctx context.Context) error { _, err := s.Upstreams.Unlink(ctx, "u1", "x2"); return err })
	s.add("UnlinkAnyway", func(ctx context.Context) error {
		_, err := s.Upstreams.UnlinkAnyway(ctx, "u1", "x2")
		return err
	})
	s.add("LinkedTo", func(ctx context.Context) error { _, err := s.Upstreams.LinkedTo(ctx, "p1", 1001); return err })
	s.add("UnlinkAll", func(ctx context.Context) error { return s.Upstreams.UnlinkAll(ctx, "u1") })
	s.add("NoteOrigin", func(ctx context.Context) error {
		return s.Upstreams.NoteOrigin(ctx, "s3", upstreams.Origin{Upstream: "p1", Issuer: "https://p.example", Subject: "x"})
	})
	s.add("IDToken", func(ctx context.Context) error { _, err := s.Upstreams.IDToken(ctx, "s5"); return err })
	s.add("Kept", func(ctx context.Context) error { _, _, err := s.Upstreams.Kept(ctx, "s5", 200); return err })
	s.late("RewrapIDToken", func(ctx context.Context) error { return s.Upstreams.RewrapIDToken(ctx, "s5", "x", "y") })
	s.add("DropOrigin", func(ctx context.Context) error { return s.Upstreams.DropOrigin(ctx, "s4") })
	s.add("Origin", func(ctx context.Context) error { _, err := s.Upstreams.Origin(ctx, "s5"); return err })
	s.add("SessionsFrom", func(ctx context.Context) error {
		from := upstreams.Origin{Upstream: "p1", Issuer: "https://p.example", Subject: "u1"}
		if _, err := s.Upstreams.SessionsFrom(ctx, from); err != nil {
			return err
		}
		from.Session = "x1"
		_, err := s.Upstreams.SessionsFrom(ctx, from)
		return err
	})
	s.add("EndFrom", func(ctx context.Context) error {
		from := upstreams.Origin{Upstream: "p1", Issuer: "https://p.example", Subject: "x3000"}
		if err := s.Pending.EndFrom(ctx, from); err != nil {
			return err
		}
		return s.Pending.EndFrom(ctx, upstreams.Origin{Upstream: "p1", Issuer: "https://p.example", Session: "x3001"})
	})
	s.late("EndSessionByUpstream", func(ctx context.Context) error { return s.Sessions.EndSessionByUpstream(ctx, "s-none") })
	s.add("Begin", func(ctx context.Context) error {
		return s.Upstreams.Begin(ctx, "new", "b", upstreams.Login{Upstream: "p1", Purpose: upstreams.Link, UserID: "u1"})
	})
	s.add("Spend", func(ctx context.Context) error {
		if err := s.Upstreams.Begin(ctx, "s", "b", upstreams.Login{Upstream: "p1"}); err != nil {
			return err
		}
		_, err := s.Upstreams.Spend(ctx, "s", "b", "p1")
		return err
	})
	s.add("Arrive", func(ctx context.Context) error {
		return s.Upstreams.Arrive(ctx, "b", upstreams.Arrival{Upstream: "p1"})
	})
	s.add("Arrival", func(ctx context.Context) error {
		if err := s.Upstreams.Arrive(ctx, "b", upstreams.Arrival{Upstream: "p1", Data: "{}"}); err != nil {
			return err
		}
		a, err := s.Upstreams.Arrival(ctx, "b")
		if err != nil {
			return err
		}
		return s.Upstreams.SpendArrival(ctx, "b", a)
	})
	s.late("SpendArrival", func(ctx context.Context) error { return s.Upstreams.SpendArrival(ctx, "x", upstreams.Arrival{}) })
}
