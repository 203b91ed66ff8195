package servicetest

import (
	"encoding/json"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
)

// Table reads the table "who may do what" of the README in the test's folder: the callers of its
// header, and a row a call, of which the first cell is the call.
func Table(t testing.TB) (callers []string, rows [][]string) {
	t.Helper()
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(readme)) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "|") || strings.HasPrefix(line, "|---") {
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		for i := range cells {
			cells[i] = strings.Trim(cells[i], " `")
		}
		rows = append(rows, cells)
	}
	if len(rows) < 10 || rows[0][0] != "call" {
		t.Fatalf("the README's table has %d rows", len(rows))
	}
	for _, row := range rows {
		if len(row) != len(rows[0]) {
			t.Fatalf("the README's table has %d columns, and %q not so many", len(rows[0]), row)
		}
	}
	return rows[0][1:], rows[1:]
}

// operations are the calls that the committed OpenAPI document has, such as "GET /v1/notes/{id}".
// All of them need a token, or say that they may do without.
func operations(t testing.TB) []string {
	t.Helper()
	text, err := os.ReadFile("openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	var document struct {
		Paths map[string]map[string]struct{ Security []map[string][]string }
	}
	if err := json.Unmarshal(text, &document); err != nil {
		t.Fatal(err)
	}
	var calls []string
	for path, item := range document.Paths {
		for method, operation := range item {
			if len(operation.Security) == 0 {
				t.Errorf("%s %s says nothing of tokens", method, path)
			}
			calls = append(calls, strings.ToUpper(method)+" "+path)
		}
	}
	slices.Sort(calls)
	return calls
}

// is tells whether a call of the table, such as "GET /v1/notes/{own}?q=x", is of the operation.
func is(call, operation string) bool {
	call, _, _ = strings.Cut(call, "?")
	pattern := operation
	for {
		before, after, found := strings.Cut(pattern, "{")
		if !found {
			break
		}
		_, after, _ = strings.Cut(after, "}")
		pattern = before + "*" + after
	}
	matched, err := path.Match(pattern, call)
	return err == nil && matched
}

// filled returns the method and the path of an operation, with something for its parameters.
func filled(operation string) (method, path string) {
	method, path, _ = strings.Cut(operation, " ")
	return method, strings.NewReplacer("{slug}", "free", "{id}", strings.Repeat("a", 26)).Replace(path)
}
