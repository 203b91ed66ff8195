package apply

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/directory"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/registry"
	"github.com/maru-auth/maru/authz-server/internal/store/roles"
	"github.com/maru-auth/maru/authz-server/internal/store/upstreams"
	"github.com/maru-auth/maru/authz-server/internal/upstream"
)

// entries are all things of the file.
func (f *File) entries() (all []entry) {
	for _, one := range f.resources {
		all = append(all, one.entry)
	}
	for _, one := range f.roles {
		all = append(all, one.entry)
	}
	for _, one := range f.groups {
		all = append(all, one.entry)
	}
	for _, one := range f.clients {
		all = append(all, one.entry)
	}
	for _, one := range f.upstreams {
		all = append(all, one.entry)
	}
	return all
}

// object is v as JSON.
func object(v any) json.RawMessage {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // texts and lists of them always marshal
	}
	return text
}

// putResources puts those first that only lose scopes, which another may have from now on.
func (r *run) putResources(ctx context.Context) error {
	var lose, gain []resource
	for _, one := range r.file.resources {
		before, err := r.Resource(ctx, r.actor, one.Name)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		if err == nil && !slices.ContainsFunc(one.Scopes, func(scope string) bool { return !slices.Contains(before.Scopes, scope) }) {
			lose = append(lose, one)
		} else {
			gain = append(gain, one)
		}
	}
	return each(append(lose, gain...), r.putResource)(ctx)
}

func (r *run) putResource(ctx context.Context, want resource) error {
	shown := func(one admin.Resource) json.RawMessage {
		return object(map[string]any{"id": one.ID, "scopes": one.Scopes, "description": one.Description})
	}
	before, err := r.Resource(ctx, r.actor, want.Name)
	if errors.Is(err, store.ErrNotFound) {
		if err := r.CreateResource(ctx, r.actor, want.NewResource, r.opts.Reason); err != nil {
			return exists(err)
		}
		made, err := r.Resource(ctx, r.actor, want.Name)
		if err != nil {
			return err
		}
		return r.created(ctx, want.entry, made.CreatedAt, shown(made), false)
	}
	if err != nil {
		return err
	}
	if err := r.mine(want.entry, before.CreatedAt); err != nil {
		return err
	}
	after := before
	after.ID, after.Scopes, after.Description = want.ID, want.Scopes, want.Description
	members, err := differ(shown(before), shown(after))
	if err != nil || len(members) == 0 {
		return err
	}
	if err := r.UpdateResource(ctx, r.actor, before.Version, want.NewResource, r.opts.Reason); err != nil {
		return exists(err)
	}
	return r.updated(want.entry, shown(before), shown(after), false)
}

// exists says in words that a name or id is taken.
func exists(err error) error {
	if errors.Is(err, store.ErrExists) {
		return errors.New("its name or id is taken")
	}
	return err
}

func (r *run) putRole(ctx context.Context, want role) error {
	shown := func(scopes []string, description string) json.RawMessage {
		return object(map[string]any{"scopes": scopes, "description": description})
	}
	before, err := r.RoleDefinition(ctx, r.actor, want.Role)
	if errors.Is(err, roles.ErrUnknown) {
		err := r.DefineRole(ctx, r.actor, want.Definition, r.opts.Reason)
		if errors.Is(err, store.ErrExists) {
			return errors.New("it is just being removed; try again")
		}
		if err != nil {
			return err
		}
		made, err := r.RoleDefinition(ctx, r.actor, want.Role)
		if err != nil {
			return err
		}
		return r.created(ctx, want.entry, made.CreatedAt, shown(want.Scopes, want.Description), false)
	}
	if err != nil {
		return err
	}
	if err := r.mine(want.entry, before.CreatedAt); err != nil {
		return err
	}
	was, is := shown(before.Scopes, before.Description), shown(want.Scopes, want.Description)
	members, err := differ(was, is)
	if err != nil || len(members) == 0 {
		return err
	}
	change := admin.RoleChange{Scopes: append([]string{}, want.Scopes...), Description: &want.Description}
	if err := r.RedefineRole(ctx, r.actor, want.Role, before.Version, change, r.opts.Reason); err != nil {
		return err
	}
	return r.updated(want.entry, was, is, false)
}

func (r *run) putGroup(ctx context.Context, want group) error {
	shown := func(one admin.Group) json.RawMessage {
		return object(map[string]any{"name": one.Name, "external_id": one.ExternalID, "roles": roles.Names(one.Roles)})
	}
	before, err := r.GroupNamed(ctx, r.actor, want.title)
	fresh := errors.Is(err, store.ErrNotFound)
	if fresh {
		external := ""
		if want.external != nil {
			external = *want.external
		}
		before, err = r.CreateGroup(ctx, r.actor, want.title, external, r.opts.Reason)
	}
	if err != nil {
		return err
	}
	if err := r.mine(want.entry, before.CreatedAt); err != nil && !fresh {
		return err
	}
	external := before.ExternalID
	if want.external != nil {
		external = *want.external
	}
	if external != before.ExternalID || want.title != before.Name {
		if _, err := r.EditGroup(ctx, r.actor, before.ID, before.Version, want.title, external, r.opts.Reason); err != nil {
			return err
		}
	}
	for _, one := range want.roles {
		if !slices.Contains(before.Roles, one) {
			if err := r.GiveGroup(ctx, r.actor, before.ID, one, r.opts.Reason); err != nil {
				return err
			}
		}
	}
	for _, one := range before.Roles {
		if !slices.Contains(want.roles, one) {
			if err := r.TakeGroup(ctx, r.actor, before.ID, one, r.opts.Reason); err != nil {
				return err
			}
		}
	}
	// The group is held since it got a role: nobody fills it any more before this has looked.
	becoming, err := r.crownGroup(ctx, want, before, fresh)
	if err != nil {
		return err
	}
	after := before
	after.Name, after.ExternalID, after.Roles = want.title, external, want.roles
	if fresh {
		return r.created(ctx, want.entry, before.CreatedAt, shown(after), false)
	}
	if err := r.updated(want.entry, shown(before), shown(after), false); err != nil || becoming == nil {
		return err
	}
	r.done.Changes[len(r.done.Changes)-1].Administrators = becoming
	return nil
}

func (r *run) putClient(ctx context.Context, want oauthClient) error {
	before, err := r.Client(ctx, r.actor, want.name)
	fresh := errors.Is(err, store.ErrNotFound)
	if err != nil && !fresh {
		return err
	}
	if err := r.mine(want.entry, before.CreatedAt); err != nil && !fresh {
		return err
	}
	crowned, err := r.crownsClient(want, before, fresh)
	if err != nil {
		return err
	}
	var metadata map[string]json.RawMessage
	if err := json.Unmarshal(want.metadata, &metadata); err != nil {
		return err
	}
	if want.secret != "" {
		metadata["client_secret"] = object(want.secret)
	}
	done, err := r.ImportClients(ctx, r.actor, object(metadata), r.opts.Reason)
	if err != nil {
		return err
	}
	if crowned && want.secret == "" {
		if done[0].Secret, err = r.anew(ctx, want.name); err != nil {
			return err
		}
	}
	if done[0].Secret != "" {
		if r.opts.Keep == nil && !r.opts.DryRun {
			return errors.New("it needs a secret: name one by client_secret_file or client_secret_env, or have it generated and kept by --secrets-out")
		}
		r.secrets[want.name] = done[0].Secret
	}
	after, err := r.Client(ctx, r.actor, want.name)
	if err != nil {
		return err
	}
	disabled := !after.DisabledAt.IsZero()
	switch {
	case want.disabled && !disabled:
		err = r.DisableClient(ctx, r.actor, want.name, r.opts.Reason)
	case !want.disabled && disabled:
		err = r.EnableClient(ctx, r.actor, want.name, r.opts.Reason)
	}
	if err != nil {
		return err
	}
	is, err := withState(object(after), want.disabled)
	if err != nil {
		return err
	}
	if fresh {
		return r.created(ctx, want.entry, after.CreatedAt, is, done[0].Secret != "" || want.secret != "")
	}
	was, err := withState(object(before), !before.DisabledAt.IsZero())
	if err != nil {
		return err
	}
	members, err := differ(was, is)
	if err != nil {
		return err
	}
	// Something changed, and nothing that shows: the secret.
	return r.updated(want.entry, was, is, done[0].Secret != "" || done[0].Outcome == directory.Updated && want.secret != "" && len(members) == 0)
}

// withState is a client's metadata with whether it is disabled.
func withState(metadata json.RawMessage, disabled bool) (json.RawMessage, error) {
	var members map[string]json.RawMessage
	err := json.Unmarshal(metadata, &members)
	if disabled {
		members["disabled"] = json.RawMessage("true")
	}
	return object(members), err
}

func (r *run) putUpstream(ctx context.Context, want provider) error {
	shown := func(s upstream.Settings, disabled bool) (json.RawMessage, error) {
		return withState(object(s), disabled)
	}
	is, err := shown(want.settings, want.disabled)
	if err != nil {
		return err
	}
	before, err := r.Upstream(ctx, r.actor, want.name)
	if errors.Is(err, store.ErrNotFound) {
		made, err := r.CreateUpstream(ctx, r.actor, admin.NewUpstream{
			Name: want.name, Settings: want.settings, Secret: want.secret, Disabled: want.disabled,
		}, r.opts.Reason)
		if err != nil {
			return err
		}
		return r.created(ctx, want.entry, made.CreatedAt, is, want.secret != "")
	}
	if err != nil {
		return err
	}
	if err := r.mine(want.entry, before.CreatedAt); err != nil {
		return err
	}
	was, err := shown(before.Settings, before.Disabled)
	if err != nil {
		return err
	}
	members, err := differ(was, is)
	if err != nil {
		return err
	}
	secret := want.secret
	if secret != "" {
		stored, err := r.Store.Upstreams.Upstream(ctx, want.name)
		if err != nil {
			return err
		}
		if upstream.SecretIs(r.KEK, stored, secret) {
			secret = ""
		}
	}
	if len(members) == 0 && secret == "" {
		return nil
	}
	change := admin.UpstreamChange{Settings: func(s *upstream.Settings) error { *s = want.settings; return nil }, Secret: want.secret, Disabled: &want.disabled}
	if _, err := r.UpdateUpstream(ctx, r.actor, want.name, before.Version, change, r.opts.Reason); err != nil {
		return err
	}
	return r.updated(want.entry, was, is, secret != "")
}

// found is a thing that was made by a configuration.
type found struct {
	name           string
	createdAt      time.Time
	administrative bool
	remove         func(ctx context.Context) error // nil: there is none
}

// find finds what has a mark.
func (r *run) find(ctx context.Context, m registry.Mark) (f found, err error) {
	f.name = m.Name
	switch m.Kind {
	case "resources":
		var one admin.Resource
		one, err = r.Resource(ctx, r.actor, m.Name)
		f.createdAt = one.CreatedAt
		f.remove = func(ctx context.Context) error { return r.DeleteResource(ctx, r.actor, m.Name, r.opts.Reason) }
	case "roles":
		var which roles.Role
		if which, err = roles.Parse(m.Name); err != nil {
			return f, err
		}
		var one admin.RoleDefinition
		one, err = r.RoleDefinition(ctx, r.actor, which)
		f.createdAt, f.administrative = one.CreatedAt, which.Administers()
		f.remove = func(ctx context.Context) error { return r.UndefineRole(ctx, r.actor, which, r.opts.Reason) }
	case "groups":
		var one admin.Group
		one, err = r.GroupNamed(ctx, r.actor, m.Name)
		f.name, f.createdAt, f.administrative = one.Name, one.CreatedAt, slices.ContainsFunc(one.Roles, roles.Role.Administers)
		f.remove = func(ctx context.Context) error { return r.RemoveGroup(ctx, r.actor, one.ID, r.opts.Reason) }
	case "clients":
		one, errClient := r.Client(ctx, r.actor, m.Name)
		err, f.createdAt, f.administrative = errClient, one.CreatedAt, r.AdministrativeClient(one)
		f.remove = func(ctx context.Context) error {
			_, err := r.DeleteClient(ctx, r.actor, m.Name, r.opts.Reason)
			return err
		}
	case "upstreams":
		var one admin.Upstream
		one, err = r.Upstream(ctx, r.actor, m.Name)
		f.createdAt = one.CreatedAt
		f.remove = func(ctx context.Context) error {
			err := r.DeleteUpstream(ctx, r.actor, m.Name, false, r.opts.Reason)
			if errors.Is(err, upstreams.ErrInUse) {
				err = fmt.Errorf("people log in by it: keep it with disabled: true, or delete it with 'upstream delete %s --force'", m.Name)
			}
			return err
		}
	}
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, roles.ErrUnknown) {
		return found{}, nil
	}
	return f, err
}
