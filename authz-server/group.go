package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/roles"
	"github.com/maru-auth/maru/internal/cli"
)

type groupCommands struct {
	Create groupCreate `cmd:"" help:"Make a group, to give roles to many people together."`
	List   groupList   `cmd:"" help:"List the groups."`
	Show   groupShow   `cmd:"" help:"Show a group's roles and list its members."`
	Delete groupDelete `cmd:"" help:"Remove a group. Its members lose the roles that they have by it, and access tokens that may say so are revoked; apps get new ones."`
	Add    groupAdd    `cmd:"" help:"Put people into a group."`
	Remove groupRemove `cmd:"" help:"Take people out of a group. They lose the roles that they have by it, and access tokens that may say so are revoked."`
	Grant  groupGrant  `cmd:"" help:"Give a role to a group: its members have it."`
	Revoke groupRevoke `cmd:"" help:"Take a role from a group. Members who do not have it otherwise lose access tokens that may say so."`
}

// group is the argument that names a group.
type group struct {
	Group string `arg:"" help:"The group's name or id."`
}

// with runs f for that group.
func (g group) with(ctx context.Context, p *program, f func(s *store.Store, group roles.Group) error) error {
	return p.withStore(ctx, func(s *store.Store) error {
		found, err := s.Roles.GroupNamed(ctx, g.Group)
		if errors.Is(err, store.ErrNotFound) {
			found, err = s.Roles.Group(ctx, g.Group)
		}
		if errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("there is no group %s; 'group list' lists them", g.Group)
		}
		if err != nil {
			return err
		}
		return f(s, found)
	})
}

type groupCreate struct {
	Name       string `arg:"" help:"Its name, at most 200 characters, unique without regard to case."`
	ExternalID string `help:"What another directory calls it." env:"-" placeholder:"ID"`
}

func (cmd groupCreate) Run(ctx context.Context, p *program) error {
	g := roles.Group{Name: cmd.Name, ExternalID: cmd.ExternalID}
	if err := g.Check(); err != nil {
		return cli.Usage(err)
	}
	return p.withStore(ctx, func(s *store.Store) error {
		made, err := s.Roles.CreateGroup(ctx, g)
		if errors.Is(err, store.ErrExists) {
			return fmt.Errorf("there is a group %s already", cmd.Name)
		}
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(p.out, "created %s for %s\n", made.ID, made.Name)
		return err
	})
}

// listedGroup is a group as `group list` and `group show` print it.
type listedGroup struct {
	ID         string       `json:"id"`
	Name       string       `json:"name"`
	ExternalID string       `json:"external_id"`
	Roles      []roles.Role `json:"roles"`
	CreatedAt  time.Time    `json:"created_at"`
	Members    []string     `json:"members,omitzero"` // ids; of group show alone
}

func shownGroup(ctx context.Context, s *store.Store, g roles.Group) (listedGroup, error) {
	has, err := s.Roles.GroupRoles(ctx, g.ID)
	return listedGroup{ID: g.ID, Name: g.Name, ExternalID: g.ExternalID, Roles: append([]roles.Role{}, has...), CreatedAt: g.CreatedAt}, err
}

type groupList struct {
	Format string `help:"text or json (one group a line)." enum:"text,json" default:"text" env:"-"`
}

func (cmd groupList) Run(ctx context.Context, p *program) error {
	return p.withStore(ctx, func(s *store.Store) error {
		return cli.List[roles.Group]{
			Page:    s.Roles.Groups,
			Key:     func(g roles.Group) string { return g.Key },
			Columns: "ID\tNAME\tCREATED",
			Row: func(g roles.Group) string {
				return fmt.Sprintf("%s\t%s\t%s", g.ID, g.Name, g.CreatedAt.Format(time.RFC3339))
			},
			JSON: func(g roles.Group) (any, error) { return shownGroup(ctx, s, g) },
		}.Print(ctx, p.out, cmd.Format)
	})
}

type groupShow struct {
	group
	Format string `help:"text or json." enum:"text,json" default:"text" env:"-"`
}

func (cmd groupShow) Run(ctx context.Context, p *program) error {
	return cmd.with(ctx, p, func(s *store.Store, g roles.Group) error {
		shown, err := shownGroup(ctx, s, g)
		if err != nil {
			return err
		}
		if cmd.Format == "text" {
			if _, err := fmt.Fprintf(p.out, "%s (%s) has the roles: %s\n", g.Name, g.ID, strings.Join(roles.Names(shown.Roles), " ")); err != nil {
				return err
			}
		}
		shown.Members = []string{}
		members := cli.List[accounts.User]{
			Page: func(ctx context.Context, after string, limit int) ([]accounts.User, error) {
				ids, err := s.Roles.Members(ctx, g.ID, after, limit)
				var page []accounts.User
				for _, id := range ids {
					user, errUser := s.Users.User(ctx, id)
					if errUser != nil && !errors.Is(errUser, store.ErrNotFound) {
						return nil, errUser
					}
					user.ID = id // who has just gone has nothing else
					page = append(page, user)
				}
				return page, err
			},
			Key:     func(u accounts.User) string { return u.ID },
			Columns: "MEMBER\tEMAIL\tNAME",
			Row:     func(u accounts.User) string { return fmt.Sprintf("%s\t%s\t%s", u.ID, u.Email, u.Name) },
		}
		if cmd.Format == "text" {
			return members.Print(ctx, p.out, cmd.Format)
		}
		for last, page := "", 500; ; {
			ids, err := s.Roles.Members(ctx, g.ID, last, page)
			if err != nil {
				return err
			}
			shown.Members = append(shown.Members, ids...)
			if len(ids) < page {
				return cli.PrintJSON(p.out, shown)
			}
			last = ids[len(ids)-1]
		}
	})
}

type groupDelete struct{ group }

func (cmd groupDelete) Run(ctx context.Context, p *program) error {
	return cmd.with(ctx, p, func(s *store.Store, g roles.Group) error {
		if err := s.Roles.RemoveGroup(ctx, g.ID); err != nil {
			return err
		}
		people, err := s.Roles.Purge(ctx)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(p.out, "removed %s; members: %d\n", g.Name, people)
		return err
	})
}

type groupAdd struct {
	group
	Accounts []string `arg:"" name:"account" help:"The accounts' e-mail addresses or ids."`
}

func (cmd groupAdd) Run(ctx context.Context, p *program) error {
	return cmd.with(ctx, p, func(s *store.Store, g roles.Group) error {
		return forAccounts(ctx, p, s, cmd.Accounts, func(user accounts.User) (string, error) {
			err := s.Roles.AddMember(ctx, g.ID, user.ID)
			if errors.Is(err, store.ErrExists) {
				return "is in " + g.Name + " already", nil
			}
			return "is in " + g.Name + " now", err
		})
	})
}

type groupRemove struct {
	group
	Accounts []string `arg:"" name:"account" help:"The accounts' e-mail addresses or ids."`
}

func (cmd groupRemove) Run(ctx context.Context, p *program) error {
	return cmd.with(ctx, p, func(s *store.Store, g roles.Group) error {
		return forAccounts(ctx, p, s, cmd.Accounts, func(user accounts.User) (string, error) {
			err := s.Roles.RemoveMember(ctx, g.ID, user.ID)
			if errors.Is(err, store.ErrNotFound) {
				return "is not in " + g.Name, nil
			}
			return "is in " + g.Name + " no more", err
		})
	})
}

// accountNamed returns an account by its e-mail address or id.
func accountNamed(ctx context.Context, s *store.Store, name string) (accounts.User, error) {
	find := s.Users.User
	if strings.Contains(name, "@") {
		find = s.Users.UserByEmail
	}
	user, err := find(ctx, name)
	if errors.Is(err, store.ErrNotFound) {
		err = fmt.Errorf("there is no account %s; 'user list' lists them", name)
	}
	return user, err
}

// forAccounts does something for each account, in its order, and says what became of it. It stops at the
// first that fails.
func forAccounts(ctx context.Context, p *program, s *store.Store, names []string, do func(accounts.User) (string, error)) error {
	for _, name := range names {
		user, err := accountNamed(ctx, s, name)
		if err != nil {
			return err
		}
		became, err := do(user)
		if err != nil {
			return fmt.Errorf("%s: %w", user.Email, err)
		}
		if _, err := fmt.Fprintf(p.out, "%s %s\n", user.Email, became); err != nil {
			return err
		}
	}
	return nil
}

type groupGrant struct {
	group
	Role string `arg:"" help:"Such as board/editor."`
}

func (cmd groupGrant) Run(ctx context.Context, p *program) error {
	r, err := roles.Parse(cmd.Role)
	if err != nil {
		return cli.Usage(err)
	}
	return cmd.with(ctx, p, func(s *store.Store, g roles.Group) error {
		if err := checkDefined(ctx, s, []roles.Role{r}); err != nil {
			return err
		}
		if err := s.Roles.GiveGroup(ctx, g.ID, r); err != nil && !errors.Is(err, store.ErrExists) {
			return err
		}
		_, err := fmt.Fprintf(p.out, "%s has %s\n", g.Name, r)
		return err
	})
}

type groupRevoke struct {
	group
	Role string `arg:"" help:"Such as board/editor."`
}

func (cmd groupRevoke) Run(ctx context.Context, p *program) error {
	r, err := roles.Parse(cmd.Role)
	if err != nil {
		return cli.Usage(err)
	}
	return cmd.with(ctx, p, func(s *store.Store, g roles.Group) error {
		if err := s.Roles.TakeGroup(ctx, g.ID, r); errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("%s does not have %s; 'group show' says what it has", g.Name, r)
		} else if err != nil {
			return err
		}
		people, err := s.Roles.Purge(ctx)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(p.out, "%s has %s no more; members: %d\n", g.Name, r, people)
		return err
	})
}
