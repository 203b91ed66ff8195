package rest

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/maru-auth/maru/jwks/jwkstest"
)

func TestTheReferenceIsThereOnlyWithAClient(t *testing.T) {
	issuer := jwkstest.NewIssuer(t)
	for _, client := range []string{"", "api-docs"} {
		api, err := New(Config{Issuer: issuer.URL(), Audience: audience, Verifier: issuer.Verifier(t, audience), Docs: client}, Resource{Name: "Test"})
		if err != nil {
			t.Fatal(err)
		}
		handler, err := api.Handler()
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
