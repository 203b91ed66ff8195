package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/roles"
	"github.com/maru-auth/maru/internal/cli"
	"github.com/maru-auth/maru/internal/httpd"
)

type userCommands struct {
	Create        userCreate        `cmd:"" help:"Create an account."`
	Import        userImport        `cmd:"" help:"Make accounts with the password hashes of another system, so that people keep their passwords. A line is imported wholly or not at all; those refused are named by their numbers. The first log-in hashes a password anew."`
	List          userList          `cmd:"" help:"List the accounts."`
	Disable       userDisable       `cmd:"" help:"Close an account: its sessions end, and everything it allowed to applications is revoked."`
	Enable        userEnable        `cmd:"" help:"Open a closed account again."`
	Delete        userDelete        `cmd:"" help:"Delete an account after seven days, in which its person can log in to keep it, or at once. What services keep of the person goes with it."`
	SetClaims     userSetClaims     `cmd:"" help:"Change what an account says about its person, as OpenID claims."`
	RemoveFactors userRemoveFactors `cmd:"" help:"Turn two-step verification off for a person who lost their phone and their recovery codes: their password alone lets them in then, and no browser is trusted any more. Make sure that it is them who ask. They are told."`
	SetPassword   userSetPassword   `cmd:"" help:"Give an account a new password, for a person who forgot theirs: its sessions end, and everything it allowed to applications is revoked."`
	ResetLink     userResetLink     `cmd:"" help:"Print a link by which a person who forgot their password chooses another one. It works once. Hand it over to them alone, by a way on which you know them: whoever has it can take the account, unless a second step is set up."`
	Entrust       userEntrust       `cmd:"" help:"Give accounts to a directory that provisions by SCIM: it may change and remove them from then on, and the one that kept them may not any more. A directory keeps the accounts that it makes; of others it changes none."`
	SetRole       userSetRole       `cmd:"" help:"Replace the roles of an account. If it loses one, access tokens that may say so are revoked; apps get new ones."`
}

type userSetClaims struct {
	reason
	Email string `required:"" help:"The account's e-mail address." env:"-" placeholder:"ADDRESS"`
	JSON  string `required:"" help:"A JSON object of OpenID claims. Claims that it does not name stay; an empty value removes one. Set \"email_verified\" and \"phone_number_verified\" only if you made sure." env:"-" placeholder:"{…}"`
}

func (cmd userSetClaims) Run(ctx context.Context, p *program) error {
	return p.withAdmin(ctx, func(a *admin.Admin) error {
		user, err := account{cmd.Email}.find(ctx, p, a)
		if err != nil {
			return err
		}
		if err := a.EditPerson(ctx, p.machine(), user.ID, "", []byte(cmd.JSON), cmd.Reason); err != nil {
			return option(err, map[string]string{"claims": "--json:"})
		}
		_, err = fmt.Fprintf(p.out, "changed the claims of %s\n", user.Email)
		return err
	})
}

type userSetPassword struct {
	reason
	Email         string `required:"" help:"The account's e-mail address." env:"-" placeholder:"ADDRESS"`
	PasswordStdin bool   `required:"" help:"Read the new password, one line, from standard input." env:"-"`
}

func (cmd userSetPassword) Run(ctx context.Context, p *program) error {
	password, err := cli.ReadPassword(p.in)
	if err != nil {
		return err
	}
	return p.withTelling(ctx, func(a *admin.Admin) error {
		user, err := account{cmd.Email}.find(ctx, p, a)
		if err != nil {
			return err
		}
		if err := p.withBreaches(a); err != nil {
			return err
		}
		if err := a.SetPassword(ctx, p.machine(), user.ID, password, cmd.Reason); err != nil {
			return option(err, map[string]string{"password": "the password"})
		}
		_, err = fmt.Fprintf(p.out, "%s has a new password; its sessions and grants have ended, and its access tokens are revoked\n", user.Email)
		return err
	})
}

// withBreaches has a ask about new passwords, if the settings say whom.
func (p *program) withBreaches(a *admin.Admin) (err error) {
	log := slog.New(slog.NewTextHandler(p.errs, nil))
	if a.Passwords.Breaches, err = p.settings.breaches(log, nil, httpd.Calls{}, p.now); err != nil {
		return cli.Usage(err)
	}
	return nil
}

type userCreate struct {
	reason
	Email         string   `required:"" help:"The e-mail address to log in with." env:"-" placeholder:"ADDRESS"`
	Name          string   `required:"" help:"The person's name." env:"-"`
	PasswordStdin bool     `required:"" help:"Read the password, one line, from standard input." env:"-"`
	Role          []string `help:"Give it a role, such as board/moderator. Can be repeated." env:"-" placeholder:"ROLE"`
	EmailVerified bool     `help:"You know that the address is the person's." env:"-"`
	IfMissing     bool     `help:"Succeed, and change nothing, if the address has an account." env:"-"`
}

func (cmd userCreate) Run(ctx context.Context, p *program) error {
	given, err := parseRoles(cmd.Role)
	if err != nil {
		return fmt.Errorf("--role: %w", err)
	}
	password, err := cli.ReadPassword(p.in)
	if err != nil {
		return err
	}
	return p.withAdmin(ctx, func(a *admin.Admin) error {
		if err := p.withBreaches(a); err != nil {
			return err
		}
		if err := checkDefined(ctx, a.Store, given); err != nil {
			return fmt.Errorf("--role: %w", err)
		}
		made, err := a.CreatePerson(ctx, p.machine(), admin.NewPerson{
			Email: cmd.Email, EmailVerified: cmd.EmailVerified, Name: cmd.Name, Password: password, Roles: given,
		}, cmd.Reason)
		if errors.Is(err, store.ErrExists) {
			if cmd.IfMissing {
				_, err := fmt.Fprintf(p.out, "%s has an account already\n", strings.TrimSpace(cmd.Email))
				return err
			}
			return fmt.Errorf("%s has an account already; --if-missing accepts that", strings.TrimSpace(cmd.Email))
		}
		if err != nil {
			return option(err, map[string]string{"password": "the password", "email": "--email:", "name": "--name:"})
		}
		_, err = fmt.Fprintf(p.out, "created %s for %s\n", made.ID, made.Email)
		return err
	})
}

// parseRoles reads the text forms of roles. They may be roles that nobody has defined.
func parseRoles(texts []string) (all []roles.Role, err error) {
	for _, text := range texts {
		one, err := roles.Parse(text)
		if err != nil {
			return nil, cli.Usage(err)
		}
		all = append(all, one)
	}
	return all, nil
}

// checkDefined names the first of these roles that nobody has defined.
func checkDefined(ctx context.Context, s *store.Store, all []roles.Role) error {
	for _, one := range all {
		_, err := s.Roles.Definition(ctx, one)
		if !errors.Is(err, roles.ErrUnknown) {
			if err != nil {
				return err
			}
			continue
		}
		var defined []string
		for _, d := range s.Roles.Known() {
			defined = append(defined, d.String())
		}
		nearest, _ := cli.Nearest(one.String(), defined)
		return cli.Usage(fmt.Errorf("%s is not a role that is defined; did you mean %s? 'role list' lists them", one, nearest))
	}
	return nil
}

// listedUser is an account as `user list` prints it.
type listedUser struct {
	ID        string    `json:"id"`
	Email     string    `json:"email"`
	Name      string    `json:"name"`
	Roles     []string  `json:"roles"`
	Disabled  bool      `json:"disabled"`
	CreatedAt time.Time `json:"created_at"`
}

type userList struct {
	Search string `help:"Only those whose address, or a word of whose name, begins so." env:"-" placeholder:"TEXT"`
	Format string `help:"text or json (one account a line)." enum:"text,json" default:"text" env:"-"`
}

func (cmd userList) Run(ctx context.Context, p *program) error {
	return p.withAdmin(ctx, func(a *admin.Admin) error {
		next := ""
		return cli.List[admin.Account]{
			Page: func(ctx context.Context, after string, limit int) ([]admin.Account, error) {
				if after != "" && next == "" {
					return nil, nil
				}
				page, err := a.People(ctx, p.machine(), admin.PeopleQuery{Text: cmd.Search, After: next, Limit: limit})
				next = page.Next
				return page.Items, err
			},
			Key:     func(u admin.Account) string { return u.ID },
			Columns: "ID\tEMAIL\tNAME\tROLES\tSTATE\tCREATED",
			Row: func(u admin.Account) string {
				state := "open"
				switch {
				case u.Disabled:
					state = "disabled"
				case !u.DeleteAt.IsZero():
					state = "to be deleted"
				}
				return fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t%s", u.ID, u.Email, u.Name, strings.Join(roles.Names(u.Roles), " "), state, u.CreatedAt.Format(time.RFC3339))
			},
			JSON: func(u admin.Account) (any, error) {
				return listedUser{u.ID, u.Email, u.Name, roles.Names(u.Roles), u.Disabled, u.CreatedAt}, nil
			},
		}.Print(ctx, p.out, cmd.Format)
	})
}

// account is the argument that names an account.
type account struct {
	Account string `arg:"" help:"The account's e-mail address or id."`
}

func (arg account) find(ctx context.Context, p *program, a *admin.Admin) (admin.Account, error) {
	user, err := a.Find(ctx, p.machine(), arg.Account)
	if errors.Is(err, store.ErrNotFound) {
		err = fmt.Errorf("there is no account %s; 'user list' lists them", arg.Account)
	}
	return user, err
}

type userDisable struct {
	account
	reason
	force
}

func (cmd userDisable) Run(ctx context.Context, p *program) error {
	return p.withAdmin(ctx, func(a *admin.Admin) error {
		user, err := cmd.find(ctx, p, a)
		if err != nil {
			return err
		}
		if err := a.DisablePerson(ctx, p.forced(cmd.Force), user.ID, cmd.Reason); err != nil {
			return option(err, nil)
		}
		_, err = fmt.Fprintf(p.out, "disabled %s; its sessions and grants have ended, and its access tokens are revoked\n", user.Email)
		return err
	})
}

type userEnable struct {
	account
	reason
}

func (cmd userEnable) Run(ctx context.Context, p *program) error {
	return p.withAdmin(ctx, func(a *admin.Admin) error {
		user, err := cmd.find(ctx, p, a)
		if err != nil {
			return err
		}
		if err := a.EnablePerson(ctx, p.machine(), user.ID, cmd.Reason); err != nil {
			return option(err, nil)
		}
		_, err = fmt.Fprintf(p.out, "enabled %s\n", user.Email)
		return err
	})
}

type userDelete struct {
	account
	reason
	force
	Now   bool   `help:"Do not wait for seven days: the next server that looks deletes it, within a minute. Nobody can take it back." env:"-"`
	Posts string `help:"What becomes of what the person wrote: keep leaves it without an author, delete removes it. Empty: as the person chose, if they asked for the deletion themselves, or keep." enum:",keep,delete" default:"" env:"-"`
}

func (cmd userDelete) Run(ctx context.Context, p *program) error {
	return p.withTelling(ctx, func(a *admin.Admin) error {
		user, err := cmd.find(ctx, p, a)
		if err != nil {
			return err
		}
		wish := admin.DeletionWish{Now: cmd.Now}
		if cmd.Posts != "" {
			wish.Posts = new(cmd.Posts == "delete")
		}
		at, err := a.DeletePerson(ctx, p.forced(cmd.Force), user.ID, wish, cmd.Reason)
		switch {
		case errors.Is(err, store.ErrExists):
			return fmt.Errorf("%s is to be deleted already, at %s; --now does not wait", user.Email, at.Format(time.RFC3339))
		case err != nil:
			return option(err, nil)
		case cmd.Now:
			_, err = fmt.Fprintf(p.out, "%s has no sessions any more; a server deletes it within a minute, and tells the services\n", user.Email)
		default:
			_, err = fmt.Fprintf(p.out, "%s will be deleted at %s, unless its person logs in and keeps it; its sessions have ended\n",
				user.Email, at.Format(time.RFC3339))
		}
		return err
	})
}

type userRemoveFactors struct {
	account
	reason
	force
}

func (cmd userRemoveFactors) Run(ctx context.Context, p *program) error {
	return p.withTelling(ctx, func(a *admin.Admin) error {
		user, err := cmd.find(ctx, p, a)
		if err != nil {
			return err
		}
		if err := a.RemoveFactors(ctx, p.forced(cmd.Force), user.ID, cmd.Reason); errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("%s has not turned on two-step verification", user.Email)
		} else if err != nil {
			return option(err, nil)
		}
		_, err = fmt.Fprintf(p.out, "turned two-step verification off for %s; passkeys and sessions stay\n", user.Email)
		return err
	})
}

type userSetRole struct {
	account
	reason
	force
	Roles []string `arg:"" optional:"" name:"role" help:"All the roles that the account is to have by itself, such as board/moderator. None: it loses those it has. What it has by groups stays."`
}

func (cmd userSetRole) Run(ctx context.Context, p *program) error {
	given, err := parseRoles(cmd.Roles)
	if err != nil {
		return err
	}
	return p.withAdmin(ctx, func(a *admin.Admin) error {
		if err := checkDefined(ctx, a.Store, given); err != nil {
			return err
		}
		user, err := cmd.find(ctx, p, a)
		if err != nil {
			return err
		}
		if _, err := a.SetRoles(ctx, p.forced(cmd.Force), user.ID, given, cmd.Reason); err != nil {
			return option(err, nil)
		}
		_, err = fmt.Fprintf(p.out, "%s has the roles: %s\n", user.Email, strings.Join(roles.Names(given), " "))
		return err
	})
}
