package auditlog

import (
	"sync"
	"time"
)

// Bounds of what people have recorded of what they do themselves: nothing else keeps somebody from
// changing their name all day, and entries are kept for a year.
const (
	ownPerHour = 300 // of a kind, of a person, of this process
	ownKept    = 10_000
)

// own counts what people do themselves.
type own struct {
	mutex sync.Mutex
	since time.Time
	count map[string]int // by kind and person
}

// AdmitOwn tells whether one more entry of a kind is recorded of what a person does themselves; last:
// it is the last for this hour.
func (s *Entries) AdmitOwn(kind, userID string) (ok, last bool) {
	o := &s.own
	o.mutex.Lock()
	defer o.mutex.Unlock()
	if now := s.now(); now.Sub(o.since).Abs() >= time.Hour || len(o.count) >= ownKept {
		o.since, o.count = now, make(map[string]int)
	}
	key := kind + " " + userID
	o.count[key]++
	return o.count[key] <= ownPerHour, o.count[key] == ownPerHour
}
