package provider_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// CONFORMANCE.md says which test holds the server to which line: every test and every departure
// that it names is there.
func TestTheTableOfConformanceNamesWhatIsThere(t *testing.T) {
	t.Parallel()
	read := func(path string) string {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	tests := map[string]string{} // the file that a test is in
	err := filepath.WalkDir("../../..", func(path string, entry os.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text := read(path)
		for _, found := range regexp.MustCompile(`(?m)^func (Test\w+)\(t \*testing\.T\)`).FindAllStringSubmatch(text, -1) {
			tests[found[1]] = text
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	_, departures, _ := strings.Cut(read("../../../ARCHITECTURE.md"), "## Where we depart")
	rows, item := 0, regexp.MustCompile("^(?:`(Test\\w+)(?:/([^`]+))?`|departure: (\\*\\*.+\\*\\*))(?:, |$)")
	for line := range strings.Lines(read("../../CONFORMANCE.md")) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) != 4 || cells[1] == "---" || cells[1] == " what " {
			continue
		}
		rows++
		rest := strings.TrimSpace(cells[2])
		for rest != "" {
			found := item.FindStringSubmatch(rest)
			if found == nil {
				t.Errorf("neither a test nor a departure: %q", rest)
				break
			}
			switch name, sub, departure := found[1], found[2], found[3]; {
			case departure != "" && !strings.Contains(departures, "- "+departure):
				t.Errorf("ARCHITECTURE.md has no departure %s", departure)
			case name != "" && tests[name] == "":
				t.Errorf("there is no test %s", name)
			case !strings.Contains(tests[name], sub):
				t.Errorf("%s has no %s", name, sub)
			}
			rest = rest[len(found[0]):]
		}
	}
	if rows < 80 {
		t.Errorf("only %d rows were read", rows)
	}
}
