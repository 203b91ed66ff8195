package rest

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestWhatIsNotTextMeetsNoRoute(t *testing.T) {
	reached := false
	handler := around(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
	for target, agent := range map[string]string{
		"/v1/boards?q=a%00b": "", "/v1/boards?q=%ff": "", "/v1/boards?%ff=q": "",
		"/v1/boards/%00": "", "/v1/boards/%c3%28": "", "/v1/boards": "caf\xe9",
	} {
		r := httptest.NewRequest(http.MethodGet, target, nil)
		r.Header.Set("User-Agent", agent)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if reached || w.Code != http.StatusBadRequest || w.Header().Get("Content-Type") != "application/problem+json" ||
			w.Header().Get("Access-Control-Allow-Origin") == "" {
			t.Errorf("%s: %d %s", target, w.Code, w.Body)
		}
	}
	r := httptest.NewRequest(http.MethodPost, "/v1/boards", nil)
	r.Header.Set("Idempotency-Key", "\xff")
	w := httptest.NewRecorder()
	if handler.ServeHTTP(w, r); reached || !strings.Contains(w.Body.String(), "Idempotency-Key") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/v1/boards/%ED%95%9C?q=%ED%95%9C", nil)); !reached {
		t.Error("Hangul is refused")
	}
}

func TestScriptsOfOtherOriginsReadErrorsToo(t *testing.T) {
	f := newFixture(t)
	ask := func(method, path string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, path, nil)
		if method == http.MethodOptions {
			r.Header.Set("Access-Control-Request-Method", "PUT")
			r.Header.Set("Access-Control-Request-Headers", "authorization, traceparent, x-anything")
		}
		w := httptest.NewRecorder()
		f.handler.ServeHTTP(w, r)
		return w
	}
	for path, status := range map[string]int{
		"/v1/thing": http.StatusMethodNotAllowed, "/openapi.json": http.StatusMethodNotAllowed,
		"/v1/nothing": http.StatusNotFound,
	} {
		w := ask(http.MethodOptions, path)
		allowed := func(what string) string { return w.Header().Get("Access-Control-Allow-" + what) }
		if w.Code != http.StatusNoContent || allowed("Origin") != "*" || !strings.Contains(allowed("Methods"), "PUT") ||
			!strings.HasSuffix(allowed("Headers"), ", authorization, traceparent, x-anything") {
			t.Errorf("preflight of %s: %d %v", path, w.Code, w.Header())
		}
		w = ask(http.MethodPut, path)
		if w.Code != status || w.Header().Get("Access-Control-Allow-Origin") != "*" ||
			!strings.Contains(w.Header().Get("Access-Control-Expose-Headers"), "DPoP-Nonce") {
			t.Errorf("%s: %d %v", path, w.Code, w.Header())
		}
		if allow := w.Header().Get("Allow"); status == http.StatusMethodNotAllowed && allow != "GET, HEAD, OPTIONS" {
			t.Errorf("%s: Allow %q", path, allow)
		}
	}
	if w := ask(http.MethodHead, "/openapi.json"); w.Code != http.StatusOK || w.Header().Get("Content-Type") == "" {
		t.Errorf("HEAD: %d %v", w.Code, w.Header())
	}
}
