package sqldb

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// A TermIndex says which rows of a table have a term, the newest first: an inverted index, by FTS5 on
// SQLite and by a tsvector with a GIN index on Postgres. It needs no extension, and takes nothing for
// words of a language: the caller makes the terms, so both engines find the same.
//
// A term is a text of letters a to z, digits and anything beyond ASCII but white space. Methods
// that write belong into the transaction that writes the row.
//
// FTS5 goes through the rows of a term in the order of their numbers, either way. So the number of a
// row tells when it is from: it is one that is free in the stretch of numbers of its moment.
//
// GIN has no order, and collects all rows of a term before the first comes. But of two terms it goes
// through the rarer one alone, and skips in the other. So each row has further terms that say when it
// is from, more and more roughly: what is asked for is collected within a stretch of time, and in
// wider ones until there is enough.
type TermIndex struct {
	db    *DB
	table string
}

// Numbers of rows on SQLite: those of a moment, of about a second, begin alike.
const (
	momentBits = 20 // of a position in microseconds, which are of one moment
	withinBits = 14 // of a number: so many rows can be of one moment
)

// FirstNumber is the first number of the rows of a moment, for a program that fills a database.
func FirstNumber(position int64) int64 { return position >> momentBits << withinBits }

func lastNumber(position int64) int64 { return FirstNumber(position) | (1<<withinBits - 1) }

// timeBits are the stretches of time on Postgres: so many bits of a position in microseconds are of
// one. They last from 4.5 minutes to 18 years, and each is eight times as long as the one before.
var timeBits = [...]int{28, 31, 34, 37, 40, 43, 46, 49}

// timeTerm is the term of all rows of the same stretch. No other term has its form.
func timeTerm(bits int, position int64) string {
	return "@" + strconv.Itoa(bits) + ":" + strconv.FormatInt(position>>bits, 10)
}

// AllTerms is what the index has of a row with these terms, for a program that fills a database.
func AllTerms(engine Engine, position int64, terms []string) []string {
	if engine == SQLite {
		return terms
	}
	all := slices.Clip(terms)
	for _, bits := range timeBits {
		all = append(all, timeTerm(bits, position))
	}
	return all
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
	x, err := db.FormerTermIndex(ctx, name)
	if err != nil || x != nil {
		return x, err
	}
	err = db.Tx(ctx, func(ctx context.Context) error {
		for _, statement := range create {
			if _, err := db.Exec(ctx, statement); err != nil {
				return fmt.Errorf("create the index %s: %w", name, err)
			}
		}
		return nil
	})
	return &TermIndex{db, name}, err
}

// FormerTermIndex returns the index of that name, or nil if there is none. Of one that an older
// program keeps, only Remove is of use.
func (db *DB) FormerTermIndex(ctx context.Context, name string) (*TermIndex, error) {
	found, err := columns(ctx, db.engine, db.checks)
	if err != nil || !found[name+".position"] {
		return nil, err
	}
	return &TermIndex{db, name}, nil
}

// Set says that the row id has these terms and no others. position is where it stands among all
// rows, in microseconds since 1970, and never changes. Error: there are 16,384 rows of the same second,
// and more than SQLite takes.
func (x *TermIndex) Set(ctx context.Context, id string, position int64, terms []string) error {
	if x.db.engine == Postgres {
		_, err := x.db.Exec(ctx, `INSERT INTO `+x.table+` (id, position, terms) VALUES ($1, $2, CAST($3 AS tsvector))
			ON CONFLICT (id) DO UPDATE SET position = excluded.position, terms = excluded.terms`,
			id, position, quote(AllTerms(Postgres, position, terms), `'`, " "))
		return err
	}
	var number int64
	first, last := FirstNumber(position), lastNumber(position)
	// The number after the highest; or, once the highest of all is taken, the first that rows which are
	// gone have left. Rows that are set and removed in turn would use up all of them otherwise.
	if err := x.db.ExecReturning(ctx, `INSERT INTO `+x.table+` (number, id, position)
		SELECT coalesce(CASE WHEN max(number) < $1 THEN max(number) + 1 END,
			(SELECT t.number + 1 FROM `+x.table+` t WHERE t.number BETWEEN $2 AND $1 - 1
				AND NOT EXISTS (SELECT 1 FROM `+x.table+` next WHERE next.number = t.number + 1) ORDER BY t.number LIMIT 1),
			$2), $3, $4 FROM `+x.table+` WHERE number BETWEEN $2 AND $1
		ON CONFLICT (id) DO UPDATE SET position = excluded.position RETURNING number`, last, first, id, position).Scan(&number); err != nil {
		return fmt.Errorf("number a row of the index %s, which takes %d of the same second: %w", x.table, 1<<withinBits, err)
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

// Compare tells which of two rows comes later in an ascending order: the newer one, and of two of the
// same moment the one with the greater id.
func (r TermRow) Compare(other TermRow) int {
	return cmp.Or(cmp.Compare(r.Position, other.Position), strings.Compare(r.ID, other.ID))
}

// Newest returns the next rows before a row, which need not be there, that have all the terms, of
// which there must be one at least: the newest first, and most of them or a few more; fewer only if
// there are no others. width is a guess: positions within which there are some hundred rows, whatever
// their terms. Rows that are gone from the table itself may be among them. It reads where [DB.Reader]
// reads.
func (x *TermIndex) Newest(ctx context.Context, terms []string, before TermRow, width int64, most int) ([]TermRow, error) {
	if x.db.engine == Postgres {
		return x.newestPostgres(ctx, terms, before, width, most)
	}
	return x.newestSQLite(ctx, terms, before, most)
}

// newestPostgres looks within the stretch of time that has before, and then within what longer ones
// have besides. The first one is width at most: what it has of a common term is read, and put in order.
func (x *TermIndex) newestPostgres(ctx context.Context, terms []string, before TermRow, width int64, most int) (rows []TermRow, err error) {
	level, last := 0, before.Position
	for level+1 < len(timeBits) && int64(1)<<timeBits[level+1] <= width {
		level++
	}
	for ; len(rows) < most; level++ {
		asked := terms
		if level < len(timeBits) {
			asked = append(slices.Clip(terms), timeTerm(timeBits[level], last))
		}
		found, err := All(ctx, x.db.Reader(), scanTermRow, `SELECT id, position FROM `+x.table+`
			WHERE terms @@ CAST($1 AS tsquery) AND (position, id) < ($2, $3) AND position <= $4
			ORDER BY position DESC, id DESC LIMIT $5`, quote(asked, `'`, " & "), before.Position, before.ID, last, most-len(rows))
		if err != nil {
			return nil, err
		}
		rows = append(rows, found...)
		if level >= len(timeBits) {
			break
		}
		last = last>>timeBits[level]<<timeBits[level] - 1
	}
	return rows, nil
}

// newestSQLite reads all rows of a moment together, since their numbers have no order.
func (x *TermIndex) newestSQLite(ctx context.Context, terms []string, before TermRow, most int) (rows []TermRow, err error) {
	last := lastNumber(before.Position)
	for len(rows) < most {
		found, err := x.numbered(ctx, terms, math.MinInt64, last, most)
		if err != nil {
			return nil, err
		}
		more := len(found) == most
		if more {
			number := found[most-1].number
			first := FirstNumber(found[most-1].Position)
			rest, err := x.numbered(ctx, terms, first, number-1, 1<<withinBits)
			if err != nil {
				return nil, err
			}
			found, last = append(found, rest...), first-1
		}
		for _, r := range found {
			if r.Compare(before) < 0 {
				rows = append(rows, r.TermRow)
			}
		}
		if !more {
			break
		}
	}
	slices.SortFunc(rows, func(a, b TermRow) int { return b.Compare(a) })
	return rows, nil
}

type numberedRow struct {
	TermRow
	number int64
}

// numbered returns rows of SQLite's index with numbers between two, the highest first. FTS5 itself
// has this order: nothing is sorted, and what is not wanted is not read.
func (x *TermIndex) numbered(ctx context.Context, terms []string, first, last int64, most int) ([]numberedRow, error) {
	return All(ctx, x.db.Reader(), func(rows *sql.Rows) (r numberedRow, err error) { return r, rows.Scan(&r.ID, &r.Position, &r.number) },
		`SELECT t.id, t.position, t.number FROM `+x.table+`_fts f CROSS JOIN `+x.table+` t ON t.number = f.rowid
			WHERE `+x.table+`_fts MATCH $1 AND f.rowid BETWEEN $2 AND $3 ORDER BY f.rowid DESC LIMIT $4`,
		quote(terms, `"`, " AND "), first, last, most)
}

func scanTermRow(rows *sql.Rows) (r TermRow, err error) { return r, rows.Scan(&r.ID, &r.Position) }

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
