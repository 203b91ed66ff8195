package notices

import (
	"context"
	"errors"

	"github.com/maru-auth/maru/authz-server/internal/mail"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
)

// Bounds of the letters about new administrators.
const (
	mostTold  = 50 // administrators who are told of one
	crownings = 20 // of which they are told within an hour; more of them tell nobody anything new
)

// Reopened is [Notices.TellAdministrators] for an account that was closed or waited to be deleted, if its
// person can administer the server again now. Call it in the transaction that opens the account.
func (n *Notices) Reopened(ctx context.Context, id string) error {
	if !n.writes() {
		return nil
	}
	user, err := n.Store.Users.User(ctx, id)
	if err != nil || user.Disabled || !user.DeleteAt.IsZero() {
		return err
	}
	administers, err := n.Store.Roles.Administers(ctx, id)
	if err != nil || !administers {
		return err
	}
	return n.TellAdministrators(ctx, user)
}

// TellAdministrators writes to the administrators there are that somebody has become one, who is not
// among those. [Notices.Note] does so by itself; call it for an account that is an administrator's from
// the beginning, in the transaction that makes it. Only confirmed addresses get a letter.
func (n *Notices) TellAdministrators(ctx context.Context, crowned accounts.User) error {
	if !n.writes() {
		return nil
	}
	few, err := n.few(ctx, "letters-to-administrators", crownings)
	if err != nil || !few {
		return err
	}
	ids, err := n.Store.Roles.Administrators(ctx, mostTold)
	if err != nil {
		return err
	}
	for _, id := range ids {
		other, err := n.Store.Users.User(ctx, id)
		if errors.Is(err, store.ErrNotFound) { // gone this moment
			continue
		}
		if err != nil {
			return err
		}
		if other.ID == crowned.ID || other.Disabled || !other.DeleteAt.IsZero() || !other.EmailVerified {
			continue
		}
		letter := mail.NewAdministrator{Account: crowned.Email, At: n.at(other)}
		if err := n.Mail.Queue(ctx, mail.ToUser(other), letter); err != nil {
			return err
		}
	}
	return nil
}
