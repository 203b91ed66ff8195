package api

import (
	"errors"
	"math"
	"net/http"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/maru-auth/maru/resources/board/internal/store"
)

// Whatever one person writes must not fill the disk, nor keep the others waiting: a text takes some
// ten times as much in the index as in its row. What is deleted makes room again, but took its time.
const (
	writtenWithin = 24 * time.Hour
	leastCounted  = 200 // characters that a text counts at least, for its row and the work
)

// The index takes long posts in the background, and while it lacks many of them, searches read posts
// one by one. So one person may write only so many of them, which is more than anybody types.
const (
	longBurst = 10              // at once
	longEvery = 6 * time.Second // and then one in this time
)

const allowedPeople = 10_000 // who are remembered

// writing bounds what one person writes in this process. It is safe for concurrent use.
type writing struct {
	aDay int // characters within writtenWithin; 0: no bound
	all  *allowance
	long *allowance
}

// newWriting returns an error if aDay is not a bound.
func newWriting(aDay int, now func() time.Time) (*writing, error) {
	if aDay < 0 {
		return nil, errors.New("setting --daily-characters must not be negative")
	}
	return &writing{aDay: aDay, all: newAllowance(writtenWithin, now), long: newAllowance(longBurst*longEvery, now)}, nil
}

// allowPost counts a post as it is written, new or changed. Error: a problem with status 429.
func (w *writing) allowPost(subject, title, body string) error {
	if utf8.RuneCountInString(body) > store.LongText {
		if _, ok := w.long.spend(subject, longEvery); !ok {
			return later(http.StatusTooManyRequests, "You have written many long posts in a short time. Try again in some seconds.", longEvery)
		}
	}
	return w.allow(subject, utf8.RuneCountInString(title)+utf8.RuneCountInString(body))
}

// allowComment is allowPost for a comment.
func (w *writing) allowComment(subject, body string) error {
	return w.allow(subject, utf8.RuneCountInString(body))
}

func (w *writing) allow(subject string, characters int) error {
	if w.aDay == 0 {
		return nil
	}
	cost := writtenWithin / time.Duration(w.aDay) * time.Duration(max(characters, leastCounted))
	wait, ok := w.all.spend(subject, min(cost, writtenWithin)) // whoever has written nothing may write anything
	if !ok {
		const detail = "You have written very much within a day. Try again later: Retry-After says when."
		return later(http.StatusTooManyRequests, detail, time.Duration(math.Ceil(wait.Seconds()))*time.Second)
	}
	return nil
}

// An allowance is time that everybody has, and gets back as it passes. It is safe for concurrent use.
type allowance struct {
	whole time.Duration
	now   func() time.Time

	mu   sync.Mutex
	full *simplelru.LRU[string, time.Time] // when a person has all of it again
}

// newAllowance returns one of a length; now is the clock, nil: time.Now.
func newAllowance(whole time.Duration, now func() time.Time) *allowance {
	if now == nil {
		now = time.Now
	}
	full, err := simplelru.NewLRU[string, time.Time](allowedPeople, nil)
	if err != nil {
		panic(err) // only for a size below one
	}
	return &allowance{whole: whole, now: now, full: full}
}

// spend takes some of a person's allowance. If there is less left, it takes nothing, and says how long
// it takes until there is enough.
func (a *allowance) spend(person string, some time.Duration) (wait time.Duration, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.now()
	full, _ := a.full.Get(person)
	if now.After(full) {
		full = now
	}
	if full = full.Add(some); full.After(now.Add(a.whole)) {
		return full.Sub(now.Add(a.whole)), false
	}
	a.full.Add(person, full)
	return 0, true
}
