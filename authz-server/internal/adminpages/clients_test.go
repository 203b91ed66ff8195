package adminpages_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/audit"
	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/people/peopletest"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/auditlog"
	"github.com/maru-auth/maru/authz-server/internal/store/grants"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
)

const newClient = "/admin/clients/new"

// made goes through all steps for a kind of app, and returns the last page.
func (w *world) made(t *testing.T, b *peopletest.Browser, kind string, fields ...string) peopletest.Answer {
	t.Helper()
	page := b.Get(newClient)
	page.Want(t, http.StatusOK, `id="step-kind"`)
	page = press(t, b, newClient, page, "next", "kind", kind, "client_name", "Shop")
	for range 4 {
		switch {
		case strings.Contains(page.Body, `id="step-addresses"`):
			page = press(t, b, newClient, page, "next", fields...)
		case strings.Contains(page.Body, `id="step-scopes"`):
			if kind == "service" {
				page = press(t, b, newClient, page, "next", "scope", "user:lookup")
			} else {
				page = press(t, b, newClient, page, "next")
			}
		case strings.Contains(page.Body, `id="step-apis"`):
			page = press(t, b, newClient, page, "next", "audiences", "https://api.example/board")
		case strings.Contains(page.Body, `id="step-review"`):
			return press(t, b, newClient, page, "create")
		}
	}
	t.Fatalf("%s: the steps have no end: %d %s", kind, page.Status, page.Body)
	return page
}

func (w *world) clients(t *testing.T) []client.Client {
	t.Helper()
	page, err := w.Admin.ListClients(t.Context(), machine, "", 100)
	storetest.OK(t, err)
	return slices.DeleteFunc(page.Items, func(c client.Client) bool { return c.ID == "app" }) // the site's own
}

func TestTheStepsMakeEachKindOfApp(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		b, _ := w.administrator(t)
		code := []string{client.AuthorizationCode, client.RefreshToken}
		const web = "https://shop.example/callback"
		for _, test := range []struct {
			kind, uris string
			is         func(c client.Client) bool
			secret     bool
			programs   int
		}{
			{"web", web, func(c client.Client) bool {
				return slices.Equal(c.GrantTypes, code) && c.RequirePKCE && c.IDTokenClaims &&
					slices.Equal(c.RedirectURIs, []string{web}) && c.Scope == "openid profile email"
			}, true, 5},
			{"spa", web, func(c client.Client) bool { return c.Public() && slices.Equal(c.GrantTypes, code) }, false, 2},
			{"native", "com.example.app:/callback\r\nhttp://127.0.0.1/callback", func(c client.Client) bool {
				return c.Public() && c.ApplicationType == client.ApplicationNative && len(c.RedirectURIs) == 2
			}, false, 4},
			{"service", "", func(c client.Client) bool { return c.Scope == "user:lookup" && len(c.GrantTypes) == 1 }, true, 5},
			{"device", "", func(c client.Client) bool { return c.HasGrantType(client.DeviceCode) && c.Public() }, false, 4},
			{"api", "", func(c client.Client) bool {
				return slices.Equal(c.Audiences, []string{"https://api.example/board"}) && c.Scope == ""
			}, true, 5},
		} {
			before := w.clients(t)
			page := w.made(t, b, test.kind, "redirect_uris", test.uris)
			page.Want(t, http.StatusOK, "The app was added")
			var c client.Client
			for _, one := range w.clients(t) {
				if !slices.ContainsFunc(before, func(old client.Client) bool { return old.ID == one.ID }) {
					c = one
				}
			}
			if c.Name != "Shop" || !test.is(c) {
				t.Errorf("%s: %+v", test.kind, c)
			}
			secret := textOf(t, page.Body, "secret")
			if (secret != "") != test.secret {
				t.Errorf("%s: the secret is %q", test.kind, secret)
			}
			if n := strings.Count(page.Body, `<details class="snippet"`); n != test.programs {
				t.Errorf("%s: %d programs", test.kind, n)
			}
			if secret != "" {
				// Each command has it once, and nothing else has.
				if n := strings.Count(page.Body, secret); n != 1+test.programs {
					t.Errorf("%s: the secret is there %d times", test.kind, n)
				}
				own := "/admin/clients/" + c.ID
				for _, again := range []peopletest.Answer{b.Get(own), b.Get(own + "?lang=ko"), b.Get(own + "?lang=en"),
					b.Get(newClient), b.Get("/admin/clients"), b.Get(own + "/metadata")} {
					if strings.Contains(again.Body, secret) {
						t.Errorf("%s: the secret is shown again", test.kind)
					}
				}
				for _, e := range w.log(t) {
					if text := e.Target.Label + e.Reason; strings.Contains(text, secret) {
						t.Errorf("the audit log has it: %+v", e)
					}
					for _, value := range e.Detail {
						if text, _ := value.(string); strings.Contains(text, secret) {
							t.Errorf("the audit log has it: %+v", e)
						}
					}
				}
				_, hashes, err := w.Store.Clients.RegisteredWithSecrets(t.Context(), c.ID)
				if err != nil || len(hashes) != 1 {
					t.Errorf("%d secrets: %v", len(hashes), err)
				}
			}
			for _, link := range []string{"?lang=ko", `hreflang`} { // which would lead away from what is shown once
				if strings.Contains(page.Body, link) {
					t.Errorf("%s: the page has %s", test.kind, link)
				}
			}
			if page.Header.Get("Cache-Control") != "no-store" {
				t.Error("the page is kept")
			}
		}
	})
}

func (w *world) log(t *testing.T) []audit.Entry {
	t.Helper()
	all, err := audit.New(w.Store).List(t.Context(), auditlog.Filter{Limit: 100})
	storetest.OK(t, err)
	return all
}

func TestNoStepLosesAnAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b, app := w.administrator(t)
	page := press(t, b, newClient, b.Get(newClient), "next", "kind", "web", "client_name", `Shop "<b>"`)
	page = press(t, b, newClient, page, "next", "redirect_uris", "https://shop.example/cb\r\nhttps://shop.example/cb2",
		"post_logout_redirect_uris", "https://shop.example/")
	page = press(t, b, newClient, page, "back", "scope", "openid", "scope", "+board:read")
	page.Want(t, http.StatusOK, `id="step-addresses"`, "https://shop.example/cb\nhttps://shop.example/cb2</textarea>",
		"https://shop.example/</textarea>")
	page = press(t, b, newClient, page, "back")
	page.Want(t, http.StatusOK, `id="step-kind"`, `value="web" checked`, `value="Shop &#34;&lt;b&gt;&#34;"`)
	page = press(t, b, newClient, press(t, b, newClient, page, "next"), "next")
	page.Want(t, http.StatusOK, `value="openid" checked`, `value="board:read" checked`)
	if strings.Contains(page.Body, `value="email" checked`) {
		t.Error("a scope is ticked again")
	}
	page = press(t, b, newClient, page, "next")

	// Who has to prove who they are comes back to the step, and all is there.
	w.Clock.Advance(11 * time.Minute)
	press(t, b, newClient, page, "create").WantRedirect(t, "/login?confirm=several")
	b.Get("/login?confirm=several")
	b.Post("/login?confirm=several", "password", peopletest.Password)
	back := b.Post("/login/verify?confirm=several", "otp", app.Next())
	if !strings.HasPrefix(back.Location, newClient+"?kept=") {
		t.Fatalf("leads to %q", back.Location)
	}
	page = b.Get(back.Location)
	page.Want(t, http.StatusOK, `id="step-review"`, "https://shop.example/cb2", "board:read")
	press(t, b, newClient, page, "create").Want(t, http.StatusOK, "The app was added")
}

func TestEachWrongAddressIsSaidInWords(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b, _ := w.administrator(t)
	for uri, want := range map[string]string{
		"": "at least one address", "shop.example/cb": "the whole address", "https://": "Write the host",
		"http://shop.example/cb":    "Begin with https://",
		"https://shop.example/cb#x": "fragment", "https://shop.example/*": "every address",
		"https://shop.example/a b": "percent-encoded",
		"https://shop.example/%zz": "percent-encoded", "https://a:b@shop.example/": "user name",
		"https://shop.example:99999/": "port must be",
		"https://-shop.example/":      "Write the host", "https://shop.example/../x": "must not have . or ..",
		"javascript:alert(1)": "Begin with https://, or",
		"com.example.app:/cb": "Only mobile and desktop apps", "example:/cb": "Begin with https://, or",
		"https://shop.example/\nhttps://shop.example/":      "is listed twice",
		"https://shop.example/" + strings.Repeat("x", 2000): "2,000 characters",
		strings.Repeat("https://shop.example/\n", 51):       "50 addresses",
	} {
		page := press(t, b, newClient, b.Get(newClient), "next", "kind", "web", "client_name", "Shop")
		page = press(t, b, newClient, page, "next", "redirect_uris", uri)
		page.Want(t, http.StatusUnprocessableEntity, `id="step-addresses"`, `id="redirect_uris-problem"`, want)
	}
	for _, test := range []struct{ kind, name, want string }{
		{"", "Shop", "Choose a kind"}, {"worm", "Shop", "Choose a kind"}, {"web", "", "1 to 100 printable"},
		{"web", "a\u202eb", "1 to 100 printable"},
		{"service", strings.Repeat("x", 101), "1 to 100 printable"},
	} {
		press(t, b, newClient, b.Get(newClient), "next", "kind", test.kind, "client_name", test.name).
			Want(t, http.StatusUnprocessableEntity, test.want)
	}
	page := press(t, b, newClient, b.Get(newClient), "next", "kind", "native", "client_name", "Shop")
	press(t, b, newClient, page, "next", "redirect_uris", "com.example.app:cb").
		Want(t, http.StatusUnprocessableEntity, "own scheme such as com.example.app:/callback")
}

// Whoever changes a hidden input changes nothing but their own answer, which is checked again.
func TestATamperedStepMakesNoOtherApp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b, _ := w.administrator(t)
	send := func(fields ...string) peopletest.Answer {
		t.Helper()
		all := map[string]string{"step": "review", "go": "create", "kind": "web", "client_name": "Shop",
			"redirect_uris": "https://shop.example/cb", "scope": "openid"}
		for i := 0; i < len(fields); i += 2 {
			all[fields[i]] = fields[i+1]
		}
		var list []string
		for name, value := range all {
			list = append(list, name, value)
		}
		return b.Post(newClient, list...)
	}
	send("redirect_uris", "http://evil.example/").Want(t, http.StatusUnprocessableEntity, `id="step-addresses"`)
	send("kind", "").Want(t, http.StatusUnprocessableEntity, `id="step-kind"`)
	send("client_name", "").Want(t, http.StatusUnprocessableEntity, `id="step-kind"`)
	send("scope", "nonsense").Want(t, http.StatusUnprocessableEntity, `id="step-scopes"`)
	send("scope", "scim").Want(t, http.StatusUnprocessableEntity, `id="step-scopes"`) // it acts for people
	send("kind", "api", "audiences", "https://evil.example/api").Want(t, http.StatusUnprocessableEntity, `id="step-apis"`)
	send("step", "nonsense").Want(t, http.StatusOK, `id="step-addresses"`)
	send("step", "kind").Want(t, http.StatusOK, `id="step-addresses"`)
	if all := w.clients(t); len(all) > 0 {
		t.Fatalf("there are apps: %+v", all)
	}
	// What no step asks for is not read.
	send("trusted", "true", "client_id", "chosen", "token_exchange_audiences", w.Server.URL+"/admin", "grant_types",
		"client_credentials", "audiences", "https://api.example/user").
		Want(t, http.StatusOK, "The app was added")
	all := w.clients(t)
	if len(all) != 1 || all[0].ID == "chosen" || all[0].Trusted ||
		len(all[0].TokenExchangeAudiences)+len(all[0].Audiences) > 0 || all[0].HasGrantType(client.ClientCredentials) {
		t.Errorf("the app is %+v", all)
	}
}

// An app that administers the server is made by an administrator in person, who is told so.
func TestAnAdministrativeAppIsMarked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b, _ := w.administrator(t)
	page := press(t, b, newClient, b.Get(newClient), "next", "kind", "service", "client_name", "Directory")
	page.Want(t, http.StatusOK, "gives power over this server", `value="scim"`)
	page = press(t, b, newClient, page, "next", "scope", "scim")
	page.Want(t, http.StatusOK, "Administers this server")
	press(t, b, newClient, page, "create").Want(t, http.StatusOK, "The app was added")
	b.Get("/admin/clients").Want(t, http.StatusOK, "Administers this server")
}

func TestTheListOfAppsGoesOnByCursors(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		b, _ := w.administrator(t)
		for i := range 50 {
			w.client(t, string(rune('a'+i/26))+string(rune('a'+i%26)))
		}
		page := b.Get("/admin/clients")
		page.Want(t, http.StatusOK, "<code>aa</code>", "<code>app</code>", `href="/admin/clients?after=bw"`)
		if strings.Contains(page.Body, "<code>bx</code>") {
			t.Error("a page has 51")
		}
		b.Get("/admin/clients?after=bw").Want(t, http.StatusOK, "<code>bx</code>", "First page")
		b.Get("/admin/clients?id=bx").WantRedirect(t, "/admin/clients/bx")
		b.Get("/admin/clients?id=nobody").Want(t, http.StatusOK, `value="nobody"`)
		b.Get("/admin/clients/nobody").Want(t, http.StatusNotFound)
	})
}

// client makes a web app.
func (w *world) client(t *testing.T, id string) (secret string) {
	t.Helper()
	made, err := w.Admin.CreateClient(t.Context(), machine, id, client.Patch{
		"client_name": "Shop " + id, "redirect_uris": []string{"https://shop.example/cb"}, "scope": "openid profile",
		"grant_types": []string{client.AuthorizationCode, client.RefreshToken},
	}, "")
	storetest.OK(t, err)
	return made.Secret
}

func TestAnAppIsChangedDisabledAndDeleted(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		b, _ := w.administrator(t)
		first := w.client(t, "shop")
		get := func() client.Client {
			c, err := w.Admin.Client(t.Context(), machine, "shop")
			storetest.OK(t, err)
			return c
		}
		const own = "/admin/clients/shop"
		b.Get(own).Want(t, http.StatusOK, "Shop shop", "https://shop.example/cb", "Active", "Nobody.")

		edit := b.Get(own + "/edit")
		press(t, b, own+"/edit", edit, "", "client_name", "Store", "redirect_uris",
			"https://shop.example/cb\r\nhttps://store.example/cb", "trusted", "yes", "contacts", "a@example.org").
			WantRedirect(t, own+"?done=client_changed")
		if c := get(); c.Name != "Store" || len(c.RedirectURIs) != 2 || !c.Trusted || !c.RequirePKCE || len(c.Contacts) != 1 {
			t.Errorf("%+v", c)
		}
		press(t, b, own+"/edit", edit, "", "client_name", "Late").Want(t, http.StatusConflict, "Somebody else changed this")
		press(t, b, own+"/edit", b.Get(own+"/edit"), "", "redirect_uris", "http://evil.example/").
			Want(t, http.StatusUnprocessableEntity, "Begin with https://", "http://evil.example/</textarea>")

		all := b.Get(own + "/metadata")
		press(t, b, own+"/metadata", all, "", "metadata", `{
				"client_id": "shop", "client_name": "Store", "client_name#ko": "가게",
				"redirect_uris": ["https://shop.example/cb"], "default_max_age": 60
			}`).
			WantRedirect(t, own+"?done=client_changed")
		if c := get(); c.Localized["client_name#ko"] != "가게" || c.DefaultMaxAge == nil || *c.DefaultMaxAge != 60 ||
			c.Trusted {
			t.Errorf("%+v", c)
		}
		const shop = `{"client_id": "shop", "client_name": "x", "redirect_uris": ["https://a.example/"], `
		for text, want := range map[string]string{
			"{": "must be a JSON object",
			`{"client_id": "other", "client_name": "x"}`: "client_id must be there, and stay as it is",
			shop + `"client_secret": "x"}`:               "client_secret is no member",
			shop + `"scope": "nonsense"}`:                "does not know",
		} {
			page := press(t, b, own+"/metadata", b.Get(own+"/metadata"), "", "metadata", text)
			page.Want(t, http.StatusUnprocessableEntity, want)
		}

		page := press(t, b, own+"/secret", b.Get(own+"/secret"), "", "overlap", "1h")
		page.Want(t, http.StatusOK, "New secret")
		if second := textOf(t, page.Body, "secret"); len(second) < 40 || second == first {
			t.Errorf("the new secret is %q", second)
		}
		if _, hashes, err := w.Store.Clients.RegisteredWithSecrets(t.Context(), "shop"); err != nil || len(hashes) != 2 {
			t.Errorf("%d secrets: %v", len(hashes), err)
		}
		press(t, b, own+"/secret", b.Get(own+"/secret"), "", "overlap", "-1h").Want(t, http.StatusUnprocessableEntity)
		page = press(t, b, own+"/compromised", b.Get(own+"/compromised"), "", "reason", "seen in a log")
		page.Want(t, http.StatusOK, "New secret")
		if _, hashes, err := w.Store.Clients.RegisteredWithSecrets(t.Context(), "shop"); err != nil || len(hashes) != 1 {
			t.Errorf("%d secrets: %v", len(hashes), err)
		}
		if e := w.log(t)[0]; e.Kind != audit.ClientCompromised || e.Reason != "seen in a log" || e.Actor.Label != root {
			t.Errorf("the audit log says %+v", e)
		}

		press(t, b, own+"/disable", b.Get(own+"/disable"), "").WantRedirect(t, own+"?done=client_disabled")
		b.Get(own+"?done=client_disabled").Want(t, http.StatusOK, "The app is disabled.", "Disabled", `id="enable"`)
		press(t, b, own+"/enable", b.Get(own+"/enable"), "").WantRedirect(t, own+"?done=client_enabled")
		press(t, b, own+"/delete", b.Get(own+"/delete"), "").Want(t, http.StatusUnprocessableEntity, "Tick the box")
		press(t, b, own+"/delete", b.Get(own+"/delete"), "", "sure", "yes").
			WantRedirect(t, "/admin/clients?done=client_deleted")
		b.Get(own).Want(t, http.StatusNotFound)
	})
}

func TestAnAppWithoutASecretGetsNone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b, _ := w.administrator(t)
	_, err := w.Admin.CreateClient(t.Context(), machine, "public", client.Patch{
		"client_name": "App", "redirect_uris": []string{"https://app.example/"}, "token_endpoint_auth_method": "none",
	}, "")
	storetest.OK(t, err)
	b.Get("/admin/clients/public").Want(t, http.StatusOK, "It has no secret")
	for _, deed := range []string{"/secret", "/compromised"} {
		press(t, b, "/admin/clients/public"+deed, b.Get("/admin/clients/public"+deed), "").
			Want(t, http.StatusConflict, "This app has no secret")
	}
}

func TestAnAppsPageShowsWhoUsesIt(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		b, _ := w.administrator(t)
		w.client(t, "shop")
		mina := w.Person("mina@example.org")
		storetest.OK(t, w.Store.Consents.GrantConsent(t.Context(), mina.ID, "shop", []string{"openid"}))
		c, err := w.Admin.Client(t.Context(), machine, "shop")
		storetest.OK(t, err)
		session, _, err := w.Store.Sessions.CreateSession(t.Context(), accounts.Session{UserID: mina.ID}, mina.PasswordHash)
		storetest.OK(t, err)
		now := w.Clock.Now()
		g := grants.Grant{ID: "grant-1", UserID: mina.ID, SessionID: session.ID, Scope: []string{"openid"}, AuthTime: now,
			CreatedAt: now, ExpiresAt: now.Add(time.Hour)}
		storetest.OK(t, w.Store.Grants.CreateGrant(t.Context(), g, &c))
		own := "/admin/clients/shop"
		b.Get(own).Want(t, http.StatusOK, `href="/admin/users/`+mina.ID+`"`, own+"/grants/"+g.ID)
		b.Get(own+"/consents").Want(t, http.StatusOK, mina.ID)
		b.Get(own+"/grants").Want(t, http.StatusOK, mina.ID)
		end := own + "/grants/" + g.ID
		press(t, b, end, b.Get(end), "").Want(t, http.StatusUnprocessableEntity, "Write a reason")
		press(t, b, end, b.Get(end), "", "reason", "asked for it").WantRedirect(t, own+"?done=grant_ended")
		b.Get(own).Want(t, http.StatusOK, "Ended")
	})
}
