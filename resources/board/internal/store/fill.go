package store

import "time"

// The bounds of a page, however many hidden rows lie between those that it shows.
const (
	pageVisits = 1000 // rows that are looked at
	pageChunk  = 200  // of these, by one statement after the first
)

// candidate is a row that a list looked at, and whether it shows it.
type candidate[T any] struct {
	row   T
	shown bool
}

// bounds are what one page may cost.
type bounds struct {
	rows          int
	visits, chunk int       // 0: pageVisits, and one row more than wanted, then pageChunk
	until         time.Time // zero: no matter
}

// fill makes a page of the rows that are shown among those that read finds after a position, n of
// them a call. next is where the page ended, or nil if there are no more. A page that would cost
// too much ends early: the next one goes on from there.
func fill[T, P any](
	after P, position func(T) P, may bounds, read func(after P, n int) ([]candidate[T], error),
) (rows []T, next *P, err error) {
	n := may.chunk
	if may.visits == 0 {
		may.visits, may.chunk, n = pageVisits, pageChunk, may.rows+1
	}
	for visited := 0; ; n = may.chunk {
		found, err := read(after, n)
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
		}
		visited += len(found)
		switch {
		case len(found) < n:
			return rows, nil, nil
		case visited >= may.visits, !may.until.IsZero() && time.Now().After(may.until):
			return rows, &after, nil
		}
	}
}
