package e2e

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
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
	if os.Geteuid() != 0 {
		t.Skip("network namespaces take root")
	}
	if !testenv.NetworkNamespaces() {
		testenv.Absent(t, "no ip or nsenter: install iproute2 and util-linux")
	}
	var n island
	begin := func(into **namespace) {
		made, err := newNamespace()
		if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) {
			t.Skip("no network namespaces, most likely for want of privileges in a container: " + err.Error())
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
		t.Skip("no network namespaces, most likely for want of privileges in a container: " + err.Error())
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

// listen opens a listener in the namespace.
func (n *namespace) listen(t *testing.T, address string) (l net.Listener) {
	t.Helper()
	if err := n.in(func() (err error) {
		l, err = net.Listen("tcp", address)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return l
}

// bridge relays from an address in one namespace to an address in another.
func bridge(t *testing.T, from *namespace, at string, into *namespace, to string) {
	t.Helper()
	relay(t, from.listen(t, at), func() (net.Conn, error) { return into.dial(to) }, nil)
}

// onIsland is the program that runs another in the island's namespace once the file is there.
func (n *island) onIsland(t *testing.T, program string) (wrapper string, move func()) {
	t.Helper()
	dir := t.TempDir()
	moved := filepath.Join(dir, "moved")
	wrapper = filepath.Join(dir, "board")
	text := fmt.Sprintf("#!/bin/sh\nif [ -e %[1]q ]; then exec nsenter --net=%[2]s %[3]q \"$@\"; fi\nexec %[3]q \"$@\"\n", moved, n.inner.path(), program)
	writeProgram(t, wrapper, text)
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
	r := startWith(t, stack.Config{Programs: p, Env: []string{"BOARD_STATUS_FAIL_OPEN_FOR=0s"}}, 1)
	w := twoWriters(t, r)
	if err := r.StopPart("board"); err != nil {
		t.Fatal(err)
	}
	move()
	boards := fmt.Sprintf("127.0.0.1:%d", r.ports.Board)
	bridge(t, nil, boards, n.shore, fmt.Sprintf("%s:%d", innerIP, r.ports.Board))
	bridge(t, n.inner, fmt.Sprintf("%s:%d", innerIP, r.ports.Board), n.inner, boards)
	for _, port := range []int{r.ports.Issuer, r.ports.API} {
		bridge(t, n.inner, fmt.Sprintf("127.0.0.1:%d", port), n.inner, fmt.Sprintf("%s:%d", shoreIP, port))
		bridge(t, n.shore, fmt.Sprintf("%s:%d", shoreIP, port), nil, fmt.Sprintf("127.0.0.1:%d", port))
	}
	r.launch(t, "board")

	// Its own callers reach the board whatever happens to the pair.
	beside := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		return n.inner.dial(boards)
	}}}
	defer beside.CloseIdleConnections()
	cut := &partition{r: r, w: w, cut: n.cut, heal: n.heal,
		board: func(token string) (answer, error) {
			return tryBy(beside, "GET", "http://"+boards+"/v1/boards?limit=1", token, nil)
		},
		revoke: func(token string) { r.revoke(t, token) },
	}
	cut.run(t)
}
