package admin

import (
	"context"
	"errors"

	"github.com/maru-auth/maru/authz-server/internal/audit"
	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/directory"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
)

// PersonChange is what changes of an account, at once. Nil: it stays.
type PersonChange struct {
	Email         *string
	EmailVerified *bool // with Email: the operator knows that the new address is the person's; nil: not
	Disabled      *bool
	Claims        []byte // as of [PatchClaims]; empty: none change
}

// ChangePerson changes an account, by [Admin.SetEmail], [Admin.EditPerson], [Admin.DisablePerson] and
// [Admin.EnablePerson], all or nothing. version is that of the [Account] that the actor has seen;
// empty: any. [store.ErrStale]: it is another by now. [store.ErrExists]: another account has the
// address.
func (a *Admin) ChangePerson(
	ctx context.Context, actor Actor, id, version string, c PersonChange, reason string,
) error {
	do := provisioning(actor, Change)
	return a.onPerson(ctx, actor, do, id, reason, func(ctx context.Context, before accounts.User) error {
		if version != "" && version != versionOf(before.UpdatedAt) {
			return store.ErrStale
		}
		if len(c.Claims) > 0 {
			if err := a.EditPerson(ctx, actor, id, "", c.Claims, reason); err != nil {
				return err
			}
		}
		if err := a.changeEmail(ctx, actor, before, c, reason); err != nil {
			return err
		}
		switch {
		case c.Disabled == nil || *c.Disabled == before.Disabled:
			return nil
		case *c.Disabled:
			return a.DisablePerson(ctx, actor, id, reason)
		}
		return a.EnablePerson(ctx, actor, id, reason)
	})
}

func (a *Admin) changeEmail(
	ctx context.Context, actor Actor, before accounts.User, c PersonChange, reason string,
) error {
	switch {
	case c.Email != nil && *c.Email != before.Email:
		return a.SetEmail(ctx, actor, before.ID, *c.Email, c.EmailVerified != nil && *c.EmailVerified, reason)
	case c.EmailVerified == nil || *c.EmailVerified == before.EmailVerified:
		return nil
	case *c.EmailVerified:
		return a.EditPerson(ctx, actor, before.ID, "", []byte(`{"email_verified":true}`), reason)
	}
	return a.EditPerson(ctx, actor, before.ID, "", []byte(`{"email_verified":false}`), reason)
}

// ChangeClient changes a client by [Admin.UpdateClient], [Admin.DisableClient] and
// [Admin.EnableClient], all or nothing. A nil disabled leaves it as it is.
func (a *Admin) ChangeClient(
	ctx context.Context, actor Actor, id, version string, members client.Patch, disabled *bool, reason string,
) (changed directory.Issued, err error) {
	after := func(c client.Client) client.Client {
		members.Apply(&c)
		return c
	}
	disables := false
	err = a.onClient(ctx, actor, Change, id, reason, after, func(ctx context.Context, before client.Client) error {
		if version != "" && version != ClientVersion(before) {
			return store.ErrStale
		}
		changed = directory.Issued{}
		if len(members) > 0 {
			if changed, err = a.UpdateClient(ctx, actor, id, "", members, reason); err != nil {
				return err
			}
		}
		disables = disabled != nil && *disabled && before.DisabledAt.IsZero()
		switch {
		case disables:
			err = errors.Join(a.Store.Clients.Disable(ctx, id), a.noteClient(ctx, audit.ClientDisabled, before, nil))
		case disabled != nil && !*disabled && !before.DisabledAt.IsZero():
			err = errors.Join(a.Store.Clients.Enable(ctx, id), a.noteClient(ctx, audit.ClientEnabled, before, nil))
		}
		if err != nil {
			return err
		}
		changed.Client, err = a.Store.Clients.Registered(ctx, id)
		return err
	})
	if err == nil && disables { // what others exchanged from its grants, in batches
		err = a.afterwards(ctx, a.Store.RevokeExchanged)
	}
	return changed, err
}

// SessionsOf lists where a person is logged in, and notes that the actor saw it.
func (a *Admin) SessionsOf(ctx context.Context, actor Actor, id string) (all []KnownSession, err error) {
	err = a.seeing(ctx, actor, id, "sessions", func(ctx context.Context, user accounts.User) error {
		var k Known
		err := a.knownLogins(ctx, user, &k)
		all = k.Sessions
		return err
	})
	return all, err
}

// IdentitiesOf lists who a person is at upstreams, and notes that the actor saw it.
func (a *Admin) IdentitiesOf(ctx context.Context, actor Actor, id string) (all []KnownIdentity, err error) {
	err = a.seeing(ctx, actor, id, "identities", func(ctx context.Context, user accounts.User) error {
		found, err := a.Store.Upstreams.IdentitiesOf(ctx, user.ID)
		all = []KnownIdentity{}
		for _, one := range found {
			all = append(all, identityOf(one))
		}
		return err
	})
	return all, err
}

// seeing runs f, which reads what is known of a person, and notes that the actor saw it.
func (a *Admin) seeing(
	ctx context.Context, actor Actor, id, what string, f func(ctx context.Context, user accounts.User) error,
) error {
	return a.change(ctx, actor, ReadPersonal, "", func(ctx context.Context) error {
		user, err := a.Store.Users.User(ctx, id)
		if err != nil {
			return err
		}
		if err := f(ctx, user); err != nil {
			return err
		}
		return a.note(ctx, audit.UserViewed, user, map[string]any{"what": what})
	})
}

// ConsentsOf lists what a person allowed to clients, and notes that the actor saw it.
func (a *Admin) ConsentsOf(ctx context.Context, actor Actor, id string) ([]Consent, error) {
	if err := a.read(ctx, actor, ReadPersonal); err != nil {
		return nil, err
	}
	if _, err := a.Store.Users.User(ctx, id); err != nil {
		return nil, err
	}
	if err := a.noteReader(ctx, actor, id, "consents", true); err != nil {
		return nil, err
	}
	found, err := a.Store.Consents.Connections(ctx, id)
	all := []Consent{}
	for _, c := range found {
		all = append(all, Consent{
			UserID: id, ClientID: c.ClientID, Scope: c.Scope, Declined: c.Declined, CreatedAt: c.CreatedAt,
			UpdatedAt: c.UpdatedAt,
		})
	}
	return all, err
}
