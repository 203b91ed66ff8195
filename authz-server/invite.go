package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/issuer"
	"github.com/maru-auth/maru/authz-server/internal/mail"
	"github.com/maru-auth/maru/authz-server/internal/profile"
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
	Email     string        `help:"The e-mail address that the account must have. Empty: any." env:"-" placeholder:"ADDRESS"`
	ExpiresIn time.Duration `help:"How long it can be used: at most 8760h." default:"168h" env:"-"`
	Note      string        `help:"Who it is for, for your own records." env:"-"`
	Send      bool          `help:"Send the link to --email by mail, and do not print it. Whoever opens it has shown that the address is theirs." env:"-"`
	Language  string        `help:"The mail's language, such as ko." default:"en" env:"-"`
	Format    string        `help:"text or json." enum:"text,json" default:"text" env:"-"`
}

// maxInvitation is how long an invitation can be used, at most.
const maxInvitation = 365 * 24 * time.Hour

func (cmd inviteCreate) Run(ctx context.Context, p *program) error {
	at, err := issuer.Parse(p.settings.Issuer)
	if err != nil {
		return cli.Usage(fmt.Errorf("--issuer %w", err))
	}
	if err := cmd.check(); err != nil {
		return err
	}
	return p.withStore(ctx, func(s *store.Store) error {
		if cmd.Email != "" {
			_, err := s.Users.UserByEmail(ctx, cmd.Email)
			if err == nil {
				err = fmt.Errorf("%s has an account already", cmd.Email)
			}
			if !errors.Is(err, store.ErrNotFound) {
				return err
			}
		}
		in, secret, err := s.Invitations.CreateInvitation(ctx, accounts.Invitation{
			Email: cmd.Email, Mailed: cmd.Send, Note: cmd.Note, ExpiresAt: p.now().Add(cmd.ExpiresIn),
		})
		if err != nil {
			return err
		}
		link := at.URL("/signup?" + url.Values{"invitation": {secret}}.Encode())
		if cmd.Send {
			if _, _, err := p.sendNow(ctx, cmd.Email, cmd.Language, mail.Invitation{Link: link}); err != nil {
				return errors.Join(err, s.Invitations.RevokeInvitation(ctx, in.ID))
			}
			link = "" // who has it counts as the owner of the address
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

// check makes Email what is stored.
func (cmd *inviteCreate) check() (err error) {
	if cmd.ExpiresIn < time.Minute || cmd.ExpiresIn > maxInvitation {
		return cli.Usage(fmt.Errorf("--expires-in must be from %s to %s", time.Minute, maxInvitation))
	}
	if cmd.Send && cmd.Email == "" {
		return cli.Usage(errors.New("--send needs --email"))
	}
	if cmd.Email != "" {
		if cmd.Email, err = profile.CleanEmail(cmd.Email); err != nil {
			return fmt.Errorf("--email: %w", err)
		}
	}
	return nil
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
	return p.withStore(ctx, func(s *store.Store) error {
		return cli.List[accounts.Invitation]{
			Page:    s.Invitations.ListInvitations,
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
	ID string `arg:"" help:"The invitation's id, as 'invite list' prints it."`
}

func (cmd inviteRevoke) Run(ctx context.Context, p *program) error {
	return p.withStore(ctx, func(s *store.Store) error {
		err := s.Invitations.RevokeInvitation(ctx, cmd.ID)
		if errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("there is no invitation %s that could still be used; 'invite list' lists them", cmd.ID)
		}
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(p.out, "withdrew the invitation %s\n", cmd.ID)
		return err
	})
}
