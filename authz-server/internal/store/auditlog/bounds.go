package auditlog

import (
	"hash/maphash"
	"strconv"
	"sync"
	"time"
)

// Class is what bounds an entry that somebody makes about themselves, or that a stranger makes.
type Class int

// The classes.
const (
	Deeds    Class = iota // what people do to their accounts, and clients to themselves
	Accesses              // how people get in, and what they let apps have
	Failures              // what strangers tried
)

// bounds are how many entries one process records within an hour; 0: any number. What is over a
// bound is counted, and the number becomes an entry.
type bounds struct {
	account int // of a kind, of an account
	from    int // the same, from one network address
	address int // of a class, from one network address (IPv6: a /64)
	network int // the same, from a /48
	kind    int // of a kind
}

// boundsOf are generous: people and offices do not reach them, and whoever floods the log does. With
// all of them used up, an hour has a million entries.
var boundsOf = [...]bounds{
	Deeds:    {account: 300, address: 3_000, network: 10_000, kind: 10_000},
	Accesses: {account: 600, from: 60, address: 10_000, network: 30_000, kind: 100_000},
	Failures: {account: 100, from: 30, address: 600, network: 1_800, kind: 3_600},
}

const (
	countedWithin = time.Hour
	tellAfter     = 10 * time.Minute // how long what is over the bounds is counted before it becomes an entry
	toldApart     = 1000             // accounts and addresses whose numbers are told apart; others are told by kind
)

// Own is an entry that somebody makes about themselves, or a stranger does, as far as bounds depend on
// it.
type Own struct {
	Class          Class
	Kind           string
	Person, Client string // whose it is; of both, what a client does is about the person
	From           string // the network address; empty: unknown
}

// account is what an account's entries are counted under.
func (o Own) account() string { return o.Client + "\x00" + o.Person }

// Counted is how many entries were not recorded, since a bound was reached.
type Counted struct {
	Own         // From has the network, if that was over the bound; Person and Client, if they were
	Count       int64
	Since, Last time.Time
}

// counts are what a process has recorded within the present hour. It keeps no account and no address,
// but numbers in four tables under hashes of a secret: the least of the four is a number, or what
// others that share all four places have besides. So nobody can make it forget.
type counts struct {
	mutex sync.Mutex
	since time.Time
	seeds [sketchRows]maphash.Seed
	cells [sketchRows][sketchCells]uint32
	kinds map[string]int
	over  map[Own]*Counted
}

const (
	sketchRows  = 4
	sketchCells = 1 << 16 // in all, a megabyte
)

func newCounts() *counts {
	c := &counts{kinds: map[string]int{}, over: map[Own]*Counted{}}
	for i := range c.seeds {
		c.seeds[i] = maphash.MakeSeed()
	}
	return c
}

// renew begins another hour.
func (c *counts) renew(now time.Time) {
	if now.Sub(c.since).Abs() < countedWithin {
		return
	}
	c.since = now
	clear(c.kinds)
	for i := range c.cells {
		clear(c.cells[i][:])
	}
}

func (c *counts) cellsOf(key string) (cells [sketchRows]*uint32) {
	for i := range cells {
		cells[i] = &c.cells[i][maphash.String(c.seeds[i], key)%sketchCells]
	}
	return cells
}

// bounded is a number that has a bound, and how an entry over it is told.
type bounded struct {
	cells [sketchRows]*uint32
	bound int
	told  Own
}

func (b *bounded) count() int {
	least := *b.cells[0]
	for _, cell := range b.cells[1:] {
		least = min(least, *cell)
	}
	return int(least)
}

// add counts one more. Only what is least grows, so that others' numbers stay as true as they can.
func (b *bounded) add() {
	before := uint32(b.count()) //nolint:gosec // G115: it was one
	for _, cell := range b.cells {
		*cell = max(*cell, before+1)
	}
}

// boundedBy are the numbers that an entry is counted in, but for that of its kind.
func (c *counts) boundedBy(o Own, networks []string) (all []bounded) {
	limits := boundsOf[o.Class]
	add := func(bound int, key string, told Own) {
		if bound > 0 {
			all = append(all, bounded{c.cellsOf(key), bound, told})
		}
	}
	if o.Person+o.Client != "" {
		whose := Own{Class: o.Class, Kind: o.Kind, Person: o.Person, Client: o.Client}
		add(limits.account, "a\x00"+o.Kind+"\x00"+o.account(), whose)
		if o.From != "" {
			whose.From = o.From
			add(limits.from, "f\x00"+o.Kind+"\x00"+o.account()+"\x00"+o.From, whose)
		}
	}
	bound := limits.address
	for _, network := range networks {
		add(bound, "n\x00"+strconv.Itoa(int(o.Class))+network, Own{Class: o.Class, Kind: o.Kind, From: network})
		bound = limits.network
	}
	return all
}

// Admit tells whether an entry that somebody makes about themselves is recorded; last: it is the last
// of its account's for this hour. Otherwise it is counted for [Entries.Counted]. networks are those that
// its address is in, the narrowest first.
func (s *Entries) Admit(o Own, networks ...string) (ok, last bool) {
	c := s.counts
	c.mutex.Lock()
	defer c.mutex.Unlock()
	now := s.now()
	c.renew(now)
	numbers := c.boundedBy(o, networks)
	for i := range numbers {
		if numbers[i].count() >= numbers[i].bound {
			c.note(numbers[i].told, now)
			return false, false
		}
	}
	if c.kinds[o.Kind] >= boundsOf[o.Class].kind {
		c.note(Own{Class: o.Class, Kind: o.Kind}, now)
		return false, false
	}
	c.kinds[o.Kind]++
	for i := range numbers {
		numbers[i].add()
		last = last || numbers[i].told.Person+numbers[i].told.Client != "" && numbers[i].count() == numbers[i].bound
	}
	return true, last
}

// Count counts an entry that is not recorded for another reason than its bounds.
func (s *Entries) Count(o Own) {
	s.counts.mutex.Lock()
	defer s.counts.mutex.Unlock()
	s.counts.note(Own{Class: o.Class, Kind: o.Kind}, s.now())
}

func (c *counts) note(told Own, now time.Time) {
	one := c.over[told]
	if one == nil {
		if len(c.over) >= toldApart {
			told = Own{Class: told.Class, Kind: told.Kind} // of these, there are as many as kinds
			one = c.over[told]
		}
		if one == nil {
			one = &Counted{Own: told, Since: now}
			c.over[told] = one
		}
	}
	one.Count++
	one.Last = now
}

// Counted returns what has been counted for ten minutes, or all of it, and forgets it.
func (s *Entries) Counted(all bool) (ready []Counted) {
	c := s.counts
	c.mutex.Lock()
	defer c.mutex.Unlock()
	now := s.now()
	for key, one := range c.over {
		if all || now.Sub(one.Since).Abs() >= tellAfter {
			ready = append(ready, *one)
			delete(c.over, key)
		}
	}
	return ready
}
