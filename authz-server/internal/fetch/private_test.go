package fetch

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"testing"
)

func TestOnlyPrivateNetworksCanBeOpened(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"10.0.0.0/8": true, "10.1.2.3": true, "10.1.2.0/24": true, "172.16.0.0/12": true, "172.31.255.0/24": true, "192.168.0.0/16": true,
		"100.64.0.0/10": true, "fd12:3456::/48": true, "fd00::1": true, "fc00::/7": true,

		"": false, "x": false, "10.1.2.3/24": false, "10.0.0.0/7": false, "0.0.0.0/0": false, "::/0": false, "172.32.0.0/16": false,
		"127.0.0.0/8": false, "127.0.0.1": false, "::1": false, "169.254.0.0/16": false, "169.254.169.254": false, "fe80::/10": false,
		"fe80::1": false, "fe80::1%eth0": false, "224.0.0.0/4": false, "168.63.129.16": false, "8.8.8.8": false, "2001:db8::/32": false,
		"::ffff:10.0.0.0/104": false, "::ffff:10.0.0.1": false, "10.0.0.0/8,127.0.0.1": false, "64:ff9b::/96": false,
	} {
		if _, err := ParsePrivate(text); (err == nil) != want {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// What is opened is reachable by https, however its address is written; its neighbours are not.
func TestAPrivateNetworkIsOpenedAndNoOther(t *testing.T) {
	t.Parallel()
	private := []netip.Prefix{netip.MustParsePrefix("10.1.2.0/24"), netip.MustParsePrefix("fd00:1::/32"),
		netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("fd00:ec2::/32"), netip.MustParsePrefix("fd20:ce::/32")}
	for text, want := range map[string]bool{
		"10.1.2.3": true, "::ffff:10.1.2.3": true, "fd00:1::5": true, "93.184.216.34": true,
		"10.1.3.3": false, "10.2.2.3": false, "192.168.1.1": false, "fd00:2::5": false, "169.254.169.254": false, "127.0.0.1": false,
		"100.100.100.200": false, "100.100.100.201": true, "fd00:ec2::254": false, "fd00:ec2::253": true, "fd20:ce::254": false,
		"::1": false, "64:ff9b::a01:203": false, "2002:a01:203::": false, "0.0.0.0": false,
	} {
		addr := netip.MustParseAddr(text)
		if allowed(addr, false, private...) != want {
			t.Errorf("%s allowed: %t", text, !want)
		}
		address := "https://" + net.JoinHostPort(text, "443") + "/"
		if _, problem := checkURL(address, false, private...); (problem == "") != want {
			t.Errorf("%s: %q", address, problem)
		}
	}
	for _, address := range []string{"http://10.1.2.3/", "https://user@10.1.2.3/", "https://167838211/", "https://0xa.1.2.3/"} {
		if _, problem := checkURL(address, false, private...); problem == "" {
			t.Errorf("%s can be called", address)
		}
	}
}

// opened is a client that may call what is at loopback as if that were a private network.
func opened(t *testing.T, s *counted, private ...string) *Client {
	t.Helper()
	cfg := Config{CAFile: s.CAFile}
	for _, text := range private {
		cfg.Private = append(cfg.Private, netip.MustParsePrefix(text))
	}
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A name in an open network can be called. One that leads into another is not connected to, though its
// DNS answered otherwise before; nor is the place that a redirect names.
func TestNamesAreJudgedByTheAddressThatIsConnectedTo(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/away" {
			http.Redirect(w, r, "https://169.254.169.254/latest", http.StatusFound)
			return
		}
		io.WriteString(w, "{}")
	})
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	answers := func(c *Client, addrs ...string) {
		n := 0
		c.dialer.Resolver = nameServer(t, func(string) netip.Addr {
			n++
			return netip.MustParseAddr(addrs[min((n-1)/2, len(addrs)-1)]) // two questions each time: A and AAAA
		})
	}
	// The test's own server is on loopback, which no setting opens: the client alone is told so.
	c := opened(t, s, "10.1.2.0/24")
	c.loopback = true
	answers(c, "127.0.0.1")
	if _, _, err := c.Get(t.Context(), "https://example.com:"+port+"/", Cause{}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.Get(t.Context(), "https://example.com:"+port+"/away", Cause{}); err == nil {
		t.Error("a redirect is followed")
	}
	for _, addr := range []string{"10.1.3.3", "192.168.0.1", "169.254.169.254"} {
		c := opened(t, s, "10.1.2.0/24")
		answers(c, "10.1.2.3", addr)
		if first, err := c.dialer.Resolver.LookupNetIP(t.Context(), "ip", "example.com"); err != nil ||
			!slices.Contains(first, netip.MustParseAddr("10.1.2.3")) {
			t.Fatal(first, err)
		}
		if _, _, err := c.Get(t.Context(), "https://example.com:"+port+"/", Cause{}); !errors.Is(err, errAddress) {
			t.Errorf("%s: %v", addr, err)
		}
	}
	c = opened(t, s, "10.1.2.0/24")
	if err := c.control("tcp4", "10.1.2.3:443", nil); err != nil {
		t.Error(err)
	}
	if err := c.control("tcp4", "10.1.3.3:443", nil); !errors.Is(err, errAddress) {
		t.Error(err)
	}
	if s.hits.Load() != 2 {
		t.Errorf("%d requests arrived", s.hits.Load())
	}
}
