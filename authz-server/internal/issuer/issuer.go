// Package issuer derives every address, link and cookie of the server from its issuer identifier,
// which may have a path or end in a slash. Handlers are written as if the issuer were an origin;
// [URL.Mount] puts them below its path.
package issuer

import (
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

// URL is an issuer identifier (RFC 8414 §2). The zero value is an issuer on plain http without an
// origin, whose paths begin at the root. It is immutable.
type URL struct {
	id     string
	origin string // scheme://host:port
	path   string // without a slash at its end; empty: the root
}

// segments are paths with only one reading: of unreserved characters (RFC 3986 §2.3), without empty
// or dot segments.
var segments = regexp.MustCompile(`^(/[A-Za-z0-9._~-]*[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*/?$`)

// Parse reads an identifier: an origin in lower case, and maybe a path. Tokens and metadata name it
// character by character, so an identifier that could be written in two ways is refused. Errors
// complete a sentence that begins with the identifier.
func Parse(id string) (URL, error) {
	u, err := url.Parse(id)
	if err != nil || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http" {
		return URL{}, errors.New("must be an http or https origin such as https://login.example, or one with a path such as https://example.com/id")
	}
	origin := u.Scheme + "://" + strings.ToLower(u.Host)
	path, ok := strings.CutPrefix(id, origin)
	if !ok || u.User != nil {
		return URL{}, errors.New("must begin with an origin in lower case: scheme, host and port")
	}
	if !segments.MatchString(path) || strings.HasPrefix(path, "/.well-known") {
		return URL{}, errors.New("must have no query, no fragment, and no path but one of letters, digits, -, ., _ and ~")
	}
	return URL{id: id, origin: origin, path: strings.TrimSuffix(path, "/")}, nil
}

// String is the identifier, as tokens name it.
func (u URL) String() string { return u.id }

// Origin is the issuer's scheme, host and port.
func (u URL) Origin() string { return u.origin }

// URL is the public address of a path of this server, which begins with a slash. A slash at the end
// of the identifier is left out (OIDC Discovery §4).
func (u URL) URL(path string) string { return u.origin + u.path + path }

// WellKnown is the address of the metadata of a name about a path of this server, which is inserted
// between the host and the issuer's path (RFC 8414 §3.1, RFC 9728 §3.1).
func (u URL) WellKnown(name, path string) string {
	return u.origin + "/.well-known/" + name + u.path + path
}

// Path is the link to a path of this server, which begins with a slash. A query may follow.
func (u URL) Path(path string) string { return u.path + path }

// Secure tells whether the issuer is on https.
func (u URL) Secure() bool { return strings.HasPrefix(u.origin, "https:") }

// Cookie is the full name of a cookie. Browsers accept a name with __Host- only from this very
// host, over https, and for all of its paths (RFC 6265bis §4.1.3.2). An issuer with a path shares
// its host with others, who must not get its cookies; __Secure- then at least rules out plain http.
func (u URL) Cookie(name string) string {
	switch {
	case !u.Secure():
		return name
	case u.path != "":
		return "__Secure-" + name
	}
	return "__Host-" + name
}

// CookiePath is the Path of every cookie.
func (u URL) CookiePath() string {
	if u.path == "" {
		return "/"
	}
	return u.path
}

// Mount serves next, whose paths begin at the root, below the issuer's path, and its metadata also
// where RFC 8414 §3.1 has it: /.well-known/oauth-authorization-server/id for
// https://login.example/id. That of a resource has the resource's path behind it (RFC 9728 §3.1).
// Everything else on the host goes to elsewhere.
func (u URL) Mount(next, elsewhere http.Handler) http.Handler {
	if u.path == "" {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path, ok := u.below(r.URL.Path)
		raw, okRaw := u.below(r.URL.EscapedPath())
		if !ok || !okRaw {
			elsewhere.ServeHTTP(w, r)
			return
		}
		inner := *r
		inner.URL = new(url.URL)
		*inner.URL = *r.URL
		inner.URL.Path = path
		if inner.URL.RawPath != "" {
			inner.URL.RawPath = raw
		}
		next.ServeHTTP(w, &inner)
	})
}

// protectedResource is the metadata of resources that have paths of their own (RFC 9728 §3.1).
const protectedResource = "/.well-known/oauth-protected-resource"

// below is a path of the host as the server sees it, if it belongs to the server.
func (u URL) below(path string) (string, bool) {
	if document := wellKnown.FindString(path); document != "" {
		about, ok := strings.CutPrefix(path[len(document):], u.path)
		if ok && (about == "" || about[0] == '/' && document == protectedResource) {
			return document + about, true
		}
	}
	rest, ok := strings.CutPrefix(path, u.path)
	if rest == "" {
		rest = "/"
	}
	return rest, ok && rest[0] == '/'
}

// wellKnown begins the paths of metadata (RFC 8615 §3).
var wellKnown = regexp.MustCompile(`^/\.well-known/[a-z0-9-]+`)
