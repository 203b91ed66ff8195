package stack

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/maru-auth/maru/internal/testenv/lastrelease"
)

// Programs are the paths of the stack's executables.
type Programs struct {
	AuthzServer, User, Board, Demo, Caddy string
}

// in returns the programs that a build left in dir.
func in(dir, caddy string) Programs {
	return Programs{
		AuthzServer: filepath.Join(dir, "authz-server"),
		User:        filepath.Join(dir, "user"),
		Board:       filepath.Join(dir, "board"),
		Demo:        filepath.Join(dir, "client-demo"),
		Caddy:       caddy,
	}
}

// A Go is a go command. The zero value is the one in PATH.
type Go struct {
	Command string   // its path
	Env     []string // on top of this process's environment
}

// Build compiles the four programs of the repository at root into dir, and the pinned Caddy into
// Go's build cache. A first build of Caddy takes minutes; after that it is found in the cache. The
// flags, such as "-tags=libcrypto", are for the four.
func Build(ctx context.Context, root, dir string, flags ...string) (Programs, error) {
	return build(ctx, Go{}, root, dir, nil, flags)
}

// BuildWith is [Build] with another go command for the four programs.
func BuildWith(ctx context.Context, command Go, root, dir string, flags ...string) (Programs, error) {
	return build(ctx, command, root, dir, nil, flags)
}

// BuildAloud is [Build] that tells out of its steps, and while one of them takes long, how far it
// is.
func BuildAloud(ctx context.Context, root, dir string, out io.Writer) (Programs, error) {
	return build(ctx, Go{}, root, dir, &aloud{out: out, every: 5 * time.Second}, []string{"-v"})
}

func build(ctx context.Context, command Go, root, dir string, a *aloud, flags []string) (Programs, error) {
	if err := a.step("Building the programs (1 of 2)", func(log io.Writer) error {
		return command.buildPrograms(ctx, root, dir, log, flags)
	}); err != nil {
		return Programs{}, err
	}
	var caddy string
	if err := a.step("Building the gateway, Caddy (2 of 2)", func(log io.Writer) (err error) {
		if a != nil { // "go tool" cannot say what it compiles; it finds all of this in the cache, and only links
			args := append([]string{"build", "-v", "-modfile=" + toolModule("caddy")}, caddyPackages...)
			if _, err := (Go{}).run(ctx, root, log, args...); err != nil {
				return err
			}
		}
		caddy, err = Tool(ctx, root, "caddy")
		return err
	}); err != nil {
		return Programs{}, err
	}
	return in(dir, caddy), nil
}

// buildPrograms compiles the four programs of root into dir.
func (g Go) buildPrograms(ctx context.Context, root, dir string, log io.Writer, flags []string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	args := append([]string{"build", "-o", dir + string(filepath.Separator)}, flags...)
	_, err = g.run(ctx, root, log, append(args, "./authz-server", "./resources/user", "./resources/board", "./client-demo")...)
	return err
}

// BuiltForTests is the environment variable by which "make test" says that it has just called
// [BuildForTests] for all packages. Its value is the path of Caddy.
const BuiltForTests = "MARU_TEST_CADDY"

// BuildForTests is [Build] into bin/tests of the repository, which all tests of programs share:
// what another test, or the last run, has linked from the same source is not linked again. Tests of
// several packages may call it at once.
func BuildForTests(ctx context.Context, root string) (_ Programs, err error) {
	dir, err := filepath.Abs(filepath.Join(root, "bin", "tests"))
	if err != nil {
		return Programs{}, err
	}
	if caddy := os.Getenv(BuiltForTests); caddy != "" {
		return in(dir, caddy), nil
	}
	unlock, err := lockFolder(dir)
	if err != nil {
		return Programs{}, err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	return Build(ctx, root, dir)
}

// BuildLastReleaseForTests compiles the programs of the release before into a folder of bin/tests
// that all tests and later runs share. Caddy is that of root. The error wraps
// [lastrelease.ErrAbsent] where the repository's history lacks the release.
func BuildLastReleaseForTests(ctx context.Context, root string) (_ Programs, err error) {
	release, err := lastrelease.Find(ctx, root)
	if err != nil {
		return Programs{}, err
	}
	caddy, err := Tool(ctx, root, "caddy")
	if err != nil {
		return Programs{}, err
	}
	dir, err := filepath.Abs(filepath.Join(root, "bin", "tests", release.Tag+"-"+release.Commit[:12]))
	if err != nil {
		return Programs{}, err
	}
	unlock, err := lockFolder(dir)
	if err != nil {
		return Programs{}, err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	complete := filepath.Join(dir, "complete") // written once all of them are there
	if _, err := os.Stat(complete); err == nil {
		return in(dir, caddy), nil
	}
	source, err := os.MkdirTemp("", "maru-"+release.Tag)
	if err != nil {
		return Programs{}, err
	}
	defer os.RemoveAll(source)
	if err := release.Extract(ctx, root, source); err != nil {
		return Programs{}, err
	}
	if err := (Go{}).buildPrograms(ctx, source, dir, nil, nil); err != nil {
		return Programs{}, fmt.Errorf("build %s: %w", release.Tag, err)
	}
	return in(dir, caddy), os.WriteFile(complete, nil, 0o600)
}

// lockFolder makes the folder dir where it is missing, and keeps other processes that ask for it
// waiting until unlock.
func lockFolder(dir string) (unlock func() error, err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", dir, err), lock.Close())
	}
	return lock.Close, nil
}

// Tool compiles a tool that is pinned in deploy/tools, such as "caddy", and returns the path of its
// executable.
func Tool(ctx context.Context, root, name string) (string, error) {
	out, err := Go{}.run(ctx, root, nil, "tool", "-modfile="+toolModule(name), "-n", name)
	if err != nil {
		return "", err
	}
	path := strings.TrimSpace(out)
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("go tool -n %s: %w", name, err)
	}
	return path, nil
}

func toolModule(name string) string { return filepath.Join("deploy", "tools", name, "go.mod") }

// caddyPackages are what Caddy's main package imports. To build them compiles all of Caddy, and
// unlike a build of the main package it does not link.
var caddyPackages = []string{"github.com/caddyserver/caddy/v2/cmd", "github.com/caddyserver/caddy/v2/modules/standard"}

// run returns what the command prints. What it says on standard error goes to aside too, unless that
// is nil.
func (g Go) run(ctx context.Context, root string, aside io.Writer, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, cmp.Or(g.Command, "go"), args...)
	cmd.Dir, cmd.Env = root, append(os.Environ(), g.Env...)
	var out, log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &log
	if aside != nil {
		cmd.Stderr = io.MultiWriter(&log, aside)
	}
	if err := cmd.Run(); err != nil {
		said := slices.DeleteFunc(bytes.SplitAfter(log.Bytes(), []byte("\n")),
			func(line []byte) bool { return isPackage(bytes.TrimSuffix(line, []byte("\n"))) })
		return "", fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, bytes.TrimSpace(bytes.Join(said, nil)))
	}
	return out.String(), nil
}

// Root finds the repository's folder: the nearest one at or above the working directory that holds
// our Caddyfile.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "deploy", "Caddyfile")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("no deploy/Caddyfile here or above: run this inside the repository")
		}
		dir = parent
	}
}
