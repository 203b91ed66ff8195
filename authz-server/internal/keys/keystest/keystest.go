// Package keystest gives tests a ring of signing keys without making new ones each time: to make a
// ring's RSA keys takes most of the time of a test that needs a server. Tests of rings themselves
// make their own.
package keystest

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/keys"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/keystore"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

var shared struct {
	sync.Mutex
	rows []keystore.SigningKey
}

// KEK returns the key-encryption key of the keys that [Fill] puts in place.
func KEK(t testing.TB) *keys.KEK {
	t.Helper()
	kek, err := keys.NewKEK(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	return kek
}

// Fill puts a first key of each algorithm into a store, so that [keys.Open] has none to make. They
// sign as of now, and are the same in each store that this process fills: a test that must tell two
// rings apart fills one of them only.
func Fill(t testing.TB, s *keystore.Keys, now time.Time) {
	t.Helper()
	for _, row := range rows(t) {
		row.ActivatesAt = now
		if err := s.AddSigningKey(t.Context(), row); err != nil {
			t.Fatal(err)
		}
	}
}

func rows(t testing.TB) []keystore.SigningKey {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if shared.rows != nil {
		return shared.rows
	}
	s, err := store.Open(t.Context(), sqldbtest.SQLite(t), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	_, err = keys.Open(t.Context(), keys.Config{Store: s.Keys, KEK: KEK(t), Now: time.Now})
	if err == nil {
		shared.rows, _, err = s.Keys.SigningKeys(t.Context())
	}
	if err := errors.Join(err, s.Close()); err != nil {
		t.Fatal(err)
	}
	return shared.rows
}
