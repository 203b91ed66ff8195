// Package sqldbtest runs a test on every database engine that this machine has.
//
// SQLite always; Postgres from TEST_POSTGRES_URL (a user that may create databases), or else a throwaway cluster that the
// test binary starts from the installed programs. A package that uses it calls [Main] from TestMain, which stops the cluster.
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
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the "pgx" driver

	"github.com/maru-auth/maru/internal/testenv"
)

// Main runs the tests (m is a *testing.M, or around one) and then stops the Postgres cluster, if one was started.
func Main(m interface{ Run() int }) {
	code := m.Run()
	if err := stopCluster(); err != nil {
		fmt.Fprintln(os.Stderr, "stop Postgres:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// Each runs test once an engine, as subtests "sqlite" and "postgres", with the URL of an empty database of its own.
func Each(t *testing.T, test func(t *testing.T, databaseURL string)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { test(t, SQLite(t)) })
	t.Run("postgres", func(t *testing.T) { test(t, Postgres(t)) })
}

// SQLite returns the URL of a new database file, removed when the test ends.
func SQLite(t testing.TB) string {
	return "sqlite:" + filepath.Join(t.TempDir(), "test.db")
}

// Postgres returns the URL of a new Postgres database, dropped when the test ends. Without Postgres the test is skipped; with CI=true it fails.
func Postgres(t testing.TB) string {
	t.Helper()
	admin, err := cluster()
	if errors.Is(err, ErrNoPostgres) {
		testenv.Absent(t, err.Error())
	}
	if err != nil {
		t.Fatal(err)
	}
	name := "maru_" + strings.ToLower(rand.Text())
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := execute(ctx, admin, `CREATE DATABASE `+name); err != nil {
		t.Fatalf("create a test database: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := execute(ctx, admin, `DROP DATABASE `+name+` WITH (FORCE)`); err != nil {
			t.Errorf("drop the test database: %v", err)
		}
	})
	u, err := url.Parse(admin)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + name
	return u.String()
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

var running struct {
	sync.Mutex
	started bool
	url     string
	err     error
	stop    func() error
}

// cluster returns the URL of a database to create others from. It starts the cluster at the first call.
func cluster() (string, error) {
	running.Lock()
	defer running.Unlock()
	if !running.started {
		running.started = true
		if u := os.Getenv("TEST_POSTGRES_URL"); u != "" {
			running.url = u
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
