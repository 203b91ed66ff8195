package recovery

import (
	"context"
	"net/http"

	"github.com/maru-auth/maru/authz-server/internal/mail"
	"github.com/maru-auth/maru/authz-server/internal/notices"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/upstream"
)

// Signup is a sign-up that waits until its address is proved.
type Signup struct {
	Name         string `json:"name"`
	PasswordHash string `json:"password_hash"` // empty: they log in by the passkey
	Locale       string `json:"locale,omitempty"`
	Interaction  string `json:"interaction,omitempty"` // where its browser goes on; worth nothing in another

	SignupProof

	// Of package signup: by what it was let in, and what the person agreed to.
	Invitation     string `json:"invitation,omitempty"`      // its id
	InvitedAddress string `json:"invited_address,omitempty"` // whom it is for
	InvitedRoles   string `json:"invited_roles,omitempty"`   // what goes with it, in text form
	Terms          string `json:"terms,omitempty"`           // their version
	Address        string `json:"address,omitempty"`         // the network address
}

// SignupProof is what somebody signs up by instead of a password: one of these, or nothing.
type SignupProof struct {
	Passkey  *SignupPasskey  `json:"passkey,omitempty"`
	Upstream *SignupUpstream `json:"upstream,omitempty"`
}

// Any tells whether there is one.
func (p SignupProof) Any() bool { return p.Passkey != nil || p.Upstream != nil }

// SignupUpstream is who somebody is at an upstream.
type SignupUpstream struct {
	Name   string          `json:"name"`
	Issuer string          `json:"issuer"`
	Person upstream.Person `json:"person"`
}

// SignupPasskey is what somebody signs up by instead of a password.
type SignupPasskey struct {
	Passkey accounts.Passkey `json:"passkey"`
	Handle  []byte           `json:"handle"` // by which the authenticator knows the person
}

// SignupOf returns the sign-up that a letter is about.
func SignupOf(m accounts.Mailed) (Signup, error) { return read[Signup](m) }

// BeginSignup keeps a sign-up and writes to its address: to confirm it or, if it has an account, to
// its owner. The browser's secret must not be empty. Errors: [*throttle.WaitError].
func (c *Recovery) BeginSignup(r *http.Request, browser, email string, s Signup) error {
	if err := c.Throttle.Letter(r.Context(), r, email); err != nil {
		return err
	}
	owner, err := c.owner(r.Context(), email)
	if err != nil {
		return err
	}
	l := letter{mail.To{Address: email, Language: s.Locale}, func(link, code string) mail.Letter {
		return mail.ConfirmSignup{Link: link, Code: code, Name: s.Name}
	}}
	if owner.ID != "" {
		l = c.toOwner(owner)
	}
	m := accounts.Mailed{Purpose: accounts.ToSignUp, Email: email, Data: text(s)}
	return c.send(r.Context(), m, browser, s.Interaction, l)
}

// FinishSignup spends the link m and makes the account by create. Of several sign-ups with one
// address, the first one wins, and the others are thrown away. Errors: [store.ErrNotFound], for a
// link that is spent; and those of create, such as [store.ErrExists].
func (c *Recovery) FinishSignup(r *http.Request, m accounts.Mailed,
	create func(ctx context.Context, user accounts.User) (accounts.User, error)) (made accounts.User, err error) {
	s, err := SignupOf(m)
	if err != nil {
		return accounts.User{}, err
	}
	user := accounts.User{Email: m.Email, EmailVerified: true, Name: s.Name, Locale: s.Locale, PasswordHash: s.PasswordHash}
	err = c.Store.Tx(r.Context(), func(ctx context.Context) error {
		if err := c.Store.Mailed.SpendMailed(ctx, m); err != nil {
			return err
		}
		if made, err = create(ctx, user); err != nil {
			return err
		}
		return c.Store.Mailed.DropSignups(ctx, m.Email)
	})
	return made, err
}

// Adopt stores the passkey of a new account. Call it in the transaction that makes the account.
func (c *Recovery) Adopt(ctx context.Context, r *http.Request, user accounts.User, made SignupPasskey) error {
	made.Passkey.UserID = user.ID
	if err := c.Store.Passkeys.SetUserHandle(ctx, user.ID, made.Handle); err != nil {
		return err
	}
	if _, err := c.Store.Passkeys.AddPasskey(ctx, made.Passkey); err != nil {
		return err
	}
	return c.Notices.Note(ctx, r, user, notices.PasskeyAdded, made.Passkey.Name)
}
