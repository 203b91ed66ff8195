package sqldbtest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/maru-auth/maru/internal/freeport"
	"github.com/maru-auth/maru/internal/testenv"
)

// A Pair is a primary of Postgres and its synchronous standby, on ports of loopback. What the
// primary acknowledges, the standby has.
type Pair struct {
	First, Second *Server // the primary at first, and its standby
}

// A Server is one of a [Pair].
type Server struct {
	t      testing.TB
	folder *serverFolder
	port   int
}

// StartPair starts a pair with empty databases of these names. It ends with the test, and with this
// process.
func StartPair(t testing.TB, databases ...string) *Pair {
	t.Helper()
	p := &Pair{First: newServer(t), Second: newServer(t)}
	if err := p.First.folder.initialize(); err != nil {
		t.Fatal(err)
	}
	p.First.Start()
	for _, name := range databases {
		p.First.Exec(`CREATE DATABASE ` + name)
	}
	p.Second.run("pg_basebackup", "--pgdata="+p.Second.folder.data(), "--write-recovery-conf", "--checkpoint=fast", "--no-sync",
		"--dbname="+p.First.URL("postgres")+"&application_name=second")
	p.Second.Start()
	// From here on no commit is acknowledged that the standby has not.
	p.First.Exec(`ALTER SYSTEM SET synchronous_standby_names = 'second'`)
	p.First.Exec(`SELECT pg_reload_conf()`)
	testenv.Eventually(t, "the standby is synchronous", func() bool {
		return administer(p.First.URL("postgres"), `SELECT 1 / count(*) FROM pg_stat_replication WHERE sync_state = 'sync'`) == nil
	})
	return p
}

// URL leads to a database on whichever server takes writes. The settings are more of its query.
func (p *Pair) URL(database string, settings ...string) string {
	return fmt.Sprintf("postgres://postgres@127.0.0.1:%d,127.0.0.1:%d/%s?%s", p.First.port, p.Second.port, database,
		strings.Join(append([]string{"target_session_attrs=read-write", "sslmode=disable"}, settings...), "&"))
}

// URL leads to a database on this server, whatever it is.
func (s *Server) URL(database string) string {
	u := url.URL{Scheme: "postgres", User: url.User("postgres"), Host: fmt.Sprint("127.0.0.1:", s.port),
		Path: "/" + database, RawQuery: "sslmode=disable"}
	return u.String()
}

func newServer(t testing.TB) *Server {
	t.Helper()
	folder, err := newFolder(memory())
	if errors.Is(err, ErrNoPostgres) {
		testenv.Absent(t, err.Error())
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := folder.remove(); err != nil {
			t.Error(err)
		}
	})
	port, release, err := freeport.Reserve()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(release)
	return &Server{t, folder, port}
}

func (s *Server) run(name string, args ...string) {
	s.t.Helper()
	if err := s.folder.run(name, args...); err != nil {
		s.t.Fatal(err)
	}
}

// Start starts the server, as what its folder says that it is, and returns when it can be asked.
func (s *Server) Start() {
	s.t.Helper()
	settings := slices.Concat(throwaway, []string{"listen_addresses=127.0.0.1", "port=" + strconv.Itoa(s.port), "wal_level=replica",
		"max_wal_senders=5", "synchronous_commit=on", "wal_receiver_status_interval=1", "wal_retrieve_retry_interval=200ms"})
	if err := s.folder.start(s.URL("postgres"), settings); err != nil {
		s.t.Fatal(err)
	}
}

// Stop stops the server in an orderly way.
func (s *Server) Stop() {
	s.t.Helper()
	if err := s.folder.stop(); err != nil {
		s.t.Error(err)
	}
}

// Exec runs a statement in the database postgres.
func (s *Server) Exec(statement string) {
	s.t.Helper()
	if err := administer(s.URL("postgres"), statement); err != nil {
		s.t.Fatalf("%s: %v", statement, err)
	}
}

// processes are the server's own: its first, and those that this one has started.
func (s *Server) processes() []int {
	s.t.Helper()
	text, err := os.ReadFile(filepath.Join(s.folder.data(), "postmaster.pid"))
	if err != nil {
		s.t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(first)
	if err != nil || pid <= 1 {
		s.t.Fatalf("postmaster.pid: %q", first)
	}
	db, err := sql.Open("pgx", s.URL("postgres"))
	if err != nil {
		s.t.Fatal(err)
	}
	defer db.Close()
	pids := []int{pid}
	rows, err := db.Query(`SELECT pid FROM pg_stat_activity`)
	if err != nil {
		s.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := rows.Scan(&pid); err != nil {
			s.t.Fatal(err)
		}
		pids = append(pids, pid)
	}
	if err := rows.Err(); err != nil {
		s.t.Fatal(err)
	}
	return pids
}

// Kill ends the server as a power failure would.
func (s *Server) Kill() {
	s.t.Helper()
	for _, pid := range s.processes() {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			s.t.Fatal(err)
		}
	}
	s.Stop()
}

// Pause stops the server's processes where they are, as a hanging machine would, until the returned
// function is called.
func (s *Server) Pause() (resume func()) {
	s.t.Helper()
	pids := s.processes()
	signal := func(which syscall.Signal) {
		for _, pid := range pids {
			if err := syscall.Kill(pid, which); err != nil && !errors.Is(err, syscall.ESRCH) {
				s.t.Error(err)
			}
		}
	}
	signal(syscall.SIGSTOP)
	done := false
	resume = func() {
		if !done {
			done = true
			signal(syscall.SIGCONT)
		}
	}
	s.t.Cleanup(resume)
	return resume
}

// Promote makes a standby the primary, and returns when it takes writes.
func (s *Server) Promote() {
	s.t.Helper()
	s.run("pg_ctl", "promote", "--pgdata="+s.folder.data(), "--wait", "--timeout=60")
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for execute(ctx, s.URL("postgres"), `CREATE TABLE IF NOT EXISTS promoted ()`) != nil {
		if ctx.Err() != nil {
			s.t.Fatalf("the promoted server takes no writes\n%s", s.folder.log)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
