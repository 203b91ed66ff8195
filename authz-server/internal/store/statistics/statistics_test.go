package statistics_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/store/statistics"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

func text(t *testing.T, w *storetest.World, width statistics.Width, since time.Time) (all string) {
	t.Helper()
	counts, err := w.Statistics.Since(t.Context(), width, since)
	storetest.OK(t, err)
	for _, one := range counts {
		all += fmt.Sprintf("%s %s %d\n", one.Start.UTC().Format("02T15"), one.Kind, one.Count)
	}
	return all
}

func TestReplicasCountByTheHourAndByTheDay(t *testing.T) {
	storetest.Empty(t, func(t *testing.T, w *storetest.World) {
		w.Now = time.Date(2026, 5, 1, 22, 59, 0, 0, time.UTC)
		var replicas sync.WaitGroup
		for range 8 {
			replicas.Go(func() {
				if err := w.Statistics.Add(t.Context(), map[string]int64{"logins": 2, "signups": 1}); err != nil {
					t.Error(err)
				}
			})
		}
		replicas.Wait()
		began := w.Now
		w.Now = w.Now.Add(2 * time.Hour)
		storetest.OK(t, w.Statistics.Add(t.Context(), map[string]int64{"logins": 5}))
		if got, want := text(t, w, statistics.Hour, began), "01T22 logins 16\n01T22 signups 8\n02T00 logins 5\n"; got != want {
			t.Error(got)
		}
		if got, want := text(t, w, statistics.Day, began), "01T00 logins 16\n01T00 signups 8\n02T00 logins 5\n"; got != want {
			t.Error(got)
		}
		if got, want := text(t, w, statistics.Hour, w.Now), "02T00 logins 5\n"; got != want {
			t.Error(got)
		}
		w.Now = w.Now.Add(statistics.KeepHours)
		_, err := w.Sweep(t.Context())
		storetest.OK(t, err)
		if hours, days := w.Count(t, "statistics WHERE width = 3600000000"), w.Count(t, "statistics WHERE width = 86400000000"); hours != 0 || days != 3 {
			t.Errorf("%d hours and %d days are left", hours, days)
		}
	})
}
