package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/roles"
	"github.com/maru-auth/maru/internal/cli"
)

type roleCommands struct {
	Create roleCreate `cmd:"" help:"Define a role for a resource. A token says it if it is for that resource, its person has the role, and it has one of the role's scopes."`
	List   roleList   `cmd:"" help:"List the roles that are defined."`
	Update roleUpdate `cmd:"" help:"Change what brings a role into tokens, or its description. What you do not name stays as it is. Access tokens that say it by a scope that is gone are revoked; apps get new ones."`
	Delete roleDelete `cmd:"" help:"Remove a role. Everybody who has it loses it, and access tokens that may say so are revoked; apps get new ones."`
}

// roleArg is the argument that names a role.
type roleArg struct {
	Role string `arg:"" help:"Its resource and its name, such as board/editor."`
}

// with runs f for that role.
func (arg roleArg) with(ctx context.Context, p *program, f func(a *admin.Admin, r roles.Role) error) error {
	r, err := roles.Parse(arg.Role)
	if err != nil {
		return cli.Usage(err)
	}
	return p.withResources(ctx, func(a *admin.Admin) error {
		err := f(a, r)
		switch {
		case errors.Is(err, roles.ErrUnknown):
			return checkDefined(ctx, a.Store, []roles.Role{r})
		case errors.Is(err, roles.ErrBuiltin):
			return fmt.Errorf("%s is built in and stays as it is; 'user set-role' takes it from people", r)
		case errors.Is(err, store.ErrExists):
			return fmt.Errorf("%s exists already, or is just being removed", r)
		case errors.Is(err, store.ErrStale):
			return fmt.Errorf("somebody else has just changed %s; look at it, and try again", r)
		}
		return option(err, map[string]string{"role": "the role", "resource": "the role's resource", "scopes": "--scope"})
	})
}

type roleCreate struct {
	roleArg
	reason
	Scope       []string `required:"" help:"A scope of the resource that brings the role into a token, such as board:write. Can be repeated." env:"-" placeholder:"SCOPE"`
	Description string   `help:"What it is for, for your own records: at most 200 characters." env:"-"`
}

func (cmd roleCreate) Run(ctx context.Context, p *program) error {
	return cmd.with(ctx, p, func(a *admin.Admin, r roles.Role) error {
		d := roles.Definition{Role: r, Scopes: cmd.Scope, Description: cmd.Description}
		if err := a.DefineRole(ctx, p.machine(), d, cmd.Reason); err != nil {
			return err
		}
		_, err := fmt.Fprintf(p.out, "defined %s; 'user set-role' and 'group grant' give it\n", r)
		return err
	})
}

type roleList struct {
	Format string `help:"text or json (one role a line)." enum:"text,json" default:"text" env:"-"`
}

func (cmd roleList) Run(ctx context.Context, p *program) error {
	return p.withAdmin(ctx, func(a *admin.Admin) error {
		return cli.List[admin.RoleDefinition]{
			Page: func(ctx context.Context, after string, limit int) ([]admin.RoleDefinition, error) {
				var last roles.Role
				if after != "" {
					last, _ = roles.Parse(after)
				}
				page, err := a.RoleDefinitions(ctx, p.machine(), last, limit)
				return page.Items, err
			},
			Key:     func(d admin.RoleDefinition) string { return d.String() },
			Columns: "ROLE\tSCOPES\tDESCRIPTION",
			Row: func(d admin.RoleDefinition) string {
				return fmt.Sprintf("%s\t%s\t%s", d.Role, strings.Join(d.Scopes, " "), d.Description)
			},
			JSON: func(d admin.RoleDefinition) (any, error) { return d, nil },
		}.Print(ctx, p.out, cmd.Format)
	})
}

type roleUpdate struct {
	roleArg
	reason
	Scope       []string `help:"A scope of the resource that brings the role into a token, in place of all before. Can be repeated." env:"-" placeholder:"SCOPE"`
	Description *string  `help:"What it is for, for your own records: at most 200 characters." env:"-"`
}

func (cmd roleUpdate) Run(ctx context.Context, p *program) error {
	return cmd.with(ctx, p, func(a *admin.Admin, r roles.Role) error {
		change := admin.RoleChange{Scopes: cmd.Scope, Description: cmd.Description}
		if err := a.RedefineRole(ctx, p.machine(), r, "", change, cmd.Reason); err != nil {
			return err
		}
		_, err := fmt.Fprintf(p.out, "changed %s\n", r)
		return err
	})
}

type roleDelete struct {
	roleArg
	reason
	force
}

func (cmd roleDelete) Run(ctx context.Context, p *program) error {
	return cmd.with(ctx, p, func(a *admin.Admin, r roles.Role) error {
		if err := a.UndefineRole(ctx, p.forced(cmd.Force), r, cmd.Reason); err != nil {
			return err
		}
		_, err := fmt.Fprintf(p.out, "removed %s; who had it has it no more, and access tokens that may say so are revoked\n", r)
		return err
	})
}
