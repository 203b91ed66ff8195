package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/issuer"
	"github.com/maru-auth/maru/authz-server/internal/mail"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/internal/cli"
)

type inviteCommands struct {
	Create inviteCreate `cmd:"" help:"Make an invitation for one account, and print its link, which is shown only now, or send it by mail."`
	List   inviteList   `cmd:"" help:"List the invitations, also those that were used or expired in the last 90 days."`
	Revoke inviteRevoke `cmd:"" help:"Withdraw an invitation that is not used yet."`
}

type inviteCreate struct {
	reason
	Email     string        `help:"The e-mail address that the account must have. Empty: any." env:"-" placeholder:"ADDRESS"`
	ExpiresIn time.Duration `help:"How long it can be used: at most 8760h." default:"168h" env:"-"`
	Note      string        `help:"Who it is for, for your own records." env:"-"`
	Send      bool          `help:"Send the link to --email by mail, and do not print it. Whoever opens it has shown that the address is theirs." env:"-"`
	Language  string        `help:"The mail's language, such as ko." default:"en" env:"-"`
	Format    string        `help:"text or json." enum:"text,json" default:"text" env:"-"`
}

func (cmd inviteCreate) Run(ctx context.Context, p *program) error {
	if _, err := issuer.Parse(p.settings.Issuer); err != nil {
		return cli.Usage(fmt.Errorf("--issuer %w", err))
	}
	if cmd.ExpiresIn < admin.MinInvitation || cmd.ExpiresIn > admin.MaxInvitation { // before the database is looked for
		return cli.Usage(fmt.Errorf("--expires-in must be from %s to %s", admin.MinInvitation, admin.MaxInvitation))
	}
	if cmd.Send && cmd.Email == "" {
		return cli.Usage(errors.New("--send needs --email"))
	}
	return p.withAdmin(ctx, func(a *admin.Admin) error {
		a.SendNow = func(ctx context.Context, to, language string, letter mail.Letter) error {
			_, _, err := p.sendNow(ctx, to, language, letter)
			return err
		}
		in, link, err := a.Invite(ctx, p.machine(), admin.NewInvitation{
			Email: cmd.Email, Lifetime: cmd.ExpiresIn, Note: cmd.Note, Send: cmd.Send, Language: cmd.Language,
		}, cmd.Reason)
		if errors.Is(err, store.ErrExists) {
			return fmt.Errorf("%s has an account already", cmd.Email)
		}
		if err != nil {
			return option(err, map[string]string{"email": "--email:"})
		}
		if cmd.Format == "json" {
			return cli.PrintJSON(p.out, map[string]any{
				"id": in.ID, "link": link, "email": in.Email, "note": in.Note, "expires_at": in.ExpiresAt.Unix(),
			})
		}
		if cmd.Send {
			_, err = fmt.Fprintf(p.out, "sent the invitation %s to %s\n", in.ID, in.Email)
			return err
		}
		_, err = fmt.Fprintln(p.out, link)
		return err
	})
}

// listedInvitation is an invitation as `invite list` prints it.
type listedInvitation struct {
	ID        string     `json:"id"`
	Email     string     `json:"email"`
	Note      string     `json:"note"`
	State     string     `json:"state"`
	CreatedAt time.Time  `json:"created_at"`
	ExpiresAt time.Time  `json:"expires_at"`
	UsedAt    *time.Time `json:"used_at"`
	UsedBy    string     `json:"used_by"`
}

type inviteList struct {
	Format string `help:"text or json (one invitation a line)." enum:"text,json" default:"text" env:"-"`
}

func (cmd inviteList) Run(ctx context.Context, p *program) error {
	state := func(in accounts.Invitation) string {
		switch {
		case !in.UsedAt.IsZero():
			return "used"
		case !in.ExpiresAt.After(p.now()):
			return "expired"
		}
		return "open"
	}
	return p.withAdmin(ctx, func(a *admin.Admin) error {
		return cli.List[accounts.Invitation]{
			Page: func(ctx context.Context, after string, limit int) ([]accounts.Invitation, error) {
				page, err := a.Invitations(ctx, p.machine(), after, limit)
				return page.Items, err
			},
			Key:     func(in accounts.Invitation) string { return in.ID },
			Columns: "ID\tEMAIL\tSTATE\tEXPIRES\tUSED BY\tNOTE",
			Row: func(in accounts.Invitation) string {
				return strings.Join([]string{in.ID, in.Email, state(in), in.ExpiresAt.Format(time.RFC3339), in.UsedBy, in.Note}, "\t")
			},
			JSON: func(in accounts.Invitation) (any, error) {
				listed := listedInvitation{in.ID, in.Email, in.Note, state(in), in.CreatedAt, in.ExpiresAt, nil, in.UsedBy}
				if !in.UsedAt.IsZero() {
					listed.UsedAt = &in.UsedAt
				}
				return listed, nil
			},
		}.Print(ctx, p.out, cmd.Format)
	})
}

type inviteRevoke struct {
	reason
	ID string `arg:"" help:"The invitation's id, as 'invite list' prints it."`
}

func (cmd inviteRevoke) Run(ctx context.Context, p *program) error {
	return p.withAdmin(ctx, func(a *admin.Admin) error {
		err := a.WithdrawInvitation(ctx, p.machine(), cmd.ID, cmd.Reason)
		if errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("there is no invitation %s that could still be used; 'invite list' lists them", cmd.ID)
		}
		if err != nil {
			return option(err, nil)
		}
		_, err = fmt.Fprintf(p.out, "withdrew the invitation %s\n", cmd.ID)
		return err
	})
}
