package queue

import (
	"context"
	"errors"
	"fmt"

	"github.com/maru-auth/maru/authz-server/internal/keys"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/outbox"
)

// sealPurpose separates the encryption of payloads from other uses of the key-encryption key.
const sealPurpose = "outbox"

// Seal returns item with plain as its payload, encrypted, for items that hold links, codes or
// tokens. It gives the item its ID, to which the payload is bound: it opens in no other row.
func Seal(kek *keys.KEK, item outbox.Item, plain []byte) (outbox.Item, error) {
	if item.ID == "" {
		item.ID = outbox.NewID()
	}
	sealed, err := kek.Seal(sealPurpose, plain, item.Kind, item.ID)
	item.Payload, item.Sealed = sealed, true
	return item, err
}

// Open returns what [Seal] encrypted. The error wraps [keys.ErrWrongKEK] and is a [GiveUp].
func Open(kek *keys.KEK, item outbox.Item) ([]byte, error) {
	plain, _, err := kek.Open(sealPurpose, item.Payload, item.Kind, item.ID)
	if err != nil {
		return nil, GiveUp(fmt.Errorf("the payload %w", err))
	}
	return plain, nil
}

// Rewrap encrypts anew the payloads that are still encrypted under an old key-encryption key, and
// returns how many there were. A payload that no key opens stays as it is: it cannot be delivered.
func Rewrap(ctx context.Context, q *outbox.Queue, kek *keys.KEK) (done int, err error) {
	for after, more := "", true; more; more = after != "" {
		var page []outbox.Item
		if page, after, err = q.Payloads(ctx, after, 200); err != nil {
			return done, err
		}
		for _, item := range page {
			plain, stale, err := kek.Open(sealPurpose, item.Payload, item.Kind, item.ID)
			if err != nil || !stale {
				continue
			}
			sealed, err := kek.Seal(sealPurpose, plain, item.Kind, item.ID)
			if err != nil {
				return done, err
			}
			if err := q.Reseal(ctx, item.ID, item.Payload, sealed); err != nil && !errors.Is(err, store.ErrNotFound) {
				return done, err
			}
			done++
		}
	}
	return done, nil
}
