package admin

import (
	"context"
	"errors"

	"github.com/maru-auth/maru/authz-server/internal/store"
)

// withKeeper says of an account that was found which directory keeps it.
func (a *Admin) withKeeper(ctx context.Context, of Account, err error) (Account, error) {
	if err == nil {
		of.Directory, err = a.Store.Users.Keeper(ctx, of.ID)
	}
	return of, err
}

// withGroupKeeper is withKeeper for a group.
func (a *Admin) withGroupKeeper(ctx context.Context, of Group, err error) (Group, error) {
	if err == nil {
		of.Directory, err = a.Store.Roles.Keeper(ctx, of.ID)
	}
	return of, err
}

// ManagesItself tells whether a client registered itself, so that it can have a registration access
// token (RFC 7592).
func (a *Admin) ManagesItself(ctx context.Context, actor Actor, id string) (bool, error) {
	if err := a.read(ctx, actor, Read); err != nil {
		return false, err
	}
	err := a.Store.Clients.HasRegistration(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}
