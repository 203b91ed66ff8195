package flow

import (
	"net/netip"
	"net/url"
	"slices"
	"sync"
	"time"
)

const (
	maxDraft       = 128 << 10 // bytes of a form: the longest post fits
	maxDrafts      = 32 << 20  // bytes of all forms
	maxDraftsFrom  = 16        // from one network address
	draftOverhead  = 1 << 10   // bytes counted for a form beside its fields
	networkPrefix6 = 64        // the least that a customer gets of IPv6
)

// drafts keeps the forms that log-ins under way carry: they are too large for a cookie. Anybody may
// send one, so each network has a few places of its own and pushes out its own oldest only. The
// zero value is ready for use, and safe for concurrent use.
type drafts struct {
	mu    sync.Mutex
	byKey map[[32]byte]*draft
	order []*draft // the oldest first
	bytes int
}

type draft struct {
	key     [32]byte // hash of the secret that the log-in's cookie holds
	from    netip.Prefix
	values  url.Values
	bytes   int
	expires time.Time
}

// put keeps values until expires and returns the secret by which take finds them. The secret is
// empty for a form that is empty or too large.
func (d *drafts) put(from netip.Addr, values url.Values, now, expires time.Time) string {
	bytes := draftOverhead
	for name, texts := range values {
		bytes += len(name)
		for _, text := range texts {
			bytes += len(text)
		}
	}
	if len(values) == 0 || bytes > maxDraft {
		return ""
	}
	name := secret()
	kept := &draft{key: hash(name), from: Network(from), values: values, bytes: bytes, expires: expires}
	d.mu.Lock()
	defer d.mu.Unlock()
	for len(d.order) > 0 && !now.Before(d.order[0].expires) {
		d.remove(d.order[0])
	}
	var same []*draft
	for _, other := range d.order {
		if other.from == kept.from {
			same = append(same, other)
		}
	}
	if len(same) >= maxDraftsFrom {
		d.remove(same[0])
	}
	for d.bytes+bytes > maxDrafts {
		d.remove(d.order[0])
	}
	if d.byKey == nil {
		d.byKey = map[[32]byte]*draft{}
	}
	d.byKey[kept.key] = kept
	d.order = append(d.order, kept)
	d.bytes += bytes
	return name
}

// take returns what put kept, once, or nil.
func (d *drafts) take(name string, now time.Time) url.Values {
	d.mu.Lock()
	defer d.mu.Unlock()
	kept := d.byKey[hash(name)]
	if kept == nil {
		return nil
	}
	d.remove(kept)
	if !now.Before(kept.expires) {
		return nil
	}
	return kept.values
}

// remove is called with mu held.
func (d *drafts) remove(old *draft) {
	delete(d.byKey, old.key)
	if i := slices.Index(d.order, old); i >= 0 {
		d.order = slices.Delete(d.order, i, i+1)
	}
	d.bytes -= old.bytes
}

// Network is what counts as one sender: an IPv4 address or an IPv6 /64. The zero Addr gives the
// zero Prefix.
func Network(addr netip.Addr) netip.Prefix {
	bits := addr.BitLen()
	if addr.Is6() {
		bits = networkPrefix6
	}
	prefix, err := addr.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return prefix
}
