package storetest

import (
	"context"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

// Main runs the tests; see [sqldbtest.MainMigrated].
func Main(m *testing.M) { sqldbtest.MainMigrated(m, Migrate) }

// Migrate makes the schema, as the server does when it starts.
func Migrate(ctx context.Context, databaseURL string) error {
	s, err := store.Open(ctx, databaseURL, time.Now)
	if err != nil {
		return err
	}
	return s.Close()
}
