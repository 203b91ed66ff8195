package sqldb

import (
	"context"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

// Migrate brings the schema up to date with the numbered .sql files in the root of migrations (goose's form). Several
// processes may call it at once: on Postgres an advisory lock, and on SQLite the single writer, lets one do the work.
func (db *DB) Migrate(ctx context.Context, migrations fs.FS) error {
	dialect := goose.DialectSQLite3
	var options []goose.ProviderOption
	if db.engine == Postgres {
		dialect = goose.DialectPostgres
		locker, err := lock.NewPostgresSessionLocker()
		if err != nil {
			return err
		}
		options = append(options, goose.WithSessionLocker(locker))
	}
	// On SQLite two processes can both see a migration as pending. The one that comes second fails as a whole,
	// finds on its next look that nothing is pending any more, and goes on.
	const attempts = 5
	for attempt := 1; ; attempt++ {
		provider, err := goose.NewProvider(dialect, db.write, migrations, options...)
		if err != nil {
			return fmt.Errorf("read the migrations: %w", err)
		}
		_, err = provider.Up(ctx)
		if err == nil {
			return nil
		}
		if db.engine == Postgres || attempt == attempts || ctx.Err() != nil {
			return fmt.Errorf("migrate the database: %w", err)
		}
	}
}
