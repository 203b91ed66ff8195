package main

import (
	"context"
	"fmt"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/keys"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/internal/sqldb"
)

type backupCommand struct {
	File string `arg:"" help:"The file to write; it must not exist. Only this account can read it."`
}

// Run copies the database, also while servers use it.
func (cmd backupCommand) Run(ctx context.Context, p *program) error {
	if err := sqldb.Backup(ctx, p.settings.DatabaseURL, cmd.File); err != nil {
		return err
	}
	_, err := fmt.Fprintf(p.out, "wrote and checked %s; after you restore it, run 'authz-server after-restore'\n", cmd.File)
	return err
}

type afterRestoreCommand struct {
	ForgetConsents bool `help:"Ask people anew for what they allow applications: they may have taken some of it back since the backup." env:"-"`
	RotateKeys     bool `help:"Make new signing keys that sign at once, as 'keys rotate --now' does: for when a key leaked since the backup." env:"-"`
}

// Run ends what a restored database must not let live on: it knows nothing of what was ended, used or revoked since the backup.
func (cmd afterRestoreCommand) Run(ctx context.Context, p *program) error {
	err := p.withStore(ctx, func(s *store.Store) error {
		ended, err := s.EndAll(ctx, cmd.ForgetConsents)
		if err != nil {
			return fmt.Errorf("%w; what was ended stays so, and the command can be repeated", err)
		}
		_, err = fmt.Fprintf(p.out, "ended %d sessions and %d grants with their codes and refresh tokens; removed %d device codes, %d requests under way, %d initial access tokens and %d consents; access tokens end within %s\n",
			ended.Sessions, ended.Grants, ended.DeviceCodes, ended.Requests, ended.InitialTokens, ended.Consents, p.settings.AccessTokenLifetime.Round(time.Second))
		return err
	})
	if err != nil || !cmd.RotateKeys {
		return err
	}
	return p.withRing(ctx, func(ring *keys.Ring) error {
		if err := ring.Rotate(ctx, true); err != nil {
			return err
		}
		_, err := fmt.Fprintln(p.out, "new keys sign now; 'keys remove' removes those that leaked")
		return err
	})
}
