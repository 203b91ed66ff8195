// Package closing deletes accounts whose time has come.
package closing

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/mail"
	"github.com/maru-auth/maru/authz-server/internal/notices"
	"github.com/maru-auth/maru/authz-server/internal/services"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/tokens"
)

// Closer deletes accounts. All fields but Mail are required. It is safe for concurrent use, and every replica
// may run it.
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

// CloseDue deletes the accounts that have waited long enough, and returns how many there were.
func (c *Closer) CloseDue(ctx context.Context) (closed int, err error) {
	const batch = 20
	for {
		due, err := c.Store.Users.DueDeletions(ctx, batch)
		if err != nil || len(due) == 0 {
			return closed, err
		}
		for _, user := range due {
			switch err := c.close(ctx, user); {
			case err == nil:
				closed++
				c.Log.InfoContext(ctx, "deleted an account, as its person asked", "user", user.ID)
			case !errors.Is(err, store.ErrNotFound): // another replica was faster, or the person thought again
				return closed, err
			}
		}
	}
}

// close deletes an account. In the same transaction it queues what the services and the apps are to
// be told, and a last letter to the person.
func (c *Closer) close(ctx context.Context, user accounts.User) error {
	return c.Store.Tx(ctx, func(ctx context.Context) error {
		subjects, err := c.subjects(ctx, user.ID)
		if err != nil {
			return err
		}
		if err := c.Store.Users.DeleteUser(ctx, user); err != nil {
			return err
		}
		if c.Mail != nil && c.Mail.Enabled() && user.EmailVerified {
			if err := c.Mail.Queue(ctx, user.Email, user.Locale, mail.AccountDeleted{}); err != nil {
				return err
			}
		}
		return c.Services.Forget(ctx, c.Store.Outbox, user.DeletePosts, subjects...)
	})
}

// subjects are all by which tokens may have named the person to services: the account's id, and what
// clients with pairwise subjects know them by.
func (c *Closer) subjects(ctx context.Context, userID string) ([]string, error) {
	connections, err := c.Store.Consents.Connections(ctx, userID)
	if err != nil {
		return nil, err
	}
	subjects := []string{userID}
	for _, one := range connections {
		found, err := c.Store.Clients.Client(ctx, one.ClientID)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if subject := c.Tokens.Subject(&found, userID); !slices.Contains(subjects, subject) {
			subjects = append(subjects, subject)
		}
	}
	return subjects, nil
}
