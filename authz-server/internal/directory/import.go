package directory

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/opaque"
	"github.com/maru-auth/maru/authz-server/internal/store"
)

// Imported is the outcome for an entry of a file.
type Imported struct {
	ID      string  `json:"client_id"`
	Outcome Outcome `json:"outcome"`
	Secret  string  `json:"client_secret,omitempty"` // only one that was generated

	Before, After client.Client `json:"-"` // for the audit log; the zero value before: there was none
}

// Outcome is what an import did to a client.
type Outcome string

const (
	Created   Outcome = "created"
	Updated   Outcome = "updated"
	Unchanged Outcome = "unchanged"
)

// Import creates or updates the clients of a file for an operator, all of them or none. The file is
// a JSON object of metadata (RFC 7591 §2) or an array of them, each with a client_id and, if you
// like, a client_secret. An entry is the whole client: a member that it leaves out has its default.
// Importing a file again changes nothing.
func (d *Clients) Import(ctx context.Context, file []byte) (done []Imported, err error) {
	entries, err := d.readImport(ctx, file)
	if err != nil {
		return nil, err
	}
	err = d.cfg.Store.Tx(ctx, func(ctx context.Context) error {
		done = nil
		for _, one := range entries {
			result, err := d.importOne(ctx, one)
			if err != nil {
				return fmt.Errorf("client %s: %w", one.ID, err)
			}
			done = append(done, result)
		}
		return nil
	})
	return done, err
}

// importEntry is a checked client, and the secret that the file gives it; empty: none.
type importEntry struct {
	client.Client
	secret string
}

func (d *Clients) readImport(ctx context.Context, file []byte) ([]importEntry, error) {
	var raw []json.RawMessage
	if trimmed := bytes.TrimSpace(file); len(trimmed) > 0 && trimmed[0] == '{' {
		raw = []json.RawMessage{trimmed}
	} else if err := json.Unmarshal(file, &raw); err != nil {
		return nil, fmt.Errorf("the file must hold one JSON object or an array of them: %w", err)
	}
	var entries []importEntry
	seen := map[string]bool{}
	for i, text := range raw {
		one, err := d.readEntry(ctx, text)
		if err == nil && seen[one.ID] {
			err = errors.New("its client_id is there twice")
		}
		if err != nil {
			return nil, fmt.Errorf("entry %d (%s): %w", i+1, cmp.Or(one.ID, "no client_id"), err)
		}
		seen[one.ID] = true
		entries = append(entries, one)
	}
	// In one order, so that two imports at once do not wait for each other's rows in a circle.
	slices.SortFunc(entries, func(a, b importEntry) int { return strings.Compare(a.ID, b.ID) })
	return entries, nil
}

func (d *Clients) readEntry(ctx context.Context, text json.RawMessage) (one importEntry, err error) {
	c, rest, err := client.Decode(text)
	if err != nil {
		return one, err
	}
	one.Client = c
	if raw, there := rest["client_secret"]; there {
		delete(rest, "client_secret")
		if err := json.Unmarshal(raw, &one.secret); err != nil || !validSecret(one.secret) {
			return one, fmt.Errorf("client_secret must be a string of %d to 255 printable ASCII characters", minSecret)
		}
	}
	if len(rest) > 0 {
		var names []string
		for name := range rest {
			names = append(names, fmt.Sprintf("%q", name))
		}
		slices.Sort(names)
		return one, fmt.Errorf("unknown member %s", strings.Join(names, ", "))
	}
	if one.ID == "" {
		return one, errors.New("client_id must be there, so that importing again finds the same client")
	}
	if err := d.checkOperators(ctx, &one.Client); err != nil {
		return one, err
	}
	if one.secret != "" && !one.HasSecret() {
		return one, fmt.Errorf("client_secret must not be there when token_endpoint_auth_method is %s", one.TokenEndpointAuthMethod)
	}
	return one, nil
}

// minSecret is the shortest secret that a file may give: 32 characters have room for 128 random
// bits in every usual form.
const minSecret = 32

// validSecret tells whether a secret has the characters of RFC 6749 appendix A.2, but for the
// space, which gets lost in copying.
func validSecret(secret string) bool {
	return len(secret) >= minSecret && len(secret) <= 255 &&
		!strings.ContainsFunc(secret, func(r rune) bool { return r <= ' ' || r >= 0x7f })
}

func (d *Clients) importOne(ctx context.Context, one importEntry) (Imported, error) {
	result := Imported{ID: one.ID, Outcome: Unchanged}
	before, hashes, err := d.cfg.Store.Clients.RegisteredWithSecrets(ctx, one.ID)
	result.Before, result.After = before, one.Client
	switch {
	case errors.Is(err, store.ErrNotFound):
		result.Outcome = Created
		if err := likePerson(one.ID); err != nil {
			return Imported{}, err
		}
		err := d.cfg.Store.Clients.CreateClient(ctx, one.Client)
		if errors.Is(err, store.ErrExists) {
			return d.importOne(ctx, one) // another import created it just now
		}
		if err != nil {
			return Imported{}, err
		}
	case err != nil:
		return Imported{}, err
	case !sameMetadata(before, one.Client):
		result.Outcome = Updated
		if err := d.cfg.Store.Clients.UpdateClient(ctx, one.Client); err != nil {
			return Imported{}, err
		}
		if err := d.revokeWider(ctx, &before, &one.Client); err != nil {
			return Imported{}, err
		}
		if err := d.endRegistrationToken(ctx, &before, &one.Client); err != nil {
			return Imported{}, err
		}
	}
	changed, err := d.importSecret(ctx, one, hashes, &result)
	if changed && result.Outcome == Unchanged {
		result.Outcome = Updated
	}
	return result, err
}

// importSecret makes the secret in the file the client's only one. If the file has none, the client
// keeps the secrets it has, or gets a new one.
func (d *Clients) importSecret(ctx context.Context, one importEntry, hashes [][]byte, result *Imported) (changed bool, err error) {
	secret := one.secret
	switch {
	case !one.HasSecret() && len(hashes) == 0:
		return false, nil
	case !one.HasSecret():
		return false, d.cfg.Store.Clients.ReplaceClientSecrets(ctx, one.ID, nil) // the auth method has changed
	case secret == "" && len(hashes) > 0, secret != "" && isOneOf(secret, hashes):
		return false, nil
	case secret == "":
		secret = opaque.New()
		result.Secret = secret
	}
	return true, d.cfg.Store.Clients.ReplaceClientSecrets(ctx, one.ID, opaque.Hash(secret))
}

// isOneOf tells whether hashes has that of a secret.
func isOneOf(secret string, hashes [][]byte) bool {
	return slices.ContainsFunc(hashes, func(hash []byte) bool { return bytes.Equal(hash, opaque.Hash(secret)) })
}

// sameMetadata tells whether two clients have the same metadata.
func sameMetadata(a, b client.Client) bool {
	one, err := json.Marshal(a)
	if err != nil {
		return false
	}
	other, err := json.Marshal(b)
	return err == nil && bytes.Equal(one, other)
}
