package rest

import (
	"testing"

	"github.com/maru-auth/maru/jwks/jwkstest"
)

func TestTheAgeOfWhatIsKnownOfRevocationsIsPublished(t *testing.T) {
	f := newFixture(t)
	value := func(name string) float64 {
		families, err := f.metrics.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, family := range families {
			if family.GetName() == name {
				return family.GetMetric()[0].GetGauge().GetValue() + family.GetMetric()[0].GetCounter().GetValue()
			}
		}
		t.Fatalf("there is no metric %s", name)
		return 0
	}
	want := func(name string, want float64) {
		t.Helper()
		if got := value(name); got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	want("status_lists", 0)
	want("status_list_age_seconds", 0)
	want("status_fail_open_seconds", 120)
	f.issuer.SetStatusDown(true)
	token := f.issuer.AccessToken(t, jwkstest.Token{Audience: audience, Scope: "test:read"})
	if got := f.get("/v1/thing", token).Code; got != 503 {
		t.Errorf("without its list: status %d", got)
	}
	want("status_lists", 1)
	want("status_lists_unusable", 1)
	if value("status_list_fetches_total") == 0 || value("status_list_fetch_failures_total") == 0 {
		t.Error("failures are not counted")
	}
	f.issuer.SetStatusDown(false)
	for f.get("/v1/thing", token).Code != 204 {
		if t.Context().Err() != nil {
			t.Fatal("it stays without its list")
		}
	}
	want("status_lists_unusable", 0)
	if age := value("status_list_age_seconds"); age <= 0 || age > 60 {
		t.Errorf("the list is %v s old", age)
	}
	want("withdrawn_keys", 0)
}
