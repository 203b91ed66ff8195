package scim

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/maru-auth/maru/authz-server/internal/admin/provisioning"
	"github.com/maru-auth/maru/authz-server/internal/scim/language"
)

// The bounds of lists.
const (
	defaultCount = 100
	maxCount     = 200
	maxExamined  = 10_000 // resources that one request looks at
)

const (
	listSchema   = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
	searchSchema = "urn:ietf:params:scim:api:messages:2.0:SearchRequest"
)

// query is what a list is asked for (RFC 7644 §3.4.2, RFC 9865 §2).
type query struct {
	filter     *language.Filter
	startIndex int // the first is 1
	count      int
	cursor     string // what it says is in after and binding
	byCursor   bool
	after      string // the cursor of package admin
	text       string // of the filter
	shown      language.Selection
}

// queryOf reads the query of a GET, or the body of a search by POST.
func queryOf(k *language.Kind, w http.ResponseWriter, r *http.Request, search bool) (q query, err error) {
	var params map[string]any
	if search {
		if params, err = readBody(w, r, maxUser); err != nil {
			return q, err
		}
		if err := language.CheckSchemas(params, searchSchema); err != nil {
			return q, err
		}
	} else {
		if params, err = parameters(r.URL.Query()); err != nil {
			return q, err
		}
	}
	if q.startIndex, err = number(params, "startIndex", 1, language.InvalidValue); err != nil {
		return q, err
	}
	if q.count, err = number(params, "count", defaultCount, invalidCount); err != nil {
		return q, err
	}
	q.startIndex, q.count = max(1, q.startIndex), min(max(0, q.count), maxCount)
	if q.text, err = textParam(params, "filter"); err != nil {
		return q, err
	}
	if strings.TrimSpace(q.text) != "" {
		if q.filter, err = language.ParseFilter(k, q.text); err != nil {
			return q, err
		}
	}
	if language.Member(params, "cursor") != nil {
		q.byCursor = true
		if q.cursor, err = textParam(params, "cursor"); err != nil {
			return q, err
		}
		if q.after, err = readCursor(k, q.cursor, q.text); err != nil {
			return q, err
		}
	}
	q.shown, err = k.Selection(params)
	return q, err
}

// maxParameters is how many parameters a query can have.
const maxParameters = 100

// parameters are those of a query, by their names in lower case: SCIM's have no case.
func parameters(sent url.Values) (map[string]any, error) {
	if len(sent) > maxParameters {
		return nil, bad(language.InvalidValue, fmt.Sprintf("The query has more than %d parameters.", maxParameters))
	}
	params := make(map[string]any, len(sent))
	for name, values := range sent {
		name := language.Lower(name)
		if params[name] != nil || len(values) > 1 {
			return nil, bad(language.InvalidValue, fmt.Sprintf("The parameter %.50q is there twice.", name))
		}
		params[name] = values[0]
	}
	return params, nil
}

func number(params map[string]any, name string, otherwise int, scimType string) (int, error) {
	switch v := language.Member(params, name).(type) {
	case nil:
		return otherwise, nil
	case float64:
		if v == math.Trunc(v) && math.Abs(v) < math.MaxInt32 {
			return int(v), nil
		}
	case string:
		if n, err := strconv.ParseInt(v, 10, 32); err == nil {
			return int(n), nil
		}
	}
	return 0, bad(scimType, name+" must be a whole number.")
}

func textParam(params map[string]any, name string) (string, error) {
	switch v := language.Member(params, name).(type) {
	case nil:
		return "", nil
	case string:
		return v, nil
	}
	return "", bad(language.InvalidValue, name+" must be a text.")
}

// A cursor says after which resource a list goes on, of which type, and for which filter. That it is not
// one for another list saves clients from their mistakes; whoever makes one up sees nothing more.

func cursorOf(k *language.Kind, after, filter string) string {
	return base64.RawURLEncoding.EncodeToString(append(binding(k, filter), after...))
}

func binding(k *language.Kind, filter string) []byte {
	sum := sha256.Sum256([]byte(k.Name + " " + filter))
	return sum[:8]
}

// readCursor reads a cursor. The empty one is before the first resource.
func readCursor(k *language.Kind, text, filter string) (after string, err error) {
	if text == "" {
		return "", nil
	}
	plain, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(plain) <= 8 || string(plain[:8]) != string(binding(k, filter)) ||
		len(text) > 2000 || !language.Storable(string(plain[8:])) {
		return "", bad(invalidCursor, "The cursor must be the nextCursor of a list with the same filter.")
	}
	return string(plain[8:]), nil
}

// walker goes through resources, as [provisioning.Operations.WalkPeople] does.
type walker func(after string, each func(doc map[string]any, cursor string) bool) error

// found is a page of a list.
type found struct {
	items []map[string]any
	total int    // -1: not counted
	next  string // the cursor of the page after this one; empty: there is none
}

// page walks to a page of a list. ids returns the ids of all resources, for a list of all.
func (q *query) page(walk walker, ids func(most int) ([]string, error)) (found, error) {
	switch {
	case q.byCursor:
		return q.byCursors(walk)
	case q.filter == nil:
		return q.byPosition(walk, ids)
	}
	return q.byFilter(walk)
}

// byCursors is a page of what comes after a cursor. It may be short, also if others follow.
func (q *query) byCursors(walk walker) (f found, err error) {
	f.total = -1
	examined, last := 0, ""
	err = walk(q.after, func(doc map[string]any, cursor string) bool {
		if len(f.items) >= q.count || examined == maxExamined {
			f.next = last
			return false
		}
		examined, last = examined+1, cursor
		if q.filter == nil || q.filter.Matches(doc) {
			f.items = append(f.items, doc)
		}
		return true
	})
	return f, err
}

// byPosition is a page of all resources.
func (q *query) byPosition(walk walker, ids func(most int) ([]string, error)) (f found, err error) {
	all, err := ids(maxExamined)
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
	err = walk(after, func(doc map[string]any, _ string) bool {
		f.items = append(f.items, doc)
		return len(f.items) < q.count
	})
	return f, err
}

var errTooMany = bad(tooMany, fmt.Sprintf(`More than %d resources would have to be looked at. `+
	`Page by cursor (RFC 9865), beginning with an empty one, or use a filter with userName eq, userName sw, `+
	`externalId eq, id eq, groups.value eq, members.value eq, displayName eq (of groups) or meta.lastModified gt.`,
	maxExamined))

// byFilter is a page of what meets the filter.
func (q *query) byFilter(walk walker) (f found, err error) {
	examined := 0
	if walkErr := walk("", func(doc map[string]any, _ string) bool {
		if examined++; examined > maxExamined {
			err = errTooMany
			return false
		}
		if q.filter.Matches(doc) {
			if f.total++; f.total >= q.startIndex && len(f.items) < q.count {
				f.items = append(f.items, doc)
			}
		}
		return true
	}); walkErr != nil {
		err = walkErr
	}
	return f, err
}

// writeList answers with a page.
func writeList(k *language.Kind, w http.ResponseWriter, q *query, f found) {
	resources := make([]json.RawMessage, 0, len(f.items))
	for _, doc := range f.items {
		text, err := json.Marshal(q.shown.Of(doc))
		if err != nil {
			continue // there is nothing in it that has no JSON
		}
		resources = append(resources, text)
	}
	body := map[string]any{"schemas": []string{listSchema}, "itemsPerPage": len(resources), "Resources": resources}
	if f.total >= 0 {
		body["totalResults"] = f.total
	}
	if f.next != "" {
		body["nextCursor"] = cursorOf(k, f.next, q.text)
	}
	if !q.byCursor {
		body["startIndex"] = q.startIndex
	}
	write(w, http.StatusOK, body)
}
