package backup

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"time"
)

// manifestSuffix is what a manifest's file is called, after the name of its backup.
const manifestSuffix = ".json"

// Manifest is what a backup holds, as it was found when it was made.
type Manifest struct {
	MadeAt time.Time        `json:"made_at"`
	Schema int64            `json:"schema_version"` // the last migration that was run
	Bytes  int64            `json:"bytes"`
	SHA256 string           `json:"sha256"` // of the file, in hex
	Rows   map[string]int64 `json:"rows"`   // of each table
}

// String is a line for the operator.
func (m Manifest) String() string {
	var rows int64
	for n := range maps.Values(m.Rows) {
		rows += n
	}
	return fmt.Sprintf("%d rows in %d tables, schema version %d, %d bytes, SHA-256 %s", rows, len(m.Rows), m.Schema, m.Bytes, m.SHA256)
}

func (m Manifest) write(file string) error {
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	if err := createPrivate(file); err != nil {
		return err
	}
	if err := os.WriteFile(file, append(text, '\n'), 0o600); err != nil {
		return errors.Join(err, os.Remove(file))
	}
	return flush(file)
}

// maxManifest is the longest manifest, in bytes.
const maxManifest = 1 << 20

// readManifest reads the manifest of a backup. fs.ErrNotExist: it has none.
func readManifest(file string) (m Manifest, err error) {
	if err := ordinary(file + manifestSuffix); err != nil {
		return m, err
	}
	f, err := os.Open(file + manifestSuffix) //nolint:gosec // G304: the operator names the file
	if err != nil {
		return m, err
	}
	defer f.Close()
	if err := json.NewDecoder(io.LimitReader(f, maxManifest)).Decode(&m); err != nil {
		return m, fmt.Errorf("%s%s: %w", file, manifestSuffix, err)
	}
	return m, nil
}

// ordinary refuses what is no ordinary file before it is opened: a pipe would wait for its other end.
func ordinary(file string) error {
	info, err := os.Stat(file)
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s: %w: it is no ordinary file", file, fs.ErrInvalid)
	}
	return err
}

// examine checks the file of a database that nobody writes, and says what it holds.
func examine(ctx context.Context, file string) (m Manifest, err error) {
	if m.SHA256, m.Bytes, err = sum(file); err != nil {
		return m, err
	}
	db, err := openCopy(file, "ro")
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	for _, pragma := range []string{"integrity_check(1)", "foreign_key_check"} {
		var verdict string
		rows, err := db.QueryContext(ctx, `PRAGMA `+pragma)
		if err != nil {
			return m, err
		}
		if rows.Next() && pragma == "foreign_key_check" {
			err = errors.New("a row refers to another that is missing")
		} else if pragma != "foreign_key_check" {
			if err = rows.Scan(&verdict); err == nil && verdict != "ok" {
				err = errors.New(verdict)
			}
		}
		if err = errors.Join(err, rows.Err(), rows.Close()); err != nil {
			return m, err
		}
	}
	tables, err := db.QueryContext(ctx, `SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\_%' ESCAPE '\' ORDER BY name`)
	if err != nil {
		return m, err
	}
	defer tables.Close()
	var names []string
	for tables.Next() {
		var name string
		if err := tables.Scan(&name); err != nil {
			return m, err
		}
		names = append(names, name)
	}
	if err := tables.Err(); err != nil {
		return m, err
	}
	if len(names) == 0 {
		return m, errors.New("the database is empty: is --database-url right?")
	}
	m.Rows = map[string]int64{}
	for _, name := range names {
		var n int64
		if err := db.QueryRowContext(ctx, `SELECT count(*) FROM "`+strings.ReplaceAll(name, `"`, `""`)+`"`).Scan(&n); err != nil {
			return m, err
		}
		m.Rows[name] = n
	}
	if slices.Contains(names, "goose_db_version") {
		if err := db.QueryRowContext(ctx, `SELECT COALESCE(MAX(version_id), 0) FROM goose_db_version`).Scan(&m.Schema); err != nil {
			return m, err
		}
	}
	m.MadeAt = time.Now().UTC().Truncate(time.Second)
	return m, nil
}

// sum returns the SHA-256 of a file in hex, and its length.
func sum(file string) (digest string, length int64, err error) {
	if err := ordinary(file); err != nil {
		return "", 0, err
	}
	f, err := os.Open(file) //nolint:gosec // G304: the operator names the file
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	hash := sha256.New()
	if length, err = io.Copy(hash, f); err != nil {
		return "", 0, err
	}
	return hex.EncodeToString(hash.Sum(nil)), length, nil
}
