// Package sqldbtest runs a test on every database engine that this machine has.
//
// SQLite always; Postgres from TEST_POSTGRES_URL (a user that may create databases), or else a
// throwaway cluster: the one that "make test" started for all packages, or one that the test binary
// starts from the installed programs. A package that uses it calls [Main] or [MainMigrated] from
// TestMain, which stops the cluster.
package sqldbtest

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the "pgx" driver

	"github.com/maru-auth/maru/internal/testenv"
)

// Main runs the tests (m is a *testing.M, or around one) and then stops the Postgres cluster, if
// this process started one. Every database of the tests is empty at first.
func Main(m interface{ Run() int }) { MainMigrated(m, nil) }

// A Migration brings the schema of a database up to date, and closes the database.
type Migration func(ctx context.Context, databaseURL string) error

// MainMigrated is [Main] for tests whose databases have a schema from the start: migrate runs once
// for each engine, and what it made is copied, which takes a fraction of the time. [EachEmpty],
// [EmptySQLite] and [EmptyPostgres] still return empty ones.
func MainMigrated(m interface{ Run() int }, migrate Migration) {
	migration = migrate
	code := m.Run()
	if err := errors.Join(templates.remove(), stopCluster()); err != nil {
		fmt.Fprintln(os.Stderr, "end of the tests' databases:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// Each runs test once an engine, as subtests "sqlite" and "postgres", with the URL of a database of
// its own.
func Each(t *testing.T, test func(t *testing.T, databaseURL string)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { test(t, SQLite(t)) })
	t.Run("postgres", func(t *testing.T) { test(t, Postgres(t)) })
}

// EachEmpty is [Each] with databases that have no schema.
func EachEmpty(t *testing.T, test func(t *testing.T, databaseURL string)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { test(t, EmptySQLite(t)) })
	t.Run("postgres", func(t *testing.T) { test(t, EmptyPostgres(t)) })
}

// SQLite returns the URL of a new database file, removed when the test ends.
func SQLite(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "test.db")
	if migration == nil {
		return "sqlite:" + path
	}
	content, err := templates.sqlite()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return "sqlite:" + path
}

// EmptySQLite returns the URL of a database file that does not exist yet; its folder is removed
// when the test ends.
func EmptySQLite(t testing.TB) string {
	return "sqlite:" + filepath.Join(t.TempDir(), "test.db")
}

// Postgres returns the URL of a new Postgres database, dropped when the test ends. Without Postgres
// the test is skipped; with CI=true it fails.
func Postgres(t testing.TB) string {
	t.Helper()
	admin := needCluster(t)
	if migration == nil {
		return create(t, admin, "")
	}
	template, err := templates.postgres(admin)
	if err != nil {
		t.Fatal(err)
	}
	return create(t, admin, " TEMPLATE "+template)
}

// EmptyPostgres is [Postgres] for a database that has no schema.
func EmptyPostgres(t testing.TB) string {
	t.Helper()
	return create(t, needCluster(t), "")
}

func needCluster(t testing.TB) (adminURL string) {
	t.Helper()
	admin, err := cluster()
	if errors.Is(err, ErrNoPostgres) {
		testenv.Absent(t, err.Error())
	}
	if err != nil {
		t.Fatal(err)
	}
	return admin
}

// create makes a database of the test's own.
func create(t testing.TB, admin, options string) string {
	t.Helper()
	name := newName()
	if err := administer(admin, `CREATE DATABASE `+name+options+fileCopy(admin)); err != nil {
		t.Fatalf("create a test database: %v", err)
	}
	t.Cleanup(func() {
		if err := administer(admin, `DROP DATABASE `+name+` WITH (FORCE)`); err != nil {
			t.Errorf("drop the test database: %v", err)
		}
	})
	u, err := at(admin, name)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// fileCopy has Postgres copy a database's files as they are, where it can (since version 15) and
// need not wait for a disk: that takes half the time of writing all pages to its log.
func fileCopy(admin string) string {
	running.Lock()
	defer running.Unlock()
	if running.asked {
		return running.fileCopy
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	db, err := sql.Open("pgx", admin)
	if err != nil {
		return ""
	}
	defer db.Close()
	var can bool
	const question = `SELECT current_setting('server_version_num')::int >= 150000 AND current_setting('fsync') = 'off'`
	if db.QueryRowContext(ctx, question).Scan(&can) == nil && can {
		running.fileCopy = " STRATEGY FILE_COPY"
	}
	running.asked = true
	return running.fileCopy
}

func newName() string { return "maru_" + strings.ToLower(rand.Text()) }

// at is the URL of another database of the cluster.
func at(admin, name string) (string, error) {
	u, err := url.Parse(admin)
	if err != nil {
		return "", err
	}
	u.Path = "/" + name
	return u.String(), nil
}

// migration makes what new databases are copied from; nil: they are empty.
var migration Migration

// templates are the databases that others are copied from, each made when it is first needed.
var templates templateSet

type templateSet struct {
	mu     sync.Mutex
	file   []byte // of SQLite
	admin  string // of the cluster that has the Postgres one
	name   string // of the Postgres one; empty: not made yet
	failed error  // of the first attempt; there is no second
}

const migrateLimit = 2 * time.Minute

func (s *templateSet) sqlite() ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file != nil || s.failed != nil {
		return s.file, s.failed
	}
	dir, err := os.MkdirTemp("", "maru-template-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "template.db")
	ctx, cancel := context.WithTimeout(context.Background(), migrateLimit)
	defer cancel()
	if err = migration(ctx, "sqlite:"+path); err == nil {
		s.file, err = os.ReadFile(path)
	}
	s.failed = err
	return s.file, err
}

func (s *templateSet) postgres(admin string) (name string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.name != "" || s.failed != nil {
		return s.name, s.failed
	}
	name = newName()
	u, err := at(admin, name)
	if err == nil {
		err = administer(admin, `CREATE DATABASE `+name)
	}
	if err != nil {
		s.failed = err
		return "", err
	}
	s.admin, s.name = admin, name
	ctx, cancel := context.WithTimeout(context.Background(), migrateLimit)
	defer cancel()
	s.failed = migration(ctx, u)
	return name, s.failed
}

// remove drops what the cluster would keep.
func (s *templateSet) remove() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.name == "" {
		return nil
	}
	return administer(s.admin, `DROP DATABASE `+s.name+` WITH (FORCE)`)
}

// administer runs a statement with a bound of its own: what cleans up also runs after a test's
// context has ended.
func administer(admin, statement string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return execute(ctx, admin, statement)
}

func execute(ctx context.Context, databaseURL, statement string) error {
	db, err := sql.Open("pgx", databaseURL)
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, statement)
	return errors.Join(err, db.Close())
}

// ErrNoPostgres is returned where this machine has no Postgres.
var ErrNoPostgres = errors.New("no Postgres: neither TEST_POSTGRES_URL nor the programs initdb and postgres")

// SharedCluster is the environment variable by which "make test" tells the URL of its cluster.
const SharedCluster = "MARU_SHARED_POSTGRES_URL"

var running struct {
	sync.Mutex
	started bool
	url     string
	err     error
	stop    func() error

	asked    bool // fileCopy is known
	fileCopy string
}

// cluster returns the URL of a database to create others from. It starts the cluster at the first
// call.
func cluster() (string, error) {
	running.Lock()
	defer running.Unlock()
	if !running.started {
		running.started = true
		// syscall's Getenv, because "go test" would count a variable that os.Getenv reads among
		// what the result depends on: the URL is another one each time, and no result would be
		// taken from the cache.
		shared, _ := syscall.Getenv(SharedCluster)
		if u := os.Getenv("TEST_POSTGRES_URL"); u != "" {
			running.url = u
		} else if shared != "" {
			running.url = shared
		} else {
			running.url, running.stop, running.err = Start()
		}
	}
	return running.url, running.err
}

func stopCluster() error {
	running.Lock()
	defer running.Unlock()
	if running.stop == nil {
		return nil
	}
	return running.stop()
}
