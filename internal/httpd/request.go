package httpd

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

type contextKey int

const (
	requestIDKey contextKey = iota
	clientAddrKey
)

// RequestID is the id under which the request of ctx is in the log, or empty outside a request.
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey).(string)
	return id
}

// ClientAddr is the address that the request came from: the nearest one in X-Forwarded-For that is no trusted proxy.
// It is the zero Addr outside of [Server.Run].
func ClientAddr(ctx context.Context) netip.Addr {
	addr, _ := ctx.Value(clientAddrKey).(netip.Addr)
	return addr
}

// wrap puts around a service's routes what all services do alike. Health answers come before everything else.
func (s *Server) wrap(next http.Handler, proxies []netip.Prefix, registry *prometheus.Registry, maxBody int64) http.Handler {
	requests := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "http_request_duration_seconds",
		Help:    "Time to answer a request, by method and status.",
		Buckets: prometheus.DefBuckets,
	}, []string{"method", "status"})
	registry.MustRegister(requests, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))

	budget := new(bodyBudget)
	served := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		id := rand.Text()
		addr := clientAddr(r, proxies)
		ctx := context.WithValue(r.Context(), requestIDKey, id)
		ctx = context.WithValue(ctx, clientAddrKey, addr)
		if s.Config.RequestTimeout > 0 {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, s.Config.RequestTimeout)
			defer cancel()
		}
		r = r.WithContext(ctx)
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		header := w.Header()
		header.Set("X-Request-Id", id)
		header.Set("X-Content-Type-Options", "nosniff")
		recorder := &statusRecorder{ResponseWriter: w, stopping: &s.stopping}
		defer func() {
			if p := recover(); p != nil {
				if p == http.ErrAbortHandler { //nolint:errorlint // net/http compares it so
					panic(p)
				}
				s.Log.Error("panic", "request", id, "panic", p, "stack", string(debug.Stack()))
				if recorder.status == 0 {
					WriteProblem(recorder, r, Problem{Status: http.StatusInternalServerError})
				}
			}
			took := time.Since(start)
			requests.WithLabelValues(methodLabel(r.Method), strconv.Itoa(recorder.code())).Observe(took.Seconds())
			// The path alone: a query can hold codes, tokens and addresses of people.
			attrs := []slog.Attr{slog.String("request", id), slog.String("method", r.Method),
				slog.String("path", cut(r.URL.Path, maxLoggedPath)), slog.Int("status", recorder.code()), slog.Duration("took", took), slog.String("from", addr.String())}
			s.Log.LogAttrs(ctx, slog.LevelInfo, "request", append(attrs, recorder.refusal.attrs()...)...)
		}()
		release, ok := budget.reserve(r, Networks(addr)[0], maxBody)
		if !ok {
			header.Set("Connection", "close") // or else net/http reads the rest of the body before it answers
			header.Set("Retry-After", "5")
			WriteProblem(recorder, r, Problem{Status: http.StatusServiceUnavailable, Detail: "Too many large request bodies are being received. Try again in some seconds."})
			return
		}
		defer release()
		next.ServeHTTP(recorder, r)
		if recorder.status == 0 {
			recorder.WriteHeader(http.StatusOK)
		}
	})

	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { writeHealth(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
		defer cancel()
		if s.stopping.Load() {
			w.Header().Set("Connection", "close")
			writeHealth(w, http.StatusServiceUnavailable, "stopping")
			return
		}
		if s.Ready != nil {
			if err := s.Ready(ctx); err != nil {
				s.Log.Warn("not ready", "error", err)
				writeHealth(w, http.StatusServiceUnavailable, "not ready")
				return
			}
		}
		writeHealth(w, http.StatusOK, "ok")
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/livez" || r.URL.Path == "/readyz" {
			mux.ServeHTTP(w, r)
			return
		}
		served.ServeHTTP(w, r) // past the mux, which would clean paths and redirect
	})
}

// maxLoggedPath bounds what a stranger can make the log grow by with one request, in bytes.
const maxLoggedPath = 512

// cut shortens a text to at most that many bytes, and says so.
func cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}

func writeHealth(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	w.Write([]byte(text + "\n")) //nolint:errcheck // nobody is left to tell
}

func metricsHandler(registry *prometheus.Registry) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	return mux
}

// methodLabel keeps a caller from making up metrics: a method can be any token.
func methodLabel(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return method
	}
	return "other"
}

// clientAddr walks X-Forwarded-For from its end, where our own proxies write, to the first address that is not theirs.
// What stands before that was written by the caller and proves nothing.
func clientAddr(r *http.Request, proxies []netip.Prefix) netip.Addr {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Addr{}
	}
	addr = addr.Unmap()
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && trusted(addr, proxies); i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		addr = hop.Unmap()
	}
	return addr.WithZone("") // a zone means nothing elsewhere, and can be any text
}

func trusted(addr netip.Addr, proxies []netip.Prefix) bool {
	for _, network := range proxies {
		if network.Contains(addr) {
			return true
		}
	}
	return false
}

type statusRecorder struct {
	http.ResponseWriter
	status   int
	stopping *atomic.Bool
	refusal  refusal // of the handler's goroutine
}

func (w *statusRecorder) code() int {
	if w.status == 0 {
		return http.StatusOK
	}
	return w.status
}

func (w *statusRecorder) WriteHeader(status int) {
	if w.status == 0 && status >= 200 { // 1xx answers come before the real one
		w.status = status
		if w.stopping.Load() {
			// Otherwise a proxy could send its next request over this connection at the moment when it is closed for
			// being idle, and that request, if not safe to repeat, would be lost.
			w.Header().Set("Connection", "close")
		}
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusRecorder) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	return w.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController reach the writer below.
func (w *statusRecorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }
