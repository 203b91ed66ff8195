package bulk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/maru-auth/maru/internal/sqldb"
)

// A Table is how a table is filled from an F, which says how much there is of everything. A name of a
// table or a column that ends with "?" is left out where the schema, of an older version, lacks it.
type Table[F any] struct {
	Name    string
	Columns string // separated by spaces; empty: the table is an index of terms (sqldb.TermIndex)
	After   string // a statement that runs once everything is filled and has its indexes

	// Rows calls add for each row, with its columns; for an index of terms with id, position and
	// the terms as []string, in their order.
	Rows func(from F, add func(row ...any))
}

// Fill fills the tables of a database that has their schema, one after the other: rows are made as
// they are written, and indexes after the rows. It returns how many rows it wrote, and tells out of
// what there are so many.
func Fill[F any](ctx context.Context, databaseURL string, from F, tables []Table[F], out io.Writer, what string) (total int64, err error) {
	began := time.Now()
	into, err := Open(ctx, databaseURL)
	if err != nil {
		return 0, err
	}
	total, err = fill(ctx, into, from, tables)
	if err := errors.Join(err, into.Close(ctx)); err != nil {
		return total, err
	}
	fmt.Fprintf(out, "  %s, %d rows in %s\n", what, total, time.Since(began).Round(100*time.Millisecond))
	return total, nil
}

func fill[F any](ctx context.Context, into *Filler, from F, tables []Table[F]) (total int64, err error) {
	dropped, err := into.DropIndexes(ctx)
	if err != nil {
		return 0, err
	}
	var after []string
	for _, t := range tables {
		name, optional := strings.CutSuffix(t.Name, "?")
		known, err := into.columns(ctx, name)
		if err != nil {
			return total, err
		}
		if optional && len(known) == 0 {
			continue
		}
		var n int64
		if columns, rows := t.present(known, t.each(from)); len(columns) == 0 {
			n, err = into.Terms(ctx, name, rows)
		} else {
			n, err = into.Into(ctx, name, columns, rows)
		}
		if err != nil {
			return total, err
		}
		if total += n; t.After != "" {
			after = append(after, t.After)
		}
	}
	if err := into.MakeIndexes(ctx, dropped); err != nil {
		return total, err
	}
	for _, statement := range after {
		if err := into.exec(ctx, statement); err != nil {
			return total, err
		}
	}
	return total, nil
}

// present leaves out what a table may lack, and does.
func (t Table[F]) present(known []string, rows iter.Seq[[]any]) (columns []string, kept iter.Seq[[]any]) {
	var places []int
	all := strings.Fields(t.Columns)
	for i, column := range all {
		name, optional := strings.CutSuffix(column, "?")
		if !optional || slices.Contains(known, name) {
			columns, places = append(columns, name), append(places, i)
		}
	}
	if len(columns) == len(all) {
		return columns, rows
	}
	return columns, func(yield func([]any) bool) {
		for row := range rows {
			kept := make([]any, len(places))
			for i, place := range places {
				kept[i] = row[place]
			}
			if !yield(kept) {
				return
			}
		}
	}
}

// each goes through the rows until the loop over them ends.
func (t Table[F]) each(from F) iter.Seq[[]any] {
	return func(yield func([]any) bool) {
		type ended struct{}
		defer func() {
			if r := recover(); r != nil && r != (ended{}) {
				panic(r)
			}
		}()
		t.Rows(from, func(row ...any) {
			if !yield(row) {
				panic(ended{})
			}
		})
	}
}

// Terms writes rows of an index of terms, as sqldb.TermIndex.Set would one by one: id, position, and
// the terms as []string, in the order of positions.
func (f *Filler) Terms(ctx context.Context, name string, rows iter.Seq[[]any]) (n int64, err error) {
	if f.lite != nil {
		if n, err = f.termsIntoSQLite(ctx, name, rows); err != nil {
			return n, fmt.Errorf("fill %s: %w", name, err)
		}
		return n, nil
	}
	return f.Into(ctx, name, []string{"id", "position", "terms"}, func(yield func([]any) bool) {
		for row := range rows {
			terms, _ := row[2].([]string)
			position, _ := row[1].(int64)
			terms = sqldb.AllTerms(sqldb.Postgres, position, terms)
			vector := pgtype.TSVector{Valid: true, Lexemes: make([]pgtype.TSVectorLexeme, len(terms))}
			for i, term := range terms {
				vector.Lexemes[i].Word = term
			}
			if !yield([]any{row[0], row[1], vector}) {
				return
			}
		}
	})
}

// termsIntoSQLite goes through the rows once for both tables.
func (f *Filler) termsIntoSQLite(ctx context.Context, name string, rows iter.Seq[[]any]) (n int64, err error) {
	tx, err := f.lite.BeginTx(ctx, nil)
	if err != nil {
		return 0, err
	}
	defer tx.Rollback() //nolint:errcheck // after a commit it does nothing
	numbers, err := newInserter(ctx, tx, name, []string{"number", "id", "position"})
	if err != nil {
		return 0, err
	}
	defer numbers.many.Close()
	index, err := newInserter(ctx, tx, name+"_fts", []string{"rowid", "terms"})
	if err != nil {
		return 0, err
	}
	defer index.many.Close()
	var number int64
	for row := range rows {
		n++
		terms, _ := row[2].([]string)
		position, _ := row[1].(int64)
		number = max(number+1, sqldb.FirstNumber(position))
		if err := errors.Join(numbers.add(ctx, number, row[0], row[1]), index.add(ctx, number, strings.Join(terms, " "))); err != nil {
			return n, err
		}
	}
	if err := errors.Join(numbers.rest(ctx), index.rest(ctx)); err != nil {
		return n, err
	}
	return n, tx.Commit()
}

// Dangling counts rows of SQLite that refer to what is not there: nobody checked them while they were
// written. On Postgres it counts none.
func Dangling(ctx context.Context, databaseURL string) (rows int64, err error) {
	f, err := Open(ctx, databaseURL)
	if err != nil {
		return 0, err
	}
	if f.lite == nil {
		return 0, f.postgres.Close(ctx)
	}
	err = f.lite.QueryRowContext(ctx, `SELECT count(*) FROM pragma_foreign_key_check`).Scan(&rows)
	return rows, errors.Join(err, f.lite.Close())
}
