package e2e

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/maru-auth/maru/deploy/stack"
	"github.com/maru-auth/maru/internal/testenv"
)

// cutOffBound is how long a service that is cut off takes tokens with FAIL_OPEN_FOR=0s: its list
// counts for the ttl of 3 s and the 5 s of a fetch, and not a moment longer.
const cutOffBound = 8 * time.Second

// partition is one between the board and the issuer, or one that cuts off the user service too.
type partition struct {
	r         *running
	w         *writers
	cut, heal func() error
	board     func(token string) (answer, error) // shows a token to the board, past the partition
	revoke    func(token string)                 // revokes one of sample-service, past the partition
	all       bool                               // the user service is cut off as well
}

// run sees that no service takes a revoked token beyond its bound, before, during and after the
// partition, and that no event is lost.
func (p *partition) run(t *testing.T) {
	t.Helper()
	user := func(token string) (answer, error) { return try("GET", p.r.shownAt()["user"], token, nil) }
	services := map[string]func(token string) (answer, error){"board": p.board}
	if p.all {
		services["user"] = user
	}
	valid, revoked := service(t, p.r, bothServices), service(t, p.r, bothServices)
	for _, token := range []string{valid, revoked} {
		for _, show := range []func(string) (answer, error){user, p.board} {
			if a, err := show(token); err != nil || a.Status != http.StatusOK {
				t.Fatalf("before the partition: %s %v", a, err)
			}
		}
	}
	if err := p.cut(); err != nil {
		t.Fatal(err)
	}
	cut := time.Now()
	p.revoke(revoked)
	acknowledged := time.Now()
	if !p.all {
		if took := until(t, p.r.shownAt()["user"], revoked, http.StatusUnauthorized, http.StatusOK).Sub(acknowledged); took > revocationBound {
			t.Errorf("the user service took the revoked token for %v", took)
		}
	}
	for name, show := range services {
		for what, token := range map[string]string{"revoked": revoked, "valid": valid} {
			testenv.Eventually(t, "the "+name+" service takes no token that it cannot know about", func() bool {
				time.Sleep(50 * time.Millisecond)
				sent := time.Now()
				a, err := show(token)
				switch {
				case err != nil:
					t.Fatal(err)
				case a.Status == http.StatusOK && sent.Sub(cut) > cutOffBound:
					t.Errorf("the %s service takes the %s token %v after it was cut off", name, what, sent.Sub(cut))
				case a.Status == http.StatusServiceUnavailable && a.Header.Get("Retry-After") == "":
					t.Errorf("no Retry-After: %v", a.Header)
				case a.Status != http.StatusOK && a.Status != http.StatusServiceUnavailable:
					t.Errorf("the %s token at the %s service: %s", what, name, a)
				}
				return a.Status != http.StatusOK
			})
		}
	}
	p.w.change(t, p.r)
	for name, show := range services {
		if a, err := show(valid); err != nil || a.Status != http.StatusServiceUnavailable {
			t.Errorf("the %s service is not cut off any more: %s %v", name, a, err)
		}
	}

	if err := p.heal(); err != nil {
		t.Fatal(err)
	}
	healed := time.Now()
	for name, show := range services {
		testenv.Eventually(t, "the "+name+" service refuses the revoked token for good", func() bool {
			time.Sleep(50 * time.Millisecond)
			a, err := show(revoked)
			if err != nil || a.Status == http.StatusOK {
				t.Errorf("the %s service, shown the revoked token after the partition: %s %v", name, a, err)
			}
			return a.Status == http.StatusUnauthorized
		})
		if a, err := show(valid); err != nil || a.Status != http.StatusOK {
			t.Errorf("the %s service, shown the valid token after the partition: %s %v", name, a, err)
		}
		if took := time.Since(healed); took > 3*revocationBound {
			t.Errorf("the %s service was of no use for %v after the partition", name, took)
		}
	}
	p.w.arrived(t, p.r)
	t.Logf("all events had arrived %v after the partition", time.Since(healed).Round(time.Second))
}

// gate holds back what relays pass on while it is closed. A nil one is always open.
type gate struct {
	mu   sync.Mutex
	open chan struct{} // closed while the gate is open
}

func newGate() *gate {
	g := &gate{open: make(chan struct{})}
	close(g.open)
	return g
}

func (g *gate) shut() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open = make(chan struct{})
	return nil
}

func (g *gate) reopen() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	close(g.open)
	return nil
}

// wait returns when the gate is open, or the test is over.
func (g *gate) wait(over <-chan struct{}) {
	if g == nil {
		return
	}
	g.mu.Lock()
	open := g.open
	g.mu.Unlock()
	select {
	case <-open:
	case <-over:
	}
}

// relay passes on what comes to the listener, as far as the gate lets it, until the test ends.
func relay(t *testing.T, l net.Listener, dial func() (net.Conn, error), g *gate) {
	t.Helper()
	over := make(chan struct{})
	var all sync.WaitGroup
	t.Cleanup(func() {
		l.Close()
		close(over)
		all.Wait()
	})
	pass := func(to, from net.Conn) {
		defer to.Close()
		defer from.Close()
		buffer := make([]byte, 32<<10)
		for {
			n, err := from.Read(buffer)
			g.wait(over)
			if n > 0 {
				if _, err := to.Write(buffer[:n]); err != nil {
					return
				}
			}
			if err != nil {
				return
			}
		}
	}
	all.Go(func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer near.Close()
				g.wait(over)
				far, err := dial()
				if err != nil {
					return
				}
				var both sync.WaitGroup
				both.Go(func() { pass(far, near) })
				both.Go(func() { pass(near, far) })
				ended := make(chan struct{})
				go func() { both.Wait(); close(ended) }()
				select {
				case <-ended:
				case <-over:
					near.Close()
					far.Close()
					<-ended
				}
			})
		}
	})
}

// elsewhere has a program listen on another port once it moves, so that a relay can take its place:
// it returns what to run instead of the program, and what moves it.
func elsewhere(t *testing.T, program, setting string) (wrapper, address string, move func()) {
	t.Helper()
	dir := t.TempDir()
	program, err := filepath.Abs(program)
	if err != nil {
		t.Fatal(err)
	}
	wrapper, moved := filepath.Join(dir, filepath.Base(program)), filepath.Join(dir, "moved")
	address = "127.0.0.1:" + testenv.FreePort(t)
	text := fmt.Sprintf("#!/bin/sh\nif [ -e %q ]; then %s=%s; export %[2]s; fi\nexec %[4]q \"$@\"\n", moved, setting, address, program)
	writeProgram(t, wrapper, text)
	return wrapper, address, func() {
		if err := os.WriteFile(moved, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// writeProgram writes a script that can be run at once. Nobody is forked meanwhile: a child of another test
// would have the file open for writing until it runs its own program, and no file that somebody has open so
// can be run (ETXTBSY).
func writeProgram(t *testing.T, path, text string) {
	t.Helper()
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
}

// The same without namespaces, on any machine: relays before the authorization server and before
// the board hold back every byte, so that requests hang. The user service is cut off too.
func TestServicesBehindRelaysThatHoldEverythingBack(t *testing.T) {
	t.Parallel()
	p, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	var authzAt, boardAt string
	var moveAuthz, moveBoard func()
	p.AuthzServer, authzAt, moveAuthz = elsewhere(t, p.AuthzServer, "AUTHZ_LISTEN")
	p.Board, boardAt, moveBoard = elsewhere(t, p.Board, "BOARD_LISTEN")
	r := startWith(t, stack.Config{Programs: p, Env: []string{"USER_STATUS_FAIL_OPEN_FOR=0s", "BOARD_STATUS_FAIL_OPEN_FOR=0s"}}, 1)
	w := twoWriters(t, r)
	g := newGate()
	for part, way := range map[string]struct {
		port int
		to   string
		move func()
	}{"authz-server": {r.ports.Authz[0], authzAt, moveAuthz}, "board": {r.ports.Board, boardAt, moveBoard}} {
		if err := r.StopPart(part); err != nil {
			t.Fatal(err)
		}
		way.move()
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", way.port))
		if err != nil {
			t.Fatal(err)
		}
		relay(t, l, func() (net.Conn, error) { return net.Dial("tcp", way.to) }, g)
		r.launch(t, part)
	}
	past := http.DefaultTransport.(*http.Transport).Clone()
	past.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		if address == strings.TrimPrefix(r.Issuer, "http://") {
			address = authzAt
		}
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}
	beside := &http.Client{Timeout: 20 * time.Second, Transport: past}
	w.renamed.browser.Transport, w.leaver.browser.Transport = past, past
	cut := &partition{r: r, w: w, cut: g.shut, heal: g.reopen, all: true,
		board: func(token string) (answer, error) {
			return tryBy(beside, "GET", "http://"+boardAt+"/v1/boards?limit=1", token, nil)
		},
		revoke: func(token string) {
			a, err := tryBy(beside, "POST", r.Issuer+"/oauth2/revoke", "", url.Values{"token": {token}}, "Authorization", sampleService)
			if err != nil || a.Status != http.StatusOK {
				t.Errorf("the revocation: %s %v", a, err)
			}
		},
	}
	cut.run(t)
}
