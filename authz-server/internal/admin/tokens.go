package admin

import (
	"context"
	"encoding/base64"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/audit"
	"github.com/maru-auth/maru/authz-server/internal/directory"
	"github.com/maru-auth/maru/authz-server/internal/opaque"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/registry"
)

// InitialToken is an initial access token, without its secret: with it, others register clients.
type InitialToken struct {
	ID        string    `json:"id"`
	Note      string    `json:"note,omitempty"`
	UsesLeft  int64     `json:"uses_left"`
	CreatedAt time.Time `json:"created_at"`
	ExpiresAt time.Time `json:"expires_at"`
}

// IDOfToken is the id of an initial access token.
func IDOfToken(token string) string { return idOfToken(opaque.Hash(token)) }

// idOfToken is how an initial access token is named: by its hash, from which nobody gets it.
func idOfToken(hash []byte) string { return base64.RawURLEncoding.EncodeToString(hash) }

func hashOfToken(id string) ([]byte, error) {
	hash, err := base64.RawURLEncoding.DecodeString(id)
	if err != nil || len(hash) != 32 {
		return nil, store.ErrNotFound
	}
	return hash, nil
}

// InitialTokens lists the initial access tokens that can still be used, by their ids, starting after
// an id.
func (a *Admin) InitialTokens(
	ctx context.Context, actor Actor, after string, limit int,
) (page Page[InitialToken], err error) {
	if err := a.read(ctx, actor, Read); err != nil {
		return page, err
	}
	if limit, err = checkLimit(limit); err != nil {
		return page, err
	}
	from := []byte{}
	if after != "" {
		if from, err = hashOfToken(after); err != nil {
			return page, wrong("after", "must be the cursor of a page before, as it was given")
		}
	}
	all, err := a.Store.Clients.InitialTokens(ctx, from, limit+1)
	found := pageOf(all, limit, func(t registry.InitialToken) string { return idOfToken(t.Hash) })
	return shownAs(found, func(t registry.InitialToken) InitialToken {
		return InitialToken{idOfToken(t.Hash), t.Note, t.UsesLeft, t.CreatedAt, t.ExpiresAt}
	}), err
}

// CreateInitialToken makes an initial access token, which is shown now and never again.
func (a *Admin) CreateInitialToken(
	ctx context.Context, actor Actor, in directory.InitialToken, reason string,
) (token string, expires time.Time, err error) {
	if err := checkLine("note", in.Note, 255); err != nil {
		return "", expires, err
	}
	err = a.change(ctx, actor, ChangeSecrets, reason, func(ctx context.Context) error {
		if token, expires, err = a.Config.Clients.CreateInitialToken(ctx, in); err != nil {
			return field(err)
		}
		noteMade(ctx, IDOfToken(token))
		return a.Audit.Record(ctx, audit.Entry{
			Kind: audit.InitialTokenMade, Target: audit.Target{Kind: "initial_token", ID: idOfToken(opaque.Hash(token))},
			Detail: map[string]any{"uses": in.Uses, "note": in.Note},
		})
	})
	return token, expires, err
}

// WithdrawInitialToken makes an initial access token worthless. What it registered stays.
// [store.ErrNotFound]: there is none.
func (a *Admin) WithdrawInitialToken(ctx context.Context, actor Actor, id, reason string) error {
	return a.change(ctx, actor, ChangeSecrets, reason, func(ctx context.Context) error {
		hash, err := hashOfToken(id)
		if err != nil {
			return err
		}
		if err := a.Store.Clients.RemoveInitialToken(ctx, hash); err != nil {
			return err
		}
		return a.Audit.Record(ctx, audit.Entry{
			Kind: audit.InitialTokenEnded, Target: audit.Target{Kind: "initial_token", ID: id},
		})
	})
}
