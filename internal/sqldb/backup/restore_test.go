package backup_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/maru-auth/maru/internal/sqldb"
	"github.com/maru-auth/maru/internal/sqldb/backup"
)

// embedded is as a store embeds its migrations.
func embedded(files fstest.MapFS) fs.FS {
	all := fstest.MapFS{}
	for name, file := range files {
		all["migrations/"+name] = file
	}
	return all
}

// made is a database with some rows, closed, and a backup of it.
type made struct {
	t          *testing.T
	dir, path  string
	file       string // the backup
	migrations fstest.MapFS
}

func newMade(t *testing.T) made {
	t.Helper()
	dir := t.TempDir()
	m := made{t, dir, filepath.Join(dir, "test.db"), filepath.Join(dir, "backup"), migrations}
	m.add(m.path, "kept")
	if _, err := backup.SQLite(t.Context(), "sqlite:"+m.path, m.file); err != nil {
		t.Fatal(err)
	}
	m.add(m.path, "later")
	return m
}

// add adds a row to the database at path, and closes it.
func (m made) add(path, id string) {
	m.t.Helper()
	db, err := sqldb.Open(m.t.Context(), "sqlite:"+path)
	if err == nil {
		err = db.Migrate(m.t.Context(), m.migrations)
	}
	if err == nil {
		_, err = insert(m.t.Context(), db, id)
	}
	if err = errors.Join(err, db.Close()); err != nil {
		m.t.Fatal(err)
	}
}

// has tells which rows the database at path has.
func (m made) has(path string) (ids string) {
	m.t.Helper()
	db, err := sqldb.OpenReadOnly(m.t.Context(), sqldb.Options{DatabaseURL: "sqlite:" + path})
	if err == nil {
		err = db.QueryRow(m.t.Context(), `SELECT group_concat(id) FROM (SELECT id FROM things ORDER BY id)`).Scan(&ids)
		err = errors.Join(err, db.Close())
	}
	if err != nil {
		m.t.Fatal(err)
	}
	return ids
}

func (m made) restore(file string) (backup.Restored, error) {
	return backup.Restore{
		DatabaseURL: "sqlite:" + m.path, File: file, Migrations: embedded(m.migrations),
		Now: func() time.Time { return time.Date(2026, 5, 1, 9, 0, 0, 0, time.UTC) },
	}.Run(m.t.Context())
}

// left are the names in the folder.
func (m made) left() string {
	m.t.Helper()
	entries, err := os.ReadDir(m.dir)
	if err != nil {
		m.t.Fatal(err)
	}
	names := ""
	for _, one := range entries {
		names += one.Name() + " "
	}
	return strings.TrimSpace(names)
}

func TestARestoredDatabaseTakesThePlaceOfTheOneBefore(t *testing.T) {
	m := newMade(t)
	done, err := m.restore(m.file)
	if err != nil {
		t.Fatal(err)
	}
	if got := m.has(m.path); got != "kept" || done.Rows["things"] != 1 || done.Schema != 1 || done.Unchecked {
		t.Errorf("%q %+v", got, done)
	}
	if got := m.has(done.Kept); got != "kept,later" {
		t.Errorf("the database before has %q", got)
	}
	if info, err := os.Stat(m.path); err != nil || info.Mode().Perm() != 0o600 {
		t.Error(info, err)
	}
	const names = "backup backup.json test.db test.db.before-restore-20260501T090000Z"
	if got := m.left(); got != names {
		t.Errorf("left: %s", got)
	}
	m.add(m.path, "new") // it can be used
	if got := m.has(m.path); got != "kept,new" {
		t.Error(got)
	}
	// Within the same second: what is kept is not replaced.
	if _, err := m.restore(m.file); !errors.Is(err, fs.ErrExist) {
		t.Error(err)
	}
	if got := m.has(m.path); got != "kept,new" {
		t.Error(got)
	}
}

func TestABackupIsRestoredWhereThereIsNoDatabase(t *testing.T) {
	m := newMade(t)
	m.path = filepath.Join(m.dir, "new", "test.db")
	done, err := m.restore(m.file)
	if err != nil || done.Kept != "" || m.has(m.path) != "kept" {
		t.Fatal(done, err)
	}
	// The log of a database that is gone would be taken for the new one's.
	m.path = filepath.Join(m.dir, "gone.db")
	if err := os.WriteFile(m.path+"-wal", []byte("something"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := m.restore(m.file); err == nil || !strings.Contains(err.Error(), "gone.db-wal") {
		t.Error(err)
	}
}

func TestADatabaseInUseIsNotReplaced(t *testing.T) {
	m := newMade(t)
	db := open(t, "sqlite:"+m.path)
	if _, err := m.restore(m.file); !errors.Is(err, backup.ErrInUse) {
		t.Fatal(err)
	}
	if _, err := insert(t.Context(), db, "still"); err != nil {
		t.Errorf("who uses it is disturbed: %v", err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if got := m.has(m.path); got != "kept,later,still" {
		t.Error(got)
	}
	if _, err := m.restore(m.file); err != nil {
		t.Error(err)
	}
}

// Another process than this one: the locks of a process say nothing to itself.
func TestADatabaseThatAnotherProcessUsesIsNotReplaced(t *testing.T) {
	for name, broken := range map[string]bool{"whole": false, "broken": true} {
		t.Run(name, func(t *testing.T) {
			m := newMade(t)
			other := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestHolder$")
			other.Env = append(os.Environ(), "MARU_HOLD="+m.path)
			stdin, err := other.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			out, err := other.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := other.Start(); err != nil {
				t.Fatal(err)
			}
			if _, err := out.Read(make([]byte, 1)); err != nil {
				t.Fatal(err)
			}
			if broken {
				file, err := os.OpenFile(m.path, os.O_WRONLY, 0)
				if err != nil {
					t.Fatal(err)
				}
				_, err = file.WriteAt(bytes.Repeat([]byte{'x'}, 100), 0)
				if err = errors.Join(err, file.Close()); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := m.restore(m.file); !errors.Is(err, backup.ErrInUse) {
				t.Error(err)
			}
			stdin.Close()
			_ = other.Wait()
			if done, err := m.restore(m.file); err != nil || m.has(m.path) != "kept" || done.Kept == "" {
				t.Error(done, err)
			}
		})
	}
}

// TestHolder is no test: it is the other process.
func TestHolder(t *testing.T) {
	path := os.Getenv("MARU_HOLD")
	if path == "" {
		return
	}
	db := open(t, "sqlite:"+path)
	fmt.Print("!")
	os.Stdin.Read(make([]byte, 1))
	_ = db
}

func TestABrokenDatabaseIsReplacedAndKept(t *testing.T) {
	m := newMade(t)
	for _, suffix := range []string{"", "-wal"} {
		if err := os.WriteFile(m.path+suffix, []byte(strings.Repeat("no database ", 1000)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	done, err := m.restore(m.file)
	if err != nil || m.has(m.path) != "kept" {
		t.Fatal(err)
	}
	for _, suffix := range []string{"", "-wal"} {
		if text, err := os.ReadFile(done.Kept + suffix); err != nil || !bytes.HasPrefix(text, []byte("no database")) {
			t.Errorf("%s: %v", suffix, err)
		}
	}
}

func TestWhatIsNoBackupOfTheProgramIsRefused(t *testing.T) {
	m := newMade(t)
	whole, err := os.ReadFile(m.file)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name string, content []byte) string {
		path := filepath.Join(m.dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	manifest, err := os.ReadFile(m.file + ".json")
	if err != nil {
		t.Fatal(err)
	}
	// One that a newer program made, and one of another program.
	newer := made{t, m.dir, filepath.Join(m.dir, "newer.db"), "", fstest.MapFS{
		"0001_things.sql": migrations["0001_things.sql"], "0002_more.sql": {Data: []byte("-- +goose Up\nALTER TABLE things ADD COLUMN more TEXT;\n")}}}
	newer.add(newer.path, "x")
	stranger := filepath.Join(m.dir, "stranger.db")
	theirs := fstest.MapFS{"0001_others.sql": {Data: []byte("-- +goose Up\nCREATE TABLE others (id TEXT PRIMARY KEY);\n")}}
	other, err := sqldb.Open(t.Context(), "sqlite:"+stranger)
	if err == nil {
		err = other.Migrate(t.Context(), theirs)
		err = errors.Join(err, other.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	changed := bytes.Clone(whole)
	changed[len(changed)-1] ^= 1
	page := bytes.Clone(whole)
	copy(page[4096:], bytes.Repeat([]byte{0xff}, 4096))
	folder := filepath.Join(m.dir, "folder")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	inUse := write("used", whole)
	write("used-wal", []byte("something"))
	write("changed.json", manifest)
	for name, one := range map[string]struct{ file, says string }{
		"nothing":                   {filepath.Join(m.dir, "missing"), "no such file"},
		"an empty file":             {write("empty", nil), "the database is empty"},
		"a text":                    {write("text", []byte(strings.Repeat("text ", 9999))), "no whole database"},
		"one that was cut":          {write("cut", whole[:len(whole)-4096]), "no whole database"},
		"a page of rubbish":         {write("page", page), "no whole database"},
		"not what its manifest has": {write("changed", changed), "manifest"},
		"one of a newer program":    {newer.path, "newer programs"},
		"one of another program":    {stranger, "lacks"},
		"a folder":                  {folder, "no ordinary file"},
		"a database's own file":     {inUse, "-wal"},
	} {
		if _, err := m.restore(one.file); err == nil || !strings.Contains(err.Error(), one.says) {
			t.Errorf("%s: %v", name, err)
		}
		if got := m.has(m.path); got != "kept,later" {
			t.Errorf("%s: the database has %q", name, got)
		}
		if _, err := os.Stat(m.path + ".restoring"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: the copy stays: %v", name, err)
		}
	}
	if left := m.left(); strings.Contains(left, "before-restore") {
		t.Error(left)
	}
}

func TestAFailedPreparationLeavesTheDatabaseAsItIs(t *testing.T) {
	m := newMade(t)
	wrong := errors.New("no")
	_, err := backup.Restore{
		DatabaseURL: "sqlite:" + m.path, File: m.file, Migrations: embedded(migrations),
		Prepare: func(ctx context.Context, databaseURL string) error {
			m.add(strings.TrimPrefix(databaseURL, "sqlite:"), "prepared")
			return wrong
		},
	}.Run(t.Context())
	if !errors.Is(err, wrong) || m.has(m.path) != "kept,later" || m.left() != "backup backup.json test.db" {
		t.Error(err, m.left())
	}
}

func TestALinkIsNoPlaceForABackup(t *testing.T) {
	m := newMade(t)
	precious := filepath.Join(m.dir, "precious")
	if err := os.WriteFile(precious, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, at := range map[string]string{"to a file": precious, "to nothing": filepath.Join(m.dir, "nothing")} {
		for _, suffix := range []string{"", ".partial", ".json"} {
			file := filepath.Join(m.dir, "link"+strings.ReplaceAll(name, " ", ""))
			if err := os.Symlink(at, file+suffix); err != nil {
				t.Fatal(err)
			}
			if _, err := backup.SQLite(t.Context(), "sqlite:"+m.path, file); !errors.Is(err, fs.ErrExist) {
				t.Errorf("%s, %s: %v", name, suffix, err)
			}
			if err := os.Remove(file + suffix); err != nil {
				t.Fatalf("the link is gone: %v", err)
			}
			if _, err := os.Stat(file); err == nil {
				t.Errorf("%s, %s: a backup was made", name, suffix)
			}
		}
	}
	if text, err := os.ReadFile(precious); err != nil || string(text) != "precious" {
		t.Error(string(text), err)
	}
	if _, err := os.Stat(filepath.Join(m.dir, "nothing")); err == nil {
		t.Error("a link was followed")
	}
	// The database may be behind a link: what it leads to is replaced.
	link := filepath.Join(m.dir, "link.db")
	if err := os.Symlink(m.path, link); err != nil {
		t.Fatal(err)
	}
	behind := m
	behind.path = link
	if _, err := behind.restore(m.file); err != nil || m.has(m.path) != "kept" {
		t.Error(err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&fs.ModeSymlink == 0 {
		t.Error("the link was replaced", err)
	}
}

func TestAManifestSaysWhatABackupHolds(t *testing.T) {
	m := newMade(t)
	for _, suffix := range []string{"", ".json"} {
		if info, err := os.Stat(m.file + suffix); err != nil || info.Mode().Perm() != 0o600 {
			t.Error(suffix, info, err)
		}
	}
	if err := os.Remove(m.file + ".json"); err != nil {
		t.Fatal(err)
	}
	done, err := m.restore(m.file)
	if err != nil || !done.Unchecked || !strings.Contains(done.Report(m.file), "no manifest") {
		t.Error(done, err)
	}
}
