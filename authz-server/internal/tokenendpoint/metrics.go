package tokenendpoint

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/maru-auth/maru/authz-server/internal/client"
)

// Issued counts token requests that were answered with tokens. It is safe for concurrent use; a nil
// *Issued counts nothing.
type Issued struct{ answers *prometheus.CounterVec }

// NewIssued makes one that registry publishes; nil: nobody does. The error is one of registry.
func NewIssued(registry prometheus.Registerer) (*Issued, error) {
	answers := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "authz_tokens_issued_total",
		Help: "Token requests that were answered with tokens, by grant type and client type (RFC 6749 §2.1: confidential or public).",
	}, []string{"grant_type", "client_type"})
	for _, grant := range Types { // from the start, so that rates work
		answers.WithLabelValues(grant, confidential)
		if grant != "client_credentials" {
			answers.WithLabelValues(grant, public)
		}
	}
	if registry == nil {
		return &Issued{answers}, nil
	}
	return &Issued{answers}, registry.Register(answers)
}

// Client types.
const (
	confidential = "confidential"
	public       = "public"
)

// count counts an answer. grantType is one of [Types].
func (i *Issued) count(grantType string, to *client.Client) {
	if i == nil {
		return
	}
	kind := confidential
	if to.Public() {
		kind = public
	}
	i.answers.WithLabelValues(grantType, kind).Inc()
}
