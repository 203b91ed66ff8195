package store

import (
	"context"
	"errors"
	"time"

	"github.com/maru-auth/maru/internal/sqldb"
)

// Inspect opens the database as it is, for whoever only looks, and says what it is: nothing is made
// or migrated, and nothing can be written. Before you read a table, see that the schema is not older
// than the table.
func Inspect(ctx context.Context, opts sqldb.Options, now func() time.Time) (*Store, sqldb.Inspection, error) {
	db, err := sqldb.OpenReadOnly(ctx, opts)
	if err != nil {
		return nil, sqldb.Inspection{}, err
	}
	found, err := db.Inspect(ctx, migrations)
	if err != nil {
		return nil, found, errors.Join(err, db.Close())
	}
	return newStore(db, now), found, nil
}
