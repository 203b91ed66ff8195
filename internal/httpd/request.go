package httpd

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/maru-auth/maru/internal/tracing"
)

type contextKey int

const (
	requestIDKey contextKey = iota
	clientAddrKey
)

// RequestID returns the id under which the log has the request of ctx, or the empty string outside
// a request.
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey).(string)
	return id
}

// ClientAddr returns the address that the request came from: the nearest one in X-Forwarded-For
// that is not a trusted proxy. Outside [Server.Run] it is the zero Addr.
func ClientAddr(ctx context.Context) netip.Addr {
	addr, _ := ctx.Value(clientAddrKey).(netip.Addr)
	return addr
}

// door is what a request passes before it meets the service's routes.
type door struct {
	*Server
	next    http.Handler
	proxies []netip.Prefix
	maxBody int64
	meters  *meters
	bodies  bodyBudget
}

// wrap puts around a service's routes what all services do alike. Health checks come before
// everything else.
func (s *Server) wrap(next http.Handler, proxies []netip.Prefix, registry *prometheus.Registry, maxBody int64) http.Handler {
	served := &door{Server: s, next: next, proxies: proxies, maxBody: maxBody, meters: newMeters(registry, s.RSA)}
	health := s.health()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/livez" || r.URL.Path == "/readyz" {
			health.ServeHTTP(w, r)
			return
		}
		served.ServeHTTP(w, r) // past the mux, which would clean paths and redirect
	})
}

// ServeHTTP gives the request an id and its limits, lets the service answer it, and writes a line
// about it to the log.
func (d *door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start, id, addr := time.Now(), rand.Text(), clientAddr(r, d.proxies)
	ctx := context.WithValue(r.Context(), requestIDKey, id)
	ctx = context.WithValue(ctx, clientAddrKey, addr)
	ctx, span := d.Tracing.Request(ctx, r, trustedPeer(r, d.proxies))
	if d.Config.RequestTimeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, d.Config.RequestTimeout)
		defer cancel()
	}
	r = r.WithContext(ctx)
	most := d.most(r)
	r.Body = http.MaxBytesReader(w, r.Body, most)
	w.Header().Set("X-Request-Id", id)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	recorder := &statusRecorder{ResponseWriter: w, stopping: &d.stopping}
	d.meters.inFlight.Inc()
	defer d.meters.inFlight.Dec()
	defer func() {
		d.recovered(recorder, r, recover())
		d.note(recorder, r, time.Since(start))
		d.endSpan(span, recorder, r)
	}()
	release, ok := d.bodies.reserve(r, Networks(addr)[0], most)
	if !ok {
		refuseBody(recorder, r)
		return
	}
	defer release()
	d.next.ServeHTTP(recorder, r)
	if recorder.status == 0 {
		recorder.WriteHeader(http.StatusOK)
	}
}

// most is the largest body of a request, in bytes.
func (d *door) most(r *http.Request) int64 {
	for path, most := range d.MaxBodyBelow {
		if strings.HasPrefix(r.URL.Path, path) {
			return most
		}
	}
	return d.maxBody
}

func refuseBody(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Connection", "close") // net/http would read the rest of the body before it answers
	w.Header().Set("Retry-After", "5")
	WriteProblem(w, r, Problem{
		Status: http.StatusServiceUnavailable, Detail: "Too many large request bodies are being received. Try again in some seconds.",
	})
}

// recovered deals with what a handler panicked with; nil: it did not.
func (d *door) recovered(w *statusRecorder, r *http.Request, p any) {
	if p == nil {
		return
	}
	if p == http.ErrAbortHandler { //nolint:errorlint // net/http compares it so
		panic(p)
	}
	d.Log.ErrorContext(r.Context(), "panic", "request", RequestID(r.Context()), "panic", p, "stack", string(debug.Stack()))
	if w.status == 0 {
		WriteProblem(w, r, Problem{Status: http.StatusInternalServerError})
	}
}

// note measures a request and writes its line to the log. Of its address it says the path alone: a
// query can hold codes, tokens and people's addresses.
func (d *door) note(w *statusRecorder, r *http.Request, took time.Duration) {
	d.meters.note(r, w, took)
	attrs := []slog.Attr{
		slog.String("request", RequestID(r.Context())), slog.String("method", r.Method),
		slog.String("path", cut(r.URL.Path, maxLoggedPath)), slog.Int("status", w.code()),
		slog.Duration("took", took), slog.String("from", ClientAddr(r.Context()).String()),
	}
	d.Log.LogAttrs(r.Context(), slog.LevelInfo, "request", append(attrs, w.refusal.attrs()...)...)
}

// endSpan says of a request's span what its line in the log says, but for its path, its sender and
// what it was told.
func (d *door) endSpan(span *tracing.Span, w *statusRecorder, r *http.Request) {
	if span == nil {
		return
	}
	route, method := w.routeOf(r), methodLabel(r.Method)
	span.Name(method + " " + route)
	span.Set("http.request.method", method)
	span.Set("http.route", route)
	span.Set("maru.request", RequestID(r.Context()))
	if w.refusal.code != "" {
		span.Set("error.type", d.meters.codeLabel(w.refusal.code, w.code()))
	}
	span.SetStatus(w.code())
	span.End(nil)
}

// maxLoggedPath is how many bytes of a path one request can put into the log.
const maxLoggedPath = 512

// cut shortens a text to at most that many bytes, and marks that it did.
func cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}

// clientAddr walks X-Forwarded-For from its end, where our proxies write, to the first address that
// is not a proxy. The caller wrote what stands before that, and it proves nothing.
func clientAddr(r *http.Request, proxies []netip.Prefix) netip.Addr {
	addr := peerAddr(r)
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && trusted(addr, proxies); i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		addr = hop.Unmap()
	}
	return addr.WithZone("") // a zone means nothing on another machine, and can be any text
}

// peerAddr is who sent r, a proxy or not.
func peerAddr(r *http.Request) netip.Addr {
	if peer, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		return peer.Addr().Unmap()
	}
	addr, _ := netip.ParseAddr(r.RemoteAddr)
	return addr.Unmap()
}

// trustedPeer tells whether a trusted proxy sent r: it is asked only where there is something to
// believe.
func trustedPeer(r *http.Request, proxies []netip.Prefix) bool {
	return r.Header["Traceparent"] != nil && trusted(peerAddr(r), proxies)
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
	refusal  refusal // used by the handler's goroutine only, as the next
	route    string  // see NameRoutes
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
			// Otherwise a proxy could send its next request at the moment when this connection is
			// closed as idle, and a request that is not safe to repeat would be lost.
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
