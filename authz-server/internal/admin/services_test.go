package admin_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/audit"
	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/queue"
	"github.com/maru-auth/maru/authz-server/internal/store/outbox"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
	"github.com/maru-auth/maru/authz-server/internal/store/streams"
)

// What waits to tell an administrator, or of one, or what is not known to be another's, stays.
func TestServicesKeepNothingFromAdministrators(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		kinds := map[string]string{} // of deliveries, by id
		add := func(item outbox.Item) string {
			t.Helper()
			if item.ID == "" { // a sealed one is bound to its id
				item.ID = outbox.NewID()
			}
			kinds[item.ID] = item.Kind
			storetest.OK(t, w.Outbox.Add(ctx, item))
			return item.ID
		}
		letter := func(topic, to string) string {
			t.Helper()
			item, err := queue.Seal(w.KEK, outbox.Item{Kind: admin.MailQueue, Topic: topic}, []byte(`{"to":"`+to+`"}`))
			storetest.OK(t, err)
			return add(item)
		}
		kept := map[string]string{
			"a change":             letter("passkey_added", w.Root.Email),
			"an address of before": letter("address_changed", "root.before@example.com"),
			"an invitation":        letter("invitation", "new@example.com"),
			"a link":               letter("reset_password", strings.ToUpper(w.Root.Email)),
			"what nobody can read": add(outbox.Item{Kind: admin.MailQueue, Topic: "reset_password", Payload: []byte("x"), Sealed: true}),
			"a log-out":            add(outbox.Item{Kind: admin.LogoutQueue, Lane: "app", UserID: w.Root.ID}),
			"of who is gone":       add(outbox.Item{Kind: admin.LogoutQueue, Lane: "app", UserID: "gone"}),
		}
		for name, id := range kept {
			if err := w.DropDelivery(ctx, writer, kinds[id], id, ""); why(err) != admin.NeedsPerson {
				t.Errorf("%s: %v", name, err)
			}
		}
		for name, id := range map[string]string{
			"a link of somebody": letter("reset_password", w.Person.Email), "a sign-up": letter("confirm_signup", "new@example.com"),
			"a log-out": add(outbox.Item{Kind: admin.LogoutQueue, Lane: "app", UserID: w.Person.ID}),
		} {
			if err := w.DropDelivery(ctx, writer, kinds[id], id, ""); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		for name, id := range kept {
			if err := w.DropDelivery(ctx, w.root, kinds[id], id, ""); err != nil {
				t.Errorf("%s, by an administrator: %v", name, err)
			}
		}
	})
}

func TestServicesDoNotTouchTheServersOwnStreams(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		own, err := w.Store.Streams.Create(ctx, streams.Stream{ID: "own", Service: "board", Endpoint: "https://api.example/board/events", Status: streams.Enabled})
		storetest.OK(t, err)
		for name, err := range map[string]error{
			"pause":   w.SetStreamStatus(ctx, writer, own.ID, streams.Paused, "", ""),
			"disable": w.SetStreamStatus(ctx, writer, own.ID, streams.Disabled, "", ""),
			"delete":  w.DeleteStream(ctx, writer, own.ID, nil, ""),
		} {
			if why(err) != admin.NeedsPerson {
				t.Errorf("%s: %v", name, err)
			}
		}
		storetest.OK(t, w.SetStreamStatus(ctx, w.root, own.ID, streams.Paused, "", ""))
	})
}

// Whoever reads what is personal is noted, by whatever cursor and by whatever way; once an hour, if
// they go on.
func TestNobodyReadsAPersonsThingsUnseen(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx, id := t.Context(), w.Person.ID
		views := func() int {
			page, err := w.Log(ctx, machine, admin.LogQuery{Kind: audit.UserViewed, Limit: 500})
			storetest.OK(t, err)
			return len(slices.DeleteFunc(page.Items, func(e admin.LogEntry) bool { return e.Person != id || e.Actor.ID != reader.ID }))
		}
		for name, read := range map[string]func() error{
			"the log by a cursor that is none": func() error {
				_, err := w.Log(ctx, reader, admin.LogQuery{Person: id, After: "g"})
				return err
			},
			"grants": func() error {
				_, err := w.GrantsOf(ctx, reader, id, "", 0)
				return err
			},
			"consents": func() error {
				_, err := w.ConsentsOf(ctx, reader, id)
				return err
			},
			"profile": func() error {
				_, _, err := w.Profile(ctx, reader, id)
				return err
			},
		} {
			before := views()
			for range 2 { // the second time within the hour
				storetest.OK(t, read())
				if got := views(); got != before+1 {
					t.Errorf("%s: %d views", name, got-before)
				}
			}
			w.Now = w.Now.Add(time.Hour + time.Second)
			storetest.OK(t, read())
			if got := views(); got != before+2 {
				t.Errorf("%s, an hour later: %d views", name, got-before)
			}
		}
		if _, err := w.GrantsOf(ctx, reader, "nobody", "", 0); err != nil {
			t.Error(err)
		}
	})
}

func TestAnAddressGetsOnlySoManyLettersOfAnOperator(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		var field *admin.FieldError
		for range 5 {
			storetest.OK(t, w.SendReset(ctx, writer, w.Person.ID, ""))
		}
		if err := w.SendReset(ctx, writer, w.Person.ID, ""); !errors.As(err, &field) || field.Field != "email" || len(w.inbox.to) != 5 {
			t.Errorf("%v after %d letters", err, len(w.inbox.to))
		}
		if _, _, err := w.Invite(ctx, writer, admin.NewInvitation{Email: "new@example.com", Lifetime: time.Hour, Send: true}, ""); err != nil {
			t.Error("another address:", err)
		}
		storetest.OK(t, w.SendReset(ctx, w.root, w.Person.ID, ""))
		storetest.OK(t, w.SendReset(ctx, machine, w.Person.ID, ""))
		w.Now = w.Now.Add(time.Hour)
		storetest.OK(t, w.SendReset(ctx, writer, w.Person.ID, ""))

		// Changes of which a person is told are refused, rather than done unseen.
		var err error
		for i := range 21 {
			if err = w.SetEmail(ctx, writer, w.Person.ID, fmt.Sprintf("%d@example.com", i%2), true, ""); err != nil {
				t.Fatal(i, err)
			}
		}
		for i := range 40 {
			if err = w.SetEmail(ctx, writer, w.Person.ID, fmt.Sprintf("%d@example.com", (i+1)%2), true, ""); err != nil {
				break
			}
		}
		if !errors.As(err, &field) {
			t.Errorf("changes without end: %v", err)
		}
	})
}

// Who turns an app's codes to themselves, and back, is seen to have done so.
func TestTheLogSaysWhatAClientBecame(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		made, err := w.CreateClient(ctx, writer, "shop", client.Patch{"client_name": "App", "redirect_uris": []string{"https://app.example/cb"},
			"backchannel_logout_uri": "https://app.example/out?key=hidden", "contacts": []string{"mina@example.org"}}, "")
		storetest.OK(t, err)
		values := func() string {
			text, err := json.Marshal(w.log(t, 1)[0].Detail)
			storetest.OK(t, err)
			return string(text)
		}
		check := func(when string, has ...string) {
			t.Helper()
			got := values()
			for _, one := range has {
				if !strings.Contains(got, one) {
					t.Errorf("%s: no %s in %s", when, one, got)
				}
			}
			for _, secret := range []string{made.Secret, "hidden", "mina@"} {
				if secret != "" && strings.Contains(got, secret) {
					t.Errorf("%s: %s", when, got)
				}
			}
		}
		check("made", `"redirect_uris":{"after":["https://app.example/cb"]}`, `"https://app.example/out"`)
		uris := []string{"https://app.example/cb"}
		for i := range 20 {
			uris = append(uris, fmt.Sprintf("https://app.example/%s/%d", strings.Repeat("x", 100), i))
		}
		_, err = w.UpdateClient(ctx, writer, "shop", "", client.Patch{"redirect_uris": uris}, "")
		storetest.OK(t, err)
		check("much", `"members":["redirect_uris"]`, "…")
		if got := values(); len(got) > 4096 {
			t.Errorf("%d bytes", len(got))
		}
		_, err = w.UpdateClient(ctx, writer, "shop", "", client.Patch{"redirect_uris": append(slices.Clone(uris), "https://evil.example/cb"), "trusted": true}, "")
		storetest.OK(t, err)
		check("turned", `"redirect_uris":{"after":["https://evil.example/cb"]}`, `"trusted":{"after":true}`)
		c, err := w.Client(ctx, machine, "shop")
		storetest.OK(t, err)
		c.RedirectURIs, c.TokenEndpointAuthMethod = uris, "client_secret_post"
		metadata, err := json.Marshal(c)
		storetest.OK(t, err)
		_, err = w.ReplaceClient(ctx, writer, "shop", "", metadata, "")
		storetest.OK(t, err)
		check("back", `"redirect_uris":{"before":["https://evil.example/cb"]}`, `"token_endpoint_auth_method":{"after":"client_secret_post","before":"client_secret_basic"}`)
		c.Scope = "openid profile email phone"
		metadata, err = json.Marshal(c)
		storetest.OK(t, err)
		_, err = w.ImportClients(ctx, machine, metadata, "")
		storetest.OK(t, err)
		check("imported", `"by":"import"`, `phone`)
	})
}
