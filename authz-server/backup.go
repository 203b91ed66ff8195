package main

import (
	"context"
	"fmt"

	"github.com/maru-auth/maru/authz-server/internal/audit"
	"github.com/maru-auth/maru/authz-server/internal/keys"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/internal/sqldb/backup"
)

type backupCommand struct {
	File string `arg:"" help:"The file to write, which must not exist. Only your account can read it."`
}

// Run copies the database, even while servers use it.
func (cmd backupCommand) Run(ctx context.Context, p *program) error {
	if err := backup.SQLite(ctx, p.settings.DatabaseURL, cmd.File); err != nil {
		return err
	}
	_, err := fmt.Fprintf(p.out, "wrote and checked %s; after you restore it, run 'authz-server after-restore'\n", cmd.File)
	return err
}

type afterRestoreCommand struct {
	ForgetConsents bool `help:"Ask people again what they allow to applications: they may have withdrawn some of it since the backup." env:"-"`
	RotateKeys     bool `help:"Make new signing keys that sign at once, as 'keys rotate --now' does, because a key leaked since the backup." env:"-"`
}

// Run ends what must not live on in a restored database, which does not know what was ended, used
// or revoked since the backup.
func (cmd afterRestoreCommand) Run(ctx context.Context, p *program) error {
	err := p.withStore(ctx, func(s *store.Store) error {
		ended, err := s.EndAll(ctx, cmd.ForgetConsents)
		if err == nil {
			err = audit.New(s).Record(ctx, audit.Entry{Kind: audit.Restored, Detail: map[string]any{
				"sessions": ended.Sessions, "grants": ended.Grants, "consents": ended.Consents, "initial_tokens": ended.InitialTokens,
				"invitations": ended.Invitations,
			}})
		}
		if err != nil {
			return fmt.Errorf("%w; what has ended stays ended, and you can run the command again", err)
		}
		_, err = fmt.Fprintf(p.out, "ended %d sessions and %d grants with their codes and refresh tokens; removed %d device codes, %d requests under way, %d initial access tokens, %d invitations and %d consents; every access token is revoked\n",
			ended.Sessions, ended.Grants, ended.DeviceCodes, ended.Requests, ended.InitialTokens, ended.Invitations, ended.Consents)
		return err
	})
	if err != nil || !cmd.RotateKeys {
		return err
	}
	return p.withRing(ctx, func(ring *keys.Ring) error {
		if err := ring.Rotate(ctx, true); err != nil {
			return err
		}
		_, err := fmt.Fprintln(p.out, "new keys sign now; withdraw those that leaked with 'keys withdraw'")
		return err
	})
}
