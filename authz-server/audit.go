package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/user"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/audit"
	"github.com/maru-auth/maru/authz-server/internal/keys"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/auditlog"
	"github.com/maru-auth/maru/internal/cli"
)

type auditSettings struct {
	AuditRetention time.Duration `help:"How long entries of the audit log are kept. 0: for ever." default:"9600h"`
	AuditFile      string        `shown:"" help:"Write all entries of the audit log to this file too, a line of JSON each; see 'audit export'. It begins with the oldest that there is, and PATH.position says how far it is. A file for each replica; it is opened anew when log rotation moves it." placeholder:"PATH"`
}

type auditCommands struct {
	List   auditList   `cmd:"" help:"List who did what to whom, the latest first."`
	Export auditExport `cmd:"" help:"Print the audit log as lines of JSON, the oldest first."`
	Verify auditVerify `cmd:"" help:"Find out whether entries of the audit log were changed, removed, added or moved."`
}

// auditLabel is the secret of the server that is the key of the audit log's chain.
const auditLabel = "audit"

func auditKey(ctx context.Context, ring *keys.Ring) ([]byte, error) {
	return ring.Secret(ctx, auditLabel, audit.KeySize)
}

// chainer returns what gives audit entries their places.
func (p *program) chainer(ctx context.Context, s *store.Store, ring *keys.Ring, log *slog.Logger, metrics prometheus.Registerer) (*audit.Chainer, error) {
	key, err := auditKey(ctx, ring)
	if err != nil {
		return nil, err
	}
	return audit.NewChainer(audit.Config{
		Store: s, Key: key, Log: log, Now: p.now, Retention: p.settings.AuditRetention, File: p.settings.AuditFile, Metrics: metrics,
	})
}

// recordStart notes the settings in force that are not empty. Those that may be secret, or have a
// secret in them, have no value there.
func (p *program) recordStart(ctx context.Context, s *store.Store) error {
	detail := map[string]any{}
	for _, one := range admin.SettingsOf(p.settings) {
		switch {
		case !one.Set:
		case one.Hidden:
			detail[one.Name] = "(set)"
		default:
			detail[one.Name] = one.Value
		}
	}
	if err := audit.New(s).Record(ctx, audit.Entry{
		Kind: audit.SettingsStarted, Target: audit.Target{Kind: "server", Label: p.settings.Issuer}, Detail: detail,
	}); err != nil {
		return err
	}
	return p.recordTerms(ctx, s)
}

// termsID is what the terms of service are called as the target of entries.
const termsID = "terms of service"

// recordTerms notes that the terms which people agree to are others than the log knows.
func (p *program) recordTerms(ctx context.Context, s *store.Store) error {
	log := audit.New(s)
	last, err := log.List(ctx, auditlog.Filter{TargetID: termsID, Limit: 1})
	if err != nil {
		return err
	}
	inForce := map[string]any{"version": p.settings.TermsVersion, "url": p.settings.TermsURL, "privacy": p.settings.PrivacyURL}
	before := map[string]any{"version": "", "url": "", "privacy": ""}
	if len(last) > 0 {
		before = last[0].Detail
	}
	same := true
	for name, value := range inForce {
		same = same && before[name] == value
	}
	if same {
		return nil
	}
	return log.Record(ctx, audit.Entry{Kind: audit.TermsChanged, Target: audit.Target{Kind: "terms", ID: termsID}, Detail: inForce})
}

// operator is who runs a command, for the audit log: the account of the process, which nobody can
// choose by a variable, and beside root's, whom sudo says that it served.
func operator() audit.Entry {
	e := audit.Entry{Actor: audit.Actor{Kind: audit.Machine}, Proof: "command"}
	if u, err := user.Current(); err == nil {
		e.Actor.Label = u.Username
	}
	if by := os.Getenv("SUDO_USER"); by != "" && os.Getuid() == 0 {
		e.Actor.Label += " for " + by
	}
	return e
}

type auditList struct {
	Person string        `help:"Only what this person did, or what concerns them: an e-mail address or id." env:"-" placeholder:"ACCOUNT"`
	Target string        `help:"Only what concerns the client, key, role or the like with this id." env:"-" placeholder:"ID"`
	Kind   string        `help:"Only what is of this kind, such as login.failed." env:"-"`
	Last   time.Duration `help:"Only what happened in this time up to now, such as 24h. 0: all that is kept." env:"-" default:"0"`
	Limit  int           `help:"How many entries at most. 0: all." default:"100" env:"-"`
	Format string        `help:"text or json (one entry a line)." enum:"text,json" default:"text" env:"-"`
}

func (cmd auditList) Run(ctx context.Context, p *program) error {
	if cmd.Limit < 0 || cmd.Last < 0 {
		return cli.Usage(errors.New("--limit and --last cannot be negative"))
	}
	if cmd.Kind != "" && !audit.Kind(cmd.Kind).Known() {
		return cli.Usage(fmt.Errorf("--kind: there is no %q; there are %s", cmd.Kind, strings.Join(audit.Names(), ", ")))
	}
	return p.withStore(ctx, func(s *store.Store) error {
		f := auditlog.Filter{UserID: cmd.Person, TargetID: cmd.Target, Kind: cmd.Kind}
		if strings.Contains(cmd.Person, "@") {
			u, err := s.Users.UserByEmail(ctx, cmd.Person)
			if errors.Is(err, store.ErrNotFound) {
				return fmt.Errorf("there is no account %s; 'user list' lists them", cmd.Person)
			}
			if err != nil {
				return err
			}
			f.UserID = u.ID
		}
		if cmd.Last > 0 {
			f.Since = p.now().Add(-cmd.Last)
		}
		return cmd.print(ctx, p, audit.New(s), f)
	})
}

func (cmd auditList) print(ctx context.Context, p *program, log *audit.Log, f auditlog.Filter) error {
	left := cmd.Limit
	return cli.List[audit.Entry]{
		Page: func(ctx context.Context, after string, limit int) ([]audit.Entry, error) {
			f.Before, f.Limit = after, limit
			if cmd.Limit > 0 {
				if left == 0 {
					return nil, nil
				}
				f.Limit = min(limit, left)
			}
			page, err := log.List(ctx, f)
			left -= len(page)
			return page, err
		},
		Key:     func(e audit.Entry) string { return e.ID },
		Columns: "TIME\tKIND\tACTOR\tTARGET\tPERSON\tFROM\tPROOF\tREASON",
		Row: func(e audit.Entry) string {
			return strings.Join([]string{
				e.At.Format(time.RFC3339), string(e.Kind), clean(named(string(e.Actor.Kind), e.Actor.ID, e.Actor.Label)),
				clean(named(e.Target.Kind, e.Target.ID, e.Target.Label)), clean(e.Person), clean(e.From), clean(e.Proof), clean(e.Reason),
			}, "\t")
		},
		JSON: func(e audit.Entry) (any, error) { return e, nil },
	}.Print(ctx, p.out, cmd.Format)
}

// named is who or what an entry is about, in one word or a few.
func named(kind, id, label string) string {
	words := strings.TrimSpace(kind + " " + id)
	if label != "" && label != id {
		words += " (" + label + ")"
	}
	return words
}

// clean makes other people's text fit for a terminal and one cell of a table.
func clean(text string) string {
	return strings.Map(func(c rune) rune {
		if !unicode.IsPrint(c) {
			return '\uFFFD'
		}
		return c
	}, text)
}

type auditExport struct {
	After int64 `help:"Only entries after this position: that of the last line of the export before." default:"0" env:"-"`
}

func (cmd auditExport) Run(ctx context.Context, p *program) error {
	return p.withStore(ctx, func(s *store.Store) error {
		log := audit.New(s)
		// Before the first line: whoever stops reading has read so far.
		if err := log.Record(ctx, audit.Entry{Kind: audit.LogExported, Detail: map[string]any{"after": cmd.After}}); err != nil {
			return err
		}
		return cli.List[audit.Entry]{
			Page: func(ctx context.Context, after string, limit int) ([]audit.Entry, error) {
				position := cmd.After
				if after != "" {
					var err error
					if position, err = strconv.ParseInt(after, 10, 64); err != nil {
						return nil, err
					}
				}
				return log.After(ctx, position, limit)
			},
			Key:  func(e audit.Entry) string { return strconv.FormatInt(e.Position, 10) },
			JSON: func(e audit.Entry) (any, error) { return e, nil },
		}.Print(ctx, p.out, "json")
	})
}

type auditVerify struct {
	Head []string `help:"What you know of the end of the log at an earlier time, \"POSITION:MAC\": from a line \"audit head\" of the server's log, or position and mac of a line of --audit-file. Can be repeated. Without one, it does not show if the end was cut off." env:"-" placeholder:"HEAD"`
}

// Help says what the check can find.
func (auditVerify) Help() string {
	return `Each entry has a MAC of itself and of all before it, by a key that the key-encryption key protects. So
whoever can write to the database, and has not that key, cannot change, remove, add or move entries
without its showing here. Three things do not show: entries of the last second or so, which have no
place in the chain yet; an end that was cut off, unless --head says how far the log went; and that
what an entry says of a person was removed, as it is when their account is deleted.`
}

func (cmd auditVerify) Run(ctx context.Context, p *program) error {
	heads := make([]audit.Head, len(cmd.Head))
	for i, text := range cmd.Head {
		var err error
		if heads[i], err = audit.ParseHead(text); err != nil {
			return cli.Usage(fmt.Errorf("--head: %w", err))
		}
	}
	if err := p.settings.check(); err != nil {
		return cli.Usage(err)
	}
	p.findDevelopmentKEK()
	return p.withStore(ctx, func(s *store.Store) error {
		ring, err := p.openRing(ctx, s, slog.New(slog.DiscardHandler), nil)
		if err != nil {
			return err
		}
		key, err := auditKey(ctx, ring)
		if err != nil {
			return err
		}
		r, err := audit.Verify(ctx, s, key, heads...)
		if err != nil {
			return err
		}
		return cmd.report(p, r)
	})
}

func (cmd auditVerify) report(p *program, r audit.Report) error {
	text := "the audit log is whole, and empty\n"
	if r.Head.Position > 0 {
		text = fmt.Sprintf("the audit log is whole: %d entries, %d of them with a part that went with an account\nhead %s\n",
			r.Entries, r.Erased, r.Head)
	}
	if r.Removed > 0 {
		text += fmt.Sprintf("entries up to position %d were removed for their age\n", r.Removed)
	}
	if r.Waiting > 0 {
		text += fmt.Sprintf("%d entries wait for a server to give them their places\n", r.Waiting)
	}
	_, err := fmt.Fprint(p.out, text)
	return err
}
