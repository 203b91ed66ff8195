package admin

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/audit"
	"github.com/maru-auth/maru/authz-server/internal/mail"
	"github.com/maru-auth/maru/authz-server/internal/profile"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/roles"
)

// The bounds of how long an invitation can be used.
const (
	MinInvitation = time.Minute
	MaxInvitation = 365 * 24 * time.Hour

	// MaxAdministrators is that of one that makes an administrator.
	MaxAdministrators = 7 * 24 * time.Hour
)

// NewInvitation is an invitation to be made.
type NewInvitation struct {
	Email    string        // that the account must have; empty: any
	Lifetime time.Duration // [MinInvitation] to [MaxInvitation]
	Note     string        // for the operator's own records, at most 255 bytes
	Send     bool          // to Email, by mail; the actor does not get the link then
	Language string        // of the mail, a BCP 47 tag
	// Roles are what whoever uses it gets. With them, it counts whoever may sign up otherwise, and
	// somebody who has an account can take them for that.
	Roles []roles.Role
}

// Invite makes an invitation for one account, and returns its link, which is shown now and never
// again; or it sends the link, and returns none. One that makes an administrator is worth nothing when
// whoever made it is none any more. [store.ErrExists]: the address has an account.
func (a *Admin) Invite(
	ctx context.Context, actor Actor, in NewInvitation, reason string,
) (made accounts.Invitation, link string, err error) {
	do := Change
	if slices.ContainsFunc(in.Roles, roles.Role.Administers) {
		do = Crown
	}
	if err := a.may(actor, do, Target{}); err != nil {
		return made, "", err
	}
	switch {
	case in.Lifetime < MinInvitation || in.Lifetime > MaxInvitation:
		return made, "", wrong("expires_in", fmt.Sprintf("must be from %s to %s", MinInvitation, MaxInvitation))
	case do == Crown && in.Lifetime > MaxAdministrators:
		return made, "", wrong("expires_in",
			fmt.Sprintf("must be at most %s for one that makes an administrator", MaxAdministrators))
	case in.Send && in.Email == "":
		return made, "", wrong("send", "needs an address")
	}
	if err := errors.Join(checkLine("note", in.Note, 255), checkLine("language", in.Language, 35)); err != nil {
		return made, "", err
	}
	if in.Email != "" {
		if in.Email, err = profile.CleanEmail(in.Email); err != nil {
			return made, "", wrong("email", err.Error())
		}
	}
	by := ""
	if do == Crown && actor.Kind == Person {
		by = actor.ID
	}
	err = a.change(ctx, actor, do, reason, func(ctx context.Context) error {
		if len(in.Roles) == 0 {
			if err := a.free(ctx, in.Email); err != nil {
				return err
			}
		}
		for _, one := range in.Roles {
			if _, err := a.Store.Roles.Definition(ctx, one); err != nil {
				return a.unknownRole(ctx, err, in.Roles)
			}
		}
		var secret string
		if made, secret, err = a.Store.Invitations.CreateInvitation(ctx, accounts.Invitation{
			Email: in.Email, Mailed: in.Send, Note: in.Note, Roles: in.Roles, MadeBy: by, ExpiresAt: a.Now().Add(in.Lifetime),
		}); err != nil {
			return err
		}
		noteMade(ctx, made.ID)
		link = a.Issuer.URL("/signup?" + url.Values{"invitation": {secret}}.Encode())
		if in.Send && a.SendNow == nil {
			if a.Mail == nil || !a.Mail.Enabled() {
				return mail.ErrNotConfigured
			}
			if err := a.letter(ctx, actor, in.Email); err != nil {
				return err
			}
			if err := a.Mail.Queue(ctx, mail.To{Address: in.Email, Language: in.Language}, mail.Invitation{Link: link}); err != nil {
				return err
			}
		}
		return a.Audit.Record(ctx, audit.Entry{
			Kind: audit.InvitationMade, Target: audit.Target{Kind: "invitation", ID: made.ID, Label: made.Email},
			Detail: map[string]any{"mailed": in.Send, "roles": roles.Names(in.Roles)},
		})
	})
	if err == nil && in.Send && a.SendNow != nil { // which takes as long as the mail server likes
		if err = a.SendNow(ctx, in.Email, in.Language, mail.Invitation{Link: link}); err != nil {
			err = errors.Join(err, a.WithdrawInvitation(ctx, actor, made.ID, "the mail was not sent"))
		}
	}
	if err != nil {
		return accounts.Invitation{}, "", err
	}
	if in.Send {
		link = "" // who has it counts as the owner of the address
	}
	return made, link, nil
}

// free tells by store.ErrExists that an address has an account. An empty one has none.
func (a *Admin) free(ctx context.Context, email string) error {
	if email == "" {
		return nil
	}
	_, err := a.Store.Users.UserByEmail(ctx, email)
	if err == nil {
		return store.ErrExists
	}
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}

// Invitations lists invitations by their ids, those that were used or expired lately too, starting
// after an id.
func (a *Admin) Invitations(
	ctx context.Context, actor Actor, after string, limit int,
) (page Page[accounts.Invitation], err error) {
	if err := a.read(ctx, actor, Read); err != nil {
		return page, err
	}
	if limit, err = checkLimit(limit); err != nil {
		return page, err
	}
	all, err := a.Store.Invitations.ListInvitations(ctx, after, limit+1)
	return pageOf(all, limit, func(in accounts.Invitation) string { return in.ID }), err
}

// Invitation returns an invitation. [store.ErrNotFound]: there is none.
func (a *Admin) Invitation(ctx context.Context, actor Actor, id string) (in accounts.Invitation, err error) {
	if err := a.read(ctx, actor, Read); err != nil {
		return in, err
	}
	return a.Store.Invitations.InvitationByID(ctx, id)
}

// WithdrawInvitation withdraws an invitation that is not used yet. If it would make an administrator,
// it is a [Crown]. [store.ErrNotFound]: there is none.
func (a *Admin) WithdrawInvitation(ctx context.Context, actor Actor, id, reason string) error {
	return a.change(ctx, actor, Change, reason, func(ctx context.Context) error {
		gone, err := a.Store.Invitations.RevokeInvitation(ctx, id)
		if err != nil {
			return err
		}
		if err := a.may(actor, Change, Target{Administrative: slices.ContainsFunc(gone.Roles, roles.Role.Administers)}); err != nil {
			return err // which undoes it
		}
		return a.Audit.Record(ctx, audit.Entry{
			Kind: audit.InvitationWithdrawn, Target: audit.Target{Kind: "invitation", ID: id},
		})
	})
}
