package jwks_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"reflect"
	"testing"

	"github.com/maru-auth/maru/jwks"
)

func TestMetadataLiesBetweenHostAndPath(t *testing.T) {
	t.Parallel()
	for resource, want := range map[string][2]string{
		"https://api.example":  {"https://api.example/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource"},
		"https://api.example/": {"https://api.example/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource"},
		"https://api.example/mcp": {"https://api.example/.well-known/oauth-protected-resource/mcp",
			"/.well-known/oauth-protected-resource/mcp"},
		"https://api.example:8443/a/b/": {"https://api.example:8443/.well-known/oauth-protected-resource/a/b",
			"/.well-known/oauth-protected-resource/a/b"},
		"https://api.example/a?b=c": {"https://api.example/.well-known/oauth-protected-resource/a?b=c",
			"/.well-known/oauth-protected-resource/a"},
		"http://127.0.0.1:1/a":    {"http://127.0.0.1:1/.well-known/oauth-protected-resource/a", "/.well-known/oauth-protected-resource/a"},
		"https://api.example/a#b": {},
		"urn:notes":               {},
		"/notes":                  {},
		"":                        {},
	} {
		m := jwks.ResourceMetadata{Resource: resource}
		if got := [2]string{m.URL(), m.Path()}; got != want {
			t.Errorf("%s: %q", resource, got)
		}
	}
}

func TestMetadataIsServed(t *testing.T) {
	t.Parallel()
	ask := func(m jwks.ResourceMetadata, method string) (*http.Response, map[string]any) {
		w := httptest.NewRecorder()
		m.ServeHTTP(w, httptest.NewRequest(method, "/", nil))
		document := map[string]any{}
		if w.Body.Len() > 0 && method == "GET" {
			if err := json.Unmarshal(w.Body.Bytes(), &document); err != nil {
				t.Fatal(err)
			}
		}
		return w.Result(), document
	}
	m := jwks.ResourceMetadata{Resource: audience, AuthorizationServers: []string{"https://login.example"}}
	resp, got := ask(m, "GET")
	want := map[string]any{"resource": audience, "authorization_servers": []any{"https://login.example"},
		"bearer_methods_supported": []any{"header"}}
	if !reflect.DeepEqual(got, want) || resp.Header.Get("Content-Type") != "application/json" ||
		resp.Header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("%v, %v", got, resp.Header)
	}
	m.Scopes, m.Name, m.Documentation = []string{"notes:read"}, "Notes", "https://docs.example"
	m.DPoP = newDPoP(t, jwks.DPoPConfig{Algorithms: []string{"ES256", "EdDSA"}, Required: true})
	_, got = ask(m, "GET")
	want["scopes_supported"], want["resource_name"], want["resource_documentation"] = []any{"notes:read"}, "Notes", "https://docs.example"
	want["dpop_signing_alg_values_supported"], want["dpop_bound_access_tokens_required"] = []any{"ES256", "EdDSA"}, true
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%v", got)
	}
	for method, status := range map[string]int{"HEAD": 200, "OPTIONS": 204, "POST": 405} {
		if resp, _ := ask(m, method); resp.StatusCode != status {
			t.Errorf("%s: %s", method, resp.Status)
		}
	}
}
