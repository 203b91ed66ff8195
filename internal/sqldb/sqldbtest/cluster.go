package sqldbtest

import (
	"context"
	"errors"
	"fmt"
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
	bin, ok := testenv.PostgresBin()
	if !ok {
		return "", nil, ErrNoPostgres
	}
	dir, err := os.MkdirTemp(parent, "maru-pg-") // short: a socket's path has at most 107 bytes
	if err != nil {
		return "", nil, err
	}
	remove := func() error { return os.RemoveAll(dir) }
	account, err := postgresAccount(dir)
	if err != nil {
		return "", nil, errors.Join(err, remove())
	}
	data := filepath.Join(dir, "data")
	initdb := exec.Command(filepath.Join(bin, "initdb"), "--pgdata="+data, "--username=postgres",
		"--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions")
	initdb.Dir, initdb.SysProcAttr = dir, account
	if out, err := initdb.CombinedOutput(); err != nil {
		return "", nil, errors.Join(fmt.Errorf("initdb: %w\n%s", err, out), remove())
	}

	// The shell waits until its standard input closes, which happens when this process ends,
	// however it ends.
	args := []string{"-D", data, "-k", dir}
	query := url.Values{"host": {dir}}
	for _, setting := range settings {
		args = append(args, "-c", setting)
		if port, ok := strings.CutPrefix(setting, "port="); ok {
			query.Set("port", port)
		}
	}
	script := `"$0" "$@" </dev/null & pid=$!; read -r _; kill -INT $pid 2>/dev/null; wait $pid; rm -rf "$PWD"/*`
	server := exec.Command("/bin/sh", append([]string{"-c", script, filepath.Join(bin, "postgres")}, args...)...)
	server.Dir, server.SysProcAttr = dir, account
	log := new(program.Output)
	server.Stdout, server.Stderr = log, log
	lifeline, err := server.StdinPipe()
	if err != nil {
		return "", nil, errors.Join(err, remove())
	}
	if err := server.Start(); err != nil {
		return "", nil, errors.Join(err, remove())
	}
	exited := make(chan struct{})
	go func() {
		_ = server.Wait() // the shell's status is that of an interrupted server
		close(exited)
	}()
	stop = func() error {
		closeErr := lifeline.Close()
		<-exited
		return errors.Join(closeErr, remove())
	}

	u := url.URL{Scheme: "postgres", User: url.User("postgres"), Path: "/postgres", RawQuery: query.Encode()}
	if err := untilAnswering(u.String(), exited); err != nil {
		return "", nil, errors.Join(fmt.Errorf("postgres: %w\n%s", err, log), stop())
	}
	return u.String(), stop, nil
}

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
