package directory

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/audit"
	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/opaque"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/limits"
	"github.com/maru-auth/maru/authz-server/internal/store/registry"
)

// InitialToken lets others register clients themselves (RFC 7591 §3). The operator who gives it
// away vouches for these clients.
type InitialToken struct {
	Uses     int64         // how many clients: 1 to 100,000
	Lifetime time.Duration // a minute to 366 days
	Note     string        // for the operator's own records: at most 255 bytes
}

// CreateInitialToken makes a token, of which the hash is stored. An [InputError] says what is wrong
// with t.
func (d *Clients) CreateInitialToken(ctx context.Context, t InitialToken) (token string, expires time.Time, err error) {
	const maxUses, maxLifetime, maxNote = 100_000, 366 * 24 * time.Hour, 255
	switch {
	case t.Uses < 1 || t.Uses > maxUses:
		err = InputError(fmt.Sprintf("uses must be from 1 to %d", maxUses))
	case t.Lifetime < time.Minute || t.Lifetime > maxLifetime:
		err = InputError(fmt.Sprintf("expires must be from 1m to %.0fh", maxLifetime.Hours()))
	case len(t.Note) > maxNote:
		err = InputError(fmt.Sprintf("note must be at most %d bytes long", maxNote))
	}
	if err != nil {
		return "", time.Time{}, err
	}
	token, expires = opaque.New(), d.now().Add(t.Lifetime)
	return token, expires, d.cfg.Store.Clients.CreateInitialToken(ctx, opaque.Hash(token), t.Note, t.Uses, expires)
}

// CheckInitialToken tells whether a client could be registered with a token now; [Clients.Register]
// decides. [store.ErrNotFound]: no.
func (d *Clients) CheckInitialToken(ctx context.Context, token string) error {
	return d.cfg.Store.Clients.CheckInitialToken(ctx, opaque.Hash(token))
}

// How many clients can be registered in registrationsPer. Many senders together can take more than
// one, so clients that nobody vouches for have a bound for all senders too.
const (
	registrationsPer   = time.Hour
	registrationTries  = 300 // from one address; IPv6: of a /64, and ten times as many of a /48
	strangersOfAddress = 100 // clients that nobody vouches for
	strangersOfNetwork = 300 // IPv6: of a /48
	// StrangersOfAll bounds the clients that nobody vouches for, from all addresses together.
	StrangersOfAll  = 1000
	strangersShards = 8
)

// CountTry counts a try to register of a sender, which is known by its networks, the narrowest
// first. A [*limits.QuotaError] says that there were too many.
func (d *Clients) CountTry(ctx context.Context, networks []string) error {
	return d.cfg.Store.Quotas.TakeQuotas(ctx, limits.QuotasOf(networks, "register", registrationTries, registrationsPer)...)
}

// countStranger counts a client that is about to be stored and that nobody vouches for.
func (d *Clients) countStranger(ctx context.Context, networks []string) error {
	quotas := limits.QuotasWithin(networks, "register strangers", strangersOfAddress, strangersOfNetwork, registrationsPer)
	all := limits.Quota{Subject: "register strangers", Limit: StrangersOfAll, Window: registrationsPer, Shards: strangersShards, Shared: true}
	return d.cfg.Store.Quotas.TakeQuotas(ctx, append(quotas, all)...)
}

// Registration is what a developer sends to register a client (RFC 7591 §3.1).
type Registration struct {
	Metadata     []byte
	InitialToken string   // its registration spends one use; empty: nobody vouches for the client
	Networks     []string // the sender's, the narrowest first
}

// Register registers a client. The error is a [*client.Error] about the metadata, a
// [*limits.QuotaError] about clients that nobody vouches for, or [store.ErrNotFound] about an
// initial token that is unknown, used up or expired.
func (d *Clients) Register(ctx context.Context, r Registration) (Issued, error) {
	c, _, err := client.Decode(r.Metadata)
	if err != nil {
		return Issued{}, err
	}
	c.ID, c.Unvouched = client.NewID(), r.InitialToken == ""
	if err := d.checkOwn(ctx, &c, d.cfg.Policy); err != nil {
		return Issued{}, err
	}
	made := Issued{RegistrationToken: opaque.New()}
	stored := registry.Registration{Token: opaque.Hash(made.RegistrationToken)}
	if c.Unvouched {
		if err := d.countStranger(ctx, r.Networks); err != nil {
			return Issued{}, err
		}
	} else {
		stored.InitialToken = opaque.Hash(r.InitialToken)
	}
	if c.HasSecret() {
		made.Secret = opaque.New()
		stored.Secret = opaque.Hash(made.Secret)
	}
	if err := d.cfg.Store.Tx(ctx, func(ctx context.Context) error {
		if err := d.cfg.Store.Clients.RegisterClient(ctx, c, stored); err != nil {
			return err
		}
		return d.record(ctx, audit.ClientRegistered, &c, map[string]any{"vouched": !c.Unvouched, "redirect_uris": c.RedirectURIs})
	}); err != nil {
		return Issued{}, err
	}
	made.Client, err = d.cfg.Store.Clients.Client(ctx, c.ID)
	return made, err
}

// Managed returns a client that a registration access token manages (RFC 7592 §2), and the hashes of
// its unexpired secrets. [store.ErrNotFound]: the token is not the client's, or there is no such
// client; callers cannot tell which.
//
// No token manages a client that administers the server: it may be in hands that nobody trusts with
// that, from before an operator gave the client this power.
func (d *Clients) Managed(ctx context.Context, id, token string) (client.Client, [][]byte, error) {
	if err := d.cfg.Store.Clients.CheckRegistrationToken(ctx, id, token); err != nil {
		return client.Client{}, nil, err
	}
	c, hashes, err := d.cfg.Store.Clients.ClientWithSecrets(ctx, id)
	if err == nil && c.Administers(d.cfg.Administration) {
		err = store.ErrNotFound
	}
	if err != nil {
		return client.Client{}, nil, err
	}
	return c, hashes, nil
}

// endRegistrationToken ends the registration access token of a client to which an operator's change
// gives power over the server, or from which it takes that: the token does not come back, also if the
// power came by a release that left it. Call it in the transaction of the change.
func (d *Clients) endRegistrationToken(ctx context.Context, before, after *client.Client) error {
	if !before.Administers(d.cfg.Administration) && !after.Administers(d.cfg.Administration) {
		return nil
	}
	err := d.cfg.Store.Clients.ReplaceRegistrationToken(ctx, after.ID, nil)
	if errors.Is(err, store.ErrNotFound) {
		return nil // it did not register itself
	}
	return err
}

// Why a client gets no registration access token. The texts continue the client's name.
var (
	ErrUnregistered = errors.New("did not register itself, and is managed by operators alone")
	ErrCrowned      = errors.New("administers this server, and is managed by operators alone")
)

// RotateRegistrationToken gives a client that registered itself a new registration access token in
// place of the one that it has. [store.ErrNotFound]: there is no such client. [ErrUnregistered],
// [ErrCrowned]: it gets none.
func (d *Clients) RotateRegistrationToken(ctx context.Context, id string) (Issued, error) {
	rotated := Issued{RegistrationToken: opaque.New()}
	err := d.cfg.Store.Tx(ctx, func(ctx context.Context) (err error) {
		if err := d.cfg.Store.Clients.Hold(ctx, id); err != nil {
			return err
		}
		if rotated.Client, err = d.cfg.Store.Clients.Registered(ctx, id); err != nil {
			return err
		}
		if rotated.Administers(d.cfg.Administration) {
			return ErrCrowned
		}
		err = d.cfg.Store.Clients.ReplaceRegistrationToken(ctx, id, opaque.Hash(rotated.RegistrationToken))
		if errors.Is(err, store.ErrNotFound) {
			err = ErrUnregistered
		}
		return err
	})
	if err != nil {
		return Issued{}, err
	}
	return rotated, nil
}

// Replace replaces all metadata of a client that token manages by what the client sends (RFC 7592
// §2.2). Of what only an operator can give, it keeps scopes and grant types. The error is a
// [*client.Error] about the metadata, [store.ErrStale] if the client was changed at the same time, or
// one of those of [Clients.Managed].
func (d *Clients) Replace(ctx context.Context, id, token string, metadata []byte) (changed Issued, err error) {
	c, rest, err := client.Decode(metadata)
	if err != nil {
		return Issued{}, err
	}
	if c.ID != id {
		return Issued{}, &client.Error{Code: client.InvalidMetadata, Field: "client_id", Description: "must be there, and be the client's own"}
	}
	before, hashes, err := d.Managed(ctx, id, token)
	if err != nil {
		return Issued{}, err
	}
	if given, there := rest["client_secret"]; there {
		var text string
		if json.Unmarshal(given, &text) != nil || !isOneOf(text, hashes) {
			return Issued{}, &client.Error{Code: client.InvalidMetadata, Field: "client_secret", Description: "must be the one that the client has, or be left out"}
		}
	}
	c.Unvouched = before.Unvouched
	c.UpdatedAt = before.UpdatedAt // what an operator takes from it at the same time stays taken
	if err := d.checkOwn(ctx, &c, d.policyOf(&before)); err != nil {
		return Issued{}, err
	}
	err = d.cfg.Store.Tx(ctx, func(ctx context.Context) error {
		if changed, err = d.replace(ctx, before, c); err != nil {
			return err
		}
		// The client is as it was read, or this was stale; and its token may be another by now.
		if err := d.cfg.Store.Clients.CheckRegistrationToken(ctx, id, token); err != nil {
			return err
		}
		return d.record(ctx, audit.ClientChanged, &c, map[string]any{"redirect_uris": c.RedirectURIs})
	})
	return changed, err
}

// RemoveOwn is Remove for a client that token manages, and that removes itself (RFC 7592 §2.3).
func (d *Clients) RemoveOwn(ctx context.Context, id, token string) (store.DeletedClient, error) {
	if err := d.cfg.Store.Tx(ctx, func(ctx context.Context) error {
		if err := d.cfg.Store.Clients.Hold(ctx, id); err != nil {
			return err
		}
		c, _, err := d.Managed(ctx, id, token)
		if err != nil {
			return err
		}
		if err := d.cfg.Store.Clients.MarkRemoved(ctx, id); err != nil {
			return err
		}
		return d.record(ctx, audit.ClientDeleted, &c, nil)
	}); err != nil {
		return store.DeletedClient{}, err
	}
	return d.Remove(ctx, id) // what people gave it, in batches
}

// record notes in the audit log what a client does to itself.
func (d *Clients) record(ctx context.Context, kind audit.Kind, c *client.Client, detail map[string]any) error {
	e := audit.OfClient(ctx, kind, c.ID, c.Name)
	e.Detail = detail
	return audit.New(d.cfg.Store).Record(ctx, e)
}

// policyOf returns what a client may give itself, which includes what an operator gave it before.
func (d *Clients) policyOf(before *client.Client) client.Policy {
	policy := d.cfg.Policy
	policy.Scopes = append(slices.Clone(policy.Scopes), before.Scopes()...)
	if policy.GrantTypes != nil {
		policy.GrantTypes = append(slices.Clone(policy.GrantTypes), before.GrantTypes...)
	}
	return policy
}

// checkOwn checks metadata that a client gives itself.
func (d *Clients) checkOwn(ctx context.Context, c *client.Client, policy client.Policy) error {
	c.DropPrivileges()
	c.RequirePKCE = c.MustUsePKCE(policy.LegacyResponseTypes)
	c.KeepScopes(policy.Scopes)
	if err := c.Check(policy); err != nil {
		return err
	}
	return d.CheckSector(ctx, c)
}
