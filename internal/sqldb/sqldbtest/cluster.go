package sqldbtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/maru-auth/maru/internal/testenv"
	"github.com/maru-auth/maru/internal/testenv/program"
)

// Settings of a cluster that need not survive anything, and has many small databases for a short
// time.
var throwaway = []string{
	"listen_addresses=", "max_connections=400", "shared_buffers=64MB", "fsync=off",
	"full_page_writes=off", "synchronous_commit=off", "wal_level=minimal", "max_wal_senders=0",
	"max_wal_size=256MB", "autovacuum=off", // which would go round the databases without end
}

// Start makes a Postgres cluster in a temporary folder, reachable by a unix socket there and
// nowhere else, and starts it. The stop function ends it and removes the folder; if this process
// dies without calling it, Postgres ends and the folder goes as well. The settings, such as
// "port=5433", go to Postgres last.
func Start(settings ...string) (adminURL string, stop func() error, err error) {
	return startIn(memory(), slices.Concat(throwaway, settings))
}

// StartDurable is [Start] with a cluster that keeps what it acknowledged through a power failure,
// as Postgres does by default, in the usual folder for temporary files: for what measures.
func StartDurable(settings ...string) (adminURL string, stop func() error, err error) {
	return startIn("", append([]string{"listen_addresses=", "max_connections=400"}, settings...))
}

func startIn(parent string, settings []string) (adminURL string, stop func() error, err error) {
	c, err := newFolder(parent)
	if err != nil {
		return "", nil, err
	}
	query := url.Values{"host": {c.dir}}
	for _, setting := range settings {
		if port, ok := strings.CutPrefix(setting, "port="); ok {
			query.Set("port", port)
		}
	}
	u := url.URL{Scheme: "postgres", User: url.User("postgres"), Path: "/postgres", RawQuery: query.Encode()}
	if err = c.initialize(); err == nil {
		err = c.start(u.String(), settings)
	}
	if err != nil {
		return "", nil, errors.Join(err, c.remove())
	}
	return u.String(), c.remove, nil
}

// A serverFolder is where a Postgres keeps everything, and the server that runs on it.
type serverFolder struct {
	bin     string // the folder of Postgres's programs
	dir     string
	account *syscall.SysProcAttr // who runs them

	lifeline io.WriteCloser // nil: no server runs
	exited   chan struct{}
	log      *program.Output
}

func newFolder(parent string) (*serverFolder, error) {
	bin, ok := testenv.PostgresBin()
	if !ok {
		return nil, ErrNoPostgres
	}
	dir, err := os.MkdirTemp(parent, "maru-pg-") // short: a socket's path has at most 107 bytes
	if err != nil {
		return nil, err
	}
	account, err := postgresAccount(dir)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return &serverFolder{bin: bin, dir: dir, account: account}, nil
}

func (c *serverFolder) data() string { return filepath.Join(c.dir, "data") }

// run runs one of Postgres's programs.
func (c *serverFolder) run(name string, args ...string) error {
	command := exec.Command(filepath.Join(c.bin, name), args...)
	command.Dir, command.SysProcAttr = c.dir, c.account
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", name, err, out)
	}
	return nil
}

func (c *serverFolder) initialize() error {
	return c.run("initdb", "--pgdata="+c.data(), "--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync",
		"--no-instructions")
}

// start starts the server with the settings, as what its folder says that it is, and returns when
// it can be asked at the URL.
func (c *serverFolder) start(adminURL string, settings []string) error {
	args := []string{"-D", c.data(), "-k", c.dir}
	for _, setting := range settings {
		args = append(args, "-c", setting)
	}
	// The shell waits until it is told to stop, or until its standard input closes, which happens
	// when this process ends, however it ends. Only then nobody else removes the folder.
	script := `"$0" "$@" </dev/null & pid=$!; read -r keep; kill -INT $pid 2>/dev/null; wait $pid; [ "$keep" ] || rm -rf "$PWD"/*`
	server := exec.Command("/bin/sh", append([]string{"-c", script, filepath.Join(c.bin, "postgres")}, args...)...)
	server.Dir, server.SysProcAttr = c.dir, c.account
	c.log = new(program.Output)
	server.Stdout, server.Stderr = c.log, c.log
	lifeline, err := server.StdinPipe()
	if err != nil {
		return err
	}
	if err := server.Start(); err != nil {
		return err
	}
	exited := make(chan struct{})
	c.lifeline, c.exited = lifeline, exited
	go func() {
		_ = server.Wait() // the shell's status is that of an interrupted server
		close(exited)
	}()
	if err := untilAnswering(adminURL, exited); err != nil {
		return fmt.Errorf("postgres: %w\n%s", err, c.log)
	}
	return nil
}

// stop ends the server in an orderly way, if one runs, and returns when it has ended. The folder
// stays.
func (c *serverFolder) stop() error {
	if c.lifeline == nil {
		return nil
	}
	_, err := io.WriteString(c.lifeline, "keep\n")
	err = errors.Join(err, c.lifeline.Close())
	<-c.exited
	c.lifeline = nil
	return err
}

// remove ends the server and removes the folder.
func (c *serverFolder) remove() error { return errors.Join(c.stop(), os.RemoveAll(c.dir)) }

// Create makes a database with that name, unless there is one, and returns its URL.
func Create(ctx context.Context, adminURL, name string) (databaseURL string, err error) {
	databaseURL, err = at(adminURL, name)
	if err != nil || execute(ctx, databaseURL, `SELECT 1`) == nil {
		return databaseURL, err
	}
	return databaseURL, execute(ctx, adminURL, `CREATE DATABASE `+name)
}

// untilAnswering waits until Postgres can be asked something.
func untilAnswering(databaseURL string, exited <-chan struct{}) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for {
		err := execute(ctx, databaseURL, `SELECT 1`)
		if err == nil {
			return nil
		}
		select {
		case <-exited:
			return errors.New("it ended at its start")
		case <-ctx.Done():
			return fmt.Errorf("it does not answer: %w", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// memory is a folder that is kept in memory and has room for a cluster, or empty: the usual one for
// temporary files.
func memory() string {
	const dir, room = "/dev/shm", 2 << 30
	var fs syscall.Statfs_t
	if syscall.Statfs(dir, &fs) != nil || fs.Bavail*uint64(fs.Bsize) < room {
		return ""
	}
	if syscall.Access(dir, 0o2) != nil {
		return ""
	}
	return dir
}

// postgresAccount tells as whom to run Postgres, which refuses to run as root, and gives that
// account the folder.
func postgresAccount(dir string) (*syscall.SysProcAttr, error) {
	attr := &syscall.SysProcAttr{Setpgid: true} // a Ctrl-C at the terminal is for the tests, which then stop Postgres
	if os.Geteuid() != 0 {
		return attr, nil
	}
	account, err := user.Lookup("postgres")
	if err != nil {
		account, err = user.Lookup("nobody")
	}
	if err != nil {
		return nil, errors.New("running as root, and there is no other account to run Postgres as")
	}
	uid, err := strconv.ParseUint(account.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(account.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	attr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return attr, os.Chown(dir, int(uid), int(gid))
}
