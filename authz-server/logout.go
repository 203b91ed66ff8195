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
	List logoutList `cmd:"" help:"List the log-outs of which clients with a backchannel_logout_uri have not been told."`
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
		return cli.List[outbox.LogoutDelivery]{
			Page:    s.Logouts.LogoutDeliveries,
			Key:     func(d outbox.LogoutDelivery) string { return d.ID },
			Columns: "ID\tCLIENT\tENDED\tATTEMPTS\tNEXT\tERROR",
			Row: func(d outbox.LogoutDelivery) string {
				next := d.DueAt.Format(time.RFC3339)
				if !d.GivenUpAt.IsZero() {
					next = "given up"
				}
				return fmt.Sprintf("%s\t%s\t%s\t%d\t%s\t%s", d.ID, d.ClientID, d.CreatedAt.Format(time.RFC3339), d.Attempts, next, d.LastError)
			},
			JSON: func(d outbox.LogoutDelivery) (any, error) {
				listed := listedLogout{d.ID, d.ClientID, d.UserID, d.SessionID, d.CreatedAt, d.Attempts, &d.DueAt, nil, d.LastError}
				if !d.GivenUpAt.IsZero() {
					listed.NextAt, listed.GivenUpAt = nil, &d.GivenUpAt
				}
				return listed, nil
			},
		}.Print(ctx, p.out, cmd.Format)
	})
}
