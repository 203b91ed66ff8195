package httpd

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/maru-auth/maru/internal/tracing"
)

// Calls measures and traces the HTTP requests that a program sends to others. The zero value measures nothing.
// It is safe for concurrent use.
type Calls struct{ took *prometheus.HistogramVec }

// NewCalls makes Calls that registry publishes; nil: nothing is measured. Make one of each
// registry.
func NewCalls(registry prometheus.Registerer) Calls {
	if registry == nil {
		return Calls{}
	}
	took := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "http_client_request_duration_seconds",
		Help: "Time until the header of an answer came, or until it was clear that none comes, by whom was asked and outcome: " +
			"2xx, 3xx, 4xx, 5xx or failed (no answer).",
		Buckets: durations,
	}, []string{"to", "outcome"})
	registry.MustRegister(took)
	return Calls{took}
}

// To returns next, measured and traced as calls to somebody: a word such as "issuer", one of a few.
// The trace goes on there.
func (c Calls) To(somebody string, next http.RoundTripper) http.RoundTripper {
	return c.to(somebody, next, true)
}

// ToStrangers is To for addresses that somebody else chose. They are told nothing of the trace: by
// its id they could tell which of their requests belong together.
func (c Calls) ToStrangers(somebody string, next http.RoundTripper) http.RoundTripper {
	return c.to(somebody, next, false)
}

func (c Calls) to(somebody string, next http.RoundTripper, ours bool) http.RoundTripper {
	if c.took != nil { // from the start, so that the first failure shows as an increase
		c.took.WithLabelValues(somebody, "failed")
	}
	return &call{next, somebody, c.took, ours}
}

type call struct {
	next http.RoundTripper
	to   string
	took *prometheus.HistogramVec // nil: not measured
	ours bool                     // the trace goes on there
}

// RoundTrip implements http.RoundTripper.
func (c *call) RoundTrip(r *http.Request) (*http.Response, error) {
	start := time.Now()
	r, span := tracing.Call(r, c.to, c.ours)
	resp, err := c.next.RoundTrip(r)
	if err == nil {
		span.SetStatus(resp.StatusCode)
	}
	span.End(err)
	if c.took != nil {
		c.took.WithLabelValues(c.to, outcomeOf(resp, err)).Observe(time.Since(start).Seconds())
	}
	return resp, err
}

// CloseIdleConnections is looked for by [http.Client].
func (c *call) CloseIdleConnections() {
	if closer, ok := c.next.(interface{ CloseIdleConnections() }); ok {
		closer.CloseIdleConnections()
	}
}

// outcomeOf is one of a few words: who answers can choose any status.
func outcomeOf(resp *http.Response, err error) string {
	switch {
	case err != nil:
		return "failed"
	case resp.StatusCode >= 200 && resp.StatusCode < 600:
		return strconv.Itoa(resp.StatusCode/100) + "xx"
	}
	return otherLabel
}
