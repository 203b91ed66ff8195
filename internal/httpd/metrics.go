package httpd

import (
	"cmp"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/mux"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/maru-auth/maru/internal/cli"
)

// meters are the metrics of an HTTP server. What a caller can choose is no label: a method, a path
// and an error become one of a fixed set.
type meters struct {
	took     *prometheus.HistogramVec
	refused  *prometheus.CounterVec
	inFlight prometheus.Gauge

	mu    sync.Mutex
	codes map[string]bool // the error codes that are labels
}

// unmatched is the route of a request that met none.
const unmatched = "unmatched"

// otherLabel takes the place of what would be one label too many.
const otherLabel = "other"

// maxCodes is how many error codes become labels. The programs have fewer; a code beyond them would
// be text that came from a caller by mistake.
const maxCodes = 200

func newMeters(registry prometheus.Registerer, rsa string) *meters {
	m := &meters{
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "http_request_duration_seconds",
			Help:    "Time to answer a request, by method, route (unmatched: there is none) and status.",
			Buckets: durations,
		}, []string{"method", "route", "status"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "http_refusals_total",
			Help: "Requests that were not done, by route and error code: that of OAuth, of a page or of a token, or else the status in words.",
		}, []string{"route", "error"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "http_requests_in_flight", Help: "Requests that are being answered.",
		}),
		codes: map[string]bool{},
	}
	registry.MustRegister(m.took, m.refused, m.inFlight, newBuildInfo(rsa),
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// durations are the buckets of what takes from a millisecond to some seconds.
var durations = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}

// note counts a request that has been answered.
func (m *meters) note(r *http.Request, w *statusRecorder, took time.Duration) {
	route := w.routeOf(r)
	m.took.WithLabelValues(methodLabel(r.Method), route, strconv.Itoa(w.code())).Observe(took.Seconds())
	if code := w.refusal.code; code != "" || w.code() >= http.StatusBadRequest {
		m.refused.WithLabelValues(route, m.codeLabel(code, w.code())).Inc()
	}
}

// codeLabel is the label of an error code, or of a status without one.
func (m *meters) codeLabel(code string, status int) string {
	if code == "" {
		code = statusCode(status)
	}
	if code == "" || strings.Trim(code, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" {
		return otherLabel
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.codes[code] {
		if len(m.codes) >= maxCodes {
			return otherLabel
		}
		m.codes[code] = true
	}
	return code
}

// NameRoutes is a middleware for a router of gorilla/mux: metrics and traces then tell its routes
// apart, by their templates. Those of [http.ServeMux] are known without it.
func NameRoutes(next http.Handler) http.Handler { return NameRoutesBelow("")(next) }

// NameRoutesBelow is [NameRoutes] for a router to which requests come without the beginning of their
// path: below goes before its templates.
func NameRoutesBelow(below string) mux.MiddlewareFunc {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if rec := recorderOf(w); rec != nil && rec.route == "" {
				if route := mux.CurrentRoute(r); route != nil {
					if template, err := route.GetPathTemplate(); err == nil { // a route without a path has none
						rec.route = below + template
					}
				}
			}
			next.ServeHTTP(w, r)
		})
	}
}

// routeOf is the template of the route that a request met. A router's own answers, such as "not
// found", are no route.
func (w *statusRecorder) routeOf(r *http.Request) string {
	if w.route != "" {
		return w.route
	}
	if _, path, ok := strings.Cut(r.Pattern, "/"); ok { // [METHOD ][HOST]/[PATH]
		return "/" + path
	}
	return unmatched
}

// newBuildInfo says which program runs, and what computes RSA in it.
func newBuildInfo(rsa string) prometheus.Collector {
	build := cli.NewBuild(func() string { return cmp.Or(rsa, "go") })
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "maru_build_info", Help: "1; its labels say which program runs, and what computes RSA in it: go, or libcrypto and its version.",
		ConstLabels: prometheus.Labels{
			"version": build.Version, "revision": cmp.Or(build.Commit, "unknown"), "goversion": build.Go, "rsa": build.RSA,
		},
	}, func() float64 { return 1 })
}

func metricsHandler(registry *prometheus.Registry) http.Handler {
	router := http.NewServeMux()
	router.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	return router
}

// methodLabel keeps callers from adding to the metrics: a method can be any token.
func methodLabel(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return method
	}
	return otherLabel
}
