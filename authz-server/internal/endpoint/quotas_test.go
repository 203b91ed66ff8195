package endpoint_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/opaque"
	"github.com/maru-auth/maru/authz-server/internal/provider/providertest"
	"github.com/maru-auth/maru/authz-server/internal/store/registry"
)

// wantSlow checks that a request is refused for now.
func wantSlow(t *testing.T, what string, a providertest.Answer, status int, seconds ...string) {
	t.Helper()
	if a.Status != status || !slices.Contains(seconds, a.Header.Get("Retry-After")) ||
		!strings.Contains(a.Body, "temporarily_unavailable") || a.Location != nil {
		t.Errorf("%s: %d, Retry-After %q, to %v: %s", what, a.Status, a.Header.Get("Retry-After"), a.Location, a.Body)
	}
}

func TestWhatOneAddressBeginsIsBounded(t *testing.T) {
	t.Parallel()
	providertest.Each(t, func(t *testing.T, f *providertest.Fixture) {
		f.AddTV("tv", nil)
		f.AddClient("spa", func(c *client.Client) {
			c.TokenEndpointAuthMethod, c.GrantTypes = "none", []string{"authorization_code"}
		})
		f.UseUp("interaction 127.0.0.1", 300, 15*time.Minute)
		f.UseUp("push 127.0.0.1", 300, time.Minute)
		f.UseUp("device 127.0.0.1", 300, 10*time.Minute)
		b := f.Browser()
		wantSlow(t, "an authorization", b.Authorize(), http.StatusTooManyRequests, "900", "899", "898")
		wantSlow(t, "the page of devices", b.Get("/device"), http.StatusTooManyRequests, "900", "899", "898")
		wantSlow(t, "a push of a public client", f.PostForm("/oauth2/par", providertest.Parameters("client_id", "spa")),
			http.StatusTooManyRequests, "60", "59", "58")
		wantSlow(t, "a device", f.PostForm("/oauth2/device_authorization", url.Values{"client_id": {"tv"}}), http.StatusTooManyRequests,
			"600", "599", "598")
		// What a client sends that proved who it is comes from one address for all its people.
		if a := f.Push(); a.Status != http.StatusCreated {
			t.Errorf("a push of a confidential client: %d %s", a.Status, a.Body)
		}
		// Who is logged in and agreed leaves nothing behind, and is not counted.
		b.LogIn(f.User).Code()
	})
}

func TestNoClientTakesWhatIsLeftToOthers(t *testing.T) {
	t.Parallel()
	f := providertest.One(t)
	for _, id := range []string{"other", "stranger", "another-stranger"} {
		c := client.Client{
			ID: id, Name: id, RedirectURIs: []string{providertest.Callback}, GrantTypes: []string{"authorization_code"},
			Scope: "openid profile email user:read board:read", TokenEndpointAuthMethod: "none",
		}
		if err := c.Check(client.Policy{Scopes: client.Scopes(client.Builtin(providertest.APIOrigin))}); err != nil {
			t.Fatal(err)
		}
		var err error
		if id == "other" {
			err = f.Store.Clients.CreateClient(t.Context(), c)
		} else {
			err = f.Store.Clients.RegisterClient(t.Context(), c, registry.Registration{Token: opaque.Hash(id)})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	begins := func(id string) providertest.Answer { return f.Browser().Authorize("client_id", id) }
	f.UseUp("interaction client stranger", 1000, 15*time.Minute)
	wantSlow(t, "a stranger's client with all that it may have", begins("stranger"), http.StatusServiceUnavailable, "60")
	for _, id := range []string{"app", "other", "another-stranger"} {
		if a := begins(id); a.Status != http.StatusSeeOther {
			t.Errorf("%s has to wait: %d %s", id, a.Status, a.Body)
		}
	}
	for _, shard := range "01234567" {
		f.UseUp("interaction strangers#"+string(shard), 1250, 15*time.Minute)
	}
	wantSlow(t, "any stranger's client", begins("another-stranger"), http.StatusServiceUnavailable, "60")
	for _, id := range []string{"app", "other"} {
		if a := begins(id); a.Status != http.StatusSeeOther {
			t.Errorf("%s has to wait for strangers: %d %s", id, a.Status, a.Body)
		}
	}
	for _, shard := range "01234567" {
		f.UseUp("interaction client other#"+string(shard), 1250, 15*time.Minute)
	}
	wantSlow(t, "a registered client with all that it may have", begins("other"), http.StatusServiceUnavailable, "60")
	if a := begins("app"); a.Status != http.StatusSeeOther {
		t.Errorf("one registered client has to wait for another: %d %s", a.Status, a.Body)
	}
}

func TestAnAnsweredRequestIsNoLongerCounted(t *testing.T) {
	t.Parallel()
	providertest.Each(t, func(t *testing.T, f *providertest.Fixture) {
		f.UseUp("interaction 127.0.0.1", 299, 15*time.Minute)
		for range 3 {
			b := f.Browser()
			waits := b.Authorize()
			if waits.Status != http.StatusSeeOther {
				t.Fatalf("%d %s", waits.Status, waits.Body)
			}
			b.LogIn(f.User)
			if a := b.Get("/oauth2/authorize?interaction=" + url.QueryEscape(waits.Location.Query().Get("interaction"))); a.Parameter("code") == "" {
				t.Fatalf("%d %s", a.Status, a.Body)
			}
		}
	})
}

func TestNoNetworkTakesWhatIsLeftToOthersOfNobody(t *testing.T) {
	t.Parallel()
	f := providertest.One(t)
	for _, c := range []client.Client{
		{ID: "stranger", TokenEndpointAuthMethod: "none"}, {ID: "with-a-secret", TokenEndpointAuthMethod: "client_secret_post"},
	} {
		c.Name, c.RedirectURIs, c.GrantTypes, c.Scope = c.ID, []string{providertest.Callback}, []string{"authorization_code"},
			"openid profile email user:read board:read"
		if err := c.Check(client.Policy{Scopes: client.Scopes(client.Builtin(providertest.APIOrigin))}); err != nil {
			t.Fatal(err)
		}
		registration := registry.Registration{Token: opaque.Hash(c.ID)}
		if !c.Public() {
			registration.Secret = opaque.Hash(providertest.Secret)
		}
		if err := f.Store.Clients.RegisterClient(t.Context(), c, registration); err != nil {
			t.Fatal(err)
		}
	}
	router := f.Server.Config.Handler
	send := func(method, path, address string, form url.Values) *httptest.ResponseRecorder {
		target, body := path, form.Encode()
		if method == http.MethodGet {
			target, body = path+"?"+body, ""
		}
		r := httptest.NewRequest(method, target, strings.NewReader(body))
		r.RemoteAddr = "[" + address + "]:443"
		if method == http.MethodPost {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header.Set("Origin", "null")
		}
		w := httptest.NewRecorder()
		router.ServeHTTP(w, r)
		return w
	}
	stranger := providertest.Parameters("client_id", "stranger")
	for _, kind := range []struct {
		name, method, path string
		form               url.Values
		window             time.Duration
		done               int
	}{
		{"interaction", http.MethodGet, "/oauth2/authorize", stranger, 15 * time.Minute, http.StatusSeeOther},
		{"push", http.MethodPost, "/oauth2/par", stranger, time.Minute, http.StatusCreated},
		{
			"push", http.MethodPost, "/oauth2/par", providertest.Parameters("client_id", "with-a-secret", "client_secret",
				providertest.Secret), time.Minute, http.StatusCreated,
		},
		{"post", http.MethodPost, "/oauth2/authorize", stranger, time.Minute, http.StatusSeeOther},
		{"post", http.MethodPost, "/oauth2/logout", url.Values{}, time.Minute, http.StatusSeeOther},
	} {
		f.UseUp(kind.name+" strangers 2001:db8:7:1::/64", 100, kind.window)
		f.UseUp(kind.name+" strangers 2001:db8:9::/48", 300, kind.window)
		for address, want := range map[string]int{
			"2001:db8:7:1::1": http.StatusTooManyRequests, "2001:db8:9:1::1": http.StatusTooManyRequests,
			"2001:db8:7:2::1": kind.done, "2001:db8:8:1::1": kind.done,
		} {
			if w := send(kind.method, kind.path, address, kind.form); w.Code != want {
				t.Errorf("%s %v: %s got %d, not %d: %s", kind.path, kind.form["client_id"], address, w.Code, want, w.Body)
			}
		}
	}
	// Those whom an operator registered have what they had: many people are behind one address.
	for path, query := range map[string]url.Values{"/oauth2/authorize": providertest.Parameters(), "/device": {}} {
		if w := send(http.MethodGet, path, "2001:db8:7:1::1", query); w.Code != http.StatusSeeOther {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	// What is left to strangers is nothing that the page of devices depends on.
	for _, shard := range "01234567" {
		f.UseUp("interaction strangers#"+string(shard), 1250, 15*time.Minute)
	}
	if w := send(http.MethodGet, "/oauth2/authorize", "2001:db8:8:2::1", stranger); w.Code != http.StatusServiceUnavailable {
		t.Errorf("a stranger's client: %d", w.Code)
	}
	if w := send(http.MethodGet, "/device", "2001:db8:8:2::1", nil); w.Code != http.StatusSeeOther {
		t.Errorf("the page of devices: %d %s", w.Code, w.Body)
	}
}
