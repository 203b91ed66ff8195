package service_test

import (
	"bytes"
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/maru-auth/maru/internal/service"
)

func TestAServiceBacksUpItsDatabase(t *testing.T) {
	dir := t.TempDir()
	db, err := sql.Open("sqlite", filepath.Join(dir, "board.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), `CREATE TABLE things (id TEXT)`); err != nil {
		t.Fatal(err)
	}
	var cli struct {
		Backup service.BackupCommand `cmd:""`
	}
	var out bytes.Buffer
	parser, err := kong.New(&cli, kong.Vars{"database_url": "sqlite:data/board.db"}, kong.Writers(&out, &out))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "copy.db")
	command, err := parser.Parse([]string{"backup", "--database-url=sqlite:" + filepath.Join(dir, "board.db"), file})
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Run(); err != nil || !strings.Contains(out.String(), file) {
		t.Fatal(out.String(), err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Error(info, err)
	}
	if err := command.Run(); err == nil {
		t.Error("a second backup overwrote the first")
	}
}
