package directory

import (
	"context"
	"errors"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/opaque"
	"github.com/maru-auth/maru/authz-server/internal/store"
)

// Issued is a client as it is stored, with secrets that are shown only now.
type Issued struct {
	client.Client

	Secret            string // a new secret, of which the hash is stored; empty: it has none, or keeps those it has
	RegistrationToken string // for managing its registration (RFC 7592); from [Clients.Register] and [Clients.RotateRegistrationToken]
}

// Why a client has no secret. The texts continue the client's name.
var (
	ErrPublic  = errors.New("is public and has no secret")
	ErrOwnKeys = errors.New("signs with its own key and has no secret")
)

// ErrLoopback is wrapped by an error about metadata that would be right with
// [client.Policy.InsecureLoopback]: it has http addresses of this machine.
var ErrLoopback = errors.New("http addresses of this machine are not allowed")

// An InputError says what is wrong with an argument, other than a client's metadata. It begins with
// the argument's name.
type InputError string

func (e InputError) Error() string { return string(e) }

// Split returns the argument's name, and what is wrong with it.
func (e InputError) Split() (argument, problem string) {
	argument, problem, _ = strings.Cut(string(e), " ")
	return argument, problem
}

// Create registers a client for an operator. What members does not name has its default. An empty
// id becomes a random one. [store.ErrExists]: there is a client with that id.
func (d *Clients) Create(ctx context.Context, id string, members client.Patch) (Issued, error) {
	c := client.Client{ID: id, RequirePKCE: true}
	if id == "" {
		c.ID = client.NewID()
	}
	members.Apply(&c)
	if err := likePerson(c.ID); err != nil {
		return Issued{}, err
	}
	if err := nameless(&c); err != nil {
		return Issued{}, err
	}
	if err := d.checkOperators(ctx, &c); err != nil {
		return Issued{}, err
	}
	if !members.Names("id_token_claims") {
		c.IDTokenClaims = c.ForPeople() && c.Profile == ""
	}
	var made Issued
	err := d.cfg.Store.Tx(ctx, func(ctx context.Context) (err error) {
		if err := d.cfg.Store.Clients.CreateClient(ctx, c); err != nil {
			return err
		}
		if made.Secret, err = d.followAuthMethod(ctx, &client.Client{TokenEndpointAuthMethod: client.AuthNone}, &c); err != nil {
			return err
		}
		made.Client, err = d.cfg.Store.Clients.Registered(ctx, c.ID)
		return err
	})
	return made, err
}

// Update changes some members of a client for an operator. [store.ErrNotFound]: there is no such
// client. [store.ErrStale]: it was changed at the same time.
func (d *Clients) Update(ctx context.Context, id string, members client.Patch) (Issued, error) {
	var changed Issued
	err := d.cfg.Store.Tx(ctx, func(ctx context.Context) error {
		before, err := d.cfg.Store.Clients.Registered(ctx, id)
		if err != nil {
			return err
		}
		after := before
		members.Apply(&after)
		if err := d.checkOperators(ctx, &after); err != nil {
			return err
		}
		changed, err = d.replace(ctx, before, after)
		return err
	})
	return changed, err
}

// CheckNew tells what [Clients.Create] would find wrong with a client, and makes none.
func (d *Clients) CheckNew(ctx context.Context, members client.Patch) error {
	c := client.Client{ID: client.NewID(), RequirePKCE: true}
	members.Apply(&c)
	if err := nameless(&c); err != nil {
		return err
	}
	return d.checkOperators(ctx, &c)
}

// ReplaceAll replaces all metadata of a client by what an operator writes, the names in other
// languages and the keys too. What metadata does not name has its default. The error is a
// [*client.Error] about the metadata, or one of those of [Clients.Update].
func (d *Clients) ReplaceAll(ctx context.Context, id string, metadata []byte) (changed Issued, err error) {
	after, rest, err := client.Decode(metadata)
	if err != nil {
		return Issued{}, err
	}
	for _, name := range slices.Sorted(maps.Keys(rest)) {
		return Issued{}, &client.Error{Code: client.InvalidMetadata, Field: name, Description: "is no member that this server knows"}
	}
	if after.ID != id {
		return Issued{}, &client.Error{Code: client.InvalidMetadata, Field: "client_id", Description: "must be there, and stay as it is"}
	}
	if err := nameless(&after); err != nil {
		return Issued{}, err
	}
	err = d.cfg.Store.Tx(ctx, func(ctx context.Context) error {
		before, err := d.cfg.Store.Clients.Registered(ctx, id)
		if err != nil {
			return err
		}
		after.Unvouched, after.UpdatedAt = before.Unvouched, before.UpdatedAt
		if err := d.checkOperators(ctx, &after); err != nil {
			return err
		}
		changed, err = d.replace(ctx, before, after)
		return err
	})
	return changed, err
}

var personID = regexp.MustCompile(`^(?i:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$`)

// likePerson says that the id of a new client could be that of an account, which is a UUID. The
// tokens that a client gets for itself have its id as their subject: a service that looks at that
// alone would take it for the person (RFC 9068 §5).
func likePerson(id string) error {
	if !personID.MatchString(id) {
		return nil
	}
	return &client.Error{Code: client.InvalidMetadata, Field: "client_id", Description: "must not have the form of a UUID: that is what people's ids are"}
}

// nameless says that a client has no name, which only one can lack that registered itself.
func nameless(c *client.Client) error {
	if c.Name != "" {
		return nil
	}
	return &client.Error{Code: client.InvalidMetadata, Field: "client_name", Description: "must be set: people see it when they are asked for their consent"}
}

// replace stores after in place of before. Call it in a transaction.
func (d *Clients) replace(ctx context.Context, before, after client.Client) (changed Issued, err error) {
	if err := d.cfg.Store.Clients.UpdateClient(ctx, after); err != nil {
		return Issued{}, err
	}
	if changed.Secret, err = d.followAuthMethod(ctx, &before, &after); err != nil {
		return Issued{}, err
	}
	if err := d.revokeWider(ctx, &before, &after); err != nil {
		return Issued{}, err
	}
	if err := d.endRegistrationToken(ctx, &before, &after); err != nil {
		return Issued{}, err
	}
	changed.Client, err = d.cfg.Store.Clients.Registered(ctx, after.ID)
	return changed, err
}

// revokeWider revokes the access tokens of a client that has lost something that it may have got
// them by: a scope, a service to exchange tokens for, a grant type, its secret, or tokens that are
// bound to nothing. It gets new ones, which say less. Call it in the transaction of the change.
func (d *Clients) revokeWider(ctx context.Context, before, after *client.Client) error {
	lacks := func(had, has []string) bool {
		return slices.ContainsFunc(had, func(one string) bool { return !slices.Contains(has, one) })
	}
	if lacks(before.Scopes(), after.Scopes()) || lacks(before.TokenExchangeAudiences, after.TokenExchangeAudiences) ||
		lacks(before.GrantTypes, after.GrantTypes) || before.HasSecret() && !after.HasSecret() ||
		!before.DPoPBound && after.DPoPBound || before.Profile != after.Profile {
		return d.cfg.Store.Clients.RevokeTokens(ctx, after.ID)
	}
	return nil
}

// followAuthMethod makes a secret for a client that now authenticates with one, and removes the
// secrets of a client that no longer does.
func (d *Clients) followAuthMethod(ctx context.Context, before, after *client.Client) (secret string, err error) {
	switch {
	case before.HasSecret() && !after.HasSecret():
		return "", d.cfg.Store.Clients.ReplaceClientSecrets(ctx, after.ID, nil)
	case !before.HasSecret() && after.HasSecret():
		secret = opaque.New()
		return secret, d.cfg.Store.Clients.ReplaceClientSecrets(ctx, after.ID, opaque.Hash(secret))
	}
	return "", nil
}

// checkOperators checks a client that an operator registers. It can have the scopes of stored
// resources too.
func (d *Clients) checkOperators(ctx context.Context, c *client.Client) error {
	stored, err := d.cfg.Store.Resources.All(ctx)
	if err != nil {
		return err
	}
	policy := d.cfg.OperatorPolicy
	policy.Scopes = slices.Clone(policy.Scopes)
	for _, one := range stored {
		policy.Scopes = append(policy.Scopes, one.Scopes...)
	}
	given := *c
	err = c.Check(policy)
	if err == nil || policy.InsecureLoopback {
		return err
	}
	lenient := policy
	lenient.InsecureLoopback = true
	if given.Check(lenient) == nil {
		return &loopbackError{err}
	}
	return err
}

// loopbackError is an error that wraps [ErrLoopback].
type loopbackError struct{ error }

func (e *loopbackError) Unwrap() []error { return []error{e.error, ErrLoopback} }

// RotateSecret gives a client a new secret; the older ones go on working for overlap.
// [store.ErrNotFound]: there is no such client. [ErrPublic], [ErrOwnKeys]: it has no secret.
func (d *Clients) RotateSecret(ctx context.Context, id string, overlap time.Duration) (Issued, error) {
	if overlap < 0 {
		return Issued{}, InputError("overlap must not be negative")
	}
	rotated := Issued{Secret: opaque.New()}
	err := d.cfg.Store.Tx(ctx, func(ctx context.Context) (err error) {
		if rotated.Client, err = d.withSecret(ctx, id); err != nil {
			return err
		}
		return d.cfg.Store.Clients.AddClientSecret(ctx, id, opaque.Hash(rotated.Secret), d.now().Add(overlap))
	})
	return rotated, err
}

// RotateCompromised gives a client a new secret in place of one that somebody else knows: the older
// ones, all access tokens that the client holds, all grants to it and its registration access token
// end at once; [Clients.RotateRegistrationToken] makes another. The rows of the
// grants stay until [store.Store.RemoveEnded]. The errors are those of [Clients.RotateSecret].
func (d *Clients) RotateCompromised(ctx context.Context, id string) (Issued, error) {
	rotated := Issued{Secret: opaque.New()}
	err := d.cfg.Store.Tx(ctx, func(ctx context.Context) (err error) {
		if rotated.Client, err = d.withSecret(ctx, id); err != nil {
			return err
		}
		return d.cfg.Store.Clients.Compromised(ctx, id, opaque.Hash(rotated.Secret))
	})
	return rotated, err
}

// withSecret is a client that has a secret.
func (d *Clients) withSecret(ctx context.Context, id string) (client.Client, error) {
	c, err := d.cfg.Store.Clients.Registered(ctx, id)
	switch {
	case err != nil:
		return c, err
	case c.Public():
		return c, ErrPublic
	case !c.HasSecret():
		return c, ErrOwnKeys
	}
	return c, nil
}

// Remove removes a client with its secrets, grants and consents. [store.ErrNotFound]: there is no
// such client.
func (d *Clients) Remove(ctx context.Context, id string) (store.DeletedClient, error) {
	return d.cfg.Store.DeleteClient(ctx, id)
}
