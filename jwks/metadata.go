package jwks

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
)

// metadataPath is where metadata lies, before the resource's path (RFC 9728
// §3).
const metadataPath = "/.well-known/oauth-protected-resource"

// ResourceMetadata describes this service as a protected resource (RFC 9728
// §2), so that a client that knows the service alone finds out where to get a
// token for it. It is a handler; register it at [ResourceMetadata.Path], and
// name its [ResourceMetadata.URL] in GuardConfig.ResourceMetadata.
type ResourceMetadata struct {
	// Resource is the service's identifier: the https URL (http on loopback)
	// at which clients reach it, and the audience of its tokens. Required.
	Resource string
	// AuthorizationServers has the identifiers of the issuers of its tokens.
	AuthorizationServers []string
	// Scopes that a client may ask for, as far as they are to be known.
	Scopes []string
	// Name is for people to read. Empty: none.
	Name string
	// Documentation is the URL of a page for developers. Empty: none.
	Documentation string
	// DPoP is that of the Guard. Nil: bearer tokens only.
	DPoP *DPoP
}

// URL returns where the metadata belongs, or the empty string if Resource is no
// such identifier (RFC 9728 §3.1): between its host and its path.
func (m ResourceMetadata) URL() string {
	u, err := url.Parse(m.Resource)
	if err != nil || !isWebURL(u) || u.Fragment != "" {
		return ""
	}
	at := u.Scheme + "://" + u.Host + metadataPath + strings.TrimSuffix(u.EscapedPath(), "/")
	if u.RawQuery != "" {
		at += "?" + u.RawQuery
	}
	return at
}

// Path returns the path of URL, for a router.
func (m ResourceMetadata) Path() string {
	u, err := url.Parse(m.URL())
	if err != nil {
		return ""
	}
	return u.Path
}

// ServeHTTP answers GET and HEAD, from any origin, with the metadata.
func (m ResourceMetadata) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", "*")
	switch r.Method {
	case http.MethodGet, http.MethodHead:
	case http.MethodOptions:
		h.Set("Access-Control-Allow-Methods", "GET, HEAD")
		h.Set("Access-Control-Allow-Headers", "*")
		w.WriteHeader(http.StatusNoContent)
		return
	default:
		h.Set("Allow", "GET, HEAD, OPTIONS")
		http.Error(w, "The metadata can only be read.", http.StatusMethodNotAllowed)
		return
	}
	document := struct {
		Resource             string   `json:"resource"`
		AuthorizationServers []string `json:"authorization_servers,omitempty"`
		Scopes               []string `json:"scopes_supported,omitempty"`
		BearerMethods        []string `json:"bearer_methods_supported"`
		Name                 string   `json:"resource_name,omitempty"`
		Documentation        string   `json:"resource_documentation,omitempty"`
		DPoPAlgorithms       []string `json:"dpop_signing_alg_values_supported,omitempty"`
		DPoPRequired         bool     `json:"dpop_bound_access_tokens_required,omitempty"`
	}{
		Resource: m.Resource, AuthorizationServers: m.AuthorizationServers, Scopes: m.Scopes,
		BearerMethods: []string{"header"}, Name: m.Name, Documentation: m.Documentation,
	}
	if m.DPoP != nil {
		document.DPoPAlgorithms = m.DPoP.Algorithms()
		document.DPoPRequired = m.DPoP.required
	}
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "public, max-age=300")
	if r.Method == http.MethodHead {
		return
	}
	// An error means that the client is gone.
	_ = json.NewEncoder(w).Encode(document)
}

// isWebURL says whether u is absolute, and http or https, and names no user.
func isWebURL(u *url.URL) bool {
	return (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "" && u.User == nil && u.Opaque == ""
}
