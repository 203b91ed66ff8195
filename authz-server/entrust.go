package main

import (
	"context"
	"fmt"

	"github.com/maru-auth/maru/authz-server/internal/admin"
)

// keeper is the flag that names a client which provisions by SCIM.
type keeper struct {
	Directory string `required:"" help:"The client_id of the directory, which has the scope scim. An empty one: no directory keeps it any more." env:"-" placeholder:"CLIENT_ID"`
}

// became says what became of what a directory was given.
func (k keeper) became() string {
	if k.Directory == "" {
		return "is kept by no directory now"
	}
	return "is kept by " + k.Directory + " now"
}

func directoryError(err error) error {
	return option(err, map[string]string{"directory": "--directory"})
}

type userEntrust struct {
	keeper
	reason
	Accounts []string `arg:"" name:"account" help:"The accounts' e-mail addresses or ids."`
}

func (cmd userEntrust) Run(ctx context.Context, p *program) error {
	return p.withAdmin(ctx, func(a *admin.Admin) error {
		return forAccounts(ctx, p, a, cmd.Accounts, func(user admin.Account) (string, error) {
			return cmd.became(), directoryError(a.EntrustPerson(ctx, p.machine(), user.ID, cmd.Directory, cmd.Reason))
		})
	})
}

type groupEntrust struct {
	group
	keeper
	reason
}

func (cmd groupEntrust) Run(ctx context.Context, p *program) error {
	return cmd.with(ctx, p, func(a *admin.Admin, g admin.Group) error {
		if err := a.EntrustGroup(ctx, p.machine(), g.ID, cmd.Directory, cmd.Reason); err != nil {
			return directoryError(err)
		}
		_, err := fmt.Fprintf(p.out, "%s %s\n", g.Name, cmd.became())
		return err
	})
}
