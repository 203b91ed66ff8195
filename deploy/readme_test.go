package deploy

import (
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// document is what a Markdown file is made of, as far as these tests look.
type document struct {
	path     string
	lines    []string
	headings []string   // with their marks, such as "## The parts"
	rows     [][]string // of all tables, in order: the code spans of each cell
	blocks   []string   // of code, without the fences and comments
	links    []string   // targets, outside of code
}

var (
	codeSpan   = regexp.MustCompile("`+[^`]+`+")
	linkTarget = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	comment    = regexp.MustCompile(`\s*(^|\s)(#|//) .*$`)
)

func readDocument(t *testing.T, path string) document {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	d := document{path: path, lines: strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")}
	var block []string
	inside := false
	for _, line := range d.lines {
		switch {
		case strings.HasPrefix(strings.TrimSpace(line), "```"):
			if inside = !inside; !inside {
				d.blocks = append(d.blocks, strings.Join(block, "\n"))
			}
			block = nil
		case inside:
			if line = comment.ReplaceAllString(line, ""); line != "" {
				block = append(block, line)
			}
		case strings.HasPrefix(line, "#"):
			d.headings = append(d.headings, line)
		case strings.HasPrefix(line, "|"):
			var cells []string
			for _, cell := range strings.Split(codeSpan.ReplaceAllStringFunc(line,
				func(s string) string { return strings.ReplaceAll(s, "|", "¦") }), "|") {
				spans := codeSpan.FindAllString(cell, -1)
				slices.Sort(spans)
				cells = append(cells, strings.Join(slices.Compact(spans), " "))
			}
			d.rows = append(d.rows, cells)
		}
		if !inside {
			for _, m := range linkTarget.FindAllStringSubmatch(codeSpan.ReplaceAllString(line, ""), -1) {
				d.links = append(d.links, m[1])
			}
		}
	}
	return d
}

// anchors are the fragments by which the headings can be linked to, as GitHub makes them.
func (d document) anchors() map[string]bool {
	anchors := map[string]bool{}
	for _, h := range d.headings {
		var slug strings.Builder
		for _, r := range strings.ToLower(strings.TrimSpace(strings.TrimLeft(h, "#"))) {
			switch {
			case r == ' ':
				slug.WriteRune('-')
			case r == '-', r == '_', unicode.IsLetter(r), unicode.IsDigit(r), unicode.IsMark(r):
				slug.WriteRune(r)
			}
		}
		anchors[slug.String()] = true
	}
	return anchors
}

// markdown are the repository's Markdown files.
func markdown(t *testing.T) []string {
	t.Helper()
	var files []string
	for _, pattern := range []string{"../*.md", "../*/*.md", "../*/*/*.md"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	files = slices.DeleteFunc(files, func(f string) bool {
		return strings.HasPrefix(f, "../bin/") ||
			strings.HasPrefix(f, "../data/")
	})
	if len(files) < 12 {
		t.Fatalf("found only %q", files)
	}
	return files
}

func TestTheReadmeIsAFrontPageOfAtMost200Lines(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"../README.md", "../README.ko.md"} {
		if n := len(readDocument(t, path).lines); n > 200 {
			t.Errorf("%s has %d lines", path, n)
		}
	}
}

func TestLinksAndAnchorsInMarkdownLeadSomewhere(t *testing.T) {
	t.Parallel()
	for _, path := range markdown(t) {
		d := readDocument(t, path)
		for _, link := range d.links {
			target, err := url.Parse(link)
			if err != nil {
				t.Errorf("%s: %s: %v", path, link, err)
				continue
			}
			if target.IsAbs() || target.Host != "" {
				continue
			}
			file := path
			if target.Path != "" {
				file = filepath.Join(filepath.Dir(path), filepath.FromSlash(target.Path))
			}
			if _, err := os.Stat(file); err != nil {
				t.Errorf("%s: %s leads nowhere", path, link)
				continue
			}
			if target.Fragment != "" && strings.HasSuffix(file, ".md") && !readDocument(t, file).anchors()[target.Fragment] {
				t.Errorf("%s: %s: no heading of %s has this anchor", path, link, file)
			}
		}
	}
}

// Both languages say the same: headings of the same levels, and the same rows and programs in the
// same order. In tables the code of each cell is compared; what people read is left to people.
func TestTheKoreanDocumentsHaveTheRowsAndBlocksOfTheEnglishOnes(t *testing.T) {
	t.Parallel()
	korean, err := filepath.Glob("../*.ko.md")
	if err != nil {
		t.Fatal(err)
	}
	inner, err := filepath.Glob("../*/*.ko.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range append(korean, inner...) {
		ko, en := readDocument(t, path), readDocument(t, strings.TrimSuffix(path, ".ko.md")+".md")
		level := func(h string) int { return len(h) - len(strings.TrimLeft(h, "#")) }
		for i := range max(len(en.headings), len(ko.headings)) {
			if i >= len(en.headings) || i >= len(ko.headings) || level(en.headings[i]) != level(ko.headings[i]) {
				t.Errorf("%s: heading %d differs from the English: %q, %q", path, i+1,
					ko.headings[min(i, len(ko.headings)-1)], en.headings[min(i, len(en.headings)-1)])
				break
			}
		}
		for i := range max(len(en.rows), len(ko.rows)) {
			if i >= len(en.rows) || i >= len(ko.rows) || !slices.Equal(en.rows[i], ko.rows[i]) {
				t.Errorf("%s: row %d of the tables (of %d; English has %d) differs from the English:\n%q\n%q",
					path, i+1, len(ko.rows), len(en.rows), ko.rows[min(i, len(ko.rows)-1)], en.rows[min(i, len(en.rows)-1)])
				break
			}
		}
		if len(en.blocks) != len(ko.blocks) {
			t.Errorf("%s: %d blocks of code, English has %d", path, len(ko.blocks), len(en.blocks))
			continue
		}
		for i := range en.blocks {
			if en.blocks[i] != ko.blocks[i] && !strings.Contains(en.blocks[i], "+---") { // a picture may be translated
				t.Errorf("%s: block %d of code differs from the English:\n%s\n---\n%s", path, i+1, ko.blocks[i], en.blocks[i])
			}
		}
	}
}

func TestGoProgramsInMarkdownCompile(t *testing.T) {
	t.Parallel()
	programs := 0
	for _, path := range markdown(t) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile("(?s)```go\n(package main\n.*?)```\n").FindAllStringSubmatch(string(text), -1) {
			programs++
			dir := t.TempDir()
			file := filepath.Join(dir, "main.go")
			if err := os.WriteFile(file, []byte(m[1]), 0o600); err != nil {
				t.Fatal(err)
			}
			// By its file name, from this module: with the versions that it pins.
			for _, args := range [][]string{{"build", "-o", filepath.Join(dir, "program"), file}, {"vet", file}} {
				if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
					t.Errorf("%s: go %s: %v\n%s", path, args[0], err, out)
				}
			}
			if out, err := exec.Command("gofmt", "-l", file).CombinedOutput(); err != nil || len(out) > 0 {
				t.Errorf("%s: gofmt would change a program (%v)", path, err)
			}
		}
	}
	if programs < 2 {
		t.Errorf("found %d programs", programs)
	}
}
