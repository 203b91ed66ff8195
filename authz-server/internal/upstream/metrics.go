package upstream

import "github.com/prometheus/client_golang/prometheus"

// Counts counts log-ins at upstreams. It is safe for concurrent use; a nil *Counts counts nothing.
type Counts struct{ logins *prometheus.CounterVec }

// What can come of a log-in at an upstream. Some are words of the pages, too: package pages has
// texts for them.
const (
	success     = "success"     // the person is logged in
	secondStep  = "second_step" // and owes more
	arrived     = "arrived"     // the identity is nobody's yet
	linked      = "linked"      // it is the person's from now on
	refused     = "refused"     // the person or the upstream did not want to, or the account is disabled
	taken       = "taken"       // the identity is another account's
	stale       = "stale"       // the person was to log in anew there, and did not
	undated     = "undated"     // the log-in has to be new, and the upstream does not say whether it is
	unreachable = "unreachable"
	failed      = "failed" // what the upstream answers cannot be used
	limited     = "limited"
	broken      = "broken" // this server's fault
	late        = "late"
	noCookies   = "cookies"
)

// NewCounts makes Counts that registry publishes; nil: nobody does. The error is one of registry.
func NewCounts(registry prometheus.Registerer) (*Counts, error) {
	logins := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "authz_upstream_logins_total",
		Help: "Log-ins at upstreams, by upstream and outcome: success, second_step (more is owed), arrived (nobody's yet), linked, refused, " +
			"taken (another account's), stale (it had to be new), undated (whether it is new is not said), unreachable, failed (the answer cannot be used), limited (too many were begun), or broken (this server's fault).",
	}, []string{"upstream", "outcome"})
	if registry == nil {
		return &Counts{logins}, nil
	}
	return &Counts{logins}, registry.Register(logins)
}

// note counts an outcome at an upstream that there is.
func (c *Counts) note(upstream, outcome string) {
	if c != nil {
		c.logins.WithLabelValues(upstream, outcome).Inc()
	}
}
