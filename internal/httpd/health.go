package httpd

import (
	"context"
	"net/http"
	"time"

	"golang.org/x/sync/singleflight"
)

// readyWait is how long an answer about readiness may take.
const readyWait = 2 * time.Second

// health answers /livez and /readyz.
func (s *Server) health() http.Handler {
	var asking singleflight.Group
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) {
		writeHealth(w, http.StatusOK, "ok")
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if s.stopping.Load() {
			w.Header().Set("Connection", "close")
			writeHealth(w, http.StatusServiceUnavailable, "stopping")
			return
		}
		if s.Ready == nil {
			writeHealth(w, http.StatusOK, "ok")
			return
		}
		// All who ask at the same time get one answer. The database has one connection for it, and
		// whoever could take it up would have the load balancer believe that nothing is ready.
		answer := asking.DoChan("", func() (any, error) { return nil, s.askReady(context.WithoutCancel(r.Context())) })
		select {
		case ready := <-answer:
			if ready.Err != nil {
				writeHealth(w, http.StatusServiceUnavailable, "not ready")
				return
			}
			writeHealth(w, http.StatusOK, "ok")
		case <-r.Context().Done(): // nobody is left to tell
		}
	})
	return mux
}

// askReady asks Ready, and notes in the log why the service is not ready.
func (s *Server) askReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyWait)
	defer cancel()
	err := s.Ready(ctx)
	if err != nil {
		s.Log.Warn("not ready", "error", err)
	}
	return err
}

func writeHealth(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	w.Write([]byte(text + "\n")) //nolint:errcheck // the client is gone
}
