package api

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// world is what pages are kept of: a count of writes, and a clock.
type world struct {
	*pages
	writes int64
	shared bool
	now    time.Time
	reads  int
}

func newWorld() *world {
	w := &world{now: time.Unix(1e9, 0)}
	w.pages = newPages(func() (int64, bool) { return w.writes, !w.shared }, func() time.Time { return w.now })
	return w
}

// see gets a page, which would be the n-th that is read.
func (w *world) see(t *testing.T, name pageName, somebody string, but ...string) (body string, ok bool) {
	t.Helper()
	text, ok, err := w.get(name, somebody, func() (page, error) {
		w.reads++
		return page{body: fmt.Append(nil, w.reads), but: but}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(text), ok
}

func TestAPageIsKeptUntilSomethingIsWrittenAndForASecond(t *testing.T) {
	w, first := newWorld(), pageName{list: "l", limit: 20}
	want := func(reads int) {
		t.Helper()
		if body, ok := w.see(t, first, "ann"); !ok || body != fmt.Sprint(reads) || w.reads != reads {
			t.Errorf("saw %q after %d reads, want %d", body, w.reads, reads)
		}
	}
	want(1)
	want(1)
	w.writes++
	want(2)
	w.now = w.now.Add(pagesFor - time.Millisecond)
	want(2)
	w.now = w.now.Add(time.Millisecond)
	want(3)
	w.now = w.now.Add(-time.Hour)
	want(4)
}

func TestAPageThatWasReadDuringAWriteIsNotKept(t *testing.T) {
	w, name := newWorld(), pageName{list: "l"}
	_, _, err := w.get(name, "ann", func() (page, error) { w.writes++; return page{body: []byte("old")}, nil })
	if err != nil {
		t.Fatal(err)
	}
	if body, _ := w.see(t, name, "ann"); body == "old" {
		t.Error("a page is seen that is older than what was written")
	}
}

func TestNobodySeesAPageOfOthers(t *testing.T) {
	w, all := newWorld(), pageName{list: "l", limit: 20}
	w.see(t, all, "ann", "eve")
	if _, ok := w.see(t, all, "eve"); ok {
		t.Error("the author of a hidden post sees the others' page")
	}
	for _, other := range []pageName{
		{list: "l", limit: 20, moderators: true}, {list: "l", limit: 21}, {list: "m", limit: 20}, {list: "l", cursor: "c", limit: 20},
	} {
		if body, ok := w.see(t, other, "ann"); !ok || body == "1" {
			t.Errorf("%+v is answered with the page of %+v", other, all)
		}
	}
}

func TestNothingIsKeptWhereOthersWrite(t *testing.T) {
	w := newWorld()
	w.shared = true
	if _, ok := w.see(t, pageName{list: "l"}, "ann"); ok || w.reads > 0 || w.byName.Len() > 0 {
		t.Error("a page is kept of a database that other processes write to")
	}
}

func TestAFailureIsNotKept(t *testing.T) {
	w, name := newWorld(), pageName{list: "l"}
	wrong := errors.New("wrong")
	if _, _, err := w.get(name, "ann", func() (page, error) { return page{}, wrong }); !errors.Is(err, wrong) {
		t.Error(err)
	}
	if body, ok := w.see(t, name, "ann"); !ok || body != "1" {
		t.Errorf("%q, %v", body, ok)
	}
}

func TestWhoTurnsAllPagesTakesBoundedMemory(t *testing.T) {
	w := newWorld()
	held := func() (bytes int) {
		for _, name := range w.byName.Keys() {
			one, _ := w.byName.Peek(name)
			bytes += one.size(name)
		}
		if bytes != w.bytes || bytes > pagesKept || w.byName.Len() > pageNumbers {
			t.Fatalf("%d pages of %d bytes are kept, counted as %d", w.byName.Len(), bytes, w.bytes)
		}
		return bytes
	}
	get := func(name pageName, size int) {
		if _, _, err := w.get(name, "eve", func() (page, error) { return page{body: make([]byte, size)}, nil }); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 3 * pageNumbers {
		get(pageName{list: "l", cursor: strings.Repeat("c", i%500), limit: i}, 10*i)
		if i%100 == 0 {
			held()
		}
	}
	if held() < pagesKept/2 {
		t.Errorf("only %d bytes are kept", w.bytes)
	}
	pages := w.byName.Len()
	get(pageName{list: "large"}, pageKept)
	if w.byName.Len() != pages {
		t.Error("one page may take much of the memory")
	}
	w.writes++
	w.see(t, pageName{list: "l"}, "ann")
	if w.byName.Len() != 1 || held() > perPage+10 {
		t.Errorf("after a write, %d old pages of %d bytes are in memory", w.byName.Len()-1, w.bytes)
	}
}
