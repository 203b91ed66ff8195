package flow

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
)

// keyCooldown is the least time between two fetches of the issuer's keys. Anybody may send a logout
// token that names an unknown key, and go-oidc's own set would ask the issuer each time.
const keyCooldown = 5 * time.Second

var errUnknownKey = errors.New("no key of the issuer's fits")

// keySet is the issuer's key set. It is safe for concurrent use; a token signed by a known key
// never waits.
type keySet struct{ keys fetched[[]jose.JSONWebKey] }

var _ oidc.KeySet = (*keySet)(nil)

func newKeySet(client *Client, address string) *keySet {
	fetch := func(ctx context.Context) ([]jose.JSONWebKey, error) { return fetchKeys(ctx, client.http, address) }
	return &keySet{fetched[[]jose.JSONWebKey]{client: client, name: "keys", fetch: fetch}}
}

// faultKey is where verify finds that the keys could not be fetched: go-oidc turns that error into
// mere text.
type faultKey struct{}

// verify checks a JWT that the issuer made for this client: an ID token or a logout token. Errors:
// ErrIssuerDown when the keys cannot be fetched; any other is the token's fault.
func (op *issuer) verify(ctx context.Context, jwt string) (*oidc.IDToken, error) {
	var fault error
	token, err := op.verifier.Verify(context.WithValue(ctx, faultKey{}, &fault), jwt)
	if fault != nil {
		return nil, fault
	}
	return token, err
}

// VerifySignature implements oidc.KeySet.
func (k *keySet) VerifySignature(ctx context.Context, jwt string) ([]byte, error) {
	signed, err := jose.ParseSignedCompact(jwt, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		return nil, err
	}
	keys, err := k.named(ctx, signed.Signatures[0].Header.KeyID)
	if err != nil {
		if fault, ok := ctx.Value(faultKey{}).(*error); ok && errors.Is(err, ErrIssuerDown) {
			*fault = err
		}
		return nil, err
	}
	for _, key := range keys {
		if payload, err := signed.Verify(key); err == nil {
			return payload, nil
		}
	}
	return nil, errUnknownKey
}

// named returns the keys with an id; for the empty id, all. If it knows none, it may fetch the set
// or wait for a fetch under way.
func (k *keySet) named(ctx context.Context, id string) ([]jose.JSONWebKey, error) {
	held, _ := k.keys.held()
	if found := withID(held, id); len(found) > 0 {
		return found, nil
	}
	held, err := k.keys.again(ctx, keyCooldown, fetchWait)
	if found := withID(held, id); len(found) > 0 {
		return found, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%w: its keys: %w", ErrIssuerDown, err)
	}
	return nil, errUnknownKey
}

func withID(keys []jose.JSONWebKey, id string) []jose.JSONWebKey {
	if id == "" {
		return keys
	}
	var found []jose.JSONWebKey
	for _, key := range keys {
		if key.KeyID == id {
			found = append(found, key)
		}
	}
	return found
}

func fetchKeys(ctx context.Context, client *http.Client, address string) ([]jose.JSONWebKey, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("it answered %d", resp.StatusCode)
	}
	// One key that cannot be understood must not cost the others.
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(text, &set); err != nil {
		return nil, errors.New("the answer is no key set")
	}
	var keys []jose.JSONWebKey
	for _, raw := range set.Keys {
		var key jose.JSONWebKey
		if json.Unmarshal(raw, &key) == nil && key.IsPublic() && key.Use != "enc" {
			keys = append(keys, key)
		}
	}
	return keys, nil
}
