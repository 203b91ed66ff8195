package endpoint_test

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
	"github.com/maru-auth/maru/authz-server/internal/provider/providertest"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/requests"
	"github.com/maru-auth/maru/internal/testenv/chrome"
)

func TestAFormThatAnotherSitePostsComesToTheSameEndAsALink(t *testing.T) {
	t.Parallel()
	f := providertest.One(t)
	f.AddClient("third", func(c *client.Client) { c.Trusted = false })
	b := f.Browser().LogIn(f.User)
	if a := b.PostFromElsewhere("/oauth2/authorize", providertest.Parameters("prompt", "none", "state",
		"s")); a.Parameter("code") == "" || a.Parameter("state") != "s" {
		t.Errorf("who is logged in: %d %v", a.Status, a.Location)
	}
	// A log-in that is open in another tab goes on.
	path, page := b.Asked(providertest.Parameters("client_id", "third"))
	if a := b.PostFromElsewhere("/oauth2/authorize", providertest.Parameters("client_id", "third")); a.Location == nil ||
		a.Location.Path != "/consent" {
		t.Errorf("%d %v", a.Status, a.Location)
	}
	if a := b.Allow(t, path, page, "profile", "email"); a.Parameter("code") == "" {
		t.Errorf("the log-in in another tab: %d %v %s", a.Status, a.Location, a.Body)
	}
	// What is wrong is refused as ever, at the place where it would be.
	if a := b.PostFromElsewhere("/oauth2/authorize", providertest.Parameters("scope", "nonsense")); a.Parameter("error") != "invalid_scope" {
		t.Errorf("%d %v", a.Status, a.Location)
	}
	if a := b.PostFromElsewhere("/oauth2/authorize", providertest.Parameters("redirect_uri",
		"https://evil.example/")); a.Status != 400 || a.Location != nil {
		t.Errorf("%d %v", a.Status, a.Location)
	}
	// A request that was pushed stays one; nothing is a pushed request that its client did not
	// push.
	f.AddClient("pushing", func(c *client.Client) { c.RequirePAR = true })
	if a := b.PostFromElsewhere("/oauth2/authorize", providertest.Parameters("client_id",
		"pushing")); a.Parameter("error") != "invalid_request" {
		t.Errorf("a client that must push posted: %d %v", a.Status, a.Location)
	}

	// Who was not asked and sent no cookie is not told that they are logged out.
	if a := b.PostFromElsewhere("/oauth2/logout", url.Values{"state": {"s"}}); a.Status != 200 || !strings.Contains(a.Body, `id="logout"`) {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	id := f.Tokens(f.Redeem(b.Code())).ID
	a := b.PostFromElsewhere("/oauth2/logout", url.Values{"id_token_hint": {id}, "post_logout_redirect_uri": {"https://app.example/bye"}})
	if a.Location == nil || a.Location.String() != "https://app.example/bye" {
		t.Errorf("%d %v %s", a.Status, a.Location, a.Body)
	}
	if a := b.Authorize("prompt", "none"); a.Parameter("error") != "login_required" {
		t.Errorf("still logged in: %v", a.Location)
	}
	u, err := url.Parse(f.Issuer)
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
	t.Parallel()
	f := providertest.One(t)
	bare := f.Browser().Client
	post := func(path string, form url.Values) providertest.Answer {
		return f.DoWith(bare, f.Request("POST", path, form, "Origin", "null"))
	}
	a := post("/oauth2/authorize", providertest.Parameters())
	if a.Status != http.StatusSeeOther || a.Location.Query().Get("posted") == "" {
		t.Fatalf("%d %v", a.Status, a.Location)
	}
	// Only what the endpoint looks at is stored.
	kept, err := f.Store.Interactions.Posted(t.Context(), post("/oauth2/logout", url.Values{
		"client_id": {"app"}, "post_logout_redirect_uri": {"https://app.example/bye"}, "id_token_hint": {"x"}, "request": {"x"},
		"unknown": {"x"}, "password": {"x"},
	}).Location.Query().Get("posted"))
	if err != nil || len(kept) != 3 || kept.Has("request") || kept.Has("unknown") || kept.Has("password") {
		t.Errorf("stored: %v, %v", kept, err)
	}
	b := f.Browser().LogIn(f.User)
	for range 2 { // a page can be loaded again
		if a := b.Get(a.Location.String()); a.Parameter("code") == "" {
			t.Errorf("%d %v", a.Status, a.Location)
		}
	}
	if a := b.Get("/oauth2/authorize?interaction=" + a.Location.Query().Get("posted")); a.Parameter("code") != "" {
		t.Error("it passes for a log-in that waits")
	}
	f.Clock.Advance(requests.PostedLifetime)
	if a := b.Get(a.Location.String()); a.Status != 400 || a.Location != nil {
		t.Errorf("%d %v", a.Status, a.Location)
	}
	if a := post("/oauth2/authorize", providertest.Parameters("claims",
		strings.Repeat("x", 17<<10))); a.Status != http.StatusRequestEntityTooLarge {
		t.Errorf("a form that is too large: %d", a.Status)
	}
	for i := range 301 {
		path := []string{"/oauth2/authorize", "/oauth2/logout"}[i%2]
		if a = post(path, url.Values{"client_id": {"app"}}); a.Status == http.StatusTooManyRequests {
			break
		}
	}
	if a.Status != http.StatusTooManyRequests || a.Header.Get("Retry-After") == "" {
		t.Errorf("any number is stored: %d %v", a.Status, a.Header)
	}
}

// In a real browser, which keeps the cookies from a form of another site: localhost is one,
// 127.0.0.1 another.
func TestABrowserThatPostsFromAnotherSiteIsStillLoggedIn(t *testing.T) {
	t.Parallel()
	ctx := chrome.Tab(t)
	f := providertest.One(t)
	_, cookie, err := f.Store.Sessions.CreateSession(t.Context(), accounts.Session{UserID: f.User.ID, ACR: "1", AMR: []string{"pwd"}},
		f.User.PasswordHash)
	if err != nil {
		t.Fatal(err)
	}
	var app *httptest.Server
	routes := http.NewServeMux()
	elsewhere := func(path string) string { return strings.Replace(app.URL, "127.0.0.1", "localhost", 1) + path }
	form := func(w http.ResponseWriter, path string, fields url.Values) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, `<!doctype html><title>app</title><form method="post" action="%s%s">`, f.Issuer, path)
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
		form(w, "/oauth2/authorize", providertest.Parameters("client_id", "browser-app", "redirect_uri", app.URL+"/cb", "prompt", "none"))
	})
	routes.HandleFunc("/cb", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, `<p id="cb">%s</p><a id="next" href="%s">next</a>`, html.EscapeString(r.URL.RawQuery), elsewhere("/out"))
	})
	routes.HandleFunc("/out", func(w http.ResponseWriter, _ *http.Request) { form(w, "/oauth2/logout", url.Values{}) })
	app = httptest.NewServer(routes)
	defer app.Close()
	f.AddClient("browser-app", func(c *client.Client) {
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
	if text, err := chromedp.Run(ctx, chromedp.Evaluate[string](`document.getElementById("cb").innerText`)); err != nil ||
		!strings.Contains(text, "code=") {
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
