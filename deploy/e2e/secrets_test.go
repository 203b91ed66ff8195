package e2e

import (
	"database/sql"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib"
)

// secrets are what a person held in confidence, by what they are. They must not be found where they
// need not be.
type secrets struct {
	what  map[string]string // by the text to look for
	codes map[string]string // of six digits, which are looked for as numbers of their own
}

var sixDigits = regexp.MustCompile(`^\d{6}$`)

// add plants a secret in all the forms in which it could be written down.
func (s *secrets) add(what, value string) {
	if s.what == nil {
		s.what, s.codes = map[string]string{}, map[string]string{}
	}
	if sixDigits.MatchString(value) {
		s.codes[value] = what
		s.what[hex.EncodeToString([]byte(value))] = what
		return
	}
	forms := []string{value, url.QueryEscape(value), hex.EncodeToString([]byte(value)), base64.RawStdEncoding.EncodeToString([]byte(value))}
	for _, decode := range []func(string) ([]byte, error){
		base64.RawURLEncoding.DecodeString, base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString,
	} {
		if raw, err := decode(value); err == nil && len(raw) >= 16 {
			forms = append(forms, string(raw), hex.EncodeToString(raw))
		}
	}
	for _, form := range forms {
		s.what[form] = what
	}
}

// number finds the numbers that have six digits and no fraction.
var number = regexp.MustCompile(`(?:^|[^0-9.])(\d{6})(?:[^0-9]|$)`)

// octets are the bytes of a column as Postgres writes them: among so many digits a code may be by chance.
var octets = regexp.MustCompile(`\\x[0-9a-f]+`)

// in returns what of s is in text, with its surroundings.
func (s *secrets) in(text string) (found []string) {
	add := func(what string, from, to int) {
		found = append(found, fmt.Sprintf("%s: %q", what, text[max(0, from-120):min(len(text), to+40)]))
	}
	for value, what := range s.what {
		if at := strings.Index(text, value); at >= 0 {
			add(what, at, at+len(value))
		}
	}
	numbers := octets.ReplaceAllStringFunc(text, func(hex string) string { return strings.Repeat(" ", len(hex)) })
	for _, at := range number.FindAllStringSubmatchIndex(numbers, -1) {
		if what, ok := s.codes[text[at[2]:at[3]]]; ok {
			add(what, at[2], at[3])
		}
	}
	return found
}

// notIn fails the test for each secret in text.
func (s *secrets) notIn(t *testing.T, where, text string) {
	t.Helper()
	for _, one := range s.in(text) {
		t.Errorf("in %s is %s", where, one)
	}
}

// notInFiles fails the test for each secret in a file below dir: databases with what they have not
// cleaned up yet, their logs, the caches of keys.
func (s *secrets) notInFiles(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		s.notIn(t, filepath.Base(path), string(content))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// dump is the text of all rows of a Postgres database.
func dump(t *testing.T, address string) string {
	t.Helper()
	db, err := sql.Open("pgx", address)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	lines := func(query string) (all []string) {
		rows, err := db.QueryContext(t.Context(), query)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		for rows.Next() {
			var line string
			if err := rows.Scan(&line); err != nil {
				t.Fatal(err)
			}
			all = append(all, line)
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		return all
	}
	var b strings.Builder
	for _, table := range lines(`SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = current_schema()`) {
		for _, row := range lines("SELECT t::text FROM " + table + " t") {
			b.WriteString(table + " " + row + "\n")
		}
	}
	if !strings.Contains(b.String(), "goose_db_version") {
		t.Fatal("the dump is empty")
	}
	return b.String()
}

func TestPlantedSecretsAreFound(t *testing.T) {
	var s secrets
	s.add("a cookie", "c2VjcmV0LXNlY3JldC1zZWNyZXQ")
	s.add("a code", "271828")
	for text, want := range map[string]bool{
		"Cookie: a=c2VjcmV0LXNlY3JldC1zZWNyZXQ": true, "secret-secret-secret": true, "secret-secret": false,
		"code=271828": true, "271828": true, "1271828": false, "took 0.271828 s": false,
		`(1,"\\x323731383238")`: true, `(1,"\\x0a271828b0",mina)`: false, `(1,"\\x0a",271828)`: true,
	} {
		if found := s.in(text); len(found) > 0 != want {
			t.Errorf("%q: found %q", text, found)
		}
	}
}
