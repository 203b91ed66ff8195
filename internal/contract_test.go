package internal_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/maru-auth/maru/internal/testenv"
	"github.com/maru-auth/maru/internal/testenv/lastrelease"
)

// Two releases run side by side while one replaces the other, and the one before may be put back.
// So a migration only expands the schema, in ways that programs which do not know of it never
// notice. What it takes away or tightens goes a release later, when no program that runs uses it
// any more, in a migration that is named NNNN_contract_….sql and raises schema_compatibility in its
// transaction.

// compatibilityFrom is the migration from which on this holds, by the folder of the migrations.
var compatibilityFrom = map[string]int{
	"../authz-server/internal/store/migrations":    24,
	"../resources/user/internal/store/migrations":  5,
	"../resources/board/internal/store/migrations": 8,
}

func TestMigrationsExpandAndContractsSayForWhomTheSchemaIs(t *testing.T) {
	for folder, from := range compatibilityFrom {
		paths, err := filepath.Glob(filepath.Join(folder, "*.sql"))
		if err != nil || len(paths) < from {
			t.Fatalf("%s: %d migrations, %v", folder, len(paths), err)
		}
		slices.Sort(paths)
		known := schemaObjects{}
		oldest := from
		for _, path := range paths {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			name := filepath.Base(path)
			number, err := strconv.Atoi(name[:4])
			if err != nil {
				t.Fatal(err)
			}
			if number > from {
				for _, problem := range judgeMigration(name, number, string(text), known, &oldest) {
					t.Errorf("%s: %s", path, problem)
				}
			}
			known.add(string(text))
		}
	}
}

// schemaObjects are the tables and indexes that migrations made so far.
type schemaObjects map[string]bool

var creates = regexp.MustCompile(`^CREATE (?:UNIQUE )?(?:VIRTUAL )?(?:TABLE|INDEX) (?:CONCURRENTLY )?(?:IF NOT EXISTS )?([\w.]+)`)

func (o schemaObjects) add(text string) {
	for _, statement := range statementsOf(text) {
		if made := creates.FindStringSubmatch(statement); made != nil {
			o[made[1]] = true
		}
	}
}

var (
	comments = regexp.MustCompile(`(?m)--.*$`)
	quoted   = regexp.MustCompile(`'[^']*'`)
	blanks   = regexp.MustCompile(`\s+`)

	drops      = regexp.MustCompile(`^DROP \w+ (?:CONCURRENTLY )?(?:IF EXISTS )?([\w.]+)`)
	altered    = regexp.MustCompile(`^ALTER TABLE (?:IF EXISTS )?(?:ONLY )?([\w.]+)`)
	uniqueOn   = regexp.MustCompile(`^CREATE UNIQUE INDEX .*\bON ([\w.]+)`)
	takesAway  = regexp.MustCompile(`\b(DROP|RENAME|ALTER COLUMN|TYPE|SET NOT NULL|ADD CONSTRAINT|ADD (?:PRIMARY|UNIQUE|FOREIGN|CHECK)|UNIQUE)\b`)
	removes    = regexp.MustCompile(`^(DELETE|TRUNCATE)\b`)
	raises     = regexp.MustCompile(`^UPDATE SCHEMA_COMPATIBILITY SET OLDEST_VERSION = (\d+)$`)
	ofContract = regexp.MustCompile(`^\d{4}_contract_\w+\.sql$`)
)

// statementsOf is the statements of a migration's way up, in capitals, without comments and texts.
func statementsOf(text string) (statements []string) {
	text, _, _ = strings.Cut(text, "-- +goose Down")
	text = quoted.ReplaceAllString(comments.ReplaceAllString(text, ""), "''")
	for statement := range strings.SplitSeq(text, ";") {
		if statement = strings.ToUpper(strings.TrimSpace(blanks.ReplaceAllString(statement, " "))); statement != "" {
			statements = append(statements, statement)
		}
	}
	return statements
}

// contracts says how the statement takes something away or tightens it; empty: it does neither.
// What the migration itself makes, it may change as it likes.
func contracts(statement string, known schemaObjects) string {
	if dropped := drops.FindStringSubmatch(statement); dropped != nil && known[dropped[1]] {
		return "it drops " + dropped[1]
	}
	if index := uniqueOn.FindStringSubmatch(statement); index != nil && known[index[1]] {
		return "older programs may write what the new unique index refuses"
	}
	if removes.MatchString(statement) {
		return "it deletes rows"
	}
	table := altered.FindStringSubmatch(statement)
	if table == nil || !known[table[1]] {
		return ""
	}
	if found := takesAway.FindString(statement); found != "" {
		return found
	}
	if strings.Contains(statement, "NOT NULL") && !strings.Contains(statement, "DEFAULT") {
		return "older programs do not write the new column: it needs a DEFAULT"
	}
	return ""
}

func judgeMigration(name string, number int, text string, known schemaObjects, oldest *int) (problems []string) {
	contract, raised := ofContract.MatchString(name), 0
	for _, statement := range statementsOf(text) {
		if to := raises.FindStringSubmatch(statement); to != nil {
			raised, _ = strconv.Atoi(to[1])
			if !contract {
				problems = append(problems, "only a contract raises schema_compatibility")
			}
		} else if strings.Contains(statement, "SCHEMA_COMPATIBILITY") {
			problems = append(problems, "it changes schema_compatibility by something else than UPDATE … SET oldest_version = N")
		}
		if why := contracts(statement, known); why != "" && !contract {
			problems = append(problems, "an older program that still runs may use what this changes ("+why+"): do it one release later, in a contract: "+statement)
		}
	}
	if !contract {
		return problems
	}
	if strings.Contains(text, "NO TRANSACTION") {
		problems = append(problems, "a contract is one transaction")
	}
	if raised < *oldest || raised >= number {
		problems = append(problems, "a contract ends with UPDATE schema_compatibility SET oldest_version = N, where N is the last migration of the "+
			"release before: not below "+strconv.Itoa(*oldest)+", and below its own number")
	} else {
		*oldest = raised
	}
	return problems
}

// A contract that is not released yet may end nobody but programs that are older than the last
// release: that one runs beside this one.
func TestContractsLeaveTheLastReleaseRunning(t *testing.T) {
	release, err := lastrelease.Find(t.Context(), "..")
	if err != nil {
		testenv.Absent(t, err.Error())
	}
	released, err := release.File(t.Context(), "..", "internal/migrations.sum")
	if err != nil {
		t.Fatal(err)
	}
	last := map[string]int{} // by folder
	for line := range strings.Lines(string(released)) {
		_, path, _ := strings.Cut(strings.TrimSpace(line), "  ")
		number, err := strconv.Atoi(filepath.Base(path)[:4])
		if err != nil {
			t.Fatal(err)
		}
		folder := "../" + filepath.ToSlash(filepath.Dir(path))
		last[folder] = max(last[folder], number)
	}
	for folder := range compatibilityFrom {
		paths, err := filepath.Glob(filepath.Join(folder, "*_contract_*.sql"))
		if err != nil || last[folder] == 0 {
			t.Fatalf("%s: %v, and the last release has %d migrations", folder, err, last[folder])
		}
		for _, path := range paths {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for _, statement := range statementsOf(string(text)) {
				if to := raises.FindStringSubmatch(statement); to != nil {
					if oldest, _ := strconv.Atoi(to[1]); oldest > last[folder] {
						t.Errorf("%s ends the programs of %s, which know version %d: release what came after first", path, release.Tag, last[folder])
					}
				}
			}
		}
	}
}

func TestTheRuleOfMigrationsSeesWhatOlderProgramsWouldNotice(t *testing.T) {
	known := schemaObjects{"THINGS": true, "THINGS_N": true}
	for text, fine := range map[string]bool{
		"CREATE TABLE more (id TEXT NOT NULL UNIQUE); CREATE UNIQUE INDEX more_id ON more (id); DROP INDEX more_id;": true,
		"ALTER TABLE things ADD COLUMN wide BIGINT NOT NULL DEFAULT 0; -- DROP nothing":                              true,
		"ALTER TABLE things ADD COLUMN note TEXT DEFAULT 'DROP; RENAME'":                                             true,
		"CREATE INDEX CONCURRENTLY IF NOT EXISTS things_live ON things (live)":                                       true,
		"UPDATE things SET n = 1":                                            true,
		"ALTER TABLE things\n\tADD COLUMN wide BIGINT NOT NULL":              false,
		"ALTER TABLE things ADD COLUMN wide BIGINT UNIQUE":                   false,
		"ALTER TABLE things ADD COLUMN wide BIGINT DEFAULT 0, DROP COLUMN n": false,
		"alter table things rename column n to m":                            false,
		"ALTER TABLE ONLY things ALTER COLUMN n SET NOT NULL":                false,
		"ALTER TABLE things ALTER n TYPE TEXT":                               false,
		"ALTER TABLE things ADD CONSTRAINT positive CHECK (n > 0)":           false,
		"DROP TABLE IF EXISTS things":                                        false,
		"DROP INDEX CONCURRENTLY things_n":                                   false,
		"CREATE UNIQUE INDEX things_one ON things (n)":                       false,
		"DELETE FROM things":                                                 false,
		"UPDATE schema_compatibility SET oldest_version = 30":                false,
		"INSERT INTO schema_compatibility (oldest_version) VALUES (30)":      false,
		"CREATE TABLE a (b TEXT); DELETE FROM schema_compatibility":          false,
	} {
		oldest := 24
		if problems := judgeMigration("0031_more.sql", 31, "-- +goose Up\n"+text, known, &oldest); (len(problems) == 0) != fine {
			t.Errorf("%s: %q", text, problems)
		}
	}
	for text, fine := range map[string]bool{
		"DROP TABLE things; UPDATE schema_compatibility SET oldest_version = 30;": true,
		"DROP TABLE things;": false,
		"DROP TABLE things; UPDATE schema_compatibility SET oldest_version = 31;":                           false,
		"DROP TABLE things; UPDATE schema_compatibility SET oldest_version = 23;":                           false,
		"-- +goose NO TRANSACTION\nDROP TABLE things; UPDATE schema_compatibility SET oldest_version = 30;": false,
	} {
		oldest := 24
		if problems := judgeMigration("0031_contract_things.sql", 31, text, known, &oldest); (len(problems) == 0) != fine {
			t.Errorf("contract %s: %q", text, problems)
		}
	}
}
