package admin_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/keys"
	"github.com/maru-auth/maru/authz-server/internal/store/outbox"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
)

func attention(t *testing.T, w *world) string {
	t.Helper()
	all, err := w.Attention(t.Context(), reader)
	storetest.OK(t, err)
	var texts []string
	for _, one := range all {
		texts = append(texts, strings.TrimSpace(one.What+" "+one.About))
	}
	slices.Sort(texts)
	return strings.Join(texts, ", ")
}

func TestOperatorsSeeWhatNeedsAttention(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		w.ListKeys = func(context.Context) ([]keys.State, error) {
			return []keys.State{{KID: "k1", Alg: "RS256", State: "current", Since: w.Now.Add(-100 * 24 * time.Hour)}}, nil
		}
		w.KeyRotation = 90 * 24 * time.Hour
		w.Exec(t, `UPDATE audit_log SET position = 1 WHERE position IS NULL AND id = (SELECT min(id) FROM audit_log)`)
		w.Exec(t, `DELETE FROM audit_log`)
		if got := attention(t, w); got != "" {
			t.Errorf("all is well: %s", got)
		}
		storetest.OK(t, w.Outbox.Add(ctx, outbox.Item{ID: "late", Kind: admin.MailQueue, Lane: "x", Payload: []byte("x")}))
		storetest.OK(t, w.Outbox.Add(ctx, outbox.Item{ID: "gone", Kind: admin.LogoutQueue, Lane: "app", Payload: []byte("x")}))
		w.Exec(t, `UPDATE outbox SET given_up_at = 5, last_error = 'no answer' WHERE id = 'gone'`)
		w.Now = w.Now.Add(16 * time.Minute)
		for i := range 60 {
			w.Exec(t, fmt.Sprintf(`INSERT INTO login_failures (subject, id, failed_at) VALUES ('address 203.0.113.9', '%d', %d)`, i, w.Now.UnixMicro()))
		}
		w.KeyRotation = 24 * time.Hour
		w.Exec(t, `UPDATE users SET second_step = FALSE`)
		if got, want := attention(t, w), "guessing address 203.0.113.9, key_old k1, no_administrator, queue_failing logout, queue_late mail"; got != want {
			t.Errorf("%q, want %q", got, want)
		}
		page, err := w.Deliveries(ctx, reader, admin.LogoutQueue, "", 0)
		if err != nil || len(page.Items) != 1 || page.Items[0].ClientID != "app" || page.Items[0].Error != "no answer" {
			t.Error(page, err)
		}
		storetest.OK(t, w.RetryDelivery(ctx, writer, admin.LogoutQueue, "gone", ""))
		storetest.OK(t, w.DropDelivery(ctx, machine, admin.LogoutQueue, "gone", ""))
		if n := w.Count(t, "outbox WHERE id = 'gone'"); n != 0 {
			t.Error("it is still there")
		}
		held, err := w.HeldBack(ctx, reader, "203.0.113.9")
		if err != nil || len(held) != 1 || held[0].Count != 60 || held[0].What != "log-ins" {
			t.Error(held, err)
		}
		_, err = w.UnlockAddress(ctx, writer, "203.0.113.9", "an office")
		storetest.OK(t, err)
		if held, err := w.HeldBack(ctx, reader, "203.0.113.9"); err != nil || len(held) != 0 {
			t.Error(held, err)
		}
		for _, address := range []string{"", "x", "203.0.113.9/24", "fe80::1%eth0", "address 203.0.113.9"} {
			if _, err := w.HeldBack(ctx, reader, address); err == nil {
				t.Errorf("%q is an address", address)
			}
		}
	})
}

// A client of which many requests are refused shows, unless that is as usual, and a flood of names that
// nobody has hides none.
func TestAClientThatIsHammeredShows(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		for _, id := range []string{"quiet", "always", "loud"} {
			_, err := w.CreateClient(ctx, machine, id, client.Patch{"client_name": "n", "grant_types": []string{"client_credentials"}, "scope": "user:lookup"}, "")
			storetest.OK(t, err)
		}
		w.Exec(t, `UPDATE audit_log SET position = 1 WHERE position IS NULL AND id = (SELECT min(id) FROM audit_log)`)
		w.Exec(t, `DELETE FROM audit_log`)
		w.Now = w.Now.Add(24 * time.Hour).Truncate(time.Hour)
		refuse := func(client string, times int) {
			for range times {
				w.Refusals.Count(client)
			}
		}
		for range 24 { // an app that polls with what is over, day and night
			refuse("always", 120)
			storetest.OK(t, w.Refusals.Keep(ctx))
			w.Now = w.Now.Add(time.Hour)
		}
		refuse("always", 130)
		refuse("quiet", 70)
		storetest.OK(t, w.Refusals.Keep(ctx))
		if got := attention(t, w); got != "" {
			t.Errorf("all is as usual: %s", got)
		}
		for i := range 5000 {
			w.Refusals.Count(fmt.Sprint("nobody", i))
		}
		refuse("loud", 200)
		refuse("quiet", 20)
		for i := range 5000 {
			w.Refusals.Count(fmt.Sprint("nobody else", i))
		}
		refuse("loud", 200)
		storetest.OK(t, w.Refusals.Keep(ctx))
		found, err := w.Attention(ctx, reader)
		storetest.OK(t, err)
		if len(found) != 1 || found[0].What != admin.Hammered || found[0].About != "loud" || found[0].Count < 300 || found[0].Count > 400 {
			t.Errorf("%+v", found)
		}
		if n := w.Count(t, "client_refusals WHERE client_id LIKE 'nobody%'"); n != 0 {
			t.Errorf("%d names that nobody has are kept", n)
		}
		w.Now = w.Now.Add(2 * time.Hour)
		if got := attention(t, w); got != "" {
			t.Errorf("it is over: %s", got)
		}
		refuse("loud", 99)
		storetest.OK(t, w.Refusals.Keep(ctx))
		if got := attention(t, w); got != "" {
			t.Errorf("that is not many: %s", got)
		}
		w.Now = w.Now.Add(27 * time.Hour)
		_, err = w.Sweep(ctx)
		storetest.OK(t, err)
		if n := w.Count(t, "client_refusals"); n != 0 {
			t.Errorf("%d rows are never removed", n)
		}
	})
}

// However many clients are refused, a replica keeps so many rows of them.
func TestRefusalsOfManyClientsAreBounded(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		w.Exec(t, `INSERT INTO clients (id, metadata, created_at, updated_at)
			WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500) SELECT 'm' || i, '{}', i, i FROM n`)
		for range 3 {
			for i := range 500 {
				for range 1 + i/250 {
					w.Refusals.Count(fmt.Sprint("m", i+1))
				}
			}
			storetest.OK(t, w.Refusals.Keep(ctx))
		}
		if n, most := w.Count(t, "client_refusals"), w.Count(t, "client_refusals WHERE count = 6"); n != 200 || most != 200 {
			t.Errorf("%d rows, %d of those that are refused most", n, most)
		}
	})
}
