package provider

import (
	"context"
	"log/slog"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/store"
)

// Catalog keeps what this replica knows of roles as the database has it. It is safe for concurrent
// use.
type Catalog struct {
	store *store.Store
	log   *slog.Logger
}

// catalogEvery is how often a replica asks what another has changed.
const catalogEvery = time.Second

// Run reads the catalog again and again until ctx ends. While the database cannot be asked, what was
// known last counts.
func (c *Catalog) Run(ctx context.Context) {
	ticker := time.NewTicker(catalogEvery)
	defer ticker.Stop()
	failing := false
	for {
		err := c.Refresh(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil && !failing {
			c.log.Error("the definitions of roles cannot be read; the last ones count", "error", err)
		}
		if err == nil && failing {
			c.log.Info("the definitions of roles are read again")
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// Refresh reads the catalog once.
func (c *Catalog) Refresh(ctx context.Context) error { return c.store.Roles.Refresh(ctx) }
