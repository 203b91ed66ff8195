package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/auditlog"
)

// Report is what [Verify] found of a chain that is whole.
type Report struct {
	Entries int64 // in the chain
	Erased  int64 // of these, entries a part of which went with an account
	Waiting int   // entries without a place in the chain, which nothing protects yet; 1000 stands for more
	Removed int64 // how many were removed for their age
	Head    Head  // of the newest entry; position 0: there is none
}

// Broken says where the chain is broken, and how.
type Broken struct {
	Position int64
	What     string
}

// Error names the place.
func (b *Broken) Error() string {
	return fmt.Sprintf("the audit log was changed at position %d: %s", b.Position, b.What)
}

// verifyBatch is how many entries are read at once.
const verifyBatch = 500

// maxWaiting is how many waiting entries are counted.
const maxWaiting = 1000

// Verify walks the chain. A [Broken] is the first place where something was changed, removed,
// added, or moved. heads are what the caller knows of earlier: without one, it does not show that
// the end was cut off. It may run beside servers.
func Verify(ctx context.Context, s *store.Store, key []byte, heads ...Head) (Report, error) {
	for {
		_, before, err := s.Audit.Ends(ctx)
		if err != nil {
			return Report{}, err
		}
		report, err := verifyOnce(ctx, s.Audit, key, before, heads)
		if err == nil {
			return report, nil
		}
		// Old entries may have been removed for their age meanwhile.
		_, after, failed := s.Audit.Ends(ctx)
		if failed != nil || after.Position == before.Position {
			return report, err
		}
	}
}

func verifyOnce(ctx context.Context, entries *auditlog.Entries, key []byte, anchor auditlog.Anchor, heads []Head) (r Report, err error) {
	if anchor.Position != 0 && !bytes.Equal(anchor.Seal, anchorSeal(key, anchor.Link)) {
		return r, &Broken{anchor.Position, "what stands for the entries that were removed for their age was not written by this server"}
	}
	r.Removed = anchor.Position
	last := anchor.Link
	if last.Position == 0 {
		last.MAC = nil
	}
	if err := compare(last, heads); err != nil {
		return r, err
	}
	for {
		page, err := entries.After(ctx, last.Position, verifyBatch)
		if err != nil {
			return r, err
		}
		for _, e := range page {
			if err := verifyEntry(key, last, e); err != nil {
				return r, err
			}
			last = auditlog.Link{Position: e.Position, MAC: e.MAC}
			if err := compare(last, heads); err != nil {
				return r, err
			}
			r.Entries++
			if e.By.Erased(e.ByHash) || e.About.Erased(e.AboutHash) {
				r.Erased++
			}
		}
		if len(page) > 0 {
			continue
		}
		head, _, err := entries.Ends(ctx)
		if err != nil {
			return r, err
		}
		if head.Position > last.Position { // more were added meanwhile, or the end is gone
			if page, err = entries.After(ctx, last.Position, 1); err != nil {
				return r, err
			}
			if len(page) > 0 {
				continue
			}
		}
		r.Head = Head(last)
		if err := verifyEnd(r.Head, head, heads); err != nil {
			return r, err
		}
		waiting, err := entries.Waiting(ctx, maxWaiting)
		r.Waiting = len(waiting)
		return r, err
	}
}

func verifyEnd(last Head, head auditlog.Link, heads []Head) error {
	if head.Position != last.Position || last.Position > 0 && !bytes.Equal(head.MAC, last.MAC) {
		return &Broken{last.Position + 1, fmt.Sprintf("the newest entry is at %d, and the chain's end at %d", last.Position, head.Position)}
	}
	for _, known := range heads {
		if known.Position > last.Position {
			return &Broken{last.Position + 1, fmt.Sprintf("the end was cut off: the log went on to position %d at least", known.Position)}
		}
	}
	return nil
}

// compare compares a place in the chain with what is known of it.
func compare(at auditlog.Link, heads []Head) error {
	for _, known := range heads {
		if known.Position == at.Position && !bytes.Equal(known.MAC, at.MAC) {
			return &Broken{at.Position, "the entries up to here are not those of the head that you gave: they were replaced"}
		}
	}
	return nil
}

func verifyEntry(key []byte, before auditlog.Link, e auditlog.Entry) error {
	if e.Position != before.Position+1 {
		return &Broken{before.Position + 1, "the entry is missing"}
	}
	if !bytes.Equal(e.MAC, chainMAC(key, before, e)) {
		return &Broken{e.Position, "the entry was changed, or is not the one that was in this place"}
	}
	for _, one := range []struct {
		name  string
		part  auditlog.Part
		hash  []byte
		owner func(personal) string
	}{
		{"by", e.By, e.ByHash, func(p personal) string { return p.ActorID }},
		{"about", e.About, e.AboutHash, func(p personal) string { return p.Person }},
	} {
		if !one.part.Matches(one.hash) {
			return &Broken{e.Position, fmt.Sprintf("its part %q was changed or removed, or is another entry's", one.name)}
		}
		var p personal
		if one.part.Data == "" {
			continue
		}
		if err := json.Unmarshal([]byte(one.part.Data), &p); err != nil || one.owner(p) != one.part.UserID {
			return &Broken{e.Position, fmt.Sprintf("its personal part %q is filed under another account", one.name)}
		}
	}
	return nil
}
