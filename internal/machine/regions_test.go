package machine_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var begins = regexp.MustCompile(`^<!-- (?:([a-z-]+): |.* writes )from here -->$`)

// What a command writes between marks was written by it, in every document.
func TestNoMarkedRegionIsEmpty(t *testing.T) {
	root := filepath.Join("..", "..")
	documents, err := fs.Glob(os.DirFS(root), "*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, folder := range []string{"authz-server", "client-demo", "deploy", "internal", "jwks", "resources"} {
		if err := filepath.WalkDir(filepath.Join(root, folder), func(path string, entry fs.DirEntry, err error) error {
			if err == nil && filepath.Ext(path) == ".md" && !entry.IsDir() {
				path, err = filepath.Rel(root, path)
				documents = append(documents, path)
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	regions := 0
	for _, path := range documents {
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
