package main

import (
	"context"
	"fmt"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/admin"
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
	return p.withAdmin(ctx, func(a *admin.Admin) error {
		return cli.List[admin.Delivery]{
			Page:    p.page(a, admin.LogoutQueue),
			Key:     func(d admin.Delivery) string { return d.ID },
			Columns: "ID\tCLIENT\tENDED\tATTEMPTS\tNEXT\tERROR",
			Row: func(d admin.Delivery) string {
				return fmt.Sprintf("%s\t%s\t%s\t%d\t%s\t%s", d.ID, d.ClientID, d.CreatedAt.Format(time.RFC3339), d.Attempts, nextTry(d), d.Error)
			},
			JSON: func(d admin.Delivery) (any, error) {
				next, givenUp := tries(d)
				return listedLogout{d.ID, d.ClientID, d.UserID, d.SessionID, d.CreatedAt, d.Attempts, next, givenUp, d.Error}, nil
			},
		}.Print(ctx, p.out, cmd.Format)
	})
}

type logoutRetry struct {
	retryFlags
}

func (cmd logoutRetry) Run(ctx context.Context, p *program) error {
	return cmd.retry(ctx, p, admin.LogoutQueue)
}
