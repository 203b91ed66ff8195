package machine_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var begins = regexp.MustCompile(`^<!-- (?:([a-z-]+): |.* writes )from here -->$`)

// What a command writes between marks was written by it, in every document.
func TestNoMarkedRegionIsEmpty(t *testing.T) {
	root := filepath.Join("..", "..")
	list := exec.Command("git", "ls-files", "-z", "--", "*.md")
	list.Dir = root
	out, err := list.Output()
	if err != nil {
		t.Skip("no list of the files, as in an archive:", err)
	}
	regions := 0
	for path := range strings.SplitSeq(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		text, err := os.ReadFile(filepath.Join(root, path))
		if err != nil {
			t.Fatal(err)
		}
		region, content := "", ""
		for line := range strings.Lines(string(text)) {
			line = strings.TrimSpace(line)
			switch begin := begins.FindStringSubmatch(line); {
			case begin != nil && region != "":
				t.Errorf("%s: %s begins in %s", path, line, region)
			case begin != nil:
				region, content = line, ""
			case strings.HasPrefix(line, "<!-- ") && strings.HasSuffix(line, "to here -->"):
				if region == "" {
					t.Errorf("%s: %s ends nothing", path, line)
				}
				if !strings.Contains(content, "|") {
					t.Errorf("%s has no table between %s and %s: run the command", path, region, line)
				}
				region = ""
				regions++
			default:
				content += line
			}
		}
		if region != "" {
			t.Errorf("%s: %s has no end", path, region)
		}
	}
	if regions < 10 {
		t.Errorf("only %d regions were found", regions)
	}
}
