package main

import (
	"context"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/audit"
	"github.com/maru-auth/maru/authz-server/internal/passwords"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/auditlog"
	"github.com/maru-auth/maru/authz-server/internal/throttle"
	"github.com/maru-auth/maru/internal/growth"
	"github.com/maru-auth/maru/internal/sqldb/bulk"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

func TestMain(m *testing.M) { sqldbtest.Main(m) }

// What is filled is what the stores themselves would have written, as far as they can tell.
func TestTheStoreKnowsWhatIsFilled(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		ctx := t.Context()
		const expired = 30
		f := &fill{accounts: 1000, expired: expired, now: time.Now()}
		ok(t, Fill(ctx, databaseURL, f, io.Discard))
		if rows, err := bulk.Dangling(ctx, databaseURL); err != nil || rows != 0 {
			t.Errorf("%d rows refer to what is not there: %v", rows, err)
		}
		s, err := store.Open(ctx, databaseURL, time.Now)
		ok(t, err)
		defer s.Close()

		i := f.somebody(rand.New(rand.NewPCG(1, 1)))
		user, err := s.Users.UserByEmail(ctx, email(i))
		ok(t, err)
		if right, _, err := passwords.New().Check(ctx, throttle.NewQueue(1), Password, user.PasswordHash); !right || err != nil {
			t.Errorf("nobody can log in: %v", err)
		}
		session, of, err := s.Sessions.SessionByCookie(ctx, cookie(i, 0))
		ok(t, err)
		if of.ID != user.ID || session.ID != growth.Text("session", i, 0) {
			t.Errorf("the cookie is that of %+v", session)
		}
		c, secrets, err := s.Clients.ClientWithSecrets(ctx, clientID(0))
		ok(t, err)
		if !c.Trusted || len(secrets) != 1 {
			t.Errorf("%+v has %d secrets", c, len(secrets))
		}
		for _, g := range accountOf(i, f).grants {
			stored, err := s.Grants.Grant(ctx, g.id)
			ok(t, err)
			if !stored.Live(f.now) || stored.UserID != user.ID {
				t.Errorf("%+v", stored)
			}
		}
		checkDirectory(ctx, t, s, f, user.ID, i)
		// Sessions take their grants' life, and each other table loses what has expired.
		if rows, err := s.Sweep(ctx); err != nil || rows != 9*expired {
			t.Errorf("%d rows were swept, want %d: %v", rows, 9*expired, err)
		}
	})
}

// checkDirectory has the stores read groups, roles, words and the audit log of account i.
func checkDirectory(ctx context.Context, t *testing.T, s *store.Store, f *fill, id string, i int) {
	t.Helper()
	groups, err := s.Roles.GroupsOf(ctx, growth.UserID(7), "", 50)
	if ok(t, err); len(groups) != len(f.groupsOf(7)) {
		t.Errorf("%d groups, want %d", len(groups), len(f.groupsOf(7)))
	}
	if held, err := s.Roles.Of(ctx, growth.UserID(501)); err != nil || len(held) == 0 {
		t.Errorf("roles %v: %v", held, err)
	}
	if found, err := s.Users.Search(ctx, aWordOf(i), "", 2); err != nil || len(found) != 1 || found[0].ID != id {
		t.Errorf("the search found %v: %v", found, err)
	}
	if behind, err := s.Users.IndexSome(ctx); err != nil || behind != 0 {
		t.Errorf("%d accounts have yet to be found by words: %v", behind, err)
	}
	entries, err := audit.New(s).List(ctx, auditlog.Filter{UserID: growth.UserID(7), Limit: 500})
	if ok(t, err); len(entries) < 20 || entries[0].Actor.Label != email(7) || entries[0].Person != growth.UserID(7) {
		t.Errorf("%d entries, of %+v", len(entries), entries)
	}
	for j := range f.entries() {
		if e := f.entry(j); !e.kind.Known() || j > 0 && e.id <= f.entry(j-1).id {
			t.Fatalf("entry %d is %+v", j, e)
		}
	}
	if waiting, err := s.Audit.Waiting(ctx, 1); err != nil || len(waiting) > 0 {
		t.Errorf("%v wait for a place: %v", waiting, err)
	}
	ok(t, audit.New(s).Record(ctx, audit.Entry{Kind: audit.UserViewed}))
	added, err := s.Audit.Chain(ctx, 10, func(auditlog.Link, auditlog.Entry) []byte { return []byte("mac") })
	if ok(t, err); len(added) != 1 || added[0].Position != int64(f.entries()+1) {
		t.Errorf("what is written follows at %+v", added)
	}
}

func TestEveryScenarioHasANameOfItsOwn(t *testing.T) {
	seen := map[string]bool{}
	for _, one := range scenarios {
		if seen[one.Name] {
			t.Errorf("two are called %s", one.Name)
		}
		seen[one.Name] = true
	}
}

// The scenarios that call the store alone run on a filled database.
func TestTheScenariosOfTheStoreRun(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		f := &fill{accounts: 1000, now: time.Now()}
		ok(t, Fill(t.Context(), databaseURL, f, io.Discard))
		s, err := store.Open(t.Context(), databaseURL, time.Now)
		ok(t, err)
		defer s.Close()
		f.password = passwordOf(t.Context(), t, s)
		w := &world{fill: f, store: s}
		for _, one := range scenarios {
			if !one.OfTheStore() {
				continue
			}
			if _, err := one.Once(t.Context(), w, rand.New(rand.NewPCG(1, 1))); err != nil {
				t.Errorf("%s: %v", one.Name, err)
			}
		}
	})
}

func passwordOf(ctx context.Context, t *testing.T, s *store.Store) string {
	t.Helper()
	user, err := s.Users.UserByEmail(ctx, email(1))
	ok(t, err)
	return user.PasswordHash
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
