package keys

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/keystore"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

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
		Store: p.store.Keys, KEK: testKEK(t, 1), Now: p.now, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
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

// states lists the keys of an algorithm as "state state …", the latest first. All algorithms must
// be alike.
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
	t.Parallel()
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

func TestAWrongKeyEncryptionKeyIsSaidClearly(t *testing.T) {
	t.Parallel()
	p := newPlace(t, sqldbtest.SQLite(t))
	p.ring(t)
	cfg := p.config(t)
	cfg.KEK = testKEK(t, 2)
	if _, err := Open(t.Context(), cfg); !errors.Is(err, ErrWrongKEK) ||
		!strings.HasPrefix(err.Error(), "the key-encryption key does not fit the keys in this database") {
		t.Error(err)
	}
	list, _, err := p.store.Keys.SigningKeys(t.Context())
	if err != nil || len(list) != len(algorithms) {
		t.Errorf("%d keys, %v", len(list), err)
	}
}

func TestRewrapMovesToANewKeyEncryptionKey(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		p := newPlace(t, databaseURL)
		before := p.ring(t)
		if err := before.Rotate(t.Context(), false); err != nil {
			t.Fatal(err)
		}
		want, _ := sign(t, before)
		cfg := p.config(t)
		salt, err := Secret(t.Context(), p.store.Keys, cfg.KEK, "salt", 32)
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
		if got, err := Secret(t.Context(), p.store.Keys, cfg.KEK, "salt", 32); !bytes.Equal(got, salt) || err != nil {
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
	t.Parallel()
	p := newPlace(t, sqldbtest.SQLite(t))
	p.ring(t)
	rows, _, err := p.store.Keys.SigningKeys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	swapped := rows[0]
	swapped.KID, swapped.Generation = strings.Repeat("A", 43), 2
	if err := p.store.Keys.AddSigningKey(t.Context(), swapped); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), p.config(t)); !errors.Is(err, ErrWrongKEK) {
		t.Error(err)
	}
}

func TestAKeyOfALaterVersionIsLeftAlone(t *testing.T) {
	t.Parallel()
	p := newPlace(t, sqldbtest.SQLite(t))
	if err := p.store.Keys.AddSigningKey(t.Context(),
		keystore.SigningKey{KID: "later", Alg: "ML-DSA-65", Generation: 1, PrivateKey: []byte{9}, ActivatesAt: p.now()}); err != nil {
		t.Fatal(err)
	}
	ring := p.ring(t)
	if got := states(t, ring); got != "current" {
		t.Error(got)
	}
}

func TestADatabaseOfAnEarlierVersionGetsTheOtherKeys(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		p := newPlace(t, databaseURL)
		want, _ := sign(t, p.ring(t))
		rows, _, err := p.store.Keys.SigningKeys(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range rows {
			if row.Alg == RS256 {
				continue
			}
			if err := p.store.Keys.DeleteSigningKey(t.Context(), row.KID); err != nil {
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

func TestAClockBehindTheFirstReplicasStillSigns(t *testing.T) {
	t.Parallel()
	p := newPlace(t, sqldbtest.SQLite(t))
	p.ring(t)
	p.advance(-time.Second)
	jwt, _ := sign(t, p.ring(t))
	if jwt == "" {
		t.Error("nothing signed")
	}
}

func TestUnknownKeysCauseFewLooksIntoTheDatabase(t *testing.T) {
	t.Parallel()
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
	t.Parallel()
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
	// Whether a key exists cannot be told now: the token is not called invalid, or its owner would
	// throw it away.
	for range 2 {
		if _, _, err := ring.Verify(t.Context(), foreign, "at+jwt"); err == nil || errors.Is(err, ErrInvalid) {
			t.Error(err)
		}
	}
}

// Not parallel: it looks for goroutines that are left.
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

func TestAnInspectionOpensAllAndMakesNothing(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		p := newPlace(t, databaseURL)
		if found, err := Inspect(t.Context(), p.config(t)); err != nil || len(found.Keys) != 0 || len(found.None) != len(algorithms) {
			t.Errorf("before the first start: %+v, %v", found, err)
		}
		if rows, _, err := p.store.Keys.SigningKeys(t.Context()); err != nil || len(rows) != 0 {
			t.Errorf("it made %d keys, %v", len(rows), err)
		}
		p.ring(t)
		if _, err := Secret(t.Context(), p.store.Keys, testKEK(t, 1), "salt", 32); err != nil {
			t.Fatal(err)
		}
		for _, one := range []struct {
			kek   *KEK
			stale int
			err   error
		}{{testKEK(t, 1), 0, nil}, {testKEK(t, 2, 1), len(algorithms) + 1, nil}, {testKEK(t, 2), 0, ErrWrongKEK}} {
			cfg := p.config(t)
			cfg.KEK = one.kek
			if found, err := Inspect(t.Context(), cfg); found.Stale != one.stale || !errors.Is(err, one.err) || err == nil && len(found.None) > 0 {
				t.Errorf("%+v, %v, want %+v", found, err, one)
			}
		}
	})
}
