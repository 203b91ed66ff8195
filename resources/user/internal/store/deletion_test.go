package store

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

func TestNothingIsLeftOfADeletedPerson(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		p := ensure(t, s, "a")
		match := Match{Any: true}
		patch := ProfilePatch{DisplayName: text("Ann"), Bio: text("b"), AvatarURL: text("https://a.example/"), Website: text("https://w.example/")}
		if _, err := s.PatchProfile(ctx, p.ID, match, patch); err != nil {
			t.Fatal(err)
		}
		if _, err := s.PutSettings(ctx, p.ID, match, Settings{Locale: "ko", TimeZone: "Asia/Seoul", Theme: ThemeDark}); err != nil {
			t.Fatal(err)
		}
		if _, err := s.PutInterests(ctx, p.ID, match, Interests{Tags: []string{"go"}}); err != nil {
			t.Fatal(err)
		}
		ensure(t, s, "b")
		for range 2 { // again it changes nothing
			if err := s.deletePerson(ctx, "a"); err != nil {
				t.Fatal(err)
			}
		}
		for name, part := range changes {
			if _, err := part.version(ctx, s, "a"); !errors.Is(err, ErrNotFound) {
				t.Errorf("the %s: %v", name, err)
			}
			if err := part.change(ctx, s, "a", match); !errors.Is(err, ErrNotFound) {
				t.Errorf("a change of the %s: %v", name, err)
			}
		}
		if _, err := s.FillProfile(ctx, "a", start.Add(time.Hour), patch); !errors.Is(err, ErrNotFound) {
			t.Errorf("the issuer filled it: %v", err)
		}
		if _, err := s.Person(ctx, "a"); !errors.Is(err, ErrNotFound) {
			t.Errorf("all of it: %v", err)
		}
		if list, err := s.Profiles(ctx, []string{"a", "b"}); err != nil || len(list) != 1 || list[0].ID != "b" {
			t.Errorf("in bulk: %v %v", list, err)
		}
		var kept string
		if err := s.db.QueryRow(ctx, `SELECT display_name || bio || avatar_url || website || locale || time_zone || theme || tags
			FROM people WHERE id = $1`, "a").Scan(&kept); err != nil || kept != "system[]" {
			t.Errorf("the row has %q: %v", kept, err)
		}
	})
}

func TestADeletedPersonComesBackAfterADayAtTheEarliest(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		var since atomic.Int64
		s, err := Open(t.Context(), databaseURL, func() time.Time { return start.Add(time.Duration(since.Load())) })
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		ensure(t, s, "somebody")
		ensure(t, s, "else")
		for _, id := range []string{"somebody", "never seen"} {
			if err := s.deletePerson(t.Context(), id); err != nil {
				t.Fatal(err)
			}
		}
		sweep := func(want int64) {
			t.Helper()
			if rows, err := s.Sweep(t.Context()); err != nil || rows != want {
				t.Errorf("swept %d rows, want %d: %v", rows, want, err)
			}
		}
		since.Store(int64(keepMarks - time.Microsecond))
		sweep(0)
		for _, id := range []string{"somebody", "never seen"} {
			if _, err := s.EnsureProfile(t.Context(), id); !errors.Is(err, ErrDeleted) {
				t.Errorf("%s: %v", id, err)
			}
		}
		since.Store(int64(keepMarks))
		sweep(2)
		ensure(t, s, "somebody")
		sweep(0)
	})
}

// Whoever comes first: in the end, nothing is there.
func TestADeletionWinsOverEveryCallAtTheSameTime(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		var wg sync.WaitGroup
		for i := range 32 {
			wg.Go(func() {
				if i == 16 {
					if err := s.deletePerson(ctx, "a"); err != nil {
						t.Error(err)
					}
					return
				}
				_, err := s.EnsureProfile(ctx, "a")
				if err == nil {
					_, err = s.PatchProfile(ctx, "a", Match{Any: true}, ProfilePatch{Bio: text("x")})
				}
				if err != nil && !errors.Is(err, ErrDeleted) && !errors.Is(err, ErrNotFound) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		var bio string
		if err := s.db.QueryRow(ctx, `SELECT bio FROM people WHERE id = $1`, "a").Scan(&bio); err != nil || bio != "" {
			t.Errorf("left: %q %v", bio, err)
		}
		if _, err := s.EnsureProfile(ctx, "a"); !errors.Is(err, ErrDeleted) {
			t.Error(err)
		}
	})
}

func TestAllOfAPersonIsReadAtOnce(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		ensure(t, s, "a")
		profile, err := s.FillProfile(ctx, "a", start, ProfilePatch{DisplayName: text("지수")})
		if err != nil {
			t.Fatal(err)
		}
		settings, err := s.PutSettings(ctx, "a", Match{Any: true}, Settings{Locale: "ko", Theme: ThemeDark})
		if err != nil {
			t.Fatal(err)
		}
		interests, err := s.PutInterests(ctx, "a", Match{Any: true}, Interests{Tags: []string{"a", "b"}})
		if err != nil {
			t.Fatal(err)
		}
		p, err := s.Person(ctx, "a")
		if err != nil || p.Profile != profile || p.Settings != settings || p.Interests.Version != interests.Version ||
			len(p.Interests.Tags) != 2 || !p.NotifyEmail || !p.NotifyReplies {
			t.Errorf("%+v %v", p, err)
		}
		if _, err := s.Person(ctx, "nobody"); !errors.Is(err, ErrNotFound) {
			t.Error(err)
		}
	})
}
