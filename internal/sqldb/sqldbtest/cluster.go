package sqldbtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/maru-auth/maru/internal/testenv"
)

// Start makes a Postgres cluster in a temporary folder, reachable by a unix socket there and nowhere else, and starts
// it. The stop function ends it and removes the folder; if this process dies without calling it, Postgres ends as well. The settings, such as
// "port=5433", go to Postgres last.
func Start(settings ...string) (adminURL string, stop func() error, err error) {
	bin, ok := testenv.PostgresBin()
	if !ok {
		return "", nil, ErrNoPostgres
	}
	dir, err := os.MkdirTemp("", "maru-pg-") // short: a socket's path has at most 107 bytes
	if err != nil {
		return "", nil, err
	}
	remove := func() error { return os.RemoveAll(dir) }
	account, err := postgresAccount(dir)
	if err != nil {
		return "", nil, errors.Join(err, remove())
	}
	data := filepath.Join(dir, "data")
	initdb := exec.Command(filepath.Join(bin, "initdb"), "--pgdata="+data, "--username=postgres", "--auth=trust",
		"--encoding=UTF8", "--locale=C", "--no-sync")
	initdb.Dir, initdb.SysProcAttr = dir, account
	if out, err := initdb.CombinedOutput(); err != nil {
		return "", nil, errors.Join(fmt.Errorf("initdb: %w\n%s", err, out), remove())
	}

	// The shell waits until its standard input closes, which happens when this process ends, however it ends.
	args := []string{
		"-D", data, "-k", dir, "-c", "listen_addresses=",
		"-c", "fsync=off", "-c", "full_page_writes=off", "-c", "synchronous_commit=off", "-c", "max_connections=300", "-c", "shared_buffers=64MB",
	}
	query := url.Values{"host": {dir}}
	for _, setting := range settings {
		args = append(args, "-c", setting)
		if port, ok := strings.CutPrefix(setting, "port="); ok {
			query.Set("port", port)
		}
	}
	script := `"$0" "$@" </dev/null & pid=$!; read -r _; kill -INT $pid 2>/dev/null; wait $pid`
	server := exec.Command("/bin/sh", append([]string{"-c", script, filepath.Join(bin, "postgres")}, args...)...)
	server.Dir, server.SysProcAttr = dir, account
	var log bytes.Buffer
	server.Stdout, server.Stderr = &log, &log
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
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for {
		err := execute(ctx, u.String(), `SELECT 1`)
		if err == nil {
			return u.String(), stop, nil
		}
		select {
		case <-exited:
			return "", nil, errors.Join(fmt.Errorf("postgres ended at its start:\n%s", log.Bytes()), remove())
		case <-ctx.Done():
			return "", nil, errors.Join(fmt.Errorf("postgres does not answer: %w", err), stop())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// postgresAccount tells as whom to run Postgres, which refuses to run as root, and gives that account the folder.
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
