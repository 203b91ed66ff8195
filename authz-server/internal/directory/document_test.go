package directory_test

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/directory"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

func TestAClientIsKnownByItsDocument(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		f := newFixture(t, databaseURL)
		id := f.site.URL + "/client.json"
		f.pages.Set("/client.json", f.document("/client.json", map[string]any{
			"trusted": true, "audiences": []string{"https://api.example/board"}, "logo_uri": "https://app.example/logo.png",
			"token_endpoint_auth_method": nil, "scope": "openid board:read board:moderate", "application_type": "native",
			"grant_types":    []string{"authorization_code", "urn:ietf:params:oauth:grant-type:jwt-bearer", client.DeviceCode},
			"response_types": []string{"code", "code id_token"}, "client_name#ko": "대리인",
		}))
		c, secrets, err := f.Client(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if c.ID != id || !c.Document() || "https://"+c.Host() != f.site.URL || secrets != nil {
			t.Errorf("%+v", c)
		}
		if c.Name != "Agent" || c.LogoURI == "" || c.In("ko").Name != "대리인" {
			t.Errorf("what people see: %+v", c)
		}
		if c.Trusted || c.Audiences != nil || !c.Public() || !c.RequirePKCE {
			t.Errorf("it took what an operator must give: %+v", c)
		}
		grants := []string{client.AuthorizationCode, client.DeviceCode}
		if c.Scope != "openid board:read" || !slices.Equal(c.GrantTypes, grants) || !slices.Equal(c.ResponseTypes, []string{"code"}) {
			t.Errorf("what the server does not offer: %q %q %q", c.Scope, c.GrantTypes, c.ResponseTypes)
		}
		// Grants have something to hang on.
		if stored, err := f.store.Clients.Client(t.Context(), id); err != nil || stored.Name != "Agent" {
			t.Errorf("%+v %v", stored, err)
		}
		if !c.MatchRedirectURI("http://127.0.0.1:50000/") {
			t.Error("another port on loopback is refused")
		}
	})
}

func TestADocumentIsReadAgainWhenItIsNoLongerFresh(t *testing.T) {
	t.Parallel()
	for cache, fresh := range map[string]time.Duration{
		"": time.Minute, "no-store": time.Minute, "max-age=5": time.Minute, "max-age=600": 10 * time.Minute, "max-age=86400": time.Hour,
	} {
		f := one(t)
		f.pages.CacheControl(cache)
		id := f.site.URL + "/c.json"
		name := func(want string) {
			t.Helper()
			c, _, err := f.Client(t.Context(), id)
			if err != nil || c.Name != want {
				t.Errorf("%q: %s, not %s; %v", cache, c.Name, want, err)
			}
		}
		f.pages.Set("/c.json", f.document("/c.json", nil))
		name("Agent")
		f.pages.Set("/c.json", f.document("/c.json", map[string]any{"client_name": "Changed"}))
		f.clock.Advance(fresh - time.Second)
		name("Agent")
		if f.pages.Hits("/c.json") != 1 {
			t.Errorf("%q: read %d times", cache, f.pages.Hits("/c.json"))
		}
		f.clock.Advance(time.Second)
		name("Changed")

		// One that is gone is no client any more, and is not asked for at every request.
		f.pages.Delete("/c.json")
		f.clock.Advance(fresh)
		before := f.pages.Hits("/c.json")
		for range 3 {
			_, _, err := f.Client(t.Context(), id)
			var wrong *directory.DocumentError
			switch {
			case !errors.Is(err, store.ErrNotFound), !errors.As(err, &wrong):
				t.Errorf("%q: gone, and %v", cache, err)
			case "https://"+wrong.Host != f.site.URL, !strings.Contains(err.Error(), "404"):
				t.Errorf("%q: gone, and %v", cache, err)
			}
		}
		if f.pages.Hits("/c.json") != before+1 {
			t.Errorf("%q: asked for %d times", cache, f.pages.Hits("/c.json")-before)
		}
		f.pages.Set("/c.json", f.document("/c.json", map[string]any{"client_name": "Back"}))
		f.clock.Advance(10 * time.Second)
		name("Back")
	}
}

func TestDocumentsThatAreRefused(t *testing.T) {
	t.Parallel()
	f := one(t)
	n := 0
	for name, members := range map[string]map[string]any{
		"to the letter":      {"client_id": f.site.URL + "/another.json"},
		"letter":             {"client_id": nil},
		"client_secret":      {"client_secret": "s"},
		"private_key_jwt":    {"token_endpoint_auth_method": "client_secret_basic"},
		"none or private":    {"token_endpoint_auth_method": "client_secret_post"},
		"jwks":               {"token_endpoint_auth_method": "private_key_jwt"},
		"fragment":           {"redirect_uris": []string{"https://app.example/#x"}},
		"must be https":      {"redirect_uris": []string{"http://app.example/"}},
		"at least one":       {"redirect_uris": []string{}},
		"array of strings":   {"redirect_uris": "https://app.example/"},
		"printable":          {"client_name": "a\u202eb"},
		"64 KiB":             {"x": strings.Repeat("x", 64<<10)},
		"sector_identifier":  {"sector_identifier_uri": f.site.URL + "/nothing"},
		"expires_at":         {"client_secret_expires_at": 0},
		"must not hold priv": {"jwks": map[string]any{"keys": []any{map[string]any{"kty": "oct", "k": "AAAA"}}}},
	} {
		if n++; n%15 == 0 {
			f.clock.Advance(time.Hour) // so that it is not how many there are
		}
		path := fmt.Sprint("/", n)
		f.pages.Set(path, f.document(path, members))
		_, _, err := f.Client(t.Context(), f.site.URL+path)
		if !errors.Is(err, store.ErrNotFound) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := f.store.Clients.Client(t.Context(), f.site.URL+path); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s: it was stored", name)
		}
	}
	f.pages.Set("/list", "[]")
	if _, _, err := f.Client(t.Context(), f.site.URL+"/list"); err == nil || !strings.Contains(err.Error(), "JSON object") {
		t.Error(err)
	}
}

func TestURLsThatCannotBeAClientAreNotRead(t *testing.T) {
	t.Parallel()
	f := one(t)
	for _, id := range []string{
		f.site.URL, f.site.URL + "/", f.site.URL + "/a#b", f.site.URL + "/a/../b",
		strings.Replace(f.site.URL, "https://", "https://me@", 1) + "/a",
		"https://10.0.0.1/a", "https://169.254.169.254/latest", "https://[fd00::1]/a", "https://2130706433/a",
	} {
		if _, _, err := f.Client(t.Context(), id); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s: %v", id, err)
		}
	}
	if n := f.requests.Load(); n > 0 {
		t.Errorf("the site was asked %d times", n)
	}
}

func TestWithoutTheSwitchNoDocumentIsRead(t *testing.T) {
	t.Parallel()
	f := one(t)
	closed, err := directory.New(directory.Config{Store: f.store, Log: slog.New(slog.DiscardHandler)}) // without Fetch: it would panic
	if err != nil {
		t.Fatal(err)
	}
	f.pages.Set("/c.json", f.document("/c.json", nil))
	if _, _, err := f.Client(t.Context(), f.site.URL+"/c.json"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := closed.Client(t.Context(), f.site.URL+"/c.json"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a client from before the switch was turned off: %v", err)
	}
}

func TestUnknownDocumentsAreReadSoManyTimes(t *testing.T) {
	t.Parallel()
	f := one(t)
	refused := 0
	for i := range 30 {
		_, _, err := f.Client(t.Context(), fmt.Sprint(f.site.URL, "/", i))
		if err == nil {
			t.Fatal("there is no such page")
		}
		if strings.Contains(err.Error(), "too many") {
			refused++
		}
	}
	if refused != 10 {
		t.Errorf("%d of 30 refused", refused)
	}
	f.clock.Advance(10 * time.Minute)
	f.pages.Set("/good", f.document("/good", nil))
	if _, _, err := f.Client(t.Context(), f.site.URL+"/good"); err != nil {
		t.Error(err)
	}
	for i := range 30 {
		f.Client(t.Context(), fmt.Sprint(f.site.URL, "/again/", i))
	}
	f.clock.Advance(2 * time.Minute)
	if _, _, err := f.Client(t.Context(), f.site.URL+"/good"); err != nil {
		t.Errorf("a known one is kept out by others: %v", err)
	}
}

func TestTheListOfASectorMustHoldAllRedirectURIs(t *testing.T) {
	t.Parallel()
	f := one(t)
	c := &client.Client{RedirectURIs: []string{"https://a.example/cb", "https://b.example/cb"}, SectorIdentifierURI: f.site.URL + "/sector"}
	for text, says := range map[string]string{
		`["https://b.example/cb","https://a.example/cb","https://c.example/cb"]`: "",
		`["https://a.example/cb"]`: "lacks https://b.example/cb",
		`[]`:                       "lacks",
		`{"redirect_uris":[]}`:     "JSON array",
		`not JSON`:                 "JSON array",
		`["https://a.example/cb","https://b.example/cb/"]`: "lacks",
	} {
		f.pages.Set("/sector", text)
		err := f.CheckSector(t.Context(), c)
		var wrong *client.Error
		switch {
		case says == "" && err == nil:
		case says == "", !errors.As(err, &wrong), wrong.Code != client.InvalidMetadata, !strings.Contains(err.Error(), says):
			t.Errorf("%s: %v", text, err)
		}
	}
	c.SectorIdentifierURI = f.site.URL + "/none"
	if err := f.CheckSector(t.Context(), c); err == nil || !strings.Contains(err.Error(), "404") {
		t.Error(err)
	}
	if err := f.CheckSector(t.Context(), &client.Client{}); err != nil {
		t.Error(err)
	}
}
