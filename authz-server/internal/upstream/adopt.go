package upstream

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/profile"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/upstreams"
)

// ErrTaken says that an identity became somebody else's meanwhile, or that its upstream is gone.
var ErrTaken = errors.New("the identity at the upstream is another account's, or the upstream is gone")

// Adopt makes an identity that of a new account, whose profile gets what the upstream says of the
// person. Call it in the transaction that makes the account.
func (u *Upstreams) Adopt(ctx context.Context, r *http.Request, made accounts.User, name, issuer string, person Person) error {
	err := u.Join(ctx, r, made, name, issuer, person)
	if errors.Is(err, store.ErrExists) || errors.Is(err, store.ErrNotFound) || errors.Is(err, upstreams.ErrTooMany) {
		return ErrTaken
	}
	if err != nil {
		return err
	}
	return u.Store.Users.EditUser(ctx, made.ID, func(user *accounts.User) error {
		fill(user, person, u.Now())
		return nil
	})
}

// fill writes into a profile what an upstream says of the person, as far as it is valid.
func fill(user *accounts.User, person Person, now time.Time) {
	for name, value := range map[string]string{"given_name": person.GivenName, "family_name": person.FamilyName, "nickname": person.Nickname,
		"picture": person.Picture} {
		with := *user
		if value != "" && len(profile.Set(&with, map[string]string{name: value}, now, "")) == 0 {
			*user = with
		}
	}
}
