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
		"/v1/boards?q=a%00b": "", "/v1/boards?q=%ff": "", "/v1/boards?%ff=q": "", "/v1/boards/%00": "", "/v1/boards/%c3%28": "", "/v1/boards": "caf\xe9",
	} {
		r := httptest.NewRequest(http.MethodGet, target, nil)
		r.Header.Set("User-Agent", agent)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if reached || w.Code != http.StatusBadRequest || w.Header().Get("Content-Type") != "application/problem+json" || w.Header().Get("Access-Control-Allow-Origin") == "" {
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
