package keys

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

func TestMain(m *testing.M) { sqldbtest.Main(m) }

// testKEK is a key-encryption key of one repeated byte, and older ones.
func testKEK(t testing.TB, fill byte, old ...byte) *KEK {
	t.Helper()
	var older [][]byte
	for _, b := range old {
		older = append(older, bytes.Repeat([]byte{b}, 32))
	}
	kek, err := NewKEK(bytes.Repeat([]byte{fill}, 32), older...)
	if err != nil {
		t.Fatal(err)
	}
	return kek
}

// place is a database, and a clock that the rings on it share.
type place struct {
	store  *store.Store
	micros atomic.Int64
}

func (p *place) now() time.Time          { return time.UnixMicro(p.micros.Load()) }
func (p *place) advance(d time.Duration) { p.micros.Add(d.Microseconds()) }

func newPlace(t testing.TB, databaseURL string) *place {
	t.Helper()
	p := &place{}
	p.micros.Store(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).UnixMicro())
	var err error
	if p.store, err = store.Open(t.Context(), databaseURL, p.now); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.store.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func (p *place) config(t testing.TB) Config {
	return Config{
		Store: p.store, KEK: testKEK(t, 1), Now: p.now, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Bits:     1024, // quick to make; the command line allows no less than 2048
		Rotation: 90 * day, MaxAge: 5 * time.Minute, TokenLifetime: 10 * time.Minute, RefreshLifetime: 90 * day, Reload: 30 * time.Second,
	}
}

const day = 24 * time.Hour

func (p *place) ring(t testing.TB) *Ring {
	t.Helper()
	ring, err := Open(t.Context(), p.config(t))
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

// states lists the keys of an algorithm as "state state …", the latest first. All algorithms must be alike.
func states(t testing.TB, ring *Ring) string {
	t.Helper()
	all := statesByAlg(t, ring)
	for alg, got := range all {
		if got != all[RS256] {
			t.Errorf("%s: states %q, but %q for RS256", alg, got, all[RS256])
		}
	}
	return all[RS256]
}

func statesByAlg(t testing.TB, ring *Ring) map[string]string {
	t.Helper()
	list, err := ring.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, one := range list {
		all[one.Alg] = strings.TrimSpace(all[one.Alg] + " " + one.State)
	}
	if len(all) != len(algorithms) {
		t.Errorf("keys of %d algorithms", len(all))
	}
	return all
}

func tend(t testing.TB, ring *Ring) {
	t.Helper()
	if err := ring.tend(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func sign(t testing.TB, ring *Ring) (jwt, kid string) {
	t.Helper()
	jwt, kid, err := ring.Sign(t.Context(), "at+jwt", []byte(`{"sub":"me"}`))
	if err != nil {
		t.Fatal(err)
	}
	return jwt, kid
}

func TestReplicasThatStartAtOnceMakeOneKeyOfEach(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		p := newPlace(t, databaseURL)
		rings := make([]*Ring, 8)
		var group sync.WaitGroup
		for i := range rings {
			group.Go(func() {
				ring, err := Open(t.Context(), p.config(t))
				if err != nil {
					t.Error(err)
				}
				rings[i] = ring
			})
		}
		group.Wait()
		if t.Failed() {
			return
		}
		first, _ := sign(t, rings[0])
		for _, ring := range rings {
			if jwt, _ := sign(t, ring); jwt != first {
				t.Error("two replicas sign differently")
			}
			if got := states(t, ring); got != "current" {
				t.Error(got)
			}
		}
	})
}

func TestAKeyLivesThroughItsStates(t *testing.T) {
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

func TestReplicasThatRotateAtOnceMakeOneKey(t *testing.T) {
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
		if err := ring.Remove(t.Context(), second); !errors.Is(err, ErrCurrent) {
			t.Errorf("remove the current key: %v", err)
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
		if err := ring.Remove(t.Context(), second); err != nil {
			t.Fatal(err)
		}
		if err := ring.Remove(t.Context(), second); !errors.Is(err, ErrUnknown) {
			t.Errorf("remove a key twice: %v", err)
		}
		tend(t, other)
		for _, r := range []*Ring{ring, other} {
			if _, _, err := r.Verify(t.Context(), jwt, "at+jwt"); !errors.Is(err, ErrInvalid) {
				t.Errorf("a token of a removed key: %v", err)
			}
		}
		if got := statesByAlg(t, other); got[RS256] != "current retired" || got[ES256] != "current retired retired" {
			t.Error(got)
		}
	})
}

func TestAWrongKeyEncryptionKeyIsSaidClearly(t *testing.T) {
	p := newPlace(t, sqldbtest.SQLite(t))
	p.ring(t)
	cfg := p.config(t)
	cfg.KEK = testKEK(t, 2)
	if _, err := Open(t.Context(), cfg); !errors.Is(err, ErrWrongKEK) || !strings.HasPrefix(err.Error(), "the key-encryption key does not fit the keys in this database") {
		t.Error(err)
	}
	list, err := p.store.SigningKeys(t.Context())
	if err != nil || len(list) != len(algorithms) {
		t.Errorf("%d keys, %v", len(list), err)
	}
}

func TestRewrapMovesToANewKeyEncryptionKey(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		p := newPlace(t, databaseURL)
		before := p.ring(t)
		if err := before.Rotate(t.Context(), false); err != nil {
			t.Fatal(err)
		}
		want, _ := sign(t, before)
		cfg := p.config(t)
		salt, err := Secret(t.Context(), p.store, cfg.KEK, "salt", 32)
		if err != nil {
			t.Fatal(err)
		}
		cfg.KEK = testKEK(t, 2, 1)
		moving, err := Open(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range []int{2*len(algorithms) + 1, 0} {
			if got, err := moving.Rewrap(t.Context()); got != n || err != nil {
				t.Errorf("%d keys encrypted anew, not %d: %v", got, n, err)
			}
		}
		cfg.KEK = testKEK(t, 2)
		after, err := Open(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := sign(t, after); got != want {
			t.Error("the keys changed")
		}
		if got, err := Secret(t.Context(), p.store, cfg.KEK, "salt", 32); !bytes.Equal(got, salt) || err != nil {
			t.Errorf("the secret changed: %v", err)
		}
		// A replica that still has the old one alone goes on with what it knows.
		if err := before.tend(t.Context()); !errors.Is(err, ErrWrongKEK) {
			t.Error(err)
		}
		if got, _ := sign(t, before); got != want {
			t.Error("the last ring is gone")
		}
	})
}

func TestARowInAnothersPlaceIsRefused(t *testing.T) {
	p := newPlace(t, sqldbtest.SQLite(t))
	p.ring(t)
	rows, err := p.store.SigningKeys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	swapped := rows[0]
	swapped.KID, swapped.Generation = strings.Repeat("A", 43), 2
	if err := p.store.AddSigningKey(t.Context(), swapped); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), p.config(t)); !errors.Is(err, ErrWrongKEK) {
		t.Error(err)
	}
}

func TestAKeyOfALaterVersionIsLeftAlone(t *testing.T) {
	p := newPlace(t, sqldbtest.SQLite(t))
	if err := p.store.AddSigningKey(t.Context(), store.SigningKey{KID: "later", Alg: "ML-DSA-65", Generation: 1, PrivateKey: []byte{9}, ActivatesAt: p.now()}); err != nil {
		t.Fatal(err)
	}
	ring := p.ring(t)
	if got := states(t, ring); got != "current" {
		t.Error(got)
	}
}

func TestADatabaseOfAnEarlierVersionGetsTheOtherKeys(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		p := newPlace(t, databaseURL)
		want, _ := sign(t, p.ring(t))
		rows, err := p.store.SigningKeys(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range rows {
			if row.Alg == RS256 {
				continue
			}
			if err := p.store.DeleteSigningKey(t.Context(), row.KID); err != nil {
				t.Fatal(err)
			}
		}
		ring := p.ring(t)
		if got := states(t, ring); got != "current" {
			t.Error(got)
		}
		if got, _ := sign(t, ring); got != want {
			t.Error("the key for RS256 changed")
		}
	})
}

func TestRotationOfOneAlgorithmLeavesTheOthers(t *testing.T) {
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
		if err := ring.Remove(t.Context(), one.KID); (one.State == "current") != errors.Is(err, ErrCurrent) {
			t.Errorf("remove the %s key for %s: %v", one.State, one.Alg, err)
		}
	}
}

func TestAClockBehindTheFirstReplicasStillSigns(t *testing.T) {
	p := newPlace(t, sqldbtest.SQLite(t))
	p.ring(t)
	p.advance(-time.Second)
	jwt, _ := sign(t, p.ring(t))
	if jwt == "" {
		t.Error("nothing signed")
	}
}

func TestUnknownKeysCauseFewLooksIntoTheDatabase(t *testing.T) {
	p := newPlace(t, sqldbtest.SQLite(t))
	elsewhere := newPlace(t, sqldbtest.SQLite(t))
	ring := p.ring(t)
	foreign, _ := sign(t, elsewhere.ring(t))
	verify := func() error {
		_, _, err := ring.Verify(t.Context(), foreign, "at+jwt")
		return err
	}
	var group sync.WaitGroup
	for range 20 {
		group.Go(func() {
			if err := verify(); !errors.Is(err, ErrInvalid) {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if !ring.asked.Equal(p.now()) {
		t.Error("the database was not asked")
	}
	looked := ring.asked
	p.advance(unknownCooldown - time.Microsecond)
	if err := verify(); !errors.Is(err, ErrInvalid) || !ring.asked.Equal(looked) {
		t.Errorf("asked again too soon: %v", err)
	}
	p.advance(time.Microsecond)
	if err := verify(); !errors.Is(err, ErrInvalid) || ring.asked.Equal(looked) {
		t.Errorf("not asked again: %v", err)
	}
}

func TestADatabaseFailureKeepsTheLastRing(t *testing.T) {
	p := newPlace(t, sqldbtest.SQLite(t))
	elsewhere := newPlace(t, sqldbtest.SQLite(t))
	ring := p.ring(t)
	jwt, _ := sign(t, ring)
	foreign, _ := sign(t, elsewhere.ring(t))
	if err := p.store.Close(); err != nil {
		t.Fatal(err)
	}
	if err := ring.tend(t.Context()); err == nil {
		t.Error("no error from a closed database")
	}
	if _, _, err := ring.Verify(t.Context(), jwt, "at+jwt"); err != nil {
		t.Error(err)
	}
	if again, _ := sign(t, ring); again != jwt {
		t.Error("signs differently")
	}
	// Whether a key exists cannot be told now: the token is not called invalid, or its owner would throw it away.
	for range 2 {
		if _, _, err := ring.Verify(t.Context(), foreign, "at+jwt"); err == nil || errors.Is(err, ErrInvalid) {
			t.Error(err)
		}
	}
}

func TestRunTakesUpANewKeyAndEndsWithItsContext(t *testing.T) {
	p := newPlace(t, sqldbtest.SQLite(t))
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	cfg := p.config(t)
	cfg.Reload = time.Millisecond
	running, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		running.Run(ctx)
	}()
	before := running.snapshot.Load()
	if err := p.ring(t).Rotate(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	deadline := time.After(30 * time.Second)
	for len(running.snapshot.Load().byKID) == len(before.byKID) {
		select {
		case <-deadline:
			t.Fatal("the new key is not taken up")
		case <-time.After(time.Millisecond):
		}
	}
	stop()
	<-done
}
