package main

import (
	"errors"
	"io"
	"testing"
	"time"

	"github.com/maru-auth/maru/internal/growth"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
	"github.com/maru-auth/maru/resources/user/internal/store"
)

func TestMain(m *testing.M) { sqldbtest.Main(m) }

// What is filled is what the store itself would have written, as far as it can tell.
func TestTheStoreKnowsWhatIsFilled(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		ctx := t.Context()
		f := &fill{profiles: 500, now: time.Now()}
		ok(t, Fill(ctx, databaseURL, f, io.Discard))
		s, err := store.Open(ctx, databaseURL, time.Now)
		ok(t, err)
		defer s.Close()

		var ids []string
		for i := range f.profiles {
			ids = append(ids, growth.UserID(i))
		}
		all, err := s.Profiles(ctx, ids)
		ok(t, err)
		if len(all) != f.profiles {
			t.Errorf("%d profiles, want %d", len(all), f.profiles)
		}
		p, err := s.Profile(ctx, growth.UserID(8))
		ok(t, err)
		if p.DisplayName != growth.UserName(8) || p.Bio == "" || p.Follows(time.Now()) || p.CreatedAt.After(f.now) {
			t.Errorf("%+v", p)
		}
		name := "새 이름"
		if p, err = s.PatchProfile(ctx, p.ID, store.Match{Versions: []string{p.Version}}, store.ProfilePatch{DisplayName: &name}); err != nil || p.DisplayName != name {
			t.Errorf("%+v, %v", p, err)
		}
		settings, err := s.Settings(ctx, p.ID)
		ok(t, err)
		interests, err := s.Interests(ctx, p.ID)
		ok(t, err)
		if settings.Theme != store.ThemeSystem || len(interests.Tags) != 2 {
			t.Errorf("%+v, %+v", settings, interests)
		}
		if rows, err := s.Sweep(ctx); err != nil || rows != 0 {
			t.Errorf("%d rows were swept: %v", rows, err)
		}
	})
}

// The comparison itself runs, from the program's compilation to the JSON.
func TestEveryScenarioRuns(t *testing.T) {
	cmd := compareCommand{growth.Settings{Small: 300, Large: 600, Engines: []string{"sqlite"}, Each: time.Millisecond, Dir: t.TempDir()}}
	if err := cmd.Run(t.Context()); err != nil && !errors.Is(err, growth.ErrNotFlat) {
		t.Error(err)
	}
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
