package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/maru-auth/maru/internal/testenv"
)

// load makes requests in several goroutines until it is ended, and remembers each that failed.
type load struct {
	mu     sync.Mutex
	failed []string
	done   atomic.Int64
	stop   chan struct{}
	halt   func() // closes stop, once
	all    sync.WaitGroup
}

// newLoad is a load that ends with the test at the latest.
func newLoad(t *testing.T) *load {
	l := &load{stop: make(chan struct{})}
	l.halt = sync.OnceFunc(func() { close(l.stop); l.all.Wait() })
	t.Cleanup(l.halt)
	return l
}

// worker repeats one until the load ends; what one returns is what went wrong, or nil.
func (l *load) worker(name string, one func() error) {
	l.all.Go(func() {
		for {
			select {
			case <-l.stop:
				return
			case <-time.After(25 * time.Millisecond): // leaves the machine to the programs
			}
			if err := one(); err != nil {
				l.mu.Lock()
				l.failed = append(l.failed, fmt.Sprintf("%s %s: %v", time.Now().Format("05.000"), name, err))
				l.mu.Unlock()
			}
			l.done.Add(1)
		}
	})
}

// ask makes a request that must be answered by 200 or 201, and reads the answer into into, unless
// that is nil.
func ask(method, address, token string, body, into any, headers ...string) error {
	a, err := try(method, address, token, body, headers...)
	if err != nil {
		return err
	}
	if a.Status != http.StatusOK && a.Status != http.StatusCreated {
		return fmt.Errorf("%s %s: %s", method, address, a)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(a.Body, into)
}

// end stops the load and returns how many requests it made, and what failed.
func (l *load) end() (int64, []string) {
	l.halt()
	return l.done.Load(), l.failed
}

func TestARestartOfAReplicaLosesNoRequest(t *testing.T) {
	t.Parallel()
	restarts := 10
	if text := os.Getenv("E2E_RESTARTS"); text != "" { // for a long run by hand
		var err error
		if restarts, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	// no grace: an answer that was lost ends the grant
	r := start(t, 2, append(postgres(t), "AUTHZ_SHUTDOWN_DELAY=2s", "AUTHZ_REFRESH_GRACE=0s")...)
	sample := sampleApp(t, r, everyScope...)
	l := newLoad(t)
	for range 3 {
		last := sample.signUp(newPerson(t, nil)).RefreshToken
		l.worker("refresh", func() error {
			var got tokens
			if err := ask(http.MethodPost, r.Issuer+"/oauth2/token", "", refreshForm(last), &got); err != nil {
				return err
			}
			last = got.Refresh
			return nil
		})
	}
	for range 3 {
		form := url.Values{"token": {"nothing"}, "client_id": {"sample-app"}}
		l.worker("revoke", func() error { return ask(http.MethodPost, r.Issuer+"/oauth2/revoke", "", form, nil) })
	}
	l.worker("discovery", func() error { return ask(http.MethodGet, r.Issuer+"/.well-known/openid-configuration", "", nil, nil) })
	l.worker("keys", func() error { return ask(http.MethodGet, r.Issuer+"/.well-known/jwks.json", "", nil, nil) })
	l.worker("page", func() error { return ask(http.MethodGet, r.Issuer+"/login", "", nil, nil) })

	for i := range restarts {
		name := []string{"authz-server", "authz-server-2"}[i%2]
		if err := r.StopPart(name); err != nil {
			t.Error(err)
		}
		served := r.log.requestsOf(name)
		if err := r.Launch(name); err != nil {
			t.Fatal(err)
		}
		testenv.Eventually(t, name+" gets requests again", func() bool { return r.log.requestsOf(name) > served+20 })
	}
	done, failed := l.end()
	t.Logf("%d requests during %d restarts, %d lost", done, restarts, len(failed))
	for _, what := range failed[:min(len(failed), 20)] {
		t.Error(what)
	}
}
