package tinylfu

import "sync"

// load is a number of entries and their bytes, or a limit for both.
type load struct{ entries, size int }

func (l load) exceeds(limit load) bool { return l.entries > limit.entries || l.size > limit.size }

func (l load) plus(other load) load { return load{l.entries + other.entries, l.size + other.size} }

func (l load) minus(other load) load { return load{l.entries - other.entries, l.size - other.size} }

func (l load) part(n, of int) load { return load{max(l.entries*n/of, 1), max(l.size*n/of, 1)} }

// node is an entry, in one list.
type node[V any] struct {
	key        Key
	hash       uint64
	value      V
	size       int
	ends       int64 // Unix time
	in         *list[V]
	prev, next *node[V]
}

func (n *node[V]) load() load { return load{1, n.size} }

// list has the entry that was used last at its front.
type list[V any] struct {
	root node[V] // its next is the front, and its prev the back
	load load
}

func (l *list[V]) init() { l.root.next, l.root.prev = &l.root, &l.root }

func (l *list[V]) pushFront(n *node[V]) {
	n.in, n.prev, n.next = l, &l.root, l.root.next
	n.prev.next, n.next.prev = n, n
	l.load = l.load.plus(n.load())
}

func (l *list[V]) remove(n *node[V]) {
	n.prev.next, n.next.prev = n.next, n.prev
	n.in, n.prev, n.next = nil, nil, nil
	l.load = l.load.minus(n.load())
}

// back returns the entry that was used least recently; nil: the list is empty.
func (l *list[V]) back() *node[V] { return l.before(&l.root) }

func (l *list[V]) before(n *node[V]) *node[V] {
	if n.prev == &l.root {
		return nil
	}
	return n.prev
}

// shard is a cache of its own: a window for what is new, and a segmented LRU for
// what was admitted. There, what was used again is protected from what was not.
type shard[V any] struct {
	limit load

	mu                           sync.Mutex
	index                        map[Key]*node[V] // nil until the first put
	uses                         sketch
	window, probation, protected list[V]
	_                            [64]byte // keeps the locks of two shards off one cache line
}

func (s *shard[V]) get(key *Key, hash uint64) (value V, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.index[*key]
	if n == nil {
		return value, false
	}
	s.use(n, hash)
	return n.value, true
}

func (s *shard[V]) put(n *node[V], now int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.index == nil {
		s.index, s.uses = make(map[Key]*node[V]), newSketch(s.limit.entries)
		s.window.init()
		s.probation.init()
		s.protected.init()
	}
	s.uses.count(n.hash)
	if old := s.index[n.key]; old != nil {
		s.drop(old)
	}
	// One entry must not take the place of too many.
	if n.size > s.limit.part(1, 8).size {
		return
	}
	s.index[n.key] = n
	s.window.pushFront(n)
	for room := s.limit.part(1, 16); s.window.load.exceeds(room); {
		candidate := s.window.back()
		s.window.remove(candidate)
		if s.makeRoom(candidate, now) {
			s.probation.pushFront(candidate)
		} else {
			delete(s.index, candidate.key)
		}
	}
}

// use notes that an entry was used.
func (s *shard[V]) use(n *node[V], hash uint64) {
	s.uses.count(hash)
	from := n.in
	from.remove(n)
	if from == &s.window {
		s.window.pushFront(n)
		return
	}
	s.protected.pushFront(n)
	for room := s.limit.part(3, 4); s.protected.load.exceeds(room); {
		demoted := s.protected.back()
		s.protected.remove(demoted)
		s.probation.pushFront(demoted)
	}
}

// makeRoom makes room for a candidate by dropping entries that are over, or that
// were used less often, and says whether there is room now. If not, nothing that
// is good is dropped.
func (s *shard[V]) makeRoom(candidate *node[V], now int64) bool {
	if candidate.ends < now {
		return false
	}
	room := s.limit.minus(s.limit.part(1, 16))
	uses := s.uses.estimate(candidate.hash)
	var victims []*node[V]
	held := s.probation.load.plus(s.protected.load).plus(candidate.load())
	for _, l := range []*list[V]{&s.probation, &s.protected} {
		for n := l.back(); n != nil && held.exceeds(room); n = l.before(n) {
			if n.ends >= now && s.uses.estimate(n.hash) >= uses {
				return false
			}
			victims = append(victims, n)
			held = held.minus(n.load())
		}
	}
	if held.exceeds(room) {
		return false
	}
	for _, n := range victims {
		s.drop(n)
	}
	return true
}

func (s *shard[V]) drop(n *node[V]) {
	n.in.remove(n)
	delete(s.index, n.key)
}

func (s *shard[V]) load() load {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.window.load.plus(s.probation.load).plus(s.protected.load)
}
