package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/maru-auth/maru/internal/machine"
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

// lost is how many requests have failed so far.
func (l *load) lost() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.failed)
}

// end stops the load and returns how many requests it made, and what failed.
func (l *load) end() (int64, []string) {
	l.halt()
	return l.done.Load(), l.failed
}

// restarted is what came of restarts.
type restarted struct {
	Restarts int     `json:"restarts"`
	Requests int64   `json:"requests"`
	Lost     int     `json:"lost"`
	Seconds  float64 `json:"seconds"`
}

// Replicas of each program are told to stop by SIGTERM, as an orchestrator does it, and started
// again, one of each program at a time: 18 of them, or as many as E2E_RESTARTS says, at as many
// stacks side by side as E2E_STACKS says, since a stop mostly waits.
func TestARestartOfAReplicaLosesNoRequest(t *testing.T) {
	t.Parallel()
	restarts, stacks := howMany(t, "E2E_RESTARTS", 18), howMany(t, "E2E_STACKS", 1)
	began, all := time.Now(), make([]restarted, stacks)
	t.Run("stacks", func(t *testing.T) {
		for i := range stacks {
			t.Run(strconv.Itoa(i), func(t *testing.T) {
				t.Parallel()
				all[i] = restart(t, (restarts+stacks-1)/stacks)
			})
		}
	})
	total := restarted{Seconds: time.Since(began).Seconds()}
	for _, one := range all {
		total.Restarts, total.Requests, total.Lost = total.Restarts+one.Restarts, total.Requests+one.Requests, total.Lost+one.Lost
	}
	publish(t, "restarts", total, machine.Table([]string{"stacks side by side>", "restarts>", "in>", "requests meanwhile>", "lost>"}, [][]string{{
		strconv.Itoa(stacks), strconv.Itoa(total.Restarts), time.Since(began).Round(time.Second).String(), strconv.FormatInt(total.Requests, 10), strconv.Itoa(total.Lost)}}))
}

// restart restarts replicas of a stack of its own under load.
func restart(t *testing.T, restarts int) restarted {
	r := twoOfEach(t, programsNow(t))
	l := newLoad(t)
	l.everything(t, r.running)
	l.worker("discovery", func() error { return ask(http.MethodGet, r.Issuer+"/.well-known/openid-configuration", "", nil, nil) })
	l.worker("keys", func() error { return ask(http.MethodGet, r.Issuer+"/.well-known/jwks.json", "", nil, nil) })
	l.worker("page", func() error { return ask(http.MethodGet, r.Issuer+"/login", "", nil, nil) })

	began, done := time.Now(), 0
	for turn := 0; done < restarts && !t.Failed(); turn++ {
		parts := [][]string{r.first, r.second}[turn%2]
		r.replace(t, parts, programsNow(t))
		if done += len(parts); done%150 == 0 { // who runs a thousand wants to see it go on
			fmt.Fprintf(os.Stderr, "%s: %d restarts in %s, %d requests, %d lost\n", t.Name(), done, time.Since(began).Round(time.Second), l.done.Load(), l.lost())
		}
	}
	requests, failed := l.end()
	for _, what := range failed[:min(len(failed), 20)] {
		t.Error(what)
	}
	r.stop(t, append(r.first, r.second...))
	return restarted{Restarts: done, Requests: requests, Lost: len(failed)}
}
