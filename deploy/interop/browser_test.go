package interop

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/maru-auth/maru/internal/testenv"
)

// tab is a tab of a browser of its own.
type tab struct {
	t   *testing.T
	ctx context.Context
}

func newTab(t *testing.T) *tab {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(testenv.Chromium(t)), chromedp.NoSandbox, chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true))
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(func() {
		if err := chromedp.Cancel(ctx); err != nil { // waits until the browser has ended
			t.Logf("the browser's end: %v", err)
		}
		cancel()
	})
	if err := chromedp.Do(ctx); err != nil { // the browser starts now, and lives as long as ctx
		t.Fatal(err)
	}
	return &tab{t, ctx}
}

// patience bounds one step in the browser; the machine may be busy.
const patience = 60 * time.Second

func (b *tab) do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		b.t.Fatalf("%v, on %s", err, b.read("location.href + ': ' + document.body.innerText"))
	}
}

// read evaluates an expression, also beyond a change of page; it returns the error's text if there is one.
func (b *tab) read(expression string) string {
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string](expression))
	if err != nil {
		return err.Error()
	}
	return text
}

// at waits for a page whose address begins so.
func (b *tab) at(address string) {
	b.t.Helper()
	for end := time.Now().Add(patience); !strings.HasPrefix(b.read("document.readyState === 'complete' ? location.href : ''"), address); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			b.t.Fatalf("never at %s, but on %s", address, b.read("location.href + ': ' + document.body.innerText"))
		}
	}
}

// state waits until the app says so.
func (b *tab) state(want string) {
	b.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		got := b.read("document.querySelector('#state')?.textContent ?? ''")
		if got == want {
			return
		}
		if time.Now().After(end) || strings.Contains(got, "failed") {
			b.t.Fatalf("the app says %q, want %q; the browser is on %s", got, want, b.read("location.href + ': ' + document.body.innerText"))
		}
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
	text := b.read("document.querySelector('#out').textContent")
	if err := json.Unmarshal([]byte(text), &user); err != nil {
		b.t.Fatalf("%v: %s", err, text)
	}
	return user
}

func TestOIDCClientTSInTheBrowser(t *testing.T) {
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
				"grant_types": []string{"authorization_code", "refresh_token"}, "scope": "openid profile email offline_access", "dpop_bound_access_tokens": dpop,
			})

			b := newTab(t)
			b.do(chromedp.Navigate(app.URL + "/"))
			b.state("ready")
			b.do(chromedp.Click(chromedp.CSS("#go-login")))
			b.at(m.issuer + "/login")
			b.do(chromedp.SendKeys(chromedp.CSS("#email"), m.email), chromedp.SendKeys(chromedp.CSS("#password"), m.password), chromedp.Click(chromedp.CSS("#login")))
			b.at(m.issuer + "/consent")
			b.do(chromedp.Click(chromedp.CSS("#allow")))
			b.at(app.URL + "/callback")
			b.state("logged in")
			first := b.user()
			if first.Name != personName || first.Email != m.email || first.Access == "" || first.Refresh == "" || strings.EqualFold(first.Type, "DPoP") != dpop {
				t.Fatalf("the app knows %+v", first)
			}

			b.do(chromedp.Click(chromedp.CSS("#go-renew")))
			b.state("renewed")
			second := b.user()
			if second.Access == first.Access || second.Subject != first.Subject {
				t.Errorf("renewed, the app knows %+v", second)
			}

			b.do(chromedp.Click(chromedp.CSS("#go-revoke")))
			b.state("revoked")

			b.do(chromedp.Click(chromedp.CSS("#go-logout")))
			b.at(app.URL + "/after")
			b.state("logged out")
			b.do(chromedp.Navigate(app.URL + "/"))
			b.state("ready")
			b.do(chromedp.Click(chromedp.CSS("#go-login")))
			b.at(m.issuer + "/login") // the session at the issuer is over too
		})
	}
}
