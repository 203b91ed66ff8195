package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/keys"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/internal/cli"
)

type keysCommands struct {
	List   keysList   `cmd:"" help:"List the signing keys: next, current, retired (still published), kept (for refresh tokens alone)."`
	Rotate keysRotate `cmd:"" help:"Make the next signing key of each algorithm. It is published first, and signs once no verifier can have an older key set."`
	Remove keysRemove `cmd:"" help:"Remove a signing key that leaked: all that it signed is refused, here within a minute, and by services that verify when their cached key set has aged."`
	Rewrap keysRewrap `cmd:"" help:"Encrypt the signing keys and other secrets of the server anew with --key-encryption-key, where they are still encrypted with --old-key-encryption-key."`
}

type keysList struct {
	Format string `help:"text or json." enum:"text,json" default:"text" env:"-"`
}

func (cmd keysList) Run(ctx context.Context, p *program) error {
	if err := p.settings.check(); err != nil {
		return cli.Usage(err)
	}
	return p.withStore(ctx, func(s *store.Store) error {
		list, err := keys.List(ctx, p.ringConfig(s, nil, slog.New(slog.DiscardHandler)))
		if err != nil {
			return err
		}
		if cmd.Format == "json" {
			return cli.PrintJSON(p.out, list)
		}
		table := tabwriter.NewWriter(p.out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(table, "KID\tALG\tSTATE\tSINCE\tUNTIL")
		for _, one := range list {
			until := ""
			if !one.Until.IsZero() {
				until = one.Until.UTC().Format(time.RFC3339)
			}
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", one.KID, one.Alg, one.State, one.Since.UTC().Format(time.RFC3339), until)
		}
		return table.Flush()
	})
}

type keysRotate struct {
	Alg []string `help:"Only the key for this algorithm: ${algorithms}. May be repeated. None: all." enum:"${algorithms}" env:"-"`
	Now bool     `help:"Let the new key sign at once: for a key that leaked (then remove that one). Until their cached key set has aged, services refuse the new tokens unless they ask again for a key that they do not know." env:"-"`
}

func (cmd keysRotate) Run(ctx context.Context, p *program) error {
	return p.withRing(ctx, func(ring *keys.Ring) error {
		err := ring.Rotate(ctx, cmd.Now, cmd.Alg...)
		if err != nil && !errors.Is(err, keys.ErrPending) {
			return err
		}
		list, listErr := ring.List(ctx)
		if listErr != nil {
			return listErr
		}
		shown := map[string]bool{}
		for _, one := range list { // the newest of each algorithm comes first
			if shown[one.Alg] || len(cmd.Alg) > 0 && !slices.Contains(cmd.Alg, one.Alg) {
				continue
			}
			shown[one.Alg] = true
			line := "signs now; running servers take it up within a minute"
			if one.State == "next" {
				line = "is published, and signs from " + one.Until.UTC().Format(time.RFC3339) + " on"
			}
			if _, err := fmt.Fprintf(p.out, "%s (%s) %s\n", one.KID, one.Alg, line); err != nil {
				return err
			}
		}
		if err != nil {
			return fmt.Errorf("%w; --now lets it sign at once", err)
		}
		return nil
	})
}

type keysRemove struct {
	KID string `arg:"" name:"kid" help:"The key's kid, as 'keys list' prints it."`
}

func (cmd keysRemove) Run(ctx context.Context, p *program) error {
	return p.withRing(ctx, func(ring *keys.Ring) error {
		err := ring.Remove(ctx, cmd.KID)
		if errors.Is(err, keys.ErrCurrent) {
			return fmt.Errorf("%s %w; run 'keys rotate --now' first", cmd.KID, err)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", cmd.KID, err)
		}
		_, err = fmt.Fprintf(p.out, "removed %s\n", cmd.KID)
		return err
	})
}

type keysRewrap struct{}

func (keysRewrap) Run(ctx context.Context, p *program) error {
	return p.withRing(ctx, func(ring *keys.Ring) error {
		n, err := ring.Rewrap(ctx)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(p.out, "signing keys and secrets encrypted anew: %d; --old-key-encryption-key can go\n", n)
		return err
	})
}
