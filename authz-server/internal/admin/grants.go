package admin

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/audit"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/grants"
)

// Grant is what a person gave a client in one authorization.
type Grant struct {
	ID        string    `json:"id"`
	ClientID  string    `json:"client_id"`
	UserID    string    `json:"user_id"`
	SessionID string    `json:"session_id,omitempty"`
	Scope     []string  `json:"scope"`
	Offline   bool      `json:"offline"` // outlives its session
	ACR       string    `json:"acr,omitempty"`
	AuthTime  time.Time `json:"auth_time"`
	CreatedAt time.Time `json:"created_at"`
	UsedAt    time.Time `json:"used_at,omitzero"`
	ExpiresAt time.Time `json:"expires_at"`
	RevokedAt time.Time `json:"revoked_at,omitzero"` // zero: it was not
}

func grantOf(g grants.Listed) Grant { return Grant(g) }

// Consent is what a person allowed a client.
type Consent struct {
	UserID    string    `json:"user_id"`
	ClientID  string    `json:"client_id"`
	Scope     []string  `json:"scope"`
	Declined  []string  `json:"declined,omitempty"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

// GrantsOf lists the grants of a person, those that are over too, as long as they are kept, and notes
// that the actor saw them.
func (a *Admin) GrantsOf(ctx context.Context, actor Actor, userID, after string, limit int) (Page[Grant], error) {
	page, err := a.grants(ctx, actor, after, limit, func(from grants.Listed, limit int) ([]grants.Listed, error) {
		return a.Store.Grants.GrantsOf(ctx, userID, from, limit)
	})
	if err == nil {
		err = a.noteReader(ctx, actor, userID, "grants", true)
	}
	if err != nil {
		return Page[Grant]{}, err
	}
	return page, nil
}

// GrantsTo lists the grants to a client.
func (a *Admin) GrantsTo(ctx context.Context, actor Actor, clientID, after string, limit int) (Page[Grant], error) {
	return a.grants(ctx, actor, after, limit, func(from grants.Listed, limit int) ([]grants.Listed, error) {
		return a.Store.Grants.GrantsTo(ctx, clientID, from, limit)
	})
}

func (a *Admin) grants(ctx context.Context, actor Actor, after string, limit int,
	list func(from grants.Listed, limit int) ([]grants.Listed, error)) (page Page[Grant], err error) {
	if err := a.read(ctx, actor, ReadPersonal); err != nil {
		return page, err
	}
	if limit, err = checkLimit(limit); err != nil {
		return page, err
	}
	at, keys, err := readCursor(after, 2)
	if err != nil {
		return page, err
	}
	all, err := list(grants.Listed{ClientID: keys[0], ID: keys[1], CreatedAt: at}, limit+1)
	found := pageOf(all, limit, func(g grants.Listed) string { return cursorOf(g.CreatedAt, g.ClientID, g.ID) })
	return shownAs(found, grantOf), err
}

// ConsentsTo lists what people allowed a client, the oldest first. What one person allowed is in
// [Known].
func (a *Admin) ConsentsTo(
	ctx context.Context, actor Actor, clientID, after string, limit int,
) (page Page[Consent], err error) {
	if err := a.read(ctx, actor, ReadPersonal); err != nil {
		return page, err
	}
	if limit, err = checkLimit(limit); err != nil {
		return page, err
	}
	at, keys, err := readCursor(after, 1)
	if err != nil {
		return page, err
	}
	all, err := a.Store.Consents.ConsentsTo(ctx, clientID, grants.Consent{CreatedAt: at, UserID: keys[0]}, limit+1)
	found := pageOf(all, limit, func(c grants.Consent) string { return cursorOf(c.CreatedAt, c.UserID) })
	return shownAs(found, func(c grants.Consent) Consent { return Consent(c) }), err
}

// Parties are who gave a grant and which client has it; empty: whoever, whichever.
type Parties struct{ UserID, ClientID string }

// RevokeGrant ends a grant between the parties with all its tokens. [store.ErrNotFound]: there is none,
// or it is over.
func (a *Admin) RevokeGrant(ctx context.Context, actor Actor, of Parties, id, reason string) error {
	if err := a.may(actor, Change, Target{}); err != nil {
		return err
	}
	owner, holder, err := a.Store.Grants.PartiesOf(ctx, id)
	if err == nil && (of.UserID != "" && of.UserID != owner || of.ClientID != "" && of.ClientID != holder) {
		err = store.ErrNotFound
	}
	if err != nil {
		return err
	}
	return a.onPerson(ctx, actor, Change, owner, reason, func(ctx context.Context, user accounts.User) error {
		revoked, err := a.Store.Grants.RevokeGrant(ctx, id)
		if err != nil {
			return err
		}
		if !revoked {
			return store.ErrNotFound
		}
		return a.Audit.Record(ctx, audit.Entry{
			Kind: audit.GrantRevoked, Person: user.ID, Target: audit.Target{Kind: "grant", ID: id, Label: user.Email},
		})
	})
}

// WithdrawConsent forgets what a person allowed a client, and revokes all grants that came of it:
// the person is asked again. It is no error if there was nothing. [store.ErrNotFound]: there is no such
// client.
func (a *Admin) WithdrawConsent(ctx context.Context, actor Actor, userID, clientID, reason string) error {
	return a.onPerson(ctx, actor, Change, userID, reason, func(ctx context.Context, user accounts.User) error {
		if err := a.knownTo(ctx, userID, clientID); err != nil {
			return err
		}
		if err := a.Store.Consents.WithdrawConsent(ctx, userID, clientID); err != nil {
			return err
		}
		return a.Audit.Record(ctx, audit.Entry{
			Kind: audit.ConsentWithdrawn, Person: userID, Target: audit.Target{Kind: "client", ID: clientID},
		})
	})
}

// knownTo returns [store.ErrNotFound] for a client that is not registered, and has neither consent nor
// grant of the person.
func (a *Admin) knownTo(ctx context.Context, userID, clientID string) error {
	_, err := a.Store.Clients.Registered(ctx, clientID)
	if !errors.Is(err, store.ErrNotFound) {
		return err
	}
	known, err := a.Store.Consents.ClientsOf(ctx, userID)
	if err == nil && !slices.Contains(known, clientID) {
		err = store.ErrNotFound
	}
	return err
}
