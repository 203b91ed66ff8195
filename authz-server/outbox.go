package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/internal/cli"
)

// What the commands of the kinds of deliveries share.

// page returns the pages of a kind, for a [cli.List].
func (p *program) page(a *admin.Admin, kind string) func(ctx context.Context, after string, limit int) ([]admin.Delivery, error) {
	return func(ctx context.Context, after string, limit int) ([]admin.Delivery, error) {
		page, err := a.Deliveries(ctx, p.machine(), kind, after, limit)
		return page.Items, err
	}
}

// nextTry says when a delivery is tried next.
func nextTry(d admin.Delivery) string {
	if !d.GivenUpAt.IsZero() {
		return "given up"
	}
	return d.DueAt.Format(time.RFC3339)
}

// tries returns when a delivery is tried next, or when it was given up.
func tries(d admin.Delivery) (next, givenUp *time.Time) {
	if !d.GivenUpAt.IsZero() {
		return nil, &d.GivenUpAt
	}
	return &d.DueAt, nil
}

// retryFlags say which deliveries of a kind to try again.
type retryFlags struct {
	reason
	ID  string `arg:"" optional:"" help:"The delivery's id, as 'list' shows it: given up, or waiting for its next attempt."`
	All bool   `help:"All that were given up." env:"-"`
}

func (f retryFlags) retry(ctx context.Context, p *program, kind string) error {
	if (f.ID == "") != f.All {
		return cli.Usage(errors.New("name one delivery, or say --all"))
	}
	return p.withAdmin(ctx, func(a *admin.Admin) error {
		tried := int64(1)
		var err error
		if f.All {
			tried, err = a.RetryAll(ctx, p.machine(), kind, f.Reason)
		} else {
			err = a.RetryDelivery(ctx, p.machine(), kind, f.ID, f.Reason)
		}
		if errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("there is no delivery %q, or it is being tried at the moment", f.ID)
		}
		if err != nil {
			return option(err, nil)
		}
		_, err = fmt.Fprintf(p.out, "the server tries again within seconds: %d\n", tried)
		return err
	})
}
