package registry

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

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
	Version     int64     // counts changes; set by the store
	CreatedAt   time.Time // set by Create
}

// MaxResources is how many resources can be stored: every replica reads all of them each second.
const MaxResources = 200

// ErrTooMany says that there are MaxResources.
var ErrTooMany = fmt.Errorf("there are %d resources already, and there can be no more", MaxResources)

// ErrHasRoles says that a resource cannot be removed because roles are defined for it.
var ErrHasRoles = errors.New("roles are defined for the resource")

// maxDescription is how long a description can be, in characters.
const maxDescription = 200

// InvalidError says what is wrong with a resource.
type InvalidError struct {
	Field   string // name, id, scopes or description
	Problem string
}

func (e *InvalidError) Error() string { return e.Problem }

// check says what is wrong with a resource among others, by an [*InvalidError].
func (r Resource) check(others []client.Resource) error {
	switch {
	case !client.ResourceName(r.Name):
		return &InvalidError{"name", fmt.Sprintf("the name %q must have 1 to 32 characters from a-z, 0-9, _ and -, the first of them a letter", r.Name)}
	case len(r.Scopes) > client.MaxScopes:
		return &InvalidError{"scopes", fmt.Sprintf("the resource has %d scopes, and can have %d", len(r.Scopes), client.MaxScopes)}
	case utf8.RuneCountInString(r.Description) > maxDescription,
		strings.ContainsFunc(r.Description, func(c rune) bool { return !unicode.IsPrint(c) }):
		return &InvalidError{"description", fmt.Sprintf("the description must be printable text on one line, of at most %d characters", maxDescription)}
	}
	if err := client.CheckResources(append(others, r.Resource)); err != nil {
		if client.CheckResources([]client.Resource{{ID: r.ID, Scopes: []string{"x"}}}) != nil {
			return &InvalidError{"id", err.Error()}
		}
		return &InvalidError{"scopes", err.Error()}
	}
	return nil
}

// All returns all resources, the oldest first.
func (s *Resources) All(ctx context.Context) ([]Resource, error) {
	return sqldb.All(ctx, s.db, func(rows *sql.Rows) (r Resource, err error) {
		var scopes string
		var created int64
		err = rows.Scan(&r.Name, &r.ID, &scopes, &r.Description, &r.Version, &created)
		r.Scopes, r.CreatedAt = strings.Fields(scopes), sqldb.Time(created)
		return r, err
	}, `SELECT name, id, scopes, description, version, created_at FROM resources ORDER BY created_at, name`)
}

// Plain returns what tokens need to know of resources.
func Plain(stored []Resource) []client.Resource {
	all := make([]client.Resource, len(stored))
	for i, one := range stored {
		all[i] = one.Resource
	}
	return all
}

// Create stores a resource. An [*InvalidError] says what is wrong with it, among the resources of the
// settings and those that there are. ErrExists: one has its name or its id. ErrTooMany.
func (s *Resources) Create(ctx context.Context, r Resource, settings []client.Resource) error {
	return s.db.Tx(ctx, func(ctx context.Context) error {
		stored, err := s.All(ctx)
		if err != nil {
			return err
		}
		others := append(slices.Clone(settings), Plain(stored)...)
		switch {
		case slices.ContainsFunc(others, func(one client.Resource) bool { return one.Name == r.Name || one.ID == r.ID }):
			return row.ErrExists
		case len(stored) >= MaxResources:
			return ErrTooMany
		}
		if err := r.check(others); err != nil {
			return err
		}
		// Of two at once with the same scope, the older has it: see client.Catalog.
		return row.Added(s.db.Exec(ctx, `INSERT INTO resources (name, id, scopes, description, created_at)
			VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING`,
			r.Name, r.ID, strings.Join(r.Scopes, " "), r.Description, sqldb.Micros(s.now())))
	})
}

// Update changes all of a resource but its name, if its Version is the one that was read. Errors are
// those of Create, and ErrStale: it was changed or removed since.
func (s *Resources) Update(ctx context.Context, r Resource, settings []client.Resource) error {
	return s.db.Tx(ctx, func(ctx context.Context) error {
		stored, err := s.All(ctx)
		if err != nil {
			return err
		}
		stored = slices.DeleteFunc(stored, func(one Resource) bool { return one.Name == r.Name })
		others := append(slices.Clone(settings), Plain(stored)...)
		if slices.ContainsFunc(others, func(one client.Resource) bool { return one.ID == r.ID }) {
			return row.ErrExists
		}
		if err := r.check(others); err != nil {
			return err
		}
		err = row.Changed(s.db.Exec(ctx, `UPDATE resources SET id = $1, scopes = $2, description = $3, version = version + 1
			WHERE name = $4 AND version = $5`, r.ID, strings.Join(r.Scopes, " "), r.Description, r.Name, r.Version))
		switch {
		case errors.Is(err, row.ErrNotFound):
			return row.ErrStale
		case sqldb.IsDuplicate(err): // another got the id this very moment
			return row.ErrExists
		}
		return err
	})
}

// Strays returns the roles of a resource that name a scope that it does not have: those that
// [Resources.Update] took from it. They are in the form "orders/picker: orders:pick".
func (s *Resources) Strays(ctx context.Context, r Resource) ([]string, error) {
	var strays []string
	all, err := sqldb.All(ctx, s.db, func(rows *sql.Rows) (role [2]string, err error) {
		return role, rows.Scan(&role[0], &role[1])
	}, `SELECT name, scopes FROM roles WHERE resource = $1 AND removed_at = 0 ORDER BY name`, r.Name)
	for _, one := range all {
		for scope := range strings.FieldsSeq(one[1]) {
			if !slices.Contains(r.Scopes, scope) {
				strays = append(strays, r.Name+"/"+one[0]+": "+scope)
			}
		}
	}
	return strays, err
}

// Remove removes a resource: later tokens have neither its scopes nor its id as their audience.
// ErrNotFound: there is none of that name. ErrHasRoles: remove its roles first.
func (s *Resources) Remove(ctx context.Context, name string) error {
	return s.db.Tx(ctx, func(ctx context.Context) error {
		var there, roles bool
		if err := s.db.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM resources WHERE name = $1),
			EXISTS (SELECT 1 FROM roles WHERE resource = $1 AND removed_at = 0)`, name).Scan(&there, &roles); err != nil {
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
