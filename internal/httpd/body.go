package httpd

import (
	"net/http"
	"sync"
)

// How much memory the bodies of requests may take while they arrive, in bytes. Forms and most other
// bodies are small and not counted, since a connection alone takes as much; so whoever sends only
// small ones never has to wait for those who send large ones.
const (
	smallBody       = 8 << 10
	bodies          = 32 << 20
	bodiesOfAddress = 4 << 20 // IPv6: of a /64
)

// bodyBudget counts the bodies of requests under way. The zero value is ready to use.
type bodyBudget struct {
	mu    sync.Mutex
	taken int64
	of    map[string]int64 // by sender
}

// reserve takes the size that a body declares, or most if it declares none, until release is
// called. If ok is false, there is no room.
func (b *bodyBudget) reserve(r *http.Request, sender string, most int64) (release func(), ok bool) {
	size := r.ContentLength
	if size < 0 || size > most {
		size = most
	}
	if r.Body == nil || r.Body == http.NoBody || size <= smallBody && r.ContentLength >= 0 {
		return func() {}, true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.taken+size > bodies || b.of[sender]+size > bodiesOfAddress {
		return nil, false
	}
	if b.of == nil {
		b.of = make(map[string]int64)
	}
	b.taken += size
	b.of[sender] += size
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.taken -= size
		if b.of[sender] -= size; b.of[sender] == 0 {
			delete(b.of, sender)
		}
	}, true
}
