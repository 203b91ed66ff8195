package api

import (
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// The bounds of what is kept.
const (
	pagesKept   = 4 << 20     // bytes of all pages
	pageKept    = 128 << 10   // bytes of one: larger ones are not kept
	pagesFor    = time.Second // how long one is kept
	pageNumbers = 1000        // how many are kept
)

// pages keeps pages of boards' posts as they were sent, since everybody sees the same first page.
// They hold as long as this process writes nothing to the database, and for a second at most: so
// long may another process's write to an SQLite file stay unseen, or an author's new name. Where
// other processes write all the time, on Postgres, nothing is kept.
//
// A page belongs to all who see the same: moderators, or all others but the authors of hidden posts
// on it. Whether somebody may read at all is decided before. It is safe for concurrent use.
type pages struct {
	writes func() (n int64, sole bool) // of the store
	now    func() time.Time

	mu     sync.Mutex
	asOf   int64 // of writes: that of all pages
	bytes  int   // of all pages
	byName *simplelru.LRU[pageName, page]
}

// pageName is what a page depends on, apart from what is in the database.
type pageName struct {
	list, cursor string
	limit        int
	moderators   bool
}

// page is one, encoded.
type page struct {
	body []byte
	but  []string // who sees something else
	read time.Time
}

// perPage is what a page takes in memory besides its texts, in bytes, roughly.
const perPage = 500

func (p page) size(name pageName) int {
	size := perPage + len(p.body) + len(name.list) + len(name.cursor)
	for _, one := range p.but {
		size += len(one) + 16
	}
	return size
}

func newPages(writes func() (n int64, sole bool), now func() time.Time) *pages {
	p := &pages{writes: writes, now: now}
	byName, err := simplelru.NewLRU(pageNumbers, func(name pageName, one page) { p.bytes -= one.size(name) })
	if err != nil {
		panic(err) // only for a size below one
	}
	p.byName = byName
	return p
}

// get returns the body of the page of that name, which read makes if it is not kept. ok is false if
// somebody sees something else, or nothing is kept at all.
func (p *pages) get(name pageName, somebody string, read func() (page, error)) (body []byte, ok bool, err error) {
	asOf, sole := p.writes()
	if !sole {
		return nil, false, nil
	}
	one, known := p.kept(name, asOf)
	if !known {
		began := p.now()
		if one, err = read(); err != nil {
			return nil, false, err
		}
		one.read = began
		p.keep(name, one, asOf)
	}
	if slices.Contains(one.but, somebody) {
		return nil, false, nil
	}
	return one.body, true, nil
}

func (p *pages) kept(name pageName, asOf int64) (page, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.asOf != asOf {
		return page{}, false
	}
	one, known := p.byName.Get(name)
	if age := p.now().Sub(one.read); known && age >= 0 && age < pagesFor {
		return one, true
	}
	return page{}, false
}

func (p *pages) keep(name pageName, one page, asOf int64) {
	size := one.size(name)
	if size > pageKept {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if now, _ := p.writes(); now != asOf {
		return // it is old already
	}
	if p.asOf != asOf {
		p.byName.Purge()
		p.asOf = asOf
	}
	p.byName.Remove(name)
	p.byName.Add(name, one)
	for p.bytes += size; p.bytes > pagesKept; {
		p.byName.RemoveOldest()
	}
}
