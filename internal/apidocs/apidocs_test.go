package apidocs

import (
	"net/http"
	"net/http/httptest"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func reference(t *testing.T) *Docs {
	t.Helper()
	d, err := New(Config{
		Title: `Notes "<1>"`, Path: "/docs", Document: "openapi.json",
		Server: "https://api.example/notes", Issuer: "https://auth.example", ClientID: "docs",
	})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func ask(d *Docs, at string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, at, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	d.ServeHTTP(w, r)
	return w
}

func TestThePageAndAllThatItNamesComeFromTheService(t *testing.T) {
	d := reference(t)
	named := regexp.MustCompile(`(?:href|src)="([^"]+)"`)
	for _, page := range []string{"/docs", "/docs/oauth2-redirect.html"} {
		text := ask(d, page).Body.String()
		found := named.FindAllStringSubmatch(text, -1)
		if len(found) == 0 || strings.Contains(text, "<1>") || strings.Contains(text, "<script>") ||
			strings.Contains(text, " style=") || strings.Contains(text, "://") && page != "/docs" {
			t.Errorf("%s:\n%s", page, text)
		}
		for _, m := range found {
			if m[1] == "openapi.json" {
				continue
			}
			if at := path.Join(path.Dir(page), m[1]); !slices.Contains(d.Paths(), at) {
				t.Errorf("%s names %s, which is not here", page, m[1])
			}
		}
	}
	for _, at := range d.Paths() {
		w := ask(d, at)
		policy := w.Header().Get("Content-Security-Policy")
		if w.Code != http.StatusOK || w.Header().Get("Content-Type") == "" || w.Header().Get("Content-Encoding") != "" ||
			w.Body.Len() == 0 {
			t.Errorf("%s: %d %v", at, w.Code, w.Header())
		}
		if strings.Contains(policy, "unsafe") || !strings.HasPrefix(policy, "default-src 'none'; script-src 'self';") ||
			!strings.Contains(policy, "connect-src 'self' https://auth.example https://api.example;") {
			t.Errorf("%s: %s", at, policy)
		}
		if again := ask(d, at, "If-None-Match", w.Header().Get("ETag")); again.Code != http.StatusNotModified || again.Body.Len() > 0 {
			t.Errorf("%s again: %d", at, again.Code)
		}
		if small := ask(d, at, "Accept-Encoding", "br, gzip"); small.Header().Get("Content-Encoding") == "gzip" &&
			small.Body.Len() >= w.Body.Len() {
			t.Errorf("%s: %d bytes compressed, %d plain", at, small.Body.Len(), w.Body.Len())
		}
	}
	if w := ask(d, "/docs/docs.html"); w.Code != http.StatusNotFound {
		t.Error(w.Code)
	}
}

func TestAnAddressThatWouldWidenThePolicyIsRefused(t *testing.T) {
	for _, issuer := range []string{"", "/relative", "https://a;script-src", "https://a b", "https://'unsafe-inline'"} {
		if _, err := New(Config{Path: "/docs", Server: "https://api.example", Issuer: issuer}); err == nil {
			t.Errorf("%q is taken", issuer)
		}
	}
}
