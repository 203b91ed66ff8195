package jose

import (
	"encoding/hex"
	"net/url"
	"strings"
)

// isWebURL says whether u is absolute, and http or https, and names no user.
func isWebURL(u *url.URL) bool {
	return (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "" && u.User == nil && u.Opaque == ""
}

// normalURL is u without query and fragment, by RFC 3986 §6.2.2 and §6.2.3,
// and with "/" for an empty path. Dot segments stay: a router might not take
// them out, so a URL with them is not the one without.
func normalURL(u *url.URL) string {
	host := strings.ToLower(u.Hostname())
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if port := u.Port(); port != "" && !(u.Scheme == "http" && port == "80") && !(u.Scheme == "https" && port == "443") {
		host += ":" + port
	}
	path := normalPath(u.EscapedPath())
	if path == "" {
		path = "/"
	}
	return u.Scheme + "://" + host + path
}

// normalPath decodes the escapes of characters that need none, and writes the
// others in upper case. The path is validly escaped.
func normalPath(path string) string {
	if strings.IndexByte(path, '%') < 0 {
		return path
	}
	var b strings.Builder
	for i := 0; i < len(path); i++ {
		if path[i] != '%' || i+2 >= len(path) {
			b.WriteByte(path[i])
			continue
		}
		var c [1]byte
		if _, err := hex.Decode(c[:], []byte(path[i+1:i+3])); err != nil {
			b.WriteByte(path[i])
			continue
		}
		if isUnreserved(c[0]) {
			b.WriteByte(c[0])
		} else {
			b.WriteString(strings.ToUpper(path[i : i+3]))
		}
		i += 2
	}
	return b.String()
}

// isUnreserved is RFC 3986 §2.3.
func isUnreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '.' || c == '_' || c == '~'
}
