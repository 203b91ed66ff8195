package adminpages_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/audit"
	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/directory"
	"github.com/maru-auth/maru/authz-server/internal/opaque"
	"github.com/maru-auth/maru/authz-server/internal/store/outbox"
	"github.com/maru-auth/maru/authz-server/internal/store/registry"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
	"github.com/maru-auth/maru/authz-server/internal/store/streams"
)

// server puts in place what the pages about apps and the server show.
func (f *full) server(t *testing.T, text func(field, kind string) string) {
	t.Helper()
	ctx := t.Context()
	made, err := f.Admin.CreateClient(ctx, machine, "shop", client.Patch{
		"client_name":   text("app", "Bookshop"),
		"redirect_uris": []string{"https://shop.example/it's/$(id)", "http://localhost:8080/callback"},
		"scope":         "openid profile",
		"grant_types":   []string{client.AuthorizationCode, client.RefreshToken},
		"contacts":      []string{text("contact", "dev@shop.example")},
		"logo_uri":      "https://shop.example/logo.png",
	}, "")
	storetest.OK(t, err)
	f.Secret = made.Secret
	_, err = f.Admin.CreateClient(ctx, machine, "tv", client.Patch{
		"client_name": "TV", "grant_types": []string{client.DeviceCode}, "token_endpoint_auth_method": "none",
	}, "")
	storetest.OK(t, err)
	storetest.OK(t, f.Admin.DisableClient(ctx, machine, "tv", ""))
	_, err = f.Store.Clients.PutDocumentClient(ctx, client.Client{
		ID: "https://tool.example/client.json", Name: text("app", "Tool"),
		RedirectURIs: []string{"https://tool.example/cb"}, GrantTypes: []string{client.AuthorizationCode},
		TokenEndpointAuthMethod: client.AuthNone, ApplicationType: client.ApplicationWeb,
	})
	storetest.OK(t, err)
	storetest.OK(t, f.Store.Clients.RegisterClient(ctx, client.Client{
		ID: "self", Name: text("app", "Self"), GrantTypes: []string{client.DeviceCode}, TokenEndpointAuthMethod: client.AuthNone,
	}, registry.Registration{Token: opaque.Hash("first")}))
	all, err := f.Admin.Keys(ctx, machine)
	storetest.OK(t, err)
	f.Key = all[0].KID
	_, _, err = f.Admin.CreateInitialToken(ctx, machine,
		directory.InitialToken{Uses: 3, Lifetime: time.Hour, Note: text("token", "for the shop")}, "")
	storetest.OK(t, err)
	tokens, err := f.Admin.InitialTokens(ctx, machine, "", 1)
	storetest.OK(t, err)
	f.Token = tokens.Items[0].ID
	stream, err := f.Store.Streams.Create(ctx, streams.Stream{ID: "stream-1", ClientID: "shop",
		Audience: "https://shop.example", Endpoint: "https://shop.example/events",
		Description: text("stream", "of the shop"), Requested: []string{streams.SessionRevoked.URI()},
		Delivered: []streams.Type{streams.SessionRevoked}, Status: streams.Paused,
		Reason: text("status", "for a while")})
	storetest.OK(t, err)
	storetest.OK(t, f.Store.Streams.SetStatus(ctx, stream.ID, streams.Paused, text("status", "for a while")))
	f.Stream = stream.ID
	f.Letter = outbox.NewID()
	storetest.OK(t, f.Store.Outbox.Add(ctx, outbox.Item{ID: f.Letter, Kind: admin.MailQueue,
		Topic: text("letter", "reset_password")}))
	storetest.OK(t, f.Store.Outbox.Add(ctx, outbox.Item{Kind: admin.LogoutQueue, Lane: "shop", UserID: f.Mina.ID,
		Topic: text("session", "s1")}))
	for range 3 {
		b := f.Browser()
		b.Get("/login")
		b.Post("/login", "email", "nobody@example.org", "password", "wrong wrong wrong")
	}
}

func (f *full) serversPages() []string {
	shop, queue := "/admin/clients/shop", "/admin/queues/mail/"+f.Letter
	return []string{
		"/admin/clients", newClient, shop, "/admin/clients/app", "/admin/clients/tv",
		"/admin/clients/~aHR0cHM6Ly90b29sLmV4YW1wbGUvY2xpZW50Lmpzb24",
		"/admin/clients/self", "/admin/clients/self/registration-token",
		shop + "/edit", shop + "/metadata", shop + "/secret", shop + "/compromised", shop + "/disable",
		"/admin/clients/tv/enable", shop + "/delete",
		"/admin/clients/app/grants", "/admin/clients/app/consents", "/admin/clients/app/grants/g1",
		"/admin/keys", "/admin/keys/rotate", "/admin/keys/" + f.Key + "/withdraw",
		"/admin/queues", "/admin/queues?kind=logout", queue + "/retry", queue + "/drop", "/admin/queues/mail/retry-all",
		"/admin/streams", "/admin/streams/new?client=shop", "/admin/streams/" + f.Stream, "/admin/streams/" +
			f.Stream + "/status",
		"/admin/streams/" + f.Stream + "/edit", "/admin/streams/" + f.Stream + "/verify",
		"/admin/streams/" + f.Stream + "/retry", "/admin/streams/" + f.Stream + "/delete",
		"/admin/throttles", "/admin/throttles?address=127.0.0.1", "/admin/throttles/lift?address=127.0.0.1",
		"/admin/tokens", "/admin/tokens/new", "/admin/tokens/" + f.Token + "/withdraw", "/admin/settings",
		"/admin/upstreams", newProvider, "/admin/upstreams/office", "/admin/upstreams/office/edit", "/admin/upstreams/office/secret",
		"/admin/upstreams/office/disable", "/admin/upstreams/office/enable", "/admin/upstreams/office/delete",
	}
}

// The server's own pages do what they say, on both engines.
func TestTheServerIsLookedAfter(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		f := fill(t, w, false)
		b := f.root
		last := func() audit.Entry { return w.log(t)[0] }
		do := func(path string, fields ...string) string {
			t.Helper()
			a := press(t, b, path, b.Get(path), "", fields...)
			if a.Status != http.StatusSeeOther {
				t.Fatalf("%s: %d %s", path, a.Status, a.Body)
			}
			return a.Location
		}
		// Keys.
		rotate := "/admin/keys/rotate"
		if to := do(rotate, "alg", "RS256", "reason", "once a year"); to != "/admin/keys?done=keys_rotated" {
			t.Error(to)
		}
		b.Get("/admin/keys").Want(t, http.StatusOK, "Waiting to sign")
		press(t, b, rotate, b.Get(rotate), "", "alg", "RS256").Want(t, http.StatusConflict, "A new key is already waiting")
		press(t, b, rotate, b.Get(rotate), "", "alg", "HS256").Want(t, http.StatusUnprocessableEntity)
		withdraw := "/admin/keys/" + f.Key + "/withdraw"
		press(t, b, withdraw, b.Get(withdraw), "").Want(t, http.StatusUnprocessableEntity, "Write a reason")
		do(withdraw, "reason", "it leaked")
		if e := last(); e.Kind != audit.KeyWithdrawn || e.Reason != "it leaked" || e.Target.ID != f.Key ||
			e.Actor.Label != root {
			t.Errorf("%+v", e)
		}
		b.Get("/admin/keys").Want(t, http.StatusOK, "Withdrawn", "it leaked")
		b.Get("/admin/keys/unknown/withdraw").Want(t, http.StatusNotFound)

		// Queues.
		b.Get("/admin/queues").Want(t, http.StatusOK, f.Letter, "Password reset link")
		if to := do("/admin/queues/mail/" + f.Letter + "/retry"); to != "/admin/queues?kind=mail&done=retried" {
			t.Error(to)
		}
		do("/admin/queues/mail/retry-all")
		do("/admin/queues/mail/" + f.Letter + "/drop")
		if page := b.Get("/admin/queues"); strings.Contains(page.Body, f.Letter) {
			t.Error("what was dropped is there")
		}
		b.Get("/admin/queues/other/x/drop").Want(t, http.StatusNotFound)

		// Throttles.
		b.Get("/admin/throttles?address=nonsense").Want(t, http.StatusUnprocessableEntity, "Write a network address")
		b.Get("/admin/throttles?address=127.0.0.1").Want(t, http.StatusOK, "What counts against 127.0.0.1", "Log-ins")
		lift := "/admin/throttles/lift?address=127.0.0.1"
		do(lift, "reason", "our own office")
		b.Get("/admin/throttles?address=127.0.0.1").Want(t, http.StatusOK, "Nothing counts against this address.")
		press(t, b, lift, b.Get(lift), "", "address", "x").Want(t, http.StatusUnprocessableEntity, "Write a network address")

		// Tokens.
		made := "/admin/tokens/new"
		press(t, b, made, b.Get(made), "", "uses", "0").Want(t, http.StatusUnprocessableEntity, "from 1 to 100,000")
		page := press(t, b, made, b.Get(made), "", "uses", "5", "note", "a partner", "expires_in", "1h")
		page.Want(t, http.StatusOK, "Registration token")
		token := textOf(t, page.Body, "secret")
		if err := w.Store.Clients.CheckInitialToken(t.Context(), opaque.Hash(token)); err != nil {
			t.Errorf("the token %q: %v", token, err)
		}
		if again := b.Get("/admin/tokens"); strings.Contains(again.Body, token) ||
			!strings.Contains(again.Body, "a partner") {
			t.Error(again.Body)
		}
		do("/admin/tokens/" + f.Token + "/withdraw")
		press(t, b, "/admin/tokens/"+f.Token+"/withdraw", b.Get("/admin/tokens/"+f.Token+"/withdraw"), "").
			Want(t, http.StatusConflict, "already done")

		// Streams.
		stream := "/admin/streams/" + f.Stream
		do(stream+"/status", "status", "enabled", "words", "it goes on")
		b.Get(stream).Want(t, http.StatusOK, "Active", "it goes on")
		press(t, b, stream+"/status", b.Get(stream+"/status"), "", "status", "gone").Want(t, http.StatusUnprocessableEntity)
		do(stream + "/retry")
		do(stream + "/delete")
		b.Get(stream).Want(t, http.StatusNotFound)

		b.Get("/admin/settings").Want(t, http.StatusOK, "listen", "127.0.0.1:9100", "Set, and not shown", "Not set")
		if page := b.Get("/admin/settings"); strings.Contains(page.Body, "hush") {
			t.Error("a secret is shown")
		}
	})
}
