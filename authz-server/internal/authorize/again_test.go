package authorize_test

import (
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/provider/providertest"
)

// A button is clicked twice when the answer is slow, and people go back.
func TestWhoAsksAgainForWhatIsDoneIsLedOn(t *testing.T) {
	t.Parallel()
	providertest.Each(t, func(t *testing.T, f *providertest.Fixture) {
		f.AddClient("homely", func(c *client.Client) { c.Trusted, c.ClientURI = false, "https://app.example/home" })
		f.AddClient("starting", func(c *client.Client) {
			c.Trusted, c.ClientURI, c.InitiateLoginURI = false, "https://app.example/home", "https://app.example/start?x=1"
		})
		f.AddClient("plain", func(c *client.Client) { c.Trusted = false })
		f.AddClient("pushing", func(c *client.Client) { c.Trusted, c.RequirePAR = false, true })
		for id, want := range map[string]string{
			"homely": "https://app.example/home", "starting": "https://app.example/start?iss=" + url.QueryEscape(f.Issuer) + "&x=1",
			"plain": "", "pushing": "",
		} {
			b := f.Browser().LogIn(f.User)
			form := providertest.Parameters("client_id", id)
			if id == "pushing" {
				r := f.Request("POST", "/oauth2/par", form)
				r.SetBasicAuth(id, providertest.Secret)
				form = url.Values{"client_id": {id}, "request_uri": {f.Do(r).JSON(t)["request_uri"].(string)}}
			}
			path, page := b.Asked(form)
			consent := providertest.HiddenFields(page.Body)
			consent["scope"] = []string{"email", "profile"}
			consent.Set(providertest.ButtonName(t, page.Body, "allow"))
			if a := b.Allow(t, path, page, "email", "profile"); a.Parameter("code") == "" {
				t.Fatalf("%s: %d %v", id, a.Status, a.Location)
			}
			query := strings.TrimPrefix(path, pathOf(path))
			for what, a := range map[string]providertest.Answer{
				"the second click on Allow":  b.Post(path, consent),
				"the second click on Log in": b.Post("/login"+query, url.Values{"email": {"minji@example.com"}, "password": {"x"}}),
				"back to the consent page":   b.Get(path),
				"back to the log-in page":    b.Get("/login" + query),
				"back to the sign-up page":   b.Get("/signup" + query),
				"the way between":            b.Get("/oauth2/authorize" + query),
			} {
				switch {
				case a.Parameter("code") != "":
					t.Errorf("%s, %s: a second code", id, what)
				case want != "":
					if a.Status != http.StatusSeeOther || a.Location == nil || !sameURL(a.Location, want) {
						t.Errorf("%s, %s: %d %v %s", id, what, a.Status, a.Location, a.Body)
					}
				case a.Status != http.StatusOK || !strings.Contains(a.Body, "You are logged in already") ||
					!strings.Contains(a.Body, `href="/account"`):
					t.Errorf("%s, %s: %d %v %s", id, what, a.Status, a.Location, a.Body)
				case id == "plain":
					again := b.Get(html.UnescapeString(returnLink.FindStringSubmatch(a.Body)[1]))
					if again.Parameter("code") == "" || again.Parameter("state") != form.Get("state") {
						t.Errorf("%s, %s: the way back leads to %d %v", id, what, again.Status, again.Location)
					}
				case strings.Contains(a.Body, `id="return"`):
					t.Errorf("%s, %s: the request could not be made by a link: %s", id, what, a.Body)
				}
			}
			// Another browser learns nothing, and whoever logged out is not told that they are
			// logged in.
			if a := f.Browser().LogIn(f.User).Get(path); a.Status != http.StatusBadRequest || a.Location != nil ||
				strings.Contains(a.Body, "app.example") {
				t.Errorf("%s, another browser: %d %v %s", id, a.Status, a.Location, a.Body)
			}
			b.Post("/oauth2/logout", url.Values{})
			if a := b.Get(path); a.Status != http.StatusBadRequest || a.Location != nil || !strings.Contains(a.Body, `href="/account"`) ||
				(want != "") != strings.Contains(a.Body, `id="return"`) {
				t.Errorf("%s, logged out: %d %v %s", id, a.Status, a.Location, a.Body)
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
