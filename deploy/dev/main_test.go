package main

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/maru-auth/maru/deploy/inbox"
	"github.com/maru-auth/maru/deploy/stack"
	"github.com/maru-auth/maru/internal/testenv"
	"github.com/maru-auth/maru/internal/testenv/program"
)

// runner is the dev runner as a process of its own, as `make run` starts it.
type runner struct{ *program.Program }

func startRunner(t *testing.T, path string, args ...string) *runner {
	t.Helper()
	return &runner{program.Start(t, exec.Command(path, args...))}
}

// ready waits until the runner says that all runs, and returns the addresses that it prints.
func (r *runner) ready(t *testing.T) []string {
	t.Helper()
	if !r.Says("Ctrl-C stops all of it.") {
		t.Fatal("it ended before it was ready")
	}
	var addresses []string
	for _, m := range regexp.MustCompile(`(?m)^  (?:demo app|API|issuer) +(http://localhost:\d+)`).FindAllStringSubmatch(r.String(), -1) {
		addresses = append(addresses, m[1])
	}
	if len(addresses) != 3 {
		t.Fatalf("the addresses are %v:\n%s", addresses, r)
	}
	return addresses
}

// gone waits until none of the processes runs any more.
func gone(t *testing.T, children map[string]int) {
	t.Helper()
	for name, pid := range children {
		testenv.Eventually(t, name+" is gone", func() bool { return !running(pid) })
	}
}

// running tells whether the process is there and no mere entry that nobody waited for.
func running(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, state, _ := strings.Cut(string(stat), ") ")
	return err == nil && !strings.HasPrefix(state, "Z")
}

// children are the processes that the runner started, by program.
func (r *runner) children(t *testing.T) map[string]int {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]int{}
	for _, file := range files {
		stat, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended meanwhile
		}
		_, after, _ := strings.Cut(string(stat), ") ")
		fields := strings.Fields(after) // state, parent's pid, …
		if len(fields) < 2 || fields[1] != strconv.Itoa(r.PID()) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err != nil {
			t.Fatal(err)
		}
		program, err := os.Readlink(filepath.Join(filepath.Dir(file), "exe"))
		if err == nil {
			found[filepath.Base(program)] = pid
		}
	}
	return found
}

// placeBuilt puts the programs where the runner builds them, from where all tests have them: "go
// build" finds them up to date, and links none again.
func placeBuilt(t *testing.T, dir string) {
	t.Helper()
	built, err := stack.BuildForTests(t.Context(), filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{built.AuthzServer, built.User, built.Board, built.Demo} {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(path)), content, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTheRunner(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("looks for processes in /proc")
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "dev")
	if out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	placeBuilt(t, filepath.Join(dir, "data", "bin"))
	start := func(t *testing.T, args ...string) *runner {
		t.Helper()
		return startRunner(t, path, append([]string{"--data=" + filepath.Join(dir, "data"), "--ports=free"}, args...)...)
	}

	t.Run("runs five processes, and stops all of them when asked to", func(t *testing.T) {
		r := start(t)
		for _, address := range r.ready(t) {
			resp, err := http.Get(address + "/")
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
		}
		box := regexp.MustCompile(`(?m)^  inbox +(http://localhost:\d+)$`).FindStringSubmatch(r.String())
		if box == nil {
			t.Fatalf("the inbox is not named:\n%s", r)
		}
		if mails, err := inbox.Messages(t.Context(), box[1]); err != nil || len(mails) > 0 {
			t.Errorf("the inbox has %v, %v", mails, err)
		}
		for _, account := range stack.Accounts {
			if !strings.Contains(r.String(), account.Email) || !strings.Contains(r.String(), account.Password) {
				t.Errorf("the account %s is not printed", account.Email)
			}
		}
		children := r.children(t)
		for _, name := range []string{"authz-server", "user", "board", "client-demo", "caddy"} {
			if children[name] == 0 {
				t.Errorf("%s does not run: %v", name, children)
			}
		}
		if log, err := os.ReadFile(filepath.Join(dir, "data", "gateway.log")); err != nil ||
			!bytes.Contains(log, []byte(`"status":200`)) {
			t.Errorf("the gateway's log is not where it is said to be (%v)", err)
		}
		if log, err := os.ReadFile(filepath.Join(dir, "data", "requests.log")); err != nil ||
			!bytes.Contains(log, []byte("authz-server | ")) || !bytes.Contains(log, []byte("msg=request")) {
			t.Errorf("the requests are not where they are said to be (%v)", err)
		}
		for _, unwanted := range []string{"msg=request ", "level=WARN", "level=ERROR"} {
			if strings.Contains(r.String(), unwanted) {
				t.Errorf("a start where all is well shows %s:\n%s", unwanted, r)
			}
		}
		if second := start(t); second.Status() != 1 || !strings.Contains(second.String(), "DEV_DATA") ||
			strings.Count(second.String(), "\n") != 1 {
			t.Errorf("a second run on the same data says:\n%s", second)
		}
		r.Signal(syscall.SIGTERM)
		if status := r.Status(); status != 0 {
			t.Errorf("status %d:\n%s", status, r)
		}
		gone(t, children)
	})

	t.Run("starts again on its data, and ends with the part that dies", func(t *testing.T) {
		r := start(t)
		r.ready(t)
		children := r.children(t)
		if err := syscall.Kill(children["board"], syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		if status := r.Status(); status != 128+9 {
			t.Errorf("status %d, want 137", status)
		}
		if !strings.Contains(r.String(), "maru: board ended") {
			t.Errorf("the end does not name the part:\n%s", r)
		}
		gone(t, children)
	})

	t.Run("leaves nothing behind when it is killed itself", func(t *testing.T) {
		r := start(t)
		r.ready(t)
		children := r.children(t)
		if len(children) != 5 {
			t.Errorf("%d children: %v", len(children), children)
		}
		r.Kill()
		gone(t, children)
	})

	t.Run("names a busy port and its setting in one line before anything starts", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		port := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
		r := startRunner(t, path, "--data="+filepath.Join(dir, "other"), "--app-port="+port)
		if status := r.Status(); status != 1 {
			t.Errorf("status %d, want 1", status)
		}
		if out := r.String(); strings.Count(out, "\n") != 1 || !strings.Contains(out, port) ||
			!strings.Contains(out, "--app-port") {
			t.Errorf("says:\n%s", out)
		}
		if _, err := os.Stat(filepath.Join(dir, "other")); err == nil {
			t.Error("it had begun to work")
		}
	})
}
