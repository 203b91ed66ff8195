// Command licences prints the licences of everything that Maru's programs, the gateway and the
// tests are made of, which is THIRD_PARTY.md. It fails on a licence that is not allowed, and on a
// module without one.
//
// The list names no versions: an upgrade changes it only if a module or a licence comes or goes.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/google/licensecheck"
)

// allowed are the licences that a dependency may have, by their SPDX names. Each lets the programs
// be passed on under any terms as long as the notices are kept. MPL-2.0 asks for the source of its
// own files as well, and we change none of them; OFL-1.1 is for fonts.
var allowed = []string{"Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "ISC", "MIT", "MPL-2.0", "OFL-1.1"}

// covered is the least share of a licence file, in percent, that known texts make up. The rest are
// names and years.
const covered = 70

// readByHand are files that are called a licence and are not the text of one, and what a reader
// found in them.
var readByHand = map[string][]string{
	"modernc.org/libc/LICENSE-3RD-PARTY.md":   {"BSD-3-Clause", "MIT"}, // of Go, musl, go-netdb and nixpkgs
	"modernc.org/memory/LICENSE-LOGO":         nil,                     // a picture of its README
	"modernc.org/sqlite/LICENSE-3RD-PARTY.md": {"MIT"},                 // what it links: its parts are listed here themselves
	"modernc.org/sqlite/LICENSE-SQLITE":       {"public domain"},
}

// uses are what dependencies are part of, each with the arguments by which the Go command lists its
// packages.
var uses = []struct {
	name string
	args []string
}{
	{"programs", []string{"-tags=timetzdata,libcrypto", "./authz-server", "./resources/user", "./resources/board", "./client-demo"}},
	{"gateway", []string{"-modfile=deploy/tools/caddy/go.mod", "github.com/caddyserver/caddy/v2/cmd/caddy"}},
	{"tests", []string{"-test", "./..."}},
}

// data are facts that others collected and something of ours contains, and no module has: each with
// the file of its licence.
var data = []struct{ name, licence, use string }{
	{"SecLists (common passwords, as hashes)", "authz-server/internal/passwords/mostcommon/LICENSE-SecLists", "programs"},
}

// A dependency is a module that something of ours uses.
type dependency struct {
	root    string          // where its source lies
	uses    []string        // names out of uses
	folders map[string]bool // of the packages that are used, and those above them
}

func main() {
	dependencies, err := list()
	if err == nil {
		err = write(os.Stdout, dependencies)
	}
	if err == nil {
		err = writeData(os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// list returns what is used, by the path of the module.
func list() (map[string]*dependency, error) {
	found := map[string]*dependency{}
	for _, use := range uses {
		cmd := exec.Command("go", append([]string{"list", "-deps", "-f",
			`{{if not .Standard}}{{with .Module}}{{if not .Main}}{{.Path}}{{"\t"}}{{.Dir}}{{"\t"}}{{$.Dir}}{{end}}{{end}}{{end}}`}, use.args...)...)
		cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=0") // the same list on every machine
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		if err != nil {
			return nil, fmt.Errorf("go list: %w", err)
		}
		for line := range strings.Lines(string(out)) {
			fields := strings.Split(strings.TrimSpace(line), "\t")
			if len(fields) != 3 {
				continue
			}
			d := found[fields[0]]
			if d == nil {
				d = &dependency{root: fields[1], folders: map[string]bool{}}
				found[fields[0]] = d
			}
			if !slices.Contains(d.uses, use.name) {
				d.uses = append(d.uses, use.name)
			}
			for dir := fields[2]; dir != d.root && len(dir) > len(d.root); dir = filepath.Dir(dir) {
				d.folders[dir] = true
			}
			d.folders[d.root] = true
		}
	}
	return found, nil
}

// write writes the list as Markdown. Its error names every fault, not only the first.
func write(w io.Writer, dependencies map[string]*dependency) error {
	var text bytes.Buffer
	text.WriteString("# Third-party licences\n\n" +
		"Made by `make licences`; `make check` fails when it differs, or when a licence is none of " +
		strings.Join(allowed, ", ") + ".\n" +
		"The programs and the gateway contain Go's standard library too (BSD-3-Clause).\n\n" +
		"| module | licence | part of |\n|---|---|---|\n")
	var faults []error
	for _, module := range slices.Sorted(maps.Keys(dependencies)) {
		d := dependencies[module]
		licences, err := d.licences(module)
		if err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", module, err))
		}
		fmt.Fprintf(&text, "| %s | %s | %s |\n", module, strings.Join(licences, ", "), strings.Join(d.uses, ", "))
	}
	if len(faults) > 0 {
		return errors.Join(faults...)
	}
	_, err := text.WriteTo(w)
	return err
}

// writeData adds what no module has to the list.
func writeData(w io.Writer) error {
	var text strings.Builder
	text.WriteString("\n| data | licence | part of |\n|---|---|---|\n")
	for _, one := range data {
		licences, err := identify(filepath.FromSlash(one.licence))
		if err != nil {
			return fmt.Errorf("%s: %w", one.licence, err)
		}
		fmt.Fprintf(&text, "| %s | [%s](%s) | %s |\n", one.name, strings.Join(licences, ", "), one.licence, one.use)
	}
	_, err := io.WriteString(w, text.String())
	return err
}

var licenceFile = regexp.MustCompile(`(?i)^(un)?(licen[cs]es?|copying)([-.][a-z0-9.-]+)?$`)

// licences returns the SPDX names of all licences in the module's folders, in order. The error
// tells of a text that is not known or not allowed, and of no text at all.
func (d *dependency) licences(module string) ([]string, error) {
	var names []string
	var faults []error
	for folder := range d.folders {
		entries, err := os.ReadDir(folder)
		if err != nil {
			return nil, err
		}
		for _, entry := range entries {
			if entry.IsDir() || !licenceFile.MatchString(entry.Name()) || filepath.Ext(entry.Name()) == ".go" {
				continue
			}
			path := filepath.Join(folder, entry.Name())
			found, known := readByHand[module+strings.TrimPrefix(filepath.ToSlash(path), filepath.ToSlash(d.root))]
			if !known {
				if found, err = identify(path); err != nil {
					faults = append(faults, fmt.Errorf("%s: %w", entry.Name(), err))
				}
			}
			names = append(names, found...)
		}
	}
	if len(names) == 0 && len(faults) == 0 {
		return nil, errors.New("no licence is found")
	}
	slices.Sort(names)
	return slices.Compact(names), errors.Join(faults...)
}

// identify returns the SPDX names of the licences that a file consists of.
func identify(path string) ([]string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	scan := licensecheck.Scan(text)
	var names []string
	for _, match := range scan.Match {
		if !match.IsURL {
			names = append(names, match.ID)
		}
	}
	if len(names) == 0 || scan.Percent < covered {
		return nil, fmt.Errorf("only %.0f %% of it is the text of a known licence %v", scan.Percent, names)
	}
	for _, name := range names {
		if !slices.Contains(allowed, name) {
			return nil, fmt.Errorf("%s is not allowed", name)
		}
	}
	return names, nil
}
