package admin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/audit"
	"github.com/maru-auth/maru/authz-server/internal/notices"
	"github.com/maru-auth/maru/authz-server/internal/profile"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/roles"
	"github.com/maru-auth/maru/authz-server/internal/throttle"
)

// onPerson runs f, an operation on the account with this id, which nobody else changes meanwhile. If
// its person is an administrator, it is a [Crown], and another one who can log in must be left.
func (a *Admin) onPerson(ctx context.Context, actor Actor, do Action, id, reason string,
	f func(ctx context.Context, user accounts.User) error) error {
	return a.change(ctx, actor, do, reason, func(ctx context.Context) error {
		if err := a.Store.Users.Hold(ctx, id); err != nil {
			return err
		}
		user, err := a.Store.Users.User(ctx, id)
		if err != nil {
			return err
		}
		crowned, err := a.has(ctx, id, roles.Role.Administers)
		if err != nil {
			return err
		}
		if err := a.mayTouch(ctx, actor, do, crowned, a.Store.Users, id); err != nil {
			return err
		}
		if crowned {
			return a.keepOne(ctx, actor, func(ctx context.Context) error { return f(ctx, user) })
		}
		if err := f(ctx, user); err != nil {
			return err
		}
		if crowned, err = a.has(ctx, id, roles.Role.Administers); err != nil || !crowned {
			return err
		}
		return a.crown(ctx, user)
	})
}

// keepOne runs f, which may take away an administrator. Only the machine may take the last one, if
// it says so.
func (a *Admin) keepOne(ctx context.Context, actor Actor, f func(ctx context.Context) error) error {
	if actor.Kind == Machine && actor.Force {
		return f(ctx)
	}
	err := a.Store.KeepAdministrator(ctx, f)
	if errors.Is(err, store.ErrLastAdministrator) {
		return refuse(LastAdministrator)
	}
	return err
}

// note records what was done to a person.
func (a *Admin) note(ctx context.Context, kind audit.Kind, user accounts.User, detail map[string]any) error {
	return a.Audit.Record(ctx, audit.Entry{
		Kind: kind, Person: user.ID, Target: audit.Target{Kind: "user", Label: user.Email}, Detail: detail,
	})
}

// PeopleQuery chooses accounts.
type PeopleQuery struct {
	Text  string // the beginning of the address, or of a word of the name; empty: all, by their addresses
	Role  roles.Role
	State accounts.State
	After string // [Page.Next] of the page before
	Limit int    // 1 to [PageLimit]; 0: 100
}

// has tells whether an account has the role of q, directly, and is in its state.
func (q PeopleQuery) has(a Account) bool {
	if q.Role != (roles.Role{}) && !slices.Contains(a.Roles, q.Role) {
		return false
	}
	switch q.State {
	case accounts.Closed:
		return a.Disabled
	case accounts.Leaving:
		return !a.DeleteAt.IsZero()
	}
	return true
}

// People lists accounts. With a role, it lists whom it was given to directly; whoever has it by a
// group is among the group's members. A page of a search that asks for more than a text can have fewer
// accounts than its limit, or none, and there can be more nevertheless: see [Page.Next].
func (a *Admin) People(ctx context.Context, actor Actor, q PeopleQuery) (page Page[Account], err error) {
	if err := a.read(ctx, actor, Read); err != nil {
		return page, err
	}
	limit, err := checkLimit(q.Limit)
	if err != nil {
		return page, err
	}
	switch {
	case strings.TrimSpace(q.Text) != "":
	case q.Role != (roles.Role{}):
		all, err := a.Store.Users.ListUsersWith(ctx, q.Role, q.After, limit+1)
		found := pageOf(all, limit, func(u accounts.User) string { return u.ID })
		return q.choose(shownAs(found, accountOf)), err
	default:
		all, err := a.Store.Users.ListUsersIn(ctx, q.State, q.After, limit+1)
		return shownAs(pageOf(all, limit, func(u accounts.User) string { return u.Key }), accountOf), err
	}
	found, err := a.Store.Users.Search(ctx, q.Text, q.After, limit+1)
	users := pageOf(found, limit, func(f accounts.Found) string { return f.Cursor })
	return q.choose(shownAs(users, func(f accounts.Found) Account { return accountOf(f.User) })), err
}

// choose leaves out of a page what q does not ask for.
func (q PeopleQuery) choose(page Page[Account]) Page[Account] {
	page.Items = slices.DeleteFunc(page.Items, func(a Account) bool { return !q.has(a) })
	return page
}

// Find returns the account with this id or e-mail address.
func (a *Admin) Find(ctx context.Context, actor Actor, idOrEmail string) (Account, error) {
	if err := a.read(ctx, actor, Read); err != nil {
		return Account{}, err
	}
	find := a.Store.Users.User
	if strings.Contains(idOrEmail, "@") {
		find = a.Store.Users.UserByEmail
	}
	user, err := find(ctx, idOrEmail)
	return a.withKeeper(ctx, accountOf(user), err)
}

// Addresses returns the e-mail addresses of accounts, by their ids, for a list that names people. Who
// is gone is left out.
func (a *Admin) Addresses(ctx context.Context, actor Actor, ids []string) (map[string]string, error) {
	if err := a.read(ctx, actor, ReadPersonal); err != nil {
		return nil, err
	}
	all := map[string]string{}
	for _, id := range ids {
		if _, known := all[id]; known {
			continue
		}
		user, err := a.Store.Users.User(ctx, id)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return nil, err
		}
		all[id] = user.Email
	}
	return all, nil
}

// NewPerson is an account to be made.
type NewPerson struct {
	Email         string
	EmailVerified bool // the operator knows that the address is the person's
	Name          string
	Password      string // empty: none; the person gets a link to choose one
	Roles         []roles.Role
}

// CreatePerson makes an account. [store.ErrExists]: the address has one.
func (a *Admin) CreatePerson(ctx context.Context, actor Actor, in NewPerson, reason string) (_ Account, err error) {
	var made accounts.User
	do := provisioning(actor, Change)
	if slices.ContainsFunc(in.Roles, roles.Role.Administers) {
		do = Crown
	}
	if err := a.may(actor, do, Target{}); err != nil { // before anything is computed
		return Account{}, err
	}
	if do == Provision && len(in.Roles) > 0 { // a directory puts people into groups
		return Account{}, refuse(NoRight)
	}
	user := accounts.User{EmailVerified: in.EmailVerified, Roles: in.Roles}
	if user.Email, err = profile.CleanEmail(in.Email); err != nil {
		return Account{}, wrong("email", err.Error())
	}
	if user.Name, err = profile.CleanName(in.Name); err != nil {
		return Account{}, wrong("name", err.Error())
	}
	if in.Password != "" {
		if err := a.doneBefore(ctx, actor); err != nil { // what is a weak password may have changed since
			return Account{}, err
		}
		if user.PasswordHash, err = a.hash(ctx, in.Password, user); err != nil {
			return Account{}, err
		}
	}
	err = a.change(ctx, actor, do, reason, func(ctx context.Context) error {
		if made, err = a.Store.Users.CreateUser(ctx, user); err != nil {
			return a.unknownRole(ctx, err, in.Roles)
		}
		if err := a.keep(ctx, actor, do, a.Store.Users, made.ID); err != nil {
			return err
		}
		noteMade(ctx, made.ID)
		if err := a.tellOfNew(ctx, made); err != nil {
			return err
		}
		return a.note(ctx, audit.UserCreated, made, map[string]any{"roles": roles.Names(made.Roles)})
	})
	return accountOf(made), err
}

// AdoptPerson makes an account as another system had it, with the hash of its password, its claims
// and roles, all of which the caller has checked. Only the machine does it. Errors are those of
// [accounts.Users.CreateUser].
func (a *Admin) AdoptPerson(ctx context.Context, actor Actor, user accounts.User, reason string) (Account, error) {
	if actor.Kind != Machine {
		return Account{}, refuse(NeedsMachine)
	}
	var made accounts.User
	err := a.change(ctx, actor, Crown, reason, func(ctx context.Context) (err error) {
		if made, err = a.Store.Users.CreateUser(ctx, user); err != nil {
			return err
		}
		if user.Claims != (accounts.Claims{}) {
			if err := a.Store.Users.SetClaims(ctx, made.ID, user.Claims); err != nil {
				return err
			}
		}
		if err := a.tellOfNew(ctx, made); err != nil {
			return err
		}
		return a.note(ctx, audit.UserCreated, made, map[string]any{"roles": roles.Names(made.Roles), "imported": true})
	})
	return accountOf(made), err
}

// ErrBusy says that too many passwords are being hashed. The actor can try again in some seconds.
var ErrBusy = errors.New("too many passwords are being hashed")

// hash refuses a weak password, as the pages do, and hashes another. All that operators and services
// want hashed waits in one queue, of its own: people who log in do not wait for it.
func (a *Admin) hash(ctx context.Context, password string, user accounts.User) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, throttle.Patience)
	defer cancel()
	problem, err := a.Passwords.Weakness(ctx, a.Passwords.Operators, password, user.Email, user.Name)
	if err == nil && problem != "" {
		err = wrong("password", "is refused: "+strings.ReplaceAll(string(problem), "_", " "))
	}
	hashed := ""
	if err == nil {
		hashed, err = a.Passwords.Hash(ctx, a.Passwords.Operators, password)
	}
	if throttle.IsBusy(err) {
		err = fmt.Errorf("%w: %w", ErrBusy, err)
	}
	return hashed, err
}

// SetPassword gives an account a new password, which ends its sessions and grants. Only the machine
// does it: nobody else should know somebody's password. [Admin.SendReset] lets people choose one.
func (a *Admin) SetPassword(ctx context.Context, actor Actor, id, password, reason string) error {
	if actor.Kind != Machine {
		return refuse(NeedsMachine)
	}
	user, err := a.Store.Users.User(ctx, id)
	if err != nil {
		return err
	}
	hash, err := a.hash(ctx, password, user)
	if err != nil {
		return err
	}
	return a.onPerson(ctx, actor, Change, id, reason, func(ctx context.Context, user accounts.User) error {
		if err := a.Store.Users.ResetPassword(ctx, id, hash, ""); err != nil {
			return err
		}
		return a.Notices.Note(ctx, nil, user, notices.PasswordReset, "")
	})
}

// DisablePerson closes an account: its sessions end, and everything that it allowed to applications
// is revoked.
func (a *Admin) DisablePerson(ctx context.Context, actor Actor, id, reason string) error {
	do := provisioning(actor, Change)
	return a.onPerson(ctx, actor, do, id, reason, func(ctx context.Context, user accounts.User) error {
		if err := a.Store.Users.SetDisabled(ctx, id, true); err != nil {
			return err
		}
		return a.note(ctx, audit.UserDisabled, user, nil)
	})
}

// EnablePerson opens a closed account again. If it is an administrator's, the others are told.
func (a *Admin) EnablePerson(ctx context.Context, actor Actor, id, reason string) error {
	do := provisioning(actor, Change)
	return a.onPerson(ctx, actor, do, id, reason, func(ctx context.Context, user accounts.User) error {
		if err := a.Store.Users.SetDisabled(ctx, id, false); err != nil {
			return err
		}
		if user.Disabled {
			if err := a.Notices.Reopened(ctx, id); err != nil {
				return err
			}
		}
		return a.note(ctx, audit.UserEnabled, user, nil)
	})
}

// SetRoles replaces the roles that a person was given directly, and returns those of before.
func (a *Admin) SetRoles(
	ctx context.Context, actor Actor, id string, all []roles.Role, reason string,
) (before []roles.Role, err error) {
	do := Change
	if slices.ContainsFunc(all, roles.Role.Administers) {
		do = Crown
	}
	err = a.onPerson(ctx, actor, do, id, reason, func(ctx context.Context, user accounts.User) error {
		before = user.Roles
		if err := a.Store.Roles.Set(ctx, id, all); err != nil {
			return a.unknownRole(ctx, err, all)
		}
		for _, one := range all {
			if !slices.Contains(before, one) {
				if err := a.noteRole(ctx, audit.RoleGranted, user, one); err != nil {
					return err
				}
			}
		}
		for _, one := range before {
			if !slices.Contains(all, one) {
				if err := a.noteRole(ctx, audit.RoleRevoked, user, one); err != nil {
					return err
				}
			}
		}
		return nil
	})
	return before, err
}

// unknownRole names the role in an error that says that nobody defined one of them.
func (a *Admin) unknownRole(ctx context.Context, err error, all []roles.Role) error {
	if !errors.Is(err, roles.ErrUnknown) {
		return err
	}
	for _, one := range all {
		if _, err := a.Store.Roles.Definition(ctx, one); errors.Is(err, roles.ErrUnknown) {
			return wrong("roles", fmt.Sprintf("has %s, which nobody defined", one))
		}
	}
	return err
}

func (a *Admin) noteRole(ctx context.Context, kind audit.Kind, user accounts.User, r roles.Role) error {
	return a.Audit.Record(ctx, audit.Entry{
		Kind: kind, Person: user.ID, Target: audit.Target{Kind: "role", ID: r.String(), Label: user.Email},
	})
}

// GiveRole gives a person a role.
func (a *Admin) GiveRole(ctx context.Context, actor Actor, id string, r roles.Role, reason string) error {
	do := Change
	if r.Administers() {
		do = Crown
	}
	return a.onPerson(ctx, actor, do, id, reason, func(ctx context.Context, user accounts.User) error {
		if slices.Contains(user.Roles, r) {
			return nil
		}
		if err := a.Store.Roles.Give(ctx, id, r); err != nil {
			if errors.Is(err, roles.ErrUnknown) {
				return wrong("role", fmt.Sprintf("%s is one that nobody defined", r))
			}
			return err
		}
		return a.noteRole(ctx, audit.RoleGranted, user, r)
	})
}

// TakeRole takes a role from a person that they were given directly. [store.ErrNotFound]: they were
// not.
func (a *Admin) TakeRole(ctx context.Context, actor Actor, id string, r roles.Role, reason string) error {
	return a.onPerson(ctx, actor, Change, id, reason, func(ctx context.Context, user accounts.User) error {
		if err := a.Store.Roles.Take(ctx, id, r); err != nil {
			return err
		}
		return a.noteRole(ctx, audit.RoleRevoked, user, r)
	})
}

// EndSessions ends all sessions of a person, and revokes everything that they allowed to
// applications in them. The person is told.
func (a *Admin) EndSessions(ctx context.Context, actor Actor, id, reason string) error {
	return a.onPerson(ctx, actor, Change, id, reason, func(ctx context.Context, user accounts.User) error {
		if err := a.Store.Sessions.EndSessionsByAdmin(ctx, id); err != nil {
			return err
		}
		return a.Notices.Note(ctx, nil, user, notices.SessionsEnded, "")
	})
}

// EndSession ends one session of a person. [store.ErrNotFound]: it is over, or another person's.
func (a *Admin) EndSession(ctx context.Context, actor Actor, id, session, reason string) error {
	return a.onPerson(ctx, actor, Change, id, reason, func(ctx context.Context, user accounts.User) error {
		if err := a.Store.Sessions.EndSessionByAdmin(ctx, id, session); err != nil {
			return err
		}
		return a.Audit.Record(ctx, audit.Entry{
			Kind: audit.SessionEnded, Person: id, Target: audit.Target{Kind: "session", ID: session, Label: user.Email},
			Detail: map[string]any{"how": "by an operator"},
		})
	})
}

// RemoveFactors turns the second step off for a person who lost their phone and their recovery
// codes: their password alone lets them in then. They are told. [store.ErrNotFound]: they have none.
func (a *Admin) RemoveFactors(ctx context.Context, actor Actor, id, reason string) error {
	return a.onPerson(ctx, actor, Change, id, reason, func(ctx context.Context, user accounts.User) error {
		if err := a.Store.Factors.RemoveTOTP(ctx, id); err != nil {
			return err
		}
		return a.Notices.Note(ctx, nil, user, notices.SecondStepOff, "")
	})
}

// RemovePasskey removes a passkey of a person, whom it tells. [store.ErrNotFound]: they have no such
// passkey. [accounts.ErrLastWay]: nothing else would be left to log in by.
func (a *Admin) RemovePasskey(ctx context.Context, actor Actor, id, passkey, reason string) error {
	return a.onPerson(ctx, actor, Change, id, reason, func(ctx context.Context, user accounts.User) error {
		removed, err := a.Store.Passkeys.RemovePasskey(ctx, id, passkey)
		if err != nil {
			return err
		}
		return a.Notices.Note(ctx, nil, user, notices.PasskeyRemoved, removed.Name)
	})
}

// DeletionWish is how an account is to be deleted.
type DeletionWish struct {
	Now   bool  // a server deletes it within a minute; otherwise its person has seven days to keep it
	Posts *bool // what the person wrote goes too; nil: as the person chose, or no
}

// DeletePerson has an account deleted, and returns when that is. [store.ErrExists]: it waits already.
func (a *Admin) DeletePerson(
	ctx context.Context, actor Actor, id string, wish DeletionWish, reason string,
) (at time.Time, err error) {
	do := provisioning(actor, Change)
	err = a.onPerson(ctx, actor, do, id, reason, func(ctx context.Context, user accounts.User) error {
		posts := user.DeletePosts
		if wish.Posts != nil {
			posts = *wish.Posts
		}
		if wish.Now {
			at = a.Now()
			if err := a.Store.Users.HastenDeletion(ctx, id, posts); err != nil {
				return err
			}
			return a.note(ctx, audit.UserDeleted, user, map[string]any{"posts": posts})
		}
		if at, err = a.Store.Users.PlanDeletion(ctx, id, posts); err != nil {
			if errors.Is(err, store.ErrNotFound) {
				at = user.DeleteAt
				return store.ErrExists
			}
			return err
		}
		return a.tell(ctx, actor, user, notices.DeletionPlanned, "")
	})
	return at, err
}

// KeepPerson keeps an account that waits to be deleted. If it is an administrator's, the others are told.
// [store.ErrNotFound]: it does not wait.
func (a *Admin) KeepPerson(ctx context.Context, actor Actor, id, reason string) error {
	return a.onPerson(ctx, actor, Change, id, reason, func(ctx context.Context, user accounts.User) error {
		if err := a.Store.Users.CancelDeletion(ctx, id); err != nil {
			return err
		}
		if err := a.Notices.Reopened(ctx, id); err != nil {
			return err
		}
		return a.tell(ctx, actor, user, notices.DeletionCancelled, "")
	})
}
