package sqldb

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"io"
	"io/fs"
	"regexp"
	"strconv"
	"strings"
)

// A migration that goose runs outside a transaction ("-- +goose NO TRANSACTION") is for indexes on
// tables that have grown. It consists of statements CREATE INDEX IF NOT EXISTS alone, so that it may
// be repeated. On Postgres they become CREATE INDEX CONCURRENTLY, for which no writer waits; SQLite
// has one writer at a time anyway.
//
// Postgres leaves an index behind that is not valid if building it fails, and IF NOT EXISTS would
// take it for the index. So such remains are removed first, by whoever holds the migration lock.

const noTransaction = "-- +goose NO TRANSACTION"

var createIndex = regexp.MustCompile(`(?m)^CREATE (UNIQUE )?INDEX IF NOT EXISTS ([a-z0-9_]+) `)

// concurrent are migrations as Postgres gets them.
type concurrent struct {
	fs.FS
	texts   map[string][]byte // of those outside a transaction, by file
	indexes []string          // which those create that are newer than a version
}

// concurrently reads migrations for Postgres. It returns an error for one outside a transaction that
// may not be repeated.
func concurrently(migrations fs.FS, after int64) (*concurrent, error) {
	names, err := fs.Glob(migrations, "*.sql")
	if err != nil {
		return nil, err
	}
	c := &concurrent{FS: migrations, texts: map[string][]byte{}}
	for _, name := range names {
		text, err := fs.ReadFile(migrations, name)
		if err != nil {
			return nil, err
		}
		if !bytes.Contains(text, []byte(noTransaction)) {
			continue
		}
		found := createIndex.FindAllSubmatch(text, -1)
		if len(found) == 0 || len(found) != bytes.Count(text, []byte(";")) {
			return nil, fmt.Errorf("%s: a migration outside a transaction must be of CREATE INDEX IF NOT EXISTS alone, each at the beginning of a line", name)
		}
		number, _, _ := strings.Cut(name, "_")
		version, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		for _, index := range found {
			if version > after {
				c.indexes = append(c.indexes, string(index[2]))
			}
		}
		c.texts[name] = createIndex.ReplaceAll(text, []byte("CREATE ${1}INDEX CONCURRENTLY IF NOT EXISTS $2 "))
	}
	return c, nil
}

// Open implements fs.FS.
func (c *concurrent) Open(name string) (fs.File, error) {
	file, err := c.FS.Open(name)
	text, ours := c.texts[name]
	if err != nil || !ours {
		return file, err
	}
	return &concurrentFile{file, bytes.NewReader(text)}, nil
}

// concurrentFile is a file with another text. Its size stays that of the file: it is a hint only.
type concurrentFile struct {
	fs.File
	text io.Reader
}

// Read implements fs.File.
func (f *concurrentFile) Read(p []byte) (int, error) { return f.text.Read(p) }

// dropInvalid removes what failed attempts have left of the indexes.
func dropInvalid(ctx context.Context, on *sql.DB, indexes []string) error {
	for _, name := range indexes {
		var invalid int
		if err := on.QueryRowContext(ctx, `SELECT count(*) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
			WHERE c.relname = $1 AND pg_table_is_visible(c.oid) AND NOT i.indisvalid`, name).Scan(&invalid); err != nil {
			return err
		}
		if invalid == 0 {
			continue
		}
		if _, err := on.ExecContext(ctx, `DROP INDEX CONCURRENTLY IF EXISTS `+name); err != nil {
			return fmt.Errorf("remove the remains of the index %s: %w", name, err)
		}
	}
	return nil
}
