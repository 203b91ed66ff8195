package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/pressly/goose/v3/lock"
)

// migrationLock lets one process at a time migrate a database of Postgres. A transaction of its own
// holds it, and not a session, which a pooler would share among processes. Who takes goose's lock
// for a session, as earlier versions did, excludes it and is excluded.
type migrationLock struct {
	on      *sql.DB
	tx      *sql.Tx  // nil: it is not held
	indexes []string // whose remains are to be removed: see concurrently
}

var _ lock.SessionLocker = (*migrationLock)(nil)

const (
	migrationLockEvery = 200 * time.Millisecond
	migrationLockWait  = time.Hour
)

// SessionLock waits until nobody else holds the lock.
func (l *migrationLock) SessionLock(ctx context.Context, _ *sql.Conn) error {
	for end := time.Now().Add(migrationLockWait); ; {
		locked, err := l.try(ctx)
		if err == nil && !locked && time.Now().After(end) {
			err = errors.New("another process has migrated for an hour")
		}
		if err != nil {
			return fmt.Errorf("lock the migrations: %w", err)
		}
		if locked {
			if err := dropInvalid(ctx, l.on, l.indexes); err != nil {
				return errors.Join(err, l.SessionUnlock(ctx, nil))
			}
			return nil
		}
		select {
		case <-ctx.Done(): // the next try fails
		case <-time.After(migrationLockEvery):
		}
	}
}

// try begins a transaction that holds the lock. One that waited for it would keep a connection from
// whoever has it, if a pooler has few.
func (l *migrationLock) try(ctx context.Context) (locked bool, err error) {
	tx, err := l.on.BeginTx(ctx, nil)
	if err != nil {
		return false, err
	}
	defer func() {
		if !locked {
			err = errors.Join(err, tx.Rollback())
		}
	}()
	var got bool
	if err := tx.QueryRowContext(ctx, `SELECT pg_try_advisory_xact_lock($1)`, lock.DefaultLockID).Scan(&got); err != nil {
		return false, err
	}
	// After the query: it replaces that one's portal, whose snapshot CREATE INDEX CONCURRENTLY would
	// wait for.
	if _, err := tx.ExecContext(ctx, `SET LOCAL idle_in_transaction_session_timeout = 0`); err != nil {
		return false, err
	}
	locked = got
	if locked {
		l.tx = tx
	}
	return locked, nil
}

// SessionUnlock lets others migrate.
func (l *migrationLock) SessionUnlock(context.Context, *sql.Conn) error {
	if err := l.tx.Rollback(); err != nil && !errors.Is(err, sql.ErrTxDone) {
		return fmt.Errorf("unlock the migrations: %w", err)
	}
	return nil
}
