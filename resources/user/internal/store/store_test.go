package store

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

func TestMain(m *testing.M) {
	sqldbtest.MainMigrated(m, func(ctx context.Context, databaseURL string) error {
		s, err := Open(ctx, databaseURL, time.Now)
		if err != nil {
			return err
		}
		return s.Close()
	})
}

var start = time.Date(2026, 3, 1, 12, 0, 0, 123456000, time.UTC)

// each runs test on every engine with a new store whose clock moves on a second at each look.
func each(t *testing.T, test func(t *testing.T, s *Store)) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		var ticks atomic.Int64
		s, err := Open(t.Context(), databaseURL, func() time.Time { return start.Add(time.Duration(ticks.Add(1)) * time.Second) })
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
		test(t, s)
	})
}

func text(s string) *string { return &s }

func ensure(t *testing.T, s *Store, id string) Profile {
	t.Helper()
	p, err := s.EnsureProfile(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestParallelFirstCallsMakeOneProfile(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		versions := make([]string, 32)
		var wg sync.WaitGroup
		for i := range versions {
			wg.Go(func() {
				p, err := s.EnsureProfile(t.Context(), "auth0|한글")
				if err != nil {
					t.Error(err)
				}
				versions[i] = p.Version
			})
		}
		wg.Wait()
		if slices.Sort(versions); versions[0] == "" || versions[0] != versions[31] {
			t.Fatalf("callers saw different profiles: %q", slices.Compact(versions))
		}
		var rows int
		if err := s.db.QueryRow(t.Context(), `SELECT count(*) FROM people`).Scan(&rows); err != nil || rows != 1 {
			t.Fatalf("%d rows: %v", rows, err)
		}
	})
}

func TestANewProfileIsEmptyAndHasDefaults(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		p := ensure(t, s, "a")
		if p.Filled || p.DisplayName+p.Bio+p.AvatarURL+p.Website != "" || !p.CreatedAt.Equal(p.UpdatedAt) || p.CreatedAt.Before(start) {
			t.Errorf("%+v", p)
		}
		settings, err := s.Settings(t.Context(), "a")
		if want := (Settings{Theme: ThemeSystem, Version: settings.Version}); err != nil || settings != want {
			t.Errorf("%+v %v", settings, err)
		}
		interests, err := s.Interests(t.Context(), "a")
		if err != nil || interests.Tags == nil || len(interests.Tags) != 0 {
			t.Errorf("%+v %v", interests, err)
		}
		if p.Version == settings.Version || settings.Version == interests.Version || p.Version == ensure(t, s, "b").Version {
			t.Error("a version is shared")
		}
	})
}

func TestTheIssuerFillsAProfileOnceATokenAndNeverOverThePersonsWords(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		ensure(t, s, "a")
		filled, err := s.FillProfile(ctx, "a", start, ProfilePatch{DisplayName: text("지수"), Website: text("https://jisu.example/")})
		if err != nil || !filled.Filled || filled.DisplayName != "지수" || filled.Website != "https://jisu.example/" ||
			filled.Bio != "" {
			t.Fatalf("%+v %v", filled, err)
		}
		if again, err := s.FillProfile(ctx, "a", start, ProfilePatch{DisplayName: text("other")}); err != nil || again != filled {
			t.Errorf("filled twice: %+v %v", again, err)
		}
		same, err := s.FillProfile(ctx, "a", start.Add(time.Minute), ProfilePatch{DisplayName: text("지수")})
		if err != nil || same.Version != filled.Version || !same.UpdatedAt.Equal(filled.UpdatedAt) ||
			!same.Follows(start.Add(2*time.Minute)) || same.Follows(start.Add(time.Minute)) {
			t.Errorf("the same again: %+v %v", same, err)
		}
		newer, err := s.FillProfile(ctx, "a", start.Add(2*time.Minute), ProfilePatch{DisplayName: text("새 이름")})
		if err != nil || newer.DisplayName != "새 이름" || newer.Version == filled.Version || newer.Website != filled.Website {
			t.Errorf("a new name: %+v %v", newer, err)
		}
		if old, err := s.FillProfile(ctx, "a", start.Add(time.Minute), ProfilePatch{DisplayName: text("지수")}); err != nil || old != newer {
			t.Errorf("an older token wrote over a newer one's: %+v %v", old, err)
		}

		p := ensure(t, s, "b")
		mine, err := s.PatchProfile(ctx, "b", Match{Versions: []string{p.Version}}, ProfilePatch{Bio: text("mine")})
		if err != nil {
			t.Fatal(err)
		}
		if late, err := s.FillProfile(ctx, "b", start, ProfilePatch{Bio: text("the issuer's")}); err != nil || late != mine {
			t.Errorf("the issuer wrote over the person: %+v %v", late, err)
		}
		if _, err := s.FillProfile(ctx, "nobody", start, ProfilePatch{}); !errors.Is(err, ErrNotFound) {
			t.Errorf("nobody: %v", err)
		}
	})
}

func TestOneOfParallelFillsWins(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		ensure(t, s, "a")
		versions := make([]string, 32)
		var wg sync.WaitGroup
		for i := range versions {
			wg.Go(func() {
				p, err := s.FillProfile(t.Context(), "a", start, ProfilePatch{DisplayName: text(strconv.Itoa(i))})
				if err != nil {
					t.Error(err)
				}
				versions[i] = p.Version + p.DisplayName
			})
		}
		wg.Wait()
		if slices.Sort(versions); versions[0] != versions[31] {
			t.Fatalf("callers saw different fills: %q", slices.Compact(versions))
		}
	})
}

func TestAPatchChangesWhatItNamesAndTheVersion(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		p := ensure(t, s, "a")
		match, patch := Match{Versions: []string{"other", p.Version}}, ProfilePatch{DisplayName: text("A"), Bio: text("b\nc")}
		one, err := s.PatchProfile(ctx, "a", match, patch)
		if err != nil || one.DisplayName != "A" || one.Bio != "b\nc" || one.Version == p.Version ||
			!one.UpdatedAt.After(p.UpdatedAt) || !one.CreatedAt.Equal(p.CreatedAt) {
			t.Fatalf("%+v %v", one, err)
		}
		two, err := s.PatchProfile(ctx, "a", Match{Any: true}, ProfilePatch{Bio: text("")})
		if err != nil || two.DisplayName != "A" || two.Bio != "" {
			t.Fatalf("%+v %v", two, err)
		}
		if read, err := s.Profile(ctx, "a"); err != nil || read != two {
			t.Errorf("read %+v, want %+v: %v", read, two, err)
		}
	})
}

// The three parts of a row change alike.
var changes = map[string]struct {
	version func(ctx context.Context, s *Store, id string) (string, error)
	change  func(ctx context.Context, s *Store, id string, match Match) error
}{
	"profile": {
		func(ctx context.Context, s *Store, id string) (string, error) {
			v, err := s.Profile(ctx, id)
			return v.Version, err
		},
		func(ctx context.Context, s *Store, id string, match Match) error {
			_, err := s.PatchProfile(ctx, id, match, ProfilePatch{Bio: text("x")})
			return err
		},
	},
	"settings": {
		func(ctx context.Context, s *Store, id string) (string, error) {
			v, err := s.Settings(ctx, id)
			return v.Version, err
		},
		func(ctx context.Context, s *Store, id string, match Match) error {
			_, err := s.PutSettings(ctx, id, match, Settings{Theme: ThemeDark})
			return err
		},
	},
	"interests": {
		func(ctx context.Context, s *Store, id string) (string, error) {
			v, err := s.Interests(ctx, id)
			return v.Version, err
		},
		func(ctx context.Context, s *Store, id string, match Match) error {
			_, err := s.PutInterests(ctx, id, match, Interests{Tags: []string{"x"}})
			return err
		},
	},
}

func TestOneOfParallelChangesToAVersionWins(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		for name, part := range changes {
			ensure(t, s, name)
			seen, err := part.version(t.Context(), s, name)
			if err != nil {
				t.Fatal(err)
			}
			var won, lost atomic.Int64
			var wg sync.WaitGroup
			for range 32 {
				wg.Go(func() {
					switch err := part.change(t.Context(), s, name, Match{Versions: []string{seen}}); {
					case err == nil:
						won.Add(1)
					case errors.Is(err, ErrChanged):
						lost.Add(1)
					default:
						t.Error(err)
					}
				})
			}
			wg.Wait()
			if won.Load() != 1 || lost.Load() != 31 {
				t.Errorf("%s: %d won and %d lost", name, won.Load(), lost.Load())
			}
		}
	})
}

func TestAChangeNeedsAMatchAndAPerson(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		for name, part := range changes {
			ensure(t, s, name)
			if err := part.change(t.Context(), s, name, Match{}); !errors.Is(err, ErrChanged) {
				t.Errorf("%s, the zero match: %v", name, err)
			}
			if err := part.change(t.Context(), s, name, Match{Versions: []string{"", "other"}}); !errors.Is(err, ErrChanged) {
				t.Errorf("%s, other versions: %v", name, err)
			}
			if err := part.change(t.Context(), s, "nobody", Match{Any: true}); !errors.Is(err, ErrNotFound) {
				t.Errorf("%s of nobody: %v", name, err)
			}
			if _, err := part.version(t.Context(), s, "nobody"); !errors.Is(err, ErrNotFound) {
				t.Errorf("%s of nobody: %v", name, err)
			}
			if err := part.change(t.Context(), s, name, Match{Any: true}); err != nil {
				t.Errorf("%s, any version: %v", name, err)
			}
		}
	})
}

func TestSettingsAndInterestsComeBackAsTheyWere(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		ensure(t, s, "a")
		in := Settings{Locale: "ko-KR", TimeZone: "Asia/Seoul", Theme: ThemeDark}
		out, err := s.PutSettings(ctx, "a", Match{Any: true}, in)
		if in.Version = out.Version; err != nil || out != in {
			t.Errorf("%+v %v", out, err)
		}
		if read, err := s.Settings(ctx, "a"); err != nil || read != out {
			t.Errorf("%+v %v", read, err)
		}
		tags := []string{"한글", `a "b", \`, "🍵"}
		interests, err := s.PutInterests(ctx, "a", Match{Any: true}, Interests{Tags: tags})
		if err != nil || !slices.Equal(interests.Tags, tags) {
			t.Errorf("%+v %v", interests, err)
		}
		if read, err := s.Interests(ctx, "a"); err != nil || !slices.Equal(read.Tags, tags) || read.Version != interests.Version {
			t.Errorf("%+v %v", read, err)
		}
		if none, err := s.PutInterests(ctx, "a", Match{Any: true}, Interests{}); err != nil || none.Tags == nil || len(none.Tags) != 0 {
			t.Errorf("%+v %v", none, err)
		}
	})
}

func TestProfilesLeavesOutUnknownIDs(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		ids := []string{"nobody", "'; DROP TABLE people; --"}
		for i := range 98 {
			ids = append(ids, ensure(t, s, strconv.Itoa(i)).ID)
		}
		profiles, err := s.Profiles(t.Context(), ids)
		if err != nil || len(profiles) != 98 {
			t.Fatalf("%d profiles: %v", len(profiles), err)
		}
		if profiles, err := s.Profiles(t.Context(), nil); err != nil || len(profiles) != 0 {
			t.Errorf("for no ids: %v %v", profiles, err)
		}
	})
}

func TestWhatWasWrittenIsThereAfterReopening(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		var written Profile
		for i := range 2 {
			s, err := Open(t.Context(), databaseURL, time.Now)
			if err != nil {
				t.Fatal(err)
			}
			p := ensure(t, s, "a")
			if i == 0 {
				if written, err = s.PatchProfile(t.Context(), "a", Match{Any: true}, ProfilePatch{Bio: text("kept")}); err != nil {
					t.Fatal(err)
				}
			} else if p != written {
				t.Errorf("%+v, want %+v", p, written)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}
	})
}
