package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/audit"
	"github.com/maru-auth/maru/authz-server/internal/keys"
	"github.com/maru-auth/maru/authz-server/internal/queue"
	"github.com/maru-auth/maru/authz-server/internal/ssf/delivery"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/upstream"
	"github.com/maru-auth/maru/internal/cli"
)

type keysCommands struct {
	List     keysList     `cmd:"" help:"List the signing keys: next, current, retired (still published), kept (only for refresh tokens), withdrawn."`
	Rotate   keysRotate   `cmd:"" help:"Make the next signing key of each algorithm. It is published first, and signs when no verifier can have an older key set any more."`
	Withdraw keysWithdraw `cmd:"" help:"Withdraw signing keys that leaked: another one signs at once, and what they signed is refused everywhere within seconds."`
	Rewrap   keysRewrap   `cmd:"" help:"Encrypt with --key-encryption-key the signing keys and other secrets that are still encrypted with --old-key-encryption-key."`
}

type keysList struct {
	Format string `help:"text or json." enum:"text,json" default:"text" env:"-"`
}

func (cmd keysList) Run(ctx context.Context, p *program) error {
	if err := p.settings.check(); err != nil {
		return cli.Usage(err)
	}
	return p.withAdmin(ctx, func(a *admin.Admin) error {
		a.ListKeys = func(ctx context.Context) ([]keys.State, error) {
			return keys.List(ctx, p.ringConfig(a.Store, nil, slog.New(slog.DiscardHandler)))
		}
		all, err := a.Keys(ctx, p.machine())
		if err != nil {
			return err
		}
		return cli.List[keys.State]{
			Page:    func(context.Context, string, int) ([]keys.State, error) { return all, nil },
			Columns: "KID\tALG\tSTATE\tSINCE\tUNTIL\tREASON",
			Row: func(k keys.State) string {
				until := ""
				if !k.Until.IsZero() {
					until = k.Until.UTC().Format(time.RFC3339)
				}
				return fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t%s", k.KID, k.Alg, k.State, k.Since.UTC().Format(time.RFC3339), until, k.Reason)
			},
			JSON:  func(k keys.State) (any, error) { return k, nil },
			Array: true,
		}.Print(ctx, p.out, cmd.Format)
	})
}

type keysRotate struct {
	reason
	Alg []string `help:"Only the key for this algorithm: ${algorithms}. Can be repeated. None: all." enum:"${algorithms}" env:"-"`
	Now bool     `help:"Let the new key sign at once. (If the old one leaked, withdraw it instead.) Services that do not fetch keys they do not know refuse the new tokens until their cached key set has aged." env:"-"`
}

func (cmd keysRotate) Run(ctx context.Context, p *program) error {
	return p.withKeys(ctx, func(a *admin.Admin) error {
		err := a.RotateKeys(ctx, p.machine(), cmd.Now, cmd.Alg, cmd.Reason)
		if err != nil && !errors.Is(err, keys.ErrPending) {
			return option(err, nil)
		}
		list, listErr := a.Keys(ctx, p.machine())
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

type keysWithdraw struct {
	KIDs    []string `arg:"" name:"kid" help:"The keys' kids; 'keys list' prints them."`
	Reason  string   `help:"Why, for 'keys list' and the log; 200 characters at most." placeholder:"TEXT" env:"-"`
	Missing bool     `help:"Withdraw also a key that this database does not have: one that is younger than a restored backup." env:"-"`
}

// Help says what it means for people, before an operator finds out.
func (keysWithdraw) Help() string {
	return `For a key that somebody else may have. In one step, its private half is deleted, it leaves the key
set, and if it signs, another key takes over: the one that waits, or a new one.

What it signed is refused: by every running server within a second, by resource services that follow
the status lists within five, by others when their cached key set has aged (--jwks-max-age, if they
keep to it). That includes refresh tokens, since whoever has the key can forge them: applications
have to send people to log in again. People whose session in the browser lives need no password for
that; applications that work offline need their person. Access tokens that were signed in the second
in between are refused, too: applications ask for new ones.

If database and key-encryption key may have leaked together, withdraw all keys, set a new
--key-encryption-key, run 'keys rewrap', and withdraw all keys once more.`
}

// kidsLast moves kids behind "--" if one of them begins with "-", as one in 64 does, so
// that 'keys withdraw' does not take it for an option. No option looks like one.
func kidsLast(args []string) []string {
	hyphened := func(arg string) bool { return strings.HasPrefix(arg, "-") && keys.IsKID(arg) }
	if !slices.Contains(args, "withdraw") || slices.Contains(args, "--") || !slices.ContainsFunc(args, hyphened) {
		return args
	}
	kids := slices.DeleteFunc(slices.Clone(args), func(arg string) bool { return !keys.IsKID(arg) })
	return slices.Concat(slices.DeleteFunc(slices.Clone(args), keys.IsKID), []string{"--"}, kids)
}

func (cmd keysWithdraw) Run(ctx context.Context, p *program) error {
	return p.withKeys(ctx, func(a *admin.Admin) error {
		before, err := a.Keys(ctx, p.machine())
		if err != nil {
			return err
		}
		err = a.WithdrawKeys(ctx, p.machine(), keys.Withdrawal{KIDs: cmd.KIDs, Reason: cmd.Reason, Missing: cmd.Missing})
		if errors.Is(err, keys.ErrUnknown) {
			return fmt.Errorf("%w; 'keys list' prints those that there are. Nothing was withdrawn", err)
		}
		if err != nil {
			return option(err, nil)
		}
		after, err := a.Keys(ctx, p.machine())
		if err != nil {
			return err
		}
		return cmd.report(p.out, before, after)
	})
}

// report says what became of each key, and what signs instead.
func (cmd keysWithdraw) report(out io.Writer, before, after []keys.State) error {
	for _, kid := range cmd.KIDs {
		named := func(one keys.State) bool { return one.KID == kid }
		was, is := slices.IndexFunc(before, named), slices.IndexFunc(after, named)
		if is < 0 {
			return fmt.Errorf("%s: %w", kid, keys.ErrUnknown)
		}
		what := "was not in this database"
		if was >= 0 {
			what = "was " + before[was].State
		}
		if was >= 0 && before[was].State == "withdrawn" {
			what = "was withdrawn already, " + after[is].Since.UTC().Format(time.RFC3339)
		}
		if _, err := fmt.Fprintf(out, "%s is withdrawn (%s), and named as such until %s\n",
			kid, what, after[is].Until.UTC().Format(time.RFC3339)); err != nil {
			return err
		}
	}
	for _, one := range after {
		if one.State != "current" || slices.ContainsFunc(before, func(b keys.State) bool { return b.KID == one.KID && b.State == "current" }) {
			continue
		}
		if _, err := fmt.Fprintf(out, "%s (%s) signs now\n", one.KID, one.Alg); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintln(out, "applications whose refresh tokens they signed have to send people to log in again")
	return err
}

type keysRewrap struct{}

func (keysRewrap) Run(ctx context.Context, p *program) error {
	return p.withRing(ctx, func(s *store.Store, ring *keys.Ring) error {
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
			if waiting, err = queue.Rewrap(ctx, s.Outbox, kek); err != nil {
				return err
			}
			headers, err := delivery.Rewrap(ctx, s.Streams, kek)
			if waiting += headers; err != nil {
				return err
			}
			secrets, err := upstream.Rewrap(ctx, s.Upstreams, kek)
			if waiting += secrets; err != nil {
				return err
			}
			// It goes through many transactions and can be run again, so this says that all is done.
			return audit.New(s).Record(ctx, audit.Entry{Kind: audit.KeysRewrapped, Detail: map[string]any{"secrets": n + waiting}})
		}); err != nil {
			return err
		}
		_, err = fmt.Fprintf(p.out, "signing keys and secrets encrypted anew: %d; you can remove --old-key-encryption-key\n", n+waiting)
		return err
	})
}
