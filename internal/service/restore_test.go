package service_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/alecthomas/kong"

	"github.com/maru-auth/maru/internal/service"
	"github.com/maru-auth/maru/internal/sqldb"
)

func TestAServiceIsBackedUpAndRestored(t *testing.T) {
	migrations := fstest.MapFS{"migrations/0001_notes.sql": {Data: []byte("-- +goose Up\nCREATE TABLE notes (id TEXT PRIMARY KEY);\n")}}
	dir := t.TempDir()
	databaseURL, file := "sqlite:"+filepath.Join(dir, "notes.db"), filepath.Join(dir, "backup")
	add := func(id string) {
		t.Helper()
		db, err := sqldb.OpenStore(t.Context(), sqldb.Options{DatabaseURL: databaseURL, Create: true}, migrations)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := db.Exec(t.Context(), `INSERT INTO notes (id) VALUES ($1)`, id); err != nil {
			t.Error(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	run := func(args ...string) (string, error) {
		t.Helper()
		program := service.Program{Name: "board", Listen: "127.0.0.1:9300", Migrations: migrations}
		var out bytes.Buffer
		parser, err := kong.New(new(service.Commands[service.Settings]), append(program.Options(), kong.Writers(&out, &out))...)
		if err != nil {
			t.Fatal(err)
		}
		command, err := parser.Parse(append(args, "--database-url="+databaseURL, file))
		if err == nil {
			err = command.Run()
		}
		return out.String(), err
	}
	add("kept")
	if out, err := run("backup"); err != nil || !strings.Contains(out, "SHA-256") {
		t.Fatal(out, err)
	}
	add("kept too") // if it were not for the restore
	out, err := run("restore")
	if err != nil || !strings.Contains(out, "the database that was there is "+filepath.Join(dir, "notes.db.before-restore-")) {
		t.Fatal(out, err)
	}
	add("kept too") // there is none
	if err := os.WriteFile(file, []byte("something else"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := run("restore"); err == nil || !strings.Contains(err.Error(), "manifest") {
		t.Error(out, err)
	}
}
