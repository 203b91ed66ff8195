package sqldb

import (
	"context"
	"crypto/tls"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/maru-auth/maru/internal/sqldb/internal/fault"
)

// idleInTransaction is how long Postgres keeps a transaction open while its program sends nothing,
// in milliseconds: a program that hangs, or a machine that is gone, must not hold locks for ever.
const idleInTransaction = "30000"

func openPostgres(ctx context.Context, opts Options) (*DB, error) {
	db, err := newPostgres(opts, new(history))
	if err != nil {
		return nil, err
	}
	db.servers.look(ctx)
	if err := db.repeat(ctx, fault.Broken, func() error { return db.checks.PingContext(ctx) }); err != nil {
		return nil, errors.Join(fmt.Errorf("connect to Postgres at %s: %w%s", db.postgres.Host, err, hint(err)), db.Close())
	}
	if opts.DatabaseReadURL == "" {
		return db, nil
	}
	if err := db.addReplica(); err != nil {
		return nil, errors.Join(fmt.Errorf("--database-read-url: %w", err), db.Close())
	}
	return db, nil
}

// hint is what else to say of a connection that was refused.
func hint(err error) string {
	var refused *pgconn.PgError
	if errors.As(err, &refused) && strings.Contains(refused.Message, "unsupported startup parameter") {
		return "; a pooler such as PgBouncer needs --database-transaction-pooling"
	}
	return ""
}

// newPostgres makes the pools of a database that opts.DatabaseURL names, and does not connect.
func newPostgres(opts Options, known *history) (*DB, error) {
	connection, err := pgx.ParseConfig(opts.DatabaseURL)
	if err != nil { // its text may hold the password
		return nil, errors.New("the database URL is not one that Postgres understands; percent-encode " +
			"special characters in its password")
	}
	db := &DB{engine: Postgres, opts: opts, postgres: connection, sweeping: newSweepMeters()}
	if exposed := exposedHosts(&connection.Config); len(exposed) > 0 {
		if !opts.InsecureDatabaseTransport {
			return nil, fmt.Errorf("the connection to Postgres at %s would not be protected; add "+
				"sslmode=verify-full to the database URL, and sslrootcert=PATH for a CA of your own (or set "+
				"--insecure-database-transport)",
				strings.Join(exposed, ", "))
		}
		db.warning = "the connection to Postgres at " + strings.Join(exposed, ", ") + " is not protected: " +
			"passwords and data can be read and changed in transit (--insecure-database-transport)"
	}
	limitConnection(connection, opts)
	db.servers = &servers{connection: connection.Copy(), history: known}
	connection.ValidateConnect = db.servers.admit

	requests := db.openPool()
	requests.SetConnMaxIdleTime(5 * time.Minute)
	db.write = newPool(requests, opts.maxConnections())
	db.read = db.write
	db.checks = db.openPool()
	db.checks.SetMaxOpenConns(1)
	return db, nil
}

// openPool opens a pool of connections, each of which lives for an hour at most.
func (db *DB) openPool() *sql.DB {
	pool := stdlib.OpenDB(*db.postgres, stdlib.OptionShouldPing(db.shouldPing), stdlib.OptionResetSession(db.servers.fits))
	pool.SetConnMaxLifetime(time.Hour)
	return pool
}

// limitConnection adds the limits that the URL does not set to a connection's settings.
func limitConnection(connection *pgx.ConnConfig, opts Options) {
	set := func(name, value string) {
		if _, given := connection.RuntimeParams[name]; !given {
			connection.RuntimeParams[name] = value
		}
	}
	milliseconds := func(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }
	if opts.DatabaseTransactionPooling {
		// What is set for a session, or prepared in it, would stay behind for others, and the next
		// transaction is in another. A statement is described instead, and sent with its text.
		set = func(string, string) {}
		if connection.DefaultQueryExecMode == pgx.QueryExecModeCacheStatement {
			connection.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
		}
	}
	if opts.DatabaseStatementTimeout > 0 {
		set("statement_timeout", milliseconds(opts.DatabaseStatementTimeout))
	}
	if opts.DatabaseLockTimeout > 0 {
		set("lock_timeout", milliseconds(opts.DatabaseLockTimeout))
	}
	set("idle_in_transaction_session_timeout", idleInTransaction)
	// A page of a table with millions of rows is read in a millisecond, but may be estimated at the
	// cost of a tenth of the table (a plan for any LIMIT): Postgres would compile it for 100 ms each time.
	set("jit", "off")
	if connection.ConnectTimeout == 0 {
		connection.ConnectTimeout = opts.DatabaseConnectTimeout
	}
	dialer := &net.Dialer{Timeout: connection.ConnectTimeout}
	if limit := opts.DatabaseTCPTimeout; limit > 0 {
		// Postgres watches us in the same way, and frees the locks of a program that is gone.
		if network, _ := pgconn.NetworkAddress(connection.Host, connection.Port); network != "unix" {
			set("tcp_user_timeout", milliseconds(limit))
			set("tcp_keepalives_idle", seconds(limit/2))
			set("tcp_keepalives_interval", seconds(limit/6))
			set("tcp_keepalives_count", "3")
		}
		dialer.KeepAliveConfig = net.KeepAliveConfig{Enable: true, Idle: max(limit/2, time.Second), Interval: max(limit/6, time.Second), Count: 3}
		dialer.Control = userTimeout(limit)
	}
	connection.DialFunc = dialer.DialContext
}

// seconds is d in whole seconds, at least one.
func seconds(d time.Duration) string {
	return strconv.FormatInt(max(1, int64(d/time.Second)), 10)
}

// exposedHosts returns the hosts on other machines that a connection may lead to without TLS that
// verifies the host's name. It judges what pgx made of the URL, the environment and the service
// file together, because that is what will be dialed.
func exposedHosts(connection *pgconn.Config) []string {
	var exposed []string
	add := func(host string, port uint16, verification *tls.Config) {
		if local(host, port) || verification != nil && !verification.InsecureSkipVerify &&
			verification.ServerName != "" {
			return
		}
		for _, known := range exposed {
			if known == host {
				return
			}
		}
		exposed = append(exposed, host)
	}
	add(connection.Host, connection.Port, connection.TLSConfig)
	for _, fallback := range connection.Fallbacks {
		add(fallback.Host, fallback.Port, fallback.TLSConfig)
	}
	return exposed
}

func local(host string, port uint16) bool {
	if network, _ := pgconn.NetworkAddress(host, port); network == "unix" {
		return true
	}
	return host == "localhost" || net.ParseIP(host).IsLoopback()
}

// shouldPing decides whether a connection from the pool must prove first that it still works: after
// a second without use, and after another connection has broken, because a restart breaks all of
// them. Our own ping has a time limit; the one that pgx makes if we return true then finds the
// connection closed, and pgx takes another.
func (db *DB) shouldPing(ctx context.Context, p stdlib.ShouldPingParams) bool {
	since := time.Since(time.Unix(0, db.brokenAt.Load()))
	if p.IdleDuration < time.Second && p.IdleDuration < since {
		return false
	}
	if limit := db.opts.DatabaseConnectTimeout; limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	return p.Conn.PgConn().Ping(ctx) != nil
}
