package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/issuer"
	"github.com/maru-auth/maru/internal/cli"
)

type bootstrapCommand struct {
	reason
	Force  bool   `help:"Do it also if there is an administrator who can log in." env:"-"`
	Format string `help:"text or json." enum:"text,json" default:"text" env:"-"`
}

func (bootstrapCommand) Help() string {
	return `Whoever opens the link first becomes an administrator: with a new account, also where sign-up is
closed, or, if they are logged in when they open it, with their own. It works once, within 24 hours, and not once
another link was made; without --force, not once there is an administrator who can log in.
Administrators act with a second factor: a passkey, or an app that makes codes beside the password.`
}

func (cmd bootstrapCommand) Run(ctx context.Context, p *program) error {
	if _, err := issuer.Parse(p.settings.Issuer); err != nil {
		return cli.Usage(fmt.Errorf("--issuer %w", err))
	}
	return p.withAdmin(ctx, func(a *admin.Admin) error {
		link, expires, err := a.Bootstrap(ctx, p.forced(cmd.Force), cmd.Reason)
		if errors.Is(err, admin.ErrHasAdministrator) {
			return errors.New("there is an administrator who can log in, and who can make others; --force makes a link nevertheless")
		}
		if err != nil {
			return option(err, nil)
		}
		if cmd.Format == "json" {
			return cli.PrintJSON(p.out, map[string]any{"link": link, "expires_at": expires.Unix()})
		}
		_, err = fmt.Fprintln(p.out, link)
		return err
	})
}
