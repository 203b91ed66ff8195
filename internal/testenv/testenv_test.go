package testenv

import (
	"os"
	"path/filepath"
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
