package registry

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/store/internal/row"
	"github.com/maru-auth/maru/internal/sqldb"
)

// Resources stores the services that take this server's tokens, beside those that its settings name.
// It is safe for concurrent use.
type Resources struct {
	db  *sqldb.DB
	now func() time.Time
}

// NewResources returns the resources in db.
func NewResources(db *sqldb.DB, now func() time.Time) *Resources { return &Resources{db, now} }

// Resource is a resource that is stored.
type Resource struct {
	client.Resource
	Description string    // for people who administer the server
	CreatedAt   time.Time // set by Create
}

// MaxResources is how many resources can be stored: every replica reads all of them each second.
const MaxResources = 200

// ErrTooMany says that there are MaxResources.
var ErrTooMany = fmt.Errorf("there are %d resources already, and there can be no more", MaxResources)

// ErrHasRoles says that a resource cannot be removed because roles are defined for it.
var ErrHasRoles = errors.New("roles are defined for the resource")

// All returns all resources, the oldest first.
func (s *Resources) All(ctx context.Context) ([]Resource, error) {
	return sqldb.All(ctx, s.db, func(rows *sql.Rows) (r Resource, err error) {
		var scopes string
		var created int64
		err = rows.Scan(&r.Name, &r.ID, &scopes, &r.Description, &created)
		r.Scopes, r.CreatedAt = strings.Fields(scopes), sqldb.Time(created)
		return r, err
	}, `SELECT name, id, scopes, description, created_at FROM resources ORDER BY created_at, name`)
}

// Plain returns what tokens need to know of resources.
func Plain(stored []Resource) []client.Resource {
	all := make([]client.Resource, len(stored))
	for i, one := range stored {
		all[i] = one.Resource
	}
	return all
}

// Create stores a resource. The error says what is wrong with it, among the resources of the settings
// and those that there are; ErrExists: one has its name or its id.
func (s *Resources) Create(ctx context.Context, r Resource, settings []client.Resource) error {
	if !client.ResourceName(r.Name) {
		return fmt.Errorf("the name %q must have 1 to 32 characters from a-z, 0-9, _ and -, the first of them a letter", r.Name)
	}
	if len(r.Scopes) > client.MaxScopes {
		return fmt.Errorf("the resource has %d scopes, and can have %d", len(r.Scopes), client.MaxScopes)
	}
	return s.db.Tx(ctx, func(ctx context.Context) error {
		stored, err := s.All(ctx)
		if err != nil {
			return err
		}
		all := slices.Clone(settings)
		for _, one := range stored {
			all = append(all, one.Resource)
		}
		switch {
		case slices.ContainsFunc(all, func(one client.Resource) bool { return one.Name == r.Name || one.ID == r.ID }):
			return row.ErrExists
		case len(stored) >= MaxResources:
			return ErrTooMany
		}
		if err := client.CheckResources(append(all, r.Resource)); err != nil {
			return err
		}
		// Of two at once with the same scope, the older has it: see client.Catalog.
		return row.Added(s.db.Exec(ctx, `INSERT INTO resources (name, id, scopes, description, created_at)
			VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING`,
			r.Name, r.ID, strings.Join(r.Scopes, " "), r.Description, sqldb.Micros(s.now())))
	})
}

// Remove removes a resource: later tokens have neither its scopes nor its id as their audience.
// ErrNotFound: there is none of that name. ErrHasRoles: remove its roles first.
func (s *Resources) Remove(ctx context.Context, name string) error {
	return s.db.Tx(ctx, func(ctx context.Context) error {
		var there, roles bool
		if err := s.db.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM resources WHERE name = $1),
			EXISTS (SELECT 1 FROM roles WHERE resource = $1)`, name).Scan(&there, &roles); err != nil {
			return err
		}
		switch {
		case !there:
			return row.ErrNotFound
		case roles:
			return ErrHasRoles
		}
		return row.Changed(s.db.Exec(ctx, `DELETE FROM resources WHERE name = $1`, name))
	})
}
