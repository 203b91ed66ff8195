package machine_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/maru-auth/maru/internal/machine"
)

func TestATableIsWrittenBetweenItsMarks(t *testing.T) {
	file := filepath.Join(t.TempDir(), "README.md")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("before\n<!-- one: from here -->\n\nold\n\n<!-- one: to here -->\nafter\n<!-- two: from here -->\n<!-- two: to here -->\n")
	for range 2 { // again, and nothing more changes
		if err := machine.WriteBetween(file, "one", "new\n"); err != nil {
			t.Fatal(err)
		}
		want := "before\n<!-- one: from here -->\n\nnew\n\n<!-- one: to here -->\nafter\n<!-- two: from here -->\n<!-- two: to here -->\n"
		if text, err := os.ReadFile(file); err != nil || string(text) != want {
			t.Errorf("%q, %v", text, err)
		}
	}
	if machine.WriteBetween(file, "three", "x") == nil {
		t.Error("a table is written where it has no marks")
	}
}
