package httpd

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/mux"
	"github.com/prometheus/client_golang/prometheus"
)

var discard = slog.New(slog.DiscardHandler)

// answer has a server answer one request, and returns its metrics.
func answer(t *testing.T, handler http.Handler, requests ...*http.Request) *prometheus.Registry {
	t.Helper()
	registry := prometheus.NewRegistry()
	s := &Server{Handler: handler, Log: discard}
	wrapped := s.wrap(handler, nil, registry, 1<<20)
	for _, r := range requests {
		wrapped.ServeHTTP(httptest.NewRecorder(), r)
	}
	return registry
}

// labels returns the values of a label in a metric, sorted.
func labels(t *testing.T, registry *prometheus.Registry, name, label string) (values []string) {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, one := range family.GetMetric() {
			for _, pair := range one.GetLabel() {
				if pair.GetName() == label && !slices.Contains(values, pair.GetValue()) {
					values = append(values, pair.GetValue())
				}
			}
		}
	}
	slices.Sort(values)
	return values
}

func TestRoutesAreToldApartByTheirTemplates(t *testing.T) {
	ok := func(http.ResponseWriter, *http.Request) {}
	gorilla := mux.NewRouter()
	gorilla.Use(NameRoutes)
	gorilla.HandleFunc("/posts/{id}", ok).Methods("GET")
	below := mux.NewRouter()
	below.Use(NameRoutesBelow("/posts"))
	below.HandleFunc("/{id}", ok).Methods("GET")
	standard := http.NewServeMux()
	standard.HandleFunc("GET /posts/{id}", ok)
	for name, handler := range map[string]http.Handler{
		"gorilla/mux": gorilla, "net/http": standard, "gorilla/mux, below a path": http.StripPrefix("/posts", below),
	} {
		var requests []*http.Request
		for i := range 50 {
			requests = append(requests,
				httptest.NewRequest("GET", fmt.Sprint("/posts/", i), nil), httptest.NewRequest("GET", fmt.Sprint("/made-up/", i), nil))
		}
		registry := answer(t, handler, requests...)
		want := []string{"/posts/{id}", "unmatched"}
		if got := labels(t, registry, "http_request_duration_seconds", "route"); !slices.Equal(got, want) {
			t.Errorf("%s: routes %q, want %q", name, got, want)
		}
		if got := labels(t, registry, "http_refusals_total", "error"); !slices.Equal(got, []string{"not_found"}) {
			t.Errorf("%s: errors %q", name, got)
		}
	}
}

func TestARefusalIsCountedByItsCodeWhateverItsStatus(t *testing.T) {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		NoteRefusal(w, "invalid_grant", "the code was used")
		http.Redirect(w, r, "/elsewhere", http.StatusFound)
	})
	registry := answer(t, handler, httptest.NewRequest("GET", "/", nil))
	if got := labels(t, registry, "http_refusals_total", "error"); !slices.Equal(got, []string{"invalid_grant"}) {
		t.Errorf("errors %q", got)
	}
}

// A code is ours and never the caller's. Should one leak, it makes no more labels than there is
// room for, and none that is not a word.
func TestErrorCodesCannotGrowWithoutBound(t *testing.T) {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		NoteRefusal(w, r.URL.Query().Get("code"), "")
		w.WriteHeader(http.StatusBadRequest)
	})
	requests := []*http.Request{httptest.NewRequest("GET", "/?code="+url.QueryEscape("mina@example.org"), nil)}
	for i := range 3 * maxCodes {
		requests = append(requests, httptest.NewRequest("GET", fmt.Sprint("/?code=code_", i), nil))
	}
	got := labels(t, answer(t, handler, requests...), "http_refusals_total", "error")
	if len(got) != maxCodes+1 || !slices.Contains(got, "other") || slices.ContainsFunc(got, func(one string) bool { return strings.Contains(one, "@") }) {
		t.Errorf("%d codes: %q", len(got), got)
	}
}

func TestRequestsInFlightAreCountedDownAlsoWhenAHandlerAborts(t *testing.T) {
	registry := prometheus.NewRegistry()
	s := &Server{Log: discard}
	during := -1.0
	handler := s.wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		during = gauge(t, registry, "http_requests_in_flight")
		panic(http.ErrAbortHandler)
	}), nil, registry, 1<<20)
	func() {
		defer func() { recover() }()
		handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	}()
	if after := gauge(t, registry, "http_requests_in_flight"); during != 1 || after != 0 {
		t.Errorf("%v during, %v after", during, after)
	}
}

func gauge(t *testing.T, registry *prometheus.Registry, name string) float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() == name {
			return family.GetMetric()[0].GetGauge().GetValue()
		}
	}
	t.Fatalf("there is no %s", name)
	return 0
}

type answers func(*http.Request) (*http.Response, error)

func (f answers) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestCallsAreCountedByOutcome(t *testing.T) {
	registry := prometheus.NewRegistry()
	calls := NewCalls(registry)
	for _, status := range []int{200, 204, 302, 404, 503, 999, 0} {
		client := &http.Client{Timeout: time.Minute, Transport: calls.To("issuer", answers(func(*http.Request) (*http.Response, error) {
			if status == 0 {
				return nil, io.ErrUnexpectedEOF
			}
			return &http.Response{StatusCode: status, Body: http.NoBody}, nil
		}))}
		resp, err := client.Get("http://issuer.example/secret?code=1")
		if err == nil {
			resp.Body.Close()
		}
	}
	want := []string{"2xx", "3xx", "4xx", "5xx", "failed", "other"}
	if got := labels(t, registry, "http_client_request_duration_seconds", "outcome"); !slices.Equal(got, want) {
		t.Errorf("outcomes %q, want %q", got, want)
	}
	if got := labels(t, registry, "http_client_request_duration_seconds", "to"); !slices.Equal(got, []string{"issuer"}) {
		t.Errorf("called: %q", got)
	}
}

func TestOneMetricSaysWhatRunsAndWhatComputesRSA(t *testing.T) {
	for rsa, want := range map[string]string{"": "go", "libcrypto 3.0.19": "libcrypto 3.0.19"} {
		registry := prometheus.NewRegistry()
		newMeters(registry, rsa)
		if got := labels(t, registry, "maru_build_info", "rsa"); len(got) != 1 || got[0] != want {
			t.Errorf("rsa %q: %q, want %q", rsa, got, want)
		}
		for _, name := range []string{"version", "revision", "goversion"} {
			if got := labels(t, registry, "maru_build_info", name); len(got) != 1 || got[0] == "" {
				t.Errorf("%s: %q", name, got)
			}
		}
	}
}
