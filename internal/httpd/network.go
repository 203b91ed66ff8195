package httpd

import "net/netip"

// Networks returns the networks of addr that count as one sender of requests, narrowest first: an
// IPv4 address itself; of IPv6 the /64, which one household or machine has to itself, and the /48,
// because providers give many customers a whole one, with 65,536 networks.
func Networks(addr netip.Addr) []string {
	addr = addr.Unmap().WithZone("")
	if !addr.Is6() {
		return []string{addr.String()}
	}
	return []string{
		netip.PrefixFrom(addr, 64).Masked().String(),
		netip.PrefixFrom(addr, 48).Masked().String(),
	}
}
