// Package provisioning is what directories do: they keep accounts and groups here as they have them, by
// SCIM. Package admin decides who may, by its one table, and carries each change out in a transaction
// with an entry in the audit log; here is what such a change is.
//
// Whatever has power over the server does not exist here: it is neither listed nor found nor changed,
// whoever acts. A directory sees all the rest, and changes what it keeps alone. Operators act here too,
// by SCIM, as they do elsewhere.
//
// Errors are those of package admin, and [ErrLeaving], [ErrTooMany] and [ErrContended].
package provisioning

import (
	"context"
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/audit"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/roles"
)

// Operations are what directories can do. They are safe for concurrent use.
type Operations struct {
	base  admin.Provisioner
	admin *admin.Admin // whose settings are in force here too
	store *store.Store
}

// New makes Operations.
func New(a *admin.Admin) *Operations {
	return &Operations{base: admin.NewProvisioner(a), admin: a, store: a.Store}
}

var (
	// ErrLeaving says that an account with this address is being deleted. Within a minute, the address
	// is free.
	ErrLeaving = errors.New("the account with this address is being deleted")
	// ErrTooMany says that something is more than one call does.
	ErrTooMany = errors.New("that is more than one call does")
	// ErrContended says that others change the same all the time. Nothing was done; the actor can try
	// again in some seconds.
	ErrContended = errors.New("others are changing the same")

	// errMoved says that others have changed an account or a group since it was looked at.
	errMoved = errors.New("others changed it meanwhile")
)

func wrong(field, problem string) error { return &admin.FieldError{Field: field, Problem: problem} }

func isNotKept(err error) bool {
	var refused *admin.Refused
	return errors.As(err, &refused) && refused.Why == admin.NotKept
}

// namespace is in which the actor has external ids.
func namespace(actor admin.Actor) string {
	if actor.Kind == admin.Client {
		return actor.ID
	}
	return "" // which no client has
}

// checkExternalID checks what the actor calls something.
func checkExternalID(actor admin.Actor, id string) error {
	unprintable := func(r rune) bool { return !unicode.IsPrint(r) }
	switch {
	case actor.Kind != admin.Client:
		return wrong("external_id", "is a client's name for it, and only clients have such names")
	case len(id) > 255 || !utf8.ValidString(id) || strings.ContainsFunc(id, unprintable):
		return wrong("external_id", "must be printable text of at most 255 bytes")
	}
	return nil
}

func (o *Operations) notePerson(ctx context.Context, kind audit.Kind, user accounts.User, detail map[string]any) error {
	return o.admin.Audit.Record(ctx, audit.Entry{
		Kind: kind, Person: user.ID, Target: audit.Target{Kind: "user", Label: user.Email}, Detail: detail,
	})
}

// noteGroup records what was done to a group; person is who joined or left, or the zero value.
func (o *Operations) noteGroup(
	ctx context.Context, kind audit.Kind, g roles.Group, person accounts.User, detail map[string]any,
) error {
	return o.admin.Audit.Record(ctx, audit.Entry{
		Kind: kind, Person: person.ID, Target: audit.Target{Kind: "group", ID: g.ID, Label: g.Name}, Detail: detail,
	})
}
