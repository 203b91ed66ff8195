package login_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/maru-auth/maru/authz-server/internal/people"
	"github.com/maru-auth/maru/authz-server/internal/people/peopletest"
)

// counted returns a counter's value for values of its labels, in the labels' alphabetical order.
func counted(t *testing.T, registry *prometheus.Registry, name string, values ...string) float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
	series:
		for _, one := range family.GetMetric() {
			for i, pair := range one.GetLabel() {
				if pair.GetValue() != values[i] {
					continue series
				}
			}
			return one.GetCounter().GetValue()
		}
	}
	t.Fatalf("there is no %s %q", name, values)
	return 0
}

func TestWhatPeopleProveIsCountedByProofAndOutcome(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	s := peopletest.With(t, func(cfg *people.Config) { cfg.Metrics = registry })
	want := func(proof, outcome string, want float64) {
		t.Helper()
		if got := counted(t, registry, "authz_logins_total", outcome, proof); got != want {
			t.Errorf("%s %s: %v, want %v", proof, outcome, got, want)
		}
	}
	app, _ := careful(t, s) // logs in by password
	want("password", "success", 1)
	b := s.Browser()
	b.BeginLogin("mina@example.org")
	want("password", "second_step", 1)
	b.Post("/login/verify", "otp", app.CodeAt(-time.Hour)).Want(t, http.StatusUnprocessableEntity)
	b.Post("/login/verify", "otp", app.Next()).WantRedirect(t, "/account")
	want("otp", "refused", 1)
	want("otp", "success", 1)
	b = s.Browser()
	b.BeginLogin("mina@example.org")
	b.Post("/login/verify", "recovery", app.Recovery[0])
	want("recovery_code", "success", 1)

	s.Person("theo@example.org")
	b = s.Browser()
	b.Get("/login")
	for range 6 {
		b.Post("/login", "email", "theo@example.org", "password", "a wrong one")
	}
	want("password", "refused", 5)
	want("password", "limited", 1)
	if got := counted(t, registry, "authz_limited_total", "log-in"); got != 1 {
		t.Errorf("%v were slowed down", got)
	}
	b.Post("/login", "email", "theo@example.org", "password", "") // nobody proves anything by that
	want("password", "refused", 5)
}

func TestPasskeysAreCounted(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	s := peopletest.NewNamed(t, func(cfg *people.Config) { cfg.Metrics = registry })
	s.Person("mina@example.org")
	key := s.PasskeyAuthenticator()
	owner := s.Browser()
	owner.LogIn("mina@example.org")
	owner.AddPasskey(key)
	b := s.Browser()
	b.Get("/login")
	b.UsePasskey(key, "/login", "").Want(t, http.StatusOK)
	if got := counted(t, registry, "authz_logins_total", "success", "passkey"); got != 1 {
		t.Errorf("%v log-ins", got)
	}
}

func TestAnAccountCountsAsASignupOnceItIsThere(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	s := peopletest.With(t, func(cfg *people.Config) { cfg.Metrics = registry })
	b := s.Browser()
	b.Get("/signup")
	for range 2 { // a second click makes no second account
		b.Post("/signup", "name", "Mina", "email", "mina@example.org", "password", peopletest.Password)
	}
	if got := counted(t, registry, "authz_signups_total", "password"); got != 1 {
		t.Errorf("%v sign-ups", got)
	}
	s.Browser().Post("/signup", "name", "Mina", "email", "mina@example.org", "password", peopletest.Password)
	if got := counted(t, registry, "authz_signups_total", "password"); got != 1 {
		t.Errorf("%v sign-ups, one of which found its address taken", got)
	}
}
