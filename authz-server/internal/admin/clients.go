package admin

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/audit"
	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/directory"
	"github.com/maru-auth/maru/authz-server/internal/issuer"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/registry"
	"github.com/maru-auth/maru/authz-server/internal/store/streams"
)

// clientTarget says whether a client has power over the server: it has a scope of the resource
// admin, or may exchange people's tokens for it.
func (a *Admin) clientTarget(all ...client.Client) Target {
	own := AdministrationAt(a.Issuer)
	return Target{Administrative: slices.ContainsFunc(all, func(c client.Client) bool { return c.Administers(own) })}
}

// AdministrationAt is the address of the resource by which the server at an issuer is administered;
// empty: the issuer is the zero value.
func AdministrationAt(at issuer.URL) string {
	if at.String() == "" {
		return ""
	}
	return at.URL("/admin")
}

// AdministrativeClient tells whether a client has power over the server.
func (a *Admin) AdministrativeClient(c client.Client) bool { return a.clientTarget(c).Administrative }

// onClient runs f, an operation on the client with this id, which nobody else changes meanwhile. If
// it is administrative, or becomes so by after, it is a [Crown]. A nil after leaves it as it is.
func (a *Admin) onClient(ctx context.Context, actor Actor, do Action, id, reason string,
	after func(client.Client) client.Client, f func(ctx context.Context, c client.Client) error) error {
	return a.change(ctx, actor, do, reason, func(ctx context.Context) error {
		if err := a.Store.Clients.Hold(ctx, id); err != nil {
			return err
		}
		c, err := a.Store.Clients.Registered(ctx, id)
		if err != nil {
			return err
		}
		states := []client.Client{c}
		if after != nil {
			states = append(states, after(c))
		}
		if err := a.may(actor, do, a.clientTarget(states...)); err != nil {
			return err
		}
		return f(ctx, c)
	})
}

func (a *Admin) noteClient(ctx context.Context, kind audit.Kind, c client.Client, detail map[string]any) error {
	return a.Audit.Record(ctx, audit.Entry{
		Kind: kind, Target: audit.Target{Kind: "client", ID: c.ID, Label: c.Name}, Detail: detail,
	})
}

// Clients lists clients by their ids, starting after an id ("" starts at the first).
func (a *Admin) ListClients(
	ctx context.Context, actor Actor, after string, limit int,
) (page Page[client.Client], err error) {
	if err := a.read(ctx, actor, Read); err != nil {
		return page, err
	}
	if limit, err = checkLimit(limit); err != nil {
		return page, err
	}
	all, err := a.Store.Clients.ListClients(ctx, after, limit+1)
	return pageOf(all, limit, func(c client.Client) string { return c.ID }), err
}

// Client returns a client, disabled or not. [store.ErrNotFound]: there is none.
func (a *Admin) Client(ctx context.Context, actor Actor, id string) (client.Client, error) {
	if err := a.read(ctx, actor, Read); err != nil {
		return client.Client{}, err
	}
	return a.Store.Clients.Registered(ctx, id)
}

// ClientVersion is the version of a client, for If-Match.
func ClientVersion(c client.Client) string { return strconv.FormatInt(c.UpdatedAt.UnixMicro(), 36) }

// CreateClient registers a client, as [directory.Clients.Create] does. Its secret is shown now, and
// never again.
func (a *Admin) CreateClient(
	ctx context.Context, actor Actor, id string, members client.Patch, reason string,
) (made directory.Issued, err error) {
	var c client.Client
	members.Apply(&c)
	do := Change
	if a.clientTarget(c).Administrative {
		do = Crown
	}
	err = a.change(ctx, actor, do, reason, func(ctx context.Context) error {
		if made, err = a.Config.Clients.Create(ctx, id, members); err != nil {
			return err
		}
		// What it became counts, whatever was asked for.
		if err := a.may(actor, do, a.clientTarget(made.Client)); err != nil {
			return err
		}
		noteMade(ctx, made.ID)
		return a.noteClient(ctx, audit.ClientCreated, made.Client, madeOf(made.Client))
	})
	return made, err
}

// UpdateClient changes some members of a client, as [directory.Clients.Update] does. version is the
// [ClientVersion] that the actor has seen; empty: any. [store.ErrStale]: it is another by now.
func (a *Admin) UpdateClient(
	ctx context.Context, actor Actor, id, version string, members client.Patch, reason string,
) (changed directory.Issued, err error) {
	patched := func(c client.Client) client.Client {
		members.Apply(&c)
		return c
	}
	err = a.onClient(ctx, actor, Change, id, reason, patched, func(ctx context.Context, before client.Client) error {
		if version != "" && version != ClientVersion(before) {
			return store.ErrStale
		}
		if changed, err = a.Config.Clients.Update(ctx, id, members); err != nil {
			return err
		}
		if err := a.may(actor, Change, a.clientTarget(before, changed.Client)); err != nil {
			return err
		}
		detail := changeOf(before, changed.Client)
		detail["members"] = slices.Sorted(maps.Keys(members))
		return a.noteClient(ctx, audit.ClientChanged, changed.Client, detail)
	})
	return changed, err
}

// CheckClient tells what CreateClient would say to an actor who makes a client with these members:
// nil, a [*Refused], or a [*client.Error] about them. It makes none.
func (a *Admin) CheckClient(ctx context.Context, actor Actor, members client.Patch) error {
	var c client.Client
	members.Apply(&c)
	if err := a.may(actor, Change, a.clientTarget(c)); err != nil {
		return err
	}
	if err := a.confirm(ctx, actor); err != nil {
		return err
	}
	return a.Config.Clients.CheckNew(ctx, members)
}

// ReplaceClient replaces all metadata of a client by a JSON object, as [directory.Clients.ReplaceAll]
// does. version is as for UpdateClient.
func (a *Admin) ReplaceClient(
	ctx context.Context, actor Actor, id, version string, metadata []byte, reason string,
) (changed directory.Issued, err error) {
	wanted, _, err := client.Decode(metadata)
	if err != nil {
		return changed, err
	}
	replaced := func(client.Client) client.Client { return wanted }
	err = a.onClient(ctx, actor, Change, id, reason, replaced, func(ctx context.Context, before client.Client) error {
		if version != "" && version != ClientVersion(before) {
			return store.ErrStale
		}
		if changed, err = a.Config.Clients.ReplaceAll(ctx, id, metadata); err != nil {
			return err
		}
		if err := a.may(actor, Change, a.clientTarget(before, changed.Client)); err != nil {
			return err
		}
		return a.noteClient(ctx, audit.ClientChanged, changed.Client, changeOf(before, changed.Client))
	})
	return changed, err
}

// ClientSecrets lists when the secrets of a client were made, and when they end: at the zero time,
// never. The latest is first. Nobody reads the secrets themselves.
func (a *Admin) ClientSecrets(ctx context.Context, actor Actor, id string) ([]registry.Secret, error) {
	if err := a.read(ctx, actor, Read); err != nil {
		return nil, err
	}
	return a.Store.Clients.ClientSecrets(ctx, id)
}

// DeleteClient removes a client with its secrets, grants and consents, and returns how many there
// were. It is gone for everybody at once; what people gave it follows in batches, in [Admin.Together]
// after all.
func (a *Admin) DeleteClient(
	ctx context.Context, actor Actor, id, reason string,
) (gone store.DeletedClient, err error) {
	if err := a.onClient(ctx, actor, Change, id, reason, nil, func(ctx context.Context, c client.Client) error {
		if err := a.Store.Clients.MarkRemoved(ctx, id); err != nil {
			return err
		}
		return a.noteClient(ctx, audit.ClientDeleted, c, nil)
	}); err != nil {
		return store.DeletedClient{}, err
	}
	err = a.afterwards(ctx, func(ctx context.Context) error {
		gone, err = a.Store.PurgeClient(ctx, id)
		return err
	})
	return gone, err
}

// DisableClient disables a client: it is refused everywhere, and all access tokens that it holds are
// revoked; those that others exchanged from its grants follow in batches, in [Admin.Together] after all.
func (a *Admin) DisableClient(ctx context.Context, actor Actor, id, reason string) error {
	if err := a.onClient(ctx, actor, Change, id, reason, nil, func(ctx context.Context, c client.Client) error {
		if err := a.Store.Clients.Disable(ctx, id); err != nil {
			return err
		}
		return a.noteClient(ctx, audit.ClientDisabled, c, nil)
	}); err != nil {
		return err
	}
	return a.afterwards(ctx, a.Store.RevokeExchanged)
}

// EnableClient enables a disabled client again.
func (a *Admin) EnableClient(ctx context.Context, actor Actor, id, reason string) error {
	return a.onClient(ctx, actor, Change, id, reason, nil, func(ctx context.Context, c client.Client) error {
		if err := a.Store.Clients.Enable(ctx, id); err != nil {
			return err
		}
		return a.noteClient(ctx, audit.ClientEnabled, c, nil)
	})
}

// RotateSecret gives a client a new secret, which is shown now and never again; the older ones go on
// working for overlap.
func (a *Admin) RotateSecret(
	ctx context.Context, actor Actor, id string, overlap time.Duration, reason string,
) (rotated directory.Issued, err error) {
	err = a.onClient(ctx, actor, ChangeSecrets, id, reason, nil, func(ctx context.Context, c client.Client) error {
		if rotated, err = a.Config.Clients.RotateSecret(ctx, id, overlap); err != nil {
			return field(err)
		}
		return a.noteClient(ctx, audit.ClientSecretMade, c, map[string]any{"older_work_for": overlap.String()})
	})
	return rotated, err
}

// RotateRegistrationToken gives a client that registered itself a new registration access token,
// which is shown now and never again, in place of the one that it has. The errors are those of
// [directory.Clients.RotateRegistrationToken].
func (a *Admin) RotateRegistrationToken(
	ctx context.Context, actor Actor, id, reason string,
) (rotated directory.Issued, err error) {
	err = a.onClient(ctx, actor, ChangeSecrets, id, reason, nil, func(ctx context.Context, c client.Client) error {
		if rotated, err = a.Config.Clients.RotateRegistrationToken(ctx, id); err != nil {
			return err
		}
		return a.noteClient(ctx, audit.ClientSecretMade, c, map[string]any{"what": "registration access token"})
	})
	return rotated, err
}

// RotateCompromised is RotateSecret for a secret that somebody else knows: everything that the
// client has ends, its registration access token too. A stream of events that is pushed to it waits
// until it, or an operator, has looked at where it goes. Call [store.Store.RemoveEnded] afterwards, or
// leave it to a server.
func (a *Admin) RotateCompromised(
	ctx context.Context, actor Actor, id, reason string,
) (rotated directory.Issued, err error) {
	err = a.onClient(ctx, actor, ChangeSecrets, id, reason, nil, func(ctx context.Context, c client.Client) error {
		if rotated, err = a.Config.Clients.RotateCompromised(ctx, id); err != nil {
			return err
		}
		if err := a.pauseStream(ctx, id); err != nil {
			return err
		}
		return a.noteClient(ctx, audit.ClientCompromised, c, nil)
	})
	return rotated, err
}

// pauseStream pauses the stream of a client, if events are pushed: whoever knew its secret may have
// turned it to an address of theirs. What happens meanwhile waits. A stream that is polled ends with
// the client's tokens.
func (a *Admin) pauseStream(ctx context.Context, clientID string) error {
	one, err := a.Store.Streams.StreamOf(ctx, clientID)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil || !one.Push() || one.Status != streams.Enabled {
		return err
	}
	const words = "The secret of the client was known to others: look at where the events go, and enable the stream again."
	if err := a.Store.Streams.SetStatus(ctx, one.ID, streams.Paused, words); err != nil {
		return err
	}
	return a.noteStream(ctx, audit.StreamChanged, one, map[string]any{"status": streams.Paused, "words": words})
}

// ImportClients creates or updates the clients of a file, all of them or none; see
// [directory.Clients.Import]. Only the machine does it.
func (a *Admin) ImportClients(
	ctx context.Context, actor Actor, file []byte, reason string,
) (done []directory.Imported, err error) {
	if actor.Kind != Machine {
		return nil, refuse(NeedsMachine)
	}
	err = a.change(ctx, actor, Crown, reason, func(ctx context.Context) error {
		if done, err = a.Config.Clients.Import(ctx, file); err != nil {
			return err
		}
		kinds := map[directory.Outcome]audit.Kind{
			directory.Created: audit.ClientCreated, directory.Updated: audit.ClientChanged,
		}
		for _, one := range done {
			if kind, ok := kinds[one.Outcome]; ok {
				detail := changeOf(one.Before, one.After)
				detail["by"] = "import"
				if err := a.noteClient(ctx, kind, one.After, detail); err != nil {
					return err
				}
			}
		}
		return nil
	})
	return done, err
}

// field turns an error of the directory about an argument into a [*FieldError].
func field(err error) error {
	var input directory.InputError
	if errors.As(err, &input) {
		name, problem := input.Split()
		return wrong(name, problem)
	}
	return err
}
