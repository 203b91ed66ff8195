package flow

import "net/http"

// cookies are this app's cookies.
type cookies struct {
	secure bool // the app is served over TLS, which the prefix __Host- requires
}

// name adds the app's prefix: cookies do not tell ports apart, so on localhost the issuer's are in
// the same jar.
func (c cookies) name(name string) string {
	if c.secure {
		return "__Host-demo-" + name
	}
	return "demo-" + name
}

// set sets a cookie for maxAge seconds; 0 keeps it until the browser closes, a negative value
// removes it.
func (c cookies) set(w http.ResponseWriter, name, value string, maxAge int) {
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // G124: Secure unless the demo is on plain http
		Name: c.name(name), Value: value, Path: "/", MaxAge: maxAge,
		HttpOnly: true, Secure: c.secure, SameSite: http.SameSiteLaxMode,
	})
}

// get reads a cookie. Of several by one name, all but one were set by somebody else, so it takes
// none.
func (c cookies) get(r *http.Request, name string) (string, bool) {
	found := r.CookiesNamed(c.name(name))
	if len(found) != 1 || found[0].Value == "" {
		return "", false
	}
	return found[0].Value, true
}
