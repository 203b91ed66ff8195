package internal_test

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A migration that a database somewhere has run must never change: new databases would get another
// schema than those. What is released is in migrations.sum, in the form of sha256sum; a new
// migration is added by the line that this test prints, or by
//
//	sha256sum authz-server/internal/store/migrations/0042_name.sql >> internal/migrations.sum
func TestReleasedMigrationsNeverChange(t *testing.T) {
	recorded, err := os.ReadFile("migrations.sum")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(recorded)), "\n")
	var found []string
	for _, pattern := range []string{"../*/internal/store/migrations/*.sql", "../resources/*/internal/store/migrations/*.sql"} {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			sum := sha256.Sum256(text)
			found = append(found, hex.EncodeToString(sum[:])+"  "+strings.TrimPrefix(filepath.ToSlash(path), "../"))
		}
	}
	known := map[string]bool{}
	for _, line := range lines {
		_, path, ok := strings.Cut(line, "  ")
		if !ok || known[path] {
			t.Errorf("migrations.sum: the line %q has the wrong form, or is a second one for its file", line)
		}
		known[path] = true
		if !slices.Contains(found, line) {
			t.Errorf("%s is released, and was changed or removed: put it back, and write a new migration", path)
		}
	}
	for _, line := range found {
		if _, path, _ := strings.Cut(line, "  "); !known[path] {
			t.Errorf("%s is new; add this line to internal/migrations.sum:\n%s", path, line)
		}
	}
	if len(found) == 0 {
		t.Error("no migrations were found")
	}
}
