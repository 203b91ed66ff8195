package keys

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

func TestTheAgeOfTheKeyThatSignsAndTheTimeToTheNextArePublished(t *testing.T) {
	t.Parallel()
	p := newPlace(t, sqldbtest.SQLite(t))
	cfg, registry := p.config(t), prometheus.NewRegistry()
	cfg.Metrics = registry
	ring, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	value := func(name string) float64 { // of RS256
		t.Helper()
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, family := range families {
			for _, one := range family.GetMetric() {
				if family.GetName() == name && one.GetLabel()[0].GetValue() == RS256 {
					return one.GetGauge().GetValue() + float64(one.GetHistogram().GetSampleCount())
				}
			}
		}
		t.Fatalf("there is no %s", name)
		return 0
	}
	want := func(name string, want float64) {
		t.Helper()
		if got := value(name); got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	want("authz_signing_duration_seconds", 0)
	sign(t, ring)
	want("authz_signing_duration_seconds", 1)
	p.advance(30 * day)
	want("authz_signing_key_age_seconds", (30 * day).Seconds())
	want("authz_signing_key_rotation_seconds", (60 * day).Seconds())
	if err := ring.Rotate(t.Context(), false, RS256); err != nil { // early, by hand
		t.Fatal(err)
	}
	want("authz_signing_key_rotation_seconds", ring.lead().Seconds())
	p.advance(ring.lead() + time.Minute)
	want("authz_signing_key_age_seconds", 60)
	p.advance(91 * day) // and nobody makes the next one
	if got := value("authz_signing_key_rotation_seconds"); got >= 0 {
		t.Errorf("overdue: %v", got)
	}
}
