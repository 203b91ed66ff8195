package scim

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/maru-auth/maru/authz-server/internal/admin/provisioning"
	"github.com/maru-auth/maru/authz-server/internal/scim/language"
)

// A cursor says after which resource a list goes on, of which kinds, and for which filter. That it is
// not one for another list saves clients from their mistakes; whoever makes one up sees nothing more.

func (q *query) cursorOf(after string) string {
	return base64.RawURLEncoding.EncodeToString(append(q.binding(), after...))
}

func (q *query) binding() []byte {
	names := make([]string, len(q.of))
	for i, k := range q.of {
		names[i] = k.Name
	}
	sum := sha256.Sum256([]byte(strings.Join(names, ",") + " " + q.text))
	return sum[:8]
}

// readCursor reads a cursor. The empty one is before the first resource.
func (q *query) readCursor(text string) (after string, err error) {
	if text == "" {
		return "", nil
	}
	plain, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(plain) <= 8 || string(plain[:8]) != string(q.binding()) || len(text) > 2000 || !language.Storable(string(plain[8:])) {
		return "", bad(invalidCursor, "The cursor must be the nextCursor of a list with the same filter.")
	}
	return string(plain[8:]), nil
}

// place is where in the whole list something is that has a cursor of its part.
func (q *query) place(p *part, cursor string) string {
	if len(q.of) == 1 {
		return cursor
	}
	return p.kind.Name + " " + cursor
}

// item is a resource in a list.
type item struct {
	of    *part
	doc   map[string]any
	place string
}

// walk goes through the resources of all parts, beginning after a place ("": the first), until each
// returns false.
func (q *query) walk(after string, each func(item) bool) error {
	name, cursor := "", after
	if len(q.of) > 1 {
		name, cursor, _ = strings.Cut(after, " ")
	}
	for i := range q.parts {
		p := &q.parts[i]
		if name != "" && name != p.kind.Name {
			continue // it comes before the place
		}
		goOn := true
		err := p.walk(cursor, func(doc map[string]any, cursor string) bool {
			goOn = each(item{p, doc, q.place(p, cursor)})
			return goOn
		})
		if err != nil || !goOn {
			return err
		}
		name, cursor = "", ""
	}
	return nil
}

// places are those of all resources of all parts, in the order of walk.
func (q *query) places(most int) (all []string, err error) {
	for i := range q.parts {
		p := &q.parts[i]
		ids, err := p.ids(most - len(all))
		if err != nil {
			return nil, err
		}
		for _, id := range ids {
			all = append(all, q.place(p, id))
		}
	}
	return all, nil
}

// found is a page of a list.
type found struct {
	items []item
	total int    // -1: not counted
	next  string // the place that the next page is after; empty: there is none
}

// page walks to a page of a list.
func (q *query) page() (found, error) {
	switch {
	case q.byCursor:
		return q.byCursors()
	case !slices.ContainsFunc(q.parts, func(p part) bool { return p.filter != nil }):
		return q.byPosition()
	}
	return q.byFilter()
}

// byCursors is a page of what comes after a cursor. It may be short, also if others follow.
func (q *query) byCursors() (f found, err error) {
	f.total = -1
	examined, last := 0, ""
	err = q.walk(q.after, func(one item) bool {
		if len(f.items) >= q.count || examined == maxExamined {
			f.next = last
			return false
		}
		examined, last = examined+1, one.place
		if one.matches() {
			f.items = append(f.items, one)
		}
		return true
	})
	return f, err
}

func (one *item) matches() bool { return one.of.filter == nil || one.of.filter.Matches(one.doc) }

// byPosition is a page of all resources.
func (q *query) byPosition() (f found, err error) {
	all, err := q.places(maxExamined)
	if errors.Is(err, provisioning.ErrTooMany) {
		return f, errTooMany
	}
	f.total = len(all)
	if err != nil || q.startIndex > len(all) || q.count == 0 {
		return f, err
	}
	after := ""
	if q.startIndex > 1 {
		after = all[q.startIndex-2]
	}
	err = q.walk(after, func(one item) bool {
		f.items = append(f.items, one)
		return len(f.items) < q.count
	})
	return f, err
}

var errTooMany = bad(tooMany, fmt.Sprintf(`More than %d resources would have to be looked at. Page by cursor (RFC 9865), beginning with an empty one, or use `+
	`a filter with userName eq, userName sw, externalId eq, id eq, groups.value eq, members.value eq, displayName eq (of groups) or meta.lastModified gt.`, maxExamined))

// byFilter is a page of what meets the filter.
func (q *query) byFilter() (f found, err error) {
	examined := 0
	if walkErr := q.walk("", func(one item) bool {
		if examined++; examined > maxExamined {
			err = errTooMany
			return false
		}
		if one.matches() {
			if f.total++; f.total >= q.startIndex && len(f.items) < q.count {
				f.items = append(f.items, one)
			}
		}
		return true
	}); walkErr != nil {
		err = walkErr
	}
	return f, err
}
