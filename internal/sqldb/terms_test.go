package sqldb_test

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/maru-auth/maru/internal/sqldb"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

// givenRow is a row as it was given to an index.
type givenRow struct {
	sqldb.TermRow
	terms []string
}

// termsOfRow has what is common, less common, rare, Korean, and in a word or two.
func termsOfRow(r *rand.Rand) (terms []string) {
	for _, t := range []struct {
		term string
		one  int
	}{{"all", 1}, {"half", 2}, {"other", 2}, {"tenth", 10}, {"마루", 10}, {"마", 5}, {"fiftieth", 50}, {"rare", 300}} {
		if r.IntN(t.one) == 0 {
			terms = append(terms, t.term)
		}
	}
	slices.Sort(terms)
	return terms
}

// newest is what a search would find by looking at all rows.
func newest(rows map[string]givenRow, terms []string, before sqldb.TermRow) (found []sqldb.TermRow) {
	for _, r := range rows {
		if r.Compare(before) < 0 && !slices.ContainsFunc(terms, func(term string) bool { return !slices.Contains(r.terms, term) }) {
			found = append(found, r.TermRow)
		}
	}
	slices.SortFunc(found, func(a, b sqldb.TermRow) int { return b.Compare(a) })
	return found
}

func TestRowsOfATermComeNewestFirstAsIfAllWereLookedAt(t *testing.T) {
	const now, second = 1_780_000_000_000_000, 1_000_000
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		db := open(t, databaseURL)
		x, err := db.TermIndex(t.Context(), "words")
		fatal(t, err)
		r := rand.New(rand.NewPCG(1, 2))
		rows := map[string]givenRow{}
		set := func(ctx context.Context, row givenRow) error {
			rows[row.ID] = row
			return x.Set(ctx, row.ID, row.Position, row.terms)
		}
		fatal(t, db.Tx(t.Context(), func(ctx context.Context) error {
			for i := range 3000 { // in any order: of years, of the last hour, of the same second and of the same moment
				back := []int64{r.Int64N(5 * 365 * 86400 * second), r.Int64N(3600 * second), r.Int64N(second), 7 * second}[r.IntN(4)]
				if err := set(ctx, givenRow{sqldb.TermRow{ID: fmt.Sprintf("r%04d", i), Position: now - back}, termsOfRow(r)}); err != nil {
					return err
				}
			}
			for id, row := range rows { // some change, and some go
				switch r.IntN(10) {
				case 0:
					row.terms = termsOfRow(r)
					if err := set(ctx, row); err != nil {
						return err
					}
				case 1:
					delete(rows, id)
					if err := x.Remove(ctx, id, "unknown"); err != nil {
						return err
					}
				}
			}
			return nil
		}))
		for range 300 {
			terms := [][]string{{"all"}, {"half"}, {"tenth"}, {"마루"}, {"마", "마루"}, {"fiftieth"}, {"rare"}, {"half", "other"}, {"half", "rare"},
				{"tenth", "fiftieth"}, {"all", "half", "other", "tenth"}, {"nowhere"}, {"all", "nowhere"}}[r.IntN(13)]
			before := sqldb.TermRow{Position: math.MaxInt64}
			for _, row := range rows { // whichever comes first
				if r.IntN(3) > 0 {
					before = row.TermRow
				}
				break
			}
			most := 1 + r.IntN(60)
			want := newest(rows, terms, before)
			for page := range 5 { // one after the other
				got, err := x.Newest(t.Context(), terms, before, []int64{0, 60 * second, 86400 * second, math.MaxInt64}[r.IntN(4)], most)
				fatal(t, err)
				if len(got) < min(most, len(want)) || len(got) > len(want) || !slices.Equal(got, want[:len(got)]) {
					t.Fatalf("page %d of %q before %v: %d of %d rows, want %d at least\n%v\n%v", page, terms, before, len(got), len(want), most,
						got[:min(5, len(got))], want[:min(5, len(want))])
				}
				if want = want[len(got):]; len(got) < most {
					break
				}
				before = got[len(got)-1]
			}
		}
	})
}

// However many rows have a term, a page of it looks at few: as many as it is long on SQLite, where
// nothing is put in order, and those of a stretch of time on Postgres.
func TestAPageOfATermLooksAtFewRowsHoweverManyHaveIt(t *testing.T) {
	const rows, apart = 20_000, 60_000_000
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		db := open(t, databaseURL)
		x, err := db.TermIndex(t.Context(), "words")
		fatal(t, err)
		fatal(t, db.Tx(t.Context(), func(ctx context.Context) error {
			for i := range int64(rows) {
				if err := x.Set(ctx, fmt.Sprint("r", i), i*apart, []string{"all", fmt.Sprint("in50x", i%50), fmt.Sprint("in1000x", i%1000)}); err != nil {
					return err
				}
			}
			return nil
		}))
		if db.Engine() == sqldb.Postgres {
			_, err := db.Exec(t.Context(), `ANALYZE words`)
			fatal(t, err)
		}
		for _, of := range []struct {
			terms []string
			found bool
		}{{[]string{"all"}, true}, {[]string{"in50x7"}, true}, {[]string{"in1000x77"}, true}, {[]string{"all", "in50x7"}, true},
			{[]string{"in50x7", "in1000x7"}, true}, {[]string{"in50x7", "in50x8"}, false}, {[]string{"nowhere"}, false}} {
			var looked int
			ctx := sqldb.Observe(t.Context(), func(query string, args []any) {
				n, plan := lookedAt(t, db, query, args)
				if looked += n; strings.Contains(plan, "Seq Scan") || strings.Contains(plan, "TEMP B-TREE") || strings.Contains(plan, "SCAN t") {
					t.Errorf("%q: %s", of.terms, plan)
				}
			})
			got, err := x.Newest(ctx, of.terms, sqldb.TermRow{Position: rows * apart}, 1000*apart, 20)
			if fatal(t, err); len(got) >= 20 != of.found || looked > 1100 {
				t.Errorf("%q: %d rows were looked at for %d", of.terms, looked, len(got))
			}
		}
	})
}

// Whoever changes two posts of one second in turn, for hours, must not use up the numbers that others'
// of the same second need.
func TestRowsThatAreSetAndRemovedInTurnDoNotUseUpTheirSecond(t *testing.T) {
	const now, numbers = 1_780_000_000_000_000, 1 << 14
	db := open(t, sqldbtest.SQLite(t))
	x, err := db.TermIndex(t.Context(), "words")
	fatal(t, err)
	rows := map[string]givenRow{}
	fatal(t, db.Tx(t.Context(), func(ctx context.Context) error {
		for i := range numbers + 100 {
			id := fmt.Sprint("r", i%3)
			row := givenRow{sqldb.TermRow{ID: id, Position: now + int64(i%3)}, []string{"all"}}
			if err := x.Remove(ctx, id); err != nil {
				return err
			}
			if err := x.Set(ctx, id, row.Position, row.terms); err != nil {
				return fmt.Errorf("change %d: %w", i, err)
			}
			rows[id] = row
		}
		return nil
	}))
	from := sqldb.TermRow{Position: math.MaxInt64}
	got, err := x.Newest(t.Context(), []string{"all"}, from, 0, 10)
	fatal(t, err)
	if want := newest(rows, []string{"all"}, from); !slices.Equal(got, want) {
		t.Errorf("found %v, want %v", got, want)
	}
}

// lookedAt returns the plan of a statement, and of Postgres how many rows of a table it looked at.
func lookedAt(t *testing.T, db *sqldb.DB, query string, args []any) (rows int, plan string) {
	t.Helper()
	explain, columns := "EXPLAIN QUERY PLAN ", make([]any, 4)
	if db.Engine() == sqldb.Postgres {
		explain, columns = "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) ", columns[:1]
	}
	lines, err := sqldb.All(context.Background(), db, func(rows *sql.Rows) (line string, err error) {
		for i := range columns {
			columns[i] = &line
		}
		return line, rows.Scan(columns...)
	}, explain+query, args...)
	fatal(t, err)
	plan = strings.Join(lines, "\n")
	for _, found := range regexp.MustCompile(`(?:Heap Scan.* rows=|Rows Removed by .*: )(\d+)`).FindAllStringSubmatch(plan, -1) {
		n, err := strconv.Atoi(found[1])
		fatal(t, err)
		rows += n
	}
	return rows, plan
}

func fatal(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
