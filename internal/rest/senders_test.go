package rest

import (
	"fmt"
	"net/netip"
	"testing"
	"time"
)

func TestRequestsWithoutATokenAreCountedByNetwork(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	s := NewSenderLimit(func() time.Time { return now })
	let := func(addr string, tries int) (n int) {
		for range tries {
			if s.Allow(netip.MustParseAddr(addr)) {
				n++
			}
		}
		return n
	}
	if n := let("192.0.2.1", 500); n != rateBurst {
		t.Errorf("%d at once", n)
	}
	if n := let("192.0.2.2", 1); n != 1 {
		t.Error("another address is held up")
	}
	for range 7 {
		s.Refund(netip.MustParseAddr("192.0.2.1"))
	}
	if n := let("192.0.2.1", 500); n != 7 {
		t.Errorf("%d after 7 were taken back", n)
	}
	now = now.Add(time.Second)
	if n := let("192.0.2.1", 500); n != ratePerSecond {
		t.Errorf("%d a second later", n)
	}
	now = now.Add(-time.Hour) // a clock that is set back gives nothing away
	if n := let("192.0.2.1", 500); n != 0 {
		t.Errorf("%d an hour before", n)
	}
	total := 0
	for i := range 50 {
		total += let(fmt.Sprintf("2001:db8:0:%x::1", i), 200)
	}
	if total != rateWider*rateBurst {
		t.Errorf("%d of one /48", total)
	}
	for i := range rateNetworks + 10 {
		let(fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255), 1)
	}
	if n := s.networks.Callers(); n > rateNetworks {
		t.Errorf("%d networks are remembered", n)
	}
}
