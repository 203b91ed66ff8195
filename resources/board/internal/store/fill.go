package store

import (
	"errors"
	"time"
)

// The bounds of a page, however many hidden rows lie between those that it shows.
const (
	pageVisits = 1000      // rows that are looked at
	pageChunk  = 200       // of these, by one statement after the first
	pageBytes  = 256 << 10 // of texts that it shows: it is in memory as long as somebody takes to read it
)

// candidate is a row that a list looked at, and whether it shows it.
type candidate[T any] struct {
	row   T
	shown bool
	seen  bool // it may be shown to the viewer, although this list does not
}

// errNoTime says that a page must end with what it has.
var errNoTime = errors.New("the time for the page is over")

// bounds are what one page may cost.
type bounds struct {
	rows          int
	visits, chunk int         // 0: pageVisits, and one row more than wanted, then pageChunk
	until         time.Time   // zero: no matter
	more          func() bool // tells whether there is more after a call that found fewer than n; nil: never
}

// fill makes a page of the rows that are shown among those that read finds after a position, n of
// them a call. next is where the page ended, or nil if there are no more. A page that would cost
// too much, or whose read returns errNoTime, ends early: the next one goes on from there, which is a
// row that the viewer may know of. If there was none, it is one that its position does not tell.
func fill[T, P any](
	after P, position func(T) P, may bounds, read func(after P, n int) ([]candidate[T], error),
) (rows []T, next *P, err error) {
	n := may.chunk
	if may.visits == 0 {
		may.visits, may.chunk, n = pageVisits, pageChunk, may.rows+1
	}
	var known *P
	for visited := 0; ; n = may.chunk {
		found, err := read(after, n)
		if errors.Is(err, errNoTime) {
			return rows, resumption(known, after), nil
		}
		if err != nil {
			return nil, nil, err
		}
		for _, c := range found {
			if c.shown && len(rows) == may.rows {
				end := position(rows[len(rows)-1])
				return rows, &end, nil
			}
			if c.shown {
				rows = append(rows, c.row)
			}
			after = position(c.row)
			if c.shown || c.seen {
				at := after
				known = &at
			}
		}
		visited += len(found)
		switch {
		case len(found) < n && (may.more == nil || !may.more()):
			return rows, nil, nil
		case visited >= may.visits, !may.until.IsZero() && time.Now().After(may.until):
			return rows, resumption(known, after), nil
		}
	}
}

// resumption is where the page after one that ended early begins: where the viewer knows a row, or
// else after the last one.
func resumption[P any](known *P, last P) *P {
	if known != nil {
		return known
	}
	if p, ok := any(last).(interface{ blurred() P }); ok {
		last = p.blurred()
	}
	return &last
}

// lighten ends a page with the row by which its texts reach [pageBytes].
func lighten[T, P any](rows []T, next *P, text func(T) string, position func(T) P) ([]T, *P) {
	bytes := 0
	for i, row := range rows {
		if bytes += len(text(row)); bytes >= pageBytes && i < len(rows)-1 {
			end := position(row)
			return rows[:i+1], &end
		}
	}
	return rows, next
}
