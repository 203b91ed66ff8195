package keys

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// signingBuckets are from an ECDSA signature to a signature by RSA-4096 that waits, in seconds.
var signingBuckets = []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .1, 1}

// newSigning makes the histogram of how long signatures take. It registers it with registry, unless
// that is nil.
func newSigning(registry prometheus.Registerer) (*prometheus.HistogramVec, error) {
	signing := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "authz_signing_duration_seconds", Help: "Time to sign a JWT, by algorithm.", Buckets: signingBuckets,
	}, []string{"alg"})
	for _, alg := range algorithms {
		signing.WithLabelValues(alg)
	}
	if registry == nil {
		return signing, nil
	}
	return signing, registry.Register(signing)
}

// ages publishes how old the keys are that sign.
type ages struct {
	ring     *Ring
	age      *prometheus.Desc
	rotation *prometheus.Desc
}

var _ prometheus.Collector = (*ages)(nil)

// measureAges registers the metrics of the keys' ages with registry, unless that is nil.
func (k *Ring) measureAges(registry prometheus.Registerer) error {
	if registry == nil {
		return nil
	}
	return registry.Register(&ages{
		ring: k,
		age: prometheus.NewDesc("authz_signing_key_age_seconds",
			"For how long the key that signs has done so, by algorithm.", []string{"alg"}, nil),
		rotation: prometheus.NewDesc("authz_signing_key_rotation_seconds",
			"Time until another key signs, by algorithm; negative: it is overdue. None where no rotation is planned.", []string{"alg"}, nil),
	})
}

// Describe implements prometheus.Collector.
func (a *ages) Describe(out chan<- *prometheus.Desc) {
	out <- a.age
	out <- a.rotation
}

// Collect implements prometheus.Collector.
func (a *ages) Collect(out chan<- prometheus.Metric) {
	now, lines := a.ring.cfg.Now(), a.ring.snapshot.Load().lines
	for _, alg := range algorithms {
		current := lines[alg].current(now)
		if current == nil {
			continue
		}
		out <- prometheus.MustNewConstMetric(a.age, prometheus.GaugeValue, now.Sub(current.activatesAt).Seconds(), alg)
		due := current.activatesAt.Add(a.ring.cfg.Rotation)
		switch next := lines[alg].next(now); {
		case next != nil:
			due = next.activatesAt
		case a.ring.cfg.Rotation == 0:
			continue
		}
		out <- prometheus.MustNewConstMetric(a.rotation, prometheus.GaugeValue, due.Sub(now).Seconds(), alg)
	}
}

// measure registers all metrics of the ring.
func (k *Ring) measure() (err error) {
	k.signing, err = newSigning(k.cfg.Metrics)
	return errors.Join(err, k.measureAges(k.cfg.Metrics))
}
