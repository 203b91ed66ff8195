package scim

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/maru-auth/maru/authz-server/internal/admin"
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
	of         []*language.Kind // whose resources are in the list, in this order
	parts      []part           // of those kinds of which the filter can find something
	startIndex int              // the first is 1
	count      int
	byCursor   bool
	after      string // where the list goes on, as readCursor returns it
	text       string // of the filter
}

// part is what a query asks of one kind of resources.
type part struct {
	kind   *language.Kind
	filter *language.Filter // nil: all
	shown  language.Selection

	// walk goes through the resources as [provisioning.Operations.WalkPeople] does, and ids returns the ids of all.
	walk func(after string, each func(doc map[string]any, cursor string) bool) error
	ids  func(most int) ([]string, error)
}

// queryOf reads the query of a GET, or the body of a search by POST, on resources of some kinds.
func queryOf(w http.ResponseWriter, r *http.Request, of ...*language.Kind) (q query, err error) {
	q.of = of
	var params map[string]any
	if r.Method == http.MethodPost {
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
	if err := q.split(params); err != nil {
		return q, err
	}
	if language.Member(params, "cursor") != nil {
		q.byCursor = true
		cursor, err := textParam(params, "cursor")
		if err != nil {
			return q, err
		}
		if q.after, err = q.readCursor(cursor); err != nil {
			return q, err
		}
	}
	return q, nil
}

// split says what is asked of each kind.
func (q *query) split(params map[string]any) error {
	for _, k := range q.of {
		p := part{kind: k}
		var err error
		if p.shown, err = k.Selection(params); err != nil {
			return err
		}
		if strings.TrimSpace(q.text) != "" {
			whole, err := language.ParseFilter(k, q.text, q.of...)
			if err != nil {
				return err
			}
			var all bool
			if p.filter, all = whole.Settle(k); p.filter == nil && !all {
				continue
			}
		}
		q.parts = append(q.parts, p)
	}
	return nil
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

// list answers a query of some kinds of resources: of more than one, those of the first come first.
func (s *Server) list(of ...*language.Kind) func(http.ResponseWriter, *http.Request, admin.Actor) error {
	return func(w http.ResponseWriter, r *http.Request, actor admin.Actor) error {
		q, err := queryOf(w, r, of...)
		if err != nil {
			return err
		}
		for i := range q.parts {
			p := &q.parts[i]
			if p.kind == users {
				s.chooseUsers(r, actor, p)
			} else if err := s.chooseGroups(r, actor, p); err != nil {
				return err
			}
		}
		page, err := q.page()
		if err != nil {
			return err
		}
		if err := s.addMembers(r, actor, &page, q.byCursor); err != nil {
			return err
		}
		q.write(w, page)
		return nil
	}
}

// write answers with a page.
func (q *query) write(w http.ResponseWriter, f found) {
	resources := make([]json.RawMessage, 0, len(f.items))
	for _, one := range f.items {
		text, err := json.Marshal(one.of.shown.Of(one.doc))
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
		body["nextCursor"] = q.cursorOf(f.next)
	}
	if !q.byCursor {
		body["startIndex"] = q.startIndex
	}
	write(w, http.StatusOK, body)
}
