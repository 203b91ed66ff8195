package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/store/grants"
	"github.com/maru-auth/maru/internal/sqldb"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

// grownUp is a store with two people, the clients app and other, and sessions.
type grownUp struct {
	*Store
	now      time.Time
	ann, bob User
}

func onBoth(t *testing.T, test func(t *testing.T, s *grownUp)) {
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		s := &grownUp{now: time.Date(2026, 5, 1, 9, 0, 0, 0, time.UTC)}
		var err error
		s.Store, err = Open(t.Context(), databaseURL, func() time.Time { return s.now })
		ok(t, err)
		defer s.Close()
		for _, id := range []string{"app", "other"} {
			ok(t, s.CreateClient(t.Context(), client.Client{ID: id, BackchannelLogoutURI: "https://" + id + ".example/"}))
		}
		s.ann, err = s.CreateUser(t.Context(), User{Email: "ann@example.com", PasswordHash: "x"})
		ok(t, err)
		s.bob, err = s.CreateUser(t.Context(), User{Email: "bob@example.com", PasswordHash: "x"})
		ok(t, err)
		test(t, s)
	})
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// many stores n grants that ann gave to app, each with a code and two refresh tokens, the first of them with 450.
func (s *grownUp) many(t *testing.T, n int) {
	t.Helper()
	numbers := fmt.Sprintf(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)`, n)
	for _, statement := range []string{
		`INSERT INTO grants (id, client_id, user_id, session_id, scope, audience, offline, auth_time, acr, amr, created_at, expires_at, revoked_at)
			` + numbers + fmt.Sprintf(` SELECT 'many' || i, 'app', '%s', '', 'openid', '', true, 0, '', '', i, 9000000000000000, 0 FROM n`, s.ann.ID),
		`INSERT INTO authorization_codes (code_hash, grant_id, active, redirect_uri, code_challenge, nonce, jkt, expires_at)
			` + numbers + ` SELECT CAST('x' || i AS BYTEA), 'many' || i, false, '', '', '', '', 0 FROM n`,
		`INSERT INTO refresh_tokens (token_hash, grant_id, jti, kid, issued_at, expires_at, used_at, successor)
			` + numbers + ` SELECT CAST('x' || i AS BYTEA), 'many' || CASE WHEN i <= 450 THEN 1 ELSE i END, '', '', 0, 0, 0, CAST('' AS BYTEA) FROM n`,
		`INSERT INTO consents (user_id, client_id, scope, declined, created_at, updated_at) VALUES ('` + s.ann.ID + `', 'app', 'openid', '', 0, 0)`,
	} {
		if s.db.Engine() == sqldb.SQLite {
			statement = strings.ReplaceAll(statement, "AS BYTEA)", "AS BLOB)")
		}
		_, err := s.db.Exec(t.Context(), statement)
		ok(t, err)
	}
}

func (s *grownUp) grant(t *testing.T, id, clientID, sessionID string) {
	t.Helper()
	c, err := s.Client(t.Context(), clientID)
	ok(t, err)
	ok(t, s.CreateGrant(t.Context(), Grant{ID: id, UserID: s.ann.ID, SessionID: sessionID, CreatedAt: s.now, ExpiresAt: s.now.Add(time.Hour)}, &c))
}

func (s *grownUp) count(t *testing.T, table string) (n int) {
	t.Helper()
	ok(t, s.db.QueryRow(t.Context(), `SELECT count(*) FROM `+table).Scan(&n))
	return n
}

func TestAClientWithManyGrantsIsGoneAtOnceAndItsRowsInBatches(t *testing.T) {
	onBoth(t, func(t *testing.T, s *grownUp) {
		s.many(t, 900)
		s.grant(t, "others", "other", "")
		ctx, cancel := context.WithCancel(t.Context())
		statements := 0
		gone, err := s.DeleteClient(sqldb.Observe(ctx, func(query string, _ []any) {
			if strings.HasPrefix(query, "DELETE FROM refresh_tokens") {
				if statements++; statements == 2 {
					cancel() // as a request that times out
				}
			}
		}), "app")
		if !errors.Is(err, context.Canceled) {
			t.Fatal(gone, err)
		}
		if _, err := s.Client(t.Context(), "app"); !errors.Is(err, ErrNotFound) {
			t.Errorf("the client is there: %v", err)
		}
		if _, _, err := s.ClientWithSecrets(t.Context(), "app"); !errors.Is(err, ErrNotFound) {
			t.Errorf("the client can authenticate: %v", err)
		}
		if _, err := s.Grant(t.Context(), "many900"); !errors.Is(err, ErrNotFound) {
			t.Errorf("a grant is there: %v", err)
		}
		if list, err := s.ListClients(t.Context(), "", 10); err != nil || len(list) != 1 {
			t.Error(list, err)
		}
		if err := s.UpdateClient(t.Context(), client.Client{ID: "app"}); err == nil {
			t.Error("it was changed")
		}
		if s.count(t, "grants") < 500 {
			t.Error("the batches are too large")
		}
		gone, err = s.DeleteClient(t.Context(), "app") // goes on
		if err != nil || gone.Consents != 1 || gone.Grants < 500 {
			t.Error(gone, err)
		}
		if g, c, r, cl := s.count(t, "grants"), s.count(t, "authorization_codes"), s.count(t, "refresh_tokens"), s.count(t, "clients"); g != 1 || c != 0 || r != 0 || cl != 1 {
			t.Errorf("%d grants, %d codes, %d refresh tokens and %d clients are left", g, c, r, cl)
		}
		if _, err := s.DeleteClient(t.Context(), "app"); !errors.Is(err, ErrNotFound) {
			t.Error(err)
		}
	})
}

func TestTheSweepGoesOnWithAClientThatIsHalfRemoved(t *testing.T) {
	onBoth(t, func(t *testing.T, s *grownUp) {
		s.many(t, 500)
		ctx, cancel := context.WithCancel(t.Context())
		_, err := s.DeleteClient(sqldb.Observe(ctx, func(query string, _ []any) {
			if strings.HasPrefix(query, "DELETE FROM refresh_tokens") {
				cancel()
			}
		}), "app")
		if !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		_, err = s.Sweep(t.Context())
		ok(t, err)
		if g, c := s.count(t, "grants"), s.count(t, "clients"); g != 0 || c != 1 {
			t.Errorf("%d grants and %d clients are left", g, c)
		}
	})
}

func TestAPersonKeepsSoManySessionsAndGrants(t *testing.T) {
	onBoth(t, func(t *testing.T, s *grownUp) {
		var first Session
		for i := range MaxSessions + 5 {
			s.now = s.now.Add(time.Second)
			session, _, err := s.CreateSession(t.Context(), Session{UserID: s.ann.ID}, "x")
			ok(t, err)
			if i == 0 {
				first = session
				ok(t, s.NoteSessionClient(t.Context(), session.ID, "app"))
				s.grant(t, "first", "other", session.ID)
			}
		}
		if n := s.count(t, "sessions"); n != MaxSessions {
			t.Errorf("%d sessions", n)
		}
		if err := s.ContinueSession(t.Context(), first.ID); !errors.Is(err, ErrNotFound) {
			t.Errorf("the one used least recently is there: %v", err)
		}
		if g, err := s.Grant(t.Context(), "first"); err != nil || g.RevokedAt.IsZero() {
			t.Errorf("its grant is live: %v", err)
		}
		if told, err := s.LogoutDeliveries(t.Context(), "", 10); err != nil || len(told) != 1 {
			t.Errorf("its client is not told: %v %v", told, err)
		}

		s.many(t, grants.MaxGrants)
		s.grant(t, "new", "app", "")
		live := 0
		ok(t, s.db.QueryRow(t.Context(), `SELECT count(*) FROM grants WHERE client_id = 'app' AND revoked_at = 0`).Scan(&live))
		if oldest, err := s.Grant(t.Context(), "many1"); err != nil || oldest.RevokedAt.IsZero() || live != grants.MaxGrants {
			t.Errorf("%d live grants; the oldest was revoked at %v, %v", live, oldest.RevokedAt, err)
		}
	})
}

func TestOfASpentCodeOnlyItsHashStays(t *testing.T) {
	onBoth(t, func(t *testing.T, s *grownUp) {
		s.grant(t, "g", "app", "")
		hash := Hash("code")
		ok(t, s.CreateCode(t.Context(), hash, Code{Grant: Grant{ID: "g"}, RedirectURI: "https://app.example/", CodeChallenge: "c", Nonce: "n", KeyThumbprint: "k", ExpiresAt: s.now.Add(time.Minute)}))
		if won, err := s.RedeemCode(t.Context(), hash, nil); err != nil || !won {
			t.Fatal(won, err)
		}
		code, err := s.Code(t.Context(), hash)
		if err != nil || code.Active || code.Grant.ID != "g" || code.RedirectURI+code.CodeChallenge+code.Nonce+code.KeyThumbprint != "" {
			t.Errorf("%+v %v", code, err)
		}
	})
}

func TestWhatHasEndedGoesAfterADay(t *testing.T) {
	onBoth(t, func(t *testing.T, s *grownUp) {
		long := s.now.Add(90 * 24 * time.Hour)
		for _, id := range []string{"revoked", "unused", "live"} {
			c, err := s.Client(t.Context(), "app")
			ok(t, err)
			ok(t, s.CreateGrant(t.Context(), Grant{ID: id, UserID: s.ann.ID, CreatedAt: s.now, ExpiresAt: long}, &c))
			ok(t, s.CreateCode(t.Context(), Hash(id), Code{Grant: Grant{ID: id}, ExpiresAt: s.now.Add(time.Minute)}))
			if id != "unused" {
				if won, err := s.RedeemCode(t.Context(), Hash(id), &RefreshToken{Hash: Hash("r" + id), GrantID: id, ExpiresAt: long}); err != nil || !won {
					t.Fatal(won, err)
				}
			}
		}
		_, err := s.RevokeGrant(t.Context(), "revoked")
		ok(t, err)
		s.now = s.now.Add(23 * time.Hour)
		if rows, err := s.Sweep(t.Context()); err != nil || rows != 0 {
			t.Error(rows, err)
		}
		s.now = s.now.Add(2 * time.Hour)
		if rows, err := s.Sweep(t.Context()); err != nil || rows != 2 {
			t.Error(rows, err)
		}
		if _, err := s.Grant(t.Context(), "live"); err != nil {
			t.Error(err)
		}
		if code, err := s.Code(t.Context(), Hash("live")); err != nil || code.Active {
			t.Errorf("a replay would not be recognized: %v", err)
		}
		if n := s.count(t, "refresh_tokens"); n != 1 {
			t.Errorf("%d refresh tokens", n)
		}
	})
}

func TestEndAllEndsWhatMustNotLiveOn(t *testing.T) {
	onBoth(t, func(t *testing.T, s *grownUp) {
		ctx := t.Context()
		session, _, err := s.CreateSession(ctx, Session{UserID: s.bob.ID}, "x")
		ok(t, err)
		ok(t, s.NoteSessionClient(ctx, session.ID, "app"))
		s.many(t, 450)
		ok(t, s.CreateDeviceCode(ctx, DeviceCode{Hash: Hash("d"), UserCode: "D", ClientID: "app", ExpiresAt: s.now.Add(time.Hour)}))
		_, err = s.CreateInteraction(ctx, Interaction{ClientID: "app"}, "browser")
		ok(t, err)
		ok(t, s.CreatePushedRequest(ctx, "urn:x", PushedRequest{ClientID: "app", ExpiresAt: s.now.Add(time.Hour)}))
		ok(t, s.CreateInitialToken(ctx, Hash("i"), "", 5, s.now.Add(time.Hour)))
		ok(t, s.AddSigningKey(ctx, SigningKey{KID: "k", Alg: "RS256", Generation: 1, PrivateKey: []byte("k")}))

		ended, err := s.EndAll(ctx, false)
		if want := (Ended{Sessions: 1, Grants: 450, DeviceCodes: 1, Requests: 2, InitialTokens: 1}); err != nil || ended != want {
			t.Errorf("%+v %v", ended, err)
		}
		for table, want := range map[string]int{
			"sessions": 0, "session_clients": 0, "grants": 0, "authorization_codes": 0, "refresh_tokens": 0, "device_codes": 0,
			"interactions": 0, "pushed_requests": 0, "initial_access_tokens": 0,
			"users": 2, "clients": 2, "consents": 1, "signing_keys": 1, "logout_deliveries": 1,
		} {
			if n := s.count(t, table); n != want {
				t.Errorf("%s has %d rows, want %d", table, n, want)
			}
		}
		if ended, err = s.EndAll(ctx, true); err != nil || ended != (Ended{Consents: 1}) {
			t.Errorf("%+v %v", ended, err)
		}
	})
}

func TestLogoutsAreTakenFromEveryClientInTurn(t *testing.T) {
	onBoth(t, func(t *testing.T, s *grownUp) {
		_, err := s.db.Exec(t.Context(), `INSERT INTO logout_deliveries (id, client_id, user_id, session_id, attempts, last_error, created_at, due_at, given_up_at)
			WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
			SELECT 'x' || i, CASE WHEN i <= 900 THEN 'busy' ELSE 'client' || i END, 'u', 's', 0, '', 0, 0, 0 FROM n`)
		ok(t, err)
		took := map[string]int{}
		for range 40 {
			got, err := s.TakeLogouts(t.Context(), time.Hour, 16, 4)
			ok(t, err)
			for _, d := range got {
				took[d.ClientID]++
			}
			if len(took) == 101 {
				if took["busy"] < 4 {
					t.Errorf("the busy one got %d", took["busy"])
				}
				return
			}
		}
		t.Errorf("only %d clients had their turn: the busy one got %d", len(took), took["busy"])
	})
}

func TestBatchesOfASweepAreShort(t *testing.T) {
	onBoth(t, func(t *testing.T, s *grownUp) {
		s.many(t, 3000)
		_, err := s.db.Exec(t.Context(), `UPDATE grants SET revoked_at = 1`)
		ok(t, err)
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
		_, err = s.Sweep(ctx)
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
