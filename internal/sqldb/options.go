package sqldb

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Options is the part of a program's settings that says how it uses its database. The tags are
// kong's; embed it, and set kong's variable database_url to the default of --database-url. The zero
// Options has no time limits; its other fields have the defaults that their tags name.
//
// All programs bound what a request can wait for, so that a database that is locked, silent or gone
// costs each request seconds and an answer that says so ([ErrUnavailable]), and never all
// connections for as long as the fault lasts.
type Options struct {
	DatabaseURL string `help:"The database: sqlite:PATH, or postgres://USER:PASSWORD@HOST/NAME?sslmode=verify-full." default:"${database_url}" placeholder:"URL"`

	DatabaseReadURL    string        `name:"database-read-url" help:"A replica of the database for reads that may lag, such as lists: postgres://… as for --database-url. The database itself answers them while the replica is away or too far behind, and the replica while the database is away. Empty: there is none." placeholder:"URL"`
	DatabaseReadMaxLag time.Duration `name:"database-read-max-lag" help:"How far behind the replica may be." default:"10s"`

	DatabaseTransactionPooling bool `help:"The database URLs lead to a pooler that gives each transaction another connection, such as PgBouncer in transaction mode: nothing is prepared or set for a session. Set lock_timeout and idle_in_transaction_session_timeout for the role instead."`

	DatabaseMaxConnections   int           `help:"How many connections this process opens to Postgres for requests at most; one more is for health checks. On SQLite, how many readers." default:"8"`
	DatabaseConnectTimeout   time.Duration `help:"How long connecting to one host of Postgres may take. 0: no limit." default:"3s"`
	DatabaseWaitTimeout      time.Duration `help:"How long a request waits for a free connection, also while Postgres accepts no more. 0: no limit." default:"3s"`
	DatabaseLockTimeout      time.Duration `help:"How long a statement waits for a lock. 0: no limit; on SQLite, 10s." default:"3s"`
	DatabaseStatementTimeout time.Duration `help:"How long a statement may take. 0: no limit." default:"5s"`
	DatabaseBatchTimeout     time.Duration `help:"How long a statement of a migration or of an operator's command may take. 0: no limit." default:"10m"`
	DatabaseTCPTimeout       time.Duration `name:"database-tcp-timeout" help:"How long Postgres may leave packets unanswered before a connection counts as broken. 0: the operating system's own limit." default:"15s"`

	InsecureDatabaseTransport bool `help:"Allow a Postgres on another machine without sslmode=verify-full. Passwords and data can then be read and changed in transit."`

	// Create creates the file of an SQLite database that is missing, and its folder. Only a program
	// that serves sets it: a command that worked on an empty database by mistake would seem to
	// succeed.
	Create bool `kong:"-"`

	// Now is the clock to compare with the database's. Nil: no comparison.
	Now func() time.Time `kong:"-"`
}

// ForBatch returns opts for an operator's command: each of its statements may take as long as the
// batch timeout says.
func (opts Options) ForBatch() Options {
	opts.DatabaseStatementTimeout = opts.DatabaseBatchTimeout
	opts.DatabaseLockTimeout = batchLockTimeout
	opts.DatabaseWaitTimeout = batchLockTimeout
	return opts
}

// batchLockTimeout is how long a migration or a command waits for a lock. On Postgres, everybody
// else queues behind a statement that waits for an exclusive lock on a table, so it must give up
// soon.
const batchLockTimeout = 10 * time.Second

// answerGrace is how much longer than Postgres itself we wait before a statement counts as
// unanswered.
const answerGrace = 2 * time.Second

func (opts Options) check() error {
	if opts.DatabaseMaxConnections < 0 || opts.DatabaseMaxConnections > 10_000 {
		return fmt.Errorf("--database-max-connections must be from 1 to 10000")
	}
	if opts.DatabaseReadURL != "" && strings.HasPrefix(opts.DatabaseURL, "sqlite:") {
		return errors.New("--database-read-url is for Postgres; SQLite has no replicas")
	}
	if opts.DatabaseReadURL != "" && !strings.HasPrefix(opts.DatabaseReadURL, "postgres://") &&
		!strings.HasPrefix(opts.DatabaseReadURL, "postgresql://") {
		return errors.New(`--database-read-url must be "postgres://…"`)
	}
	for _, one := range []struct {
		flag  string
		value time.Duration
	}{
		{"--database-connect-timeout", opts.DatabaseConnectTimeout},
		{"--database-wait-timeout", opts.DatabaseWaitTimeout},
		{"--database-lock-timeout", opts.DatabaseLockTimeout},
		{"--database-statement-timeout", opts.DatabaseStatementTimeout},
		{"--database-batch-timeout", opts.DatabaseBatchTimeout},
		{"--database-tcp-timeout", opts.DatabaseTCPTimeout},
		{"--database-read-max-lag", opts.DatabaseReadMaxLag},
	} {
		// Postgres counts milliseconds in 32 bits.
		if one.value < 0 || one.value > 0 && one.value < 10*time.Millisecond || one.value > 24*24*time.Hour {
			return fmt.Errorf("%s must be 0 or from 10ms to 576h", one.flag)
		}
	}
	return nil
}

func (opts Options) maxLag() time.Duration {
	if opts.DatabaseReadMaxLag == 0 {
		return 10 * time.Second
	}
	return opts.DatabaseReadMaxLag
}

func (opts Options) maxConnections() int {
	if opts.DatabaseMaxConnections == 0 {
		return 8
	}
	return opts.DatabaseMaxConnections
}

// answerTimeout is how long we wait for the answer to a statement. Zero: no limit.
func (opts Options) answerTimeout() time.Duration {
	if opts.DatabaseStatementTimeout == 0 {
		return 0
	}
	return opts.DatabaseStatementTimeout + answerGrace
}
