package keycache_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/maru-auth/maru/jwks/internal/keycache"
	"github.com/maru-auth/maru/jwks/jose"
)

func TestCacheStartsWithoutTheIssuerAndRecovers(t *testing.T) {
	t.Parallel()
	f := &fakeIssuer{down: true}
	bubble(t, f, nil, func(ctx context.Context, c *keycache.Cache) {
		wantNoKey(t, ctx, c, "a", keycache.ErrUnavailable)
		short, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		if err := c.Ready(short); !errors.Is(err, keycache.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("ready without an issuer: %v", err)
		} else if !strings.Contains(err.Error(), "connection refused") {
			t.Errorf("the error does not say why: %v", err)
		}
		f.set(func(f *fakeIssuer) { f.down = false })
		start := time.Now()
		mustReady(t, ctx, c)
		if waited := time.Since(start); waited > keycache.DefaultCooldown {
			t.Errorf("took %v to recover", waited)
		}
		wantKey(t, ctx, c, "a")
	})
}

func TestCacheWaitsForTheFirstFetch(t *testing.T) {
	t.Parallel()
	bubble(t, &fakeIssuer{delay: 200 * time.Millisecond}, nil, func(ctx context.Context, c *keycache.Cache) {
		wantKey(t, ctx, c, "a") // discovery and key set: 400 ms
	})
}

func TestKnownKeysNeverWait(t *testing.T) {
	t.Parallel()
	f := &fakeIssuer{}
	bubble(t, f, nil, func(ctx context.Context, c *keycache.Cache) {
		mustReady(t, ctx, c)
		f.set(func(f *fakeIssuer) { f.delay = time.Hour }) // the issuer hangs
		var wg sync.WaitGroup
		for i := range 50 {
			wg.Go(func() {
				start := time.Now()
				wantNoKey(t, ctx, c, fmt.Sprint("unknown", i), keycache.ErrUnavailable)
				if waited := time.Since(start); waited > time.Second {
					t.Errorf("an unknown key waited %v", waited)
				}
			})
		}
		synctest.Wait() // all of them wait now
		start := time.Now()
		wantKey(t, ctx, c, "a")
		if waited := time.Since(start); waited != 0 {
			t.Errorf("a known key waited %v", waited)
		}
		ended, cancel := context.WithCancel(ctx)
		cancel()
		wantKey(t, ended, c, "a")
		wg.Wait()
	})
}

func TestWaitingHonoursTheContext(t *testing.T) {
	t.Parallel()
	f := &fakeIssuer{}
	bubble(t, f, nil, func(ctx context.Context, c *keycache.Cache) {
		mustReady(t, ctx, c)
		f.set(func(f *fakeIssuer) { f.delay = time.Hour })
		short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
		defer cancel()
		start := time.Now()
		wantNoKey(t, short, c, "unknown", context.DeadlineExceeded)
		if waited := time.Since(start); waited != 50*time.Millisecond {
			t.Errorf("waited %v", waited)
		}
	})
}

func TestAFloodCannotPileUpWhileTheIssuerHangs(t *testing.T) {
	t.Parallel()
	f := &fakeIssuer{}
	bubble(t, f, nil, func(ctx context.Context, c *keycache.Cache) {
		mustReady(t, ctx, c)
		f.set(func(f *fakeIssuer) { f.delay = time.Hour })
		var wg sync.WaitGroup
		for i := range 5000 {
			wg.Go(func() { wantNoKey(t, ctx, c, fmt.Sprint(i), keycache.ErrUnavailable) })
		}
		synctest.Wait()
		start := time.Now()
		wantNoKey(t, ctx, c, "one more", keycache.ErrUnavailable)
		if time.Since(start) != 0 {
			t.Error("one more could wait")
		}
		wg.Wait()
		f.set(func(f *fakeIssuer) { f.delay = 0 })
		time.Sleep(30 * time.Second) // the fetch that hangs is given up after ten
		// Those who waited are forgotten: there is room to wait again.
		f.set(func(f *fakeIssuer) { f.kids = []string{"a", "b"} })
		wantKey(t, ctx, c, "b")
	})
}

func TestAFloodOfUnknownKeysForcesOneFetchACooldownAndHidesNoRotation(t *testing.T) {
	t.Parallel()
	f := &fakeIssuer{}
	const cooldown = 10 * time.Second
	bubble(t, f, nil, func(ctx context.Context, c *keycache.Cache) {
		mustReady(t, ctx, c)
		before := f.fetches()
		for second := range 60 {
			var wg sync.WaitGroup
			for i := range 100 {
				wg.Go(func() { wantNoKey(t, ctx, c, fmt.Sprintf("%d-%d", second, i), jose.ErrUnknownKey) })
			}
			wg.Wait()
			time.Sleep(time.Second)
		}
		if forced := f.fetches() - before; forced != 6 {
			t.Errorf("%d fetches in a minute, want one each 10 s", forced)
		}
		// In the midst of the flood, just after a forced fetch, a rotation.
		wantNoKey(t, ctx, c, "yet another", jose.ErrUnknownKey)
		f.set(func(f *fakeIssuer) { f.kids = []string{"a", "b"} })
		rotated := time.Now()
		for {
			wantNoKey(t, ctx, c, fmt.Sprint("flood", time.Since(rotated)), jose.ErrUnknownKey)
			if _, err := c.Keys(ctx, "b"); err == nil {
				break
			}
			time.Sleep(100 * time.Millisecond)
		}
		if took := time.Since(rotated); took > cooldown {
			t.Errorf("the new key was found after %v", took)
		}
		wantKey(t, ctx, c, "a")
	})
}

func TestAFloodOfUnknownKeysHidesNoKeyThatTheIssuerNamed(t *testing.T) {
	f := &fakeIssuer{}
	bubble(t, f, nil, func(ctx context.Context, c *keycache.Cache) {
		mustReady(t, ctx, c)
		wantNoKey(t, ctx, c, "forged", jose.ErrUnknownKey) // which uses up the cooldown
		wantNoKey(t, ctx, c, "b", jose.ErrUnknownKey)
		f.set(func(f *fakeIssuer) { f.kids = []string{"b"} })
		wantNoKey(t, ctx, c, "b", jose.ErrUnknownKey)
		if keys, err := c.Find(ctx, "b"); err != nil || len(keys) != 1 || keys[0].ID() != "b" {
			t.Fatalf("found %v, %v", keys, err)
		}
		wantKey(t, ctx, c, "b")

		before := f.fetches()
		for range 50 { // in five seconds
			if keys, err := c.Find(ctx, "c"); !errors.Is(err, jose.ErrUnknownKey) {
				t.Fatalf("found %v, %v", keys, err)
			}
			time.Sleep(100 * time.Millisecond)
		}
		if forced := f.fetches() - before; forced > 5 {
			t.Errorf("%d fetches in 5 s, want one a second at most", forced)
		}
	})
}

func TestARotationIsSeenAtOnce(t *testing.T) {
	t.Parallel()
	f := &fakeIssuer{}
	bubble(t, f, nil, func(ctx context.Context, c *keycache.Cache) {
		mustReady(t, ctx, c)
		f.set(func(f *fakeIssuer) { f.kids = []string{"a", "b"} })
		wantKey(t, ctx, c, "b")
		wantKey(t, ctx, c, "a")
		if n := f.fetches(); n != 2 {
			t.Errorf("%d fetches, want 2", n)
		}
	})
}

func TestAKeyPublishedDuringAFetchIsFoundByTheNext(t *testing.T) {
	t.Parallel()
	f := &fakeIssuer{body: nil}
	bubble(t, f, nil, func(ctx context.Context, c *keycache.Cache) {
		mustReady(t, ctx, c)
		// The answer under way is made before the rotation, and arrives after.
		f.set(func(f *fakeIssuer) {
			f.answer = func(*http.Request) *http.Response {
				f.answer = nil
				f.kids = []string{"a", "b"}
				return response(http.StatusOK, keySetOf("a"), nil)
			}
			f.delay = 100 * time.Millisecond
		})
		var wg sync.WaitGroup
		wg.Go(func() { wantNoKey(t, ctx, c, "forged", jose.ErrUnknownKey) })
		synctest.Wait()
		// The forced fetch was spent on the forged key; so it takes a cooldown.
		wantNoKey(t, ctx, c, "b", jose.ErrUnknownKey)
		wg.Wait()
		time.Sleep(keycache.DefaultCooldown)
		wantKey(t, ctx, c, "b")
	})
}

func TestOneOldTokenDoesNotCauseFetchesForEver(t *testing.T) {
	t.Parallel()
	f := &fakeIssuer{cache: "max-age=3600"}
	bubble(t, f, nil, func(ctx context.Context, c *keycache.Cache) {
		mustReady(t, ctx, c)
		for range 30 * 60 {
			wantNoKey(t, ctx, c, "withdrawn", jose.ErrUnknownKey)
			time.Sleep(time.Second)
		}
		// 10, 20, 40 and then 80 seconds apart.
		if n := f.fetches(); n < 20 || n > 27 {
			t.Errorf("%d fetches in half an hour", n)
		}
		f.set(func(f *fakeIssuer) { f.kids = []string{"withdrawn", "a"} })
		start := time.Now()
		for {
			if _, err := c.Keys(ctx, "withdrawn"); err == nil {
				break
			}
			time.Sleep(time.Second)
		}
		if took := time.Since(start); took > 80*time.Second {
			t.Errorf("the key came back after %v", took)
		}
		// A key that was never asked for is not held up by that.
		f.set(func(f *fakeIssuer) { f.kids = []string{"b"} })
		time.Sleep(keycache.DefaultCooldown)
		wantKey(t, ctx, c, "b")
	})
}

func TestARefreshReplacesTheSetWholly(t *testing.T) {
	t.Parallel()
	f := &fakeIssuer{cache: "max-age=300", kids: []string{"a", "b"}}
	bubble(t, f, nil, func(ctx context.Context, c *keycache.Cache) {
		mustReady(t, ctx, c)
		wantKey(t, ctx, c, "a")
		f.set(func(f *fakeIssuer) { f.kids = []string{"b"} })
		time.Sleep(300 * time.Second)
		wantNoKey(t, ctx, c, "a", jose.ErrUnknownKey)
		wantKey(t, ctx, c, "b")
		f.set(func(f *fakeIssuer) { f.kids = []string{} }) // all withdrawn
		time.Sleep(300 * time.Second)
		wantNoKey(t, ctx, c, "b", jose.ErrUnknownKey)
	})
}

func TestKeysOutliveTheIssuerForABoundedTime(t *testing.T) {
	t.Parallel()
	f := &fakeIssuer{cache: "max-age=600"}
	stale := func(cfg *keycache.Config) { cfg.MaxStale = time.Hour }
	bubble(t, f, stale, func(ctx context.Context, c *keycache.Cache) {
		mustReady(t, ctx, c)
		f.set(func(f *fakeIssuer) { f.down = true })
		time.Sleep(70*time.Minute - time.Second)
		wantKey(t, ctx, c, "a")
		// Nobody can tell now whether this key is the issuer's.
		wantNoKey(t, ctx, c, "b", keycache.ErrUnavailable)
		time.Sleep(time.Second)
		wantNoKey(t, ctx, c, "a", keycache.ErrUnavailable)
		short, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		if err := c.Ready(short); !errors.Is(err, keycache.ErrUnavailable) {
			t.Errorf("ready with keys too old: %v", err)
		}
		f.set(func(f *fakeIssuer) { f.down = false })
		mustReady(t, ctx, c)
		wantKey(t, ctx, c, "a")
	})
}

func TestADeadIssuerIsNotHammered(t *testing.T) {
	t.Parallel()
	f := &fakeIssuer{down: true, kids: []string{"a"}}
	bubble(t, f, func(cfg *keycache.Config) { cfg.JWKSURL = fakeURL + "/keys" }, func(ctx context.Context, c *keycache.Cache) {
		for range 600 {
			wantNoKey(t, ctx, c, "a", keycache.ErrUnavailable)
			time.Sleep(time.Second)
		}
		// In the background one each 10 s, and one forced.
		if n := f.fetches(); n > 2*60+15 {
			t.Errorf("%d fetches in ten minutes", n)
		}
	})
}

func TestTheGoroutineEndsWithTheContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, delay := range []time.Duration{0, time.Hour} {
			ctx, cancel := context.WithCancel(t.Context())
			f := &fakeIssuer{kids: []string{"a"}}
			c, err := keycache.New(ctx, keycache.Config{Issuer: fakeURL, Client: &http.Client{Transport: f}})
			if err != nil {
				t.Fatal(err)
			}
			mustReady(t, ctx, c)
			f.set(func(f *fakeIssuer) { f.delay = delay })
			var wg sync.WaitGroup
			if delay > 0 {
				wg.Go(func() { wantNoKey(t, context.Background(), c, "x", keycache.ErrUnavailable) })
				synctest.Wait() // a fetch is under way
			}
			cancel()
			wg.Wait()
			fetches := f.fetches()
			for range 10 {
				wantNoKey(t, context.Background(), c, "y", keycache.ErrUnavailable)
			}
			wantKey(t, context.Background(), c, "a")
			time.Sleep(24 * time.Hour)
			wantNoKey(t, context.Background(), c, "a", keycache.ErrUnavailable)
			if err := c.Ready(context.Background()); !errors.Is(err, keycache.ErrUnavailable) {
				t.Errorf("ready after the end: %v", err)
			}
			if f.fetches() != fetches {
				t.Error("fetched after the end")
			}
		}
		// synctest fails if a goroutine is left.
	})
}

func TestWrongCacheConfigurations(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]keycache.Config{
		"nothing":           {},
		"no URL":            {Issuer: "issuer.example"},
		"not http":          {Issuer: "ftp://issuer.example"},
		"file":              {JWKSURL: "file:///etc/passwd"},
		"unparsable":        {JWKSURL: "http://[::1"},
		"password in URL":   {JWKSURL: "https://u:p@issuer.example/keys"},
		"issuer with query": {Issuer: "https://issuer.example/?a=b"},
		"negative":          {Issuer: fakeURL, MaxStale: -1},
		"bounds crossed":    {Issuer: fakeURL, MinRefresh: 2 * time.Hour},
	} {
		if c, err := keycache.New(t.Context(), cfg); err == nil || c != nil {
			t.Errorf("%s: no error", name)
		} else if strings.Contains(err.Error(), "u:p") {
			t.Errorf("%s: the error shows the password", name)
		}
	}
}

// Whatever happens, in whatever order, these hold.
func TestCacheInvariants(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		var failure any
		synctest.Test(t, func(*testing.T) {
			t := rt
			defer func() { failure = recover() }()
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			f := &fakeIssuer{kids: []string{"k0"}, cache: "max-age=300", etags: rapid.Bool().Draw(t, "etags")}
			const cooldown, stale = 10 * time.Second, time.Hour
			c, err := keycache.New(ctx, keycache.Config{
				JWKSURL: fakeURL + "/keys", Client: &http.Client{Transport: f}, Cooldown: cooldown, MaxStale: stale,
			})
			if err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			changed, outage := began, time.Time{} // the last change of the keys; the outage's start
			next, outages := 1, 0
			t.Repeat(map[string]func(*rapid.T){
				"rotate": func(t *rapid.T) {
					f.set(func(f *fakeIssuer) { f.kids = append(slices.Clone(f.kids), fmt.Sprint("k", next)) })
					next, changed = next+1, time.Now()
				},
				"withdraw": func(t *rapid.T) {
					f.set(func(f *fakeIssuer) { f.kids = slices.Clone(f.kids[len(f.kids)-1:]) })
					changed = time.Now()
				},
				"fail": func(t *rapid.T) {
					f.set(func(f *fakeIssuer) { f.down = true })
					if outage.IsZero() {
						outage = time.Now()
						outages++
					}
				},
				"recover": func(t *rapid.T) {
					f.set(func(f *fakeIssuer) { f.down = false })
					if !outage.IsZero() {
						changed, outage = time.Now(), time.Time{}
					}
				},
				"pass time": func(t *rapid.T) {
					time.Sleep(time.Duration(rapid.IntRange(1, 1000).Draw(t, "seconds")) * time.Second)
				},
				"ask": func(t *rapid.T) {
					kid := fmt.Sprint("k", rapid.IntRange(0, next+1).Draw(t, "kid"))
					start := time.Now()
					keys, err := c.Keys(ctx, kid)
					if waited := time.Since(start); waited > time.Second {
						t.Fatalf("waited %v", waited)
					}
					f.mu.Lock()
					published := slices.Contains(f.kids, kid)
					f.mu.Unlock()
					settled := outage.IsZero() && time.Since(changed) > 300*time.Second
					switch {
					case settled && published && err != nil:
						t.Fatalf("%s is published and not found: %v", kid, err)
					case settled && !published && !errors.Is(err, jose.ErrUnknownKey):
						t.Fatalf("%s is not published: %v, %v", kid, keys, err)
					case !outage.IsZero() && time.Since(outage) > 300*time.Second+stale && !errors.Is(err, keycache.ErrUnavailable):
						t.Fatalf("%s after a long outage: %v, %v", kid, keys, err)
					}
				},
				"": func(t *rapid.T) {
					f.mu.Lock()
					fetches, most := len(f.starts), f.most
					f.mu.Unlock()
					if most > 1 {
						t.Fatal("two fetches at once")
					}
					// A cooldown's worth: one forced and one in the background; and the
					// quick retries when an outage begins.
					if limit := 2*int(time.Since(began)/cooldown) + 10*outages + 10; fetches > limit {
						t.Fatalf("%d fetches in %v with %d outages", fetches, time.Since(began), outages)
					}
				},
			})
		})
		if failure != nil {
			panic(failure) // in the goroutine where rapid waits for it
		}
	})
}
