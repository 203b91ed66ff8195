package client

import (
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// MatchRedirectURI tells whether the uri of a request is one that c registered: the same string
// (RFC 9700 §2.1), except that the port of an http URI for a loopback host does not matter (RFC
// 8252 §7.3). The name localhost counts as such a host.
func (c *Client) MatchRedirectURI(uri string) bool {
	if len(uri) > maxURI {
		return false
	}
	if slices.Contains(c.RedirectURIs, uri) {
		return true
	}
	host, rest, ok := cutLoopback(uri)
	if !ok {
		return false
	}
	return slices.ContainsFunc(c.RedirectURIs, func(registered string) bool {
		h, r, ok := cutLoopback(registered)
		return ok && h == host && r == rest
	})
}

// WithQuery adds parameters to a URI that a client registered, whose own query is kept as it is.
func WithQuery(uri string, parameters url.Values) string {
	separator := "?"
	if strings.Contains(uri, "?") {
		separator = "&"
	}
	return uri + separator + parameters.Encode()
}

// MatchPostLogoutURI tells whether c registered uri as a place to go after a log-out: exactly the
// same string (OpenID Connect RP-Initiated Logout 1.0 §3).
func (c *Client) MatchPostLogoutURI(uri string) bool {
	return slices.Contains(c.PostLogoutRedirectURIs, uri)
}

// cutLoopback splits "http://HOST:PORT/REST" into HOST and "/REST". It works on the text and
// normalizes nothing, so that parsers cannot disagree about it. ok is false unless the scheme is
// http, HOST is loopback, and PORT is a number or absent.
func cutLoopback(uri string) (host, rest string, ok bool) {
	after, ok := strings.CutPrefix(uri, "http://")
	if !ok {
		return "", "", false
	}
	authority := after
	if i := strings.IndexAny(after, `/?#\`); i >= 0 {
		authority, rest = after[:i], after[i:]
	}
	host = authority
	if i := strings.LastIndexByte(authority, ':'); i >= 0 && !strings.HasSuffix(authority, "]") {
		host = authority[:i]
		if !port(authority[i+1:]) {
			return "", "", false
		}
	}
	return host, rest, loopback(host)
}

// loopback tells whether host, as a URI writes it, names this machine: 127.0.0.0/8, [::1] or
// localhost.
func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	if inner, ok := strings.CutPrefix(host, "["); ok {
		inner, ok = strings.CutSuffix(inner, "]")
		addr, err := netip.ParseAddr(inner)
		return ok && err == nil && addr == netip.IPv6Loopback()
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Is4() && addr.IsLoopback()
}

func port(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0 && s[0] != '0' && s[0] != '+'
}

// checkRedirectURI says what is wrong with a URI to which browsers are sent, beginning with a verb;
// empty: nothing. privateUse allows an app's own scheme (RFC 8252 §7.1).
func checkRedirectURI(uri string, privateUse bool) string {
	if problem := checkCharacters(uri); problem != "" {
		return problem
	}
	if strings.Contains(uri, "#") {
		return "must not have a fragment (#…)" // RFC 6749 §3.1.2
	}
	if strings.Contains(uri, "*") {
		return "must not have a wildcard (*): register every URI that is used"
	}
	scheme, rest, ok := strings.Cut(uri, ":")
	if !ok || !validScheme(scheme) {
		return "must be absolute, such as https://app.example/callback"
	}
	switch {
	case scheme == "https" || scheme == "http":
		return checkAuthority(scheme, rest)
	case foreignScheme(scheme):
		return "must begin with https://, http:// for a loopback host, or an app's own scheme such as com.example.app:/ or example-app://; " + scheme + " belongs to others"
	case !strings.Contains(scheme, ".") && (!strings.HasPrefix(rest, "//") || strings.HasPrefix(rest, "///")):
		// RFC 8252 §7.1 asks for a reverse domain name. Real agents have shorter schemes, such as
		// cursor:// and vscode://, which look like addresses.
		return "must have a dot in its scheme, such as com.example.app:/callback, or a host behind it, such as " + scheme + "://callback"
	case !privateUse:
		return "has an app's own scheme, which only a public or native client may have"
	case !strings.HasPrefix(rest, "/"):
		return "must have a slash after the scheme, such as " + scheme + ":/callback"
	case strings.HasPrefix(rest, "//") && !strings.HasPrefix(rest, "///"):
		return checkAuthority(scheme, rest)
	}
	return checkPath(rest)
}

// foreignSchemes are schemes that browsers and operating systems know already: they do not open the
// app that registered. None of them has a dot.
var foreignSchemes = strings.Fields(`about blob chrome chrome-extension chrome-search chrome-untrusted content data devtools edge file filesystem
	help hcp intent isolated-app jar javascript livescript moz-extension moz-icon mk mocha ms-browser-extension opera res resource
	safari-extension safari-web-extension shell vbscript view-source wyciwyg x-javascript
	acct bitcoin callto cid dav davs dns ethereum facetime facetime-audio ftp ftps geo git gopher im imap imaps ipfs ipp ipps irc ircs itms itms-apps
	itms-services ldap ldaps magnet mailto maps market message mid mms news nfs nntp onion pop pres redis rsh rsync rtmp rtsp rtsps search search-ms
	sftp sip sips skype sms smb smsto snmp ssh steam stun stuns svn tag tel telnet tftp turn turns urn vnc ws wss xmpp`)

func foreignScheme(scheme string) bool {
	// A single letter is a drive; ms- and the like are handlers of Windows, Android and iOS.
	return len(scheme) < 2 || slices.Contains(foreignSchemes, scheme) || strings.HasPrefix(scheme, "ms-") || strings.HasPrefix(scheme, "android-") ||
		strings.HasPrefix(scheme, "x-apple") || strings.HasPrefix(scheme, "web+")
}

// Linkable tells whether a page may link to an address of a client: http, https, or an app's own
// scheme. None of these runs in the page.
func Linkable(uri string) bool {
	scheme, _, ok := strings.Cut(uri, ":")
	return ok && validScheme(scheme) && !foreignScheme(scheme)
}

// checkAuthority checks what follows "http:" or "https:".
func checkAuthority(scheme, rest string) string {
	rest, ok := strings.CutPrefix(rest, "//")
	if !ok {
		return "must be absolute, such as https://app.example/callback"
	}
	authority, path := rest, ""
	if i := strings.IndexAny(rest, "/?"); i >= 0 {
		authority, path = rest[:i], rest[i:]
	}
	if strings.Contains(authority, "@") {
		return "must not have a user name or password (…@) before the host"
	}
	host := authority
	if i := strings.LastIndexByte(authority, ':'); i >= 0 && !strings.HasSuffix(authority, "]") {
		host = authority[:i]
		if !port(authority[i+1:]) {
			return "must have a port from 1 to 65535, or none"
		}
	}
	if !validHost(host) {
		return "must name a host by its DNS name (in its ASCII form) or its IP address"
	}
	if scheme == "http" && !loopback(host) {
		return "must be https; http is for 127.0.0.1, [::1] and localhost alone"
	}
	return checkPath(path)
}

// checkPath refuses dot segments, even encoded ones: browsers resolve them, and would go to a URI
// that is not the registered one.
func checkPath(path string) string {
	path, _, _ = strings.Cut(path, "?")
	for _, segment := range strings.Split(path, "/") {
		switch strings.ReplaceAll(strings.ToLower(segment), "%2e", ".") {
		case ".", "..":
			return "must not have . or .. in its path"
		}
	}
	return ""
}

// checkCharacters allows only the characters of RFC 3986 §2: no space, control character,
// backslash, quote or letter beyond ASCII; and after every percent sign two hexadecimal digits.
func checkCharacters(uri string) string {
	if uri == "" || len(uri) > maxURI {
		return "must be 1 to " + strconv.Itoa(maxURI) + " bytes long"
	}
	for i := 0; i < len(uri); i++ {
		switch b := uri[i]; {
		case b <= ' ' || b >= 0x7f || strings.IndexByte("\"<>\\^`{|}", b) >= 0:
			return "must have only the characters of a URI (RFC 3986); percent-encode all others"
		case b == '%' && (i+2 >= len(uri) || !hexadecimal(uri[i+1]) || !hexadecimal(uri[i+2])):
			return "must have two hexadecimal digits after every %"
		}
	}
	return ""
}

func hexadecimal(b byte) bool {
	return b >= '0' && b <= '9' || b >= 'a' && b <= 'f' || b >= 'A' && b <= 'F'
}

// validScheme tells whether s is a scheme (RFC 3986 §3.1) in lower case, in which schemes are
// compared.
func validScheme(s string) bool {
	for i := 0; i < len(s); i++ {
		b := s[i]
		letter := b >= 'a' && b <= 'z'
		if !letter && (i == 0 || !(b >= '0' && b <= '9' || b == '+' || b == '-' || b == '.')) {
			return false
		}
	}
	return s != ""
}

// validHost tells whether a host is a DNS name, an IPv4 address, or an IPv6 address in brackets,
// without a zone.
func validHost(host string) bool {
	if inner, ok := strings.CutPrefix(host, "["); ok {
		inner, ok = strings.CutSuffix(inner, "]")
		addr, err := netip.ParseAddr(inner)
		return ok && err == nil && addr.Is6() && addr.Zone() == ""
	}
	if len(host) > 253 {
		return false
	}
	for _, label := range strings.Split(host, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for i := 0; i < len(label); i++ {
			if b := label[i]; !(b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9' || b == '-' || b == '_') {
				return false
			}
		}
	}
	return true
}

// checkWebURI says what is wrong with an address of a web page or picture, beginning with a verb;
// empty: nothing.
func checkWebURI(uri string) string {
	if problem := checkCharacters(uri); problem != "" {
		return problem
	}
	scheme, rest, _ := strings.Cut(uri, ":")
	if scheme != "https" && scheme != "http" {
		return "must be absolute, such as https://app.example/terms"
	}
	rest, _, _ = strings.Cut(rest, "#")
	return checkAuthority(scheme, rest)
}

// checkServerURI says what is wrong with an address that the server fetches or posts to, or that
// must be as safe: it must be an absolute https URI without a fragment, or http for a loopback host
// where that is allowed. Package fetch decides whether its host may be reached.
func checkServerURI(uri string, insecureLoopback bool) string {
	if problem := checkCharacters(uri); problem != "" {
		return problem
	}
	scheme, rest, _ := strings.Cut(uri, ":")
	switch {
	case scheme != "https" && (scheme != "http" || !insecureLoopback):
		return "must be an absolute https URI, such as https://app.example/path"
	case strings.Contains(uri, "#"):
		return "must not have a fragment (#…)"
	}
	return checkAuthority(scheme, rest)
}

// CheckDocumentID says what is wrong with a client_id that is the URL of a document, beginning with
// a verb; empty: nothing (draft-ietf-oauth-client-id-metadata-document §3). Because it is compared
// and shown, there must be only one way to write it.
func CheckDocumentID(id string) string {
	if problem := checkServerURI(id, false); problem != "" {
		return problem
	}
	path, _, _ := strings.Cut(strings.TrimPrefix(id, "https://"+hostPort(id)), "?")
	switch {
	case len(id) > maxText:
		return "must be at most " + strconv.Itoa(maxText) + " bytes long"
	case path == "" || path == "/":
		return "must have a path, such as https://app.example/client.json"
	case hostPort(id) != strings.ToLower(hostPort(id)):
		return "must have its host in lower case"
	}
	return ""
}

// hostPort returns HOST:PORT of "scheme://HOST:PORT/…" as it is written; empty: the URI has no
// "//". It is for URIs that were checked.
func hostPort(uri string) string {
	_, rest, ok := strings.Cut(uri, "://")
	if !ok {
		return ""
	}
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		rest = rest[:i]
	}
	return rest
}

// hostName returns the host of an http or https URI, in lower case and without its port; empty for
// other URIs.
func hostName(uri string) string {
	if !strings.HasPrefix(uri, "https://") && !strings.HasPrefix(uri, "http://") {
		return ""
	}
	host := hostPort(uri)
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
		host = host[:i]
	}
	return strings.ToLower(host)
}

// origin returns the scheme, host and port of a checked http or https URI, with the default port
// written.
func origin(uri string) string {
	scheme, _, _ := strings.Cut(uri, ":")
	host := strings.ToLower(hostPort(uri))
	if i := strings.LastIndexByte(host, ':'); i < 0 || strings.HasSuffix(host, "]") {
		host += map[string]string{"https": ":443", "http": ":80"}[scheme]
	}
	return scheme + "://" + host
}
