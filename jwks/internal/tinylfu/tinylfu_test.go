package tinylfu

import (
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

var (
	now  = time.Unix(1_800_000_000, 0)
	ends = now.Add(time.Hour)
)

func keyOf(name string, n int) Key { return sha256.Sum256(fmt.Appendf(nil, "%s %d", name, n)) }

// check fails the test unless the cache is within its bounds and its parts agree.
func check[V any](t *testing.T, c *Cache[V]) {
	t.Helper()
	for i := range c.sets {
		s := c.sets[i].Load()
		if s == nil {
			continue
		}
		size := 0
		for j := range s.entries {
			e := &s.entries[j]
			if s.held>>j&1 == 0 {
				if e.key != (Key{}) || s.protected>>j&1 == 1 || int(s.newest) == j {
					t.Fatal("something is left of an entry")
				}
				continue
			}
			place, hash := c.place(&e.key)
			if place.Load() != s || hash != e.hash || s.find(&e.key, hash) != j {
				t.Fatal("an entry is not where it should be")
			}
			size += int(s.sizes[j])
		}
		if s.count() > c.ways || size > c.size || size != s.size {
			t.Fatalf("%d entries of %d, and %d bytes of %d, counted as %d", s.count(), c.ways, size, c.size, s.size)
		}
	}
}

// holds says whether an entry is there, without using it.
func holds[V any](c *Cache[V], key Key) bool {
	place, hash := c.place(&key)
	s := place.Load()
	return s != nil && s.find(&key, hash) >= 0
}

// Which entries share a set is chance: a cache is full when each of its sets is.
func TestACacheHoldsWhatFits(t *testing.T) {
	t.Parallel()
	c := New[int](1000, 1<<20)
	if _, ok := c.Get(keyOf("a", 0)); ok {
		t.Error("an empty cache has something")
	}
	var put []int
	in := map[any]int{} // how many by set
	for i := 0; len(put) < len(c.sets)*c.ways; i++ {
		key := keyOf("a", i)
		if place, _ := c.place(&key); in[place] < c.ways {
			in[place]++
			put = append(put, i)
			c.Put(key, i, 100, ends, now)
		}
	}
	again := put[7]
	c.Put(keyOf("a", again), -7, 200, ends, now)
	for _, i := range put {
		if got, ok := c.Get(keyOf("a", i)); !ok || got != i && !(i == again && got == -7) {
			t.Errorf("%d: %d, %v", i, got, ok)
		}
	}
	if entries, size := c.Load(); entries != len(put) || len(put) < 900 || size != len(put)*100+100 {
		t.Errorf("%d entries of %d bytes", entries, size)
	}
	check(t, c)
}

func TestBoundsHoldWhateverIsPut(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for _, bounds := range []struct{ entries, size int }{
		{1, 1}, {2, 100}, {10, 1000}, {100, 1 << 20}, {4096, 50_000}, {4096, 300_000}, {5000, 1 << 30},
	} {
		c := New[int](bounds.entries, bounds.size)
		for i := range 20_000 {
			n := random.IntN(2 * bounds.entries)
			if _, ok := c.Get(keyOf("k", n)); !ok {
				c.Put(keyOf("k", n), n, random.IntN(300), now.Add(time.Duration(random.IntN(100)-20)*time.Second), now)
			}
			if i%1000 == 0 {
				check(t, c)
			}
		}
		check(t, c)
		if entries, size := c.Load(); entries > bounds.entries || size > bounds.size {
			t.Errorf("%d entries and %d bytes, of %+v", entries, size, bounds)
		}
	}
}

// Those in use are used now and then, while a flood of others passes, each of which is put once and
// asked for never or once. Which of those in use share a set is chance, and where they are many, some
// of them are missed; so caches count together.
func TestAFloodDoesNotPushOutWhatIsInUse(t *testing.T) {
	t.Parallel()
	const caches, entries, inUse, flood = 20, 2048, 1000, 25_000
	for _, asked := range []bool{false, true} {
		misses, uses := 0, 0
		for range caches {
			c := New[int](entries, 1<<30)
			put := func(name string, n int) { c.Put(keyOf(name, n), n, 1000, ends, now) }
			for i := range inUse {
				put("used", i)
			}
			for range 5 {
				for i := range inUse {
					c.Get(keyOf("used", i))
				}
			}
			for i := range flood {
				put("flood", i)
				if asked {
					c.Get(keyOf("flood", i))
				}
				if i%5 == 0 {
					n := i / 5 % inUse
					uses++
					if _, ok := c.Get(keyOf("used", n)); !ok {
						misses++
						put("used", n)
					}
				}
			}
			check(t, c)
		}
		if misses > uses/100 {
			t.Errorf("asked %v: %d of %d uses missed", asked, misses, uses)
		}
	}
}

// Questions about what is not there, such as a flood of forged tokens, change
// nothing, not even what is known of how often others are used.
func TestQuestionsInVainChangeNothing(t *testing.T) {
	t.Parallel()
	c := New[int](1024, 1<<30)
	for i := range 900 {
		c.Put(keyOf("a", i), i, 1, ends, now)
	}
	estimates := func() (all []uint64) {
		for i := range 900 {
			key := keyOf("a", i)
			place, hash := c.place(&key)
			all = append(all, place.Load().uses.estimate(hash))
		}
		return all
	}
	before := estimates()
	var held []int
	for i := range 900 {
		if holds(c, keyOf("a", i)) {
			held = append(held, i)
		}
	}
	for i := range 200_000 {
		if _, ok := c.Get(keyOf("forged", i)); ok {
			t.Fatal("found what was never put")
		}
	}
	if after := estimates(); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Error("they count as uses")
	}
	for _, i := range held {
		if !holds(c, keyOf("a", i)) {
			t.Errorf("%d is gone", i)
		}
	}
	if len(held) < 800 {
		t.Errorf("%d of 900 were held", len(held))
	}
}

// A cache that is full of what was used often lets newcomers in that are used
// more, and those that come after what is over. By chance some share a set with
// more of their kind than others; so caches count together.
func TestWhatIsUsedMoreGetsIn(t *testing.T) {
	t.Parallel()
	const caches, entries, fresh = 20, 512, 100
	gotIn, later := 0, 0
	for range caches {
		c := New[int](entries, 1<<30)
		use := func(name string, n, times int, until time.Time) {
			for range times {
				if _, ok := c.Get(keyOf(name, n)); !ok {
					c.Put(keyOf(name, n), n, 1, until, now)
				}
			}
		}
		held := func(name string, of int) (n int) {
			for i := range of {
				if holds(c, keyOf(name, i)) {
					n++
				}
			}
			return n
		}
		for i := range 2 * entries {
			use("old", i, 2, ends)
		}
		for i := range fresh {
			use("new", i, 6, ends)
		}
		gotIn += held("new", fresh)
		// Those end, and anything is better.
		now := ends.Add(time.Second)
		for i := range 2 * entries {
			c.Put(keyOf("later", i), i, 1, now.Add(time.Hour), now)
		}
		later += held("later", 2*entries)
		check(t, c)
	}
	if gotIn < caches*fresh*95/100 {
		t.Errorf("%d of %d that are used more got in", gotIn, caches*fresh)
	}
	if later < caches*entries*3/4 {
		t.Errorf("%d of %d took the place of what was over", later, caches*entries)
	}
}

func TestASketchEstimatesAndForgets(t *testing.T) {
	t.Parallel()
	var s sketch
	for n := range uint64(6) {
		for range n {
			s.count(n * 0x9e3779b97f4a7c15)
		}
	}
	for n := range uint64(6) {
		if got := s.estimate(n * 0x9e3779b97f4a7c15); got < n || got > n+1 {
			t.Errorf("counted %d times: %d", n, got)
		}
	}
	for range 100 {
		s.count(12345)
	}
	if got := s.estimate(12345); got != 15 {
		t.Errorf("a counter goes up to %d", got)
	}
	for range period {
		s.count(rand.Uint64())
	}
	if got := s.estimate(12345); got > 9 {
		t.Errorf("%d after a period", got)
	}
}

func TestManyMayUseACache(t *testing.T) {
	t.Parallel()
	c := New[int](4096, 1<<20)
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			for i := range 5000 {
				n := (i*7 + worker*13) % 6000
				if got, ok := c.Get(keyOf("k", n)); ok && got != n {
					t.Errorf("%d for %d", got, n)
				}
				c.Put(keyOf("k", n), n, 100+n%200, ends, now)
			}
		})
	}
	wg.Wait()
	check(t, c)
}

// BenchmarkGet shows whether goroutines that use one entry get in each other's
// way.
func BenchmarkGet(b *testing.B) {
	c := New[int](16384, 1<<30)
	for i := range 10_000 {
		c.Put(keyOf("k", i), i, 1000, ends, now)
	}
	for name, spread := range map[string]uint64{"one": 1, "many": 4096} {
		keys := make([]Key, spread)
		for i := range keys {
			keys[i] = keyOf("k", i)
		}
		b.Run(name, func(b *testing.B) {
			b.RunParallel(func(pb *testing.PB) {
				for i := rand.Uint64(); pb.Next(); i++ {
					c.Get(keys[i%spread])
				}
			})
		})
	}
}
