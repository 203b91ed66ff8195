package api

import (
	"context"
	"errors"

	"github.com/maru-auth/maru/internal/rest"
	"github.com/maru-auth/maru/jwks/events"
	"github.com/maru-auth/maru/resources/board/internal/store"
)

// POST /v1/events

// applyEvent does what an event about a person asks for. Sessions, credentials and a disabled
// account are none of this service's business: the issuer revokes the tokens.
func (s *service) applyEvent(ctx context.Context, e rest.PersonEvent) error {
	receipt := store.Receipt{ID: e.ID, Until: e.Until}
	err := events.ErrIgnored
	switch payload := e.Payload.(type) {
	case *events.AccountPurged:
		err = s.store.PurgeAuthor(ctx, receipt, e.Person, payload.Content == "delete")
	case *events.TokenClaimsChange:
		// The account's name need not be the one that the person shows to others: only the user
		// service knows that.
		if payload.Claims["name"] != nil {
			err = s.names.Outdate(ctx, receipt, e.Person)
		}
	}
	if errors.Is(err, store.ErrReceived) {
		return events.ErrDuplicate
	}
	return err
}
