package api

import (
	"net/http"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/maru-auth/maru/resources/board/internal/store"
)

// The index takes long posts in the background, and while it lacks many of them, searches read posts
// one by one. So one person may write only so many of them, which is more than anybody types.
const (
	longBurst  = 10              // at once
	longEvery  = 6 * time.Second // and then one in this time
	longPeople = 10_000          // who are remembered
)

// longPosts bounds how many long posts a person writes in this process. It is safe for concurrent
// use.
type longPosts struct {
	now func() time.Time

	mu sync.Mutex
	// By subject: when the person may write longBurst of them again.
	free *simplelru.LRU[string, time.Time]
}

func newLongPosts(now func() time.Time) *longPosts {
	if now == nil {
		now = time.Now
	}
	free, err := simplelru.NewLRU[string, time.Time](longPeople, nil)
	if err != nil {
		panic(err) // only for a size below one
	}
	return &longPosts{now: now, free: free}
}

// allow counts a text that a person writes, if it is long. Error: a problem with status 429.
func (l *longPosts) allow(subject, body string) error {
	if utf8.RuneCountInString(body) <= store.LongText {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	free, _ := l.free.Get(subject)
	if now.After(free) {
		free = now
	}
	if free = free.Add(longEvery); free.After(now.Add(longBurst * longEvery)) {
		return later(http.StatusTooManyRequests, "You have written many long posts in a short time. Try again in some seconds.", longEvery)
	}
	l.free.Add(subject, free)
	return nil
}
