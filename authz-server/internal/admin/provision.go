package admin

import (
	"context"
	"errors"
	"time"
	"unicode/utf8"

	"github.com/maru-auth/maru/authz-server/internal/audit"
	"github.com/maru-auth/maru/authz-server/internal/notices"
	"github.com/maru-auth/maru/authz-server/internal/profile"
	"github.com/maru-auth/maru/authz-server/internal/recovery"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/roles"
)

// What directories do: they keep accounts and groups here as they have them, by SCIM. Whatever has
// power over the server does not exist for them: it is neither listed nor found nor changed, whoever
// acts.

// ErrLeaving says that an account with this address is being deleted. Within a minute, the address is
// free.
var ErrLeaving = errors.New("the account with this address is being deleted")

// ErrTooMany says that something is more than one call does.
var ErrTooMany = errors.New("that is more than one call does")

// ProvisionedPerson is an account as a directory has it.
type ProvisionedPerson struct {
	ID         string
	Email      string
	Name       string
	Locale     string // a BCP 47 tag
	Claims     accounts.Claims
	Disabled   bool
	ExternalID string // what the directory calls it; of clients alone, each of which has its own
	Groups     []KnownGroup
	Roles      []roles.Role // given directly
	CreatedAt  time.Time
	UpdatedAt  time.Time
	Version    string
}

func personOf(p accounts.Provisioned) ProvisionedPerson {
	of := ProvisionedPerson{
		ID: p.ID, Email: p.Email, Name: p.Name, Locale: p.Locale, Claims: p.Claims, Disabled: p.Disabled, ExternalID: p.ExternalID,
		Roles: p.Roles, CreatedAt: p.CreatedAt, UpdatedAt: p.UpdatedAt, Version: versionOf(p.UpdatedAt),
	}
	for _, g := range p.Groups {
		of.Groups = append(of.Groups, KnownGroup{ID: g.ID, Name: g.Name})
	}
	return of
}

// PeopleOf chooses the accounts that [Admin.WalkPeople] goes through: by one of its fields, or all.
type PeopleOf struct {
	ID         string
	Email      string
	ExternalID string
	GroupID    string    // the members of the group
	Since      time.Time // those that changed then or later
	Beginning  string    // those whose address, or a word of whose name, begins so
}

// namespace is in which the actor has external ids.
func (a Actor) namespace() string {
	if a.Kind == Client {
		return a.ID
	}
	return "" // which no client has
}

// walked is how many accounts or groups one statement reads.
const walked = 200

// ProvisionedPerson returns an account as a directory has it.
func (a *Admin) ProvisionedPerson(ctx context.Context, actor Actor, id string) (p ProvisionedPerson, err error) {
	if err := a.read(ctx, actor, provisioning(actor, Read)); err != nil {
		return p, err
	}
	found, err := a.Store.Users.Provisioned(ctx, actor.namespace(), id)
	return personOf(found), err
}

// WalkPeople goes through accounts in an order that stays, beginning after a cursor ("": the first),
// until each returns false. each also gets the cursor of what comes after the account.
func (a *Admin) WalkPeople(ctx context.Context, actor Actor, of PeopleOf, after string,
	each func(p ProvisionedPerson, cursor string) bool) error {
	if err := a.read(ctx, actor, provisioning(actor, Read)); err != nil {
		return err
	}
	if of.ID != "" || of.Email != "" {
		return walkOne(after, of.ID, func() (string, error) {
			user, err := a.Store.Users.UserByEmail(ctx, of.Email)
			return user.ID, err
		}, func(id string) error {
			found, err := a.Store.Users.Provisioned(ctx, actor.namespace(), id)
			if err == nil {
				each(personOf(found), found.ID)
			}
			return err
		})
	}
	if of.GroupID != "" {
		if _, err := a.Store.Roles.Provisioned(ctx, actor.namespace(), of.GroupID); err != nil {
			return ignoreMissing(err)
		}
	}
	listing := accounts.Listing{ExternalID: of.ExternalID, GroupID: of.GroupID, Since: of.Since, Beginning: of.Beginning}
	return walk(after, func(after string) ([]accounts.Provisioned, error) {
		return a.Store.Users.List(ctx, actor.namespace(), listing, after, walked)
	}, func(p accounts.Provisioned) (string, bool) { return p.Cursor, each(personOf(p), p.Cursor) })
}

// walkOne visits one at most: that with this id, or, without an id, the one that find finds.
func walkOne(after, id string, find func() (id string, err error), visit func(id string) error) (err error) {
	if after != "" {
		return nil
	}
	if id == "" {
		if id, err = find(); err != nil {
			return ignoreMissing(err)
		}
	}
	return ignoreMissing(visit(id))
}

// walk reads batch after batch.
func walk[T any](after string, next func(after string) ([]T, error), each func(T) (cursor string, goOn bool)) error {
	for {
		batch, err := next(after)
		if err != nil {
			return err
		}
		for _, one := range batch {
			cursor, goOn := each(one)
			if !goOn {
				return nil
			}
			after = cursor
		}
		if len(batch) < walked {
			return nil
		}
	}
}

func ignoreMissing(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}

// PeopleIDs returns the ids of all accounts, in the order in which [Admin.WalkPeople] goes through
// all: they are its cursors. [ErrTooMany]: there are more than most.
func (a *Admin) PeopleIDs(ctx context.Context, actor Actor, most int) ([]string, error) {
	if err := a.read(ctx, actor, provisioning(actor, Read)); err != nil {
		return nil, err
	}
	return upTo(most, func(after string, limit int) ([]string, error) {
		return a.Store.Users.IDs(ctx, after, limit)
	}, itself)
}

// upTo returns all that next returns in batches, each after the id of the last. [ErrTooMany]: there are
// more than most.
func upTo[T any](most int, next func(after string, limit int) ([]T, error), idOf func(T) string) ([]T, error) {
	const atOnce = 500
	all := []T{}
	for after := ""; ; after = idOf(all[len(all)-1]) {
		batch, err := next(after, atOnce)
		all = append(all, batch...)
		switch {
		case err != nil:
			return nil, err
		case len(all) > most:
			return nil, ErrTooMany
		case len(batch) < atOnce:
			return all, nil
		}
	}
}

func itself(id string) string { return id }

// onOrdinary runs f, an operation on an account that directories can change, which nobody else
// changes meanwhile. version is what the actor has seen; empty: any. [store.ErrNotFound]: there is no
// such account for directories. [store.ErrStale]: it has another version by now. [NotKept]: the
// directory that acts does not keep it.
func (a *Admin) onOrdinary(ctx context.Context, actor Actor, id, version, reason string,
	f func(ctx context.Context, before accounts.Provisioned) error) error {
	do := provisioning(actor, Change)
	return a.change(ctx, actor, do, reason, func(ctx context.Context) error {
		if err := a.Store.Users.Hold(ctx, id); err != nil {
			return err
		}
		before, err := a.Store.Users.Provisioned(ctx, actor.namespace(), id)
		if err != nil {
			return err
		}
		if err := a.mayTouch(ctx, actor, do, false, id, a.Store.Users.Keeper); err != nil {
			return err
		}
		if version != "" && version != versionOf(before.UpdatedAt) {
			return store.ErrStale
		}
		return f(ctx, before)
	})
}

// Provision makes an account as a directory has it: its ID, Groups, Roles, times and Version are not
// looked at. The person has no password: they get a letter with a link to choose one, if this server
// sends mail. Nobody has proved that the address is theirs. [store.ErrExists]: the address has an
// account, which may be one that directories do not see. [ErrLeaving]: it had one until now.
func (a *Admin) Provision(ctx context.Context, actor Actor, p ProvisionedPerson, reason string) (made ProvisionedPerson, err error) {
	do := provisioning(actor, Change)
	if err := a.may(actor, do, Target{}); err != nil {
		return made, err
	}
	user, err := a.provisioned(accounts.User{Disabled: p.Disabled}, p)
	if err != nil {
		return made, err
	}
	err = a.change(ctx, actor, do, reason, func(ctx context.Context) error {
		claims := user.Claims
		user, err := a.Store.Users.CreateUser(ctx, user)
		if err != nil {
			return a.leaving(ctx, p.Email, err)
		}
		if claims != (accounts.Claims{}) {
			if err := a.Store.Users.SetClaims(ctx, user.ID, claims); err != nil {
				return err
			}
		}
		if err := a.keep(ctx, actor, do, user.ID, a.Store.Users.SetKeeper); err != nil {
			return err
		}
		if err := a.setExternalID(ctx, actor, user.ID, "", p.ExternalID); err != nil {
			return err
		}
		if err := a.note(ctx, audit.UserCreated, user, map[string]any{"provisioned": true}); err != nil {
			return err
		}
		if err := a.welcome(ctx, actor, user); err != nil {
			return err
		}
		found, err := a.Store.Users.Provisioned(ctx, actor.namespace(), user.ID)
		made = personOf(found)
		return err
	})
	return made, err
}

// leaving makes [ErrLeaving] of an err that says that the address has an account.
func (a *Admin) leaving(ctx context.Context, email string, err error) error {
	if !errors.Is(err, store.ErrExists) {
		return err
	}
	user, lookUp := a.Store.Users.UserByEmail(ctx, email)
	if lookUp == nil && !user.DeleteAt.IsZero() && !user.DeleteAt.After(a.Now()) {
		return ErrLeaving
	}
	return err
}

// provisioned is the account u with what a directory says of it, cleaned.
func (a *Admin) provisioned(u accounts.User, p ProvisionedPerson) (_ accounts.User, err error) {
	phone := u.Claims.PhoneNumber
	u.Name, u.Locale, u.Claims = p.Name, p.Locale, p.Claims
	if u.Email, err = profile.CleanEmail(p.Email); err != nil {
		return u, wrong("email", "is no e-mail address")
	}
	if u.Name, err = profile.CleanName(u.Name); err != nil {
		return u, wrong("name", "must have 1 to 100 characters, without control characters")
	}
	if err := profile.Clean(&u, a.Now()); err != nil {
		return u, wrong("claims", err.Error())
	}
	if u.Claims.PhoneNumber != phone {
		u.Claims.PhoneVerified = false
	}
	if len(p.ExternalID) > maxExternalID || !utf8.ValidString(p.ExternalID) || !printable(p.ExternalID) {
		return u, wrong("external_id", "must be printable text of at most 255 bytes")
	}
	return u, nil
}

// maxExternalID is how long a directory's name of something may be, in bytes.
const maxExternalID = 255

// EditProvisioned changes an account as edit does, and returns what it is then. All that edit changes
// is changed, or nothing. edit runs before anything is locked, may be called again for the same
// change, and must not call Admin. [store.ErrStale]: the account has another version than version by
// now. [ErrContended]: others change it all the time.
//
// An address that changes has not been proved by anybody, and its person is told at the one of before.
// Whoever is disabled loses all sessions and tokens at once.
func (a *Admin) EditProvisioned(ctx context.Context, actor Actor, id, version, reason string,
	edit func(*ProvisionedPerson) error) (after ProvisionedPerson, err error) {
	for range 5 {
		if err := a.read(ctx, actor, provisioning(actor, Change)); err != nil {
			return after, err
		}
		seen, err := a.Store.Users.Provisioned(ctx, actor.namespace(), id)
		switch {
		case err != nil:
			return after, err
		case version != "" && version != versionOf(seen.UpdatedAt):
			return after, store.ErrStale
		}
		p := personOf(seen)
		if err := edit(&p); err != nil {
			return after, err
		}
		err = a.onOrdinary(ctx, actor, id, version, reason, func(ctx context.Context, before accounts.Provisioned) error {
			if !sameToDirectories(seen, before) {
				return errMoved
			}
			if err := a.writeProvisioned(ctx, actor, before, p); err != nil {
				return err
			}
			found, err := a.Store.Users.Provisioned(ctx, actor.namespace(), id)
			after = personOf(found)
			return err
		})
		if !errors.Is(err, errMoved) {
			return after, err
		}
	}
	return after, ErrContended
}

// sameToDirectories tells whether nothing changed that a directory can change of an account.
func sameToDirectories(a, b accounts.Provisioned) bool {
	return a.UpdatedAt.Equal(b.UpdatedAt) && a.Email == b.Email && a.Name == b.Name && a.Locale == b.Locale && a.Claims == b.Claims &&
		a.Disabled == b.Disabled && a.ExternalID == b.ExternalID
}

func (a *Admin) writeProvisioned(ctx context.Context, actor Actor, before accounts.Provisioned, p ProvisionedPerson) error {
	user, err := a.provisioned(before.User, p)
	if err != nil {
		return err
	}
	var changed []string // and not their values
	if user.Email != before.Email {
		if err := a.moveAddress(ctx, actor, before.User, user.Email); err != nil {
			return err
		}
		changed = append(changed, "email")
	}
	if user.Name != before.Name || user.Locale != before.Locale || user.Claims != before.Claims {
		if err := a.Store.Users.EditUser(ctx, user.ID, func(u *accounts.User) error {
			u.Name, u.Locale, u.Claims = user.Name, user.Locale, user.Claims
			return nil
		}); err != nil {
			return err
		}
		changed = append(changed, "claims")
	}
	if p.ExternalID != before.ExternalID {
		if err := a.setExternalID(ctx, actor, user.ID, before.ExternalID, p.ExternalID); err != nil {
			return err
		}
		changed = append(changed, "external_id")
	}
	if changed != nil {
		if err := a.note(ctx, audit.UserChanged, before.User, map[string]any{"members": changed}); err != nil {
			return err
		}
	}
	if p.Disabled != before.Disabled {
		if err := a.setDisabled(ctx, actor, user, p.Disabled); err != nil {
			return err
		}
	} else if changed == nil {
		return nil
	}
	return a.Store.Users.Touch(ctx, user.ID, before.UpdatedAt)
}

// moveAddress gives an account another address, or another spelling of the one that it has.
func (a *Admin) moveAddress(ctx context.Context, actor Actor, before accounts.User, email string) error {
	verified := before.EmailVerified && accounts.EmailKey(email) == before.Key
	if err := a.Store.Users.SetEmail(ctx, before.ID, email); err != nil {
		return a.leaving(ctx, email, err)
	}
	if err := a.Store.Users.EditUser(ctx, before.ID, func(u *accounts.User) error {
		u.EmailVerified = verified
		return nil
	}); err != nil {
		return err
	}
	return a.tell(ctx, actor, before, notices.EmailChanged, email)
}

func (a *Admin) setDisabled(ctx context.Context, actor Actor, user accounts.User, disabled bool) error {
	if err := a.Store.Users.SetDisabled(ctx, user.ID, disabled); err != nil {
		return err
	}
	user.Disabled = disabled
	if disabled {
		return a.note(ctx, audit.UserDisabled, user, nil)
	}
	if err := a.note(ctx, audit.UserEnabled, user, nil); err != nil {
		return err
	}
	return a.welcome(ctx, actor, user)
}

func (a *Admin) setExternalID(ctx context.Context, actor Actor, id, before, externalID string) error {
	if externalID == before {
		return nil
	}
	if actor.Kind != Client {
		return wrong("external_id", "is a client's name for it, and only clients have such names")
	}
	return a.Store.Users.SetExternalID(ctx, actor.ID, id, externalID)
}

// WelcomeLifetime is how long the link in the letter to a provisioned person is good.
const WelcomeLifetime = 7 * 24 * time.Hour

// welcome writes to a person who has an open account and nothing to log in by, with a link to choose a
// password. Who has had several within an hour gets no more: those work for a week.
func (a *Admin) welcome(ctx context.Context, actor Actor, user accounts.User) error {
	if a.Mail == nil || !a.Mail.Enabled() || user.Disabled || user.PasswordHash != "" || user.Passkey {
		return nil
	}
	identities, err := a.Store.Upstreams.IdentitiesOf(ctx, user.ID)
	if err != nil || len(identities) > 0 {
		return err
	}
	var many *FieldError
	if err := a.letter(ctx, actor, user.Email); errors.As(err, &many) {
		return nil
	} else if err != nil {
		return err
	}
	return recovery.SendWelcome(ctx, a.Store, a.Mail, a.Issuer, user, a.Now().Add(WelcomeLifetime))
}

// Deprovision has an account deleted: for directories it is gone at once, and a server deletes it
// within a minute. What the person wrote goes too only if they had chosen so.
func (a *Admin) Deprovision(ctx context.Context, actor Actor, id, version, reason string) error {
	return a.onOrdinary(ctx, actor, id, version, reason, func(ctx context.Context, user accounts.Provisioned) error {
		if err := a.Store.Users.HastenDeletion(ctx, id, user.DeletePosts); err != nil {
			return err
		}
		return a.note(ctx, audit.UserDeleted, user.User, map[string]any{"posts": user.DeletePosts})
	})
}
