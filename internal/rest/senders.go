package rest

import (
	"net/netip"
	"time"

	"github.com/maru-auth/maru/internal/httpd"
)

const (
	rateBurst     = 100    // requests of one network at once
	ratePerSecond = 20     // and then
	rateWider     = 8      // times as many for a /48 of IPv6, in which many may live
	rateNetworks  = 20_000 // networks that are remembered

	requestCost = time.Second / ratePerSecond
)

// SenderLimit bounds requests without a token by the network that they come from, so that one network
// does not slow the others' reading. Make it with NewSenderLimit; it is safe for concurrent use.
type SenderLimit struct{ networks *httpd.Allowance }

// NewSenderLimit returns a limit by the clock now; nil: time.Now.
func NewSenderLimit(now func() time.Time) *SenderLimit {
	return &SenderLimit{httpd.NewAllowance(rateBurst*requestCost, rateNetworks, now)}
}

// Allow tells whether one more request from addr is within bounds, and counts it if so.
func (l *SenderLimit) Allow(addr netip.Addr) bool {
	networks, cost := httpd.Networks(addr), requestCost
	for i, network := range networks {
		if _, ok := l.networks.Spend(network, cost); !ok {
			l.refund(networks[:i])
			return false
		}
		cost /= rateWider
	}
	return true
}

// Refund takes back that a request from addr was counted.
func (l *SenderLimit) Refund(addr netip.Addr) { l.refund(httpd.Networks(addr)) }

func (l *SenderLimit) refund(networks []string) {
	cost := requestCost
	for _, network := range networks {
		l.networks.Refund(network, cost)
		cost /= rateWider
	}
}
