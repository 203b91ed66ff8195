package adminpages_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/audit"
	"github.com/maru-auth/maru/authz-server/internal/people/peopletest"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/roles"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
	"github.com/maru-auth/maru/authz-server/internal/store/upstreams"
	"github.com/maru-auth/maru/authz-server/internal/upstream"
)

const newProvider = "/admin/upstreams/~new"

// provider puts in place a provider by which Mina logs in, and somebody who has no other way to; and a
// service that takes tokens.
func (f *full) provider(t *testing.T, text func(field, kind string) string) {
	t.Helper()
	ctx := t.Context()
	settings := upstream.Settings{
		Title: text("provider", "Work"), Issuer: "https://id.example.com", ClientID: text("provider client", "maru"),
		Scope: text("provider scope", "openid email"), Addresses: upstream.ByClaim, AddressDomains: []string{text("domain", "example.com")},
		StrongACR: []string{text("strong", "mfa")}, Claims: map[string]string{"name": text("claim", "profile.full_name")},
	}
	u := upstreams.Upstream{Name: "office", Settings: settings.Text(), Secret: []byte("sealed")}
	storetest.OK(t, f.Store.Upstreams.Create(ctx, u))
	one, err := f.Store.Upstreams.Link(ctx, upstreams.Identity{
		Upstream: "office", Issuer: settings.Issuer, Subject: text("subject",
			"1089"), UserID: f.Mina.ID, Label: text("label", "mina@example.org"),
	})
	storetest.OK(t, err)
	f.Identity = one.ID
	alone, err := f.Store.Users.CreateUser(ctx,
		accounts.User{Email: "alone@example.org", Name: text("alone", "Han Gyeol")})
	storetest.OK(t, err)
	_, err = f.Store.Upstreams.Link(ctx, upstreams.Identity{Upstream: "office", Issuer: settings.Issuer,
		Subject: "2", UserID: alone.ID})
	storetest.OK(t, err)
	stored, err := f.Store.Upstreams.Upstream(ctx, "office")
	storetest.OK(t, err)
	stored.Disabled = true // so that no page that logs people in has its button, whose secret is none
	storetest.OK(t, f.Store.Upstreams.Update(ctx, stored))
	storetest.OK(t, f.Admin.CreateResource(ctx, machine, admin.NewResource{
		Name: "orders", ID: "https://orders.example", Scopes: []string{"orders:read",
			"orders:write"}, Description: text("api", "What people order"),
	}, ""))
}

// A provider is added in steps, changed, disabled and deleted, on both engines.
func TestAProviderIsLookedAfter(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		b, _ := w.administrator(t)
		b.Get("/admin/upstreams").Want(t, http.StatusOK, "There are no providers yet.", `href="`+newProvider+`"`)
		step := b.Get(newProvider)
		press(t, b, newProvider, step, "next").Want(t, http.StatusUnprocessableEntity, "Choose a provider.")
		press(t, b, newProvider, step, "next", "preset", "openid", "name", "Work!").Want(t,
			http.StatusUnprocessableEntity, "starting with a letter", `value="Work!"`)
		press(t, b, newProvider, step, "next", "preset", "openid", "name", "office").Want(t,
			http.StatusUnprocessableEntity, `id="title-problem"`)
		step = press(t, b, newProvider, step, "next", "preset", "openid", "name", "office", "title", "회사 계정")
		step.Want(t, http.StatusOK, "Who may log in?")
		press(t, b, newProvider, step, "next", "address_domains", "nonsense").Want(t,
			http.StatusUnprocessableEntity, "one per line", ">\nnonsense</textarea>")
		step = press(t, b, newProvider, step, "next", "address_domains", "Example.com\r\n\r\n예시.한국", "addresses",
			"never", "signups", "-", "strong_acr", "mfa")
		step.Want(t, http.StatusOK, "Connect this server", w.Server.URL+"/login/upstream/office/callback", "회사 계정")
		wrong := press(t, b, newProvider, step, "create", "issuer", "https://10.0.0.1", "client_id", "maru",
			"client_secret", "hush-hush")
		wrong.Want(t, http.StatusUnprocessableEntity, `id="issuer-problem"`, `value="https://10.0.0.1"`, `value="maru"`)
		if strings.Contains(wrong.Body, "hush") {
			t.Error("the secret that was typed is shown")
		}
		press(t, b, newProvider, wrong, "create", "issuer", "https://id.example.com").Want(t,
			http.StatusUnprocessableEntity, `id="client_secret-problem"`)
		made := press(t, b, newProvider, wrong, "create", "issuer", "https://id.example.com", "client_secret",
			" hush-hush ", "reason", "the company")
		made.WantRedirect(t, "/admin/upstreams/office?done=upstream_created")
		stored, err := w.Store.Upstreams.Upstream(t.Context(), "office")
		storetest.OK(t, err)
		settings, err := upstream.Read(stored)
		if err != nil || settings.Title != "회사 계정" || !settings.NoSignup || settings.Addresses != upstream.Never ||
			!upstream.SecretIs(w.Admin.KEK, stored, "hush-hush") ||
			!slices.Equal(settings.AddressDomains, []string{"example.com", "xn--vv4b11d.xn--3e0b707e"}) ||
			!slices.Equal(settings.StrongACR, []string{"mfa"}) {
			t.Errorf("%+v %v", settings, err)
		}
		if e := w.log(t)[0]; e.Kind != audit.UpstreamCreated || e.Reason != "the company" || e.Actor.Label != root {
			t.Errorf("%+v", e)
		}
		step = b.Get(newProvider)
		press(t, b, newProvider, step, "next", "preset", "openid", "name", "office", "title", "x").Want(t,
			http.StatusConflict, "There is a provider with this name.")

		at := "/admin/upstreams/office"
		page := b.Get(at)
		page.Want(t, http.StatusOK, "회사 계정", "https://id.example.com", "/login/upstream/office/callback",
			"Set, and not shown", "Nobody logs in with it yet.", "mfa")
		if strings.Contains(page.Body, "hush") {
			t.Error("the secret is shown")
		}
		edit := b.Get(at + "/edit")
		press(t, b, at+"/edit", edit, "", "claims", "email: mail").Want(t, http.StatusUnprocessableEntity,
			`id="claims-problem"`, "email: mail")
		press(t, b, at+"/edit", edit, "", "issuer", "https://evil.example").Want(t, http.StatusUnprocessableEntity,
			`id="client_secret-problem"`)
		press(t, b, at+"/edit", edit, "", "claims", "sub = id").Want(t, http.StatusUnprocessableEntity, `id="claims-problem"`)
		w.Clock.Advance(time.Second)
		press(t, b, at+"/edit", edit, "", "title", "Work", "claims", "picture = avatar.url", "signups",
			"yes").WantRedirect(t, at+"?done=saved")
		press(t, b, at+"/edit", edit, "", "title", "Other").Want(t, http.StatusConflict,
			"Somebody else changed this", `value="Other"`)
		stored, err = w.Store.Upstreams.Upstream(t.Context(), "office")
		storetest.OK(t, err)
		settings, err = upstream.Read(stored)
		if err != nil || settings.Title != "Work" || settings.NoSignup ||
			settings.Claims["picture"] != "avatar.url" || settings.Issuer != "https://id.example.com" {
			t.Errorf("%+v %v", settings, err)
		}
		press(t, b, at+"/secret", b.Get(at+"/secret"), "").Want(t, http.StatusUnprocessableEntity,
			`id="client_secret-problem"`)
		press(t, b, at+"/secret", b.Get(at+"/secret"), "", "client_secret", "another").WantRedirect(t,
			at+"?done=upstream_secret")
		if stored, err = w.Store.Upstreams.Upstream(t.Context(), "office"); err != nil ||
			!upstream.SecretIs(w.Admin.KEK, stored, "another") {
			t.Error(err)
		}
		alone, err := w.Store.Users.CreateUser(t.Context(), accounts.User{Email: "alone@example.org", Name: "Han"})
		storetest.OK(t, err)
		_, err = w.Store.Upstreams.Link(t.Context(),
			upstreams.Identity{Upstream: "office", Issuer: "https://id.example.com", Subject: "1", UserID: alone.ID})
		storetest.OK(t, err)
		b.Get(at).Want(t, http.StatusOK, "One person logs in with it. One of them has no other way to log in.",
			"/admin/users/"+alone.ID)
		b.Get(at+"/disable").Want(t, http.StatusOK, "One person loses their only way to log in.", "alone@example.org")
		press(t, b, at+"/disable", b.Get(at+"/disable"), "", "reason", "broken").WantRedirect(t, at+"?done=upstream_off")
		b.Get("/admin/upstreams").Want(t, http.StatusOK, "Disabled")
		press(t, b, at+"/enable", b.Get(at+"/enable"), "").WantRedirect(t, at+"?done=upstream_on")
		remove := b.Get(at + "/delete")
		remove.Want(t, http.StatusOK, "One person loses their only way to log in.", "Delete it although people log in with it")
		press(t, b, at+"/delete", remove, "", "reason", "over").Want(t, http.StatusConflict, "Tick the box", `value="over"`)
		press(t, b, at+"/delete", remove, "", "sure", "yes").WantRedirect(t, "/admin/upstreams?done=upstream_deleted")
		b.Get(at).Want(t, http.StatusNotFound)
		b.Get("/admin/users/"+alone.ID).Want(t, http.StatusOK)
	})
}

// What a preset has need not be typed, and the page says what to do there, for each that there is.
func TestEveryPresetSaysWhatToDoAtTheProvider(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b, _ := w.administrator(t)
	for _, preset := range upstream.Presets() {
		fields := []string{"preset", preset}
		if preset == "oauth2" {
			fields = append(fields, "name", "other", "title", "Other")
		}
		step := press(t, b, newProvider, b.Get(newProvider), "next", fields...)
		step.Want(t, http.StatusOK, "Who may log in?")
		step = press(t, b, newProvider, step, "next")
		step.Want(t, http.StatusOK, "Connect this server", "/callback</code>")
		if words := step.Body[strings.Index(step.Body, "<h3>"):]; strings.Index(words, "<p>") > strings.Index(words, "<pre") {
			t.Errorf("%s has no words for what to do there", preset)
		}
	}
	step := press(t, b, newProvider, b.Get(newProvider), "next", "preset", "github")
	step = press(t, b, newProvider, press(t, b, newProvider, step, "next"), "create", "client_id", "abc",
		"client_secret", "s")
	step.WantRedirect(t, "/admin/upstreams/github?done=upstream_created")
	b.Get("/admin/upstreams/github").Want(t, http.StatusOK, "GitHub", "https://api.github.com/user",
		"read:user user:email")
	// Microsoft's tenants are ids, and stand with an issuer of several.
	step = press(t, b, newProvider, press(t, b, newProvider, b.Get(newProvider), "next", "preset", "microsoft"), "next",
		"logout", "yes")
	press(t, b, newProvider, step, "create", "client_id", "abc", "client_secret", "s", "tenants", "ours").
		Want(t, http.StatusUnprocessableEntity, `id="tenants-problem"`, ">\nours</textarea>")
	press(t, b, newProvider, step, "create", "client_id", "abc", "client_secret", "s",
		"tenants", "9B1DEB4D-3B7D-4BAD-9BDD-2B0D7B3DCB6D").
		WantRedirect(t, "/admin/upstreams/microsoft?done=upstream_created")
	b.Get("/admin/upstreams/microsoft").Want(t, http.StatusOK, "9b1deb4d-3b7d-4bad-9bdd-2b0d7b3dcb6d",
		"Post-logout redirect URI", "Back-channel logout URI")
	if u, err := w.Admin.Upstream(t.Context(), machine, "microsoft"); err != nil || !u.Logout {
		t.Errorf("%+v %v", u, err)
	}
	// Apple's secret is a key, and a text that is none is refused without being shown.
	step = press(t, b, newProvider, press(t, b, newProvider,
		press(t, b, newProvider, b.Get(newProvider), "next", "preset", "apple"), "next"), "create",
		"client_id", "com.example", "team_id", "T", "key_id", "K", "client_secret", "no-key-at-all")
	step.Want(t, http.StatusUnprocessableEntity, `id="client_secret-problem"`, `value="com.example"`)
	if strings.Contains(step.Body, "no-key-at-all") {
		t.Error("what was typed as the key is shown")
	}
}

func TestNoStepOfAProviderLosesAnAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b, app := w.administrator(t)
	step := press(t, b, newProvider, b.Get(newProvider), "next", "preset", "openid", "name", "office", "title", "Work")
	step = press(t, b, newProvider, step, "next", "addresses", "insecure-always", "signups", "-", "strong_acr", "a\r\nb")
	step = press(t, b, newProvider, step, "back", "client_id", "maru", "issuer", "https://id.example.com",
		"client_secret", "hush-hush")
	step.Want(t, http.StatusOK, `value="insecure-always" checked`, ">\na\nb</textarea>")
	if strings.Contains(step.Body, "hush") || strings.Contains(step.Body, `id="signups" value="yes" checked`) {
		t.Error(step.Body)
	}
	step = press(t, b, newProvider, step, "next")
	step.Want(t, http.StatusOK, `value="maru"`, `value="https://id.example.com"`)
	// Nor does a proof in between.
	w.Clock.Advance(11 * time.Minute)
	press(t, b, newProvider, step, "create", "client_secret", "hush-hush").WantRedirect(t, "/login?confirm=several")
	b.Get("/login?confirm=several")
	b.Post("/login?confirm=several", "password", peopletest.Password).WantRedirect(t, "/login/verify?confirm=several")
	back := b.Post("/login/verify?confirm=several", "otp", app.Next())
	step = b.Get(back.Location)
	step.Want(t, http.StatusOK, "Connect this server", `value="maru"`)
	if strings.Contains(step.Body, "hush") {
		t.Error("the secret was kept")
	}
	press(t, b, newProvider, step, "create", "client_secret", "hush-hush").WantRedirect(t,
		"/admin/upstreams/office?done=upstream_created")
	// An answer that was changed in a hidden input is looked at again, and never makes a page fail.
	for _, hidden := range [][]string{{"preset", "facebook"}, {"preset", "-"}, {"name", "../x"},
		{"addresses", "perhaps"}, {"title", strings.Repeat("x", 100)}} {
		page := press(t, b, newProvider, step, "create", append(hidden, "client_secret", "s")...)
		page.Want(t, http.StatusUnprocessableEntity, `role="alert"`)
	}
	if made, err := w.Store.Upstreams.List(t.Context()); err != nil || len(made) != 1 {
		t.Error(made, err)
	}
}

func TestAnOperatorUnlinksWhereSomebodyLogsIn(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		f := fill(t, w, false)
		b, mina := f.root, "/admin/users/"+f.Mina.ID
		at := mina + "/identities/" + f.Identity
		b.Get(mina).Want(t, http.StatusOK, `href="`+at+`"`)
		page := b.Get(at)
		page.Want(t, http.StatusOK, "office", "mina@example.org")
		if strings.Contains(page.Body, `name="anyway"`) { // she has a password
			t.Error(page.Body)
		}
		press(t, b, at, page, "").Want(t, http.StatusUnprocessableEntity, "Write a reason.")
		press(t, b, at, page, "", "reason", "not hers").WantRedirect(t, mina+"?done=unlink")
		press(t, b, at, page, "", "reason", "again").Want(t, http.StatusNotFound)
		if e := w.log(t)[0]; e.Kind != audit.UpstreamUnlinked || e.Person != f.Mina.ID || e.Reason != "not hers" {
			t.Errorf("%+v", e)
		}
		alone, err := f.Store.Users.UserByEmail(t.Context(), "alone@example.org")
		storetest.OK(t, err)
		own, err := f.Store.Upstreams.IdentitiesOf(t.Context(), alone.ID)
		storetest.OK(t, err)
		at = "/admin/users/" + alone.ID + "/identities/" + own[0].ID
		press(t, b, at, b.Get(at), "", "reason", "x").Want(t, http.StatusConflict, "no other way to log in", `value="x"`)
		press(t, b, at, b.Get(at), "", "reason", "x", "anyway", "yes").WantRedirect(t,
			"/admin/users/"+alone.ID+"?done=unlink")
		b.Get(mina+"/identities/"+own[0].ID).Want(t, http.StatusNotFound)
	})
}

func TestAPIsAndTheirRolesAreLookedAfter(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		b, _ := w.administrator(t)
		b.Get("/admin/resources").Want(t, http.StatusOK, "board", "The settings")
		made := "/admin/resources/~new"
		for field, fields := range map[string][]string{
			"name":   {"name", "Pay", "id", "https://pay.example", "scopes", "pay:read"},
			"id":     {"name", "pay", "id", "pay", "scopes", "pay:read"},
			"scopes": {"name", "pay", "id", "https://pay.example", "scopes", "board:read"},
			"description": {"name", "pay", "id", "https://pay.example", "scopes", "pay:read", "description",
				strings.Repeat("x", 300)},
		} {
			press(t, b, made, b.Get(made), "", fields...).Want(t, http.StatusUnprocessableEntity,
				`id="`+field+`-problem"`, `value="https://pay.example"`[:7])
		}
		press(t, b, made, b.Get(made), "", "name", "board", "id", "https://pay.example", "scopes", "x").Want(t,
			http.StatusConflict, "Another API has")
		at := "/admin/resources/pay"
		press(t, b, made, b.Get(made), "", "name", "pay", "id", "https://pay.example", "scopes",
			"pay:read\r\npay:write", "description", "결제", "reason", "new").
			WantRedirect(t, at+"?done=resource_created")
		b.Get(at).Want(t, http.StatusOK, "결제", "https://pay.example", "pay:write", "This API has no roles.")
		define := "/admin/roles/pay/new"
		press(t, b, define, b.Get(define), "", "name", "cashier").Want(t, http.StatusUnprocessableEntity,
			`id="scopes-problem"`, `value="cashier"`)
		press(t, b, define, b.Get(define), "", "name", "Cash ier", "scopes", "pay:write").Want(t,
			http.StatusUnprocessableEntity, `id="name-problem"`)
		press(t, b, define, b.Get(define), "", "name", "cashier", "scopes", "board:read").Want(t,
			http.StatusUnprocessableEntity, `id="scopes-problem"`)
		press(t, b, define, b.Get(define), "", "name", "cashier", "scopes", "pay:write", "description",
			"Takes money").WantRedirect(t, at+"?done=role_defined")
		press(t, b, define, b.Get(define), "", "name", "cashier", "scopes", "pay:write").Want(t,
			http.StatusConflict, `id="name-problem"`)
		b.Get("/admin/roles").Want(t, http.StatusOK, "pay/cashier", "Takes money", "pay API")
		b.Get("/admin/roles/nothing/new").Want(t, http.StatusNotFound)
		change := "/admin/roles/pay/cashier/edit"
		before := b.Get(change)
		press(t, b, change, before, "", "scopes", "-").Want(t, http.StatusUnprocessableEntity, `id="scopes-problem"`)
		press(t, b, change, before, "", "scopes", "+pay:read").WantRedirect(t, "/admin/roles?done=saved")
		press(t, b, change, before, "", "scopes", "pay:read").Want(t, http.StatusConflict, "Somebody else changed this")
		cashier, err := w.Store.Roles.Definition(t.Context(), roles.Role{Resource: "pay", Name: "cashier"})
		if err != nil || len(cashier.Scopes) != 2 {
			t.Errorf("%+v %v", cashier, err)
		}
		edit := b.Get(at + "/edit")
		press(t, b, at+"/edit", edit, "", "scopes", "pay:refund").Want(t, http.StatusUnprocessableEntity,
			"keep those that roles need")
		press(t, b, at+"/edit", edit, "", "scopes", "pay:read\r\npay:write\r\npay:refund").WantRedirect(t,
			at+"?done=resource_changed")
		press(t, b, at+"/edit", edit, "", "description", "x").Want(t, http.StatusConflict,
			"Somebody else changed this", `value="x"`)
		press(t, b, at+"/delete", b.Get(at+"/delete"), "").Want(t, http.StatusConflict, "Delete them first")
		press(t, b, "/admin/roles/pay/cashier/delete", b.Get("/admin/roles/pay/cashier/delete"), "").WantRedirect(t,
			"/admin/roles?done=role_deleted")
		press(t, b, at+"/delete", b.Get(at+"/delete"), "").WantRedirect(t, "/admin/resources?done=resource_deleted")
		b.Get(at).Want(t, http.StatusNotFound)
		// Those of the settings are looked at, and changed there.
		b.Get("/admin/resources/board").Want(t, http.StatusOK, "board/moderator", "defined in the server’s settings")
		b.Get("/admin/resources/board/edit").Want(t, http.StatusOK, "defined in the server’s settings")
		b.Post("/admin/resources/board/edit", "id", "https://evil.example", "scopes", "x").Want(t,
			http.StatusUnprocessableEntity)
		b.Post("/admin/resources/admin/delete").Want(t, http.StatusUnprocessableEntity)
		// The role of administrators is an administrator's to describe, and its scopes stay.
		crown := "/admin/roles/admin/admin/edit"
		press(t, b, crown, b.Get(crown), "", "description", "Everything", "scopes", "+board:read").WantRedirect(t,
			"/admin/roles?done=saved")
		if d, err := w.Store.Roles.Definition(t.Context(), roles.Admin); err != nil ||
			slices.Contains(d.Scopes, "board:read") {
			t.Errorf("%+v %v", d, err)
		}
	})
}

func TestEventStreamsAreMadeAndChanged(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		f := fill(t, w, false)
		b, made := f.root, "/admin/streams/new"
		_, err := w.Admin.CreateClient(t.Context(), machine, "listens", map[string]any{
			"client_name": "Listens", "grant_types": []string{"client_credentials"}, "scope": "ssf.read"}, "")
		storetest.OK(t, err)
		page := b.Get(made + "?client=listens")
		page.Want(t, http.StatusOK, `value="listens"`, `value="session-revoked" checked`)
		wrong := press(t, b, made, page, "", "endpoint", "http://10.0.0.1/", "secret_header", "hush-hush")
		wrong.Want(t, http.StatusUnprocessableEntity, `id="endpoint-problem"`, `value="http://10.0.0.1/"`)
		if strings.Contains(wrong.Body, "hush") {
			t.Error("the header that was typed is shown")
		}
		press(t, b, made, page, "", "client", "nobody").Want(t, http.StatusConflict, `id="client-problem"`)
		press(t, b, made, page, "", "client", "tv").Want(t, http.StatusConflict, `id="client-problem"`)
		press(t, b, made, page, "", "events", "-").Want(t, http.StatusUnprocessableEntity, `id="events-problem"`)
		press(t, b, made, page, "", "secret_header", "x").Want(t, http.StatusUnprocessableEntity,
			`id="secret_header-problem"`)
		out := press(t, b, made, page, "", "endpoint", "https://receiver.example/", "secret_header", "Bearer x",
			"description", "ours", "reason", "asked for")
		stream, err := w.Store.Streams.StreamOf(t.Context(), "listens")
		storetest.OK(t, err)
		at := "/admin/streams/" + stream.ID
		out.WantRedirect(t, at+"?done=stream_created")
		if len(stream.Header) == 0 || stream.Endpoint != "https://receiver.example/" || len(stream.Delivered) != 7 {
			t.Errorf("%+v", stream)
		}
		press(t, b, made, page, "", "client", "listens").Want(t, http.StatusConflict, "already has a stream")
		b.Get(at).Want(t, http.StatusOK, "ours", at+"/edit", at+"/verify")
		edit := b.Get(at + "/edit")
		press(t, b, at+"/edit", edit, "", "events", "account-disabled", "description", "theirs").WantRedirect(t,
			at+"?done=stream_changed")
		after, err := w.Store.Streams.Stream(t.Context(), stream.ID)
		if err != nil || len(after.Delivered) != 1 || after.Description != "theirs" ||
			!slices.Equal(after.Header, stream.Header) {
			t.Errorf("%+v %v", after, err)
		}
		// Who saw what it was before sees what it is now first.
		press(t, b, at+"/edit", edit, "", "no_header", "yes").Want(t, http.StatusConflict, "Somebody else changed this", `value="ours"`)
		press(t, b, at+"/edit", b.Get(at+"/edit"), "", "no_header", "yes").WantRedirect(t, at+"?done=stream_changed")
		if after, err = w.Store.Streams.Stream(t.Context(), stream.ID); err != nil || len(after.Header) != 0 {
			t.Errorf("%+v %v", after, err)
		}
		press(t, b, at+"/edit", b.Get(at+"/edit"), "", "endpoint", "").WantRedirect(t, at+"?done=stream_changed")
		press(t, b, at+"/verify", b.Get(at+"/verify"), "").WantRedirect(t, at+"?done=stream_verified")
		if sets, err := w.Store.Streams.Sets(t.Context(), stream.ID, "", 10); err != nil || len(sets) != 1 {
			t.Errorf("%+v %v", sets, err)
		}
		press(t, b, at+"/status", b.Get(at+"/status"), "", "status", "disabled", "words",
			strings.Repeat("말", 201)).Want(t, http.StatusUnprocessableEntity, `id="words-problem"`)
		press(t, b, at+"/status", b.Get(at+"/status"), "", "status", "disabled").WantRedirect(t, at+"?done=stream_changed")
		press(t, b, at+"/verify", b.Get(at+"/verify"), "").Want(t, http.StatusConflict, "The stream is disabled")
		press(t, b, at+"/delete", b.Get(at+"/delete"), "").WantRedirect(t, "/admin/streams?done=stream_deleted")
	})
}

func TestTheLogShowsWhatAnAppDid(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b, _ := w.administrator(t)
	by := audit.Actor{Kind: audit.Client, ID: "https://tool.example/client.json", Label: "Tool"}
	storetest.OK(t, audit.New(w.Store).Record(t.Context(),
		audit.Entry{Kind: audit.GroupCreated, Actor: by, Target: audit.Target{Kind: "group", ID: "g", Label: "The group"}}))
	page := b.Get("/admin/audit?client=" + url.QueryEscape(by.ID))
	page.Want(t, http.StatusOK, "The group", "Tool", `value="`+by.ID+`"`)
	if strings.Contains(page.Body, "Logged in</h3>") {
		t.Error("what others did is there, too")
	}
	b.Get("/admin/audit?client=other").Want(t, http.StatusOK, "No entries match.")
}
