package logout_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/provider/providertest"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
)

func TestLogout(t *testing.T) {
	t.Parallel()
	f := providertest.One(t)
	f.AddClient("other", func(c *client.Client) { c.PostLogoutRedirectURIs = []string{"https://other.example/bye"} })
	const bye = "https://app.example/bye"
	type start struct {
		b  *providertest.Browser
		id string
	}
	begin := func() start {
		b := f.Browser().LogIn(f.User)
		return start{b, f.Tokens(f.Redeem(b.Code())).ID}
	}
	loggedIn := func(b *providertest.Browser) bool { return b.Authorize("prompt", "none").Parameter("code") != "" }
	path := func(pairs ...string) string {
		form := url.Values{}
		for i := 0; i < len(pairs); i += 2 {
			form.Set(pairs[i], pairs[i+1])
		}
		return "/oauth2/logout?" + form.Encode()
	}

	t.Run("hint and registered address", func(t *testing.T) {
		s := begin()
		a := s.b.Get(path("id_token_hint", s.id, "post_logout_redirect_uri", bye, "state", "s&1"))
		if a.Status != 303 || a.Location.String() != bye+"?state=s%261" || loggedIn(s.b) {
			t.Errorf("%d %v", a.Status, a.Location)
		}
		if a := s.b.Get(path("id_token_hint", s.id, "post_logout_redirect_uri", bye)); a.Status != 303 {
			t.Errorf("again, with the session gone: %d %s", a.Status, a.Body)
		}
	})
	t.Run("expired hint", func(t *testing.T) {
		s := begin()
		f.Clock.Advance(time.Hour)
		if a := s.b.Get(path("id_token_hint", s.id, "post_logout_redirect_uri", bye)); a.Status != 303 || loggedIn(s.b) {
			t.Errorf("%d %s", a.Status, a.Body)
		}
	})
	t.Run("posted across origins, without the cookie", func(t *testing.T) {
		s := begin()
		if a := s.b.PostFromElsewhere("/oauth2/logout", url.Values{"id_token_hint": {s.id},
			"post_logout_redirect_uri": {bye}}); a.Status != 303 || a.Location.String() != bye || loggedIn(s.b) {
			t.Errorf("%d %s", a.Status, a.Body)
		}
	})
	t.Run("address with client_id alone: asks first", func(t *testing.T) {
		s := begin()
		a := s.b.Get(path("client_id", "app", "post_logout_redirect_uri", bye, "state", "s&1"))
		if a.Status != 200 || !strings.Contains(a.Body, `id="logout"`) || !loggedIn(s.b) {
			t.Fatalf("%d %s", a.Status, a.Body)
		}
		a = s.b.Post("/oauth2/logout", providertest.HiddenFields(a.Body))
		if a.Status != 303 || a.Location.String() != bye+"?state=s%261" || loggedIn(s.b) {
			t.Errorf("%d %s", a.Status, a.Body)
		}
	})
	t.Run("nothing said: asks first", func(t *testing.T) {
		s := begin()
		a := s.b.Get("/oauth2/logout")
		if a.Status != 200 || !strings.Contains(a.Body, `id="logout"`) || !loggedIn(s.b) {
			t.Fatalf("%d %s", a.Status, a.Body)
		}
		a = s.b.Post("/oauth2/logout", providertest.HiddenFields(a.Body))
		if a.Status != 200 || !strings.Contains(a.Body, "You are logged out") || loggedIn(s.b) {
			t.Errorf("%d %s", a.Status, a.Body)
		}
	})
	t.Run("a refused form is answered in the language that it asks for", func(t *testing.T) {
		a := begin().b.Post("/oauth2/logout", url.Values{"id_token_hint": {"x.y.z"}, "ui_locales": {"ko"}})
		if a.Status != 400 || !strings.Contains(a.Body, `lang="ko"`) {
			t.Errorf("%d %s", a.Status, a.Body)
		}
	})
	t.Run("another site cannot log a person out", func(t *testing.T) {
		s := begin()
		for _, site := range []string{"cross-site", "same-site"} {
			a := s.b.Send(f.Request("POST", "/oauth2/logout", url.Values{"confirm": {"yes"}}, "Origin", "https://evil.example",
				"Sec-Fetch-Site", site))
			if a.Status != 200 || !loggedIn(s.b) {
				t.Errorf("%s: %d %s", site, a.Status, a.Body)
			}
		}
	})
	t.Run("the hint of another person asks first", func(t *testing.T) {
		other, err := f.Store.Users.CreateUser(t.Context(), accounts.User{Email: "other@example.com", Name: "Other", PasswordHash: "x"})
		if err != nil {
			t.Fatal(err)
		}
		s := begin()
		b := f.Browser().LogIn(other)
		if a := b.Get(path("id_token_hint", s.id, "post_logout_redirect_uri", bye)); a.Status != 200 || !loggedIn(b) {
			t.Errorf("%d %v", a.Status, a.Location)
		}
	})
	for name, change := range map[string]func(s start) string{
		"address not registered": func(s start) string {
			return path("id_token_hint", s.id, "post_logout_redirect_uri", "https://evil.example/")
		},
		"registered for another client": func(s start) string {
			return path("id_token_hint", s.id, "post_logout_redirect_uri", "https://other.example/bye")
		},
		"query added": func(s start) string { return path("id_token_hint", s.id, "post_logout_redirect_uri", bye+"?x=1") },
		"changed hint": func(s start) string {
			return path("id_token_hint", s.id[:len(s.id)-6]+"AAAAAA", "post_logout_redirect_uri", bye)
		},
		"address without a hint":               func(start) string { return path("post_logout_redirect_uri", bye) },
		"address of another client_id":         func(start) string { return path("post_logout_redirect_uri", bye, "client_id", "other") },
		"address with an unknown client_id":    func(start) string { return path("post_logout_redirect_uri", bye, "client_id", "nobody") },
		"half an address with client_id alone": func(start) string { return path("post_logout_redirect_uri", bye+"/x", "client_id", "app") },
		"hint of another client_id": func(s start) string {
			return path("id_token_hint", s.id, "post_logout_redirect_uri", bye, "client_id", "other")
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := begin()
			if a := s.b.Get(change(s)); a.Location != nil || a.Status != 400 || !strings.Contains(a.Body, "Cannot log you out") || !loggedIn(s.b) {
				t.Errorf("%d %v %s", a.Status, a.Location, a.Body)
			}
		})
	}
}
