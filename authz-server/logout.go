package main

import (
	"context"
	"encoding/json"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/store"
)

type logoutCommands struct {
	List logoutList `cmd:"" help:"List the log-outs that clients (those with a backchannel_logout_uri) have not been told of."`
}

// listedLogout is a delivery as 'logout list' prints it.
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
	const batch = 500
	return p.withStore(ctx, func(s *store.Store) error {
		table := tabwriter.NewWriter(p.out, 0, 0, 2, ' ', 0)
		if cmd.Format == "text" {
			fmt.Fprintln(table, "ID\tCLIENT\tENDED\tATTEMPTS\tNEXT\tERROR")
		}
		for after := ""; ; {
			deliveries, err := s.LogoutDeliveries(ctx, after, batch)
			if err != nil {
				return err
			}
			for _, d := range deliveries {
				after = d.ID
				if cmd.Format == "json" {
					listed := listedLogout{d.ID, d.ClientID, d.UserID, d.SessionID, d.CreatedAt, d.Attempts, &d.DueAt, nil, d.LastError}
					if !d.GivenUpAt.IsZero() {
						listed.NextAt, listed.GivenUpAt = nil, &d.GivenUpAt
					}
					if err := json.NewEncoder(p.out).Encode(listed); err != nil {
						return err
					}
					continue
				}
				next := d.DueAt.Format(time.RFC3339)
				if !d.GivenUpAt.IsZero() {
					next = "given up"
				}
				fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%s\t%s\n", d.ID, d.ClientID, d.CreatedAt.Format(time.RFC3339), d.Attempts, next, d.LastError)
			}
			if err := table.Flush(); err != nil || len(deliveries) < batch { // a page at a time is in memory
				return err
			}
		}
	})
}
