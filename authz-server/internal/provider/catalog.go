package provider

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/registry"
)

// Catalog keeps what this replica knows of resources and roles as the database has it. It is safe
// for concurrent use.
type Catalog struct {
	store     *store.Store
	resources *client.Catalog
	log       *slog.Logger
	left      []string // names of stored resources that do not count, as the log says
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
			c.log.Error("the stored resources and roles cannot be read; the last ones count", "error", err)
		}
		if err == nil && failing {
			c.log.Info("the stored resources and roles are read again")
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// Refresh reads the catalog once. Two calls must not run at once.
func (c *Catalog) Refresh(ctx context.Context) error {
	stored, err := c.store.Resources.All(ctx)
	if err != nil {
		return err
	}
	var left []string
	for _, one := range c.resources.Set(registry.Plain(stored)) {
		left = append(left, one.Name)
	}
	if !slices.Equal(left, c.left) && len(left) > 0 {
		c.log.Warn("stored resources do not count, because the settings, or older ones, have their name, id or a scope; "+
			"'resource delete' removes them", "resources", left)
	}
	c.left = left
	return c.store.Roles.Refresh(ctx)
}
