package api

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/danielgtaylor/huma/v2"

	"github.com/maru-auth/maru/internal/rest"
)

func TestACallerWhoSearchesTooOftenAtOnceHoldsUpNobodyElse(t *testing.T) {
	var s searches
	var leave []func()
	for range searchesOf {
		_, l, err := s.enter(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		leave = append(leave, l)
	}
	if _, _, err := s.enter(t.Context(), "a"); !errors.Is(err, errManySearches) {
		t.Errorf("got %v", err)
	}
	ctx, l, err := s.enter(t.Context(), "b")
	if err != nil {
		t.Fatal(err)
	}
	if _, bounded := ctx.Deadline(); !bounded {
		t.Error("a search may wait for ever")
	}
	l()
	leave[0]()
	if _, l, err = s.enter(t.Context(), "a"); err != nil {
		t.Errorf("a place that was left: %v", err)
	}
	l()
	leave[1]()
	if len(s.byWhom) != 0 {
		t.Errorf("callers are remembered: %v", s.byWhom)
	}
}

func TestARefusedSearchSaysWhenToTryAgain(t *testing.T) {
	for err, status := range map[error]int{
		errManySearches: http.StatusTooManyRequests,
		errors.Join(context.DeadlineExceeded, errSearchesBusy): http.StatusServiceUnavailable,
	} {
		got := problem(err)
		var headers huma.HeadersError
		var found *rest.Problem
		if !errors.As(got, &headers) || headers.GetHeaders().Get("Retry-After") == "" || !errors.As(got, &found) ||
			found.Status != status {
			t.Errorf("%v is answered with %v", err, got)
		}
	}
}
