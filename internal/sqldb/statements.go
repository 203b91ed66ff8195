package sqldb

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"time"

	"modernc.org/sqlite"
)

// A connector makes connections to the file of an SQLite database.
type connector struct {
	driver.Connector
	file  *dataFile
	keeps bool // connections keep the statements that they have compiled
}

func openPool(dsn string, file *dataFile, keeps bool) (*sql.DB, error) {
	made, err := sqlite.NewConnector(dsn)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector{made, file, keeps}), nil
}

// Connect implements driver.Connector. It must not connect to another file at the same place: if
// that is empty, SQLite removes the write-ahead log, which belongs to the one before.
func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	if err := c.file.check(); err != nil {
		return nil, err
	}
	made, err := c.Connector.Connect(ctx)
	if err != nil || !c.keeps {
		return made, err
	}
	conn, ok := made.(sqliteConn)
	if !ok {
		return nil, errors.Join(fmt.Errorf("sqldb: the driver's %T is not what it was", made), made.Close())
	}
	return &writeConn{sqliteConn: conn, statements: map[string]*statement{}}, nil
}

// sqliteConn is what the driver's connections implement.
type sqliteConn interface {
	driver.Conn
	driver.ConnPrepareContext
	driver.ConnBeginTx
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

// writeConn is a connection that keeps the statements that it has compiled: the pool of database/sql
// keeps none of those in transactions. One goroutine at a time uses it.
type writeConn struct {
	sqliteConn
	statements map[string]*statement // by their text, maxStatements at most
}

// A statement is compiled once. SQLite compiles it anew by itself when the schema has changed. Within
// a transaction it waits for nobody, and for the lock that a transaction begins with, SQLite itself
// bounds the wait.
type statement struct {
	driver.Stmt
	habit
	busy bool // its rows are being read
}

// watch is the context that the statement runs with.
func (s *statement) watch(ctx context.Context) context.Context {
	if s.watched(ctx) {
		return ctx
	}
	return context.WithoutCancel(ctx)
}

// ExecContext implements driver.ExecerContext.
func (c *writeConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	s := c.compiled(ctx, query)
	if s == nil {
		return c.sqliteConn.ExecContext(ctx, query, args)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	began := time.Now()
	result, err := s.Stmt.(driver.StmtExecContext).ExecContext(s.watch(ctx), args)
	s.took(time.Since(began))
	return result, err
}

// QueryContext implements driver.QueryerContext.
func (c *writeConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	s := c.compiled(ctx, query)
	if s == nil {
		return c.sqliteConn.QueryContext(ctx, query, args)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	began := time.Now()
	rows, err := s.Stmt.(driver.StmtQueryContext).QueryContext(s.watch(ctx), args)
	if err != nil {
		return nil, err
	}
	s.busy = true
	return &statementRows{Rows: rows, of: s, began: began}, nil
}

// BeginTx implements driver.ConnBeginTx. A wait for another process's lock ends after the lock
// time-out, and not with ctx: a BEGIN that took effect just then would be taken for one that failed.
func (c *writeConn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if opts != (driver.TxOptions{}) {
		return c.sqliteConn.BeginTx(ctx, opts)
	}
	return writeTx{c}, c.run("BEGIN IMMEDIATE")
}

// run executes a statement that every transaction has.
func (c *writeConn) run(query string) error {
	_, err := c.ExecContext(context.Background(), query, nil)
	return err
}

// writeTx is a transaction of a writeConn.
type writeTx struct{ on *writeConn }

// Commit implements driver.Tx. database/sql expects no transaction to be left even if it fails.
func (t writeTx) Commit() error {
	err := t.on.run("COMMIT")
	if err != nil {
		_ = t.on.run("ROLLBACK") // SQLite may have done it already
	}
	return err
}

// Rollback implements driver.Tx.
func (t writeTx) Rollback() error { return t.on.run("ROLLBACK") }

// compiled returns the kept statement, or nil if the query is not to be kept or its statement is in
// use: a transaction may run a query again while it reads the rows of the first run.
func (c *writeConn) compiled(ctx context.Context, query string) *statement {
	s, ok := c.statements[query]
	switch {
	case ok && s.busy:
		return nil
	case ok:
		return s
	case len(c.statements) >= maxStatements || !recurs(query):
		return nil
	}
	made, err := c.PrepareContext(ctx, query)
	if err != nil {
		return nil // running it will report the error
	}
	s = &statement{Stmt: made}
	c.statements[query] = s
	return s
}

// recurs tells whether a statement is likely to come again, unlike those of migrations.
func recurs(query string) bool {
	if changes(query) {
		return true
	}
	switch verb, _, _ := strings.Cut(strings.TrimSpace(query), " "); verb {
	case "SELECT", "WITH", "BEGIN", "COMMIT", "ROLLBACK":
		return true
	}
	return false
}

// Close implements driver.Conn.
func (c *writeConn) Close() error {
	for _, s := range c.statements {
		_ = s.Close() // closing the connection ends them too
	}
	c.statements = nil
	return c.sqliteConn.Close()
}

// statementRows are the rows of a kept statement, which is free again when they are closed.
type statementRows struct {
	driver.Rows
	of    *statement
	began time.Time
}

// Close implements driver.Rows.
func (r *statementRows) Close() error {
	err := r.Rows.Close()
	r.of.busy = false
	r.of.took(time.Since(r.began))
	return err
}
