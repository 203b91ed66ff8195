package site

import (
	"net/http"
	"net/url"

	"github.com/maru-auth/maru/client-demo/internal/flow"
)

// Secure adds headers that confine pages to every answer, and refuses changes on behalf of other
// sites.
func (s *Site) Secure(next http.Handler) http.Handler {
	var guard http.CrossOriginProtection
	if err := guard.AddTrustedOrigin(s.cfg.Origin); err != nil {
		panic(err) // the settings were checked
	}
	guard.SetDenyHandler(s.ServeFor(Home, func(v *Visit) error {
		return v.Message(http.StatusForbidden, "forbidden_title", "cross_site")
	}))
	protected := guard.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Content-Security-Policy", s.policy())
		header.Set("Referrer-Policy", "same-origin")
		header.Set("X-Frame-Options", "DENY")
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Cross-Origin-Opener-Policy", "same-origin")
		header.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
		header.Set("Cache-Control", "no-store")
		protected.ServeHTTP(w, r)
	})
}

// Home is the home page as the page of [Site.ServeFor].
func Home(*http.Request) string { return "/" }

// policy lets pages load the app's own files only. Scripts may ask the issuer for its keys, and
// forms may end up there: Chromium applies form-action to redirects too, as at logout.
func (s *Site) policy() string {
	issuer := originOf(s.cfg.Issuer)
	connect := issuer
	if keys := s.flow.JWKSOrigin(); keys != "" && keys != issuer {
		connect += " " + keys
	}
	return "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self' " + connect +
		"; form-action 'self' " + issuer + "; frame-ancestors 'none'; base-uri 'none'"
}

func originOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

// Enter counts a visitor's request until leave is called. It returns false if they have too many
// under way.
func (s *Site) Enter(r *http.Request, session *flow.Session) (leave func(), ok bool) {
	return s.crowd.enter(visitor(r, session))
}
