package rest

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2/adapters/humamux"

	"github.com/maru-auth/maru/jwks/jwkstest"
)

func TestTheReferenceIsThereOnlyWithAClient(t *testing.T) {
	issuer := jwkstest.NewIssuer(t)
	resource := Resource{Name: "Test", Issuer: issuer.URL(), Audience: audience}
	for _, client := range []string{"", "api-docs"} {
		s, err := New(Config{Resource: resource, Verifier: issuer.Verifier(t, audience), Docs: client, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		router := NewRouter()
		handler, err := s.Handler(router, humamux.New(router, resource.HumaConfig("", nil)).OpenAPI())
		if err != nil {
			t.Fatal(err)
		}
		for path, there := range map[string]bool{"/docs": client != "", "/docs/docs.js": client != "", "/docs/": false, "/docs/other.js": false} {
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
			if there != (w.Code == http.StatusOK) || !there && w.Code != http.StatusNotFound {
				t.Errorf("client %q, %s: %d", client, path, w.Code)
			}
			if path == "/docs" && there && !strings.Contains(w.Body.String(), `data-client="api-docs" data-issuer="`+issuer.URL()+`"`) {
				t.Errorf("%s", w.Body)
			}
		}
	}
}
