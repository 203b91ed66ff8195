// Package closing deletes accounts whose time has come, and collects what services hold of a
// person: both ask for everything by which services may know them.
package closing

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/audit"
	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/mail"
	"github.com/maru-auth/maru/authz-server/internal/notices"
	"github.com/maru-auth/maru/authz-server/internal/services"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/tokens"
)

// Closer deletes accounts. All fields but Mail are required. It is safe for concurrent use, and
// every replica may run it.
type Closer struct {
	Store    *store.Store
	Tokens   *tokens.Issuer
	Services *services.Services
	Log      *slog.Logger
	Mail     notices.Mailer // nil: this server sends no mail
}

// every is how often it is looked whose time has come.
const every = time.Minute

// Run deletes accounts until ctx ends.
func (c *Closer) Run(ctx context.Context) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if _, err := c.CloseDue(ctx); err != nil && ctx.Err() == nil {
			c.Log.ErrorContext(ctx, "cannot delete an account whose time has come; it is tried again", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// CloseDue deletes the accounts that have waited long enough, and returns how many there were. It deletes
// none while the clock is not to be trusted: by one that is ahead, none has time to think again.
func (c *Closer) CloseDue(ctx context.Context) (closed int, err error) {
	const batch = 20
	if err := c.Store.CheckClock(ctx); err != nil {
		return 0, err
	}
	for {
		due, err := c.Store.Users.DueDeletions(ctx, batch)
		if err != nil || len(due) == 0 {
			return closed, err
		}
		var failed error // of one account, which must not keep the others
		for _, user := range due {
			switch err := c.close(ctx, user); {
			case err == nil:
				closed++
				c.Log.InfoContext(ctx, "deleted an account, as its person asked", "user", user.ID)
			case !errors.Is(err, store.ErrNotFound): // another replica was faster, or the person thought again
				failed = errors.Join(failed, fmt.Errorf("the account %s: %w", user.ID, err))
			}
		}
		if failed != nil {
			return closed, failed
		}
	}
}

// close deletes an account. In the same transaction a last letter to the person is queued, and what
// services and apps are to be told: see [accounts.Users.DeleteUser].
func (c *Closer) close(ctx context.Context, user accounts.User) error {
	return c.Store.Tx(ctx, func(ctx context.Context) error {
		if err := c.Store.Users.DeleteUser(ctx, user); err != nil {
			return err
		}
		// It does not say whose account it was, and neither does any other entry from now on.
		if err := audit.New(c.Store).Record(ctx, audit.Entry{Kind: audit.UserDeleted}); err != nil {
			return err
		}
		if c.Mail != nil && c.Mail.Enabled() && user.EmailVerified {
			if err := c.Mail.Queue(ctx, mail.To{Address: user.Email, Language: user.Locale}, mail.AccountDeleted{}); err != nil {
				return err
			}
		}
		return nil
	})
}

// known are the subjects by which clients know a person that are not the account's id.
func (c *Closer) known(ctx context.Context, userID string, trusted []client.Client) ([]tokens.Known, error) {
	ids, err := c.Store.Consents.ClientsOf(ctx, userID)
	if err != nil {
		return nil, err
	}
	return c.Tokens.KnownAs(ctx, userID, ids, trusted)
}

// collecting is how long services may take together to say what they hold. Of the time that a
// request has, they leave spare: one that hangs must not keep the rest from the person.
const (
	collecting = 30 * time.Second
	spare      = 3 * time.Second
)

// Collect returns what each service holds of the person of a session, by its name; and by the ids
// of clients, separated by spaces, what they hold under the subject by which those know the person.
func (c *Closer) Collect(ctx context.Context, session accounts.Session) (own map[string]json.RawMessage,
	ofApps map[string]map[string]json.RawMessage, err error) {
	trusted, err := c.Tokens.TrustedPairwise(ctx)
	if err != nil {
		return nil, nil, err
	}
	pairwise, err := c.known(ctx, session.UserID, trusted)
	if err != nil {
		return nil, nil, err
	}
	until := time.Now().Add(collecting)
	if end, ok := ctx.Deadline(); ok && end.Add(-spare).Before(until) {
		until = end.Add(-spare)
	}
	ctx, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	own = c.Services.Export(ctx, session, "")
	ofApps = make(map[string]map[string]json.RawMessage)
	for _, one := range pairwise {
		ofApps[strings.Join(one.Clients, " ")] = c.Services.Export(ctx, session, one.Subject)
	}
	return own, ofApps, nil
}
