package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/keys"
	"github.com/maru-auth/maru/authz-server/internal/queue"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/internal/cli"
)

type keysCommands struct {
	List   keysList   `cmd:"" help:"List the signing keys: next, current, retired (still published), kept (only for refresh tokens)."`
	Rotate keysRotate `cmd:"" help:"Make the next signing key of each algorithm. It is published first, and signs when no verifier can have an older key set any more."`
	Remove keysRemove `cmd:"" help:"Remove a signing key that leaked: everything it signed is refused, here within a minute, and by resource services when their cached key set has aged."`
	Rewrap keysRewrap `cmd:"" help:"Encrypt with --key-encryption-key the signing keys and other secrets that are still encrypted with --old-key-encryption-key."`
}

type keysList struct {
	Format string `help:"text or json." enum:"text,json" default:"text" env:"-"`
}

func (cmd keysList) Run(ctx context.Context, p *program) error {
	if err := p.settings.check(); err != nil {
		return cli.Usage(err)
	}
	return p.withStore(ctx, func(s *store.Store) error {
		all, err := keys.List(ctx, p.ringConfig(s, nil, slog.New(slog.DiscardHandler)))
		if err != nil {
			return err
		}
		return cli.List[keys.State]{
			Page:    func(context.Context, string, int) ([]keys.State, error) { return all, nil },
			Columns: "KID\tALG\tSTATE\tSINCE\tUNTIL",
			Row: func(k keys.State) string {
				until := ""
				if !k.Until.IsZero() {
					until = k.Until.UTC().Format(time.RFC3339)
				}
				return fmt.Sprintf("%s\t%s\t%s\t%s\t%s", k.KID, k.Alg, k.State, k.Since.UTC().Format(time.RFC3339), until)
			},
			JSON:  func(k keys.State) (any, error) { return k, nil },
			Array: true,
		}.Print(ctx, p.out, cmd.Format)
	})
}

type keysRotate struct {
	Alg []string `help:"Only the key for this algorithm: ${algorithms}. Can be repeated. None: all." enum:"${algorithms}" env:"-"`
	Now bool     `help:"Let the new key sign at once, because the old one leaked (then remove that one). Services that do not fetch keys they do not know refuse the new tokens until their cached key set has aged." env:"-"`
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
		if err := cmd.report(p.out, list); err != nil {
			return err
		}
		if err != nil {
			return fmt.Errorf("%w; --now lets it sign at once", err)
		}
		return nil
	})
}

// report says of the newest key of each algorithm when it signs.
func (cmd keysRotate) report(out io.Writer, list []keys.State) error {
	reported := map[string]bool{}
	for _, one := range list { // the newest of each algorithm comes first
		if reported[one.Alg] || len(cmd.Alg) > 0 && !slices.Contains(cmd.Alg, one.Alg) {
			continue
		}
		reported[one.Alg] = true
		when := "signs now; running servers take it up within a minute"
		if one.State == "next" {
			when = "is published, and signs from " + one.Until.UTC().Format(time.RFC3339) + " on"
		}
		if _, err := fmt.Fprintf(out, "%s (%s) %s\n", one.KID, one.Alg, when); err != nil {
			return err
		}
	}
	return nil
}

type keysRemove struct {
	KID string `arg:"" name:"kid" help:"The key's kid; 'keys list' prints it."`
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
		kek, _, err := p.settings.kek()
		if err != nil {
			return err
		}
		var waiting int
		if err := p.withStore(ctx, func(s *store.Store) error {
			waiting, err = queue.Rewrap(ctx, s.Outbox, kek)
			return err
		}); err != nil {
			return err
		}
		_, err = fmt.Fprintf(p.out, "signing keys and secrets encrypted anew: %d; you can remove --old-key-encryption-key\n", n+waiting)
		return err
	})
}
