package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/passwords"
	"github.com/maru-auth/maru/authz-server/internal/profile"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/roles"
	"github.com/maru-auth/maru/internal/cli"
)

type userImport struct {
	reason
	File            string `arg:"" help:"The accounts of another system. - is standard input. In jsonl, one JSON object a line: \"email\", \"name\" and, as far as known, \"password_hash\" (bcrypt, argon2id or PBKDF2; none: the account has no password), \"email_verified\", \"disabled\", \"roles\" and \"claims\" (as for 'user set-claims'). In csv, the first line names the columns: these, roles separated by spaces, and claims by their own names."`
	Format          string `help:"jsonl, csv, or keycloak (a realm's export). auto: csv if the file's name ends in it, otherwise jsonl." enum:"auto,jsonl,csv,keycloak" default:"auto" env:"-"`
	IfMissing       bool   `help:"Leave out, and do not refuse, an account whose address is there." env:"-"`
	DropSecondSteps bool   `help:"Take accounts of Keycloak that have a second step or a passkey with their password alone: neither can be brought over. Otherwise they are refused." env:"-"`
	DryRun          bool   `help:"Say what is wrong with the file, and import nothing." env:"-"`
}

// maxImported is how long an account in a file may be, in bytes.
const maxImported = 64 << 10

// importedUser is an account of a file.
type importedUser struct {
	Email         string          `json:"email"`
	Name          string          `json:"name"`
	PasswordHash  string          `json:"password_hash"`
	EmailVerified bool            `json:"email_verified"`
	Disabled      bool            `json:"disabled"`
	Roles         []string        `json:"roles"`
	Claims        json.RawMessage `json:"claims"`
}

// importedLine is where an account stands in a file, and the account, or what is wrong with it.
type importedLine struct {
	at   string // "line 3"
	user importedUser
	left []string // what of it is not imported, such as "groups"
	err  error
}

// An importer reads the accounts of a file, one after another, and gives each to take, until that
// returns an error. Its own errors say why the rest cannot be read.
type importer func(in io.Reader, take func(importedLine) error) error

func (cmd userImport) importer() importer {
	switch {
	case cmd.Format == "csv" || cmd.Format == "auto" && strings.HasSuffix(strings.ToLower(cmd.File), ".csv"):
		return readCSV
	case cmd.Format == "keycloak":
		return keycloakReader(cmd.DropSecondSteps)
	}
	return readJSONLines
}

// Run makes an account of every entry that is right, and names the others by their lines. When those
// are put right, --if-missing takes the same file again.
func (cmd userImport) Run(ctx context.Context, p *program) error {
	in := p.in
	if cmd.File != "-" {
		file, err := os.Open(cmd.File)
		if err != nil {
			return err
		}
		defer file.Close()
		in = file
	}
	return p.withAdmin(ctx, func(a *admin.Admin) error {
		n := imported{seen: map[string]string{}, left: map[string]int{}}
		err := cmd.all(ctx, p, a, in, &n)
		if _, err := io.WriteString(p.out, n.report(cmd)); err != nil {
			return err
		}
		if err == nil && n.refused > 0 {
			err = fmt.Errorf("lines refused: %d", n.refused)
		}
		return err
	})
}

// imported counts what came of a file.
type imported struct {
	made, there, refused int
	crowned              int               // of those made, with a role of administrators
	seen                 map[string]string // in a dry run: where an address stood first
	left                 map[string]int    // how many accounts had what is not imported
}

func (n imported) report(cmd userImport) string {
	text := fmt.Sprintf("accounts imported: %d", n.made)
	if cmd.DryRun {
		text = fmt.Sprintf("accounts that can be imported: %d", n.made)
	}
	if cmd.IfMissing {
		text += fmt.Sprintf("; already there: %d", n.there)
	}
	if n.crowned > 0 {
		text += fmt.Sprintf("\naccounts with a role that administers this server: %d; 'audit list' says which, and 'user set-role' takes it away", n.crowned)
	}
	for _, what := range leftOut {
		if n.left[what] > 0 {
			text += fmt.Sprintf("\naccounts whose %s were left out: %d", what, n.left[what])
		}
	}
	return text + "\n"
}

// all imports what it reads. The error tells what ended it.
func (cmd userImport) all(ctx context.Context, p *program, a *admin.Admin, in io.Reader, n *imported) error {
	return cmd.importer()(in, func(line importedLine) error {
		user, err := accounts.User{}, line.err
		if err == nil {
			user, err = line.user.read(p)
		}
		if err == nil {
			err = cmd.store(ctx, p, a, user, line.at, n)
			switch {
			case err == nil:
				n.made++
				if slices.ContainsFunc(user.Roles, roles.Role.Administers) {
					n.crowned++
				}
				for _, what := range line.left {
					n.left[what]++
				}
				return nil
			case errors.Is(err, store.ErrExists) && cmd.IfMissing:
				n.there++
				return nil
			case errors.Is(err, roles.ErrUnknown):
				err = fmt.Errorf("roles: %w", checkDefined(ctx, a.Store, user.Roles))
			case errors.Is(err, errTwice):
			case errors.Is(err, store.ErrExists):
				err = fmt.Errorf("%s has an account already; --if-missing accepts that", user.Email)
			default:
				return fmt.Errorf("%s: %w", line.at, err)
			}
		}
		n.refused++
		_, err = fmt.Fprintf(p.errs, "%s: %v\n", line.at, err)
		return err
	})
}

// read returns the account that an entry describes. Its errors do not repeat the hash.
func (entry importedUser) read(p *program) (user accounts.User, err error) {
	user.EmailVerified, user.Disabled = entry.EmailVerified, entry.Disabled
	if user.Email, err = profile.CleanEmail(entry.Email); err != nil {
		return user, fmt.Errorf("email: %w", err)
	}
	if user.Name, err = profile.CleanName(entry.Name); err != nil {
		return user, fmt.Errorf("name: %w", err)
	}
	if user.Roles, err = parseRoles(entry.Roles); err != nil {
		return user, fmt.Errorf("roles: %w", err)
	}
	if entry.PasswordHash != "" {
		if user.PasswordHash, err = passwords.Import(entry.PasswordHash); err != nil {
			return user, fmt.Errorf("password_hash: %w", err)
		}
	}
	if len(entry.Claims) > 0 {
		if err := admin.PatchClaims(&user, entry.Claims, p.now()); err != nil {
			return user, fmt.Errorf("claims: %w", err)
		}
	}
	return user, nil
}

var errTwice = errors.New("the address stands in the file twice")

// store makes the account with all that is known of it, or nothing. In a dry run it only looks
// whether it could.
func (cmd userImport) store(ctx context.Context, p *program, a *admin.Admin, user accounts.User, at string, n *imported) error {
	if cmd.DryRun {
		key := accounts.EmailKey(user.Email)
		if first := n.seen[key]; first != "" {
			return fmt.Errorf("%w: first at %s", errTwice, first)
		}
		n.seen[key] = at
		if err := checkDefined(ctx, a.Store, user.Roles); err != nil {
			return roles.ErrUnknown
		}
		_, err := a.Store.Users.UserByEmail(ctx, user.Email)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err == nil {
			err = store.ErrExists
		}
		return err
	}
	_, err := a.AdoptPerson(ctx, p.machine(), user, cmd.Reason)
	return err
}

// Validate refuses an option that the format has no use for.
func (cmd userImport) Validate() error {
	if cmd.DropSecondSteps && cmd.Format != "keycloak" {
		return cli.Usage(errors.New("--drop-second-steps is for --format=keycloak"))
	}
	return nil
}
