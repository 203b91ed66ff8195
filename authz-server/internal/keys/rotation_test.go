package keys

import (
	"errors"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

func TestReplicasThatRotateAtOnceMakeOneKey(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		p := newPlace(t, databaseURL)
		rings := []*Ring{p.ring(t), p.ring(t), p.ring(t), p.ring(t)}
		p.advance(200 * day) // long past due, as after an outage
		var group sync.WaitGroup
		for _, ring := range rings {
			group.Go(func() {
				if err := ring.tend(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		for _, ring := range rings {
			if got := states(t, ring); got != "next current" {
				t.Error(got)
			}
		}
		if list, err := rings[0].List(t.Context()); err != nil || !list[0].Until.Equal(p.now().Add(rings[0].lead())) {
			t.Errorf("%+v, %v", list, err)
		}
	})
}

func TestRotationByHand(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		p := newPlace(t, databaseURL)
		ring, other := p.ring(t), p.ring(t)
		_, first := sign(t, ring)
		if err := ring.Rotate(t.Context(), false); err != nil {
			t.Fatal(err)
		}
		if _, kid := sign(t, ring); kid != first {
			t.Error("the next key signs before it is known")
		}
		if err := other.Rotate(t.Context(), false); !errors.Is(err, ErrPending) {
			t.Errorf("a second rotation: %v", err)
		}
		// --now lets the one that waits sign: others know it already.
		waiting, err := ring.List(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := ring.Rotate(t.Context(), true); err != nil {
			t.Fatal(err)
		}
		jwt, second := sign(t, ring)
		if second != waiting[0].KID {
			t.Errorf("%s signs, not %s", second, waiting[0].KID)
		}
		p.advance(time.Second)
		// Another replica has not looked since: it does at the first token that it does not know.
		if err := ring.Rotate(t.Context(), true); err != nil {
			t.Fatal(err)
		}
		newest, third := sign(t, ring)
		if third == second {
			t.Error("nothing was rotated")
		}
		if _, kid, err := other.Verify(t.Context(), newest, "at+jwt"); kid != third || err != nil {
			t.Errorf("verified by %q: %v", kid, err)
		}
		for range 2 { // the second time it changes nothing
			if err := ring.Withdraw(t.Context(), Withdrawal{KIDs: []string{second}}); err != nil {
				t.Fatal(err)
			}
		}
		tend(t, other)
		for _, r := range []*Ring{ring, other} {
			if _, _, err := r.Verify(t.Context(), jwt, "at+jwt"); !errors.Is(err, ErrInvalid) {
				t.Errorf("a token of a withdrawn key: %v", err)
			}
		}
		if got := statesByAlg(t, other); got[RS256] != "current retired withdrawn" || got[ES256] != "current retired retired" {
			t.Error(got)
		}
	})
}

func TestRotationOfOneAlgorithmLeavesTheOthers(t *testing.T) {
	t.Parallel()
	p := newPlace(t, sqldbtest.SQLite(t))
	ring := p.ring(t)
	if err := ring.Rotate(t.Context(), false, ES256); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{RS256: "current", PS256: "current", ES256: "next current", EdDSA: "current", Ed25519: "current"}
	if got := statesByAlg(t, ring); !maps.Equal(got, want) {
		t.Errorf("%v", got)
	}
	if err := ring.Rotate(t.Context(), false, "HS256"); err == nil || errors.Is(err, ErrPending) {
		t.Errorf("an algorithm that there is none of: %v", err)
	}
	// One that waits does not keep the others from their turn.
	if err := ring.Rotate(t.Context(), false); !errors.Is(err, ErrPending) {
		t.Error(err)
	}
	if got := states(t, ring); got != "next current" {
		t.Error(got)
	}
	list, err := ring.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range list {
		if err := ring.Withdraw(t.Context(), Withdrawal{KIDs: []string{one.KID}}); err != nil {
			t.Errorf("withdraw the %s key for %s: %v", one.State, one.Alg, err)
		}
	}
}

func TestAKeyLivesThroughItsStates(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		p := newPlace(t, databaseURL)
		ring, other := p.ring(t), p.ring(t)
		old, oldKID := sign(t, ring)
		expect := func(want string) {
			t.Helper()
			tend(t, ring)
			tend(t, other)
			if got := states(t, ring); got != want {
				t.Errorf("states %q, not %q", got, want)
			}
			if got := states(t, other); got != want {
				t.Errorf("the other replica has %q, not %q", got, want)
			}
			for _, r := range []*Ring{ring, other} {
				if _, _, err := r.Verify(t.Context(), old, "at+jwt"); err != nil {
					t.Errorf("the first key's token: %v", err)
				}
			}
		}
		expect("current")
		p.advance(90*day - ring.lead() - time.Second)
		expect("current")
		p.advance(time.Second)
		expect("next current") // published, so that everybody knows it in time
		if keys := published(t, ring); len(keys) != 2 {
			t.Errorf("%d keys are published", len(keys))
		}
		p.advance(ring.lead() - time.Microsecond)
		expect("next current")
		if _, kid := sign(t, ring); kid != oldKID {
			t.Error("the next key signs already")
		}
		p.advance(time.Microsecond) // by the clock alone: nothing is read
		if _, kid := sign(t, ring); kid == oldKID {
			t.Error("the old key signs still")
		}
		expect("current retired")
		if keys := published(t, ring); len(keys) != 2 {
			t.Errorf("%d keys are published", len(keys))
		}
		p.advance(ring.publishFor())
		expect("current kept")
		if keys := published(t, ring); len(keys) != 1 || keys[0] == oldKID {
			t.Errorf("published: %v", keys)
		}
		// What the kept key signed is signed again for the refresh grace, the same.
		if again, err := ring.SignWith(t.Context(), oldKID, "at+jwt", []byte(`{"sub":"me"}`)); again != old || err != nil {
			t.Errorf("signed again: %v", err)
		}
		p.advance(90*day - ring.publishFor()) // the second rotation is due by now, and made late
		expect("next current kept")
		p.advance(ring.keepFor() - 90*day)
		tend(t, ring)
		if got := states(t, ring); strings.Contains(got, "kept") {
			t.Error(got)
		}
		tend(t, other)
		if _, _, err := other.Verify(t.Context(), old, "at+jwt"); !errors.Is(err, ErrInvalid) {
			t.Errorf("a token of a key that is past use: %v", err)
		}
	})
}
