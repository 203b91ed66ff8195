package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/audit"
	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/directory"
	"github.com/maru-auth/maru/authz-server/internal/issuer"
	"github.com/maru-auth/maru/authz-server/internal/keys"
	"github.com/maru-auth/maru/authz-server/internal/notices"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/internal/cli"
)

// reason is the flag of commands that change something.
type reason struct {
	Reason string `help:"Why, for the audit log: one line of at most 200 characters." env:"-"`
}

// force is the flag of commands that can take away an administrator.
type force struct {
	Force bool `help:"Do it also if no administrator who can log in is left." env:"-"`
}

// machine is who runs a command, as the system knows them.
func (p *program) machine() admin.Actor {
	return admin.Actor{Kind: admin.Machine, Name: operator().Actor.Label}
}

// forced is machine for a command with the flag force.
func (p *program) forced(force bool) admin.Actor {
	actor := p.machine()
	actor.Force = force
	return actor
}

// withAdmin is withStore for a command that does what operators do.
func (p *program) withAdmin(ctx context.Context, f func(a *admin.Admin) error) error {
	return p.withStore(ctx, func(s *store.Store) error {
		cfg := p.adminConfig(s)
		cfg.Notices = &notices.Notices{Store: s, Now: p.now}
		return f(admin.New(cfg))
	})
}

// withResources is withAdmin for a command that needs to know the services of the settings.
func (p *program) withResources(ctx context.Context, f func(a *admin.Admin) error) error {
	resources, err := p.settings.resources()
	if err != nil {
		return cli.Usage(err)
	}
	return p.withStore(ctx, func(s *store.Store) error {
		cfg := p.adminConfig(s)
		cfg.Notices, cfg.Resources = &notices.Notices{Store: s, Now: p.now}, resources
		return f(admin.New(cfg))
	})
}

// withTelling is withAdmin for a command that tells people by mail, if the settings say how that is
// sent.
func (p *program) withTelling(ctx context.Context, f func(a *admin.Admin) error) error {
	return p.withStore(ctx, func(s *store.Store) error {
		cfg := p.adminConfig(s)
		var err error
		if cfg.Notices, err = p.told(s); err != nil {
			return cli.Usage(err)
		}
		cfg.Mail = cfg.Notices.Mail
		return f(admin.New(cfg))
	})
}

// withClients is withAdmin for a command that manages clients. policy is for commands that check
// metadata.
func (p *program) withClients(ctx context.Context, policy client.Policy, f func(a *admin.Admin) error) error {
	return p.withStore(ctx, func(s *store.Store) (err error) {
		cfg := p.adminConfig(s)
		cfg.Notices = &notices.Notices{Store: s, Now: p.now}
		cfg.Clients, err = directory.New(directory.Config{Store: s, OperatorPolicy: policy, Administration: admin.AdministrationAt(cfg.Issuer), Now: p.now, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			return err
		}
		return f(admin.New(cfg))
	})
}

// withKeys is withAdmin for a command that makes or withdraws signing keys.
func (p *program) withKeys(ctx context.Context, f func(a *admin.Admin) error) error {
	return p.withRing(ctx, func(s *store.Store, ring *keys.Ring) error {
		cfg := p.adminConfig(s)
		cfg.Notices, cfg.Ring, cfg.ListKeys = &notices.Notices{Store: s, Now: p.now}, ring, ring.List
		return f(admin.New(cfg))
	})
}

func (p *program) adminConfig(s *store.Store) admin.Config {
	cfg := admin.Config{Store: s, Audit: audit.New(s), Now: p.now}
	if at, err := issuer.Parse(p.settings.Issuer); err == nil { // commands that need it check it
		cfg.Issuer = at
	}
	return cfg
}

// option says an error about an input in the words of the command line: by the option's name, which
// is field's unless others names another one.
func option(err error, others map[string]string) error {
	var wrong *admin.FieldError
	var refused *admin.Refused
	switch {
	case errors.As(err, &refused) && refused.Why == admin.LastAdministrator:
		return errors.New("no administrator who can log in would be left; --force does it nevertheless")
	case !errors.As(err, &wrong):
		return err
	}
	name := others[wrong.Field]
	if name == "" {
		name = "--" + strings.ReplaceAll(wrong.Field, "_", "-")
	}
	err = fmt.Errorf("%s %s", name, wrong.Problem)
	if wrong.Field == "reason" {
		return cli.Usage(err)
	}
	return err
}
