// Package growthtest checks that the cost of a store's statements does not grow with its tables.
//
// A store's test fills the tables that grow, and lists at least one call of every method.
// [Test.Run] makes the calls, records every statement that they run, and runs each again to see its
// plan and how many rows it looked at. It fails if a method is not called, if a statement in the
// source was not run, if a table is neither filled nor declared small, and if a statement scans,
// counts or otherwise looks at what grows.
package growthtest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/internal/sqldb"
	"github.com/maru-auth/maru/internal/testenv"
)

// Rows is how many rows a filled table has, at least.
const Rows = 20_000

// What one statement may cost on filled tables. The largest batches of the stores remove 200 rows.
const (
	maxRows  = 1500   // that one part of a plan looks at; a scan looks at Rows
	maxSteps = 40_000 // of SQLite's virtual machine, where a loop over a table takes some five a row, and a deletion some fifty
	maxPages = 16_000 // of Postgres, for the whole statement; what was rolled back before lies in its way
)

// Test describes a store.
type Test struct {
	DB    *sqldb.DB
	URL   string       // of DB
	Store reflect.Type // whose exported methods are called

	// A store may have parts: types whose exported methods are called as well, and the folders that
	// hold their statements.
	Rooms   []reflect.Type
	Folders []string

	// Small names the tables that do not grow, with the reason.
	Small map[string]string
	// Fill are the statements that fill all other tables, on both engines.
	Fill []string
	// Apart are the methods that run no statement of their own, besides those of sqldb.Upkeep: of
	// these only Sweep has to be called.
	Apart []string
	// Calls are made one after another, each on the tables as Fill left them.
	Calls []Call
}

// Call calls a method with arguments that make it do much: for the person with most rows, say.
type Call struct {
	Method string
	Do     func(ctx context.Context) error
}

// Numbers begins the query of an INSERT: n has the numbers from 1 to Rows as i.
var Numbers = fmt.Sprintf(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)`, Rows)

// explained is how often the same statement of one call is examined. After that it only runs, for
// the sake of later statements.
const explained = 4

// times counts how often each statement has come, itself included.
func times(ran []statement) []int {
	seen, counts := map[string]int{}, make([]int, len(ran))
	for i, one := range ran {
		seen[one.query]++
		counts[i] = seen[one.query]
	}
	return counts
}

// prepares marks a statement with which a call prepares its own ground.
const prepares = "-- prepares\n"

// Prepare runs a statement of the test within a call. Its cost does not matter.
func Prepare(ctx context.Context, db *sqldb.DB, query string) error {
	_, err := db.Exec(ctx, prepares+query)
	return err
}

type statement struct {
	query string
	args  []any
}

// cost is what running a statement showed; 0 where the engine does not tell.
type cost struct {
	rows, steps, pages int64
	scans              []string // tables that the plan reads from end to end
	plan               string
	took               time.Duration
}

var errRollback = errors.New("roll back")

// Run makes the calls and checks their statements.
//
// Under the race detector it leaves SQLite out, which is Go code and would take half an hour: one
// goroutine makes all calls, and what they cost is the same without it.
func (g Test) Run(t *testing.T) {
	if testenv.Race && g.DB.Engine() == sqldb.SQLite {
		t.Skip("what a statement on SQLite costs is seen without the race detector")
	}
	fill(t, g.DB, g.Fill)
	tables := g.tables(t)

	var all []string
	called := map[string]bool{}
	var slowest cost
	for _, call := range g.Calls {
		called[call.Method] = true
		var ran []statement
		ctx := sqldb.Observe(t.Context(), func(query string, args []any) { ran = append(ran, statement{query, args}) })
		err := g.DB.Tx(ctx, func(ctx context.Context) error { return errors.Join(call.Do(ctx), errRollback) })
		if !errors.Is(err, errRollback) || err.Error() != errRollback.Error() {
			t.Errorf("%s: %v", call.Method, err)
			continue
		}
		told := map[string]bool{}
		for i, costs := range g.explain(t, ran) {
			if !told[ran[i].query] {
				told[ran[i].query] = g.judge(t, call.Method, ran[i].query, costs, tables)
			}
			for _, c := range costs {
				if c.took > slowest.took && !strings.HasPrefix(ran[i].query, prepares) {
					slowest = c
					slowest.plan = fmt.Sprintf("%s: %.100s", call.Method, ran[i].query)
				}
			}
		}
		for _, one := range ran {
			all = append(all, one.query)
		}
	}
	t.Logf("%d statements of %d calls; the slowest took %v: %s", len(all), len(g.Calls),
		slowest.took.Round(time.Microsecond), slowest.plan)

	for _, store := range append(g.Rooms, g.Store) {
		for method := range store.Methods() {
			_, upkeep := reflect.TypeFor[sqldb.Upkeep]().MethodByName(method.Name)
			if !called[method.Name] && !slices.Contains(g.Apart, method.Name) && (!upkeep || method.Name == "Sweep") {
				t.Errorf("nothing calls %s: add a call that makes it do much", method.Name)
			}
		}
	}
	for _, literal := range literals(t, append(g.Folders, ".")) {
		if !slices.ContainsFunc(all, func(query string) bool { return strings.Contains(query, literal) }) {
			t.Errorf("no call runs a statement with\n%s", literal)
		}
	}
}

func fill(t *testing.T, db *sqldb.DB, statements []string) {
	for _, one := range statements {
		if db.Engine() == sqldb.SQLite {
			one = strings.ReplaceAll(one, "AS BYTEA)", "AS BLOB)")
		}
		if _, err := db.Exec(t.Context(), one); err != nil {
			t.Fatalf("fill: %v\n%s", err, one)
		}
	}
	if db.Engine() == sqldb.Postgres { // as autovacuum does; SQLite has none
		if _, err := db.Exec(t.Context(), `VACUUM ANALYZE`); err != nil {
			t.Fatal(err)
		}
	}
}

// explain runs statements one after another in a transaction that is rolled back, and returns what
// each cost: on Postgres twice, since it plans both for the arguments at hand and for any.
func (g Test) explain(t *testing.T, ran []statement) [][]cost {
	if g.DB.Engine() == sqldb.Postgres {
		return explainPostgres(t, g.URL, ran)
	}
	return explainSQLite(t, strings.TrimPrefix(g.URL, "sqlite:"), ran)
}

func (g Test) judge(t *testing.T, method, query string, costs []cost, tables []string) (failed bool) {
	t.Helper()
	if strings.HasPrefix(query, prepares) {
		return false
	}
	for _, c := range costs {
		if wrong := g.wrong(query, c, tables); wrong != nil {
			t.Errorf("%s %s:\n%s\n%s", method, strings.Join(wrong, ", "), query, c.plan)
			return true
		}
	}
	return false
}

// wrong returns what about a cost grows with the tables.
func (g Test) wrong(query string, c cost, tables []string) (wrong []string) {
	for _, name := range c.scans {
		if table := tableOf(name, query, tables); table != "" && g.Small[table] == "" {
			wrong = append(wrong, "scans "+table)
		}
	}
	if c.rows > maxRows {
		wrong = append(wrong, fmt.Sprintf("looks at %d rows", c.rows))
	}
	if c.steps > maxSteps {
		wrong = append(wrong, fmt.Sprintf("takes %d steps", c.steps))
	}
	if c.pages > maxPages {
		wrong = append(wrong, fmt.Sprintf("reads %d pages", c.pages))
	}
	return wrong
}

// tableOf finds the table that a plan names, by its alias if it has one. Empty: it is not a table.
func tableOf(name, query string, tables []string) string {
	if slices.Contains(tables, name) {
		return name
	}
	for _, table := range tables {
		if regexp.MustCompile(`\b` + table + `\s+(AS\s+)?` + regexp.QuoteMeta(name) + `\b`).MatchString(query) {
			return table
		}
	}
	return ""
}

// tables returns those of the database. Each must be filled, or small for a reason.
func (g Test) tables(t *testing.T) []string {
	query := `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'`
	if g.DB.Engine() == sqldb.Postgres {
		query = `SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'`
	}
	names, err := sqldb.All(t.Context(), g.DB, func(rows *sql.Rows) (name string, err error) {
		return name,
			rows.Scan(&name)
	}, query)
	if err != nil {
		t.Fatal(err)
	}
	names = slices.DeleteFunc(names, func(name string) bool { return name == "goose_db_version" || name == "schema_compatibility" })
	for _, name := range names {
		var rows int
		if err := g.DB.QueryRow(t.Context(), `SELECT count(*) FROM `+name).Scan(&rows); err != nil {
			t.Fatal(err)
		}
		if rows < Rows && g.Small[name] == "" {
			t.Errorf("the table %s has %d rows: fill it with %d, or say in Small why it does not grow", name, rows, Rows)
		}
	}
	for name := range g.Small {
		if !slices.Contains(names, name) {
			t.Errorf("Small names %s, and there is no such table", name)
		}
	}
	return names
}

// ofStatement finds texts that begin a statement, and those with a placeholder: a condition that is
// put into a statement can be what makes it slow.
var ofStatement = regexp.MustCompile(`^\s*(SELECT|INSERT|UPDATE|DELETE|WITH)\s|\$\d`)

// ofTemplate finds texts whose placeholders get their numbers when they are put into a statement.
var ofTemplate = regexp.MustCompile(`\$[a-z]`)

// literals returns the texts in the folders' files, apart from tests, that are parts of statements.
func literals(t *testing.T, folders []string) (found []string) {
	for _, folder := range folders {
		files, err := filepath.Glob(filepath.Join(folder, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			if !strings.HasSuffix(name, "_test.go") {
				found = append(found, statements(t, name)...)
			}
		}
	}
	if len(found) == 0 {
		t.Error("the package has no statements")
	}
	return found
}

func statements(t *testing.T, name string) (found []string) {
	file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if literal, ok := n.(*ast.BasicLit); ok && literal.Kind == token.STRING {
			if text, err := strconv.Unquote(literal.Value); err == nil && ofStatement.MatchString(text) && !ofTemplate.MatchString(text) {
				found = append(found, text)
			}
		}
		return true
	})
	return found
}
