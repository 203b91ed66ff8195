package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/registry"
	"github.com/maru-auth/maru/internal/cli"
)

type resourceCommands struct {
	Create resourceCreate `cmd:"" help:"Add a service that takes this server's tokens, beside those of --resource. Servers that run know it within two seconds."`
	List   resourceList   `cmd:"" help:"List the services that take this server's tokens."`
	Delete resourceDelete `cmd:"" help:"Remove a service that 'resource create' added: later tokens are not for it. Those that are out stay valid until they expire."`
}

type resourceCreate struct {
	Name        string   `arg:"" help:"A short name, by which roles name it, such as orders: 1 to 32 characters from a-z, 0-9, _ and -, the first of them a letter."`
	ID          string   `required:"" name:"id" help:"The aud of its tokens: an absolute URI." env:"-" placeholder:"URL"`
	Scope       []string `required:"" help:"A scope that belongs to it, such as orders:read. Can be repeated, at most 64 times." env:"-" placeholder:"SCOPE"`
	Description string   `help:"What it is, for your own records: at most 200 characters." env:"-"`
}

func (cmd resourceCreate) Run(ctx context.Context, p *program) error {
	settings, err := p.settings.resources()
	if err != nil {
		return cli.Usage(err)
	}
	return p.withStore(ctx, func(s *store.Store) error {
		err := s.Resources.Create(ctx, registry.Resource{
			Resource: client.Resource{Name: cmd.Name, ID: cmd.ID, Scopes: cmd.Scope}, Description: cmd.Description,
		}, settings)
		if errors.Is(err, store.ErrExists) {
			return fmt.Errorf("there is a resource with the name %s or the id %s already; 'resource list' lists them", cmd.Name, cmd.ID)
		}
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(p.out, "created %s; its tokens have the aud %s\n", cmd.Name, cmd.ID)
		return err
	})
}

// listedResource is a resource as `resource list` prints it.
type listedResource struct {
	Name   string   `json:"name"`
	ID     string   `json:"id"`
	Scopes []string `json:"scopes"`
	// OwnScopes are only for clients that act for themselves.
	OwnScopes []string `json:"own_scopes"`
	Stored    bool     `json:"stored"` // and not from the settings
}

type resourceList struct {
	Format string `help:"text or json (one resource a line)." enum:"text,json" default:"text" env:"-"`
}

func (cmd resourceList) Run(ctx context.Context, p *program) error {
	return p.withStore(ctx, func(s *store.Store) error {
		catalog, err := p.catalog(ctx, s)
		if err != nil {
			return err
		}
		settings, err := p.settings.resources()
		if err != nil {
			return err
		}
		all := catalog.All()
		return cli.List[listedResource]{
			Page: func(_ context.Context, after string, _ int) (page []listedResource, err error) {
				for i, one := range all {
					if after == "" {
						page = append(page, listedResource{one.Name, one.ID, append([]string{}, one.Scopes...), append([]string{}, one.OwnScopes...), i >= len(settings)})
					}
				}
				return page, nil
			},
			Key:     func(r listedResource) string { return r.Name },
			Columns: "NAME\tID\tSCOPES\tFROM",
			Row: func(r listedResource) string {
				from := "settings"
				if r.Stored {
					from = "database"
				}
				return fmt.Sprintf("%s\t%s\t%s\t%s", r.Name, r.ID, strings.Join(append(r.Scopes, r.OwnScopes...), " "), from)
			},
			JSON: func(r listedResource) (any, error) { return r, nil },
		}.Print(ctx, p.out, cmd.Format)
	})
}

type resourceDelete struct {
	Name string `arg:"" help:"Its short name."`
}

func (cmd resourceDelete) Run(ctx context.Context, p *program) error {
	return p.withStore(ctx, func(s *store.Store) error {
		err := s.Resources.Remove(ctx, cmd.Name)
		switch {
		case errors.Is(err, store.ErrNotFound):
			return fmt.Errorf("'resource create' added no resource %s; 'resource list' lists them", cmd.Name)
		case errors.Is(err, registry.ErrHasRoles):
			return fmt.Errorf("%s has roles; 'role delete' removes them, and then the resource can go", cmd.Name)
		case err != nil:
			return err
		}
		_, err = fmt.Fprintf(p.out, "removed %s\n", cmd.Name)
		return err
	})
}
