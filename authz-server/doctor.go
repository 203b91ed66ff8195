package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/doctor"
	"github.com/maru-auth/maru/authz-server/internal/fetch"
	"github.com/maru-auth/maru/authz-server/internal/issuer"
	"github.com/maru-auth/maru/authz-server/internal/registration"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/internal/cli"
)

type doctorCommand struct {
	Format  string        `help:"text or json." enum:"text,json" default:"text" env:"-"`
	Timeout time.Duration `help:"How long each check may take." default:"10s" env:"-"`
}

// Run examines what serve would work with. It fails if anything is wrong that must be mended.
func (cmd doctorCommand) Run(ctx context.Context, p *program) error {
	if cmd.Timeout < time.Second || cmd.Timeout > 5*time.Minute {
		return cli.Usage(errors.New("--timeout must be from 1s to 5m"))
	}
	cfg := p.examined()
	cfg.Timeout = cmd.Timeout
	findings := doctor.Run(ctx, cfg)
	failed, warned := doctor.Count(findings, doctor.Error), doctor.Count(findings, doctor.Warning)
	var err error
	if cmd.Format == "json" {
		err = cli.PrintJSON(p.out, map[string]any{"ok": failed == 0, "errors": failed, "warnings": warned, "findings": findings})
	} else {
		err = printFindings(p.out, findings)
	}
	if err == nil && failed > 0 {
		err = fmt.Errorf("%d errors and %d warnings", failed, warned)
	}
	return err
}

// printFindings writes a finding a line, and below it what to do.
func printFindings(w io.Writer, findings []doctor.Finding) error {
	var text strings.Builder
	for _, one := range findings {
		fmt.Fprintf(&text, "%-8s %-9s %s\n", one.Severity, one.Check, one.Seen)
		if one.Do != "" {
			fmt.Fprintf(&text, "%-18s → %s (%s)\n", "", one.Do, one.ID)
		}
	}
	_, err := io.WriteString(w, text.String())
	return err
}

// examined is what the doctor looks at: what serve takes from the settings, and what it would refuse
// of them.
func (p *program) examined() doctor.Config {
	s := p.settings
	cfg := doctor.Config{APIOrigin: s.APIOrigin, Database: s.ForBatch(), Now: p.now, Insecure: s.insecure()}
	cfg.Database.Now = p.now
	cfg.Database.DatabaseStatementTimeout = s.DatabaseStatementTimeout
	note := func(err error) {
		if err != nil {
			cfg.Problems = append(cfg.Problems, err)
		}
	}
	note(s.check()) // sets the default of --listen
	note(s.checkPages())
	cfg.Listen = s.Listen
	cfg.Issuer, _ = issuer.Parse(s.Issuer) // check says what is wrong
	var err error
	cfg.Mail, err = s.sender()
	note(err)
	cfg.Roots, err = fetch.Roots(s.OutgoingCAFile)
	if err != nil {
		note(fmt.Errorf("--outgoing-ca-file: %w", err))
	}
	if s.KeyEncryptionKey == "" && s.KeyEncryptionKeyFile == "" {
		if p.findDevelopmentKEK(); s.KeyEncryptionKeyFile != "" {
			cfg.Warnings = append(cfg.Warnings, "no key-encryption key is set; the one beside the database is looked at here, and 'serve' does not take it: set --key-encryption-key-file")
		}
	}
	kek, warning, err := s.kek()
	note(err)
	if warning != "" {
		cfg.Warnings = append(cfg.Warnings, warning)
	}
	cfg.Keys = p.ringConfig(&store.Store{}, kek, nil)
	return cfg
}

// insecure names the insecure settings that are on, but for what development needs on one machine.
func (s *settings) insecure() (names []string) {
	at, err := issuer.Parse(s.Issuer)
	development := err == nil && checkOrigin("", at.Origin(), false) == nil && !at.Secure()
	for _, one := range []struct {
		name string
		on   bool
	}{
		{"insecure-http-issuer", s.InsecureHTTPIssuer && !development},
		{"insecure-outgoing-loopback", s.InsecureOutgoingLoopback && !development},
		{"insecure-legacy-response-types", s.InsecureLegacyResponseTypes && registration.Mode(s.Registration) != registration.Closed},
		{"insecure-database-transport", s.InsecureDatabaseTransport},
		{"insecure-upstream-private-networks", len(s.InsecureUpstreamPrivateNetworks) > 0},
	} {
		if one.on {
			names = append(names, one.name)
		}
	}
	return names
}
