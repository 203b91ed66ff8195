package driver_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/maru-auth/maru/deploy/load/driver"
)

func TestPercentilesAreExactToTwoPerCent(t *testing.T) {
	var h driver.Histogram
	var all []time.Duration
	random := rand.New(rand.NewPCG(1, 2))
	for range 10_000 {
		d := time.Duration(random.ExpFloat64() * float64(3*time.Millisecond))
		all = append(all, d)
		h.Add(d)
	}
	h.Add(0)
	h.Add(2 * time.Hour)
	all = append(all, 0, 2*time.Hour)
	slices.Sort(all)
	for _, p := range []float64{0, 0.1, 10, 50, 90, 99, 99.9, 100} {
		want := all[max(int(p/100*float64(len(all))+0.9999999)-1, 0)]
		if got := h.Percentile(p); got < want || float64(got) > 1.02*float64(want)+1 {
			t.Errorf("%v %%: %v, want %v", p, got, want)
		}
	}
	if h.Max() != 2*time.Hour || h.Count() != int64(len(all)) {
		t.Errorf("%d durations, the longest %v", h.Count(), h.Max())
	}
	var other, empty driver.Histogram
	other.Add(time.Second)
	other.Merge(&h)
	if other.Count() != h.Count()+1 || empty.Percentile(99) != 0 || empty.Mean() != 0 {
		t.Error("a merge lost something, or nothing has a percentile")
	}
}

// address is the host:port of a server.
func address(s *httptest.Server) string { return strings.TrimPrefix(s.URL, "http://") }

// asking is a worker that asks for /.
func asking(at string) func(int) driver.Step {
	request := driver.NewRequest(http.MethodGet, at, "/", "")
	return func(int) driver.Step {
		c := driver.NewConn(at)
		return func(ctx context.Context) error {
			a, err := c.Do(ctx, request)
			if err != nil {
				return err
			}
			return a.Want(http.StatusOK)
		}
	}
}

// A server that stalls once is charged for all requests that fell due meanwhile, and not for the one
// alone that it held.
func TestAStallCountsForAllThatHadToWait(t *testing.T) {
	const rate, stall = 400, 500 * time.Millisecond
	n := 0
	load := driver.Load{Workers: 1, Rate: rate, Duration: time.Second}
	result, err := load.Run(t.Context(), func(int) driver.Step {
		return func(context.Context) error { // one worker's steps are called one after another
			if n++; n == rate/4 {
				time.Sleep(stall)
			}
			return nil
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if result.Failed() > 0 || result.Latency.Count() != rate {
		t.Fatalf("%d answers, %v", result.Latency.Count(), result.Errors)
	}
	// At least a quarter of all waited for 100 ms, however slow or fast the machine is.
	if p := result.Latency.Percentile(75); p < 100*time.Millisecond {
		t.Errorf("three quarters took %v at most, as if the others had not been due", p)
	}
}

// At this rate what says when each step is due is always late at the end.
func TestWhatFallsDueBeforeTheEndIsSentAfterIt(t *testing.T) {
	load := driver.Load{Workers: 1, Rate: 1e6, Duration: 50 * time.Millisecond}
	result, err := load.Run(t.Context(), func(int) driver.Step { return func(context.Context) error { return nil } })
	if err != nil || result.Latency.Count() != 50_000 {
		t.Errorf("%d steps of 50000, %v", result.Latency.Count(), err)
	}
}

func TestErrorsAreCountedByKind(t *testing.T) {
	var n atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		switch n.Add(1) % 3 {
		case 0:
			w.WriteHeader(http.StatusServiceUnavailable)
		case 1:
			panic(http.ErrAbortHandler)
		}
	}))
	defer server.Close()
	var steps atomic.Int64
	result, err := driver.Load{Workers: 2, Duration: time.Minute}.Run(t.Context(), func(i int) driver.Step {
		step := asking(address(server))(i)
		return func(ctx context.Context) error {
			if steps.Add(1) > 100 {
				return driver.ErrUsedUp
			}
			return step(ctx)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if result.Latency.Count() == 0 || result.Errors["status 503"] == 0 || len(result.Errors) > 2 || result.Example == nil {
		t.Errorf("%d answers, %v, such as %v", result.Latency.Count(), result.Errors, result.Example)
	}
	if result.Elapsed > 30*time.Second {
		t.Error("it went on after nothing was left to send")
	}
}

// Servers close idle connections, and a gateway that stops closes all of them.
func TestAConnectionThatWasClosedWhileIdleIsMadeAnew(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/last" {
			w.Header().Set("Connection", "close")
		}
	}))
	defer server.Close()
	at := address(server)
	c := driver.NewConn(at)
	for _, path := range []string{"/", "/last", "/", "/"} {
		if path == "/" {
			server.CloseClientConnections()
		}
		if _, err := c.Do(t.Context(), driver.NewRequest(http.MethodGet, at, path, "")); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
	server.Close()
	_, err := c.Do(t.Context(), driver.NewRequest(http.MethodGet, at, "/", ""))
	if f, ok := errors.AsType[*driver.Failure](err); !ok || f.Kind != "connection" {
		t.Errorf("no server: %v", err)
	}
}

func TestTheWarmUpIsNotMeasured(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	for _, rate := range []float64{0, 200} {
		var began, ended atomic.Bool
		load := driver.Load{Workers: 2, Rate: rate, WarmUp: 300 * time.Millisecond, Duration: 300 * time.Millisecond,
			Began: func() { began.Store(true) }, Ended: func() { ended.Store(true) }}
		start := time.Now()
		result, err := load.Run(t.Context(), asking(address(server)))
		if err != nil {
			t.Fatal(err)
		}
		if !began.Load() || !ended.Load() || time.Since(start) < 600*time.Millisecond || result.Latency.Count() == 0 {
			t.Errorf("at %v/s: began %v, ended %v after %v with %d answers", rate, began.Load(), ended.Load(), time.Since(start), result.Latency.Count())
		}
		if rate > 0 && result.Latency.Count() != 60 {
			t.Errorf("%d answers, want the 60 that were due after the warm-up", result.Latency.Count())
		}
	}
}
