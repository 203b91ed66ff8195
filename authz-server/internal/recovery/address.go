package recovery

import (
	"context"
	"net/http"

	"github.com/maru-auth/maru/authz-server/internal/mail"
	"github.com/maru-auth/maru/authz-server/internal/notices"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
)

// BeginAddress writes to an address that an account is to have, or that it has and that is to be
// confirmed: to confirm it or, if it has another account, to its owner. Errors:
// [*throttle.WaitError].
func (c *Recovery) BeginAddress(r *http.Request, browser string, user accounts.User, email string) error {
	if err := c.Throttle.Letter(r.Context(), r, email); err != nil {
		return err
	}
	owner, err := c.owner(r.Context(), email)
	if err != nil {
		return err
	}
	l := letter{mail.To{Address: email, Language: user.Locale, UserID: user.ID}, func(link, code string) mail.Letter {
		return mail.ConfirmAddress{Link: link, Code: code}
	}}
	if owner.ID != "" && owner.ID != user.ID {
		l = c.toOwner(owner)
	}
	m := accounts.Mailed{Purpose: accounts.ToChangeAddress, User: user, Email: email, Data: "{}"}
	return c.send(r.Context(), m, browser, "", l)
}

// FinishAddress spends the link m: its account has the address from now on, and it is confirmed.
// Other links of the account end; sessions stay. Only in a session of that account may it be
// called: whoever else reads the mail must not confirm it, for the account may be a stranger's.
// Errors: [store.ErrNotFound], for a link that is good for nothing any more; [store.ErrExists]: the
// address has another account.
func (c *Recovery) FinishAddress(r *http.Request, m accounts.Mailed) error {
	what, detail := notices.EmailChanged, m.Email
	if accounts.EmailKey(m.Email) == accounts.EmailKey(m.User.Email) {
		what, detail = notices.EmailVerified, ""
	}
	return c.Store.Tx(r.Context(), func(ctx context.Context) error {
		if err := c.Store.Mailed.SpendMailed(ctx, m); err != nil {
			return err
		}
		if err := c.Store.Users.SetEmail(ctx, m.User.ID, m.Email); err != nil {
			return err
		}
		if err := c.Store.Mailed.DropMailedOf(ctx, m.User.ID); err != nil {
			return err
		}
		return c.Notices.Note(ctx, r, m.User, what, detail)
	})
}
