package deploy

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A fix in Go's own library reaches people only if everything that they get is built with it:
// go.mod's programs, the gateway and the image. The tools follow, so that one Go compiles all.
func TestEverythingIsBuiltWithOneGo(t *testing.T) {
	t.Parallel()
	toolchain := func(path string) string {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		line := regexp.MustCompile(`(?m)^toolchain go(\d+\.\d+\.\d+)$`).FindSubmatch(text)
		if line == nil {
			t.Errorf("%s has no toolchain line", path)
			return ""
		}
		return string(line[1])
	}
	want := toolchain("../go.mod")
	tools, err := filepath.Glob("tools/*/go.mod")
	if err != nil || len(tools) < 6 {
		t.Fatal(tools, err)
	}
	modules, err := filepath.Glob("*/go.mod") // what compares us with others
	if err == nil {
		var peers []string
		peers, err = filepath.Glob("load/peers/*/go.mod")
		modules = append(modules, peers...)
	}
	if err != nil || len(modules) == 0 {
		t.Fatal(modules, err)
	}
	for _, path := range append(tools, modules...) {
		if got := toolchain(path); got != want {
			t.Errorf("%s is built with Go %s, go.mod with %s: run 'make toolchain GO=…'", path, got, want)
		}
	}
	image, err := os.ReadFile("Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(image), "\nFROM golang:"+want+"-") {
		t.Errorf("the image is not built with Go %s, as go.mod says: run 'make toolchain GO=…'", want)
	}
}

// Dependabot raises a tool only if it is told the tool's name, see dependabot.yml.
func TestEveryToolIsKeptCurrent(t *testing.T) {
	t.Parallel()
	dependabot, err := os.ReadFile("../.github/dependabot.yml")
	if err != nil {
		t.Fatal(err)
	}
	tools, err := filepath.Glob("tools/*/go.mod")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range tools {
		if path == filepath.Join("tools", "vulndb", "go.mod") {
			continue // it has no tags: workflows/vulndb.yml
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		tool := regexp.MustCompile(`(?m)^tool (\S+)$`).FindSubmatch(text)
		if tool == nil {
			t.Errorf("%s names no tool", path)
			continue
		}
		module, _, _ := strings.Cut(string(tool[1]), "/cmd/")
		if !strings.Contains(string(dependabot), "dependency-name: "+module+",") {
			t.Errorf("dependabot.yml does not allow %s to be raised", module)
		}
	}
}
