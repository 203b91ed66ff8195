package admin

import (
	"context"

	"github.com/maru-auth/maru/authz-server/internal/notices"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
)

// Provisioner is what the operations of package provisioning stand on: they are decided, and carried
// out, as those of [Admin]. A client with the scope scim acts by [Provision], unless it has the right to
// do the same as an operator does.
type Provisioner struct{ admin *Admin }

// NewProvisioner makes a Provisioner.
func NewProvisioner(a *Admin) Provisioner { return Provisioner{a} }

// May lets an actor in to what an operator does by a class: [Read], or [Change] before its transaction.
func (p Provisioner) May(ctx context.Context, actor Actor, do Action) error {
	return p.admin.read(ctx, actor, provisioning(actor, do))
}

// Change runs f, which changes accounts or groups, in one transaction, in which the actor is still what
// let them in. What f records in the audit log has the actor and the reason. f asks [Provisioner.MayTouch]
// about each account or group that it changes, once its row is locked.
func (p Provisioner) Change(ctx context.Context, actor Actor, reason string, f func(ctx context.Context) error) error {
	return p.admin.change(ctx, actor, provisioning(actor, Change), reason, f)
}

// MayTouch asks whether the actor may change the account or group with this id, which has no power over
// the server. [NotKept]: a directory acts that does not keep it.
func (p Provisioner) MayTouch(ctx context.Context, actor Actor, of Kept, id string) error {
	return p.admin.mayTouch(ctx, actor, provisioning(actor, Change), false, of, id)
}

// Keep notes that a directory keeps what it has just made. Nobody keeps what operators make.
func (p Provisioner) Keep(ctx context.Context, actor Actor, of Kept, id string) error {
	return p.admin.keep(ctx, actor, provisioning(actor, Change), of, id)
}

// Purge revokes, in batches, the tokens of people who lost a role with the others of a group.
func (p Provisioner) Purge(ctx context.Context) error { return p.admin.purge(ctx) }

// CountLetter counts a letter with a link that an actor sends. The error is a [*FieldError] of the
// address that has had too many.
func (p Provisioner) CountLetter(ctx context.Context, actor Actor, email string) error {
	return p.admin.letter(ctx, actor, email)
}

// Tell tells a person of a change, unless it is one too many within an hour: then the error is a
// [*FieldError], and the change must not happen.
func (p Provisioner) Tell(
	ctx context.Context, actor Actor, user accounts.User, what notices.Kind, detail string,
) error {
	return p.admin.tell(ctx, actor, user, what, detail)
}
