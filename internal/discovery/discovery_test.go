package discovery

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

const issuer = "https://auth.example"

func document(issuer, endpoint string) []byte {
	return fmt.Appendf(nil, `{"issuer": %q, "token_endpoint": %q}`, issuer, endpoint)
}

func TestAnEndpointIsTheIssuersAndSafeToSendASecretTo(t *testing.T) {
	const endpoint = "https://auth.example/token?tenant=1"
	if got, err := find(document(issuer, endpoint), issuer, "token_endpoint"); err != nil || got != endpoint {
		t.Error(got, err)
	}
	for name, body := range map[string][]byte{
		"another issuer":  document("https://other.example", endpoint),
		"two issuers":     []byte(`{"issuer": "https://auth.example", "issuer": "https://auth.example", "token_endpoint": "https://auth.example/token"}`),
		"another name":    []byte(`{"issuer": "https://auth.example", "Token_Endpoint": "https://auth.example/token"}`),
		"not encrypted":   document(issuer, "http://auth.example/token"),
		"no endpoint":     document(issuer, ""),
		"another scheme":  document(issuer, "file:///etc/passwd"),
		"not absolute":    document(issuer, "/token"),
		"with a password": document(issuer, "https://u:p@auth.example/token"),
		"with a fragment": document(issuer, "https://auth.example/token#a"),
		"no string":       []byte(`{"issuer": "https://auth.example", "token_endpoint": 7}`),
		"not JSON":        []byte("<html>"),
	} {
		if got, err := find(body, issuer, "token_endpoint"); err == nil {
			t.Errorf("%s: %s was accepted", name, got)
		}
	}
	const plain = "http://auth.example" // in development
	if _, err := find(document(plain, "http://auth.example/token"), plain, "token_endpoint"); err != nil {
		t.Errorf("an issuer on http: %v", err)
	}
}

func TestTheDocumentIsFetchedAtTheIssuer(t *testing.T) {
	var answer http.HandlerFunc
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/id/.well-known/openid-configuration" {
			http.NotFound(w, r)
			return
		}
		answer(w, r)
	}))
	defer server.Close()
	at := server.URL + "/id/" // an issuer that ends in a slash
	good := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.Write(document(at, server.URL+"/token"))
	}
	for name, one := range map[string]struct {
		answer  http.HandlerFunc
		refused string // part of the error; empty: none
	}{
		"good": {good, ""},
		"away": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }, "status 502"},
		"no JSON": {func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("{}")) },
			"not application/json"},
		"too large": {func(w http.ResponseWriter, r *http.Request) {
			good(w, r)
			fmt.Fprint(w, strings.Repeat(" ", maxDocument))
		}, "too long"},
	} {
		answer = one.answer
		got, err := Endpoint(t.Context(), server.Client(), at, "token_endpoint")
		if one.refused == "" && (err != nil || got != server.URL+"/token") {
			t.Errorf("%s: %q %v", name, got, err)
		}
		if one.refused != "" && (err == nil || !strings.Contains(err.Error(), one.refused)) {
			t.Errorf("%s: %v, want %q", name, err, one.refused)
		}
	}
}

func FuzzFind(f *testing.F) {
	f.Add(document(issuer, "https://auth.example/me"))
	f.Fuzz(func(t *testing.T, body []byte) {
		endpoint, err := find(body, issuer, "token_endpoint")
		if err != nil {
			return
		}
		if u, err := url.Parse(endpoint); err != nil || u.Scheme != "https" || u.Host == "" {
			t.Fatalf("a secret would go to %q", endpoint)
		}
	})
}
