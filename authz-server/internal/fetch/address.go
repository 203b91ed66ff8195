package fetch

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"syscall"
)

// maxURL is the longest address, in bytes.
const maxURL = 4096

// checkURL says what is wrong with an address before anything is sent, beginning with a verb;
// empty: nothing. It saves a look-up; the protection is [Client.control].
func checkURL(text string, loopback bool, private ...netip.Prefix) (*url.URL, string) {
	if len(text) > maxURL {
		return nil, "is longer than " + strconv.Itoa(maxURL) + " bytes"
	}
	for i := 0; i < len(text); i++ {
		if b := text[i]; b <= ' ' || b >= 0x7f || b == '\\' {
			return nil, "has a character that no URL may have"
		}
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Opaque != "" || u.Hostname() == "":
		return nil, "is not an absolute URL"
	case u.User != nil:
		return nil, "has a user name or password before its host"
	case strings.Contains(text, "#"):
		return nil, "has a fragment"
	case u.Scheme != "https" && (u.Scheme != "http" || !loopback || !isLoopback(u.Hostname())):
		return nil, "is not https"
	}
	if port := u.Port(); strings.HasSuffix(u.Host, ":") || port != "" && !isPort(port) {
		return nil, "has a port that is none"
	}
	host := u.Hostname()
	if addr, err := netip.ParseAddr(host); err == nil {
		if !allowed(addr, loopback, private...) {
			return nil, unreachable
		}
		return u, ""
	}
	// Some resolvers understand other forms of an address: 2130706433, 0x7f.1, 127.1, 0177.0.0.1.
	last := host[strings.LastIndexByte(strings.TrimSuffix(host, "."), '.')+1:]
	if last = strings.TrimSuffix(last, "."); last == "" || last[0] >= '0' && last[0] <= '9' {
		return nil, "has a host that is neither a name nor an address in its usual form"
	}
	for i := 0; i < len(host); i++ {
		b := host[i]
		if !(b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9' || b == '-' || b == '_' || b == '.') {
			return nil, "has a host that is neither a name nor an address in its usual form"
		}
	}
	return u, ""
}

const unreachable = "cannot be reached, or is not at a public address"

func isPort(text string) bool {
	n, err := strconv.ParseUint(text, 10, 16)
	return err == nil && n > 0
}

// isLoopback tells whether a URL's host, as it is written, is this machine.
func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

var errAddress = errors.New("not a public address")

// control checks the address to which a connection is about to be made, whatever the name was, and
// whatever it resolved to before.
func (c *Client) control(network, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil || network != "tcp4" && network != "tcp6" || !allowed(to.Addr(), c.loopback, c.private...) {
		return fmt.Errorf("%s is %w", address, errAddress)
	}
	return nil
}

// notPublic are the IPv4 networks of the IANA special-purpose registry (RFC 6890), multicast and
// reserved networks, and an address in public space at which a cloud's machines reach their host.
var notPublic = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),       // this network
	netip.MustParsePrefix("10.0.0.0/8"),      // private
	netip.MustParsePrefix("100.64.0.0/10"),   // carrier-grade NAT
	netip.MustParsePrefix("127.0.0.0/8"),     // loopback
	netip.MustParsePrefix("169.254.0.0/16"),  // link-local; clouds' metadata
	netip.MustParsePrefix("172.16.0.0/12"),   // private
	netip.MustParsePrefix("192.0.0.0/24"),    // IETF protocol assignments
	netip.MustParsePrefix("192.0.2.0/24"),    // documentation
	netip.MustParsePrefix("192.88.99.0/24"),  // 6to4 relays
	netip.MustParsePrefix("192.168.0.0/16"),  // private
	netip.MustParsePrefix("198.18.0.0/15"),   // benchmarks
	netip.MustParsePrefix("198.51.100.0/24"), // documentation
	netip.MustParsePrefix("203.0.113.0/24"),  // documentation
	netip.MustParsePrefix("224.0.0.0/4"),     // multicast
	netip.MustParsePrefix("240.0.0.0/4"),     // reserved, and broadcast
	netip.MustParsePrefix("168.63.129.16/32"),
}

// Of IPv6 only global unicast is public, and not all of it.
var (
	globalUnicast = netip.MustParsePrefix("2000::/3")
	notPublic6    = []netip.Prefix{
		netip.MustParsePrefix("2001::/23"),     // IETF protocol assignments; Teredo, ORCHID, benchmarks
		netip.MustParsePrefix("2001:db8::/32"), // documentation
		netip.MustParsePrefix("3fff::/20"),     // documentation
	}
	sixToFour = netip.MustParsePrefix("2002::/16")    // an IPv4 address follows
	nat64     = netip.MustParsePrefix("64:ff9b::/96") // an IPv4 address follows: networks without IPv4 reach it so
)

// allowed tells whether connections to addr are allowed. loopback allows those to this machine, and
// private those to networks of the operator.
func allowed(addr netip.Addr, loopback bool, private ...netip.Prefix) bool {
	if addr.Zone() != "" {
		return false
	}
	addr = addr.Unmap()
	if addr.IsLoopback() {
		return loopback
	}
	if within(addr, private) {
		return !within(addr, metadata)
	}
	if addr.Is4() {
		return !within(addr, notPublic)
	}
	bytes := addr.As16()
	switch {
	case nat64.Contains(addr):
		return !within(netip.AddrFrom4([4]byte(bytes[12:16])), notPublic)
	case sixToFour.Contains(addr):
		return !within(netip.AddrFrom4([4]byte(bytes[2:6])), notPublic)
	}
	return globalUnicast.Contains(addr) && !within(addr, notPublic6)
}

func within(addr netip.Addr, networks []netip.Prefix) bool {
	for _, network := range networks {
		if network.Contains(addr) {
			return true
		}
	}
	return false
}

// ownNetworks are those that a company can have for itself (RFC 1918, RFC 6598, RFC 4193).
var ownNetworks = []netip.Prefix{
	netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("172.16.0.0/12"), netip.MustParsePrefix("192.168.0.0/16"),
	netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("fc00::/7"),
}

// metadata are addresses in them at which clouds show machines their credentials.
var metadata = []netip.Prefix{
	netip.MustParsePrefix("100.100.100.200/32"), // Alibaba
	netip.MustParsePrefix("fd00:ec2::254/128"),  // Amazon
	netip.MustParsePrefix("fd20:ce::254/128"),   // Google
}

// ParsePrivate reads a network of [Config.Private]: 10.1.0.0/16, or one address. Loopback, link-local
// addresses and whatever else no company has for itself cannot be opened, and what clouds have within
// a network for machines' credentials stays closed.
func ParsePrivate(text string) (netip.Prefix, error) {
	network, err := netip.ParsePrefix(text)
	if addr, errAddr := netip.ParseAddr(text); errAddr == nil && addr.Zone() == "" {
		network, err = netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	switch {
	case err != nil:
		return netip.Prefix{}, fmt.Errorf("%q is no network such as 10.1.2.0/24, and no address", text)
	case network.Masked() != network:
		return netip.Prefix{}, fmt.Errorf("%s has bits beside its length: the network is %s", text, network.Masked())
	case network.Addr().Is4In6():
		return netip.Prefix{}, fmt.Errorf("%s must be written as an IPv4 network", text)
	}
	for _, own := range ownNetworks {
		if own.Bits() <= network.Bits() && own.Contains(network.Addr()) {
			return network, nil
		}
	}
	return netip.Prefix{}, fmt.Errorf("%s is not within a private network: 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 100.64.0.0/10 or fc00::/7", text)
}
