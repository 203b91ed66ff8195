package admin

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/audit"
	"github.com/maru-auth/maru/authz-server/internal/mail"
	"github.com/maru-auth/maru/authz-server/internal/recovery"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
)

// ErrDisabled says that an account is closed, and nobody can log in to it.
var ErrDisabled = errors.New("the account is disabled")

// The bounds of how long a link to a new password works.
const (
	MinResetLink = time.Minute
	MaxResetLink = 24 * time.Hour
)

// ResetLink returns a link by which a person who forgot their password chooses another one. It works
// once. Only the machine gets one: whoever has it can take the account, unless a second step is set
// up. [ErrDisabled]: the account is closed.
func (a *Admin) ResetLink(
	ctx context.Context, actor Actor, id string, lifetime time.Duration, reason string,
) (link string, err error) {
	if actor.Kind != Machine {
		return "", refuse(NeedsMachine)
	}
	if lifetime < MinResetLink || lifetime > MaxResetLink {
		return "", wrong("expires_in", fmt.Sprintf("must be from 1m to 24h, not %s", lifetime))
	}
	err = a.onPerson(ctx, actor, Change, id, reason, func(ctx context.Context, user accounts.User) error {
		if user.Disabled {
			return ErrDisabled
		}
		secret, err := recovery.OperatorLink(ctx, a.Store, user, a.Now().Add(lifetime))
		if err != nil {
			return err
		}
		link = recovery.Link(a.Issuer, accounts.ToReset, secret)
		return a.note(ctx, audit.ResetLinkMade, user, map[string]any{"for": lifetime.String()})
	})
	return link, err
}

// SendReset writes to a person, with a link by which they choose another password, five times an hour
// at most. [ErrDisabled]:
// the account is closed. [mail.ErrNotConfigured]: this server sends no mail.
func (a *Admin) SendReset(ctx context.Context, actor Actor, id, reason string) error {
	return a.onPerson(ctx, actor, Change, id, reason, func(ctx context.Context, user accounts.User) error {
		switch {
		case a.Mail == nil || !a.Mail.Enabled():
			return mail.ErrNotConfigured
		case user.Disabled:
			return ErrDisabled
		}
		if err := a.letter(ctx, actor, user.Email); err != nil {
			return err
		}
		if err := recovery.SendReset(ctx, a.Store, a.Mail, a.Issuer, user); err != nil {
			return err
		}
		return a.note(ctx, audit.ResetLinkMade, user, map[string]any{"by": "mail"})
	})
}
