package store

import (
	"slices"
	"testing"
)

func TestAPageEndsEarlyAmongManyRowsThatNobodyMaySee(t *testing.T) {
	type row struct{ n int }
	all := make([]candidate[row], 5000)
	for i := range all {
		all[i] = candidate[row]{row: row{i + 1}, shown: i%2500 == 2000 || i == 0}
	}
	read := func(after, n int) ([]candidate[row], error) {
		if n > pageChunk {
			t.Fatalf("%d rows by one statement", n)
		}
		return all[after:min(after+n, len(all))], nil
	}
	var got []int
	pages := 0
	for after := new(int); after != nil; pages++ {
		rows, next, err := fill(*after, func(r row) int { return r.n }, bounds{rows: 10}, read)
		ok(t, err)
		for _, r := range rows {
			got = append(got, r.n)
		}
		if next != nil && *next-*after > pageVisits+pageChunk {
			t.Errorf("a page looked at %d rows", *next-*after)
		}
		after = next
	}
	if want := []int{1, 2001, 4501}; !slices.Equal(got, want) || pages < 4 {
		t.Errorf("%v in %d pages, want %v", got, pages, want)
	}
}
