package roles_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/roles"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
)

// crowd puts people, each with a session, a grant and a token that is noted, into a group. It returns
// the tokens.
func crowd(t *testing.T, w *storetest.World, g roles.Group, name string, n int) (tokens []string) {
	t.Helper()
	for i := range n {
		token := fmt.Sprint(name, i)
		user := w.Another(t, token+"@example.com")
		session, _, err := w.Sessions.CreateSession(t.Context(), accounts.Session{UserID: user.ID}, "x")
		storetest.OK(t, err)
		grant(t, w, session, token)
		storetest.OK(t, w.Roles.AddMember(t.Context(), g.ID, user.ID))
		tokens = append(tokens, token)
	}
	return tokens
}

// A process dies while many lose a role. The next goes on, and does nothing twice.
func TestARemovalThatWasInterruptedIsTakenUpAgain(t *testing.T) {
	for name, remove := range map[string]func(ctx context.Context, s *store.Store, g roles.Group) error{
		"group": func(ctx context.Context, s *store.Store, g roles.Group) error { return s.Roles.RemoveGroup(ctx, g.ID) },
		"group's role": func(ctx context.Context, s *store.Store, g roles.Group) error {
			return s.Roles.TakeGroup(ctx, g.ID, editor)
		},
		"role": func(ctx context.Context, s *store.Store, _ roles.Group) error { return s.Roles.Undefine(ctx, editor) },
	} {
		t.Run(name, func(t *testing.T) {
			storetest.Each(t, func(t *testing.T, w *storetest.World) {
				define(t, w, editor)
				g := group(t, w, "g", editor)
				const many = 50 // in batches of 20
				tokens := crowd(t, w, g, "t", many)
				storetest.OK(t, remove(t.Context(), w.Store, g))

				// Its clock is asked three times for each person.
				ctx, die := context.WithCancel(t.Context())
				var asked atomic.Int64
				dying, err := store.Open(t.Context(), w.URL(), func() time.Time {
					if asked.Add(1) == 90 {
						die()
					}
					return w.Now
				})
				storetest.OK(t, err)
				first, err := dying.Roles.Purge(ctx)
				if err == nil {
					t.Fatalf("it did not die, %d people lost the role", first)
				}
				storetest.OK(t, dying.Close())
				done := 0
				for _, token := range tokens {
					if revoked(t, w, token) {
						done++
					}
				}
				if done == 0 || done == many {
					t.Fatalf("%d of %d tokens were revoked before it died", done, many)
				}
				rest, err := w.Roles.Purge(t.Context())
				if err != nil || int(rest) != many-done {
					t.Errorf("then %d people lost the role, not %d: %v", rest, many-done, err)
				}
				for _, token := range tokens {
					if !revoked(t, w, token) {
						t.Errorf("%s is good", token)
					}
				}
				for table, left := range map[string]int{"groups": 1, "group_roles": 0, "group_members": many} {
					if name == "group" {
						left = 0
					}
					if n := w.Count(t, table); n != left {
						t.Errorf("%s has %d rows, not %d", table, n, left)
					}
				}
				if again, err := w.Roles.Purge(t.Context()); again != 0 || err != nil {
					t.Errorf("%d people lost it again, %v", again, err)
				}
			})
		})
	}
}

// A process dies while those who have a role lose the tokens by a scope which brings it no more. A server
// that starts goes on, also with somebody who has the role by themselves, and by a group.
func TestTokensByADroppedScopeGoThoughTheServerDied(t *testing.T) {
	storetest.Each(t, func(t *testing.T, w *storetest.World) {
		ctx := t.Context()
		define(t, w, editor)
		g := group(t, w, "g", editor)
		const many = 50
		tokens := crowd(t, w, g, "t", many)
		storetest.OK(t, w.Roles.Give(ctx, w.Person.ID, editor))
		grant(t, w, w.Session, "own")
		tokens = append(tokens, "own")
		changed, err := w.Roles.Definition(ctx, editor)
		storetest.OK(t, err)
		changed.Scopes = []string{"user:lookup"}
		storetest.OK(t, w.Roles.Redefine(ctx, changed))

		dies, done := 0, 0
		for done == 0 { // at a later moment each time, until some tokens are revoked
			dies += 10
			dying, die := context.WithCancel(ctx)
			var asked atomic.Int64
			s, err := store.Open(ctx, w.URL(), func() time.Time {
				if asked.Add(1) == int64(dies) {
					die()
				}
				return w.Now
			})
			storetest.OK(t, err)
			if _, err := s.Roles.Purge(dying); err == nil {
				t.Fatal("it did not die")
			}
			die()
			storetest.OK(t, s.Close())
			for _, token := range tokens {
				if revoked(t, w, token) {
					done++
				}
			}
		}
		if done == len(tokens) {
			t.Fatal("it died when all was done")
		}
		if n := w.Count(t, `roles WHERE dropped <> ''`); n != 1 {
			t.Fatalf("%d roles are to be gone on with", n)
		}

		again, err := store.Open(ctx, w.URL(), func() time.Time { return w.Now })
		storetest.OK(t, err)
		defer func() { storetest.OK(t, again.Close()) }()
		_, err = again.Sweep(ctx)
		storetest.OK(t, err)
		for _, token := range tokens {
			if !revoked(t, w, token) {
				t.Errorf("%s is good", token)
			}
		}
		if n := w.Count(t, `roles WHERE dropped <> ''`); n != 0 {
			t.Errorf("%d roles are to be gone on with for ever", n)
		}
	})
}

// A sweep does it too, and several replicas at once do no harm, while people leave, join, log out and
// get their role back.
func TestReplicasPurgeTogether(t *testing.T) {
	storetest.Each(t, func(t *testing.T, w *storetest.World) {
		ctx := t.Context()
		define(t, w, editor, reader)
		one, two := group(t, w, "one", editor), group(t, w, "two", editor, reader)
		tokens := append(crowd(t, w, one, "a", 45), crowd(t, w, two, "b", 45)...)
		storetest.OK(t, w.Roles.RemoveGroup(ctx, one.ID))
		storetest.OK(t, w.Roles.TakeGroup(ctx, two.ID, editor))
		var wg sync.WaitGroup
		for range 2 {
			replica, err := store.Open(ctx, w.URL(), func() time.Time { return w.Now })
			storetest.OK(t, err)
			t.Cleanup(func() { storetest.OK(t, replica.Close()) })
			wg.Go(func() {
				if _, err := replica.Sweep(ctx); err != nil {
					t.Error(err)
				}
			})
		}
		members, err := w.Roles.Members(ctx, two.ID, "", 10)
		storetest.OK(t, err)
		for _, id := range members {
			wg.Go(func() {
				if err := w.Roles.RemoveMember(ctx, two.ID, id); err != nil {
					t.Error(err)
				}
				if err := w.Roles.AddMember(ctx, two.ID, id); err != nil {
					t.Error(err)
				}
				if err := w.Sessions.EndSessionsOf(ctx, id, ""); err != nil && !errors.Is(err, store.ErrNotFound) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		for _, token := range tokens {
			if g, err := w.Grants.Grant(ctx, token); !revoked(t, w, token) && (err != nil || g.Live(w.Now)) {
				t.Errorf("%s is good", token)
			}
		}
		if n := w.Count(t, "group_roles"); n != 1 {
			t.Errorf("%d roles of groups are left", n)
		}
	})
}

// A group gets a role back before everybody has lost it.
func TestARoleThatComesBackStays(t *testing.T) {
	storetest.Each(t, func(t *testing.T, w *storetest.World) {
		ctx := t.Context()
		define(t, w, editor)
		g := group(t, w, "g", editor)
		storetest.OK(t, w.Roles.AddMember(ctx, g.ID, w.Person.ID))
		grant(t, w, w.Session, "token")
		storetest.OK(t, w.Roles.TakeGroup(ctx, g.ID, editor))
		if got := held(t, w.Store, w.Person.ID); got != "" {
			t.Error(got)
		}
		storetest.OK(t, w.Roles.GiveGroup(ctx, g.ID, editor))
		if n, err := w.Roles.Purge(ctx); n != 0 || err != nil || revoked(t, w, "token") {
			t.Errorf("%d people lost it, %v", n, err)
		}
		// Who leaves while it is being taken loses it then.
		storetest.OK(t, w.Roles.TakeGroup(ctx, g.ID, editor))
		storetest.OK(t, w.Roles.RemoveMember(ctx, g.ID, w.Person.ID))
		if !revoked(t, w, "token") {
			t.Error("the token of who left is good")
		}
		// A group that is being removed takes nobody in, and its name is free.
		storetest.OK(t, w.Roles.RemoveGroup(ctx, g.ID))
		if err := w.Roles.AddMember(ctx, g.ID, w.Person.ID); !errors.Is(err, store.ErrNotFound) {
			t.Error(err)
		}
		group(t, w, "g")
	})
}

// What one replica defines, the others know when they ask.
func TestReplicasKnowWhatIsDefined(t *testing.T) {
	storetest.Empty(t, func(t *testing.T, w *storetest.World) {
		other, err := store.Open(t.Context(), w.URL(), func() time.Time { return w.Now })
		storetest.OK(t, err)
		t.Cleanup(func() { storetest.OK(t, other.Close()) })
		define(t, w, editor)
		if n := len(w.Roles.Known()); n != 3 {
			t.Errorf("who defines it knows %d", n)
		}
		storetest.OK(t, other.Roles.Refresh(t.Context()))
		if n := len(other.Roles.Known()); n != 3 {
			t.Errorf("the other knows %d", n)
		}
		storetest.OK(t, w.Roles.Undefine(t.Context(), editor))
		if n := len(w.Roles.Known()); n != 2 {
			t.Errorf("who removes it knows %d", n)
		}
	})
}
