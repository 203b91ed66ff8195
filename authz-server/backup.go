package main

import (
	"context"
	"fmt"

	"github.com/maru-auth/maru/authz-server/internal/audit"
	"github.com/maru-auth/maru/authz-server/internal/keys"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/internal/cli"
	"github.com/maru-auth/maru/internal/sqldb/backup"
)

type backupCommand struct {
	File   string `arg:"" help:"The file to write, which must not exist. Only your account can read it. FILE.json says what is in it."`
	Format string `help:"text or json." enum:"text,json" default:"text" env:"-"`
}

// Run copies the database, even while servers use it.
func (cmd backupCommand) Run(ctx context.Context, p *program) error {
	about, err := backup.SQLite(ctx, p.settings.DatabaseURL, cmd.File)
	if err != nil {
		return err
	}
	if err := p.recordBackup(ctx, cmd.File, about); err != nil {
		return fmt.Errorf("%s is written and good, but the audit log does not say so: %w", cmd.File, err)
	}
	if cmd.Format == "json" {
		return cli.PrintJSON(p.out, about)
	}
	_, err = fmt.Fprintf(p.out, "wrote and checked %s, and %s.json about it: %s\nbring it back by 'authz-server restore'; or by hand, and then run 'authz-server after-restore'\n", cmd.File, cmd.File, about)
	return err
}

// recordBackup notes in the audit log who has a copy of everything. A database of another version stays
// as it is: opening it would bring it to this one's.
func (p *program) recordBackup(ctx context.Context, file string, about backup.Manifest) error {
	latest, err := store.SchemaVersion()
	if err != nil {
		return err
	}
	if about.Schema != latest {
		_, err := fmt.Fprintf(p.errs, "the database has schema version %d, and this program's is %d: the audit log has no entry of the backup\n", about.Schema, latest)
		return err
	}
	return p.withStore(ctx, func(s *store.Store) error {
		return audit.New(s).Record(ctx, audit.Entry{Kind: audit.BackedUp, Target: audit.Target{Kind: "database"},
			Detail: map[string]any{"file": file, "sha256": about.SHA256, "bytes": about.Bytes, "schema_version": about.Schema}})
	})
}

type restoreCommand struct {
	File           string `arg:"" help:"A backup, as 'backup' makes it. It stays as it is. What FILE.json says of it is compared, if that is there."`
	ForgetConsents bool   `help:"Ask people again what they allow to applications: they may have withdrawn some of it since the backup." env:"-"`
}

// Run puts a backup in the place of the database, and before that ends in it what 'after-restore'
// ends: at no time can a server start on what a restored database must not have.
func (cmd restoreCommand) Run(ctx context.Context, p *program) error {
	var ended string
	done, err := backup.Restore{
		DatabaseURL: p.settings.DatabaseURL, File: cmd.File, Migrations: store.Migrations(), Now: p.now,
		Prepare: func(ctx context.Context, databaseURL string) error {
			opts := p.settings.ForBatch()
			opts.DatabaseURL = databaseURL
			return p.withDatabase(ctx, opts, func(s *store.Store) (err error) {
				ended, err = endRestored(ctx, s, cmd.ForgetConsents, cmd.File)
				return err
			})
		},
	}.Run(ctx)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(p.out, "%s\n%s\n%s\n", done.Report(cmd.File), ended, checkYourself)
	return err
}

const checkYourself = "what a backup cannot know, such as passwords changed and keys withdrawn since, is in SECURITY.md, \"After a restore\""

type afterRestoreCommand struct {
	ForgetConsents bool `help:"Ask people again what they allow to applications: they may have withdrawn some of it since the backup." env:"-"`
	RotateKeys     bool `help:"Make new signing keys that sign at once, as 'keys rotate --now' does, because a key leaked since the backup." env:"-"`
}

// Run ends what must not live on in a restored database, which does not know what was ended, used
// or revoked since the backup.
func (cmd afterRestoreCommand) Run(ctx context.Context, p *program) error {
	err := p.withStore(ctx, func(s *store.Store) error {
		ended, err := endRestored(ctx, s, cmd.ForgetConsents, "")
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(p.out, ended)
		return err
	})
	if err != nil || !cmd.RotateKeys {
		return err
	}
	return p.withRing(ctx, func(_ *store.Store, ring *keys.Ring) error {
		if err := ring.Rotate(ctx, true); err != nil {
			return err
		}
		_, err := fmt.Fprintln(p.out, "new keys sign now; withdraw those that leaked with 'keys withdraw'")
		return err
	})
}

// endRestored ends what must not live on, and says so, to the audit log too: where its chain stood,
// so that whoever holds a later head knows why that is no longer in it.
func endRestored(ctx context.Context, s *store.Store, consents bool, file string) (string, error) {
	head, _, err := s.Audit.Ends(ctx)
	if err != nil {
		return "", err
	}
	ended, err := s.EndAll(ctx, consents)
	if err != nil {
		return "", fmt.Errorf("%w; what has ended stays ended, and you can run the command again", err)
	}
	entry := audit.Entry{Kind: audit.Restored, Detail: map[string]any{"sessions": ended.Sessions, "grants": ended.Grants, "consents": ended.Consents,
		"initial_tokens": ended.InitialTokens, "invitations": ended.Invitations}}
	text := fmt.Sprintf("ended %d sessions and %d grants with their codes and refresh tokens; removed %d device codes, %d requests under way, %d initial access tokens, %d invitations and %d consents; every access token is revoked",
		ended.Sessions, ended.Grants, ended.DeviceCodes, ended.Requests, ended.InitialTokens, ended.Invitations, ended.Consents)
	if head.Position > 0 {
		entry.Detail["audit_head"] = audit.Head(head).String()
		text += "\nthe audit log goes on from " + audit.Head(head).String() + "; entries that came later are lost but for an --audit-file"
	}
	if file != "" {
		entry.Detail["file"] = file
	}
	return text, audit.New(s).Record(ctx, entry)
}
