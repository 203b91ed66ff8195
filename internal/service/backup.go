package service

import (
	"context"
	"fmt"
	"io/fs"

	"github.com/alecthomas/kong"

	"github.com/maru-auth/maru/internal/sqldb/backup"
)

// BackupCommand is the command "backup" of a resource service.
type BackupCommand struct {
	DatabaseURL string `help:"The database: sqlite:PATH." default:"${database_url}" placeholder:"URL"`
	File        string `arg:"" help:"The file to write; it must not exist. Only this account can read it."`
}

// Run copies the database, even while the service uses it.
func (c BackupCommand) Run(app *kong.Kong) error {
	about, err := backup.SQLite(context.Background(), c.DatabaseURL, c.File)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(app.Stdout, "wrote and checked %s, and %s.json about it: %s\n", c.File, c.File, about)
	return err
}

// RestoreCommand is the command "restore" of a resource service.
type RestoreCommand struct {
	DatabaseURL string `help:"The database: sqlite:PATH." default:"${database_url}" placeholder:"URL"`
	File        string `arg:"" help:"A backup, as the command backup makes it. It stays as it is. What FILE.json says of it is compared, if that is there."`
}

// Run puts the backup in the database's place.
func (c RestoreCommand) Run(app *kong.Kong, migrations fs.FS) error {
	done, err := backup.Restore{DatabaseURL: c.DatabaseURL, File: c.File, Migrations: migrations}.Run(context.Background())
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(app.Stdout, done.Report(c.File))
	return err
}
