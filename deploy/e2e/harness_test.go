// Package e2e tests Maru as it runs: separate processes behind the gateway, on free ports, seen
// from outside only.
package e2e

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/maru-auth/maru/deploy/stack"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
	"github.com/maru-auth/maru/internal/testenv/program"
)

func TestMain(m *testing.M) {
	// The tests mostly wait for processes, so more of them run at once than there are processors.
	// The flag -parallel counts all the same, because flags are parsed later.
	if err := flag.Set("test.parallel", "6"); err != nil {
		panic(err)
	}
	sqldbtest.Main(m)
}

// root of the repository.
var root = filepath.Join("..", "..")

// programs compiles everything once.
var programs = sync.OnceValues(func() (stack.Programs, error) { return stack.BuildForTests(context.Background(), root) })

// running is a stack of a test's own.
type running struct {
	*stack.Stack
	stack.Origins
	ports stack.Ports
	dir   string // its databases and keys
	log   *log
}

// log keeps what the processes print, for a test that fails, and counts on the way.
type log struct {
	program.Output

	mu       sync.Mutex
	panics   []string       // the lines that tell of one, which callers saw as a 500
	requests map[string]int // how many requests each part has logged
}

// Write takes one line, that of one part.
func (l *log) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if bytes.Contains(line, []byte("msg=panic")) {
		l.panics = append(l.panics, string(line))
	}
	if bytes.Contains(line, []byte("msg=request ")) {
		part, _, _ := bytes.Cut(line, []byte(" "))
		l.requests[string(part)]++
	}
	return l.Output.Write(line)
}

// requestsOf is how many requests the part has logged so far.
func (l *log) requestsOf(part string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.requests[part]
}

// end is the last n lines, each cut to a length that can be read.
func (l *log) end(n int) string {
	lines := strings.Split(l.String(), "\n")
	lines = lines[max(0, len(lines)-n):]
	for i, line := range lines {
		lines[i] = line[:min(len(line), 300)]
	}
	return strings.Join(lines, "\n")
}

// start runs a stack with as many authorization servers as said, and the settings env. It stops
// when the test ends.
func start(t *testing.T, replicas int, env ...string) *running {
	t.Helper()
	return startWith(t, stack.Config{Env: env}, replicas)
}

// startWith is start with what else cfg says; its Env comes on top of this process's. Without
// cfg.Ports any that are free are taken, and without cfg.Programs those of this source.
func startWith(t *testing.T, cfg stack.Config, replicas int) *running {
	t.Helper()
	p, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	ports := cfg.Ports
	if ports.Issuer == 0 {
		if ports, err = stack.FreePorts(replicas); err != nil {
			t.Fatal(err)
		}
	}
	r := &running{ports: ports, dir: t.TempDir(), log: &log{requests: map[string]int{}}}
	r.log.Keep = 32 << 20 // long runs log gigabytes
	if cfg.Programs == (stack.Programs{}) {
		cfg.Programs = p
	}
	cfg.Root, cfg.Dir, cfg.Ports, cfg.Env, cfg.Log = root, r.dir, ports, append(os.Environ(), cfg.Env...), r.log
	r.Stack, err = stack.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	r.Origins = r.Stack.Origins()
	t.Cleanup(func() {
		r.Stop()
		for _, line := range r.log.panics {
			t.Errorf("a program panicked: %s", line)
		}
		if t.Failed() {
			t.Logf("the end of the log:\n%s", r.log.end(40))
		}
	})
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if err := r.Start(ctx); err != nil {
		t.Fatal(err)
	}
	return r
}

// postgres returns settings that put each service on a Postgres database of its own.
func postgres(t *testing.T) []string {
	t.Helper()
	return []string{
		"AUTHZ_DATABASE_URL=" + sqldbtest.Postgres(t),
		"USER_DATABASE_URL=" + sqldbtest.Postgres(t),
		"BOARD_DATABASE_URL=" + sqldbtest.Postgres(t),
	}
}

// restart kills the part as a power failure would, starts it again, and returns when the whole
// stack is ready.
func (r *running) restart(t *testing.T, part string) {
	t.Helper()
	if err := r.Kill(part); err != nil {
		t.Fatal(err)
	}
	r.launch(t, part)
}

func (r *running) launch(t *testing.T, part string) {
	t.Helper()
	if err := r.Launch(part); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := r.WaitReady(ctx); err != nil {
		t.Fatal(err)
	}
}

// replica is a way to the issuer's address that ends at one authorization server, past the gateway.
func (r *running) replica(i int) http.RoundTripper {
	issuer := strings.TrimPrefix(r.Issuer, "http://")
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		if address == issuer {
			address = fmt.Sprintf("127.0.0.1:%d", r.ports.Authz[i])
		}
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}
	return transport
}
