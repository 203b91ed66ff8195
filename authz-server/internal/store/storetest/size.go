package storetest

import (
	"os"
	"strings"
	"testing"

	"github.com/maru-auth/maru/internal/sqldb"
)

// Size is what the database of a store takes.
type Size struct {
	Rows  int64 // of grants and their refresh tokens
	Bytes int64 // on disk: tables and indexes
	Log   int64 // how far the write-ahead log has come, in bytes; SQLite: 0
}

// SizeOf measures a database, beside the store that has it open.
func SizeOf(t testing.TB, databaseURL string) (s Size) {
	t.Helper()
	db, err := sqldb.Open(t.Context(), databaseURL)
	OK(t, err)
	defer db.Close()
	read := func(query string, into ...any) {
		OK(t, db.ExecReturning(t.Context(), query).Scan(into...))
	}
	read(`SELECT (SELECT count(*) FROM grants) + (SELECT count(*) FROM refresh_tokens)`, &s.Rows)
	if db.Engine() == sqldb.Postgres {
		read(`SELECT CAST(sum(pg_total_relation_size(relid)) AS BIGINT),
			CAST(pg_current_wal_insert_lsn() - '0/0' AS BIGINT) FROM pg_stat_user_tables`, &s.Bytes, &s.Log)
		return s
	}
	read(`PRAGMA wal_checkpoint(TRUNCATE)`, new(int), new(int), new(int))
	file, err := os.Stat(strings.TrimPrefix(databaseURL, "sqlite:"))
	OK(t, err)
	s.Bytes = file.Size()
	return s
}
