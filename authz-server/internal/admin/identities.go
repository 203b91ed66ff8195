package admin

import (
	"context"
	"errors"

	"github.com/maru-auth/maru/authz-server/internal/notices"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/upstreams"
)

// UnlinkIdentity takes from a person who they are at an upstream, so that it logs them in no more, and
// tells them. Their sessions stay: see [Admin.EndSessions].
//
// [store.ErrNotFound]: they have no such identity. [upstreams.ErrLastWay]: they have no password, no
// passkey and no other upstream that is enabled; with anyway, they have to reset their password.
func (a *Admin) UnlinkIdentity(
	ctx context.Context, actor Actor, id, identity string, anyway bool, reason string,
) error {
	return a.onPerson(ctx, actor, Change, id, reason, func(ctx context.Context, user accounts.User) error {
		unlink := a.Store.Upstreams.Unlink
		if anyway {
			unlink = a.Store.Upstreams.UnlinkAnyway
		}
		gone, err := unlink(ctx, id, identity)
		if err != nil {
			return err
		}
		return a.Notices.Note(ctx, nil, user, notices.UpstreamUnlinked, gone.Upstream+": "+gone.Label)
	})
}

// Identity returns who a person is at an upstream, and whether they have no other way to log in.
// [store.ErrNotFound]: they are nobody there.
func (a *Admin) Identity(
	ctx context.Context, actor Actor, id, identity string,
) (one KnownIdentity, only bool, err error) {
	if err := a.read(ctx, actor, ReadPersonal); err != nil {
		return one, false, err
	}
	user, err := a.Store.Users.User(ctx, id)
	if err != nil {
		return one, false, err
	}
	all, err := a.Store.Upstreams.IdentitiesOf(ctx, id)
	if err != nil {
		return one, false, err
	}
	err = store.ErrNotFound
	only = user.PasswordHash == "" && !user.Passkey
	for _, i := range all {
		if i.ID == identity {
			one, err = identityOf(i), nil
			continue
		}
		u, err := a.Store.Upstreams.Upstream(ctx, i.Upstream)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return one, false, err
		}
		only = only && (err != nil || u.Disabled || u.Issuer != "" && u.Issuer != i.Issuer)
	}
	return one, only, err
}

func identityOf(i upstreams.Identity) KnownIdentity {
	return KnownIdentity{i.ID, i.Upstream, i.Issuer, i.Subject, i.Label, i.CreatedAt, i.UsedAt}
}

// The bounds of [UpstreamPeople].
const (
	MaxUpstreamPeople = 1000
	maxLocked         = 20
)

// UpstreamPeople is who logs in by an upstream.
type UpstreamPeople struct {
	Number int  // of those who were counted
	More   bool // there are more than [MaxUpstreamPeople], of whom not all were counted
	Only   int  // of those counted: who could not log in without it, and would have to reset their password

	Some []Account // the first 20 of Only
}

// UpstreamPeople counts the people who log in by an upstream. [store.ErrNotFound]: there is none of
// that name.
func (a *Admin) UpstreamPeople(ctx context.Context, actor Actor, name string) (p UpstreamPeople, err error) {
	if err := a.read(ctx, actor, Read); err != nil {
		return p, err
	}
	if _, err := a.Store.Upstreams.Upstream(ctx, name); err != nil {
		return p, err
	}
	linked, err := a.Store.Upstreams.LinkedTo(ctx, name, MaxUpstreamPeople+1)
	if err != nil {
		return p, err
	}
	if p.More = len(linked) > MaxUpstreamPeople; p.More {
		linked = linked[:MaxUpstreamPeople]
	}
	counted := map[string]bool{}
	for _, one := range linked {
		if counted[one.UserID] {
			continue
		}
		counted[one.UserID] = true
		if !one.Only {
			continue
		}
		if p.Only++; len(p.Some) >= maxLocked {
			continue
		}
		user, err := a.Store.Users.User(ctx, one.UserID)
		if errors.Is(err, store.ErrNotFound) { // gone this moment
			continue
		}
		if err != nil {
			return p, err
		}
		p.Some = append(p.Some, accountOf(user))
	}
	p.Number = len(counted)
	return p, nil
}
