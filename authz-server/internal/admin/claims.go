package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/audit"
	"github.com/maru-auth/maru/authz-server/internal/notices"
	"github.com/maru-auth/maru/authz-server/internal/profile"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
)

// claimsPatch is what a patch of claims can hold. Decoding it changes the account that it points
// into.
type claimsPatch struct {
	*accounts.Claims

	Name          *string `json:"name"`
	Locale        *string `json:"locale"`
	EmailVerified *bool   `json:"email_verified"`
}

// PatchClaims changes what an account says of its person, as a JSON object of OpenID claims says.
// Claims that it does not name stay; an empty value removes one. A phone number that changes is not
// verified any more, unless the object says so.
func PatchClaims(u *accounts.User, patch []byte, now time.Time) (err error) {
	phone := u.Claims.PhoneNumber
	into := claimsPatch{Claims: &u.Claims, Name: &u.Name, Locale: &u.Locale, EmailVerified: &u.EmailVerified}
	decoder := json.NewDecoder(bytes.NewReader(patch))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&into); err != nil {
		return err
	}
	if decoder.More() {
		return errors.New("there is more than one JSON object")
	}
	var named struct {
		PhoneVerified *bool `json:"phone_number_verified"`
	}
	if err := json.Unmarshal(patch, &named); err != nil {
		return err
	}
	if u.Claims.PhoneNumber != phone && named.PhoneVerified == nil {
		u.Claims.PhoneVerified = false
	}
	if err := profile.Clean(u, now); err != nil {
		return err
	}
	if u.Name, err = profile.CleanName(u.Name); err != nil {
		return fmt.Errorf("name: %w", err)
	}
	return nil
}

// Profile returns an account and what it says of its person. [Admin.Known] has the rest.
func (a *Admin) Profile(ctx context.Context, actor Actor, id string) (Account, accounts.Claims, error) {
	if err := a.read(ctx, actor, ReadPersonal); err != nil {
		return Account{}, accounts.Claims{}, err
	}
	user, err := a.Store.Users.User(ctx, id)
	if err == nil {
		err = a.noteReader(ctx, actor, id, "profile", true)
	}
	if err != nil {
		return Account{}, accounts.Claims{}, err
	}
	return accountOf(user), user.Claims, nil
}

// EditPerson changes what an account says of its person, as [PatchClaims] does. version is that of
// the [Account] that the actor has seen; empty: any. [store.ErrStale]: it is another by now.
func (a *Admin) EditPerson(ctx context.Context, actor Actor, id, version string, patch []byte, reason string) error {
	do := provisioning(actor, Change)
	return a.onPerson(ctx, actor, do, id, reason, func(ctx context.Context, before accounts.User) error {
		if version != "" && version != versionOf(before.UpdatedAt) {
			return store.ErrStale
		}
		var named map[string]json.RawMessage
		if err := a.Store.Users.EditUser(ctx, id, func(u *accounts.User) error {
			if err := PatchClaims(u, patch, a.Now()); err != nil {
				return wrong("claims", err.Error())
			}
			return json.Unmarshal(patch, &named)
		}); err != nil {
			return err
		}
		var members []string // and not their values
		for name := range named {
			members = append(members, name)
		}
		slices.Sort(members)
		return a.note(ctx, audit.UserChanged, before, map[string]any{"members": members})
	})
}

// SetEmail gives an account another address. verified says that the operator knows that it is the
// person's. [store.ErrExists]: it has an account. The person is told at the address of before.
func (a *Admin) SetEmail(ctx context.Context, actor Actor, id, email string, verified bool, reason string) error {
	email, err := profile.CleanEmail(email)
	if err != nil {
		return wrong("email", err.Error())
	}
	do := provisioning(actor, Change)
	return a.onPerson(ctx, actor, do, id, reason, func(ctx context.Context, before accounts.User) error {
		if err := a.Store.Users.SetEmail(ctx, id, email); err != nil {
			return err
		}
		if err := a.Store.Users.EditUser(ctx, id, func(u *accounts.User) error {
			u.EmailVerified = verified
			return nil
		}); err != nil {
			return err
		}
		return a.tell(ctx, actor, before, notices.EmailChanged, email)
	})
}
