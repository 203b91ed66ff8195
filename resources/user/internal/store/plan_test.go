package store

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/maru-auth/maru/internal/sqldb/growthtest"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

func TestNoStatementScansOrCountsWhatGrows(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		s, err := Open(t.Context(), databaseURL, func() time.Time { return time.UnixMicro(growthtest.Rows / 20).Add(keepMarks) })
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		text := "x"
		var ids []string
		for i := range 100 {
			ids = append(ids, fmt.Sprint("p", i+1))
		}
		growthtest.Test{
			DB: s.db, URL: databaseURL, Store: reflect.TypeFor[*Store](),
			Fill: []string{`INSERT INTO people (id, display_name, bio, avatar_url, website, filled, profile_version, locale, time_zone, theme,
					notify_email, notify_replies, settings_version, tags, interests_version, created_at, updated_at, deleted_at)
				` + growthtest.Numbers + ` SELECT 'p' || i, 'n', '', '', '', false, 'v', '', '', 'dark', true, true, 'v', '[]', 'v', i, i,
				CASE WHEN i % 2 = 0 THEN i ELSE 0 END FROM n`,
				`INSERT INTO received_events (id, expires_at) ` + growthtest.Numbers + ` SELECT 'e' || i, 86400000000 + i FROM n`},
			Calls: []growthtest.Call{
				{Method: "Person", Do: func(ctx context.Context) error { _, err := s.Person(ctx, "p1"); return err }},
				{Method: "PurgePerson", Do: func(ctx context.Context) error {
					return errors.Join(s.PurgePerson(ctx, Receipt{ID: "a"}, "p1"), s.PurgePerson(ctx, Receipt{ID: "b"}, "p2"),
						s.PurgePerson(ctx, Receipt{ID: "c"}, "new"))
				}},
				{Method: "NamePerson", Do: func(ctx context.Context) error {
					return s.NamePerson(ctx, Receipt{ID: "newer"}, "p5", "n", time.Unix(1, 0))
				}},
				{Method: "Sweep", Do: func(ctx context.Context) error { _, err := s.Sweep(ctx); return err }},
				{Method: "Profile", Do: func(ctx context.Context) error { _, err := s.Profile(ctx, "p1"); return err }},
				{Method: "ProfileOfAnother", Do: func(ctx context.Context) error { _, err := s.ProfileOfAnother(ctx, "p1"); return err }},
				{Method: "EnsureProfile", Do: func(ctx context.Context) error { _, err := s.EnsureProfile(ctx, "new"); return err }},
				{Method: "FillProfile", Do: func(ctx context.Context) error {
					_, err := s.FillProfile(ctx, "p1", time.Unix(1, 0), ProfilePatch{Bio: &text})
					return err
				}},
				{Method: "PatchProfile", Do: func(ctx context.Context) error {
					_, err := s.PatchProfile(ctx, "p1", Match{Versions: []string{"u", "v"}}, ProfilePatch{Bio: &text})
					return err
				}},
				{Method: "Profiles", Do: func(ctx context.Context) error { _, err := s.Profiles(ctx, ids); return err }},
				{Method: "Settings", Do: func(ctx context.Context) error { _, err := s.Settings(ctx, "p1"); return err }},
				{Method: "PutSettings", Do: func(ctx context.Context) error {
					_, err := s.PutSettings(ctx, "p1", Match{Any: true}, Settings{Theme: "dark"})
					return err
				}},
				{Method: "Interests", Do: func(ctx context.Context) error { _, err := s.Interests(ctx, "p1"); return err }},
				{Method: "PutInterests", Do: func(ctx context.Context) error {
					_, err := s.PutInterests(ctx, "p1", Match{Any: true}, Interests{Tags: []string{"a"}})
					return err
				}},
			},
		}.Run(t)
	})
}
