package growthtest

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"
)

// node is a part of a plan of Postgres.
type node struct {
	Type     string  `json:"Node Type"`
	Index    string  `json:"Index Name"`
	Relation string  `json:"Relation Name"`
	Rows     float64 `json:"Actual Rows"` // the mean of all loops
	Loops    float64 `json:"Actual Loops"`
	Filtered float64 `json:"Rows Removed by Filter"`
	Recheck  float64 `json:"Rows Removed by Index Recheck"`
	Hit      int64   `json:"Shared Hit Blocks"`
	Read     int64   `json:"Shared Read Blocks"`
	Plans    []node
}

func explainPostgres(t *testing.T, databaseURL string, ran []statement) [][]cost {
	all := make([][]cost, len(ran))
	pool, err := sql.Open("pgx", databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	for _, mode := range []string{"force_custom_plan", "force_generic_plan"} {
		for _, statistics := range []string{`SELECT 1`, large} {
			explainAs(t, pool, ran, all, mode, statistics)
		}
	}
	return all
}

// large lets the planner believe that the filled tables have 500 times as many rows, in indexes too:
// what is cheapest for thousands need not be for millions. It looks at how large files are by
// itself, and takes from here how many rows a page has.
var large = fmt.Sprintf(`UPDATE pg_class SET reltuples = reltuples * 500 WHERE oid IN (
	SELECT t.oid FROM pg_class t WHERE t.relnamespace = CAST('public' AS regnamespace) AND t.relkind = 'r' AND t.reltuples >= %[1]d
	UNION ALL SELECT i.indexrelid FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid
	WHERE t.relnamespace = CAST('public' AS regnamespace) AND t.relkind = 'r' AND t.reltuples >= %[1]d)`, Rows)

// explainAs runs the statements in a transaction with one way to plan and what is believed of the
// tables, and adds what each cost to all.
func explainAs(t *testing.T, pool *sql.DB, ran []statement, all [][]cost, mode, statistics string) {
	t.Helper()
	tx, err := pool.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, setting := range []string{
		`SET LOCAL plan_cache_mode = ` + mode,
		// As on an SSD. Otherwise reading a whole table of this size is cheaper than looking up 200
		// rows. That is true, but not of the larger tables that this test stands for.
		`SET LOCAL random_page_cost = 1.1`,
		`SET LOCAL jit = off`, // as sqldb has it
		statistics,
	} {
		if _, err := tx.ExecContext(t.Context(), setting); err != nil {
			t.Fatal(err)
		}
	}
	for i, count := range times(ran) {
		one := ran[i]
		if count > explained {
			if _, err := tx.ExecContext(t.Context(), one.query, one.args...); err != nil {
				t.Fatalf("%v\n%s", err, one.query)
			}
			continue
		}
		all[i] = append(all[i], explainOne(t, tx, one))
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
}

func explainOne(t *testing.T, tx *sql.Tx, one statement) cost {
	ctx := context.Background()
	if _, err := tx.ExecContext(ctx, `PREPARE one AS `+one.query); err != nil {
		t.Fatalf("%v\n%s", err, one.query)
	}
	call := `one`
	if len(one.args) > 0 {
		args := make([]string, len(one.args))
		for i, arg := range one.args {
			args[i] = quoted(t, arg)
		}
		call += `(` + strings.Join(args, ", ") + `)`
	}
	began := time.Now()
	var text string
	if err := tx.QueryRowContext(ctx, `EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE `+call).Scan(&text); err != nil {
		t.Fatalf("%v\n%s", err, one.query)
	}
	c := cost{took: time.Since(began)}
	var parsed []struct{ Plan node }
	if err := json.Unmarshal([]byte(text), &parsed); err != nil || len(parsed) != 1 {
		t.Fatal(err, text)
	}
	c.pages = parsed[0].Plan.Hit + parsed[0].Plan.Read
	parsed[0].Plan.count(&c, "")
	if _, err := tx.ExecContext(ctx, `DEALLOCATE one`); err != nil {
		t.Fatal(err)
	}
	return c
}

// count adds what the node and those below it cost, and a line for each to the plan.
func (n *node) count(c *cost, indent string) {
	c.plan += fmt.Sprintf("%s%s %s %s rows=%v filtered=%v loops=%v\n",
		indent, n.Type, n.Relation, n.Index, n.Rows, n.Filtered+n.Recheck, n.Loops)
	if n.Relation != "" && strings.HasSuffix(n.Type, "Scan") {
		c.rows = max(c.rows, int64((n.Rows+n.Filtered+n.Recheck)*n.Loops))
		if n.Type == "Seq Scan" && n.Loops > 0 {
			c.scans = append(c.scans, n.Relation)
		}
	}
	for i := range n.Plans {
		n.Plans[i].count(c, indent+"  ")
	}
}

// quoted returns an argument as SQL.
func quoted(t *testing.T, arg any) string {
	value, err := driver.DefaultParameterConverter.ConvertValue(arg)
	if err != nil {
		t.Fatal(err)
	}
	switch v := value.(type) {
	case nil:
		return "NULL"
	case int64:
		return strconv.FormatInt(v, 10)
	case bool:
		return strconv.FormatBool(v)
	case string:
		return "'" + strings.ReplaceAll(v, "'", "''") + "'"
	case []byte:
		return `'\x` + hex.EncodeToString(v) + `'::bytea`
	}
	t.Fatalf("an argument of type %T", value)
	return ""
}
