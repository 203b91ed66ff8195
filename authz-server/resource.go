package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/registry"
	"github.com/maru-auth/maru/internal/cli"
)

type resourceCommands struct {
	Create resourceCreate `cmd:"" help:"Add a service that takes this server's tokens, beside those of --resource. Servers that run know it within two seconds."`
	List   resourceList   `cmd:"" help:"List the services that take this server's tokens."`
	Update resourceUpdate `cmd:"" help:"Change a service that 'resource create' added. What you do not name stays as it is. Tokens that are out stay valid until they expire."`
	Delete resourceDelete `cmd:"" help:"Remove a service that 'resource create' added: later tokens are not for it. Those that are out stay valid until they expire."`
}

// resourceError says an error about a resource in the words of the command line.
func resourceError(name string, err error) error {
	switch {
	case errors.Is(err, store.ErrNotFound):
		return fmt.Errorf("'resource create' added no resource %s; 'resource list' lists them", name)
	case errors.Is(err, store.ErrExists):
		return fmt.Errorf("there is a resource with the name %s or that id already; 'resource list' lists them", name)
	case errors.Is(err, store.ErrStale):
		return fmt.Errorf("somebody else has just changed the resource %s; look at it, and try again", name)
	case errors.Is(err, registry.ErrHasRoles):
		return fmt.Errorf("%s has roles; 'role delete' removes them, and then the resource can go", name)
	}
	return option(err, map[string]string{"name": "the name", "scopes": "--scope"})
}

type resourceCreate struct {
	reason
	Name        string   `arg:"" help:"A short name, by which roles name it, such as orders: 1 to 32 characters from a-z, 0-9, _ and -, the first of them a letter."`
	ID          string   `required:"" name:"id" help:"The aud of its tokens: an absolute URI." env:"-" placeholder:"URL"`
	Scope       []string `required:"" help:"A scope that belongs to it, such as orders:read. Can be repeated, at most 64 times." env:"-" placeholder:"SCOPE"`
	Description string   `help:"What it is, for your own records: at most 200 characters." env:"-"`
}

func (cmd resourceCreate) Run(ctx context.Context, p *program) error {
	return p.withResources(ctx, func(a *admin.Admin) error {
		in := admin.NewResource{Name: cmd.Name, ID: cmd.ID, Scopes: cmd.Scope, Description: cmd.Description}
		if err := a.CreateResource(ctx, p.machine(), in, cmd.Reason); err != nil {
			return resourceError(cmd.Name, err)
		}
		_, err := fmt.Fprintf(p.out, "created %s; its tokens have the aud %s\n", cmd.Name, cmd.ID)
		return err
	})
}

type resourceList struct {
	Format string `help:"text or json (one resource a line)." enum:"text,json" default:"text" env:"-"`
}

func (cmd resourceList) Run(ctx context.Context, p *program) error {
	return p.withResources(ctx, func(a *admin.Admin) error {
		page, err := a.ListResources(ctx, p.machine())
		if err != nil {
			return err
		}
		return cli.List[admin.Resource]{
			Page: func(_ context.Context, after string, _ int) ([]admin.Resource, error) {
				if after != "" {
					return nil, nil
				}
				return page.Items, nil
			},
			Key:     func(r admin.Resource) string { return r.Name },
			Columns: "NAME\tID\tSCOPES\tFROM",
			Row: func(r admin.Resource) string {
				from := "settings"
				if r.Stored {
					from = "database"
				}
				return fmt.Sprintf("%s\t%s\t%s\t%s", r.Name, r.ID, strings.Join(append(r.Scopes, r.OwnScopes...), " "), from)
			},
			JSON: func(r admin.Resource) (any, error) { return r, nil },
		}.Print(ctx, p.out, cmd.Format)
	})
}

type resourceUpdate struct {
	reason
	Name        string   `arg:"" help:"Its short name."`
	ID          *string  `name:"id" help:"The aud of its tokens: an absolute URI." env:"-" placeholder:"URL"`
	Scope       []string `help:"A scope that belongs to it, in place of all before. Can be repeated, at most 64 times." env:"-" placeholder:"SCOPE"`
	Description *string  `help:"What it is, for your own records: at most 200 characters." env:"-"`
}

func (cmd resourceUpdate) Run(ctx context.Context, p *program) error {
	return p.withResources(ctx, func(a *admin.Admin) error {
		before, err := a.Resource(ctx, p.machine(), cmd.Name)
		if err != nil {
			return resourceError(cmd.Name, err)
		}
		in := admin.NewResource{Name: before.Name, ID: before.ID, Scopes: before.Scopes, Description: before.Description}
		if cmd.ID != nil {
			in.ID = *cmd.ID
		}
		if cmd.Scope != nil {
			in.Scopes = cmd.Scope
		}
		if cmd.Description != nil {
			in.Description = *cmd.Description
		}
		if err := a.UpdateResource(ctx, p.machine(), before.Version, in, cmd.Reason); err != nil {
			return resourceError(cmd.Name, err)
		}
		_, err = fmt.Fprintf(p.out, "changed %s\n", cmd.Name)
		return err
	})
}

type resourceDelete struct {
	reason
	Name string `arg:"" help:"Its short name."`
}

func (cmd resourceDelete) Run(ctx context.Context, p *program) error {
	return p.withResources(ctx, func(a *admin.Admin) error {
		if err := a.DeleteResource(ctx, p.machine(), cmd.Name, cmd.Reason); err != nil {
			return resourceError(cmd.Name, err)
		}
		_, err := fmt.Fprintf(p.out, "removed %s\n", cmd.Name)
		return err
	})
}
