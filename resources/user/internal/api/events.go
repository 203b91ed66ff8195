package api

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/maru-auth/maru/internal/rest"
	"github.com/maru-auth/maru/jwks/events"
	"github.com/maru-auth/maru/resources/user/internal/store"
)

// POST /v1/events

// applyEvent does what an event about a person asks for. Sessions, credentials and a disabled
// account are none of this service's business: the issuer revokes the tokens.
func (s *service) applyEvent(ctx context.Context, e rest.PersonEvent) error {
	receipt := store.Receipt{ID: e.ID, Until: e.Until}
	err := events.ErrIgnored
	switch payload := e.Payload.(type) {
	case *events.AccountPurged:
		err = s.store.PurgePerson(ctx, receipt, e.Person)
	case *events.TokenClaimsChange:
		var name string
		if json.Unmarshal(payload.Claims["name"], &name) != nil {
			break // another claim, or one that was removed: the profile keeps the name
		}
		if name = shorten(name); name != "" {
			err = s.store.NamePerson(ctx, receipt, e.Person, name, e.OccurredAt)
		}
	}
	if errors.Is(err, store.ErrReceived) {
		return events.ErrDuplicate
	}
	return err
}
