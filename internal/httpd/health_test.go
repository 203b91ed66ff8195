package httpd

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

// Anybody may be able to ask, and the database has one connection for it: a crowd of strangers would
// keep the load balancer's own question waiting until it took the service for one that is not ready.
func TestACrowdThatAsksForReadinessIsAnsweredByOneQuestion(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log buffer
		var asked atomic.Int32
		answer := make(chan error)
		s := &Server{Log: slog.New(slog.NewTextHandler(&log, nil)), Ready: func(ctx context.Context) error {
			asked.Add(1)
			select {
			case err := <-answer:
				return err
			case <-ctx.Done():
				return ctx.Err()
			}
		}}
		health := s.health()
		ask := func(ctx context.Context) (all *sync.WaitGroup, good *atomic.Int32) {
			all, good = &sync.WaitGroup{}, &atomic.Int32{}
			for range 100 {
				all.Go(func() {
					w := httptest.NewRecorder()
					health.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, "/readyz", nil))
					if w.Code == http.StatusOK {
						good.Add(1)
					}
				})
			}
			synctest.Wait()
			return all, good
		}
		gone, leave := context.WithCancel(t.Context())
		first, _ := ask(gone)
		crowd, good := ask(t.Context())
		leave() // who asked first does not take the question along
		first.Wait()
		if n := asked.Load(); n != 1 {
			t.Fatalf("200 who asked at once became %d questions", n)
		}
		answer <- nil
		if crowd.Wait(); good.Load() != 100 {
			t.Errorf("%d of 100 were told that the service is ready", good.Load())
		}
		crowd, good = ask(t.Context())
		answer <- errors.New("the database is gone")
		if crowd.Wait(); good.Load() != 0 || asked.Load() != 2 {
			t.Errorf("after %d questions, %d were told that the service is ready, and it is not", asked.Load(), good.Load())
		}
		if n := strings.Count(log.String(), "not ready"); n != 1 {
			t.Errorf("one answer has %d lines in the log", n)
		}
		crowd, _ = ask(t.Context()) // nobody answers
		crowd.Wait()
		if n := asked.Load(); n != 3 {
			t.Errorf("%d questions", n)
		}
	})
}
