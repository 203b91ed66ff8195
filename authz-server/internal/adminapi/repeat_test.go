package adminapi_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/audit"
	"github.com/maru-auth/maru/authz-server/internal/store/auditlog"
	"github.com/maru-auth/maru/authz-server/internal/throttle"
)

// acts is how much was done so far: every change is in the audit log.
func (w *world) acts() (n int) {
	w.t.Helper()
	found, err := w.Store.Audit.List(w.t.Context(), auditlog.Filter{Limit: 10_000})
	w.ok(err)
	for _, one := range found {
		if one.Kind != string(audit.UserViewed) {
			n++
		}
	}
	return n
}

// posts has every operation of the document that is a POST, as [operations] tries it.
func (w *world) posts() []string {
	var ids []string
	for _, methods := range w.document.Paths {
		if op, there := methods["post"]; there {
			ids = append(ids, op.OperationID)
		}
	}
	slices.Sort(ids)
	return ids
}

// same tells whether two answers are about the same thing.
func (r reply) same(t *testing.T, other reply) bool {
	if r.status != other.status || (r.body == "") != (other.body == "") {
		return false
	}
	if r.body == "" {
		return true
	}
	a, b := r.object(t), other.object(t)
	for _, member := range []string{"id", "client_id", "stream_id", "name", "retried"} {
		if a[member] != b[member] {
			return false
		}
	}
	return r.header.Get("Location") == other.header.Get("Location")
}

// other is the same request for something else.
func (a ask) other() ask {
	body := maps.Clone(a.body.(object))
	if strings.HasSuffix(a.path, "/clients") { // where the reason is no member
		body["client_uri"] = "https://other.example"
	} else {
		body["reason"] = "something else"
	}
	a.body = body
	return a
}

// Each POST is done once, however often it comes with its key, at whichever replica; and with the key
// of another request it is refused.
func TestAPostWithTheSameKeyActsOnce(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		for _, id := range w.posts() {
			a := operations[id].try(w)
			a.token, a.header = w.root(), header("Idempotency-Key", "key-of-"+id)
			before := w.acts()
			first := w.send(a)
			if first.status >= 300 {
				w.t.Errorf("%s: %d %s", id, first.status, first.body)
				continue
			}
			once := w.acts()
			if once == before {
				w.t.Errorf("%s: nothing in the log", id)
			}
			for i := range 2 {
				a.replica = i
				if again := w.send(a); !again.same(w.t, first) {
					w.t.Errorf("%s, once more at %d: %d %s, and before: %d %s", id, i, again.status, again.body, first.status, first.body)
				}
			}
			if got := w.send(a.other()); got.status != 422 || !strings.Contains(got.body, "header.Idempotency-Key") {
				w.t.Errorf("%s, the key of another request: %d %s", id, got.status, got.body)
			}
			// Somebody else's key is another.
			if after := w.acts(); after != once {
				w.t.Errorf("%s: done %d times", id, after-once+1)
			}
		}
	})
}

// What a server that crashes has begun is as if it had not come, and what it has finished is not done
// again.
func TestAPostThatWasCutOffIsDoneOnce(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		errCrash := errors.New("the server crashes")
		for _, id := range w.posts() {
			a := operations[id].try(w)
			a.token, a.header = w.root(), header("Idempotency-Key", "key-of-"+id)
			before := w.acts()
			var done int
			err := w.Store.Tx(w.t.Context(), func(ctx context.Context) error {
				r := w.request(ctx, a)
				answer := httptest.NewRecorder()
				w.handler.ServeHTTP(answer, r)
				if done = answer.Code; done >= 300 {
					w.t.Errorf("%s: %d %s", id, answer.Code, answer.Body)
				}
				return errCrash // before it is committed
			})
			if !errors.Is(err, errCrash) {
				w.t.Fatal(err)
			}
			if n := w.acts(); n != before {
				w.t.Errorf("%s: a crash leaves %d entries", id, n-before)
			}
			first := w.send(a)
			if first.status != done {
				w.t.Errorf("%s, after the crash: %d %s", id, first.status, first.body)
			}
			once := w.acts()
			if again := w.send(a); !again.same(w.t, first) || w.acts() != once || once == before {
				w.t.Errorf("%s: %d then %d entries; %d %s, and before: %d %s", id, once-before, w.acts()-before, again.status, again.body, first.status, first.body)
			}
		}
	})
}

// What is looked at before a change, and may be otherwise by now, makes no repetition fail.
func TestARepetitionIsNotJudgedAnew(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		rotate := func(key string) ask {
			return ask{token: w.root(), method: "POST", path: "/v1/keys", header: header("Idempotency-Key", key),
				body: object{"algs": []any{"ES256"}, "immediately": true}}
		}
		made, before := 0, ""
		for ; ; made++ { // until so many were made today that there can be no more
			got := w.send(rotate(fmt.Sprint("rotation-", made)))
			if got.status != 201 {
				if got.status != 422 || !strings.Contains(got.body, "body.algs") || made < 2 {
					w.t.Fatalf("after %d: %d %s", made, got.status, got.body)
				}
				break
			}
			before = got.body
		}
		for i := range made {
			a := rotate(fmt.Sprint("rotation-", i))
			a.replica = i % 2
			if got := w.want(201, a); got.body != before {
				w.t.Errorf("a repetition makes keys: %s, and before: %s", got.body, before)
			}
		}
		reused := rotate("rotation-0")
		reused.body = object{"algs": []any{"PS256"}}
		if got := w.want(422, reused); !strings.Contains(got.body, "header.Idempotency-Key") {
			w.t.Errorf("%s", got.body)
		}

		person := ask{token: w.service("writer"), method: "POST", path: "/v1/users", header: header("Idempotency-Key", "person"),
			body: object{"email": "new@example.com", "name": "New", "password": "several unrelated wooden words"}}
		first := w.want(201, person)
		w.hasher.Operators = throttle.NewQueue(0) // nobody looks at a password now
		if got := w.want(201, person); got.header.Get("Location") != first.header.Get("Location") {
			w.t.Errorf("%v, and before: %v", got.header, first.header)
		}
		w.want(422, person.other())
		w.want(503, ask{token: person.token, method: "POST", path: "/v1/users", header: header("Idempotency-Key", "another"),
			body: object{"email": "newer@example.com", "name": "New", "password": "several unrelated wooden words"}})
		// A key belongs to whoever used it, and says nothing to anybody else.
		person.token = w.root()
		w.want(503, person)
		person.token = w.service("reader")
		w.want(403, person)
	})
}
