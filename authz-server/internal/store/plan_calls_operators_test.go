package store

import (
	"context"
	"log/slog"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/store/grants"
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
	s.add("Hold", func(ctx context.Context) error { return s.Users.Hold(ctx, "u1") })
	s.add("InvitationByID", func(ctx context.Context) error { _, err := s.Invitations.InvitationByID(ctx, "i1"); return err })
	s.add("Session", func(ctx context.Context) error { _, err := s.Sessions.Session(ctx, "s1"); return err })
	s.add("EndSessionByAdmin", func(ctx context.Context) error { return s.Sessions.EndSessionByAdmin(ctx, "u1", "s1") })
	s.add("EndSessionsByAdmin", func(ctx context.Context) error { return s.Sessions.EndSessionsByAdmin(ctx, "u1") })
	s.add("HasAdministrator", func(ctx context.Context) error { _, err := s.HasAdministrator(ctx); return err })
	s.add("HoldAdministrators", func(ctx context.Context) error { return s.HoldAdministrators(ctx) })
	s.add("KeepAdministrator", func(ctx context.Context) error {
		for _, statement := range []string{
			`INSERT INTO user_roles (user_id, resource, role, created_at) VALUES ('u5', 'admin', 'admin', 1) ON CONFLICT DO NOTHING`,
			`UPDATE users SET passkey = TRUE WHERE id = 'u5'`,
		} {
			if err := growthtest.Prepare(ctx, s.db, statement); err != nil {
				return err
			}
		}
		return s.KeepAdministrator(ctx, func(context.Context) error { return nil })
	})
	s.add("PurgeClient", func(ctx context.Context) error { _, err := s.PurgeClient(ctx, "c7"); return err })
	s.add("FailuresOf", func(ctx context.Context) error { _, err := s.Attempts.FailuresOf(ctx, "address:500"); return err })
	s.add("Latest", func(ctx context.Context) error { _, err := s.Attempts.Latest(ctx, time.Time{}, 1000); return err })
	s.add("ForgetAttempts", func(ctx context.Context) error { _, err := s.Attempts.ForgetAttempts(ctx, "address:500"); return err })
	s.add("UsedOf", func(ctx context.Context) error { _, err := s.Quotas.UsedOf(ctx, "x2000"); return err })
	s.add("ForgetQuota", func(ctx context.Context) error { _, err := s.Quotas.ForgetQuota(ctx, "x2000"); return err })
	s.add("GrantsOf", func(ctx context.Context) error {
		_, err := s.Grants.GrantsOf(ctx, "u1", grants.Listed{ClientID: "c1", ID: "g1", CreatedAt: time.UnixMicro(5)}, 100)
		return err
	})
	s.add("GrantsTo", func(ctx context.Context) error {
		_, err := s.Grants.GrantsTo(ctx, "c1", grants.Listed{ID: "g1", CreatedAt: time.UnixMicro(5000)}, 100)
		return err
	})
	s.add("PartiesOf", func(ctx context.Context) error { _, _, err := s.Grants.PartiesOf(ctx, "g1"); return err })
	s.add("ConsentsTo", func(ctx context.Context) error {
		_, err := s.Consents.ConsentsTo(ctx, "c1", grants.Consent{UserID: "u1", CreatedAt: time.UnixMicro(5000)}, 100)
		return err
	})
	s.add("InitialTokens", func(ctx context.Context) error { _, err := s.Clients.InitialTokens(ctx, key(5), 100); return err })
	s.add("RemoveInitialToken", func(ctx context.Context) error { return s.Clients.RemoveInitialToken(ctx, key(5000)) })
	s.add("HoldGroup", func(ctx context.Context) error { return s.Roles.HoldGroup(ctx, "q1") })
	s.add("CheckClock", func(ctx context.Context) error { return nil })
	s.add("GivenUp", func(ctx context.Context) error { _, err := s.Outbox.GivenUp(ctx, "mail"); return err })
	s.add("Drop", func(ctx context.Context) error {
		_, err := s.Outbox.Drop(ctx, "logout", "x1")
		return err
	})
	s.add("Add", func(ctx context.Context) error { return s.Statistics.Add(ctx, map[string]int64{"k1": 1}) })
	s.add("Since", func(ctx context.Context) error { _, err := s.Refusals.Since(ctx, planNow.Add(-time.Hour)); return err })
	s.add("Of", func(ctx context.Context) error {
		_, err := s.Refusals.Of(ctx, "c1", planNow.Add(-24*time.Hour), planNow)
		return err
	})
	s.add("Keep", func(ctx context.Context) error {
		s.Refusals.Count("c1")
		return s.Refusals.Keep(ctx)
	})
	s.add("Since", func(ctx context.Context) error {
		_, err := s.Statistics.Since(ctx, statistics.Hour, planNow)
		return err
	})
}
