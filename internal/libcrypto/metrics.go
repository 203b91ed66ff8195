package libcrypto

import (
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"
)

// Announce tells at the start of a program what computes: in the log, as a warning if that is not
// what the program was built for, and in its metrics.
func Announce(log *slog.Logger, metrics prometheus.Registerer) {
	metrics.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "maru_rsa_info", Help: "1; its label says what computes RSA signatures: go, or libcrypto and its version.",
		ConstLabels: prometheus.Labels{"rsa": Name()},
	}, func() float64 { return 1 }))
	if err := Problem(); err != nil {
		log.Warn("RSA is computed by Go, more slowly than by the library that this program was built for", "rsa", Name(), "error", err)
		return
	}
	log.Info("RSA signatures", "rsa", Name())
}
