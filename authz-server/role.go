package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/registry"
	"github.com/maru-auth/maru/authz-server/internal/store/roles"
	"github.com/maru-auth/maru/internal/cli"
)

type roleCommands struct {
	Create roleCreate `cmd:"" help:"Define a role for a resource. A token says it if it is for that resource, its person has the role, and it has one of the role's scopes."`
	List   roleList   `cmd:"" help:"List the roles that are defined."`
	Delete roleDelete `cmd:"" help:"Remove a role. Everybody who has it loses it, and access tokens that may say so are revoked; apps get new ones."`
}

type roleCreate struct {
	Role        string   `arg:"" help:"Its resource and its name, such as board/editor."`
	Scope       []string `required:"" help:"A scope of the resource that brings the role into a token, such as board:write. Can be repeated." env:"-" placeholder:"SCOPE"`
	Description string   `help:"What it is for, for your own records: at most 200 characters." env:"-"`
}

func (cmd roleCreate) Run(ctx context.Context, p *program) error {
	r, err := roles.Parse(cmd.Role)
	if err != nil {
		return cli.Usage(err)
	}
	d := roles.Definition{Role: r, Scopes: cmd.Scope, Description: cmd.Description}
	return p.withStore(ctx, func(s *store.Store) error {
		resource, err := p.resourceNamed(ctx, s, r.Resource)
		if err != nil {
			return err
		}
		if err := d.Check(resource.Scopes); err != nil {
			return cli.Usage(err)
		}
		err = s.Roles.Define(ctx, d)
		if errors.Is(err, store.ErrExists) {
			return fmt.Errorf("%s exists already, or is just being removed", r)
		}
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(p.out, "defined %s; 'user set-role' and 'group grant' give it\n", r)
		return err
	})
}

// resourceNamed returns a resource of the settings, or a stored one, by its short name.
func (p *program) resourceNamed(ctx context.Context, s *store.Store, name string) (client.Resource, error) {
	catalog, err := p.catalog(ctx, s)
	if err != nil {
		return client.Resource{}, err
	}
	var names []string
	for _, one := range catalog.All() {
		if one.Name == name {
			return one, nil
		}
		names = append(names, one.Name)
	}
	return client.Resource{}, cli.Usage(fmt.Errorf("there is no resource %q; there are %s", name, strings.Join(names, ", ")))
}

// catalog returns the resources that there are.
func (p *program) catalog(ctx context.Context, s *store.Store) (*client.Catalog, error) {
	settings, err := p.settings.resources()
	if err != nil {
		return nil, cli.Usage(err)
	}
	stored, err := s.Resources.All(ctx)
	catalog := client.NewCatalog(settings)
	catalog.Set(registry.Plain(stored))
	return catalog, err
}

// listedRole is a role as `role list` prints it.
type listedRole struct {
	roles.Role
	Scopes      []string  `json:"scopes"`
	Description string    `json:"description"`
	Builtin     bool      `json:"builtin"`
	CreatedAt   time.Time `json:"created_at"`
}

type roleList struct {
	Format string `help:"text or json (one role a line)." enum:"text,json" default:"text" env:"-"`
}

func (cmd roleList) Run(ctx context.Context, p *program) error {
	return p.withStore(ctx, func(s *store.Store) error {
		return cli.List[roles.Definition]{
			Page: func(ctx context.Context, after string, limit int) ([]roles.Definition, error) {
				var last roles.Role
				if after != "" {
					last, _ = roles.Parse(after)
				}
				return s.Roles.Definitions(ctx, last, limit)
			},
			Key:     func(d roles.Definition) string { return d.String() },
			Columns: "ROLE\tSCOPES\tDESCRIPTION",
			Row: func(d roles.Definition) string {
				return fmt.Sprintf("%s\t%s\t%s", d.Role, strings.Join(d.Scopes, " "), d.Description)
			},
			JSON: func(d roles.Definition) (any, error) {
				return listedRole{d.Role, d.Scopes, d.Description, d.Builtin, d.CreatedAt}, nil
			},
		}.Print(ctx, p.out, cmd.Format)
	})
}

type roleDelete struct {
	Role string `arg:"" help:"Its resource and its name, such as board/editor."`
}

func (cmd roleDelete) Run(ctx context.Context, p *program) error {
	r, err := roles.Parse(cmd.Role)
	if err != nil {
		return cli.Usage(err)
	}
	return p.withStore(ctx, func(s *store.Store) error {
		err := s.Roles.Undefine(ctx, r)
		switch {
		case errors.Is(err, roles.ErrUnknown):
			return checkDefined(ctx, s, []roles.Role{r})
		case errors.Is(err, roles.ErrBuiltin):
			return fmt.Errorf("%s is built in and stays; 'user set-role' takes it from people", r)
		case err != nil:
			return err
		}
		people, err := s.Roles.Purge(ctx)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(p.out, "removed %s; people who lost it: %d\n", r, people)
		return err
	})
}
