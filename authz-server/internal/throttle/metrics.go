package throttle

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"
)

// newSlowed makes the count of what was slowed down. It registers it with registry, unless that is
// nil.
func newSlowed(registry prometheus.Registerer) *prometheus.CounterVec {
	slowed := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "authz_limited_total",
		Help: "Requests that were put off because there were too many of their kind, by the limit that they met, such as " +
			"log-in or sign-up. turn: too many of one sender were being served.",
	}, []string{"limit"})
	for _, limit := range []string{"log-in", "sign-up", "letters", turnLimit} { // from the start, so that rates work
		slowed.WithLabelValues(limit)
	}
	if registry != nil {
		registry.MustRegister(slowed)
	}
	return slowed
}

// turnLimit is the limit of how much of one sender is served at once.
const turnLimit = "turn"

// Slowed counts a request that met a limit, one of a few words.
func (t *Throttle) Slowed(limit string) { t.slowed.WithLabelValues(limit).Inc() }

// SlowedBy counts a request that met the quota with this subject. It begins with the quota's kind;
// what follows says whose it is.
func (t *Throttle) SlowedBy(subject string) {
	kind, _, _ := strings.Cut(subject, " ")
	t.Slowed(kind)
}
