package tokens

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/maru-auth/maru/client-demo/internal/backend"
	"github.com/maru-auth/maru/client-demo/internal/flow"
)

var (
	errDown    = &backend.DownError{Service: "user", Reason: errors.New("away")}
	errRefused = &backend.Error{Status: http.StatusUnauthorized, Code: "invalid_token"}
)

// testWatches calls a service that answers with these errors, one after another, the last again and
// again; by the clock, each call takes a second.
func testWatches(t *testing.T, answers ...error) *watches {
	t.Helper()
	var calls atomic.Int64
	began := time.Now()
	ws := newWatches(Config{Now: func() time.Time { return began.Add(time.Duration(calls.Load()) * time.Second) }, Log: slog.New(slog.DiscardHandler)},
		func(context.Context, *flow.Session, string) error { return nil },
		probe{"user", func(context.Context, string) error {
			n := int(calls.Add(1))
			return answers[min(n, len(answers))-1]
		}})
	ws.every = time.Millisecond
	t.Cleanup(ws.close)
	return ws
}

func TestAServicesAnswersSayWhatBecameOfTheToken(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		answers []error // the first is before the revocation
		want    outcome
		after   time.Duration
	}{
		"refused at once":                {[]error{nil, errRefused}, refused, time.Second},
		"refused later":                  {[]error{nil, nil, nil, errRefused}, refused, 3 * time.Second},
		"never refused":                  {[]error{nil}, accepted, watchFor},
		"down all the time":              {[]error{errDown}, silent, watchFor},
		"down at first":                  {[]error{errDown, errDown, errRefused}, refused, 2 * time.Second},
		"down in the end":                {[]error{nil, nil, errDown}, silent, watchFor},
		"overloaded":                     {[]error{nil, &backend.Error{Status: http.StatusTooManyRequests}}, silent, watchFor},
		"another refusal":                {[]error{nil, &backend.Error{Status: http.StatusForbidden}}, accepted, watchFor},
		"refused before":                 {[]error{errRefused}, refusedBefore, 0},
		"the issuer and the token apart": {[]error{nil, flow.ErrIssuerDown, errRefused}, refused, 2 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ws := testWatches(t, tc.answers...)
			s := &flow.Session{Subject: "p"}
			if !ws.begin(s, "token", ws.now().Add(time.Hour)) {
				t.Fatal("it does not begin")
			}
			ws.running.Wait()
			p := ws.of(s).progress(ws.now())
			if r := p.reports[0]; !p.over || r.outcome != tc.want || r.after != tc.after || r.service != "user" {
				t.Errorf("%+v, want outcome %d after %s", p, tc.want, tc.after)
			}
		})
	}
}

func TestARefusalAfterTheTokenHasExpiredSaysNothing(t *testing.T) {
	t.Parallel()
	ws := testWatches(t, nil, nil, nil, nil, errRefused)
	s := &flow.Session{Subject: "p"}
	ws.begin(s, "token", ws.now().Add(5*time.Second))
	ws.running.Wait()
	if r := ws.of(s).progress(ws.now()).reports[0]; r.outcome != expired {
		t.Errorf("%+v", r)
	}
}

func TestAWatchEndsWithTheApp(t *testing.T) {
	t.Parallel()
	ws := testWatches(t, nil)
	called := make(chan struct{})
	once := sync.OnceFunc(func() { close(called) })
	ws.probes[0].call = func(ctx context.Context, _ string) error { once(); <-ctx.Done(); return ctx.Err() }
	s := &flow.Session{Subject: "p"}
	ws.begin(s, "token", ws.now().Add(time.Hour))
	<-called
	ws.close() // returns
	if ws.begin(s, "token", ws.now()) {
		t.Error("another begins after the end")
	}
}

func TestOnlySoMuchOfAServicesAnswerIsKept(t *testing.T) {
	t.Parallel()
	if r := judge(&backend.Error{Status: http.StatusUnauthorized, Code: strings.Repeat("x", maxCode+1)}); r.outcome != refused || r.code != "" {
		t.Errorf("%+v", r)
	}
}
