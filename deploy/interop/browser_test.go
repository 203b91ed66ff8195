package interop

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/maru-auth/maru/internal/testenv"
	"github.com/maru-auth/maru/internal/testenv/chrome"
)

// tab is a tab of a browser of the test's own.
type tab struct {
	*chrome.Browser
	t *testing.T
}

// on waits for a page whose address begins so.
func (b *tab) on(address string) {
	b.t.Helper()
	b.Is(fmt.Sprintf("document.readyState === 'complete' && location.href.startsWith(%q)", address))
}

// state waits until the app says so.
func (b *tab) state(want string) {
	b.t.Helper()
	const text = "(document.querySelector('#state')?.textContent ?? '')"
	b.Is(fmt.Sprintf("%[1]s === %[2]q || %[1]s.includes('failed')", text, want))
	if got := chrome.Eval[string](b.Browser, text); got != want {
		b.t.Fatalf("the app says %q, want %q", got, want)
	}
}

// appUser is what the app knows of the person.
type appUser struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
	Type    string `json:"token_type"`
	Subject string `json:"sub"`
	Name    string `json:"name"`
	Email   string `json:"email"`
}

func (b *tab) user() appUser {
	b.t.Helper()
	var user appUser
	text := chrome.Eval[string](b.Browser, "document.querySelector('#out').textContent")
	if err := json.Unmarshal([]byte(text), &user); err != nil {
		b.t.Fatalf("%v: %s", err, text)
	}
	return user
}

func TestOIDCClientTSInTheBrowser(t *testing.T) {
	t.Parallel()
	testenv.Chromium(t)
	dir := packages(t)
	m := start(t)
	for _, dpop := range []bool{false, true} {
		t.Run(fmt.Sprintf("DPoP %t", dpop), func(t *testing.T) {
			m := m.in(t)
			id := fmt.Sprintf("browser-%t", dpop)
			settings, err := json.Marshal(map[string]any{"issuer": m.issuer, "client": id, "dpop": dpop})
			if err != nil {
				t.Fatal(err)
			}
			file := func(name, kind string) http.HandlerFunc {
				return func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("Content-Type", kind)
					http.ServeFile(w, r, filepath.Join(dir, name))
				}
			}
			mux := http.NewServeMux()
			mux.Handle("GET /oidc-client-ts.js", file("node_modules/oidc-client-ts/dist/browser/oidc-client-ts.min.js", "text/javascript"))
			mux.Handle("GET /browser.js", file("browser.js", "text/javascript"))
			mux.HandleFunc("GET /settings.js", func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "text/javascript")
				fmt.Fprintf(w, "const settings = %s", settings)
			})
			mux.Handle("GET /", file("browser.html", "text/html; charset=utf-8"))
			app := httptest.NewServer(mux) // on 127.0.0.1, while the issuer is on localhost: another origin and another site
			t.Cleanup(app.Close)
			m.register(metadata{
				"client_id": id, "client_name": "A browser's app", "token_endpoint_auth_method": "none",
				"redirect_uris": []string{app.URL + "/callback"}, "post_logout_redirect_uris": []string{app.URL + "/after"},
				"grant_types": []string{"authorization_code", "refresh_token"},
				"scope":       "openid profile email offline_access", "dpop_bound_access_tokens": dpop,
			})

			b := &tab{chrome.Start(t, "en"), t}
			b.Open(app.URL + "/")
			b.state("ready")
			b.Click("#go-login")
			b.on(m.issuer + "/login")
			b.Fill("#email", m.email, "#password", m.password)
			b.Click("#login")
			b.on(m.issuer + "/consent")
			b.Click("#allow")
			b.on(app.URL + "/callback")
			b.state("logged in")
			first := b.user()
			if first.Name != personName || first.Email != m.email || first.Access == "" ||
				first.Refresh == "" || strings.EqualFold(first.Type, "DPoP") != dpop {
				t.Fatalf("the app knows %+v", first)
			}

			b.Click("#go-renew")
			b.state("renewed")
			second := b.user()
			if second.Access == first.Access || second.Subject != first.Subject {
				t.Errorf("renewed, the app knows %+v", second)
			}

			b.Click("#go-revoke")
			b.state("revoked")

			b.Click("#go-logout")
			b.on(app.URL + "/after")
			b.state("logged out")
			b.Open(app.URL + "/")
			b.state("ready")
			b.Click("#go-login")
			b.on(m.issuer + "/login") // the session at the issuer is over too
		})
	}
}
