package recovery

import (
	"cmp"
	"context"
	"errors"
	"net/http"

	"github.com/maru-auth/maru/authz-server/internal/audit"
	"github.com/maru-auth/maru/authz-server/internal/mail"
	"github.com/maru-auth/maru/authz-server/internal/notices"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
)

// Reset is what is kept of a link to a new password.
type Reset struct {
	Interaction string `json:"interaction,omitempty"` // as of Signup
	ByOperator  bool   `json:"by_operator,omitempty"` // who handed it over, so that it proves nothing about the address
}

// ResetOf returns what is kept of a link to a new password.
func ResetOf(m accounts.Mailed) (Reset, error) { return read[Reset](m) }

// BeginReset writes to the owner of an address, or to nobody if there is none. To an administrator it
// writes only if they have proved that the address is theirs: whoever has it would get what is behind
// their factors otherwise. Errors: [*throttle.WaitError].
func (c *Recovery) BeginReset(r *http.Request, browser, email, interaction string) error {
	if err := c.Throttle.Letter(r.Context(), r, email); err != nil {
		return err
	}
	user, err := c.owner(r.Context(), email)
	if err != nil {
		return err
	}
	crowned, err := c.Store.Roles.Administers(r.Context(), user.ID) // of nobody, too: it takes as long
	if err != nil {
		return err
	}
	if user.Disabled || crowned && !user.EmailVerified {
		user = accounts.User{}
	}
	m := accounts.Mailed{Purpose: accounts.ToReset, User: user, Email: email, Data: text(Reset{Interaction: interaction})}
	err = c.send(r.Context(), m, browser, interaction, letter{mail.ToUser(user), func(link, code string) mail.Letter {
		return mail.ResetPassword{Link: link, Code: code}
	}})
	if err == nil && user.ID != "" { // after the answer, whose time would tell
		e := audit.OfRequest(audit.ResetAsked, r)
		e.Actor.Kind, e.Person, e.Target.Label = audit.Unknown, user.ID, user.Email
		c.Later.Record(r.Context(), e)
	}
	return err
}

// FinishReset spends the link m and gives its account the password with this hash. Sessions,
// grants, trusted browsers and other links end, and no browser is known but the one with the secret
// browser; see [accounts.Users.ResetPassword]. Passkeys stay, log-ins at upstreams, and the second step, which whoever
// reads somebody's mail must not get around. But as long as nobody had proved that the address of
// the account was theirs, a stranger may have made it: then they go, with what the stranger allowed
// to apps, and the address is proved now. Such an account that has become an administrator's since
// the letter was written is none of its reader's. Errors: [store.ErrNotFound], for a link that is good
// for nothing any more.
func (c *Recovery) FinishReset(r *http.Request, m accounts.Mailed, hash, browser string) error {
	data, err := ResetOf(m)
	if err != nil {
		return err
	}
	err = c.Store.Tx(r.Context(), func(ctx context.Context) error {
		// This locks the row of the person: whoever proves the address, or gives them a role, comes
		// before, and is seen, or after.
		if err := c.Store.Mailed.SpendMailed(ctx, m); err != nil {
			return err
		}
		user, err := c.Store.Users.User(ctx, m.User.ID)
		if err != nil {
			return err
		}
		if data.ByOperator || user.EmailVerified {
			return c.reset(ctx, r, user, hash, browser)
		}
		return c.Store.KeepAdministrator(ctx, func(ctx context.Context) error {
			if crowned, err := c.Store.Roles.Administers(ctx, user.ID); err != nil || crowned {
				return cmp.Or(err, store.ErrNotFound)
			}
			user.EmailVerified = true
			if err := c.reset(ctx, r, user, hash, browser); err != nil {
				return err
			}
			return c.takeOver(ctx, user)
		})
	})
	if errors.Is(err, store.ErrLastAdministrator) { // by a group that became one of administrators this very moment
		err = store.ErrNotFound
	}
	return err
}

// reset gives an account the password with this hash, and tells its person.
func (c *Recovery) reset(ctx context.Context, r *http.Request, user accounts.User, hash, browser string) error {
	if err := c.Store.Users.ResetPassword(ctx, user.ID, hash, browser); err != nil {
		return err
	}
	if err := c.Store.Mailed.DropMailedOf(ctx, user.ID); err != nil {
		return err
	}
	return c.Notices.Note(ctx, r, user, notices.PasswordReset, "")
}

// takeOver removes what a stranger may have planted in an account, whose address is proved now. The
// account has its new password already: the stranger's last passkey would stay otherwise.
func (c *Recovery) takeOver(ctx context.Context, user accounts.User) error {
	passkeys, err := c.Store.Passkeys.Passkeys(ctx, user.ID)
	if err != nil {
		return err
	}
	for _, one := range passkeys {
		if _, err := c.Store.Passkeys.RemovePasskey(ctx, user.ID, one.ID); err != nil {
			return err
		}
	}
	if err := c.Store.Upstreams.UnlinkAll(ctx, user.ID); err != nil {
		return err
	}
	if err := c.Store.Factors.RemoveTOTP(ctx, user.ID); err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	allowed, err := c.Store.Consents.Connections(ctx, user.ID)
	if err != nil {
		return err
	}
	for _, one := range allowed {
		if err := c.Store.Consents.WithdrawConsent(ctx, user.ID, one.ClientID); err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
	}
	return c.Store.Users.SetVerified(ctx, user.ID)
}
