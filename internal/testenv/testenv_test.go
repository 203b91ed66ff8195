package testenv

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func program(t *testing.T, dir string, names ...string) {
	t.Helper()
	for _, name := range names {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
}

func TestPostgresIsFoundOnThePathOnlyWhenBothProgramsAreThere(t *testing.T) {
	whole, half := t.TempDir(), t.TempDir()
	program(t, whole, "initdb", "postgres")
	program(t, half, "initdb")

	t.Setenv("PATH", whole)
	if dir, ok := PostgresBin(); !ok || dir != whole {
		t.Errorf("PostgresBin() = %q, %v, want %q", dir, ok, whole)
	}
	t.Setenv("PATH", half)
	if dir, _ := PostgresBin(); dir == half {
		t.Errorf("a folder without postgres was taken")
	}
}

func TestTheNewestPostgresIsTakenByNumberAndNotByLetter(t *testing.T) {
	if version("/usr/lib/postgresql/9.6/bin") >= version("/usr/lib/postgresql/17/bin") {
		t.Error("9.6 counts as newer than 17")
	}
}

func TestMissingNamesWhatIsAbsent(t *testing.T) {
	browser := t.TempDir()
	program(t, browser, "chromium")
	for name, tc := range map[string]struct {
		path, chromium string
		absent         bool
	}{
		"on the path":   {browser, "", false},
		"named":         {t.TempDir(), filepath.Join(browser, "chromium"), false},
		"named wrongly": {browser, filepath.Join(browser, "nothing"), true},
		"nowhere":       {t.TempDir(), "", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("PATH", tc.path)
			t.Setenv("CHROMIUM", tc.chromium)
			if got := strings.Contains(strings.Join(Missing(), "\n"), "Chromium"); got != tc.absent {
				t.Errorf("missing: %v, want %v", got, tc.absent)
			}
		})
	}
}

func TestCIIsTrueOnlyWhenSaidSo(t *testing.T) {
	for value, want := range map[string]bool{"": false, "true": true, "1": true, "false": false, "yes please": false} {
		t.Setenv("CI", value)
		if CI() != want {
			t.Errorf("CI=%q: %v, want %v", value, CI(), want)
		}
	}
}

func TestCIInstallsWhatTestsLookFor(t *testing.T) {
	script, err := os.ReadFile("../../.ci/run")
	if err != nil {
		t.Fatal(err)
	}
	var installed []string
	for line := range strings.Lines(string(script)) {
		if list, ok := strings.CutPrefix(strings.TrimSpace(line), "install "); ok {
			installed = append(installed, strings.Fields(list)...)
		}
	}
	wanted := []string{"curl", "openssl", "iproute2", "util-linux", "fonts-noto-cjk"}
	t.Setenv("PATH", t.TempDir())
	t.Setenv("CHROMIUM", "")
	t.Setenv("TEST_POSTGRES_URL", "")
	for _, what := range Missing() {
		if names := regexp.MustCompile(`install ([a-z0-9-]+)`).FindStringSubmatch(what); names != nil {
			wanted = append(wanted, names[1])
		}
	}
	for _, name := range wanted {
		if !slices.Contains(installed, name) {
			t.Errorf(".ci/run does not install %s", name)
		}
	}
}
