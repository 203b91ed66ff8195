package main

import (
	"context"
	"fmt"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/outbox"
	"github.com/maru-auth/maru/internal/cli"
)

type logoutCommands struct {
	List  logoutList  `cmd:"" help:"List the log-outs of which clients with a backchannel_logout_uri have not been told."`
	Retry logoutRetry `cmd:"" help:"Try again to tell clients: of one log-out, or of all that were given up."`
}

// listedLogout is a delivery, as 'logout list' prints it.
type listedLogout struct {
	ID        string     `json:"id"` // the part before the dot of the logout tokens' jti
	Client    string     `json:"client_id"`
	User      string     `json:"user_id"`
	Session   string     `json:"session_id"`
	EndedAt   time.Time  `json:"ended_at"`
	Attempts  int64      `json:"attempts"`
	NextAt    *time.Time `json:"next_at,omitempty"`
	GivenUpAt *time.Time `json:"given_up_at,omitempty"`
	Error     string     `json:"error,omitempty"`
}

type logoutList struct {
	Format string `help:"text or json (one delivery a line)." enum:"text,json" default:"text" env:"-"`
}

func (cmd logoutList) Run(ctx context.Context, p *program) error {
	return p.withStore(ctx, func(s *store.Store) error {
		return cli.List[outbox.Item]{
			Page:    page(s, outbox.KindLogout),
			Key:     func(d outbox.Item) string { return d.ID },
			Columns: "ID\tCLIENT\tENDED\tATTEMPTS\tNEXT\tERROR",
			Row: func(d outbox.Item) string {
				return fmt.Sprintf("%s\t%s\t%s\t%d\t%s\t%s", d.ID, d.Lane, d.CreatedAt.Format(time.RFC3339), d.Attempts, nextTry(d), d.LastError)
			},
			JSON: func(d outbox.Item) (any, error) {
				next, givenUp := tries(d)
				return listedLogout{d.ID, d.Lane, d.UserID, d.Topic, d.CreatedAt, d.Attempts, next, givenUp, d.LastError}, nil
			},
		}.Print(ctx, p.out, cmd.Format)
	})
}

type logoutRetry struct {
	retryFlags
}

func (cmd logoutRetry) Run(ctx context.Context, p *program) error {
	return cmd.retry(ctx, p, outbox.KindLogout)
}
