package queue

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/keys"
	"github.com/maru-auth/maru/authz-server/internal/store/outbox"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
	"github.com/maru-auth/maru/internal/testenv/clock"
)

func newKEK(t *testing.T, key byte, old ...[]byte) *keys.KEK {
	t.Helper()
	kek, err := keys.NewKEK(bytes.Repeat([]byte{key}, 32), old...)
	if err != nil {
		t.Fatal(err)
	}
	return kek
}

func TestASealedPayloadOpensInItsOwnRowAlone(t *testing.T) {
	t.Parallel()
	kek := newKEK(t, 1)
	item, err := Seal(kek, outbox.Item{Kind: "mail", Topic: "reset"}, []byte("https://id.example/reset?code"))
	if err != nil || !item.Sealed || item.ID == "" || bytes.Contains(item.Payload, []byte("reset")) {
		t.Fatalf("%+v %v", item, err)
	}
	if plain, err := Open(kek, item); err != nil || string(plain) != "https://id.example/reset?code" {
		t.Errorf("%q %v", plain, err)
	}
	moved, renamed := item, item
	moved.ID, renamed.Kind = outbox.NewID(), "call"
	for name, wrong := range map[string]outbox.Item{"another row": moved, "another kind": renamed} {
		var hopeless givenUp
		if _, err := Open(kek, wrong); !errors.Is(err, keys.ErrWrongKEK) || !errors.As(err, &hopeless) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPayloadsAreSealedAnewWithTheCurrentKey(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		r := newReplica(t, databaseURL, clock.At(time.Now()))
		old, current := newKEK(t, 1), newKEK(t, 2)
		for range 205 { // more than a page
			item, err := Seal(old, outbox.Item{Kind: "mail"}, []byte("letter"))
			if err != nil {
				t.Fatal(err)
			}
			r.add(item)
		}
		r.add(outbox.Item{Kind: "mail", Payload: []byte("plain")})
		both := newKEK(t, 2, bytes.Repeat([]byte{1}, 32))
		for _, want := range []int{205, 0} {
			if n, err := Rewrap(t.Context(), r.store.Outbox, both); err != nil || n != want {
				t.Errorf("%d, not %d: %v", n, want, err)
			}
		}
		for _, item := range r.list("mail") {
			if !item.Sealed {
				continue
			}
			if plain, err := Open(current, item); err != nil || string(plain) != "letter" {
				t.Fatal(err)
			}
		}
	})
}
