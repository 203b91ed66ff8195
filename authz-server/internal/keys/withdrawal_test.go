package keys

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/maru-auth/maru/authz-server/internal/store/keystore"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

func withdraw(t testing.TB, ring *Ring, kids ...string) {
	t.Helper()
	if err := ring.Withdraw(t.Context(), Withdrawal{KIDs: kids, Reason: "leaked"}); err != nil {
		t.Fatal(err)
	}
}

func named(t testing.TB, ring *Ring) string {
	t.Helper()
	kids, err := ring.ReadWithdrawn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(kids, " ")
}

func TestNothingThatAWithdrawnKeySignedIsAccepted(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		p := newPlace(t, databaseURL)
		ring, other := p.ring(t), p.ring(t)
		jwt, leaked := sign(t, ring)
		thief := ring.snapshot.Load().byKID[leaked] // has the private half
		withdraw(t, p.ring(t), leaked)              // a process of its own, as the command is

		for _, r := range []*Ring{ring, other} {
			if got := named(t, r); got != leaked { // as whoever publishes a status list does
				t.Errorf("named as withdrawn: %q", got)
			}
			fresh, kid := sign(t, r)
			if kid == leaked {
				t.Error("it signs still")
			}
			if _, _, err := r.Verify(t.Context(), fresh, "at+jwt"); err != nil {
				t.Errorf("a token of its successor: %v", err)
			}
			if set := published(t, r); slices.Contains(set, leaked) || !slices.Contains(set, kid) || len(set) != 1 {
				t.Errorf("published: %v", set)
			}
			if _, err := r.SignWith(t.Context(), leaked, "rt+jwt", []byte(`{}`)); !errors.Is(err, ErrUnknown) {
				t.Errorf("signed again: %v", err)
			}
			// What it signed for itself, and what a thief signs with it: also under the names of
			// keys that are good, and of none.
			forgeries := []string{jwt}
			for _, typ := range []string{"at+jwt", "rt+jwt", "JWT", "logout+jwt"} {
				for _, name := range []string{leaked, kid, "", "no thumbprint", strings.Repeat("A", 43)} {
					forger := *thief
					forger.kid, forger.headers = name, new(sync.Map)
					forged, err := forger.sign(typ, []byte(`{"sub":"somebody else"}`))
					if err != nil {
						t.Fatal(err)
					}
					forgeries = append(forgeries, forged)
				}
			}
			for _, forged := range forgeries {
				if _, _, err := r.Verify(t.Context(), forged, "at+jwt", "rt+jwt", "JWT", "logout+jwt"); !errors.Is(err, ErrInvalid) {
					t.Errorf("%s: %v", forged, err)
				}
			}
		}
	})
}

func TestAWithdrawnKeyIsRefusedWithoutALookIntoTheDatabase(t *testing.T) {
	t.Parallel()
	p := newPlace(t, sqldbtest.SQLite(t))
	ring := p.ring(t)
	jwt, leaked := sign(t, ring)
	withdraw(t, ring, leaked)
	p.advance(time.Minute)
	asked := storetest.Statements(t.Context(), func(ctx context.Context) {
		if _, _, err := ring.Verify(ctx, jwt, "at+jwt"); !errors.Is(err, ErrInvalid) {
			t.Error(err)
		}
		// Nor is a failure of the database taken for a reason to say that it may exist.
		ring.failed = errors.New("the database is away")
		if _, _, err := ring.Verify(ctx, jwt, "at+jwt"); !errors.Is(err, ErrInvalid) {
			t.Error(err)
		}
	})
	if len(asked) > 0 {
		t.Errorf("asks the database: %q", asked)
	}
}

func TestReplicasNoticeAWithdrawalByThemselves(t *testing.T) {
	p := newPlace(t, sqldbtest.SQLite(t))
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	cfg := p.config(t)
	cfg.Reload = time.Hour // it is not this that notices
	ring, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var group sync.WaitGroup
	group.Go(func() { ring.Run(ctx) })
	defer group.Wait()
	defer stop()
	_, leaked := sign(t, ring)
	withdraw(t, p.ring(t), leaked)
	for len(ring.Withdrawn(p.now())) == 0 {
		select {
		case <-time.After(10 * time.Millisecond):
		case <-t.Context().Done():
			t.Fatal("it never notices")
		}
	}
	if _, kid := sign(t, ring); kid == leaked {
		t.Error("it signs still")
	}
}

// A service that meets the successor at one replica may ask another one for it, and asks again only
// after a pause.
func TestTheKeySetIsUpToDateAtEveryReplica(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		p := newPlace(t, databaseURL)
		ring, other := p.ring(t), p.ring(t)
		published(t, other)
		p.advance(lookEvery)
		_, leaked := sign(t, ring)
		withdraw(t, ring, leaked)
		_, kid := sign(t, ring)
		if set := published(t, other); !slices.Equal(set, []string{kid}) {
			t.Errorf("published: %v", set)
		}
	})
}

func TestTheKeySetIsServedWithoutTheDatabase(t *testing.T) {
	t.Parallel()
	p := newPlace(t, sqldbtest.SQLite(t))
	ring := p.ring(t)
	_, kid := sign(t, ring)
	if err := p.store.Close(); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		pass  time.Duration
		looks bool
	}{{0, true}, {lookEvery, false}, {lookPause - 2*lookEvery, false}, {2 * lookEvery, true}} {
		p.advance(step.pass)
		before := ring.looked.Load()
		if set := published(t, ring); !slices.Equal(set, []string{kid}) {
			t.Errorf("published: %v", set)
		}
		if looks := ring.looked.Load() != before; looks != step.looks {
			t.Errorf("after %s more, it looks: %t", step.pass, looks)
		}
	}
}

func TestOnlySoManyKeysAreNamed(t *testing.T) {
	t.Parallel()
	p := newPlace(t, sqldbtest.SQLite(t))
	ring := p.ring(t)
	all := &snapshot{}
	for i := range maxNamed + 10 {
		all.withdrawn = append(all.withdrawn, keystore.WithdrawnKey{
			SigningKey: keystore.SigningKey{KID: fmt.Sprintf("%04d", i)}, ExpiresAt: p.now().Add(day),
			WithdrawnAt: p.now().Add(-time.Duration(i) * time.Minute),
		})
	}
	ring.snapshot.Store(all)
	if kids := ring.Withdrawn(p.now()); len(kids) != maxNamed || kids[0] != "0000" || !slices.IsSorted(kids) {
		t.Errorf("%d: %v", len(kids), kids)
	}
}

func TestSigningNeverStopsWhileKeysAreWithdrawn(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		p := newPlace(t, databaseURL)
		rings := []*Ring{p.ring(t), p.ring(t), p.ring(t)}
		ctx, stop := context.WithCancel(t.Context())
		var group sync.WaitGroup
		for _, ring := range rings {
			group.Go(func() {
				for ctx.Err() == nil {
					if _, _, err := ring.SignAs(ctx, ES256, "at+jwt", []byte(`{}`)); err != nil && ctx.Err() == nil {
						t.Error(err)
					}
					if _, err := ring.ReadWithdrawn(ctx); err != nil && ctx.Err() == nil {
						t.Error(err)
					}
				}
			})
		}
		for range 10 {
			_, kid, err := rings[0].SignAs(ctx, ES256, "at+jwt", []byte(`{}`))
			if err != nil {
				t.Fatal(err)
			}
			// Two operators at once.
			var both sync.WaitGroup
			for _, ring := range rings[:2] {
				both.Go(func() {
					if err := ring.Withdraw(ctx, Withdrawal{KIDs: []string{kid}}); err != nil {
						t.Error(err)
					}
				})
			}
			both.Wait()
		}
		stop()
		group.Wait()
		got := statesByAlg(t, rings[2])
		if want := "current" + strings.Repeat(" withdrawn", 10); got[ES256] != want || got[RS256] != "current" {
			t.Error(got)
		}
	})
}

// A replica whose clock is behind that of the machine where the key was withdrawn has the successor
// sign, and not a retired key, which nobody may know any more.
func TestTheSuccessorSignsByEveryClock(t *testing.T) {
	t.Parallel()
	for _, offset := range []time.Duration{-time.Minute, -5 * time.Second, 0, 5 * time.Second} {
		p := newPlace(t, sqldbtest.SQLite(t))
		cfg := p.config(t)
		cfg.Now = func() time.Time { return p.now().Add(offset) }
		ring := p.ring(t)
		skewed, err := Open(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		_, first := sign(t, ring)
		if err := ring.Rotate(t.Context(), true); err != nil {
			t.Fatal(err)
		}
		p.advance(ring.publishFor() + time.Hour) // the first is kept, and published no more
		_, leaked := sign(t, ring)
		withdraw(t, ring, leaked)
		named(t, skewed)
		_, kid := sign(t, ring)
		if _, got := sign(t, skewed); got != kid || got == first || got == leaked {
			t.Errorf("%s off: %s signs, not %s", offset, got, kid)
		}
		for _, r := range []*Ring{ring, skewed} { // what was retired stays so
			if set := published(t, r); !slices.Equal(set, []string{kid}) {
				t.Errorf("%s off: published %v", offset, set)
			}
			if got := statesByAlg(t, r)[RS256]; got != "current kept withdrawn" {
				t.Errorf("%s off: %s", offset, got)
			}
		}
	}
}

func TestTheNextKeyCanBeWithdrawn(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		p := newPlace(t, databaseURL)
		ring := p.ring(t)
		p.advance(90*day - ring.lead())
		tend(t, ring)
		list, err := ring.List(t.Context())
		if err != nil || list[0].State != "next" {
			t.Fatalf("%+v, %v", list, err)
		}
		_, first := sign(t, ring)
		withdraw(t, ring, list[0].KID)
		tend(t, ring) // it is time for another one
		if got := statesByAlg(t, ring)[RS256]; got != "next current withdrawn" {
			t.Error(got)
		}
		// The time of the one that was withdrawn comes, and nobody signs who is not known for long
		// enough.
		p.advance(ring.lead() - time.Microsecond)
		if _, kid := sign(t, ring); kid != first {
			t.Errorf("%s signs", kid)
		}
		p.advance(time.Microsecond)
		if _, kid := sign(t, ring); kid == first || kid == list[0].KID {
			t.Errorf("%s signs", kid)
		}
	})
}

func TestAKeyIsNamedForAsLongAsWhatItSignedCouldLive(t *testing.T) {
	t.Parallel()
	for _, lifetime := range []time.Duration{90 * day, time.Hour} {
		p := newPlace(t, sqldbtest.SQLite(t))
		cfg := p.config(t)
		cfg.RefreshLifetime, cfg.Rotation = lifetime, 0
		ring, err := Open(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		_, leaked := sign(t, ring)
		if err := ring.Withdraw(t.Context(), Withdrawal{KIDs: []string{leaked}}); err != nil {
			t.Fatal(err)
		}
		// A thief's tokens expire when they like, so that a service with an old key set is what
		// counts.
		p.advance(max(lifetime+cfg.Reload+slack, 30*day) - time.Microsecond)
		tend(t, ring)
		if got := named(t, ring); got != leaked {
			t.Errorf("named: %q", got)
		}
		p.advance(time.Microsecond)
		if got := named(t, ring); got != "" {
			t.Errorf("named for ever: %q", got)
		}
		tend(t, ring)
		if kids, err := p.store.Keys.WithdrawnKIDs(t.Context()); err != nil || len(kids) != 0 {
			t.Errorf("%v, %v", kids, err)
		}
	}
}

func TestAKeyOfAnotherDatabaseCanBeWithdrawn(t *testing.T) {
	t.Parallel()
	p, before := newPlace(t, sqldbtest.SQLite(t)), newPlace(t, sqldbtest.SQLite(t))
	ring := p.ring(t)
	_, lost := sign(t, before.ring(t)) // a restored backup does not have it
	if err := ring.Withdraw(t.Context(), Withdrawal{KIDs: []string{lost}}); !errors.Is(err, ErrUnknown) {
		t.Error(err)
	}
	if err := ring.Withdraw(t.Context(), Withdrawal{KIDs: []string{"no thumbprint"}, Missing: true}); !errors.Is(err, ErrUnknown) {
		t.Error(err)
	}
	if got := named(t, ring); got != "" {
		t.Error(got)
	}
	if err := ring.Withdraw(t.Context(), Withdrawal{KIDs: []string{lost}, Missing: true}); err != nil {
		t.Fatal(err)
	}
	if got := named(t, ring); got != lost {
		t.Errorf("named: %q", got)
	}
	list, err := ring.List(t.Context())
	if last := len(algorithms); err != nil || len(list) != last+1 || list[0].State != "current" ||
		list[last].KID != lost || list[last].State != "withdrawn" || list[last].Alg != "" {
		t.Errorf("%+v, %v", list, err)
	}
}
