package sqldb

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"

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

// A statement is compiled once. SQLite compiles it anew by itself when the schema has changed.
type statement struct {
	driver.Stmt
	busy bool // its rows are being read
}

// ExecContext implements driver.ExecerContext.
func (c *writeConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	if s := c.compiled(ctx, query); s != nil {
		return s.Stmt.(driver.StmtExecContext).ExecContext(ctx, args)
	}
	return c.sqliteConn.ExecContext(ctx, query, args)
}

// QueryContext implements driver.QueryerContext.
func (c *writeConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	s := c.compiled(ctx, query)
	if s == nil {
		return c.sqliteConn.QueryContext(ctx, query, args)
	}
	rows, err := s.Stmt.(driver.StmtQueryContext).QueryContext(ctx, args)
	if err != nil {
		return nil, err
	}
	s.busy = true
	return &statementRows{Rows: rows, of: s}, nil
}

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
	verb, _, _ := strings.Cut(strings.TrimSpace(query), " ")
	return verb == "SELECT" || verb == "WITH"
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
	of *statement
}

// Close implements driver.Rows.
func (r *statementRows) Close() error {
	r.of.busy = false
	return r.Rows.Close()
}
