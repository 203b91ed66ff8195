package sqldb

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"strings"
)

// A TermIndex says which rows of a table have a term: an inverted index, by FTS5 on SQLite and by a
// tsvector with a GIN index on Postgres. It needs no extension, and takes nothing for words of a
// language: the caller makes the terms, so both engines find the same.
//
// A term is a text of letters a to z, digits and anything beyond ASCII but white space. Methods
// that write belong into the transaction that writes the row.
type TermIndex struct {
	db    *DB
	table string
}

// TermIndex returns the index of that name, and creates its tables if they are missing.
func (db *DB) TermIndex(ctx context.Context, name string) (*TermIndex, error) {
	create := []string{
		`CREATE TABLE IF NOT EXISTS ` + name + ` (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, position BIGINT NOT NULL)`,
		// Only whether a row has a term is kept: neither where, nor the text.
		`CREATE VIRTUAL TABLE IF NOT EXISTS ` + name + `_fts USING fts5(terms, content='', contentless_delete=1, detail=none, tokenize='ascii')`,
	}
	if db.engine == Postgres {
		create = []string{
			`SELECT pg_advisory_xact_lock(7236281, 1)`, // two that create the same table at once would fail
			`CREATE TABLE IF NOT EXISTS ` + name + ` (id TEXT PRIMARY KEY, position BIGINT NOT NULL, terms TSVECTOR NOT NULL)`,
			// Without fastupdate every write does its own work: otherwise some would do that of hundreds.
			`CREATE INDEX IF NOT EXISTS ` + name + `_terms ON ` + name + ` USING gin (terms) WITH (fastupdate = off)`,
		}
	}
	if found, err := columns(ctx, db.engine, db.checks); err != nil || found[name+".position"] {
		return &TermIndex{db, name}, err
	}
	err := db.Tx(ctx, func(ctx context.Context) error {
		for _, statement := range create {
			if _, err := db.Exec(ctx, statement); err != nil {
				return fmt.Errorf("create the index %s: %w", name, err)
			}
		}
		return nil
	})
	return &TermIndex{db, name}, err
}

// Set says that the row id has these terms and no others. position is where it stands among all
// rows, for [TermIndex.Find].
func (x *TermIndex) Set(ctx context.Context, id string, position int64, terms []string) error {
	if x.db.engine == Postgres {
		_, err := x.db.Exec(ctx, `INSERT INTO `+x.table+` (id, position, terms) VALUES ($1, $2, CAST($3 AS tsvector))
			ON CONFLICT (id) DO UPDATE SET position = excluded.position, terms = excluded.terms`,
			id, position, quote(terms, `'`, " "))
		return err
	}
	var number int64
	if err := x.db.ExecReturning(ctx, `INSERT INTO `+x.table+` (id, position) VALUES ($1, $2)
		ON CONFLICT (id) DO UPDATE SET position = excluded.position RETURNING number`, id, position).Scan(&number); err != nil {
		return err
	}
	_, err := x.db.Exec(ctx, `INSERT OR REPLACE INTO `+x.table+`_fts (rowid, terms) VALUES ($1, $2)`, number, strings.Join(terms, " "))
	return err
}

// Remove removes rows, as far as they are there. Name as many each time, so that it is one statement.
func (x *TermIndex) Remove(ctx context.Context, ids ...string) error {
	places, args := make([]string, len(ids)), make([]any, len(ids))
	for i, id := range ids {
		places[i], args[i] = "$"+strconv.Itoa(i+1), id
	}
	in := ` IN (` + strings.Join(places, ", ") + `)`
	if x.db.engine == SQLite {
		if _, err := x.db.Exec(ctx, `DELETE FROM `+x.table+`_fts WHERE rowid IN (SELECT number FROM `+x.table+` WHERE id`+in+`)`, args...); err != nil {
			return err
		}
	}
	_, err := x.db.Exec(ctx, `DELETE FROM `+x.table+` WHERE id`+in, args...)
	return err
}

// A TermRow is a row that has the terms.
type TermRow struct {
	ID       string
	Position int64
}

// Find returns most rows at most that have all the terms, of which there must be one at least; which
// ones, and in what order, is not said. Rows that are gone from the table itself may be among them.
// It reads where [DB.Reader] reads.
func (x *TermIndex) Find(ctx context.Context, terms []string, most int) ([]TermRow, error) {
	query, asked := `SELECT t.id, t.position FROM `+x.table+`_fts f JOIN `+x.table+` t ON t.number = f.rowid WHERE `+x.table+`_fts MATCH $1`,
		quote(terms, `"`, " AND ")
	if x.db.engine == Postgres {
		query, asked = `SELECT t.id, t.position FROM `+x.table+` t WHERE t.terms @@ CAST($1 AS tsquery)`, quote(terms, `'`, " & ")
	}
	return All(ctx, x.db.Reader(), func(rows *sql.Rows) (r TermRow, err error) { return r, rows.Scan(&r.ID, &r.Position) },
		query+` LIMIT `+strconv.Itoa(most), asked)
}

func quote(terms []string, mark, between string) string {
	var text strings.Builder
	for i, term := range terms {
		if i > 0 {
			text.WriteString(between)
		}
		text.WriteString(mark + term + mark)
	}
	return text.String()
}
