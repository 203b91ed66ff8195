// Package recovery proves that people read the mail of an address: it sends links and codes, and
// does what they are for. A link or code confirms a sign-up, leads to a new password, or confirms
// the address of an account. [Links] has the pages that take them.
//
// Nobody learns from it whether an address has an account: the same is written for one that has
// none, and a letter is queued to nobody.
package recovery

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"strings"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/audit"
	"github.com/maru-auth/maru/authz-server/internal/issuer"
	"github.com/maru-auth/maru/authz-server/internal/mail"
	"github.com/maru-auth/maru/authz-server/internal/notices"
	"github.com/maru-auth/maru/authz-server/internal/opaque"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/throttle"
)

// Recovery sends links and codes. All fields but Mail must be set. It is safe for concurrent use.
type Recovery struct {
	Store    *store.Store
	Mail     notices.Mailer // nil: this server sends no mail
	Issuer   issuer.URL     // what links are below: never what a request says
	Throttle *throttle.Throttle
	Notices  *notices.Notices
	Later    *audit.Later
}

// SendsMail tells whether this server sends mail. If not, nothing below that sends is to be called.
func (c *Recovery) SendsMail() bool { return c.Mail != nil && c.Mail.Enabled() }

// The pages that links lead to.
const (
	VerifyPath = "/verify"
	ResetPath  = "/reset"
)

// pathOf is the page that a link leads to.
func pathOf(purpose accounts.MailPurpose) string {
	if purpose == accounts.ToReset {
		return ResetPath
	}
	return VerifyPath
}

// Link is the address of a link with this secret, below the issuer at.
func Link(at issuer.URL, purpose accounts.MailPurpose, secret string) string {
	return at.URL(pathOf(purpose) + "?link=" + secret)
}

// newCode is six random digits.
func newCode() string {
	n, err := rand.Int(rand.Reader, big.NewInt(1_000_000))
	if err != nil {
		panic(err) // crypto/rand does not fail
	}
	return fmt.Sprintf("%06d", n)
}

// letter is one that is to be sent with a link.
type letter struct {
	to   mail.To // maybe nobody
	make func(link, code string) mail.Letter
}

// send stores a new link and queues the letter with it, both or neither. The interaction from which
// the person comes, if any, waits for as long as the link is good. If the letter has no link,
// what is stored is as random.
func (c *Recovery) send(ctx context.Context, m accounts.Mailed, browser, interaction string, l letter) error {
	link, code := opaque.New(), newCode()
	made := l.make(Link(c.Issuer, m.Purpose, link), code)
	if l.to.Address == "" || !hasLink(made) {
		code = opaque.New() // nobody can type it
	}
	return c.Store.Tx(ctx, func(ctx context.Context) error {
		if interaction != "" {
			if err := c.Store.Interactions.ExtendInteraction(ctx, interaction, browser, accounts.MailedLifetime); err != nil {
				return err
			}
		}
		if err := c.Store.Mailed.AddMailed(ctx, m, link, code, browser); err != nil {
			return err
		}
		return c.Mail.Queue(ctx, l.to, made)
	})
}

// hasLink tells whether a letter leads to what the link is for.
func hasLink(l mail.Letter) bool {
	_, other := l.(mail.AddressHasAccount)
	return !other
}

// toOwner is the letter to the owner of an address with which somebody signs up, or to which they
// change theirs.
func (c *Recovery) toOwner(owner accounts.User) letter {
	l := letter{mail.ToUser(owner), func(string, string) mail.Letter {
		return mail.AddressHasAccount{LoginLink: c.Issuer.URL("/login"), ForgotLink: c.Issuer.URL("/forgot")}
	}}
	if owner.Disabled {
		l.to.Address = ""
	}
	return l
}

// owner returns the account of an address; the zero User: there is none.
func (c *Recovery) owner(ctx context.Context, email string) (accounts.User, error) {
	user, err := c.Store.Users.UserByEmail(ctx, email)
	if errors.Is(err, store.ErrNotFound) {
		return accounts.User{}, nil
	}
	return user, err
}

// What a code, or the password of a sign-up, can be.
var (
	ErrWrong = errors.New("the code is wrong")
	ErrOver  = errors.New("too many codes were wrong")
)

// Digits is a code as people type it, without what is between its digits; empty: it cannot be one.
func Digits(typed string) string {
	code := strings.Map(func(r rune) rune {
		switch {
		case r >= '0' && r <= '9':
			return r
		case r >= '０' && r <= '９': // as East Asian keyboards type them
			return r - '０' + '0'
		case r == ' ' || r == '-' || r == '\t' || r == '\u00a0' || r == '\u3000':
			return -1
		}
		return 'x'
	}, typed)
	if len(code) != 6 || strings.ContainsRune(code, 'x') {
		return ""
	}
	return code
}

// Pending returns the letter whose code the browser with this secret can type: of purposes, the one
// that was asked for last. [store.ErrNotFound]: there is none.
func (c *Recovery) Pending(ctx context.Context, browser string, purposes ...accounts.MailPurpose) (last accounts.Mailed, err error) {
	err = store.ErrNotFound
	if browser == "" {
		return last, err
	}
	for _, purpose := range purposes {
		m, e := c.Store.Mailed.MailedToBrowser(ctx, purpose, browser)
		switch {
		case errors.Is(e, store.ErrNotFound):
		case e != nil:
			return accounts.Mailed{}, e
		case err != nil || m.CreatedAt.After(last.CreatedAt):
			last, err = m, nil
		}
	}
	return last, err
}

// TryCode takes the code of the letter m, typed in the browser with this secret, and returns m as a
// link to go on with, and the link's secret. Errors: [ErrWrong], [ErrOver], [*throttle.WaitError].
func (c *Recovery) TryCode(r *http.Request, m accounts.Mailed, browser, code string) (link accounts.Mailed, secret string, err error) {
	tries, err := c.Throttle.MailedCode(r, m.Email)
	if err != nil {
		return link, "", err
	}
	err = c.try(r, m, tries, func() (right bool, err error) {
		secret, err = c.Store.Mailed.ExchangeCode(r.Context(), m, browser, code)
		if errors.Is(err, store.ErrNotFound) {
			return false, nil
		}
		return err == nil, err
	})
	if err == nil {
		link, err = c.Store.Mailed.MailedByLink(r.Context(), m.Purpose, secret)
	}
	return link, secret, err
}

// TryPassword takes the password that was chosen at sign-up, where the link m of a letter is opened
// in another browser. right checks it. Errors are as of TryCode.
func (c *Recovery) TryPassword(r *http.Request, m accounts.Mailed, right func() (bool, error)) error {
	tries, err := c.Throttle.MailedLink(r)
	if err != nil {
		return err
	}
	return c.try(r, m, tries, right)
}

// try counts before it looks, also for the letter itself.
func (c *Recovery) try(r *http.Request, m accounts.Mailed, tries throttle.Tries, right func() (bool, error)) error {
	ctx := r.Context()
	err := c.Store.Mailed.CountMailedTry(ctx, m)
	if errors.Is(err, store.ErrNotFound) {
		tries.Release(ctx)
		return ErrOver
	}
	ok := false
	if err == nil {
		ok, err = right()
	}
	if err == nil && !ok {
		tries.Fail(ctx)
		return ErrWrong
	}
	tries.Release(ctx)
	return err
}

// read reads the data of a letter.
func read[T any](m accounts.Mailed) (data T, err error) {
	if err := json.Unmarshal([]byte(m.Data), &data); err != nil {
		return data, fmt.Errorf("the data of a mailed link: %w", err)
	}
	return data, nil
}

// text is what a letter keeps as its data.
func text(data any) string {
	b, err := json.Marshal(data)
	if err != nil {
		panic(err) // texts always marshal
	}
	return string(b)
}

// OperatorLink stores a link to a new password for an account, which an operator hands over, and
// returns its secret.
func OperatorLink(ctx context.Context, s *store.Store, user accounts.User, expires time.Time) (secret string, err error) {
	secret = opaque.New()
	m := accounts.Mailed{Purpose: accounts.ToReset, User: user, Email: user.Email, Data: text(Reset{ByOperator: true}), ExpiresAt: expires}
	return secret, s.Mailed.AddMailed(ctx, m, secret, "", "")
}

// SendReset writes to a person, as an operator wants it, with a link to a new password. There is no
// code beside it, since no browser has asked. An administrator keeps their factors, whether they have
// proved the address or not.
func SendReset(ctx context.Context, s *store.Store, sends notices.Mailer, at issuer.URL, user accounts.User) error {
	crowned, err := s.Roles.Administers(ctx, user.ID)
	if err != nil {
		return err
	}
	secret := opaque.New()
	m := accounts.Mailed{Purpose: accounts.ToReset, User: user, Email: user.Email, Data: text(Reset{ByOperator: crowned})}
	if err := s.Mailed.AddMailed(ctx, m, secret, opaque.New(), ""); err != nil {
		return err
	}
	return sends.Queue(ctx, mail.ToUser(user), mail.ResetPassword{Link: Link(at, accounts.ToReset, secret)})
}

// SendWelcome writes to a person for whom somebody else made an account, with a link to choose a
// password, which is good until expires. Opening it proves that the address is theirs.
func SendWelcome(ctx context.Context, s *store.Store, sends notices.Mailer, at issuer.URL, user accounts.User, expires time.Time) error {
	secret := opaque.New()
	m := accounts.Mailed{Purpose: accounts.ToReset, User: user, Email: user.Email, Data: text(Reset{}), ExpiresAt: expires}
	if err := s.Mailed.AddMailed(ctx, m, secret, opaque.New(), ""); err != nil {
		return err
	}
	return sends.Queue(ctx, mail.ToUser(user), mail.AccountMade{Link: Link(at, accounts.ToReset, secret)})
}
