package authorize_test

import (
	"fmt"
	"html"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/opaque"
	"github.com/maru-auth/maru/authz-server/internal/provider/providertest"
	"github.com/maru-auth/maru/authz-server/internal/registration"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

// RFC 9700 §4.11.2: anybody can register a client, and make a request of it that is wrong on
// purpose. Nobody is led to its address by following a link to this server alone.
func TestRefusalsOfStrangersClientsAskBeforeTheyRedirect(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		r := providertest.NewRegistrar(t, databaseURL, registration.Open)
		if err := r.Store.Clients.CreateInitialToken(t.Context(), opaque.Hash("initial"), "", 1, r.Clock.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		stranger := r.Register("", `"client_name":"Your Bank","token_endpoint_auth_method":"none"`).ID
		vouched := r.Register("initial", "").ID
		document := r.Site.URL + "/agent.json"
		r.Pages.Set("/agent.json", fmt.Sprintf(`{"client_id":%q,"client_name":"Agent",%s}`, document, providertest.WebApp))
		push := func(id string) string {
			a := r.PostForm("/oauth2/par", providertest.Parameters("client_id", id, "scope", "openid", "prompt", "none"))
			if a.Status != http.StatusCreated {
				t.Fatalf("%d %s", a.Status, a.Body)
			}
			return a.JSON(t)["request_uri"].(string)
		}
		wrong := map[string]func(id string) url.Values{
			"a scope":         func(id string) url.Values { return providertest.Parameters("client_id", id, "scope", "admin") },
			"a response type": func(id string) url.Values { return providertest.Parameters("client_id", id, "response_type", "token") },
			"no PKCE": func(id string) url.Values {
				return providertest.Parameters("client_id", id, "scope", "x", "code_challenge", "")
			},
			"posted": func(id string) url.Values {
				return providertest.Parameters("client_id", id, "scope", "admin", "response_mode", "form_post")
			},
			"signed": func(id string) url.Values {
				return providertest.Parameters("client_id", id, "scope", "admin", "response_mode", "jwt")
			},
			"posted and signed": func(id string) url.Values {
				return providertest.Parameters("client_id", id, "scope", "admin", "response_mode", "form_post.jwt")
			},
			"in the fragment": func(id string) url.Values {
				return providertest.Parameters("client_id", id, "scope", "admin", "response_mode", "fragment")
			},
			"a request object": func(id string) url.Values { return providertest.Parameters("client_id", id, "request", "a.b.c") },
			"a request_uri": func(id string) url.Values {
				return providertest.Parameters("client_id", id, "request_uri", "https://x.example/")
			},
			"an unknown push": func(id string) url.Values {
				return providertest.Parameters("client_id", id, "request_uri", "urn:ietf:params:oauth:request_uri:x")
			},
			"twice": func(id string) url.Values {
				f := providertest.Parameters("client_id", id)
				f.Add("nonce", "2")
				return f
			},
			"nobody is logged in": func(id string) url.Values {
				return providertest.Parameters("client_id", id, "scope", "openid", "prompt", "none")
			},
		}
		for what, request := range wrong {
			for _, id := range []string{stranger, document} {
				a := r.Browser().AuthorizeForm(request(id))
				body := html.UnescapeString(a.Body)
				if a.Location != nil || a.Status != http.StatusBadRequest || !strings.Contains(body, "app.example") ||
					!strings.Contains(body, `id="return"`) ||
					strings.Contains(body, "<script") || strings.Contains(a.Header.Get("Refresh"), "url") || strings.Contains(body, "http-equiv") {
					t.Errorf("%s, %.20s: %d %v %s", what, id, a.Status, a.Location, a.Body)
				}
				posted := strings.Contains(body, `<form method="post" action="https://app.example/cb?tenant=1">`)
				if posted != strings.HasPrefix(what, "posted") {
					t.Errorf("%s: a form %v", what, posted)
				}
			}
			// An operator, or who has a token of theirs, vouches for it.
			if a := r.Browser().AuthorizeForm(request(vouched)); a.Location == nil && !strings.Contains(a.Body, "form_post") {
				t.Errorf("%s, of a client with an initial access token: %d %s", what, a.Status, a.Body)
			}
		}
		if a := r.Browser().AuthorizeForm(url.Values{"client_id": {document}, "request_uri": {push(document)}}); a.Location != nil {
			t.Errorf("a pushed request: %v", a.Location)
		}

		// Logged in, and never asked: the page. prompt=none: told at once. Agreed before: told at
		// once.
		b := r.Browser().LogIn(r.User)
		if a := b.Authorize("client_id", stranger, "scope", "admin"); a.Location != nil || !strings.Contains(a.Body, `id="return"`) {
			t.Errorf("logged in: %d %v", a.Status, a.Location)
		}
		if a := b.Authorize("client_id", stranger, "scope", "openid", "prompt", "none"); a.Parameter("error") != "consent_required" ||
			a.Location == nil {
			t.Errorf("prompt=none: %d %v", a.Status, a.Location)
		}
		if err := r.Store.Consents.DecideConsent(t.Context(), r.User.ID, stranger, []string{"openid"}, nil); err != nil {
			t.Fatal(err)
		}
		if a := b.Authorize("client_id", stranger, "scope", "admin"); a.Parameter("error") != "invalid_scope" || a.Location == nil {
			t.Errorf("after the person agreed: %d %v", a.Status, a.Location)
		}
	})
}

// Who says no has been asked, and goes back at once.
func TestAPersonWhoDeclinesGoesBackToAStrangersClient(t *testing.T) {
	t.Parallel()
	r := providertest.NewRegistrar(t, sqldbtest.SQLite(t), registration.Open)
	stranger := r.Register("", "").ID
	b := r.Browser().LogIn(r.User)
	a := b.Authorize("client_id", stranger, "scope", "openid")
	if a.Location == nil || a.Location.Path != "/consent" {
		t.Fatalf("%d %v", a.Status, a.Location)
	}
	page := b.Get(a.Location.String())
	form := providertest.HiddenFields(page.Body)
	form.Set("decision", "deny")
	a = b.Post(a.Location.RequestURI(), form)
	if a.Location == nil {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	if a = b.Get(a.Location.String()); a.Parameter("error") != "access_denied" || a.Location == nil || a.Location.Host != "app.example" {
		t.Errorf("%d %v %s", a.Status, a.Location, a.Body)
	}
}
