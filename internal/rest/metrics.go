package rest

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/maru-auth/maru/jwks"
)

// registerVerifier publishes how the service found out about tokens, how the fetching of the
// issuer's keys goes, and how that of its status lists does. keys is nil if there is no saying.
func registerVerifier(registry *prometheus.Registry, verifier *jwks.Verifier, keys *jwks.Cache) {
	if registry == nil {
		return
	}
	for _, one := range []struct {
		memory string
		count  func(jwks.VerifierStats) uint64
	}{
		{"hit", func(s jwks.VerifierStats) uint64 { return s.Remembered }},
		{"miss", func(s jwks.VerifierStats) uint64 { return s.Anew }},
	} {
		registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name:        "tokens_looked_at_total",
			Help:        "Access tokens that were looked at, good or bad: hit, if their signature had been verified before, or miss.",
			ConstLabels: prometheus.Labels{"memory": one.memory},
		}, func() float64 { return float64(one.count(verifier.Stats())) }))
	}
	registerKeys(registry, keys)
	registerStatus(registry, verifier.Status())
}

func registerKeys(registry *prometheus.Registry, keys *jwks.Cache) {
	if keys == nil {
		return
	}
	registry.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "issuer_keys", Help: "Keys of the issuer that tokens are verified with. 0: no token can be."},
			func() float64 { return float64(keys.Stats().Keys) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "issuer_keys_age_seconds", Help: "Time since the issuer's keys were fetched."},
			func() float64 { return keys.Stats().Age.Seconds() }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "issuer_keys_fetches_total", Help: "Attempts to fetch the issuer's keys."},
			func() float64 { return float64(keys.Stats().Fetches) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "issuer_keys_fetch_failures_total", Help: "Attempts to fetch the issuer's keys that failed."},
			func() float64 { return float64(keys.Stats().Failures) }),
	)
}

// registerStatus publishes how the following of the issuer's status lists goes: how old what is
// known of revocations is. What was refused by them is counted in tokens_refused_total.
func registerStatus(registry *prometheus.Registry, lists *jwks.StatusLists) {
	if lists == nil {
		return
	}
	gauge := func(name, help string, value func(jwks.StatusStats) float64) {
		registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help},
			func() float64 { return value(lists.Stats()) }))
	}
	counter := func(name, help string, value func(jwks.StatusStats) uint64) {
		registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help},
			func() float64 { return float64(value(lists.Stats())) }))
	}
	gauge("status_lists", "Status lists of the issuer that are followed.",
		func(s jwks.StatusStats) float64 { return float64(s.Lists) })
	gauge("status_lists_unusable", "Status lists that were not had yet, or are too old: their tokens are refused.",
		func(s jwks.StatusStats) float64 { return float64(s.Unusable) })
	gauge("status_list_age_seconds", "Time since the issuer confirmed the status list for which that is longest ago.",
		func(s jwks.StatusStats) float64 { return s.Oldest.Seconds() })
	gauge("status_fail_open_seconds", "Setting --status-fail-open-for: at what age of a status list its tokens are refused.",
		func(s jwks.StatusStats) float64 { return s.FailOpenFor.Seconds() })
	gauge("withdrawn_keys", "Keys that the issuer withdrew as compromised.",
		func(s jwks.StatusStats) float64 { return float64(s.Withdrawn) })
	counter("status_list_fetches_total", "Attempts to fetch a status list.",
		func(s jwks.StatusStats) uint64 { return s.Fetches })
	counter("status_list_fetch_failures_total", "Attempts to fetch a status list that failed.",
		func(s jwks.StatusStats) uint64 { return s.Failures })
}
