package provisioning

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/audit"
	"github.com/maru-auth/maru/authz-server/internal/notices"
	"github.com/maru-auth/maru/authz-server/internal/profile"
	"github.com/maru-auth/maru/authz-server/internal/recovery"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/roles"
)

// Person is an account as a directory has it.
type Person struct {
	ID         string
	Email      string
	Name       string
	Locale     string // a BCP 47 tag
	Claims     accounts.Claims
	Disabled   bool
	ExternalID string // what the directory calls it; of clients alone, each of which has its own
	Groups     []admin.KnownGroup
	Roles      []roles.Role // given directly
	CreatedAt  time.Time
	UpdatedAt  time.Time
	Version    string
}

func personOf(p accounts.Provisioned) Person {
	of := Person{
		ID: p.ID, Email: p.Email, Name: p.Name, Locale: p.Locale, Claims: p.Claims, Disabled: p.Disabled,
		ExternalID: p.ExternalID, Roles: p.Roles, CreatedAt: p.CreatedAt, UpdatedAt: p.UpdatedAt,
		Version: versionOf(p.UpdatedAt),
	}
	for _, g := range p.Groups {
		of.Groups = append(of.Groups, admin.KnownGroup{ID: g.ID, Name: g.Name})
	}
	return of
}

// versionOf is the version of an account that was changed then.
func versionOf(updated time.Time) string { return strconv.FormatInt(updated.UnixMicro(), 36) }

// PeopleOf chooses the accounts that [Operations.WalkPeople] goes through: by one of its fields, or all.
type PeopleOf struct {
	ID         string
	Email      string
	ExternalID string
	GroupID    string    // the members of the group
	Since      time.Time // those that changed then or later
	Beginning  string    // those whose address, or a word of whose name, begins so
}

// Person returns an account as a directory has it.
func (o *Operations) Person(ctx context.Context, actor admin.Actor, id string) (p Person, err error) {
	if err := o.base.May(ctx, actor, admin.Read); err != nil {
		return p, err
	}
	found, err := o.store.Users.Provisioned(ctx, namespace(actor), id)
	return personOf(found), err
}

// WalkPeople goes through accounts in an order that stays, beginning after a cursor ("": the first),
// until each returns false. each also gets the cursor of what comes after the account.
func (o *Operations) WalkPeople(ctx context.Context, actor admin.Actor, of PeopleOf, after string,
	each func(p Person, cursor string) bool) error {
	if err := o.base.May(ctx, actor, admin.Read); err != nil {
		return err
	}
	if of.ID != "" || of.Email != "" {
		return walkOne(after, of.ID, func() (string, error) {
			user, err := o.store.Users.UserByEmail(ctx, of.Email)
			return user.ID, err
		}, func(id string) error {
			found, err := o.store.Users.Provisioned(ctx, namespace(actor), id)
			if err == nil {
				each(personOf(found), found.ID)
			}
			return err
		})
	}
	if of.GroupID != "" {
		if _, err := o.store.Roles.Provisioned(ctx, namespace(actor), of.GroupID); err != nil {
			return store.IgnoreNotFound(err)
		}
	}
	listing := accounts.Listing{ExternalID: of.ExternalID, GroupID: of.GroupID, Since: of.Since, Beginning: of.Beginning}
	return walk(after, func(after string) ([]accounts.Provisioned, error) {
		return o.store.Users.List(ctx, namespace(actor), listing, after, walked)
	}, func(p accounts.Provisioned) (string, bool) { return p.Cursor, each(personOf(p), p.Cursor) })
}

// PeopleIDs returns the ids of all accounts, in the order in which [Operations.WalkPeople] goes through
// all: they are its cursors. [ErrTooMany]: there are more than most.
func (o *Operations) PeopleIDs(ctx context.Context, actor admin.Actor, most int) ([]string, error) {
	if err := o.base.May(ctx, actor, admin.Read); err != nil {
		return nil, err
	}
	return upTo(most, func(after string, limit int) ([]string, error) {
		return o.store.Users.IDs(ctx, after, limit)
	}, itself)
}

// onPerson runs f, an operation on an account that directories can change, which nobody else changes
// meanwhile. version is what the actor has seen; empty: any. [store.ErrNotFound]: there is no
// such account for directories. [store.ErrStale]: it has another version by now. [admin.NotKept]: the
// directory that acts does not keep it.
func (o *Operations) onPerson(ctx context.Context, actor admin.Actor, id, version, reason string,
	f func(ctx context.Context, before accounts.Provisioned) error) error {
	return o.base.Change(ctx, actor, reason, func(ctx context.Context) error {
		if err := o.store.Users.Hold(ctx, id); err != nil {
			return err
		}
		before, err := o.store.Users.Provisioned(ctx, namespace(actor), id)
		if err != nil {
			return err
		}
		if err := o.base.MayTouch(ctx, actor, o.store.Users, id); err != nil {
			return err
		}
		if version != "" && version != versionOf(before.UpdatedAt) {
			return store.ErrStale
		}
		return f(ctx, before)
	})
}

// CreatePerson makes an account as a directory has it: its ID, Groups, Roles, times and Version are not
// looked at. The person has no password: they get a letter with a link to choose one, if this server
// sends mail. Nobody has proved that the address is theirs. [store.ErrExists]: the address has an
// account, which may be one that directories do not see. [ErrLeaving]: it had one until now.
func (o *Operations) CreatePerson(
	ctx context.Context, actor admin.Actor, p Person, reason string,
) (made Person, err error) {
	err = o.base.Change(ctx, actor, reason, func(ctx context.Context) error {
		user, err := o.provisioned(accounts.User{Disabled: p.Disabled}, p)
		if err != nil {
			return err
		}
		claims := user.Claims
		if user, err = o.store.Users.CreateUser(ctx, user); err != nil {
			return o.leaving(ctx, p.Email, err)
		}
		if claims != (accounts.Claims{}) {
			if err := o.store.Users.SetClaims(ctx, user.ID, claims); err != nil {
				return err
			}
		}
		if err := o.base.Keep(ctx, actor, o.store.Users, user.ID); err != nil {
			return err
		}
		if err := o.setExternalID(ctx, actor, user.ID, "", p.ExternalID); err != nil {
			return err
		}
		if err := o.notePerson(ctx, audit.UserCreated, user, map[string]any{"provisioned": true}); err != nil {
			return err
		}
		if err := o.welcome(ctx, actor, user); err != nil {
			return err
		}
		found, err := o.store.Users.Provisioned(ctx, namespace(actor), user.ID)
		made = personOf(found)
		return err
	})
	return made, err
}

// leaving makes [ErrLeaving] of an err that says that the address has an account.
func (o *Operations) leaving(ctx context.Context, email string, err error) error {
	if !errors.Is(err, store.ErrExists) {
		return err
	}
	user, lookUp := o.store.Users.UserByEmail(ctx, email)
	if lookUp == nil && !user.DeleteAt.IsZero() && !user.DeleteAt.After(o.admin.Now()) {
		return ErrLeaving
	}
	return err
}

// provisioned is the account u with what a directory says of it, cleaned.
func (o *Operations) provisioned(u accounts.User, p Person) (_ accounts.User, err error) {
	phone := u.Claims.PhoneNumber
	u.Name, u.Locale, u.Claims = p.Name, p.Locale, p.Claims
	if u.Email, err = profile.CleanEmail(p.Email); err != nil {
		return u, wrong("email", "is no e-mail address")
	}
	if u.Name, err = profile.CleanName(u.Name); err != nil {
		return u, wrong("name", "must have 1 to 100 characters, without control characters")
	}
	if err := profile.Clean(&u, o.admin.Now()); err != nil {
		return u, wrong("claims", err.Error())
	}
	if u.Claims.PhoneNumber != phone {
		u.Claims.PhoneVerified = false
	}
	return u, nil
}

// EditPerson changes an account as edit does, and returns what it is then. All that edit changes is
// changed, or nothing. edit runs before anything is locked, may be called again for the same change, and
// must not call Operations. [store.ErrStale]: the account has another version than version by now.
// [ErrContended]: others change it all the time.
//
// An address that changes has not been proved by anybody, and its person is told at the one of before.
// Whoever is disabled loses all sessions and tokens at once.
func (o *Operations) EditPerson(ctx context.Context, actor admin.Actor, id, version, reason string,
	edit func(*Person) error) (after Person, err error) {
	for range 5 {
		if err := o.base.May(ctx, actor, admin.Change); err != nil {
			return after, err
		}
		seen, err := o.store.Users.Provisioned(ctx, namespace(actor), id)
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
		err = o.onPerson(ctx, actor, id, version, reason, func(ctx context.Context, before accounts.Provisioned) error {
			if !sameToDirectories(seen, before) {
				return errMoved
			}
			if err := o.writePerson(ctx, actor, before, p); err != nil {
				return err
			}
			found, err := o.store.Users.Provisioned(ctx, namespace(actor), id)
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
	return a.UpdatedAt.Equal(b.UpdatedAt) && a.Email == b.Email && a.Name == b.Name && a.Locale == b.Locale &&
		a.Claims == b.Claims && a.Disabled == b.Disabled && a.ExternalID == b.ExternalID
}

func (o *Operations) writePerson(ctx context.Context, actor admin.Actor, before accounts.Provisioned, p Person) error {
	user, err := o.provisioned(before.User, p)
	if err != nil {
		return err
	}
	var changed []string // and not their values
	if user.Email != before.Email {
		if err := o.moveAddress(ctx, actor, before.User, user.Email); err != nil {
			return err
		}
		changed = append(changed, "email")
	}
	if user.Name != before.Name || user.Locale != before.Locale || user.Claims != before.Claims {
		if err := o.store.Users.EditUser(ctx, user.ID, func(u *accounts.User) error {
			u.Name, u.Locale, u.Claims = user.Name, user.Locale, user.Claims
			return nil
		}); err != nil {
			return err
		}
		changed = append(changed, "claims")
	}
	if p.ExternalID != before.ExternalID {
		if err := o.setExternalID(ctx, actor, user.ID, before.ExternalID, p.ExternalID); err != nil {
			return err
		}
		changed = append(changed, "external_id")
	}
	if changed != nil {
		if err := o.notePerson(ctx, audit.UserChanged, before.User, map[string]any{"members": changed}); err != nil {
			return err
		}
	}
	if p.Disabled != before.Disabled {
		if err := o.setDisabled(ctx, actor, user, p.Disabled); err != nil {
			return err
		}
	} else if changed == nil {
		return nil
	}
	return o.store.Users.Touch(ctx, user.ID, before.UpdatedAt)
}

// moveAddress gives an account another address, or another spelling of the one that it has.
func (o *Operations) moveAddress(ctx context.Context, actor admin.Actor, before accounts.User, email string) error {
	verified := before.EmailVerified && accounts.EmailKey(email) == before.Key
	if err := o.store.Users.SetEmail(ctx, before.ID, email); err != nil {
		return o.leaving(ctx, email, err)
	}
	if err := o.store.Users.EditUser(ctx, before.ID, func(u *accounts.User) error {
		u.EmailVerified = verified
		return nil
	}); err != nil {
		return err
	}
	return o.base.Tell(ctx, actor, before, notices.EmailChanged, email)
}

func (o *Operations) setDisabled(ctx context.Context, actor admin.Actor, user accounts.User, disabled bool) error {
	if err := o.store.Users.SetDisabled(ctx, user.ID, disabled); err != nil {
		return err
	}
	user.Disabled = disabled
	if disabled {
		return o.notePerson(ctx, audit.UserDisabled, user, nil)
	}
	if err := o.notePerson(ctx, audit.UserEnabled, user, nil); err != nil {
		return err
	}
	return o.welcome(ctx, actor, user)
}

func (o *Operations) setExternalID(ctx context.Context, actor admin.Actor, id, before, externalID string) error {
	if externalID == before {
		return nil
	}
	if err := checkExternalID(actor, externalID); err != nil {
		return err
	}
	return o.store.Users.SetExternalID(ctx, actor.ID, id, externalID)
}

// WelcomeLifetime is how long the link in the letter to a provisioned person is good.
const WelcomeLifetime = 7 * 24 * time.Hour

// welcome writes to a person who has an open account and nothing to log in by, with a link to choose a
// password. Who has had several within an hour gets no more: those work for a week.
func (o *Operations) welcome(ctx context.Context, actor admin.Actor, user accounts.User) error {
	if o.admin.Mail == nil || !o.admin.Mail.Enabled() || user.Disabled || user.PasswordHash != "" || user.Passkey {
		return nil
	}
	identities, err := o.store.Upstreams.IdentitiesOf(ctx, user.ID)
	if err != nil || len(identities) > 0 {
		return err
	}
	var many *admin.FieldError
	if err := o.base.CountLetter(ctx, actor, user.Email); errors.As(err, &many) {
		return nil
	} else if err != nil {
		return err
	}
	return recovery.SendWelcome(ctx, o.store, o.admin.Mail, o.admin.Issuer, user, o.admin.Now().Add(WelcomeLifetime))
}

// RemovePerson has an account deleted: for directories it is gone at once, and a server deletes it
// within a minute. What the person wrote goes too only if they had chosen so.
func (o *Operations) RemovePerson(ctx context.Context, actor admin.Actor, id, version, reason string) error {
	return o.onPerson(ctx, actor, id, version, reason, func(ctx context.Context, user accounts.Provisioned) error {
		if err := o.store.Users.HastenDeletion(ctx, id, user.DeletePosts); err != nil {
			return err
		}
		return o.notePerson(ctx, audit.UserDeleted, user.User, map[string]any{"posts": user.DeletePosts})
	})
}
