package store_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/grants"
	"github.com/maru-auth/maru/authz-server/internal/store/outbox"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
)

// town is a store with two people and the clients app and other, which want to be told of log-outs.
type town struct {
	*storetest.World
	ann, bob accounts.User
}

func inTown(t *testing.T, test func(t *testing.T, s *town)) {
	t.Helper()
	storetest.Empty(t, func(t *testing.T, w *storetest.World) {
		s := &town{World: w}
		for _, id := range []string{"app", "other"} {
			ok(t, s.Clients.CreateClient(t.Context(), client.Client{ID: id, BackchannelLogoutURI: "https://" + id + ".example/"}))
		}
		var err error
		s.ann, err = s.Users.CreateUser(t.Context(), accounts.User{Email: "ann@example.com", PasswordHash: "x"})
		ok(t, err)
		s.bob, err = s.Users.CreateUser(t.Context(), accounts.User{Email: "bob@example.com", PasswordHash: "x"})
		ok(t, err)
		test(t, s)
	})
}

func ok(t *testing.T, err error) {
	t.Helper()
	storetest.OK(t, err)
}

// many stores n grants that ann gave to app, each with a code and two refresh tokens, the first of
// them with 450.
func (s *town) many(t *testing.T, n int) {
	t.Helper()
	numbers := fmt.Sprintf(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)`, n)
	for _, statement := range []string{
		`INSERT INTO grants (id, client_id, user_id, session_id, scope, audience, offline, auth_time, acr, amr, created_at, expires_at,
			revoked_at)
			` + numbers + fmt.Sprintf(` SELECT 'many' || i, 'app', '%s', '', 'openid', '', true, 0, '', '', i, 9000000000000000, 0
			FROM n`, s.ann.ID),
		`INSERT INTO authorization_codes (code_hash, grant_id, active, redirect_uri, code_challenge, nonce, jkt, expires_at)
			` + numbers + ` SELECT CAST('x' || i AS BYTEA), 'many' || i, false, '', '', '', '', 0 FROM n`,
		`INSERT INTO refresh_tokens (token_hash, grant_id, jti, kid, issued_at, expires_at, used_at, successor)
			` + numbers + ` SELECT CAST('x' || i AS BYTEA), 'many' || CASE WHEN i <= 450 THEN 1 ELSE i END, '', '', 0, 0, 0, CAST('' AS BYTEA)
			FROM n`,
		`INSERT INTO consents (user_id, client_id, scope, declined, created_at, updated_at) VALUES ('` + s.ann.ID + `', 'app', 'openid', '', 0,
			0)`,
	} {
		s.Exec(t, statement)
	}
}

func (s *town) grant(t *testing.T, id, clientID, sessionID string) {
	t.Helper()
	c, err := s.Clients.Client(t.Context(), clientID)
	ok(t, err)
	ok(t, s.Grants.CreateGrant(t.Context(),
		grants.Grant{ID: id, UserID: s.ann.ID, SessionID: sessionID, CreatedAt: s.Now, ExpiresAt: s.Now.Add(time.Hour)}, &c))
}

func TestAPersonKeepsSoManySessionsAndGrants(t *testing.T) {
	inTown(t, func(t *testing.T, s *town) {
		var first accounts.Session
		for i := range accounts.MaxSessions + 5 {
			s.Now = s.Now.Add(time.Second)
			session, _, err := s.Sessions.CreateSession(t.Context(), accounts.Session{UserID: s.ann.ID}, "x")
			ok(t, err)
			if i == 0 {
				first = session
				ok(t, s.Logouts.NoteSessionClient(t.Context(), session.ID, "app"))
				s.grant(t, "first", "other", session.ID)
			}
		}
		if n := s.Count(t, "sessions"); n != accounts.MaxSessions {
			t.Errorf("%d sessions", n)
		}
		if err := s.Sessions.ContinueSession(t.Context(), first.ID); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("the one used least recently is there: %v", err)
		}
		if g, err := s.Grants.Grant(t.Context(), "first"); err != nil || g.RevokedAt.IsZero() {
			t.Errorf("its grant is live: %v", err)
		}
		if told, err := s.Outbox.List(t.Context(), outbox.KindLogout, "", 10); err != nil || len(told) != 1 {
			t.Errorf("its client is not told: %v %v", told, err)
		}

		s.many(t, grants.MaxGrants)
		live, most := grants.MaxGrants, 0
		for i := 0; most == 0 || live > grants.MaxGrants && i < 1000; i++ {
			s.grant(t, fmt.Sprint("new", i), "app", "")
			live = s.Count(t, `grants WHERE client_id = 'app' AND revoked_at = 0`)
			most = max(most, live)
		}
		if oldest, err := s.Grants.Grant(t.Context(), "many1"); err != nil || oldest.RevokedAt.IsZero() || live != grants.MaxGrants || most > grants.MaxGrants+100 {
			t.Errorf("%d live grants, %d at the most; the oldest was revoked at %v, %v", live, most, oldest.RevokedAt, err)
		}
	})
}
