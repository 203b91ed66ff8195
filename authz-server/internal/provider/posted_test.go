package provider_test

import (
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/requests"
	"github.com/maru-auth/maru/internal/testenv/chrome"
)

// postFromElsewhere posts a form as another site's page makes a browser do: without the cookies, which are SameSite=Lax. It
// follows the redirect that this must lead to, which has them.
func (b *browser) postFromElsewhere(path string, form url.Values) answer {
	b.f.t.Helper()
	bare := &http.Client{CheckRedirect: b.CheckRedirect}
	a := b.f.do(bare, b.f.request("POST", path, form, "Origin", "https://app.example", "Sec-Fetch-Site", "cross-site"))
	if a.status != http.StatusSeeOther || a.location == nil || a.location.Path != path || len(a.location.Query()) != 1 {
		b.f.t.Fatalf("posted from elsewhere: %d %v %s", a.status, a.location, a.body)
	}
	if len(a.header.Values("Set-Cookie")) > 0 { // it would take the place of the browser's own
		b.f.t.Errorf("a browser that brought no cookies gets %v", a.header.Values("Set-Cookie"))
	}
	return b.get(a.location.String())
}

func TestAFormThatAnotherSitePostsComesToTheSameEndAsALink(t *testing.T) {
	f := one(t)
	f.addClient("third", func(c *client.Client) { c.Trusted = false })
	b := f.browser().logIn(f.user)
	if a := b.postFromElsewhere("/oauth2/authorize", parameters("prompt", "none", "state", "s")); a.parameter("code") == "" || a.parameter("state") != "s" {
		t.Errorf("who is logged in: %d %v", a.status, a.location)
	}
	// A log-in that is open in another tab goes on.
	path, page := b.asked(parameters("client_id", "third"))
	if a := b.postFromElsewhere("/oauth2/authorize", parameters("client_id", "third")); a.location == nil || a.location.Path != "/consent" {
		t.Errorf("%d %v", a.status, a.location)
	}
	if a := b.allow(t, path, page, "profile", "email"); a.parameter("code") == "" {
		t.Errorf("the log-in in another tab: %d %v %s", a.status, a.location, a.body)
	}
	// What is wrong is refused as ever, at the place where it would be.
	if a := b.postFromElsewhere("/oauth2/authorize", parameters("scope", "nonsense")); a.parameter("error") != "invalid_scope" {
		t.Errorf("%d %v", a.status, a.location)
	}
	if a := b.postFromElsewhere("/oauth2/authorize", parameters("redirect_uri", "https://evil.example/")); a.status != 400 || a.location != nil {
		t.Errorf("%d %v", a.status, a.location)
	}
	// A request that was pushed stays one; nothing is a pushed request that its client did not push.
	f.addClient("pushing", func(c *client.Client) { c.RequirePAR = true })
	if a := b.postFromElsewhere("/oauth2/authorize", parameters("client_id", "pushing")); a.parameter("error") != "invalid_request" {
		t.Errorf("a client that must push posted: %d %v", a.status, a.location)
	}

	// Who was not asked and sent no cookie is not told that they are logged out.
	if a := b.postFromElsewhere("/oauth2/logout", url.Values{"state": {"s"}}); a.status != 200 || !strings.Contains(a.body, `id="logout"`) {
		t.Errorf("%d %s", a.status, a.body)
	}
	id := f.tokens(f.exchange(b.code())).id
	a := b.postFromElsewhere("/oauth2/logout", url.Values{"id_token_hint": {id}, "post_logout_redirect_uri": {"https://app.example/bye"}})
	if a.location == nil || a.location.String() != "https://app.example/bye" {
		t.Errorf("%d %v %s", a.status, a.location, a.body)
	}
	if a := b.authorize(parameters("prompt", "none")); a.parameter("error") != "login_required" {
		t.Errorf("still logged in: %v", a.location)
	}
	u, err := url.Parse(f.issuer)
	if err != nil {
		t.Fatal(err)
	}
	for _, cookie := range b.Jar.Cookies(u) {
		if cookie.Name == "maru-session" {
			t.Error("the session's cookie is still there")
		}
	}
}

func TestWhatAnotherSitePostsIsKeptForAMinuteAndBounded(t *testing.T) {
	f := one(t)
	bare := f.browser().Client
	post := func(path string, form url.Values) answer {
		return f.do(bare, f.request("POST", path, form, "Origin", "null"))
	}
	a := post("/oauth2/authorize", parameters())
	if a.status != http.StatusSeeOther || a.location.Query().Get("posted") == "" {
		t.Fatalf("%d %v", a.status, a.location)
	}
	// Only what the endpoint looks at is stored.
	kept, err := f.store.Interactions.Posted(t.Context(), post("/oauth2/logout", url.Values{
		"client_id": {"app"}, "post_logout_redirect_uri": {"https://app.example/bye"}, "id_token_hint": {"x"}, "request": {"x"}, "unknown": {"x"}, "password": {"x"},
	}).location.Query().Get("posted"))
	if err != nil || len(kept) != 3 || kept.Has("request") || kept.Has("unknown") || kept.Has("password") {
		t.Errorf("stored: %v, %v", kept, err)
	}
	b := f.browser().logIn(f.user)
	for range 2 { // a page can be loaded again
		if a := b.get(a.location.String()); a.parameter("code") == "" {
			t.Errorf("%d %v", a.status, a.location)
		}
	}
	if a := b.get("/oauth2/authorize?interaction=" + a.location.Query().Get("posted")); a.parameter("code") != "" {
		t.Error("it passes for a log-in that waits")
	}
	f.clock.advance(requests.PostedLifetime)
	if a := b.get(a.location.String()); a.status != 400 || a.location != nil {
		t.Errorf("%d %v", a.status, a.location)
	}
	if a := post("/oauth2/authorize", parameters("claims", strings.Repeat("x", 17<<10))); a.status != http.StatusRequestEntityTooLarge {
		t.Errorf("a form that is too large: %d", a.status)
	}
	for i := range 301 {
		path := []string{"/oauth2/authorize", "/oauth2/logout"}[i%2]
		if a = post(path, url.Values{"client_id": {"app"}}); a.status == http.StatusTooManyRequests {
			break
		}
	}
	if a.status != http.StatusTooManyRequests || a.header.Get("Retry-After") == "" {
		t.Errorf("any number is stored: %d %v", a.status, a.header)
	}
}

// In a real browser, which keeps the cookies from a form of another site: localhost is one, 127.0.0.1 another.
func TestABrowserThatPostsFromAnotherSiteIsStillLoggedIn(t *testing.T) {
	ctx := chrome.Tab(t)
	f := one(t)
	_, cookie, err := f.store.Sessions.CreateSession(t.Context(), accounts.Session{UserID: f.user.ID, ACR: "1", AMR: []string{"pwd"}}, f.user.PasswordHash)
	if err != nil {
		t.Fatal(err)
	}
	var app *httptest.Server
	routes := http.NewServeMux()
	elsewhere := func(path string) string { return strings.Replace(app.URL, "127.0.0.1", "localhost", 1) + path }
	form := func(w http.ResponseWriter, path string, fields url.Values) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, `<!doctype html><title>app</title><form method="post" action="%s%s">`, f.issuer, path)
		for name := range fields {
			fmt.Fprintf(w, `<input type="hidden" name="%s" value="%s">`, name, html.EscapeString(fields.Get(name)))
		}
		fmt.Fprint(w, `<button id="go">go</button></form>`)
	}
	routes.HandleFunc("/start", func(w http.ResponseWriter, r *http.Request) {
		// Cookies know no ports: these are the issuer's as well.
		http.SetCookie(w, &http.Cookie{Name: "maru-session", Value: cookie, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode})
		http.Redirect(w, r, elsewhere("/in"), http.StatusSeeOther)
	})
	routes.HandleFunc("/in", func(w http.ResponseWriter, _ *http.Request) {
		form(w, "/oauth2/authorize", parameters("client_id", "browser-app", "redirect_uri", app.URL+"/cb", "prompt", "none"))
	})
	routes.HandleFunc("/cb", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, `<p id="cb">%s</p><a id="next" href="%s">next</a>`, html.EscapeString(r.URL.RawQuery), elsewhere("/out"))
	})
	routes.HandleFunc("/out", func(w http.ResponseWriter, _ *http.Request) { form(w, "/oauth2/logout", url.Values{}) })
	app = httptest.NewServer(routes)
	defer app.Close()
	f.addClient("browser-app", func(c *client.Client) {
		c.RedirectURIs, c.PostLogoutRedirectURIs, c.ApplicationType = []string{app.URL + "/cb"}, nil, "native"
	})
	err = chrome.Do(ctx,
		chromedp.Navigate(app.URL+"/start"),
		chromedp.WaitVisible("#go"),
		chromedp.Click("#go"),
		chromedp.WaitVisible("#cb"),
	)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := chromedp.Run(ctx, chromedp.Evaluate[string](`document.getElementById("cb").innerText`)); err != nil || !strings.Contains(text, "code=") {
		t.Errorf("%v: the app was told %s", err, text)
	}
	err = chrome.Do(ctx,
		chromedp.Click("#next"),
		chromedp.WaitVisible("#go"),
		chromedp.Click("#go"),
		chromedp.WaitVisible("#logout"), // it asks: somebody is logged in
	)
	if err != nil {
		text, _ := chromedp.Run(ctx, chromedp.Evaluate[string]("document.body.innerText"))
		t.Errorf("%v: %s", err, text)
	}
}
