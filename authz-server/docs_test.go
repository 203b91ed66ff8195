package main

import (
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"

	"github.com/maru-auth/maru/authz-server/internal/client"
)

// commandTree is every command and option as --help describes them.
func commandTree(t *testing.T) *kong.Node {
	t.Helper()
	p := &program{in: strings.NewReader(""), out: io.Discard, errs: io.Discard, now: time.Now}
	parser, err := p.parser(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return parser.Model.Node
}

// optionsOf is the names of a command's own options, and of the commands below it.
func optionsOf(node *kong.Node) (names []string) {
	for _, flag := range node.Flags {
		names = append(names, flag.Name)
		if flag.Tag.Negatable != "" {
			names = append(names, "no-"+flag.Name)
		}
	}
	for _, child := range node.Children {
		names = append(names, optionsOf(child)...)
	}
	return names
}

func readText(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var (
	optionPattern = regexp.MustCompile("(?:^|[ (`])--([a-z][a-z0-9-]+)")
	codePattern   = regexp.MustCompile("`([^`]+)`")
)

// captured is what pattern finds in text.
func captured(pattern *regexp.Regexp, text string) (found []string) {
	for _, match := range pattern.FindAllStringSubmatch(text, -1) {
		found = append(found, match[1])
	}
	return found
}

func TestTheDocumentsNameOptionsThatThereAre(t *testing.T) {
	known := optionsOf(commandTree(t))
	for _, path := range []string{"README.md", "README.ko.md", "CONFORMANCE.md"} {
		named := captured(optionPattern, readText(t, path))
		for _, one := range named {
			if !slices.Contains(known, one) {
				t.Errorf("%s has --%s, which is no option of a command", path, one)
			}
		}
		if path == "CONFORMANCE.md" {
			continue
		}
		for _, m := range withOption() {
			if !slices.Contains(named, m.Option) && !slices.Contains(named, "no-"+m.Option) {
				t.Errorf("%s says nothing of --%s", path, m.Option)
			}
		}
	}
}

// settingsRows reads the tables of settings below a line that names a program's prefix: each flag's
// default, empty for one that is off or has none.
func settingsRows(text, prefix string) map[string]string {
	rows := map[string]string{}
	intro := ""
	for line := range strings.Lines(text) {
		cells := strings.Split(line, "|")
		if len(cells) < 4 {
			if strings.TrimSpace(line) != "" {
				intro = line
			}
			continue
		}
		if !strings.Contains(intro, prefix) {
			continue
		}
		flags, defaults := captured(optionPattern, cells[1]), captured(codePattern, cells[2])
		for i, flag := range flags {
			switch {
			case len(defaults) == 0:
				rows[flag] = ""
			case len(defaults) == len(flags):
				rows[flag] = defaults[i]
			default: // of each program
				rows[flag] = defaults[0]
			}
		}
	}
	return rows
}

func TestTheTableOfSettingsIsWhatHelpSays(t *testing.T) {
	// Defaults that the table does not write as --help does.
	special := map[string]string{"listen": "127.0.0.1:9100", "trusted-proxies": ""}
	for _, path := range []string{"../deploy/README.md", "../deploy/README.ko.md"} {
		rows := settingsRows(readText(t, path), "`AUTHZ_`")
		for _, flag := range commandTree(t).Flags {
			if flag.Name == "help" {
				continue
			}
			want := flag.Default
			if value, differs := special[flag.Name]; differs {
				want = value
			}
			if value, named := rows[flag.Name]; !named {
				t.Errorf("%s lacks --%s", path, flag.Name)
			} else if !sameDefault(value, want) {
				t.Errorf("%s: the default of --%s is %q, not %q", path, flag.Name, want, value)
			}
			delete(rows, flag.Name)
		}
		for flag := range rows {
			t.Errorf("%s has --%s, which is no setting", path, flag)
		}
	}
}

// sameDefault compares durations by their length, and everything else as it is written.
func sameDefault(a, b string) bool {
	one, err := time.ParseDuration(a)
	other, otherErr := time.ParseDuration(b)
	return a == b || err == nil && otherErr == nil && one == other
}

func TestTheDocumentsHoldTheListsOfTheCode(t *testing.T) {
	for _, path := range []string{"README.md", "README.ko.md"} {
		text := readText(t, path)
		for _, test := range []struct {
			row  string         // how it begins
			of   *regexp.Regexp // what in it belongs to the list
			list []string
		}{
			{"| `--id-token-alg`", regexp.MustCompile("`([A-Z]{2}[0-9]{3}|Ed[A-Za-z0-9]+)`"), client.Algorithms},
			{"| `--profile fapi2`", regexp.MustCompile("([A-Z]{2}[0-9]{3}|Ed[A-Za-z0-9]+)"), client.ProfileAlgorithms},
			{"| `--auth-method`", regexp.MustCompile("`(client_secret_[a-z]+|private_key_[a-z]+|none)`"), client.AuthMethods},
		} {
			_, row, _ := strings.Cut(text, test.row)
			row, _, _ = strings.Cut(test.row+row, "\n")
			got := slices.Compact(slices.Sorted(slices.Values(captured(test.of, row))))
			if want := slices.Sorted(slices.Values(test.list)); !slices.Equal(got, want) {
				t.Errorf("%s: the row %s has %q, not %q", path, test.row, got, want)
			}
		}
	}
}
