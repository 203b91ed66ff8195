package httpd

import (
	"net/netip"
	"slices"
	"testing"
)

func TestAnIPv6SenderIsItsSmallAndItsLargeNetwork(t *testing.T) {
	for address, want := range map[string][]string{
		"203.0.113.7":          {"203.0.113.7"},
		"::ffff:203.0.113.7":   {"203.0.113.7"},
		"2001:db8:1:2:3:4:5:6": {"2001:db8:1:2::/64", "2001:db8:1::/48"},
		"2001:db8:1:ffff::1":   {"2001:db8:1:ffff::/64", "2001:db8:1::/48"},
		"fe80::1:2:3:4%eth0":   {"fe80::/64", "fe80::/48"},
	} {
		if got := Networks(netip.MustParseAddr(address)); !slices.Equal(got, want) {
			t.Errorf("%s: %v, not %v", address, got, want)
		}
	}
	if got := Networks(netip.Addr{}); len(got) != 1 { // outside of Run
		t.Error(got)
	}
}
