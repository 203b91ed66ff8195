package api

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/maru-auth/maru/internal/rest"
	"github.com/maru-auth/maru/resources/board/internal/store"
)

// refusedFor returns after how many seconds a refused text may be written.
func refusedFor(t *testing.T, err error) int {
	t.Helper()
	var problem *rest.Problem
	var headers huma.HeadersError
	if !errors.As(err, &problem) || problem.Status != http.StatusTooManyRequests || !errors.As(err, &headers) {
		t.Fatalf("refused by %v", err)
	}
	seconds, err := strconv.Atoi(headers.GetHeaders().Get("Retry-After"))
	if err != nil || seconds < 1 {
		t.Fatal(seconds, err)
	}
	return seconds
}

func newTestWriting(t *testing.T, aDay int) (w *writing, now *time.Time) {
	t.Helper()
	now = new(time.Unix(1e9, 0))
	w, err := newWriting(aDay, func() time.Time { return *now })
	if err != nil {
		t.Fatal(err)
	}
	return w, now
}

func TestAPersonWritesSoManyLongPosts(t *testing.T) {
	w, now := newTestWriting(t, 0)
	long := strings.Repeat("가", store.LongText+1)
	written := func(subject string) (n int) {
		for w.allowPost(subject, "t", long) == nil {
			n++
		}
		return n
	}
	if n := written("eve"); n != longBurst {
		t.Errorf("%d at once", n)
	}
	if seconds := refusedFor(t, w.allowPost("eve", "t", long)); seconds != 6 {
		t.Errorf("refused for %d s", seconds)
	}
	if w.allowPost("eve", "t", long[3:]) != nil || w.allowPost("ann", "t", long) != nil {
		t.Error("short posts, or those of others, are refused")
	}
	*now = now.Add(3 * longEvery)
	if n := written("eve"); n != 3 {
		t.Errorf("%d after %s", n, 3*longEvery)
	}
	*now = now.Add(time.Hour)
	if n := written("eve"); n != longBurst {
		t.Errorf("%d after an hour", n)
	}
	for i := range allowedPeople + 10 {
		w.allowPost(fmt.Sprint(i), "t", long)
	}
	if n := w.long.Callers(); n > allowedPeople {
		t.Errorf("%d people are remembered", n)
	}
}

func TestAPersonWritesSoManyCharactersADay(t *testing.T) {
	w, now := newTestWriting(t, 20_000)
	comments := func() (n int) {
		for w.allowComment("eve", "short") == nil {
			n++
		}
		return n
	}
	if n := comments(); n != 20_000/leastCounted {
		t.Errorf("%d comments at once", n)
	}
	if w.allowComment("ann", "short") != nil {
		t.Error("others are refused")
	}
	wait := refusedFor(t, w.allowPost("eve", strings.Repeat("가", 100), strings.Repeat("가", 300)))
	if want := 24 * 3600 * 400 / 20_000; wait != want {
		t.Errorf("refused for %d s, want %d", wait, want)
	}
	*now = now.Add(time.Duration(wait) * time.Second)
	if n := comments(); n != 2 { // which is what the post would have counted
		t.Errorf("%d comments after the wait", n)
	}
	*now = now.Add(24 * time.Hour)
	if n := comments(); n != 20_000/leastCounted {
		t.Errorf("%d comments a day later", n)
	}
	if small, _ := newTestWriting(t, 100); small.allowComment("eve", "longer than what is allowed") != nil || small.allowComment("eve", "b") == nil {
		t.Error("a bound below that of one text does not allow one")
	}
	if none, _ := newTestWriting(t, 0); none.allow("eve", 1e9) != nil {
		t.Error("refused without a bound")
	}
	if _, err := newWriting(-1, nil); err == nil || !strings.Contains(err.Error(), "--daily-characters") {
		t.Error(err)
	}
}
