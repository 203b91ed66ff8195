package provider

import (
	"net/http"
	"strings"

	"github.com/gorilla/mux"

	"github.com/maru-auth/maru/authz-server/internal/endpoint"
	"github.com/maru-auth/maru/authz-server/internal/oauth"
	"github.com/maru-auth/maru/internal/httpd"
)

// forPrograms reports whether programs call a path of this server, and not people.
func forPrograms(path string) bool {
	switch path {
	case "/oauth2/authorize", "/oauth2/logout", "/oauth2/check_session":
		return false
	}
	return strings.HasPrefix(path, "/oauth2/") || strings.HasPrefix(path, "/.well-known/")
}

// crossOrigin lets scripts of every origin call what programs call, and read errors too. The
// exception is introspection, which is for clients that can keep a secret.
func crossOrigin(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if forPrograms(r.URL.Path) && r.URL.Path != "/oauth2/introspect" {
			httpd.AllowCrossOrigin(w, r)
		}
		next.ServeHTTP(w, r)
	})
}

// headAsGet serves HEAD as GET; net/http leaves the body out.
func headAsGet(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodHead {
			r = r.WithContext(r.Context())
			r.Method = http.MethodGet
		}
		next.ServeHTTP(w, r)
	})
}

// NotFound answers requests for what is not there. Preflights are let through, so that scripts see
// it.
func (p *Provider) NotFound() http.Handler { return crossOrigin(http.HandlerFunc(p.notFound)) }

func (p *Provider) notFound(w http.ResponseWriter, r *http.Request) {
	if httpd.IsPreflight(r) && w.Header().Get("Access-Control-Allow-Origin") != "" {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	description := "there is nothing at this address"
	if !p.Registration.Mode.Offered() && (r.URL.Path == "/oauth2/register" || strings.HasPrefix(r.URL.Path, "/oauth2/register/")) {
		description = "clients cannot register themselves here; ask this server's operator to register yours"
	}
	p.refuseRequest(w, r, http.StatusNotFound, "not_found", description)
}

// methodNotAllowed answers requests for a path that router has, but not with their method.
func (p *Provider) methodNotAllowed(router *mux.Router) http.Handler {
	return httpd.MethodNotAllowed(router, func(w http.ResponseWriter, r *http.Request, allowed string) {
		p.refuseRequest(w, r, http.StatusMethodNotAllowed, oauth.InvalidRequest.Code, "this address takes "+allowed)
	})
}

// refuseRequest answers what no endpoint takes: people with a page, and programs with JSON.
func (p *Provider) refuseRequest(w http.ResponseWriter, r *http.Request, status int, code, description string) {
	if forPrograms(r.URL.Path) {
		endpoint.WriteRefusal(w, status, code, description)
		return
	}
	p.common.Pages.Error(w, r, status, code, description)
}

// checkText refuses requests whose path, query or kept headers are not text, before any handler
// sees them. Bodies are checked where they are read.
func (p *Provider) checkText(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		part := httpd.NotText(r)
		if part == "" {
			next.ServeHTTP(w, r)
			return
		}
		err := oauth.InvalidRequest.Because("the request cannot be read: " + part + " must be UTF-8 without U+0000")
		p.refuseRequest(w, r, err.Status, err.Code, err.Text())
	})
}
