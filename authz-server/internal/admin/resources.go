package admin

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/audit"
	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/registry"
)

// Resource is a service that takes this server's tokens.
type Resource struct {
	Name   string   `json:"name"` // a short one, by which roles name it
	ID     string   `json:"id"`   // the aud of its tokens
	Scopes []string `json:"scopes"`
	// OwnScopes are only for clients that act for themselves.
	OwnScopes   []string `json:"own_scopes"`
	Description string   `json:"description,omitempty"`
	// Stored resources are in the database, and can be changed. The others are in the settings.
	Stored    bool      `json:"stored"`
	CreatedAt time.Time `json:"created_at,omitzero"`
	Version   string    `json:"version,omitempty"` // for If-Match; of stored ones alone
}

func resourceOf(r client.Resource) Resource {
	return Resource{
		Name: r.Name, ID: r.ID, Scopes: append([]string{}, r.Scopes...), OwnScopes: append([]string{}, r.OwnScopes...),
	}
}

func storedResourceOf(r registry.Resource) Resource {
	one := resourceOf(r.Resource)
	one.Description, one.Stored, one.CreatedAt = r.Description, true, r.CreatedAt
	one.Version = strconv.FormatInt(r.Version, 36)
	return one
}

// ListResources lists the services that take this server's tokens: those of the settings, and then
// those that are stored, the oldest first. They are few, so that there is one page.
func (a *Admin) ListResources(ctx context.Context, actor Actor) (page Page[Resource], err error) {
	if err := a.read(ctx, actor, Read); err != nil {
		return page, err
	}
	page.Items = []Resource{}
	for _, one := range a.Config.Resources {
		page.Items = append(page.Items, resourceOf(one))
	}
	stored, err := a.Store.Resources.All(ctx)
	for _, one := range stored {
		page.Items = append(page.Items, storedResourceOf(one))
	}
	return page, err
}

// Resource returns a service by its short name. [store.ErrNotFound]: there is none.
func (a *Admin) Resource(ctx context.Context, actor Actor, name string) (Resource, error) {
	page, err := a.ListResources(ctx, actor)
	for _, one := range page.Items {
		if one.Name == name {
			return one, err
		}
	}
	if err == nil {
		err = store.ErrNotFound
	}
	return Resource{}, err
}

// NewResource is a resource to be stored, or what one is to be.
type NewResource struct {
	Name        string // 1 to 32 characters from a-z, 0-9, _ and -, the first of them a letter; cannot be changed
	ID          string // an absolute URI
	Scopes      []string
	Description string
}

func (n NewResource) stored() registry.Resource {
	return registry.Resource{
		Resource: client.Resource{Name: n.Name, ID: n.ID, Scopes: n.Scopes}, Description: n.Description,
	}
}

// resourceError says what the store found wrong with a resource.
func resourceError(err error) error {
	var invalid *registry.InvalidError
	switch {
	case errors.As(err, &invalid):
		return wrong(invalid.Field, "is not right: "+invalid.Problem)
	case errors.Is(err, registry.ErrTooMany):
		return wrong("name", "is that of one too many: "+err.Error())
	}
	return err
}

func (a *Admin) noteResource(ctx context.Context, kind audit.Kind, name string, detail map[string]any) error {
	return a.Audit.Record(ctx, audit.Entry{Kind: kind, Target: audit.Target{Kind: "resource", ID: name}, Detail: detail})
}

// CreateResource stores a service. [store.ErrExists]: there is one of that name or id.
func (a *Admin) CreateResource(ctx context.Context, actor Actor, in NewResource, reason string) error {
	return a.change(ctx, actor, Change, reason, func(ctx context.Context) error {
		if err := a.Store.Resources.Create(ctx, in.stored(), a.Config.Resources); err != nil {
			return resourceError(err)
		}
		return a.noteResource(ctx, audit.ResourceCreated, in.Name, map[string]any{"id": in.ID, "scopes": in.Scopes})
	})
}

// onResource runs f, an operation on a stored resource. Those of the settings, such as that by which
// this server is administered, are never touched.
func (a *Admin) onResource(
	ctx context.Context, actor Actor, name, reason string, f func(ctx context.Context, r registry.Resource) error,
) error {
	return a.change(ctx, actor, Change, reason, func(ctx context.Context) error {
		if slices.ContainsFunc(a.Config.Resources, func(one client.Resource) bool { return one.Name == name }) {
			return wrong("name", "is that of a resource of the settings, which nothing else changes")
		}
		stored, err := a.Store.Resources.All(ctx)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(stored, func(one registry.Resource) bool { return one.Name == name })
		if i < 0 {
			return store.ErrNotFound
		}
		return f(ctx, stored[i])
	})
}

// UpdateResource changes a stored resource to what in says; in.Name says which. version is that of
// the [Resource] that the actor has seen; empty: any. A scope that roles are brought by stays until
// they are changed. Tokens with a scope that is gone stay valid until they expire.
//
// [store.ErrNotFound]: there is no such resource. [store.ErrStale]: it is another by now.
// [store.ErrExists]: another has that id.
func (a *Admin) UpdateResource(ctx context.Context, actor Actor, version string, in NewResource, reason string) error {
	return a.onResource(ctx, actor, in.Name, reason, func(ctx context.Context, before registry.Resource) error {
		after := in.stored()
		if after.Version = before.Version; version != "" && version != storedResourceOf(before).Version {
			return store.ErrStale
		}
		if err := a.Store.Resources.Update(ctx, after, a.Config.Resources); err != nil {
			return resourceError(err)
		}
		if err := a.finally(ctx, func(ctx context.Context) error {
			strays, err := a.Store.Resources.Strays(ctx, after)
			if err == nil && len(strays) > 0 {
				err = wrong("scopes", "must have those by which roles come into tokens: "+strays[0])
			}
			return err
		}); err != nil {
			return err
		}
		return a.noteResource(ctx, audit.ResourceChanged, in.Name, map[string]any{"id": in.ID, "scopes": in.Scopes})
	})
}

// DeleteResource removes a stored resource: later tokens are not for it. Those that are out stay
// valid until they expire. [store.ErrNotFound]: there is none. [registry.ErrHasRoles]: remove its
// roles first.
func (a *Admin) DeleteResource(ctx context.Context, actor Actor, name, reason string) error {
	return a.onResource(ctx, actor, name, reason, func(ctx context.Context, _ registry.Resource) error {
		if err := a.Store.Resources.Remove(ctx, name); err != nil {
			return err
		}
		return a.noteResource(ctx, audit.ResourceDeleted, name, nil)
	})
}
