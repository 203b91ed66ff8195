package admin_test

import (
	"errors"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/store/outbox"
)

// What is done in batches, once it is decided, is gone on with by the next request with the same key
// if a server crashed in between: it is in the log once, and nothing waits for ever.
func TestWhatIsDoneInBatchesGoesOnAfterACrash(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		if err := w.Store.Outbox.Add(ctx, outbox.Item{Kind: admin.LogoutQueue, Lane: "app", Topic: "s", UserID: w.Person.ID}); err != nil {
			t.Fatal(err)
		}
		giveUp := func() { w.Exec(t, `UPDATE outbox SET given_up_at = 1`) }
		giveUp()
		retry := func(key, request string) (n int64, made string, err error) {
			r := &admin.Repeat{Operation: "retry", Key: key, Request: []byte(request)}
			n, err = w.RetryAll(admin.Repeatable(ctx, r), machine, admin.LogoutQueue, "")
			return n, r.Made(), err
		}
		if n, _, err := retry("k", "x"); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		w.Exec(t, `UPDATE repeated_requests SET made = ''`) // as a crash leaves it before the first batch
		giveUp()
		if n, _, err := retry("k", "x"); n != 1 || err != nil {
			t.Errorf("after the crash: %d %v", n, err)
		}
		giveUp() // this is later, and no part of the request
		for range 2 {
			if n, made, err := retry("k", "x"); n != 0 || made != "1" || !errors.Is(err, admin.ErrRepeated) {
				t.Errorf("once it is done: %d %q %v", n, made, err)
			}
		}
		if _, _, err := retry("k", "y"); !errors.Is(err, admin.ErrKeyReused) {
			t.Errorf("another request: %v", err)
		}
		if n, _, err := retry("l", "x"); n != 1 || err != nil {
			t.Errorf("another key: %d %v", n, err)
		}
		entries := 0
		for _, one := range w.log(t, 20) {
			if one.Kind == "queue.retried" {
				entries++
			}
		}
		if entries != 2 {
			t.Errorf("%d entries, want one for each key", entries)
		}
	})
}

// A request may have a password: what is stored of it says nothing to whoever reads the database.
func TestWhatIsStoredOfARequestIsNoHashOfItAlone(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		for _, key := range []string{"k1", "k2"} {
			r := &admin.Repeat{Operation: "retry", Key: key, Request: []byte("the same request")}
			if _, err := w.RetryAll(admin.Repeatable(t.Context(), r), machine, admin.LogoutQueue, ""); err != nil {
				t.Fatal(err)
			}
		}
		if n := w.Count(t, `(SELECT DISTINCT request FROM repeated_requests) AS stored`); n != 2 {
			t.Errorf("%d different texts are stored of one request under two keys, want 2", n)
		}
	})
}
