package httpd

import "net/netip"

// Networks returns what is counted as one sender of requests, the narrowest first: the address of IPv4; of IPv6 the /64,
// which one household or machine has to itself, and the /48, since many customers have all 65,536 networks of one.
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
