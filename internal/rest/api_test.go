package rest

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/maru-auth/maru/jwks/jwkstest"
)

const audience = "https://api.example/test"

var discard = slog.New(slog.DiscardHandler)

// fixture is a service with one operation, for people with the scope test:read.
type fixture struct {
	handler http.Handler
	issuer  *jwkstest.Issuer
	metrics *prometheus.Registry
}

func newFixture(t *testing.T) fixture {
	t.Helper()
	f := fixture{issuer: jwkstest.NewIssuer(t), metrics: prometheus.NewRegistry()}
	f.issuer.PublishStatusLists()
	api, err := New(Config{
		Issuer: f.issuer.URL(), Audience: audience, Verifier: f.issuer.Verifier(t, audience), Metrics: f.metrics, Log: discard,
	}, Resource{Name: "Test", Scopes: []Scope{{Name: "test:read", People: true}}})
	if err != nil {
		t.Fatal(err)
	}
	Route(api, Access{Scopes: []string{"test:read"}, Person: true},
		huma.Operation{OperationID: "get-thing", Method: http.MethodGet, Path: "/v1/thing"},
		func(context.Context, *struct{}) (*struct{}, error) { return nil, nil })
	if f.handler, err = api.Handler(); err != nil {
		t.Fatal(err)
	}
	return f
}

func (f fixture) get(path, token string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	w := httptest.NewRecorder()
	f.handler.ServeHTTP(w, r)
	return w
}

func TestAGoodTokenPasses(t *testing.T) {
	f := newFixture(t)
	token := func(subject string) string {
		return f.issuer.AccessToken(t, jwkstest.Token{Subject: subject, Audience: audience, Scope: "test:read"})
	}
	if w := f.get("/v1/thing", token("ann")); w.Code != http.StatusNoContent {
		t.Error(w.Code, w.Body)
	}
	// Subjects that no database should see.
	for _, subject := range []string{"a\x00b", strings.Repeat("x", 256)} {
		if w := f.get("/v1/thing", token(subject)); w.Code != http.StatusUnauthorized {
			t.Errorf("%q: %d", subject, w.Code)
		}
	}
}

func TestWhereTheMetadataIs(t *testing.T) {
	for audience, want := range map[string]string{
		"http://localhost:8000/user":    "http://localhost:8000/.well-known/oauth-protected-resource/user",
		"https://api.example":           "https://api.example/.well-known/oauth-protected-resource",
		"https://api.example/":          "https://api.example/.well-known/oauth-protected-resource",
		"https://api.example:8443/a/b/": "https://api.example:8443/.well-known/oauth-protected-resource/a/b",
	} {
		api, err := New(Config{Issuer: "https://auth.example", Audience: audience}, Resource{})
		if err != nil || api.metadata.URL() != want {
			t.Errorf("%s: %v, want %s", audience, err, want)
		}
	}
	for _, wrong := range []string{
		"", "user", "localhost:8000", "ftp://a.example", "https://", "https://u:p@a.example", "https://a.example?x",
		"https://a.example/#f", "https://a.example/?",
	} {
		if _, err := New(Config{Issuer: "https://auth.example", Audience: wrong}, Resource{}); err == nil {
			t.Errorf("the audience %q was accepted", wrong)
		}
		if _, err := New(Config{Issuer: wrong, Audience: "https://api.example"}, Resource{}); err == nil {
			t.Errorf("the issuer %q was accepted", wrong)
		}
	}
}

func TestTheReferenceIsThereOnlyWithAClient(t *testing.T) {
	issuer := jwkstest.NewIssuer(t)
	for _, client := range []string{"", "api-docs"} {
		api, err := New(Config{
			Issuer: issuer.URL(), Audience: audience, Verifier: issuer.Verifier(t, audience), Docs: client,
		}, Resource{Name: "Test"})
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

func TestWithoutAVerifierAnInterfaceIsOnlyDescribed(t *testing.T) {
	api, err := New(Config{Issuer: "https://auth.example", Audience: audience}, Resource{Name: "Test"})
	if err != nil {
		t.Fatal(err)
	}
	if document, err := api.Document(); err != nil || len(document) == 0 {
		t.Errorf("%s %v", document, err)
	}
	if handler, err := api.Handler(); err == nil {
		t.Error("it is served", handler)
	}
}

func TestAServiceAnswersItsOwnErrors(t *testing.T) {
	own, other := errors.New("own"), errors.New("other")
	api := &API{cfg: Config{Log: discard}, resource: Resource{Problem: func(err error) error {
		if errors.Is(err, own) {
			return &Problem{Status: http.StatusConflict}
		}
		return nil
	}}}
	for err, status := range map[error]int{
		own: http.StatusConflict, other: http.StatusInternalServerError, &Problem{Status: http.StatusGone}: http.StatusGone,
	} {
		var p *Problem
		if got := api.answerTo(t.Context(), err); !errors.As(got, &p) || p.Status != status || p.Detail != "" {
			t.Errorf("%v is answered with %v", err, got)
		}
	}
}
