// Package apply makes clients, resources, roles, groups and upstreams be as a file says
// (authz-server apply). The file is the whole of each thing that it names: what a thing does not name
// becomes its default.
//
// All of it happens in one transaction, or nothing does, by the operations of package admin; to see
// the difference first, the same is done and then undone. What a configuration made has a mark, so
// that the same configuration can remove it when it names it no more.
package apply

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/audit"
	"github.com/maru-auth/maru/authz-server/internal/store/registry"
	"github.com/maru-auth/maru/authz-server/internal/store/roles"
)

// Options say how a configuration is applied.
type Options struct {
	DryRun bool
	// Prune removes what this configuration made once and names no more.
	Prune bool
	// PruneAdministrative are the keys, such as "clients/ops", of things with power over the server
	// that Prune removes too.
	PruneAdministrative []string
	// AdoptAdministrative are the keys, such as "groups/Administrators", of things that get power over
	// the server although others made them, or have a hand in them.
	AdoptAdministrative []string
	// Keep keeps secrets that were generated, by client_id, before anything is committed. nil: none is
	// generated, which is an error where one is needed.
	Keep   func(secrets map[string]string) error
	Reason string // for the audit log
}

// errUndo ends the transaction of a dry run.
var errUndo = errors.New("a dry run changes nothing")

// Apply makes things be as the file says, and returns what that changed.
func Apply(ctx context.Context, a *admin.Admin, actor admin.Actor, f *File, opts Options) (Difference, error) {
	var done Difference
	err := a.Together(ctx, func(ctx context.Context) error {
		r := &run{Admin: a, actor: actor, file: f, opts: opts, secrets: map[string]string{}, marks: map[string]registry.Mark{}}
		if err := r.all(ctx); err != nil {
			return err
		}
		done = r.done
		if opts.DryRun {
			return errUndo
		}
		return r.finish(ctx)
	})
	if errors.Is(err, errUndo) {
		err = nil
	}
	return done, err
}

// run is one application, in its transaction.
type run struct {
	*admin.Admin
	actor   admin.Actor
	file    *File
	opts    Options
	done    Difference
	secrets map[string]string        // that were generated, by client_id
	marks   map[string]registry.Mark // by their keys
}

// all does everything in the order in which one thing can need another, and removes in the
// opposite one.
func (r *run) all(ctx context.Context) error {
	if err := r.Store.Applied.Begin(ctx); err != nil {
		return err
	}
	marks, err := r.Store.Applied.All(ctx)
	if err != nil {
		return err
	}
	for _, m := range marks {
		r.marks[m.Kind+"/"+m.Name] = m
	}
	for _, step := range []func(context.Context) error{
		r.putResources, each(r.file.roles, r.putRole), each(r.file.groups, r.putGroup), each(r.file.clients, r.putClient),
		each(r.file.upstreams, r.putUpstream),
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	if !r.opts.Prune {
		return nil
	}
	return r.prune(ctx)
}

// each does something for all things of a kind.
func each[T interface{ fail(error) error }](all []T, put func(context.Context, T) error) func(context.Context) error {
	return func(ctx context.Context) error {
		for _, one := range all {
			if err := put(ctx, one); err != nil {
				return one.fail(err)
			}
		}
		return nil
	}
}

// finish keeps the secrets, and says in the audit log what happened.
func (r *run) finish(ctx context.Context) error {
	if len(r.done.Changes) == 0 {
		return nil
	}
	created, updated, deleted := r.done.Count()
	if err := r.Audit.Record(ctx, audit.Entry{Kind: audit.ConfigurationGiven, Reason: r.opts.Reason,
		Target: audit.Target{Kind: "configuration", ID: r.file.Name},
		Detail: map[string]any{"created": created, "changed": updated, "removed": deleted}}); err != nil {
		return err
	}
	if len(r.secrets) == 0 {
		return nil
	}
	return r.opts.Keep(r.secrets)
}

// created notes that a thing was made, by this configuration.
func (r *run) created(ctx context.Context, e entry, at time.Time, after json.RawMessage, secret bool) error {
	members, err := differ(nil, after)
	if err != nil {
		return err
	}
	if secret {
		members = append(members, Member{Name: "client_secret", After: hidden})
	}
	r.done.Changes = append(r.done.Changes, Change{Action: Create, Kind: e.kind, Name: e.name, Members: members})
	m := registry.Mark{Kind: e.kind, Name: e.markName(), Configuration: r.file.Name, MadeAt: at}
	r.marks[m.Kind+"/"+m.Name] = m
	return r.Store.Applied.Mark(ctx, m)
}

// updated notes what was changed.
func (r *run) updated(e entry, before, after json.RawMessage, secret bool) error {
	members, err := differ(before, after)
	if err != nil {
		return err
	}
	if secret {
		members = append(members, Member{Name: "client_secret", Before: hidden, After: hidden})
	}
	if len(members) > 0 {
		r.done.Changes = append(r.done.Changes, Change{Action: Update, Kind: e.kind, Name: e.name, Members: members})
	}
	return nil
}

// mine refuses to touch what another configuration made.
func (r *run) mine(e entry, createdAt time.Time) error {
	m, marked := r.marks[e.kind+"/"+e.markName()]
	if marked && m.MadeAt.Equal(createdAt) && m.Configuration != r.file.Name {
		return fmt.Errorf("the configuration %s made it, and this is %s: take it out of one of the two", m.Configuration, r.file.Name)
	}
	return nil
}

// markName is what the mark of a thing calls it. Groups are found without regard to case.
func (e entry) markName() string {
	if e.kind == "groups" {
		return roles.GroupKey(e.name)
	}
	return e.name
}

// prune removes what this configuration made and names no more.
func (r *run) prune(ctx context.Context) error {
	named := map[string]bool{}
	for _, e := range r.file.entries() {
		named[e.kind+"/"+e.markName()] = true
	}
	kinds := []string{"upstreams", "clients", "groups", "roles", "resources"}
	var gone []registry.Mark
	for key, m := range r.marks {
		if m.Configuration == r.file.Name && !named[key] {
			gone = append(gone, m)
		}
	}
	slices.SortFunc(gone, func(a, b registry.Mark) int {
		if a.Kind != b.Kind {
			return slices.Index(kinds, a.Kind) - slices.Index(kinds, b.Kind)
		}
		return strings.Compare(a.Name, b.Name)
	})
	for _, m := range gone {
		if err := r.pruneOne(ctx, m); err != nil {
			return fmt.Errorf("%s/%s, which the configuration names no more: %w", m.Kind, m.Name, err)
		}
	}
	return nil
}

func (r *run) pruneOne(ctx context.Context, m registry.Mark) error {
	key := m.Kind + "/" + m.Name
	found, err := r.find(ctx, m)
	if err != nil {
		return err
	}
	switch {
	case found.remove == nil || !found.createdAt.Equal(m.MadeAt): // somebody else removed it, and perhaps made another
		return r.Store.Applied.Forget(ctx, m.Kind, m.Name)
	case found.administrative && !slices.Contains(r.opts.PruneAdministrative, key):
		if r.done.Kept == nil {
			r.done.Kept = map[string]string{}
		}
		r.done.Kept[key] = "it has power over this server; --prune-administrative=" + key + " removes it"
		return nil
	}
	if err := found.remove(ctx); err != nil {
		return err
	}
	r.done.Changes = append(r.done.Changes, Change{Action: Delete, Kind: m.Kind, Name: found.name})
	return r.Store.Applied.Forget(ctx, m.Kind, m.Name)
}
