package sqldb

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// ForgetSchema makes the next Ready look at the schema.
func (db *DB) ForgetSchema() { db.schema.goodAt.Store(0) }

// Look is what Watch does to learn of promotions.
func (db *DB) Look(ctx context.Context) { db.servers.look(ctx) }

// CheckWrites is what Watch asks.
func (db *DB) CheckWrites(ctx context.Context) error { return db.checkWrites(ctx) }

// ExposedHosts judges a URL as opening it does.
func ExposedHosts(databaseURL string) ([]string, error) {
	connection, err := pgx.ParseConfig(databaseURL)
	if err != nil {
		return nil, err
	}
	return exposedHosts(&connection.Config), nil
}

// NextLimit is how a removal chooses the size of a batch.
func NextLimit(limit, most int64, took time.Duration) int64 { return nextLimit(limit, most, took) }

// GroupCommits tells whether a database of SQLite syncs its log itself here.
const GroupCommits = groupCommits

// ReplaceSync makes f what writes the log to disk; f gets what did before. Nothing may be written
// meanwhile.
func (db *DB) ReplaceSync(f func(sync func() error) error) {
	before := db.commits.sync
	db.commits.sync = func() error { return f(before) }
}

// Waiting is how many callers wait for the connection that writes.
func (db *DB) Waiting() int { return int(db.write.waits.waiting.Load()) }

// KeptStatements is how many compiled statements the connection that writes to SQLite keeps.
func (db *DB) KeptStatements(ctx context.Context) (kept int, err error) {
	conn, err := db.write.Conn(ctx)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	return kept, conn.Raw(func(on any) error {
		kept = len(on.(*writeConn).statements)
		return nil
	})
}

// MaxStatements is how many it keeps at most.
const MaxStatements = maxStatements

// PageCache is what each connection to SQLite keeps in memory of a file of so many bytes.
func PageCache(size int64) int64 { return pageCache(size) }
