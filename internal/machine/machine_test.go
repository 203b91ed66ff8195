package machine_test

import (
	"encoding/json"
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

func TestPartsAreWrittenIntoOneObject(t *testing.T) {
	out := machine.Output{Out: filepath.Join(t.TempDir(), "out.json")}
	for _, value := range []int{1, 2} { // again, and the other stays
		for _, part := range []string{"one", "two"} {
			if err := out.WritePart(part, "", map[string]int{"value": value}, ""); err != nil {
				t.Fatal(err)
			}
		}
	}
	text, err := os.ReadFile(out.Out)
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]map[string]int
	if err := json.Unmarshal(text, &all); err != nil || len(all) != 2 || all["one"]["value"] != 2 || all["two"]["value"] != 2 {
		t.Errorf("%s, %v", text, err)
	}
	if err := os.WriteFile(out.Out, []byte(`[]`), 0o600); err != nil {
		t.Fatal(err)
	}
	if out.WritePart("one", "", 1, "") == nil {
		t.Error("a file of something else is overwritten")
	}
}
