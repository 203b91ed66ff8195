package stack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// Programs are the paths of the stack's executables.
type Programs struct {
	AuthzServer, User, Board, Demo, Caddy string
}

// Build compiles the four programs of the repository at root into dir, and the pinned Caddy into Go's build cache. A first
// build of Caddy takes minutes; after that it is found in the cache. race builds our programs with the race detector.
func Build(ctx context.Context, root, dir string, race bool) (Programs, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return Programs{}, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return Programs{}, err
	}
	args := []string{"build", "-o", dir + string(filepath.Separator)}
	if race {
		args = append(args, "-race")
	}
	args = append(args, "./authz-server", "./resources/user", "./resources/board", "./client-demo")
	if _, err := goCommand(ctx, root, args...); err != nil {
		return Programs{}, err
	}
	caddy, err := Tool(ctx, root, "caddy")
	if err != nil {
		return Programs{}, err
	}
	return Programs{
		AuthzServer: filepath.Join(dir, "authz-server"),
		User:        filepath.Join(dir, "user"),
		Board:       filepath.Join(dir, "board"),
		Demo:        filepath.Join(dir, "client-demo"),
		Caddy:       caddy,
	}, nil
}

// BuildForTests is [Build] into bin/tests of the repository, which all tests of programs share: what another test, or the last run,
// has linked from the same source is not linked again. Tests of several packages may call it at once.
func BuildForTests(ctx context.Context, root string) (_ Programs, err error) {
	dir := filepath.Join(root, "bin", "tests")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return Programs{}, err
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return Programs{}, err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return Programs{}, fmt.Errorf("lock %s: %w", dir, err)
	}
	return Build(ctx, root, dir, false)
}

// Tool compiles a tool that is pinned in deploy/tools, such as "caddy", and returns the path of its executable.
func Tool(ctx context.Context, root, name string) (string, error) {
	out, err := goCommand(ctx, root, "tool", "-modfile="+filepath.Join("deploy", "tools", name, "go.mod"), "-n", name)
	if err != nil {
		return "", err
	}
	path := strings.TrimSpace(out)
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("go tool -n %s: %w", name, err)
	}
	return path, nil
}

func goCommand(ctx context.Context, root string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = root
	var out, log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &log
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, bytes.TrimSpace(log.Bytes()))
	}
	return out.String(), nil
}

// Root finds the repository's folder: the nearest one at or above the working directory that holds our Caddyfile.
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
