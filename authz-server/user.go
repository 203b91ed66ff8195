package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/factors"
	"github.com/maru-auth/maru/authz-server/internal/messages"
	"github.com/maru-auth/maru/authz-server/internal/notices"
	"github.com/maru-auth/maru/authz-server/internal/passwords"
	"github.com/maru-auth/maru/authz-server/internal/profile"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
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
	SetRole       userSetRole       `cmd:"" help:"Replace the roles of an account. If it loses one, access tokens that may say so are revoked; apps get new ones."`
}

type userSetClaims struct {
	Email string `required:"" help:"The account's e-mail address." env:"-" placeholder:"ADDRESS"`
	JSON  string `required:"" help:"A JSON object of OpenID claims. Claims that it does not name stay; an empty value removes one. Set \"email_verified\" and \"phone_number_verified\" only if you made sure." env:"-" placeholder:"{…}"`
}

func (cmd userSetClaims) Run(ctx context.Context, p *program) error {
	return account{cmd.Email}.with(ctx, p, func(s *store.Store, user accounts.User) error {
		err := s.Users.EditUser(ctx, user.ID, func(u *accounts.User) error {
			if err := cmd.apply(u, p.now()); err != nil {
				return fmt.Errorf("--json: %w", err)
			}
			return nil
		})
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(p.out, "changed the claims of %s\n", user.Email)
		return err
	})
}

// claimsPatch is what --json can hold. Decoding it changes the account that it points into.
type claimsPatch struct {
	*accounts.Claims

	Name          *string `json:"name"`
	Locale        *string `json:"locale"`
	EmailVerified *bool   `json:"email_verified"`
}

func (cmd userSetClaims) apply(u *accounts.User, now time.Time) (err error) {
	phone := u.Claims.PhoneNumber
	patch := claimsPatch{Claims: &u.Claims, Name: &u.Name, Locale: &u.Locale, EmailVerified: &u.EmailVerified}
	decoder := json.NewDecoder(strings.NewReader(cmd.JSON))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&patch); err != nil {
		return err
	}
	if decoder.More() {
		return errors.New("there is more than one JSON object")
	}
	var named struct {
		PhoneVerified *bool `json:"phone_number_verified"`
	}
	if err := json.Unmarshal([]byte(cmd.JSON), &named); err != nil {
		return err
	}
	if u.Claims.PhoneNumber != phone && named.PhoneVerified == nil {
		u.Claims.PhoneVerified = false
	}
	if err := profile.Clean(u, now); err != nil {
		return err
	}
	if u.Name, err = profile.CleanName(u.Name); err != nil {
		return fmt.Errorf("name: %w", err)
	}
	return nil
}

type userSetPassword struct {
	Email         string `required:"" help:"The account's e-mail address." env:"-" placeholder:"ADDRESS"`
	PasswordStdin bool   `required:"" help:"Read the new password, one line, from standard input." env:"-"`
}

func (cmd userSetPassword) Run(ctx context.Context, p *program) error {
	password, err := cli.ReadPassword(p.in)
	if err != nil {
		return err
	}
	return account{cmd.Email}.with(ctx, p, func(s *store.Store, user accounts.User) error {
		if err := p.checkPassword(ctx, password, user.Email, user.Name); err != nil {
			return err
		}
		told, err := p.told(s)
		if err != nil {
			return cli.Usage(err)
		}
		hash := passwords.Hash(password)
		if err := s.Tx(ctx, func(ctx context.Context) error {
			if err := s.Users.ResetPassword(ctx, user.ID, hash, ""); err != nil {
				return err
			}
			return told.Note(ctx, nil, user, notices.PasswordReset, "")
		}); err != nil {
			return err
		}
		_, err = fmt.Fprintf(p.out, "%s has a new password; its sessions and grants have ended, and its access tokens are revoked\n", user.Email)
		return err
	})
}

type userCreate struct {
	Email         string   `required:"" help:"The e-mail address to log in with." env:"-" placeholder:"ADDRESS"`
	Name          string   `required:"" help:"The person's name." env:"-"`
	PasswordStdin bool     `required:"" help:"Read the password, one line, from standard input." env:"-"`
	Role          []string `help:"Give it a role, such as board/moderator. Can be repeated." env:"-" placeholder:"ROLE"`
	EmailVerified bool     `help:"You know that the address is the person's." env:"-"`
	IfMissing     bool     `help:"Succeed, and change nothing, if the address has an account." env:"-"`
}

func (cmd userCreate) Run(ctx context.Context, p *program) error {
	email, err := profile.CleanEmail(cmd.Email)
	if err != nil {
		return fmt.Errorf("--email: %w", err)
	}
	name, err := profile.CleanName(cmd.Name)
	if err != nil {
		return fmt.Errorf("--name: %w", err)
	}
	given, err := parseRoles(cmd.Role)
	if err != nil {
		return fmt.Errorf("--role: %w", err)
	}
	password, err := cli.ReadPassword(p.in)
	if err != nil {
		return err
	}
	if err := p.checkPassword(ctx, password, email, name); err != nil {
		return err
	}
	return p.withStore(ctx, func(s *store.Store) error {
		if err := checkDefined(ctx, s, given); err != nil {
			return fmt.Errorf("--role: %w", err)
		}
		user, err := s.Users.CreateUser(ctx, accounts.User{Email: email, EmailVerified: cmd.EmailVerified, Name: name, Roles: given, PasswordHash: passwords.Hash(password)})
		if errors.Is(err, store.ErrExists) {
			if cmd.IfMissing {
				_, err := fmt.Fprintf(p.out, "%s has an account already\n", email)
				return err
			}
			return fmt.Errorf("%s has an account already; --if-missing accepts that", email)
		}
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(p.out, "created %s for %s\n", user.ID, email)
		return err
	})
}

// checkPassword refuses a weak password, as the pages do.
func (p *program) checkPassword(ctx context.Context, password, email, name string) error {
	problem := passwords.Weakness(password, email, name)
	if problem == "" {
		log := slog.New(slog.NewTextHandler(p.errs, nil))
		breaches, err := p.settings.breaches(log, nil, httpd.Calls{}, p.now)
		if err != nil {
			return cli.Usage(err)
		}
		if breaches.Known(ctx, password) {
			problem = messages.PasswordBreached
		}
	}
	if problem != "" {
		return fmt.Errorf("the password is refused: %s", strings.ReplaceAll(string(problem), "_", " "))
	}
	return nil
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
	Format string `help:"text or json (one account a line)." enum:"text,json" default:"text" env:"-"`
}

func (cmd userList) Run(ctx context.Context, p *program) error {
	return p.withStore(ctx, func(s *store.Store) error {
		return cli.List[accounts.User]{
			Page:    s.Users.ListUsers,
			Key:     func(u accounts.User) string { return u.Key },
			Columns: "ID\tEMAIL\tNAME\tROLES\tSTATE\tCREATED",
			Row: func(u accounts.User) string {
				state := "open"
				switch {
				case u.Disabled:
					state = "disabled"
				case !u.DeleteAt.IsZero():
					state = "to be deleted"
				}
				return fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t%s", u.ID, u.Email, u.Name, strings.Join(roles.Names(u.Roles), " "), state, u.CreatedAt.Format(time.RFC3339))
			},
			JSON: func(u accounts.User) (any, error) {
				return listedUser{u.ID, u.Email, u.Name, roles.Names(u.Roles), u.Disabled, u.CreatedAt}, nil
			},
		}.Print(ctx, p.out, cmd.Format)
	})
}

// account is the argument that names an account.
type account struct {
	Account string `arg:"" help:"The account's e-mail address or id."`
}

// with runs f for that account.
func (a account) with(ctx context.Context, p *program, f func(s *store.Store, user accounts.User) error) error {
	return p.withStore(ctx, func(s *store.Store) error {
		user, err := a.find(ctx, s)
		if err != nil {
			return err
		}
		return f(s, user)
	})
}

func (a account) find(ctx context.Context, s *store.Store) (accounts.User, error) {
	find := s.Users.User
	if strings.Contains(a.Account, "@") {
		find = s.Users.UserByEmail
	}
	user, err := find(ctx, a.Account)
	if errors.Is(err, store.ErrNotFound) {
		err = fmt.Errorf("there is no account %s; 'user list' lists them", a.Account)
	}
	return user, err
}

type userDisable struct{ account }

func (cmd userDisable) Run(ctx context.Context, p *program) error {
	return cmd.with(ctx, p, func(s *store.Store, user accounts.User) error {
		if err := s.Users.SetDisabled(ctx, user.ID, true); err != nil {
			return err
		}
		_, err := fmt.Fprintf(p.out, "disabled %s; its sessions and grants have ended, and its access tokens are revoked\n", user.Email)
		return err
	})
}

type userEnable struct{ account }

func (cmd userEnable) Run(ctx context.Context, p *program) error {
	return cmd.with(ctx, p, func(s *store.Store, user accounts.User) error {
		if err := s.Users.SetDisabled(ctx, user.ID, false); err != nil {
			return err
		}
		_, err := fmt.Fprintf(p.out, "enabled %s\n", user.Email)
		return err
	})
}

type userDelete struct {
	account
	Now   bool   `help:"Do not wait for seven days: the next server that looks deletes it, within a minute. Nobody can take it back." env:"-"`
	Posts string `help:"What becomes of what the person wrote: keep leaves it without an author, delete removes it. Empty: as the person chose, if they asked for the deletion themselves, or keep." enum:",keep,delete" default:"" env:"-"`
}

func (cmd userDelete) Run(ctx context.Context, p *program) error {
	return cmd.with(ctx, p, func(s *store.Store, user accounts.User) error {
		posts := cmd.Posts == "delete" || cmd.Posts == "" && user.DeletePosts
		told, err := p.told(s)
		if err != nil {
			return cli.Usage(err)
		}
		var at time.Time
		err = s.Tx(ctx, func(ctx context.Context) (err error) {
			if cmd.Now {
				return s.Users.HastenDeletion(ctx, user.ID, posts)
			}
			if at, err = s.Users.PlanDeletion(ctx, user.ID, posts); err != nil {
				return err
			}
			return told.Note(ctx, nil, user, notices.DeletionPlanned, "")
		})
		switch {
		case errors.Is(err, store.ErrNotFound) && !user.DeleteAt.IsZero():
			return fmt.Errorf("%s is to be deleted already, at %s; --now does not wait", user.Email, user.DeleteAt.Format(time.RFC3339))
		case err != nil:
			return err
		case cmd.Now:
			_, err = fmt.Fprintf(p.out, "%s has no sessions any more; a server deletes it within a minute, and tells the services\n", user.Email)
		default:
			_, err = fmt.Fprintf(p.out, "%s will be deleted at %s, unless its person logs in and keeps it; its sessions have ended\n",
				user.Email, at.Format(time.RFC3339))
		}
		return err
	})
}

type userRemoveFactors struct{ account }

func (cmd userRemoveFactors) Run(ctx context.Context, p *program) error {
	return cmd.with(ctx, p, func(s *store.Store, user accounts.User) error {
		told, err := p.told(s)
		if err != nil {
			return cli.Usage(err)
		}
		second := factors.Factors{Store: s, Notices: told, Now: p.now}
		if err := second.TurnOff(ctx, nil, user); errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("%s has not turned on two-step verification", user.Email)
		} else if err != nil {
			return err
		}
		_, err = fmt.Fprintf(p.out, "turned two-step verification off for %s; passkeys and sessions stay\n", user.Email)
		return err
	})
}

type userSetRole struct {
	account
	Roles []string `arg:"" optional:"" name:"role" help:"All the roles that the account is to have by itself, such as board/moderator. None: it loses those it has. What it has by groups stays."`
}

func (cmd userSetRole) Run(ctx context.Context, p *program) error {
	given, err := parseRoles(cmd.Roles)
	if err != nil {
		return err
	}
	return p.withStore(ctx, func(s *store.Store) error {
		if err := checkDefined(ctx, s, given); err != nil {
			return err
		}
		user, err := cmd.find(ctx, s)
		if err != nil {
			return err
		}
		if err := s.Roles.Set(ctx, user.ID, given); err != nil {
			return err
		}
		_, err = fmt.Fprintf(p.out, "%s has the roles: %s\n", user.Email, strings.Join(roles.Names(given), " "))
		return err
	})
}
