package httpd

import (
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/gorilla/mux"
)

// allowedMethods returns the methods that router takes at r's path: those that its routes name,
// HEAD where GET is, and OPTIONS.
func allowedMethods(router *mux.Router, r *http.Request) []string {
	var allowed []string
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		try, match := r.Clone(r.Context()), mux.RouteMatch{}
		try.Method = method
		if router.Match(try, &match) && match.MatchErr == nil {
			allowed = append(allowed, method)
		}
	}
	if slices.Contains(allowed, http.MethodGet) {
		allowed = append(allowed, http.MethodHead)
	}
	return append(allowed, http.MethodOptions)
}

// MethodNotAllowed answers requests for a path that router has, but not with their method (RFC 9110
// §15.5.6): OPTIONS by what the path takes, and others by refuse, which answers with status 405.
func MethodNotAllowed(router *mux.Router, refuse func(w http.ResponseWriter, r *http.Request, allowed string)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		methods := allowedMethods(router, r)
		allowed := strings.Join(methods, ", ")
		w.Header().Set("Allow", allowed)
		if r.Method == http.MethodOptions {
			writeOptions(w, methods)
			return
		}
		refuse(w, r, allowed)
	})
}

// writeOptions answers an OPTIONS request for a path that takes the allowed methods (RFC 9110
// §9.3.7), after [AllowCrossOrigin] if scripts may call it.
func writeOptions(w http.ResponseWriter, allowed []string) {
	header := w.Header()
	if asked := header.Get("Access-Control-Allow-Methods"); asked != "" {
		safelisted := []string{http.MethodGet, http.MethodHead, http.MethodPost} // for these a browser does not look (Fetch §4.8)
		if !slices.Contains(allowed, asked) && !slices.Contains(safelisted, asked) {
			allowed = append(slices.Clone(allowed), asked)
		}
		header.Set("Access-Control-Allow-Methods", strings.Join(allowed, ", "))
	}
	w.WriteHeader(http.StatusNoContent)
}

// IsPreflight tells whether a browser asks what a script of another origin may send (Fetch §3.3.2).
func IsPreflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != ""
}

// AllowCrossOrigin lets scripts of every origin read the answer to r, whatever it is. If r is the
// browser's preflight, it allows the request, whatever headers the script wants to send: only then
// does the script see the answer, even if that is 404 or 405. Use it for paths that never act on a
// cookie: another site's page can then do nothing that a program of its owner could not. It sets
// headers only.
func AllowCrossOrigin(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Access-Control-Allow-Origin", "*")
	if !IsPreflight(r) {
		header.Set("Access-Control-Expose-Headers", "Allow, DPoP-Nonce, ETag, Location, Retry-After, "+
			"WWW-Authenticate, X-Request-Id")
		return
	}
	// "*" would not include Authorization, and older browsers do not know it.
	names := usualHeaders
	if asked := strings.Join(r.Header.Values("Access-Control-Request-Headers"), ", "); fieldNames.MatchString(asked) {
		names += ", " + asked
	}
	header.Set("Access-Control-Allow-Headers", names)
	if method := r.Header.Get("Access-Control-Request-Method"); fieldNames.MatchString(method) {
		header.Set("Access-Control-Allow-Methods", method)
	}
	header.Set("Access-Control-Max-Age", "86400")
	header.Add("Vary", "Access-Control-Request-Headers, Access-Control-Request-Method")
}

// usualHeaders are the headers that scripts send to our services.
const usualHeaders = "Authorization, Content-Type, DPoP, Idempotency-Key, If-Match, If-None-Match"

// fieldNames matches a list of tokens (RFC 9110 §5.6.2) of a bounded length.
var fieldNames = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~ ,-]{1,1000}$")

// NoneMatch tells whether a request's If-None-Match names the entity tag, strong or weak, alone or
// in a list, so that the answer is 304 (RFC 9110 §13.1.2). etag has its quotes.
func NoneMatch(r *http.Request, etag string) bool {
	etag = strings.TrimPrefix(etag, "W/")
	for _, one := range strings.Split(strings.Join(r.Header.Values("If-None-Match"), ","), ",") { // no tag of ours has a comma
		one = strings.TrimSpace(one)
		if one == "*" || strings.TrimPrefix(one, "W/") == etag {
			return true
		}
	}
	return false
}
