package main

import (
	"context"
	"fmt"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/issuer"
	"github.com/maru-auth/maru/authz-server/internal/recovery"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/internal/cli"
)

type userResetLink struct {
	account

	ExpiresIn time.Duration `help:"How long the link works, from 1m to 24h." default:"30m" env:"-"`
}

func (cmd userResetLink) Run(ctx context.Context, p *program) error {
	if cmd.ExpiresIn < time.Minute || cmd.ExpiresIn > 24*time.Hour {
		return cli.Usage(fmt.Errorf("--expires-in must be from 1m to 24h, not %s", cmd.ExpiresIn))
	}
	at, err := issuer.Parse(p.settings.Issuer)
	if err != nil {
		return fmt.Errorf("--issuer %w", err)
	}
	return cmd.with(ctx, p, func(s *store.Store, user accounts.User) error {
		if user.Disabled {
			return fmt.Errorf("%s is disabled; 'user enable' opens it", user.Email)
		}
		secret, err := recovery.OperatorLink(ctx, s, user, p.now().Add(cmd.ExpiresIn))
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(p.out, recovery.Link(at, accounts.ToReset, secret))
		return err
	})
}
