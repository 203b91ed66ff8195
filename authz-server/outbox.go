package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/outbox"
	"github.com/maru-auth/maru/internal/cli"
)

// What the commands of the kinds of deliveries share.

// page returns the pages of a kind, for a [cli.List].
func page(s *store.Store, kind string) func(ctx context.Context, after string, limit int) ([]outbox.Item, error) {
	return func(ctx context.Context, after string, limit int) ([]outbox.Item, error) {
		return s.Outbox.List(ctx, kind, after, limit)
	}
}

// nextTry says when an item is tried next.
func nextTry(i outbox.Item) string {
	if !i.GivenUpAt.IsZero() {
		return "given up"
	}
	return i.DueAt.Format(time.RFC3339)
}

// tries returns when an item is tried next, or when it was given up.
func tries(i outbox.Item) (next, givenUp *time.Time) {
	if !i.GivenUpAt.IsZero() {
		return nil, &i.GivenUpAt
	}
	return &i.DueAt, nil
}

// retryFlags say which deliveries of a kind to try again.
type retryFlags struct {
	ID  string `arg:"" optional:"" help:"The delivery's id, as 'list' shows it: given up, or waiting for its next attempt."`
	All bool   `help:"All that were given up." env:"-"`
}

func (f retryFlags) retry(ctx context.Context, p *program, kind string) error {
	if (f.ID == "") != f.All {
		return cli.Usage(errors.New("name one delivery, or say --all"))
	}
	return p.withStore(ctx, func(s *store.Store) error {
		tried := int64(1)
		var err error
		if f.All {
			tried, err = s.Outbox.RetryGivenUp(ctx, kind)
		} else {
			err = s.Outbox.Retry(ctx, kind, f.ID)
		}
		if errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("there is no delivery %q, or it is being tried at the moment", f.ID)
		}
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(p.out, "the server tries again within seconds: %d\n", tried)
		return err
	})
}
