package provider_test

import (
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/client"
)

// A button is clicked twice when the answer is slow, and people go back.
func TestWhoAsksAgainForWhatIsDoneIsLedOn(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		f.addClient("homely", func(c *client.Client) { c.Trusted, c.ClientURI = false, "https://app.example/home" })
		f.addClient("starting", func(c *client.Client) {
			c.Trusted, c.ClientURI, c.InitiateLoginURI = false, "https://app.example/home", "https://app.example/start?x=1"
		})
		f.addClient("plain", func(c *client.Client) { c.Trusted = false })
		f.addClient("pushing", func(c *client.Client) { c.Trusted, c.RequirePAR = false, true })
		for id, want := range map[string]string{"homely": "https://app.example/home", "starting": "https://app.example/start?iss=" + url.QueryEscape(f.issuer) + "&x=1", "plain": "", "pushing": ""} {
			b := f.browser().logIn(f.user)
			form := parameters("client_id", id)
			if id == "pushing" {
				r := f.request("POST", "/oauth2/par", form)
				r.SetBasicAuth(id, secret)
				form = url.Values{"client_id": {id}, "request_uri": {f.do(f.server.Client(), r).json(t)["request_uri"].(string)}}
			}
			path, page := b.asked(form)
			consent := hiddenFields(page.body)
			consent["scope"] = []string{"email", "profile"}
			consent.Set(buttonName(t, page.body, "allow"))
			if a := b.allow(t, path, page, "email", "profile"); a.parameter("code") == "" {
				t.Fatalf("%s: %d %v", id, a.status, a.location)
			}
			query := strings.TrimPrefix(path, pathOf(path))
			for what, a := range map[string]answer{
				"the second click on Allow":  b.post(path, consent),
				"the second click on Log in": b.post("/login"+query, url.Values{"email": {"minji@example.com"}, "password": {"x"}}),
				"back to the consent page":   b.get(path),
				"back to the log-in page":    b.get("/login" + query),
				"back to the sign-up page":   b.get("/signup" + query),
				"the way between":            b.get("/oauth2/authorize" + query),
			} {
				switch {
				case a.parameter("code") != "":
					t.Errorf("%s, %s: a second code", id, what)
				case want != "":
					if a.status != http.StatusSeeOther || a.location == nil || !sameURL(a.location, want) {
						t.Errorf("%s, %s: %d %v %s", id, what, a.status, a.location, a.body)
					}
				case a.status != http.StatusOK || !strings.Contains(a.body, "You are logged in already") || !strings.Contains(a.body, `href="/account"`):
					t.Errorf("%s, %s: %d %v %s", id, what, a.status, a.location, a.body)
				case id == "plain":
					again := b.get(html.UnescapeString(returnLink.FindStringSubmatch(a.body)[1]))
					if again.parameter("code") == "" || again.parameter("state") != form.Get("state") {
						t.Errorf("%s, %s: the way back leads to %d %v", id, what, again.status, again.location)
					}
				case strings.Contains(a.body, `id="return"`):
					t.Errorf("%s, %s: the request could not be made by a link: %s", id, what, a.body)
				}
			}
			// Another browser learns nothing, and whoever logged out is not told that they are logged in.
			if a := f.browser().logIn(f.user).get(path); a.status != http.StatusBadRequest || a.location != nil || strings.Contains(a.body, "app.example") {
				t.Errorf("%s, another browser: %d %v %s", id, a.status, a.location, a.body)
			}
			b.post("/oauth2/logout", url.Values{})
			if a := b.get(path); a.status != http.StatusBadRequest || a.location != nil || !strings.Contains(a.body, `href="/account"`) || (want != "") != strings.Contains(a.body, `id="return"`) {
				t.Errorf("%s, logged out: %d %v %s", id, a.status, a.location, a.body)
			}
		}
	})
}

var returnLink = regexp.MustCompile(`id="return" href="([^"]*)"`)

// pathOf is a path without its query.
func pathOf(path string) string {
	before, _, _ := strings.Cut(path, "?")
	return before
}

func sameURL(u *url.URL, want string) bool {
	w, err := url.Parse(want)
	return err == nil && u.Host == w.Host && u.Path == w.Path && u.Query().Encode() == w.Query().Encode()
}

// Whoever followed a wrong link has a way out: to the app, if somebody vouched for it, and to their account.
func TestEveryErrorPageHasAButton(t *testing.T) {
	f := one(t)
	f.addClient("homely", func(c *client.Client) { c.ClientURI = "https://app.example/home" })
	b := f.browser()
	if a := b.authorize(parameters("client_id", "homely", "redirect_uri", "https://evil.example/")); !strings.Contains(a.body, `id="return" href="https://app.example/home"`) {
		t.Errorf("%d %s", a.status, a.body)
	}
	for _, path := range []string{"/oauth2/authorize", "/oauth2/authorize?client_id=nobody", "/oauth2/authorize?interaction=x", "/login?interaction=x", "/consent", "/oauth2/logout?id_token_hint=x", "/oauth2/authorize?posted=x"} {
		if a := b.get(path); a.status != http.StatusBadRequest || !strings.Contains(a.body, `class="button plain full" href="/account"`) {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
}
