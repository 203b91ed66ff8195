package directory_test

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/directory"
	"github.com/maru-auth/maru/authz-server/internal/fetch"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
	"github.com/maru-auth/maru/internal/testenv/clock"
	"github.com/maru-auth/maru/internal/testenv/site"
)

func TestMain(m *testing.M) { storetest.Main(m) }

// fixture is a directory, and the site of a client's developer, whose pages tests write.
type fixture struct {
	*directory.Clients
	store   *store.Store
	fetcher *fetch.Client
	clock   *clock.Clock
	site    *site.Site
	pages   *site.Pages

	requests atomic.Int64 // to the site
}

func newFixture(t testing.TB, databaseURL string) *fixture {
	t.Helper()
	f := &fixture{clock: clock.At(time.Date(2026, 5, 1, 9, 0, 0, 0, time.UTC)), pages: &site.Pages{}}
	f.site = site.New(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.requests.Add(1)
		f.pages.ServeHTTP(w, r)
	}))
	var err error
	if f.fetcher, err = fetch.New(fetch.Config{CAFile: f.site.CAFile, InsecureLoopback: true, Now: f.clock.Now}); err != nil {
		t.Fatal(err)
	}
	if f.store, err = store.Open(t.Context(), databaseURL, f.clock.Now); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.store.Close(); err != nil {
			t.Error(err)
		}
	})
	f.Clients, err = directory.New(directory.Config{
		Store: f.store, Fetch: f.fetcher, MetadataDocuments: true, Now: f.clock.Now, Log: slog.New(slog.DiscardHandler),
		Policy: client.Policy{
			Scopes: []string{"openid", "profile", "board:read"}, OwnScopes: []string{"ssf.manage"}, DefaultScope: "openid profile",
			GrantTypes: []string{client.AuthorizationCode, client.RefreshToken, client.DeviceCode},
		},
		OperatorPolicy: client.Policy{
			Scopes: []string{"openid", "profile", "board:read"}, OwnScopes: []string{"ssf.manage"}, DefaultScope: "openid profile",
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func one(t testing.TB) *fixture { t.Helper(); return newFixture(t, sqldbtest.SQLite(t)) }

// document is a good one at path of the site, with members put over its own.
func (f *fixture) document(path string, members map[string]any) string {
	all := map[string]any{
		"client_id": f.site.URL + path, "client_name": "Agent", "redirect_uris": []string{"http://127.0.0.1:33418/"},
		"grant_types": []string{"authorization_code", "refresh_token"}, "token_endpoint_auth_method": "none",
	}
	for name, value := range members {
		if all[name] = value; value == nil {
			delete(all, name)
		}
	}
	text, err := json.Marshal(all)
	if err != nil {
		panic(err)
	}
	return string(text)
}
