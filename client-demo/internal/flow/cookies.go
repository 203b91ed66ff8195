package flow

import "net/http"

// cookies are those of this app.
type cookies struct {
	secure bool // the app is served over TLS, which the prefix __Host- needs
}

// name has a prefix of its own: cookies know no ports, and on localhost the issuer's are in the same jar.
func (c cookies) name(name string) string {
	if c.secure {
		return "__Host-demo-" + name
	}
	return "demo-" + name
}

// set sets a cookie for maxAge seconds; 0: until the browser ends, below 0: it is removed.
func (c cookies) set(w http.ResponseWriter, name, value string, maxAge int) {
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // G124: Secure unless the demo is on plain http
		Name: c.name(name), Value: value, Path: "/", MaxAge: maxAge,
		HttpOnly: true, Secure: c.secure, SameSite: http.SameSiteLaxMode,
	})
}

// get reads a cookie. Of several with its name, all but one are somebody else's, so none counts.
func (c cookies) get(r *http.Request, name string) (string, bool) {
	found := r.CookiesNamed(c.name(name))
	if len(found) != 1 || found[0].Value == "" {
		return "", false
	}
	return found[0].Value, true
}
