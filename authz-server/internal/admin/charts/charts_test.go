package charts

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
)

func TestChartsShowWhatTheMetricsCount(t *testing.T) {
	storetest.Empty(t, func(t *testing.T, w *storetest.World) {
		ctx := t.Context()
		registry := prometheus.NewRegistry()
		logins := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "authz_logins_total"}, []string{"proof", "outcome"})
		tokens := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "authz_tokens_issued_total"}, []string{"grant_type"})
		registry.MustRegister(logins, tokens, prometheus.NewCounter(prometheus.CounterOpts{Name: "authz_other_total"}))
		k := keeper{kept: w.Statistics, metrics: registry, added: map[string]int64{}}
		logins.WithLabelValues("password", "success").Add(2)
		logins.WithLabelValues("passkey", "success").Add(3)
		logins.WithLabelValues("password", "refused").Inc()
		logins.WithLabelValues("password", "second_step").Add(100) // which is not the end of a log-in
		tokens.WithLabelValues("authorization_code").Add(7)
		storetest.OK(t, k.add(ctx))
		storetest.OK(t, k.add(ctx)) // nothing happened since
		w.Now = w.Now.Add(time.Hour)
		logins.WithLabelValues("password", "limited").Inc()
		tokens.WithLabelValues("refresh_token").Add(1)
		storetest.OK(t, k.add(ctx))

		day, err := DayInHours(ctx, w.Statistics, w.Now)
		storetest.OK(t, err)
		got := map[string][]int64{}
		for _, one := range day.Charts {
			got[one.Kind] = one.Points
		}
		if len(day.Charts) != len(Kinds) || len(got[LogIns]) != 24 || !day.Start.Add(23*time.Hour).Equal(w.Now) ||
			got[LogIns][22] != 5 || got[LogIns][23] != 0 || got[Failures][22] != 1 || got[Failures][23] != 1 ||
			got[Tokens][22] != 7 || got[Tokens][23] != 1 || got[SignUps][22] != 0 {
			t.Errorf("%+v", day)
		}
		month, err := MonthInDays(ctx, w.Statistics, w.Now)
		storetest.OK(t, err)
		if month.Charts[0].Kind != LogIns || len(month.Charts[0].Points) != 31 || month.Charts[0].Points[30] != 5 {
			t.Errorf("%+v", month)
		}
	})
}

func TestTheLastSecondsAreCountedWhenAServerEnds(t *testing.T) {
	storetest.Empty(t, func(t *testing.T, w *storetest.World) {
		registry := prometheus.NewRegistry()
		signups := prometheus.NewCounter(prometheus.CounterOpts{Name: "authz_signups_total"})
		registry.MustRegister(signups)
		signups.Inc()
		stopped, stop := context.WithCancel(t.Context())
		stop()
		Keep(stopped, w.Store, registry, slog.New(slog.DiscardHandler))
		if n := w.Count(t, "statistics WHERE kind = 'signups'"); n != 2 {
			t.Errorf("%d counts", n)
		}
	})
}
