package store

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

var until = start.Add(1000 * time.Hour)

func TestAnEventThatComesManyTimesAtOnceActsOnce(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		ensure(t, s, "a")
		var acted, again atomic.Int64
		var wg sync.WaitGroup
		for range 24 {
			wg.Go(func() {
				switch err := s.once(ctx, Receipt{"e", until}, func(ctx context.Context) error {
					acted.Add(1)
					return s.deletePerson(ctx, "a")
				}); {
				case errors.Is(err, ErrReceived):
					again.Add(1)
				case err != nil:
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if acted.Load() != 1 || again.Load() != 23 {
			t.Errorf("it acted %d times, and came again %d times", acted.Load(), again.Load())
		}
	})
}

// The id is noted together with the effect, or not at all.
func TestAnEventThatCouldNotActActsWhenItComesAgain(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		ensure(t, s, "a")
		broken := errors.New("the power is gone")
		if err := s.once(ctx, Receipt{"e", until}, func(ctx context.Context) error {
			return errors.Join(s.deletePerson(ctx, "a"), broken)
		}); !errors.Is(err, broken) {
			t.Fatal(err)
		}
		ensure(t, s, "a")
		if err := s.PurgePerson(ctx, Receipt{"e", until}, "a"); err != nil {
			t.Fatal(err)
		}
		if _, err := s.EnsureProfile(ctx, "a"); !errors.Is(err, ErrDeleted) {
			t.Error(err)
		}
		if err := s.PurgePerson(ctx, Receipt{"e", until}, "a"); !errors.Is(err, ErrReceived) {
			t.Error(err)
		}
		if err := s.PurgePerson(ctx, Receipt{"f", until}, "a"); err != nil {
			t.Errorf("purged twice: %v", err)
		}
	})
}

func TestANewNameReachesAProfileThatFollowsTheIssuer(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		names := 0
		name := func(id, name string, since time.Time) {
			t.Helper()
			names++
			if err := s.NamePerson(ctx, Receipt{"e" + string(rune('a'+names)), until}, id, name, since); err != nil {
				t.Fatal(err)
			}
		}
		fill := func(issued time.Time, name string) Profile {
			t.Helper()
			p, err := s.FillProfile(ctx, "a", issued, ProfilePatch{DisplayName: text(name), AvatarURL: text("https://a.example/" + name)})
			if err != nil {
				t.Fatal(err)
			}
			return p
		}
		want := func(want string) Profile {
			t.Helper()
			p := ensure(t, s, "a")
			if p.DisplayName != want {
				t.Errorf("the name is %q, want %q", p.DisplayName, want)
			}
			return p
		}
		at := func(seconds int) time.Time {
			return start.Truncate(time.Second).Add(time.Duration(seconds) * time.Second)
		}

		name("a", "nobody", at(0)) // makes no profile
		if _, err := s.Profile(ctx, "a"); !errors.Is(err, ErrNotFound) {
			t.Error(err)
		}
		ensure(t, s, "a")
		name("a", "first", at(1))
		if p := want("first"); p.Filled {
			t.Error("it counts as filled: the issuer is not asked for the rest")
		}
		before := fill(at(10), "asked")
		name("a", "asked", at(10)) // the name that it has already
		if p := want("asked"); p.Version != before.Version {
			t.Error("it has another version with the same name")
		}
		name("a", "older", at(9)) // than what the issuer said
		want("asked")
		name("a", "new", at(20))
		name("a", "late", at(15)) // this one was overtaken
		if p := want("new"); p.Version == before.Version {
			t.Error("it has the version of the name before")
		}
		name("a", "newer", at(20)) // in the same second; they come in their order
		want("newer")

		// An answer of userinfo that was on its way when the event came.
		if p := fill(at(19), "stale"); p.DisplayName != "newer" || p.AvatarURL != "https://a.example/stale" {
			t.Errorf("%+v", p)
		}
		fill(at(30), "next token")
		want("next token")

		if _, err := s.PatchProfile(ctx, "a", Match{Any: true}, ProfilePatch{DisplayName: text("own")}); err != nil {
			t.Fatal(err)
		}
		name("a", "account", at(40))
		want("own")
		if err := s.deletePerson(ctx, "a"); err != nil {
			t.Fatal(err)
		}
		name("a", "ghost", at(50))
		var kept string
		if err := s.db.QueryRow(ctx, `SELECT display_name FROM people WHERE id = 'a'`).Scan(&kept); err != nil || kept != "" {
			t.Errorf("a deleted person is called %q: %v", kept, err)
		}
	})
}

func TestTheIdsOfEventsAreForgottenWhenTheEventsAreRefused(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		now := start
		s, err := Open(t.Context(), databaseURL, func() time.Time { return now })
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		receipt := Receipt{"e", start.Add(time.Hour)}
		if err := s.NamePerson(t.Context(), receipt, "a", "n", start); err != nil {
			t.Fatal(err)
		}
		now = receipt.Until.Add(-time.Microsecond)
		if rows, err := s.Sweep(t.Context()); err != nil || rows != 0 {
			t.Error(rows, err)
		}
		if err := s.NamePerson(t.Context(), receipt, "a", "n", start); !errors.Is(err, ErrReceived) {
			t.Error(err)
		}
		now = receipt.Until
		if rows, err := s.Sweep(t.Context()); err != nil || rows != 1 {
			t.Error(rows, err)
		}
	})
}
