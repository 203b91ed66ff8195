package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/maru-auth/maru/deploy/stack"
	"github.com/maru-auth/maru/internal/testenv"
)

// A partition between the board and everything else. The board runs in a network namespace of its
// own, which a veth pair joins to a second one; this process relays between that and the machine's
// own namespace, which gets no interface. During the partition the frames on the pair go to nobody,
// so that packets vanish without an error, as on a broken network.

// namespace is a network namespace, which lives as long as the file that refers to it.
type namespace struct{ file *os.File }

// in runs f on a thread of the namespace: what it opens and starts belongs there. The machine's own
// namespace is nil.
func (n *namespace) in(f func() error) error {
	if n == nil {
		return f()
	}
	result := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with this goroutine
		if err := unix.Setns(int(n.file.Fd()), unix.CLONE_NEWNET); err != nil {
			result <- err
			return
		}
		result <- f()
	}()
	return <-result
}

func (n *namespace) path() string { return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), n.file.Fd()) }

// ip runs the command ip in the namespace.
func (n *namespace) ip(command string) error {
	return n.in(func() error {
		if out, err := exec.Command("ip", strings.Fields(command)...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %s: %w: %s", command, err, out)
		}
		return nil
	})
}

func newNamespace() (*namespace, error) {
	var n namespace
	result := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		err := unix.Unshare(unix.CLONE_NEWNET)
		if err == nil {
			n.file, err = os.Open("/proc/thread-self/ns/net")
		}
		result <- err
	}()
	if err := <-result; err != nil {
		return nil, err
	}
	return &n, n.ip("link set lo up")
}

// island is the board's namespace, and the shore from which it is reached.
type island struct{ inner, shore *namespace }

const innerIP, shoreIP, nobody = "10.99.0.2", "10.99.0.1", "02:00:00:00:00:99"

// newIsland skips the test where this process may make no namespaces, which [testenv.Missing] says:
// it takes root, which CI need not be.
func newIsland(t *testing.T) *island {
	t.Helper()
	if !testenv.NetworkNamespaces() {
		t.Skip("no network namespaces: they take root, ip and nsenter")
	}
	var n island
	begin := func(into **namespace) {
		made, err := newNamespace()
		if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) {
			t.Skip("no network namespaces: " + err.Error())
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { made.file.Close() })
		*into = made
	}
	begin(&n.inner)
	begin(&n.shore)
	if err := errors.Join(
		n.shore.ip("link add maru-shore type veth peer name maru-inner"),
		n.shore.ip("link set maru-inner netns "+n.inner.path()),
		n.shore.ip("addr add "+shoreIP+"/24 dev maru-shore"), n.shore.ip("link set maru-shore up"),
		n.inner.ip("addr add "+innerIP+"/24 dev maru-inner"), n.inner.ip("link set maru-inner up"),
	); err != nil {
		t.Skip("no network namespaces: " + err.Error())
	}
	return &n
}

func (n *island) cut() error {
	return errors.Join(
		n.shore.ip("neigh replace "+innerIP+" lladdr "+nobody+" dev maru-shore nud permanent"),
		n.inner.ip("neigh replace "+shoreIP+" lladdr "+nobody+" dev maru-inner nud permanent"))
}

func (n *island) heal() error {
	return errors.Join(n.shore.ip("neigh del "+innerIP+" dev maru-shore"), n.inner.ip("neigh del "+shoreIP+" dev maru-inner"))
}

func (n *namespace) dial(address string) (conn net.Conn, err error) {
	err = n.in(func() (err error) {
		conn, err = net.DialTimeout("tcp", address, 10*time.Second)
		return err
	})
	return conn, err
}

// relay passes on what comes to an address in one namespace to an address in another, until the
// test ends.
func relay(t *testing.T, from *namespace, at string, into *namespace, to string) {
	t.Helper()
	var l net.Listener
	if err := from.in(func() (err error) {
		l, err = net.Listen("tcp", at)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	open := map[net.Conn]bool{}
	var all sync.WaitGroup
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for conn := range open {
			conn.Close()
		}
		open = nil
		mu.Unlock()
		all.Wait()
	})
	keep := func(conn net.Conn) bool {
		mu.Lock()
		defer mu.Unlock()
		if open == nil {
			conn.Close()
			return false
		}
		open[conn] = true
		return true
	}
	all.Go(func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer near.Close()
				if !keep(near) {
					return
				}
				far, err := into.dial(to)
				if err != nil || !keep(far) {
					return
				}
				go func() { io.Copy(far, near); far.Close(); near.Close() }() //nolint:errcheck // whoever waits sees the end
				io.Copy(near, far)                                            //nolint:errcheck // the same
				far.Close()
				mu.Lock()
				delete(open, near)
				delete(open, far)
				mu.Unlock()
			})
		}
	})
}

// onIsland is the program that runs another in the island's namespace once the file is there.
func (n *island) onIsland(t *testing.T, program string) (wrapper string, move func()) {
	t.Helper()
	dir := t.TempDir()
	moved := filepath.Join(dir, "moved")
	wrapper = filepath.Join(dir, "board")
	text := fmt.Sprintf("#!/bin/sh\nif [ -e %[1]q ]; then exec nsenter --net=%[2]s %[3]q \"$@\"; fi\nexec %[3]q \"$@\"\n", moved, n.inner.path(), program)
	if err := os.WriteFile(wrapper, []byte(text), 0o700); err != nil { //nolint:gosec // G306: a program
		t.Fatal(err)
	}
	return wrapper, func() {
		if err := os.WriteFile(moved, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAPartitionBetweenAServiceAndTheIssuer(t *testing.T) {
	t.Parallel()
	n := newIsland(t)
	p, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	board, err := filepath.Abs(p.Board)
	if err != nil {
		t.Fatal(err)
	}
	wrapper, move := n.onIsland(t, board)
	p.Board = wrapper
	// Its list counts for the ttl of 3 s and the 5 s of a fetch, and not a moment longer.
	const boardsBound = 8 * time.Second
	r := startWith(t, stack.Config{Programs: p, Env: []string{"BOARD_STATUS_FAIL_OPEN_FOR=0s"}}, 1)
	w := twoWriters(t, r)
	if err := r.StopPart("board"); err != nil {
		t.Fatal(err)
	}
	move()
	boards := fmt.Sprintf("127.0.0.1:%d", r.ports.Board)
	relay(t, nil, boards, n.shore, fmt.Sprintf("%s:%d", innerIP, r.ports.Board))
	relay(t, n.inner, fmt.Sprintf("%s:%d", innerIP, r.ports.Board), n.inner, boards)
	for _, port := range []int{r.ports.Issuer, r.ports.API} {
		relay(t, n.inner, fmt.Sprintf("127.0.0.1:%d", port), n.inner, fmt.Sprintf("%s:%d", shoreIP, port))
		relay(t, n.shore, fmt.Sprintf("%s:%d", shoreIP, port), nil, fmt.Sprintf("127.0.0.1:%d", port))
	}
	r.launch(t, "board")

	// Its own callers reach the board whatever happens to the pair.
	beside := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		return n.inner.dial(boards)
	}}}
	defer beside.CloseIdleConnections()
	show := func(token string) answer {
		t.Helper()
		a, err := tryBy(beside, "GET", "http://"+boards+"/v1/boards?limit=1", token, nil)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	user := r.shownAt()["user"]
	valid, revoked := service(t, r, bothServices), service(t, r, bothServices)
	for _, token := range []string{valid, revoked} {
		until(t, user, token, http.StatusOK)
		if a := show(token); a.Status != http.StatusOK {
			t.Fatalf("the board: %s", a)
		}
	}

	if err := n.cut(); err != nil {
		t.Fatal(err)
	}
	cut := time.Now()
	acknowledged := r.revoke(t, revoked)
	if took := until(t, user, revoked, http.StatusUnauthorized, http.StatusOK).Sub(acknowledged); took > revocationBound {
		t.Errorf("the user service took the revoked token for %v", took)
	}
	for name, token := range map[string]string{"revoked": revoked, "valid": valid} {
		testenv.Eventually(t, "the board takes no token that it cannot know about", func() bool {
			time.Sleep(50 * time.Millisecond)
			sent := time.Now()
			a := show(token)
			switch {
			case a.Status == http.StatusOK && sent.Sub(cut) > boardsBound:
				t.Errorf("the board takes the %s token %v after it was cut off", name, sent.Sub(cut))
			case a.Status == http.StatusServiceUnavailable && a.Header.Get("Retry-After") == "":
				t.Errorf("no Retry-After: %v", a.Header)
			case a.Status != http.StatusOK && a.Status != http.StatusServiceUnavailable:
				t.Errorf("the %s token at the board: %s", name, a)
			}
			return a.Status != http.StatusOK
		})
	}
	w.change(t, r)
	if a := show(valid); a.Status != http.StatusServiceUnavailable {
		t.Errorf("the board is not cut off any more: %s", a)
	}

	if err := n.heal(); err != nil {
		t.Fatal(err)
	}
	healed := time.Now()
	testenv.Eventually(t, "the board refuses the revoked token for good", func() bool {
		time.Sleep(50 * time.Millisecond)
		a := show(revoked)
		if a.Status == http.StatusOK {
			t.Error("the board takes the revoked token after the partition")
		}
		return a.Status == http.StatusUnauthorized
	})
	if a := show(valid); a.Status != http.StatusOK {
		t.Errorf("the valid token after the partition: %s", a)
	}
	if took := time.Since(healed); took > 3*revocationBound {
		t.Errorf("the board was of no use for %v after the partition", took)
	}
	w.arrived(t, r)
}
