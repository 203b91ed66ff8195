package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/issuer"
	"github.com/maru-auth/maru/internal/cli"
)

type userResetLink struct {
	account
	reason

	ExpiresIn time.Duration `help:"How long the link works, from 1m to 24h." default:"30m" env:"-"`
}

func (cmd userResetLink) Run(ctx context.Context, p *program) error {
	if cmd.ExpiresIn < admin.MinResetLink || cmd.ExpiresIn > admin.MaxResetLink { // before the database is looked for
		return cli.Usage(fmt.Errorf("--expires-in must be from 1m to 24h, not %s", cmd.ExpiresIn))
	}
	if _, err := issuer.Parse(p.settings.Issuer); err != nil {
		return fmt.Errorf("--issuer %w", err)
	}
	return p.withAdmin(ctx, func(a *admin.Admin) error {
		user, err := cmd.find(ctx, p, a)
		if err != nil {
			return err
		}
		link, err := a.ResetLink(ctx, p.machine(), user.ID, cmd.ExpiresIn, cmd.Reason)
		if errors.Is(err, admin.ErrDisabled) {
			return fmt.Errorf("%s is disabled; 'user enable' opens it", user.Email)
		}
		if err != nil {
			return option(err, nil)
		}
		_, err = fmt.Fprintln(p.out, link)
		return err
	})
}
