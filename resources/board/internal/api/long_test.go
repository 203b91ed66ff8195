package api

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/maru-auth/maru/internal/rest"
	"github.com/maru-auth/maru/resources/board/internal/store"
)

func TestAPersonWritesSoManyLongPosts(t *testing.T) {
	now := time.Unix(1e9, 0)
	l := newLongPosts(func() time.Time { return now })
	long := strings.Repeat("가", store.LongText+1)
	written := func(subject string) (n int) {
		for l.allow(subject, long) == nil {
			n++
		}
		return n
	}
	if n := written("eve"); n != longBurst {
		t.Errorf("%d at once", n)
	}
	err := l.allow("eve", long)
	var problem *rest.Problem
	var headers huma.HeadersError
	if !errors.As(err, &problem) || problem.Status != http.StatusTooManyRequests ||
		!errors.As(err, &headers) || headers.GetHeaders().Get("Retry-After") != "6" {
		t.Errorf("refused by %v", err)
	}
	if l.allow("eve", long[3:]) != nil || l.allow("ann", long) != nil {
		t.Error("short posts, or those of others, are refused")
	}
	now = now.Add(3 * longEvery)
	if n := written("eve"); n != 3 {
		t.Errorf("%d after %s", n, 3*longEvery)
	}
	now = now.Add(time.Hour)
	if n := written("eve"); n != longBurst {
		t.Errorf("%d after an hour", n)
	}
	for i := range longPeople + 10 {
		l.allow(fmt.Sprint(i), long)
	}
	if l.free.Len() > longPeople {
		t.Errorf("%d people are remembered", l.free.Len())
	}
}
