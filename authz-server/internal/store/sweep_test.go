package store_test

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/opaque"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/grants"
	"github.com/maru-auth/maru/authz-server/internal/store/limits"
	"github.com/maru-auth/maru/authz-server/internal/store/requests"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
	"github.com/maru-auth/maru/internal/sqldb"
	"github.com/maru-auth/maru/internal/testenv"
)

func TestSweepRemovesWhatHasExpiredAndNothingElse(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		f.Code(t, "online", false)
		if _, err := f.Interactions.CreateInteraction(t.Context(), requests.Interaction{ClientID: "app"}, "browser"); err != nil {
			t.Fatal(err)
		}
		if _, _, _, err := f.Attempts.ReserveAttempt(t.Context(), "account:a", 5, time.Minute); err != nil {
			t.Fatal(err)
		}
		sweep := func(want int64) {
			t.Helper()
			if n, err := f.Sweep(t.Context()); err != nil || n != want {
				t.Errorf("swept %d rows, not %d: %v", n, want, err)
			}
		}
		sweep(0)
		f.Now = f.Now.Add(requests.InteractionLifetime)
		sweep(1)
		f.Now = f.Now.Add(accounts.SessionIdle)
		if f.LiveGrants(t, "online") == nil {
			t.Fatal("the grant is revoked too early")
		}
		kept, cookie, err := f.Sessions.CreateSession(t.Context(), accounts.Session{UserID: f.Person.ID}, "x")
		if err != nil {
			t.Fatal(err)
		}
		sweep(1)
		f.Now = f.Now.Add(-accounts.SessionIdle) // the grant itself would expire otherwise
		if f.LiveGrants(t, "online") != nil {
			t.Error("the grant outlived its session")
		}
		if _, _, err := f.Sessions.SessionByCookie(t.Context(), cookie); err != nil {
			t.Error(kept.ID, err)
		}
		f.Now = f.Now.Add(limits.FailureRetention)
		if n, err := f.Sweep(t.Context()); err != nil || n != 3 {
			t.Errorf("swept %d, want the try, the session, and the grant whose code nobody came for: %v", n, err)
		}
	})
}

func TestWhatHasEndedGoesAfterADay(t *testing.T) {
	inTown(t, func(t *testing.T, s *town) {
		long := s.Now.Add(90 * 24 * time.Hour)
		for _, id := range []string{"revoked", "unused", "live"} {
			c, err := s.Clients.Client(t.Context(), "app")
			ok(t, err)
			ok(t, s.Grants.CreateGrant(t.Context(), grants.Grant{ID: id, UserID: s.ann.ID, CreatedAt: s.Now, ExpiresAt: long}, &c))
			ok(t, s.Grants.CreateCode(t.Context(), opaque.Hash(id), grants.Code{Grant: grants.Grant{ID: id}, ExpiresAt: s.Now.Add(time.Minute)}))
			if id != "unused" {
				if won, err := s.Grants.RedeemCode(t.Context(), opaque.Hash(id),
					&grants.RefreshToken{Number: 1, ExpiresAt: long}, grants.Note{}); err != nil || !won {
					t.Fatal(won, err)
				}
			}
		}
		_, err := s.Grants.RevokeGrant(t.Context(), "revoked")
		ok(t, err)
		s.Now = s.Now.Add(23 * time.Hour)
		if rows, err := s.Sweep(t.Context()); err != nil || rows != 0 {
			t.Error(rows, err)
		}
		s.Now = s.Now.Add(2 * time.Hour)
		if rows, err := s.Sweep(t.Context()); err != nil || rows != 2 {
			t.Error(rows, err)
		}
		if g, err := s.Grants.Grant(t.Context(), "live"); err != nil || g.Refresh.Number != 1 {
			t.Error(g, err)
		}
		if code, err := s.Grants.Code(t.Context(), opaque.Hash("live")); err != nil || code.Active {
			t.Errorf("a replay would not be recognized: %v", err)
		}
	})
}

func TestBatchesOfASweepAreShort(t *testing.T) {
	inTown(t, func(t *testing.T, s *town) {
		s.many(t, 3000)
		s.Exec(t, `UPDATE grants SET revoked_at = 1`)
		var began time.Time
		var took []time.Duration
		ctx := sqldb.Observe(t.Context(), func(query string, _ []any) {
			if strings.HasPrefix(query, "DELETE FROM refresh_tokens") { // how each batch begins
				if !began.IsZero() {
					took = append(took, time.Since(began))
				}
				began = time.Now()
			}
		})
		_, err := s.Sweep(ctx)
		ok(t, err)
		if len(took) < 15 {
			t.Errorf("3000 grants went in %d batches", len(took))
		}
		var longest time.Duration
		for _, one := range took {
			longest = max(longest, one)
		}
		t.Logf("the longest of %d batches, with the pause after it, took %v", len(took), longest) // the pause is as long as the batch
	})
}

// Others wait for a transaction of a sweep: none may have more than some rows, whatever waits.
func TestATransactionOfASweepRemovesFewRows(t *testing.T) {
	const most = 50
	inTown(t, func(t *testing.T, s *town) {
		s.many(t, 500)
		s.Exec(t, `UPDATE grants SET revoked_at = 1`)
		s.Exec(t, `INSERT INTO sessions (id, cookie_hash, user_id, auth_time, amr, acr, address, user_agent, created_at, seen_at, idle_expires_at,
			expires_at) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200)
			SELECT 'over' || i, CAST('x' || i AS BYTEA), '`+s.ann.ID+`', 0, '', '', '', '', 0, 0, 1, 1 FROM n`)
		// What another connection sees when a statement begins is what was committed before.
		left, transactions := map[string]int{}, map[string]int{}
		look := func() {
			for _, table := range []string{"grants", "sessions"} {
				n := s.Count(t, table)
				if before, known := left[table]; known && n < before {
					transactions[table]++
					if before-n > most {
						t.Errorf("a transaction removed %d rows of %s", before-n, table)
					}
				}
				left[table] = n
			}
		}
		look()
		ctx := sqldb.Observe(t.Context(), func(query string, _ []any) {
			if strings.HasPrefix(query, "DELETE FROM refresh_tokens") || strings.HasPrefix(query, "SELECT id FROM sessions") {
				look()
			}
		})
		_, err := s.Sweep(ctx)
		ok(t, err)
		look()
		if s.Count(t, "grants WHERE revoked_at = 1") != 0 || s.Count(t, "sessions WHERE idle_expires_at = 1") != 0 {
			t.Errorf("left: %v", left)
		}
		if transactions["grants"] < 500/most || transactions["sessions"] < 200/most {
			t.Errorf("all went in %v transactions", transactions)
		}
	})
}

func TestTheServerSweepsByARightClock(t *testing.T) {
	storetest.Each(t, func(t *testing.T, w *storetest.World) {
		w.Now = time.Now() // which is the database's
		ok(t, w.UsedIDs.UseID(t.Context(), "assertion", "app", "1", w.Now.Add(-time.Minute)))
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		var swept sync.WaitGroup
		swept.Go(func() { w.SweepEvery(ctx, time.Hour, slog.New(slog.DiscardHandler)) })
		testenv.Eventually(t, "the identifier is forgotten", func() bool { return w.Count(t, "used_ids") == 0 })
		stop()
		swept.Wait()
	})
}
