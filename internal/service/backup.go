package service

import (
	"context"
	"fmt"

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
	if err := backup.SQLite(context.Background(), c.DatabaseURL, c.File); err != nil {
		return err
	}
	_, err := fmt.Fprintf(app.Stdout, "wrote and checked %s\n", c.File)
	return err
}
