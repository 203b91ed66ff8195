package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/directory"
	"github.com/maru-auth/maru/authz-server/internal/store/roles"
)

// A configuration gives power over the server. Directories and services must not get it by having made
// something of the right name before: nothing that exists, and is not administrative yet, becomes so
// unless this configuration made it and nobody else has put anything into it, or the operator names it.

// made tells whether this configuration made a thing, and it is that very thing still.
func (r *run) made(e entry, createdAt time.Time) bool {
	m, marked := r.marks[e.kind+"/"+e.markName()]
	return marked && m.Configuration == r.file.Name && m.MadeAt.Equal(createdAt)
}

// adopted tells whether the operator names a thing.
func (r *run) adopted(e entry) bool {
	return slices.ContainsFunc(r.opts.AdoptAdministrative, func(key string) bool {
		kind, name, _ := strings.Cut(key, "/")
		return kind == e.kind && entry{kind: kind, name: name}.markName() == e.markName()
	})
}

// mostNamed is how many people are named who become administrators.
const mostNamed = 50

// crownGroup returns who becomes an administrator by what a group is to be; nil: nobody.
func (r *run) crownGroup(ctx context.Context, want group, before admin.Group, fresh bool) ([]string, error) {
	if fresh || !slices.ContainsFunc(want.roles, roles.Role.Administers) ||
		slices.ContainsFunc(before.Roles, roles.Role.Administers) {
		return nil, nil
	}
	page, err := r.MemberAccounts(ctx, r.actor, before.ID, "", mostNamed)
	if err != nil {
		return nil, err
	}
	var people []string
	for _, one := range page.Items {
		people = append(people, one.Email)
	}
	if page.Next != "" {
		people = append(people, "and others")
	}
	if r.adopted(want.entry) || r.made(want.entry, before.CreatedAt) && len(people) == 0 {
		return people, nil
	}
	in := "It has no members."
	if len(people) > 0 {
		in = "Who would become an administrator: " + plain(strings.Join(people, ", ")) + "."
	}
	return nil, fmt.Errorf("there is such a group, and it has no power over this server yet. A directory or a "+
		"service may have made or filled it. %s If that is right, --adopt-administrative=groups/%s gives it the power", in, plain(want.title))
}

// crownsClient tells whether a client that exists gets power over the server.
func (r *run) crownsClient(want oauthClient, before client.Client, fresh bool) (bool, error) {
	after, _, err := client.Decode(want.metadata)
	if err != nil || fresh || !r.AdministrativeClient(after) || r.AdministrativeClient(before) {
		return false, err
	}
	if !r.made(want.entry, before.CreatedAt) && !r.adopted(want.entry) {
		return false, fmt.Errorf("there is such a client, and it has no power over this server yet. Others made it, "+
			"and may have its secrets. If it is to have the power, --adopt-administrative=clients/%s gives it, and a new secret", plain(want.name))
	}
	return true, nil
}

// anew ends all that a client has by which others could act as it, and returns its new secret; empty:
// it has none.
func (r *run) anew(ctx context.Context, id string) (string, error) {
	rotated, err := r.RotateCompromised(ctx, r.actor, id, r.opts.Reason)
	if errors.Is(err, directory.ErrPublic) || errors.Is(err, directory.ErrOwnKeys) {
		return "", nil
	}
	return rotated.Secret, err
}
