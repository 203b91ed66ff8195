package stack

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/internal/testenv"
)

func TestMain(m *testing.M) {
	if os.Getenv("STACK_TEST_RUNNER") == "1" {
		runner()
	}
	os.Exit(m.Run())
}

// runner is the program that TestNoPartOutlivesAKilledRunner kills.
func runner() {
	p, err := start(Part{Name: "sleeper", Program: "/bin/sh", Args: []string{"-c", "exec sleep 600"}}, os.Environ(), &lines{})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(p.cmd.Process.Pid)
	select {}
}

func TestNoPartOutlivesAKilledRunner(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the parent-death signal is Linux's")
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "STACK_TEST_RUNNER=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatalf("the runner said %q", line)
	}
	if !alive(pid) {
		t.Fatal("the part does not run, so that this test would prove nothing")
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait() // its status is that it was killed
	testenv.Eventually(t, "the part ends with its killed runner", func() bool { return !alive(pid) })
}

// alive tells whether the process runs; a dead one that nobody has waited for does not.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, state, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(state, "Z")
}

func shell(t *testing.T, log *bytes.Buffer, script string) *process {
	t.Helper()
	p, err := start(Part{Name: "part", Program: "/bin/sh", Args: []string{"-c", script}}, os.Environ(), &lines{to: log, width: 6})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	return p
}

func TestAnExitKeepsThePartsStatus(t *testing.T) {
	for script, want := range map[string]int{"exit 0": 0, "exit 3": 3, "kill -KILL $$": 137, "kill -TERM $$": 143} {
		p := shell(t, &bytes.Buffer{}, script)
		<-p.done
		if p.exit.Code != want || (p.exit.Err == nil) != (want == 0) {
			t.Errorf("%s: status %d, error %v; want %d", script, p.exit.Code, p.exit.Err, want)
		}
	}
}

func TestAPartThatIgnoresTheRequestToStopIsKilledAfterTheLimit(t *testing.T) {
	deaf := filepath.Join(t.TempDir(), "deaf")
	p := shell(t, &bytes.Buffer{}, `trap "" TERM; touch `+deaf+`; while :; do sleep 0.1; done`)
	testenv.Eventually(t, "the part has started", func() bool {
		_, err := os.Stat(deaf)
		return err == nil
	})
	limit := make(chan time.Time)
	close(limit)
	p.stop(limit)
	if p.exit.Code != 137 {
		t.Errorf("status %d, want 137", p.exit.Code)
	}
}

func TestEveryLineOfTheLogNamesItsPart(t *testing.T) {
	var log bytes.Buffer
	p := shell(t, &log, `printf 'one\ntw'; printf 'o\n\nlast without newline'`)
	<-p.done
	if want := "part   | one\npart   | two\npart   | \npart   | last without newline\n"; log.String() != want {
		t.Errorf("log:\n%swant:\n%s", log.String(), want)
	}
}

func TestABusyPortIsOneLineWithThePortAndTheSetting(t *testing.T) {
	ports, err := FreePorts(1)
	if err != nil {
		t.Fatal(err)
	}
	if err := ports.Check(); err != nil {
		t.Fatalf("free ports are busy: %v", err)
	}
	l, err := net.Listen("tcp", address(ports.API))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	err = ports.Check()
	if err == nil {
		t.Fatal("a busy port was not noticed")
	}
	for _, want := range []string{strconv.Itoa(ports.API), "--api-port", "DEV_API_PORT"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not name %s", err, want)
		}
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("more than a line: %q", err)
	}

	other, err := net.Listen("tcp", address(ports.Board))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	err = ports.Check()
	for _, want := range []string{"DEV_API_PORT", "DEV_BOARD_PORT", "DEV_PORTS=free"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("with two busy ports, %v does not name %s", err, want)
		}
	}
}

func TestABuildTellsHowFarItIs(t *testing.T) {
	var out bytes.Buffer
	a := &aloud{out: &out, every: time.Millisecond}
	told := func(want string) { // the writer of the step is the only one while the ticker is read
		if !strings.Contains(out.String(), want) {
			t.Errorf("said:\n%swithout %q", out.String(), want)
		}
	}
	if err := a.step("Building", func(log io.Writer) error {
		_, err := io.WriteString(log, "go: downloading example.com/a v1.0.0\ninternal/abi\nexample.com/a\n"+
			"# example.com/b\nb.go:1:1: wrong\nunfinished")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	told("Building…\n")
	told("1 modules downloaded, 2 packages compiled")
	failed := errors.New("failed")
	if err := a.step("Building", func(io.Writer) error { return failed }); !errors.Is(err, failed) {
		t.Errorf("%v", err)
	}
	if err := (*aloud)(nil).step("Building", func(io.Writer) error { return failed }); !errors.Is(err, failed) {
		t.Errorf("%v", err)
	}
}

func TestNoProgramSeesAnothersSettings(t *testing.T) {
	part := Part{Prefix: "USER_", Env: []string{"USER_LISTEN=ours"}}
	env := part.Environment([]string{"PATH=/bin", "USER_LOG_LEVEL=debug", "USER_LISTEN=theirs",
		"AUTHZ_KEY_ENCRYPTION_KEY=secret", "AWS_SECRET=x", "SUPERUSER_X=1"})
	if want := []string{"PATH=/bin", "USER_LOG_LEVEL=debug", "USER_LISTEN=theirs", "USER_LISTEN=ours"}; !slices.Equal(env, want) {
		t.Errorf("%v, want %v (os/exec takes the last of two)", env, want)
	}
}

func plan(t *testing.T, ports Ports, env ...string) (*Stack, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	s, err := New(Config{Root: filepath.Join("..", ".."), Dir: dir, Ports: ports, Env: env})
	if err != nil {
		t.Fatal(err)
	}
	return s, dir
}

func TestTheKeyEncryptionKeyIsMadeOnceAndPrivate(t *testing.T) {
	_, dir := plan(t, DevelopmentPorts())
	path := filepath.Join(dir, "authz.kek")
	first, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(first))); err != nil || len(key) != 32 {
		t.Errorf("%d bytes, %v; want 32 in base64", len(key), err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, want 0600", info.Mode())
	}
	if _, err := New(Config{Root: filepath.Join("..", ".."), Dir: dir, Ports: DevelopmentPorts()}); err != nil {
		t.Fatal(err)
	}
	if second, err := os.ReadFile(path); err != nil || !bytes.Equal(first, second) {
		t.Errorf("a second start changed the key (%v)", err)
	}
}

func TestTheDemosRedirectsFollowItsOrigin(t *testing.T) {
	ports, err := FreePorts(1)
	if err != nil {
		t.Fatal(err)
	}
	_, dir := plan(t, ports)
	text, err := os.ReadFile(filepath.Join(dir, "clients.json"))
	if err != nil {
		t.Fatal(err)
	}
	var clients []struct {
		ID           string   `json:"client_id"`
		RedirectURIs []string `json:"redirect_uris"`
		PostLogout   []string `json:"post_logout_redirect_uris"`
	}
	if err := json.Unmarshal(text, &clients); err != nil {
		t.Fatal(err)
	}
	app := ports.Origins().App
	for _, c := range clients {
		if c.ID == "demo" && slices.Equal(c.RedirectURIs, []string{app + "/callback"}) &&
			slices.Equal(c.PostLogout, []string{app + "/"}) {
			return
		}
	}
	t.Errorf("no demo client with its redirects at %s:\n%s", app, text)
}

func TestDatabasesComeFromTheEnvironment(t *testing.T) {
	s, dir := plan(t, DevelopmentPorts(), "USER_DATABASE_URL=postgres://u@h/user")
	for name, want := range map[string]string{
		"authz-server": "AUTHZ_DATABASE_URL=sqlite:" + filepath.Join(dir, "authz.db"),
		"user":         "USER_DATABASE_URL=postgres://u@h/user",
		"board":        "BOARD_DATABASE_URL=sqlite:" + filepath.Join(dir, "board.db"),
	} {
		part, err := s.part(name)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Contains(part.Env, want) {
			t.Errorf("%s runs with %v, want %s", name, part.Env, want)
		}
	}
}

func TestAStartEndsWithThePartThatFailsAndLeavesNothingBehind(t *testing.T) {
	ports, err := FreePorts(1)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	program := func(name, script string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
		return path
	}
	waiting := program("waiting", "exec sleep 600")
	s, err := New(Config{
		Root: filepath.Join("..", ".."), Dir: t.TempDir(), Ports: ports, Env: os.Environ(),
		Programs: Programs{
			AuthzServer: program("authz-server", `[ "$1" != serve ] || exit 7`), // its other commands work
			User:        waiting, Board: waiting, Demo: waiting, Caddy: waiting,
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	err = s.Start(ctx)
	var exit Exit
	if !errors.As(err, &exit) || exit.Part != "authz-server" || exit.Code != 7 {
		t.Fatalf("Start: %v, want the exit of the authorization server with status 7", err)
	}
	for name, p := range s.running {
		if !p.ended() {
			t.Errorf("%s goes on running", name)
		}
	}
}
