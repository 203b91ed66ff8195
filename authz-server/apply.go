package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/apply"
	"github.com/maru-auth/maru/authz-server/internal/directory"
	"github.com/maru-auth/maru/authz-server/internal/fetch"
	"github.com/maru-auth/maru/authz-server/internal/notices"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/internal/cli"
)

type applyCommand struct {
	reason
	force
	File                string   `arg:"" help:"The configuration, YAML or JSON; - is standard input."`
	DryRun              bool     `help:"Only print what would change. Exit status: 0 nothing, 2 something, 1 an error." env:"-"`
	Prune               bool     `help:"Remove what this configuration made once and names no more. What others made stays, and so does what has power over the server." env:"-"`
	PruneAdministrative []string `help:"What --prune removes although it has power over the server, such as clients/ops. Can be repeated." env:"-" placeholder:"KIND/NAME"`
	AdoptAdministrative []string `help:"What gets power over this server although it was not made by this configuration, or others put people into it, such as groups/Admins or clients/ops. Can be repeated." env:"-" placeholder:"KIND/NAME"`
	SecretsOut          string   `help:"Generate the secrets of clients that have none, and write them to this new file, which only you can read: JSON, by client_id." env:"-" placeholder:"PATH"`
	Format              string   `help:"How the difference is printed: text or json." enum:"text,json" default:"text" env:"-"`
}

// Help says what the file has.
func (applyCommand) Help() string {
	return `The file has lists of clients (RFC 7591 metadata, and disabled), resources, roles, groups (with their
roles) and upstreams. What it names becomes as it says, wholly: what an entry leaves out becomes its
default. What it does not name stays. All of it happens, or nothing does, and applying it again changes
nothing. Secrets are not in it: client_secret_file or client_secret_env leads to them.`
}

// wouldChange is the exit status of a dry run that found something to change.
const wouldChange = 2

func (cmd applyCommand) Run(ctx context.Context, p *program) error {
	text, err := cmd.read(p.in)
	if err != nil {
		return err
	}
	file, err := apply.Read(text, p.variable)
	if err != nil {
		return fmt.Errorf("%s: %w", cmd.File, err)
	}
	return p.withConfiguration(ctx, func(a *admin.Admin) error {
		opts := apply.Options{DryRun: cmd.DryRun, Prune: cmd.Prune, PruneAdministrative: cmd.PruneAdministrative,
			AdoptAdministrative: cmd.AdoptAdministrative, Reason: cmd.Reason}
		secrets := &secretsFile{path: cmd.SecretsOut}
		if cmd.SecretsOut != "" {
			opts.Keep = secrets.keep
		}
		done, err := apply.Apply(ctx, a, p.forced(cmd.Force), file, opts)
		var after *admin.AfterError
		kept := secrets.close(err != nil && !errors.As(err, &after))
		if err != nil {
			if kept {
				err = fmt.Errorf("%w (the secrets are in %s)", err, cmd.SecretsOut)
			}
			var refused *admin.Refused
			if errors.As(err, &refused) {
				err = option(err, nil)
			}
			return fmt.Errorf("%s: %w", cmd.File, err)
		}
		if cmd.Format == "json" {
			err = cli.PrintJSON(p.out, done)
		} else {
			err = done.Print(p.out)
		}
		if err == nil && cmd.DryRun && len(done.Changes) > 0 {
			err = cli.Exit(wouldChange, errors.New("nothing was changed: it was a dry run"))
		}
		return err
	})
}

func (cmd applyCommand) read(in io.Reader) ([]byte, error) {
	if cmd.File != "-" {
		file, err := os.Open(cmd.File)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		in = file
	}
	return io.ReadAll(io.LimitReader(in, apply.MaxFile+1))
}

// variable returns the value of an environment variable; empty: it is not set.
func (p *program) variable(name string) (value string) {
	for _, one := range p.environ {
		if text, ok := strings.CutPrefix(one, name+"="); ok {
			value = text
		}
	}
	return value
}

// withConfiguration is withAdmin for a command that changes all that a configuration has.
func (p *program) withConfiguration(ctx context.Context, f func(a *admin.Admin) error) error {
	resources, err := p.settings.resources()
	if err != nil {
		return cli.Usage(err)
	}
	policy, err := p.settings.policy()
	if err != nil {
		return cli.Usage(err)
	}
	outgoing, err := p.settings.upstreamFetch(fetch.Config{})
	if err != nil {
		return err
	}
	p.findDevelopmentKEK()
	kek, _, err := p.settings.kek()
	if err != nil && (p.settings.KeyEncryptionKey != "" || p.settings.KeyEncryptionKeyFile != "") {
		return cli.Usage(err)
	} // without one, no secret of an upstream can be stored, which is said where there is one
	return p.withStore(ctx, func(s *store.Store) (err error) {
		cfg := p.adminConfig(s)
		cfg.Notices, cfg.Resources, cfg.CheckAddress, cfg.KEK = &notices.Notices{Store: s, Now: p.now}, resources, outgoing.Check, kek
		cfg.Clients, err = directory.New(directory.Config{Store: s, OperatorPolicy: policy, Administration: admin.AdministrationAt(cfg.Issuer), Now: p.now, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			return err
		}
		return f(admin.New(cfg))
	})
}

// secretsFile is a new file for secrets. It is on disk before anything is committed: a secret of which
// only the hash is stored must not be lost.
type secretsFile struct {
	path string
	file *os.File // nil: not made yet
}

func (s *secretsFile) keep(secrets map[string]string) (err error) {
	if s.file == nil {
		s.file, err = os.OpenFile(s.path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("--secrets-out: %s is there already, and may have secrets that are in use. If an 'apply' ended early: its secrets count unless 'apply --dry-run' says that their clients are to be created; then remove it", s.path)
		}
		if err != nil {
			return fmt.Errorf("--secrets-out: %w", err)
		}
	}
	text, err := json.MarshalIndent(map[string]any{"clients": secrets}, "", "  ")
	if err == nil {
		err = s.file.Truncate(0) // what a try before had, that came to nothing
	}
	if err == nil {
		_, err = s.file.WriteAt(append(text, '\n'), 0)
	}
	if err == nil {
		err = s.file.Sync()
	}
	if err == nil { // its name too: the machine may stop once the database has the secrets
		err = syncFolder(filepath.Dir(s.path))
	}
	if err != nil {
		return fmt.Errorf("--secrets-out: %w", err)
	}
	return nil
}

func syncFolder(path string) error {
	folder, err := os.Open(path) //nolint:gosec // G304: the operator names it
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

// close closes the file, and removes it if nobody has the secrets in it. It tells whether there is a
// file.
func (s *secretsFile) close(vain bool) (kept bool) {
	if s.file == nil {
		return false
	}
	s.file.Close() // it is on disk already
	if vain {
		os.Remove(s.path)
	}
	return !vain
}
