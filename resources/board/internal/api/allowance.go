package api

import (
	"errors"
	"math"
	"net/http"
	"time"
	"unicode/utf8"

	"github.com/maru-auth/maru/internal/httpd"
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
	all  *httpd.Allowance
	long *httpd.Allowance
}

// newWriting returns an error if aDay is not a bound.
func newWriting(aDay int, now func() time.Time) (*writing, error) {
	if aDay < 0 {
		return nil, errors.New("setting --daily-characters must not be negative")
	}
	return &writing{
		aDay: aDay,
		all:  httpd.NewAllowance(writtenWithin, allowedPeople, now),
		long: httpd.NewAllowance(longBurst*longEvery, allowedPeople, now),
	}, nil
}

// allowPost counts a post as it is written, new or changed. Error: a problem with status 429.
func (w *writing) allowPost(subject, title, body string) error {
	if utf8.RuneCountInString(body) > store.LongText {
		if _, ok := w.long.Spend(subject, longEvery); !ok {
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
	wait, ok := w.all.Spend(subject, min(cost, writtenWithin)) // whoever has written nothing may write anything
	if !ok {
		const detail = "You have written very much within a day. Try again later: Retry-After says when."
		return later(http.StatusTooManyRequests, detail, time.Duration(math.Ceil(wait.Seconds()))*time.Second)
	}
	return nil
}
