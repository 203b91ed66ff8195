package keys

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/keystore"
)

// secretPurpose separates the encryption of [Secret] from other uses of the key-encryption key.
const secretPurpose = "server secret"

// Secret returns a random secret of the server: size bytes that the first call for name makes. From
// then on they are the same at every replica. The database keeps them encrypted with kek;
// [Ring.Rewrap] covers them.
func Secret(ctx context.Context, s *keystore.Keys, kek *KEK, name string, size int) ([]byte, error) {
	envelope, err := s.ServerSecret(ctx, name, func() ([]byte, error) {
		secret := make([]byte, size)
		rand.Read(secret)
		return kek.Seal(secretPurpose, secret, name)
	})
	if err != nil {
		return nil, fmt.Errorf("server secret %s: %w", name, err)
	}
	secret, _, err := kek.Open(secretPurpose, envelope, name)
	if err != nil {
		return nil, fmt.Errorf("the key-encryption key does not fit the server secret %s in this database: "+
			"it %w; set the one that it was made with", name, err)
	}
	if len(secret) != size {
		return nil, fmt.Errorf("server secret %s in the database has %d bytes, not %d", name, len(secret), size)
	}
	return secret, nil
}

// Secret is [Secret] with the ring's database and key-encryption key.
func (k *Ring) Secret(ctx context.Context, name string, size int) ([]byte, error) {
	return Secret(ctx, k.cfg.Store, k.cfg.KEK, name, size)
}

// KEK is the ring's key-encryption key, for what else the database keeps encrypted.
func (k *Ring) KEK() *KEK { return k.cfg.KEK }

// rewrapSecrets encrypts anew the secrets that are still encrypted under an old key-encryption key.
func (k *Ring) rewrapSecrets(ctx context.Context) (done int, err error) {
	secrets, err := k.cfg.Store.ServerSecrets(ctx)
	if err != nil {
		return 0, err
	}
	for _, one := range secrets {
		plain, stale, err := k.cfg.KEK.Open(secretPurpose, one.Value, one.Name)
		if err != nil {
			return done, fmt.Errorf("server secret %s: %w", one.Name, err)
		}
		if !stale {
			continue
		}
		envelope, err := k.cfg.KEK.Seal(secretPurpose, plain, one.Name)
		if err != nil {
			return done, err
		}
		if err := k.cfg.Store.RewrapServerSecret(ctx, one.Name, one.Value, envelope); err != nil &&
			!errors.Is(err, store.ErrNotFound) {
			return done, err
		}
		done++
	}
	return done, nil
}
