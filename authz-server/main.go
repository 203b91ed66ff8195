// Authz-server is the OAuth 2 and OpenID Connect authorization server: it serves, and it manages
// clients, signing keys and accounts on the command line. All of its settings are in --help.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/maru-auth/maru/authz-server/internal/audit"
	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/keys"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/internal/cli"
	"github.com/maru-auth/maru/internal/libcrypto"
	"github.com/maru-auth/maru/internal/sqldb"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	p := &program{in: os.Stdin, out: os.Stdout, errs: os.Stderr, now: time.Now, environ: os.Environ()}
	err := p.run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "authz-server:", err)
	}
	os.Exit(cli.Status(err))
}

// commands is the command line. Every command has the settings; those that need them check them.
type commands struct {
	settings

	Serve        serveCommand        `cmd:"" default:"1" help:"Serve. This is the default command."`
	Client       clientCommands      `cmd:"" help:"Manage OAuth clients."`
	Keys         keysCommands        `cmd:"" help:"Manage signing keys."`
	User         userCommands        `cmd:"" help:"Manage people's accounts."`
	Role         roleCommands        `cmd:"" help:"Manage roles, which say in tokens what people may do at a service."`
	Group        groupCommands       `cmd:"" help:"Manage groups of people, which have roles."`
	Resource     resourceCommands    `cmd:"" help:"Manage the services that take this server's tokens."`
	Invite       inviteCommands      `cmd:"" help:"Invite people to make an account, with --signup=invitation."`
	Bootstrap    bootstrapCommand    `cmd:"" name:"bootstrap-admin" help:"Print a link by which one person becomes an administrator."`
	Logout       logoutCommands      `cmd:"" help:"See which clients have not been told of log-outs."`
	Upstream     upstreamCommands    `cmd:"" help:"Manage other providers by which people log in."`
	Stream       streamCommands      `cmd:"" help:"See which receivers have not been told of events, and manage their streams."`
	Mail         mailCommands        `cmd:"" help:"See which mail has not been sent, and try it."`
	Apply        applyCommand        `cmd:"" help:"Make clients, resources, roles, groups and upstreams be as a file says."`
	Audit        auditCommands       `cmd:"" help:"Read the audit log, and check that nobody changed it."`
	Doctor       doctorCommand       `cmd:"" help:"Look whether settings, database, keys, mail, certificate, proxies and clocks are as they must be, and say how to mend what is not. Changes nothing, and works whether servers run or not."`
	Backup       backupCommand       `cmd:"" help:"Copy an SQLite database to a file, even while servers use it."`
	Restore      restoreCommand      `cmd:"" help:"Put a backup in the place of an SQLite database that no process uses, without the sessions, grants and requests in it. What was there stays beside it under another name."`
	AfterRestore afterRestoreCommand `cmd:"" help:"After you restored a backup by other means, such as pg_restore, and before servers start: end all sessions and grants, and everything under way. Accounts, clients and keys stay as in the backup."`

	OpenAPI openapiCommand `cmd:"" name:"openapi" help:"Print the OpenAPI document of the interface for operators, and exit."`
	Version cli.Version    `cmd:"" help:"Print the version, what it was built from, and what computes RSA."`
}

// program is what every command gets from its surroundings.
type program struct {
	in        io.Reader
	out, errs io.Writer
	now       func() time.Time
	environ   []string            // checked for variables that set nothing
	serving   func(addr net.Addr) // called with the address when serve listens; nil: not called

	settings *settings // set by run
}

// exit unwinds run when kong has done everything, such as printing --help.
type exit int

// run parses args and the environment, and runs the command that they name, until it is done or ctx
// ends.
func (p *program) run(ctx context.Context, args []string) (err error) {
	parser, err := p.parser(audit.With(ctx, operator()))
	if err != nil {
		return err
	}
	defer func() {
		if v := recover(); v != nil {
			code, ok := v.(exit)
			if !ok {
				panic(v)
			}
			if code != 0 {
				err = cli.Usage(fmt.Errorf("exit status %d", code))
			}
		}
	}()
	command, err := cli.Parse(parser, "authz-server", "AUTHZ_", kidsLast(args), p.environ)
	if err != nil {
		return err
	}
	return command.Run()
}

// parser makes the parser of the command line, which fills p.settings.
func (p *program) parser(ctx context.Context) (*kong.Kong, error) {
	var all commands
	p.settings = &all.settings
	all.Client.Create.metadataOptions, all.Client.Update.metadataOptions = newMetadataOptions(), newMetadataOptions()
	return kong.New(&all,
		kong.Name("authz-server"),
		kong.Description("The OAuth 2 and OpenID Connect authorization server of Maru."+cli.Traces),
		kong.DefaultEnvars("AUTHZ"),
		kong.Vars{"database_url": "sqlite:data/authz.db", "algorithms": strings.Join(client.Algorithms, ", "),
			"events": streamEvents()},
		kong.Writers(p.out, p.errs),
		kong.Exit(func(code int) { panic(exit(code)) }),
		kong.Help(cli.Help(settingsOf)),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(p, cli.RSA(libcrypto.Name)),
	)
}

// settingsOf returns the settings that a command reads, for its help. serve reads all of them.
func settingsOf(command string) []string {
	all := []string{"database-url"}
	switch command {
	case "apply":
		all = append(all, "issuer", "api-origin", "resource", "insecure-legacy-response-types", "insecure-outgoing-loopback", "insecure-upstream-private-networks",
			"key-encryption-key", "key-encryption-key-file")
	case "client create", "client update", "client import":
		all = append(all, "issuer", "api-origin", "resource", "insecure-legacy-response-types", "insecure-outgoing-loopback")
	case "role create", "role update", "resource create", "resource list", "resource update", "resource delete":
		all = append(all, "issuer", "api-origin", "resource")
	case "doctor":
		all = append(all, "listen", "trusted-proxies", "issuer", "api-origin", "outgoing-ca-file", "key-encryption-key", "key-encryption-key-file",
			"old-key-encryption-key", "old-key-encryption-key-file", "mail-smtp-url", "mail-password-file", "mail-from", "mail-ca-file")
	case "user create", "user set-password":
		all = append(all, "password-breach-url", "outgoing-ca-file")
	case "stream create":
		all = append(all, "issuer", "key-encryption-key", "key-encryption-key-file", "insecure-outgoing-loopback")
	case "upstream create", "upstream update":
		all = append(all, "issuer", "key-encryption-key", "key-encryption-key-file", "insecure-outgoing-loopback", "insecure-upstream-private-networks")
	case "openapi":
		return []string{"issuer"}
	case "mail test":
		return []string{"issuer", "mail-smtp-url", "mail-password-file", "mail-from", "mail-ca-file", "brand-name", "brand-color", "brand-support"}
	case "user remove-factors", "user delete":
		all = append(all, "issuer", "mail-smtp-url", "mail-password-file", "mail-from", "mail-ca-file", "brand-name", "brand-color", "brand-support",
			"key-encryption-key", "key-encryption-key-file")
	case "bootstrap-admin", "user reset-link":
		all = append(all, "issuer")
	case "invite create":
		all = append(all, "issuer", "mail-smtp-url", "mail-password-file", "mail-from", "mail-ca-file", "brand-name", "brand-color", "brand-support")
	case "mail list", "keys list", "keys rotate", "keys withdraw", "keys rewrap", "after-restore", "audit verify":
		all = append(all, "key-encryption-key", "key-encryption-key-file", "old-key-encryption-key", "old-key-encryption-key-file")
	}
	return all
}

// withStore runs f, a command, with the database open. It reads the settings of the database only.
func (p *program) withStore(ctx context.Context, f func(s *store.Store) error) (err error) {
	return p.withDatabase(ctx, p.settings.ForBatch(), f)
}

func (p *program) withDatabase(ctx context.Context, opts sqldb.Options, f func(s *store.Store) error) (err error) {
	opts.Now = p.now
	s, err := store.OpenWith(ctx, opts, p.now)
	if err != nil {
		return fmt.Errorf("setting --database-url: %w", err)
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	return f(s)
}

// withRing is withStore for a command that needs the key ring. If no key-encryption key is set, it
// takes the one that development keeps beside its database; serve never looks there.
func (p *program) withRing(ctx context.Context, f func(s *store.Store, ring *keys.Ring) error) error {
	if err := p.settings.check(); err != nil {
		return cli.Usage(err)
	}
	p.findDevelopmentKEK()
	return p.withStore(ctx, func(s *store.Store) error {
		ring, err := p.openRing(ctx, s, slog.New(slog.NewTextHandler(p.errs, &slog.HandlerOptions{Level: slog.LevelWarn})), nil)
		if err != nil {
			return err
		}
		return f(s, ring)
	})
}

// findDevelopmentKEK takes development's key-encryption key if none is set.
func (p *program) findDevelopmentKEK() {
	if p.settings.KeyEncryptionKey == "" && p.settings.KeyEncryptionKeyFile == "" {
		p.settings.KeyEncryptionKeyFile = p.settings.developmentKEK()
	}
}

func (p *program) openRing(ctx context.Context, s *store.Store, log *slog.Logger, metrics prometheus.Registerer) (*keys.Ring, error) {
	kek, warning, err := p.settings.kek()
	if err != nil {
		return nil, err
	}
	if warning != "" {
		log.Warn(warning)
	}
	cfg := p.ringConfig(s, kek, log)
	cfg.Metrics = metrics
	return keys.Open(ctx, cfg)
}

func (p *program) ringConfig(s *store.Store, kek *keys.KEK, log *slog.Logger) keys.Config {
	return keys.Config{
		Store:           s.Keys,
		KEK:             kek,
		Now:             p.now,
		Log:             log,
		Bits:            p.settings.KeyBits,
		Rotation:        p.settings.KeyRotation,
		MaxAge:          p.settings.JWKSMaxAge,
		TokenLifetime:   longestToken, // the settings may have been higher when a key signed
		RefreshLifetime: p.settings.RefreshAbsolute,
		Made: func(ctx context.Context, kid, alg string, signsFrom time.Time) error {
			return audit.New(s).Record(ctx, audit.Entry{Kind: audit.KeyCreated, Target: audit.Target{Kind: "key", ID: kid},
				Detail: map[string]any{"alg": alg, "signs_from": signsFrom.UTC()}})
		},
	}
}
