package cache_test

import (
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/cache"
)

func TestWhatWasNotUsedForLongestGoesFirst(t *testing.T) {
	c := cache.New[string, int](3 * (cache.Overhead + 100))
	for n, key := range []string{"a", "b", "c"} {
		c.Add(key, n, 100)
	}
	c.Get("a")
	c.Add("d", 4, 100)
	if _, ok := c.Get("b"); ok {
		t.Error("b was used before a, and is kept")
	}
	for _, key := range []string{"a", "c", "d"} {
		if _, ok := c.Get(key); !ok {
			t.Errorf("%s is gone", key)
		}
	}
	if c.GetOrAdd("a", 9, 1) != 0 {
		t.Error("a was replaced")
	}
	c.Add("huge", 1, 2000)
	if _, ok := c.Get("huge"); ok || c.Bytes() > 3*(cache.Overhead+100) {
		t.Errorf("one that is larger than the cache is kept: %d bytes", c.Bytes())
	}
	c.Add("x", 1, 10)
	c.Add("x", 2, 20)
	if x, _ := c.Get("x"); x != 2 || c.Bytes() != cache.Overhead+20 {
		t.Errorf("%d, %d bytes", x, c.Bytes())
	}
	c.Remove("x")
	if c.Bytes() != 0 {
		t.Errorf("%d bytes of nothing", c.Bytes())
	}
}
