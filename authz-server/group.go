package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/roles"
	"github.com/maru-auth/maru/internal/cli"
)

type groupCommands struct {
	Create  groupCreate  `cmd:"" help:"Make a group, to give roles to many people together."`
	List    groupList    `cmd:"" help:"List the groups."`
	Show    groupShow    `cmd:"" help:"Show a group's roles and list its members."`
	Update  groupUpdate  `cmd:"" help:"Change a group's name, or what another directory calls it."`
	Delete  groupDelete  `cmd:"" help:"Remove a group. Its members lose the roles that they have by it, and access tokens that may say so are revoked; apps get new ones."`
	Add     groupAdd     `cmd:"" help:"Put people into a group."`
	Remove  groupRemove  `cmd:"" help:"Take people out of a group. They lose the roles that they have by it, and access tokens that may say so are revoked."`
	Grant   groupGrant   `cmd:"" help:"Give a role to a group: its members have it."`
	Entrust groupEntrust `cmd:"" help:"Give a group to a directory that provisions by SCIM: it may change and remove it from then on, and the one that kept it may not any more."`
	Revoke  groupRevoke  `cmd:"" help:"Take a role from a group. Members who do not have it otherwise lose access tokens that may say so."`
}

// group is the argument that names a group.
type group struct {
	Group string `arg:"" help:"The group's name or id."`
}

// with runs f for that group.
func (g group) with(ctx context.Context, p *program, f func(a *admin.Admin, group admin.Group) error) error {
	return p.withAdmin(ctx, func(a *admin.Admin) error {
		// Who names a group like the id of another would have what is meant for that one.
		found, err := a.Group(ctx, p.machine(), g.Group)
		if errors.Is(err, store.ErrNotFound) {
			found, err = a.GroupNamed(ctx, p.machine(), g.Group)
		}
		if errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("there is no group %s; 'group list' lists them", g.Group)
		}
		if err != nil {
			return err
		}
		return groupError(f(a, found))
	})
}

func groupError(err error) error {
	return option(err, map[string]string{"name": "the name", "external_id": "--external-id"})
}

type groupCreate struct {
	reason
	Name       string `arg:"" help:"Its name, at most 200 characters, unique without regard to case."`
	ExternalID string `help:"What another directory calls it." env:"-" placeholder:"ID"`
}

func (cmd groupCreate) Run(ctx context.Context, p *program) error {
	return p.withAdmin(ctx, func(a *admin.Admin) error {
		made, err := a.CreateGroup(ctx, p.machine(), cmd.Name, cmd.ExternalID, cmd.Reason)
		if errors.Is(err, store.ErrExists) {
			return fmt.Errorf("there is a group %s already", cmd.Name)
		}
		if err != nil {
			return groupError(err)
		}
		_, err = fmt.Fprintf(p.out, "created %s for %s\n", made.ID, made.Name)
		return err
	})
}

type groupList struct {
	Format string `help:"text or json (one group a line)." enum:"text,json" default:"text" env:"-"`
}

func (cmd groupList) Run(ctx context.Context, p *program) error {
	return p.withAdmin(ctx, func(a *admin.Admin) error {
		next := "" // the cursor after the last page
		return cli.List[admin.Group]{
			Page: func(ctx context.Context, after string, limit int) ([]admin.Group, error) {
				if after != "" && next == "" {
					return nil, nil
				}
				page, err := a.Groups(ctx, p.machine(), next, limit)
				next = page.Next
				return page.Items, err
			},
			Key:     func(g admin.Group) string { return g.ID },
			Columns: "ID\tNAME\tCREATED",
			Row: func(g admin.Group) string {
				return fmt.Sprintf("%s\t%s\t%s", g.ID, g.Name, g.CreatedAt.Format(time.RFC3339))
			},
			JSON: func(g admin.Group) (any, error) { return a.Group(ctx, p.machine(), g.ID) }, // with its roles
		}.Print(ctx, p.out, cmd.Format)
	})
}

type groupShow struct {
	group
	Format string `help:"text or json." enum:"text,json" default:"text" env:"-"`
}

func (cmd groupShow) Run(ctx context.Context, p *program) error {
	return cmd.with(ctx, p, func(a *admin.Admin, g admin.Group) error {
		ids := func(ctx context.Context, after string, limit int) ([]string, error) {
			page, err := a.Members(ctx, p.machine(), g.ID, after, limit)
			return page.Items, err
		}
		if cmd.Format == "json" {
			shown := struct {
				admin.Group
				Members []string `json:"members"`
			}{g, []string{}}
			for last := ""; ; {
				page, err := ids(ctx, last, admin.PageLimit)
				if err != nil {
					return err
				}
				shown.Members = append(shown.Members, page...)
				if len(page) < admin.PageLimit {
					return cli.PrintJSON(p.out, shown)
				}
				last = page[len(page)-1]
			}
		}
		if _, err := fmt.Fprintf(p.out, "%s (%s) has the roles: %s\n", g.Name, g.ID, strings.Join(roles.Names(g.Roles), " ")); err != nil {
			return err
		}
		return cli.List[admin.Account]{
			Page: func(ctx context.Context, after string, limit int) (page []admin.Account, err error) {
				some, err := ids(ctx, after, limit)
				for _, id := range some {
					member, err := a.Find(ctx, p.machine(), id)
					if err != nil && !errors.Is(err, store.ErrNotFound) {
						return nil, err
					}
					member.ID = id // who has just gone has nothing else
					page = append(page, member)
				}
				return page, err
			},
			Key:     func(u admin.Account) string { return u.ID },
			Columns: "MEMBER\tEMAIL\tNAME",
			Row:     func(u admin.Account) string { return fmt.Sprintf("%s\t%s\t%s", u.ID, u.Email, u.Name) },
		}.Print(ctx, p.out, cmd.Format)
	})
}

type groupUpdate struct {
	group
	reason
	Name       *string `help:"Its name, at most 200 characters, unique without regard to case." env:"-"`
	ExternalID *string `help:"What another directory calls it; empty: nothing." env:"-" placeholder:"ID"`
}

func (cmd groupUpdate) Run(ctx context.Context, p *program) error {
	return cmd.with(ctx, p, func(a *admin.Admin, g admin.Group) error {
		name, external := g.Name, g.ExternalID
		if cmd.Name != nil {
			name = *cmd.Name
		}
		if cmd.ExternalID != nil {
			external = *cmd.ExternalID
		}
		_, err := a.EditGroup(ctx, p.machine(), g.ID, g.Version, name, external, cmd.Reason)
		switch {
		case errors.Is(err, store.ErrStale):
			return fmt.Errorf("somebody else has just changed %s; look at it, and try again", g.Name)
		case errors.Is(err, store.ErrExists):
			return fmt.Errorf("there is a group %s already", name)
		case err != nil:
			return err
		}
		_, err = fmt.Fprintf(p.out, "changed %s\n", name)
		return err
	})
}

type groupDelete struct {
	group
	reason
	force
}

func (cmd groupDelete) Run(ctx context.Context, p *program) error {
	return cmd.with(ctx, p, func(a *admin.Admin, g admin.Group) error {
		if err := a.RemoveGroup(ctx, p.forced(cmd.Force), g.ID, cmd.Reason); err != nil {
			return err
		}
		_, err := fmt.Fprintf(p.out, "removed %s; its members have no more what they had by it\n", g.Name)
		return err
	})
}

type groupAdd struct {
	group
	reason
	Accounts []string `arg:"" name:"account" help:"The accounts' e-mail addresses or ids."`
}

func (cmd groupAdd) Run(ctx context.Context, p *program) error {
	return cmd.with(ctx, p, func(a *admin.Admin, g admin.Group) error {
		return forAccounts(ctx, p, a, cmd.Accounts, func(user admin.Account) (string, error) {
			err := a.Join(ctx, p.machine(), g.ID, user.ID, cmd.Reason)
			if errors.Is(err, store.ErrExists) {
				return "is in " + g.Name + " already", nil
			}
			return "is in " + g.Name + " now", err
		})
	})
}

type groupRemove struct {
	group
	reason
	force
	Accounts []string `arg:"" name:"account" help:"The accounts' e-mail addresses or ids."`
}

func (cmd groupRemove) Run(ctx context.Context, p *program) error {
	return cmd.with(ctx, p, func(a *admin.Admin, g admin.Group) error {
		return forAccounts(ctx, p, a, cmd.Accounts, func(user admin.Account) (string, error) {
			err := a.Leave(ctx, p.forced(cmd.Force), g.ID, user.ID, cmd.Reason)
			if errors.Is(err, store.ErrNotFound) {
				return "is not in " + g.Name, nil
			}
			return "is in " + g.Name + " no more", err
		})
	})
}

// forAccounts does something for each account, in its order, and says what became of it. It stops at the
// first that fails.
func forAccounts(ctx context.Context, p *program, a *admin.Admin, names []string, do func(admin.Account) (string, error)) error {
	for _, name := range names {
		user, err := a.Find(ctx, p.machine(), name)
		if errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("there is no account %s; 'user list' lists them", name)
		}
		if err != nil {
			return err
		}
		became, err := do(user)
		if err != nil {
			return fmt.Errorf("%s: %w", user.Email, groupError(err))
		}
		if _, err := fmt.Fprintf(p.out, "%s %s\n", user.Email, became); err != nil {
			return err
		}
	}
	return nil
}

type groupGrant struct {
	group
	reason
	Role string `arg:"" help:"Such as board/editor."`
}

func (cmd groupGrant) Run(ctx context.Context, p *program) error {
	r, err := roles.Parse(cmd.Role)
	if err != nil {
		return cli.Usage(err)
	}
	return cmd.with(ctx, p, func(a *admin.Admin, g admin.Group) error {
		if err := checkDefined(ctx, a.Store, []roles.Role{r}); err != nil {
			return err
		}
		if err := a.GiveGroup(ctx, p.machine(), g.ID, r, cmd.Reason); err != nil && !errors.Is(err, store.ErrExists) {
			return err
		}
		_, err := fmt.Fprintf(p.out, "%s has %s\n", g.Name, r)
		return err
	})
}

type groupRevoke struct {
	group
	reason
	force
	Role string `arg:"" help:"Such as board/editor."`
}

func (cmd groupRevoke) Run(ctx context.Context, p *program) error {
	r, err := roles.Parse(cmd.Role)
	if err != nil {
		return cli.Usage(err)
	}
	return cmd.with(ctx, p, func(a *admin.Admin, g admin.Group) error {
		err := a.TakeGroup(ctx, p.forced(cmd.Force), g.ID, r, cmd.Reason)
		if errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("%s does not have %s; 'group show' says what it has", g.Name, r)
		}
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(p.out, "%s has %s no more\n", g.Name, r)
		return err
	})
}
