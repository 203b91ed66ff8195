// Package sender tells who sent a request, as far as the network and its headers say: the address,
// the networks that it is counted as, and in plain words the browser.
package sender

import (
	"context"
	"net/http"
	"net/netip"
	"strings"

	"github.com/maru-auth/maru/internal/httpd"
)

// Addr returns the address that r came from: outside of httpd.Server, that of the connection.
func Addr(r *http.Request) netip.Addr {
	if addr := httpd.ClientAddr(r.Context()); addr.IsValid() {
		return addr
	}
	if ap, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		return ap.Addr().Unmap()
	}
	return netip.Addr{}
}

// AddrOf returns the address that the request of ctx came from, as text; empty: ctx is of none.
func AddrOf(ctx context.Context) string {
	if addr := httpd.ClientAddr(ctx); addr.IsValid() {
		return addr.String()
	}
	return ""
}

// Networks returns what r's sender is counted as; see [httpd.Networks].
func Networks(r *http.Request) []string { return httpd.Networks(Addr(r)) }

// NetworksOf is Networks for an address as Of returns it; any other text is in none.
func NetworksOf(address string) []string {
	addr, err := netip.ParseAddr(address)
	if err != nil {
		return nil
	}
	return httpd.Networks(addr)
}

// maxUserAgent is how much is kept of a User-Agent header, in bytes.
const maxUserAgent = 300

// Of returns where a request came from, as it can be stored: its address, and its User-Agent
// header, shortened.
func Of(r *http.Request) (address, userAgent string) {
	return Addr(r).String(), cut(r.UserAgent(), maxUserAgent)
}

// cut shortens s to at most n bytes of valid UTF-8 without control characters.
func cut(s string, n int) string {
	if len(s) > n {
		s = s[:n]
	}
	return strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f {
			return -1
		}
		return c
	}, strings.ToValidUTF8(s, ""))
}
