package provider_test

import (
	"fmt"
	"html"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/opaque"
	"github.com/maru-auth/maru/authz-server/internal/registration"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

// RFC 9700 §4.11.2: anybody can register a client, and make a request of it that is wrong on purpose. Nobody is led to its
// address by following a link to this server alone.
func TestRefusalsOfStrangersClientsAskBeforeTheyRedirect(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		r := newRegistrar(t, databaseURL, registration.Open)
		if err := r.store.Clients.CreateInitialToken(t.Context(), opaque.Hash("initial"), "", 1, r.clock.now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		stranger := r.read(r.send("POST", "/oauth2/register", "", `{`+webApp+`,"client_name":"Your Bank","token_endpoint_auth_method":"none"}`), 201).ID
		vouched := r.read(r.send("POST", "/oauth2/register", "initial", `{`+webApp+`}`), 201).ID
		document := r.site.URL + "/agent.json"
		r.pages["/agent.json"] = fmt.Sprintf(`{"client_id":%q,"client_name":"Agent",%s}`, document, webApp)
		push := func(id string) string {
			a := r.postForm("/oauth2/par", parameters("client_id", id, "scope", "openid", "prompt", "none"))
			if a.status != http.StatusCreated {
				t.Fatalf("%d %s", a.status, a.body)
			}
			return a.json(t)["request_uri"].(string)
		}
		wrong := map[string]func(id string) url.Values{
			"a scope":         func(id string) url.Values { return parameters("client_id", id, "scope", "admin") },
			"a response type": func(id string) url.Values { return parameters("client_id", id, "response_type", "token") },
			"no PKCE":         func(id string) url.Values { return parameters("client_id", id, "scope", "x", "code_challenge", "") },
			"posted": func(id string) url.Values {
				return parameters("client_id", id, "scope", "admin", "response_mode", "form_post")
			},
			"signed": func(id string) url.Values {
				return parameters("client_id", id, "scope", "admin", "response_mode", "jwt")
			},
			"posted and signed": func(id string) url.Values {
				return parameters("client_id", id, "scope", "admin", "response_mode", "form_post.jwt")
			},
			"in the fragment": func(id string) url.Values {
				return parameters("client_id", id, "scope", "admin", "response_mode", "fragment")
			},
			"a request object": func(id string) url.Values { return parameters("client_id", id, "request", "a.b.c") },
			"a request_uri":    func(id string) url.Values { return parameters("client_id", id, "request_uri", "https://x.example/") },
			"an unknown push": func(id string) url.Values {
				return parameters("client_id", id, "request_uri", "urn:ietf:params:oauth:request_uri:x")
			},
			"twice":               func(id string) url.Values { f := parameters("client_id", id); f.Add("nonce", "2"); return f },
			"nobody is logged in": func(id string) url.Values { return parameters("client_id", id, "scope", "openid", "prompt", "none") },
		}
		for what, request := range wrong {
			for _, id := range []string{stranger, document} {
				a := r.browser().authorize(request(id))
				body := html.UnescapeString(a.body)
				if a.location != nil || a.status != http.StatusBadRequest || !strings.Contains(body, "app.example") || !strings.Contains(body, `id="return"`) ||
					strings.Contains(body, "<script") || strings.Contains(a.header.Get("Refresh"), "url") || strings.Contains(body, "http-equiv") {
					t.Errorf("%s, %.20s: %d %v %s", what, id, a.status, a.location, a.body)
				}
				if posted := strings.Contains(body, `<form method="post" action="https://app.example/cb?tenant=1">`); posted != strings.HasPrefix(what, "posted") {
					t.Errorf("%s: a form %v", what, posted)
				}
			}
			// An operator, or who has a token of theirs, vouches for it.
			if a := r.browser().authorize(request(vouched)); a.location == nil && !strings.Contains(a.body, "form_post") {
				t.Errorf("%s, of a client with an initial access token: %d %s", what, a.status, a.body)
			}
		}
		if a := r.browser().authorize(url.Values{"client_id": {document}, "request_uri": {push(document)}}); a.location != nil {
			t.Errorf("a pushed request: %v", a.location)
		}

		// Logged in, and never asked: the page. prompt=none: told at once. Agreed before: told at once.
		b := r.browser().logIn(r.user)
		if a := b.authorize(parameters("client_id", stranger, "scope", "admin")); a.location != nil || !strings.Contains(a.body, `id="return"`) {
			t.Errorf("logged in: %d %v", a.status, a.location)
		}
		if a := b.authorize(parameters("client_id", stranger, "scope", "openid", "prompt", "none")); a.parameter("error") != "consent_required" || a.location == nil {
			t.Errorf("prompt=none: %d %v", a.status, a.location)
		}
		if err := r.store.Consents.DecideConsent(t.Context(), r.user.ID, stranger, []string{"openid"}, nil); err != nil {
			t.Fatal(err)
		}
		if a := b.authorize(parameters("client_id", stranger, "scope", "admin")); a.parameter("error") != "invalid_scope" || a.location == nil {
			t.Errorf("after the person agreed: %d %v", a.status, a.location)
		}
	})
}

// Who says no has been asked, and goes back at once.
func TestAPersonWhoDeclinesGoesBackToAStrangersClient(t *testing.T) {
	r := newRegistrar(t, sqldbtest.SQLite(t), registration.Open)
	stranger := r.read(r.send("POST", "/oauth2/register", "", `{`+webApp+`}`), 201).ID
	b := r.browser().logIn(r.user)
	a := b.authorize(parameters("client_id", stranger, "scope", "openid"))
	if a.location == nil || a.location.Path != "/consent" {
		t.Fatalf("%d %v", a.status, a.location)
	}
	page := b.get(a.location.String())
	form := hiddenFields(page.body)
	form.Set("decision", "deny")
	a = b.post(a.location.RequestURI(), form)
	if a.location == nil {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if a = b.get(a.location.String()); a.parameter("error") != "access_denied" || a.location == nil || a.location.Host != "app.example" {
		t.Errorf("%d %v %s", a.status, a.location, a.body)
	}
}

// An ID token of the attacker's own account is easily had.
func TestALogOutOfAStrangersClientAsksBeforeItRedirects(t *testing.T) {
	r := newRegistrar(t, sqldbtest.SQLite(t), registration.Open)
	made := r.read(r.send("POST", "/oauth2/register", "", `{`+webApp+`,"post_logout_redirect_uris":["https://evil.example/bye"],"frontchannel_logout_uri":"https://app.example/frame"}`), 201)
	attacker := r.browser().logIn(r.user)
	if err := r.store.Consents.DecideConsent(t.Context(), r.user.ID, made.ID, []string{"openid"}, nil); err != nil {
		t.Fatal(err)
	}
	code := attacker.code("client_id", made.ID, "scope", "openid")
	got := r.tokens(r.token(made.ID, made.Secret, url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {callback}, "code_verifier": {verifier}}))
	bye := "/oauth2/logout?" + url.Values{"id_token_hint": {got.id}, "post_logout_redirect_uri": {"https://evil.example/bye"}, "state": {"s"}}.Encode()
	a := r.browser().get(bye)
	body := html.UnescapeString(a.body)
	if a.location != nil || strings.Contains(body, "http-equiv") || strings.Contains(body, "<script") || strings.Contains(body, "<iframe") {
		t.Errorf("a browser without a session was sent on: %d %v %s", a.status, a.location, a.body)
	}
	if !strings.Contains(body, "<strong>evil.example</strong>") || !strings.Contains(body, `href="https://evil.example/bye?state=s"`) {
		t.Errorf("the page does not name where the link leads: %s", a.body)
	}
	// Nor is a browser sent on that brings no token: with nobody logged in there is a link, with somebody the question.
	bare := "/oauth2/logout?" + url.Values{"client_id": {made.ID}, "post_logout_redirect_uri": {"https://evil.example/bye"}}.Encode()
	if a := r.browser().get(bare); a.location != nil || a.status != 200 || strings.Contains(a.body, "<script") || !strings.Contains(a.body, `href="https://evil.example/bye"`) {
		t.Errorf("%d %v %s", a.status, a.location, a.body)
	}
	asked := r.browser().logIn(r.user)
	a = asked.get(bare)
	if a.location != nil || !strings.Contains(a.body, `id="logout"`) {
		t.Errorf("%d %v %s", a.status, a.location, a.body)
	}
	if a = asked.post("/oauth2/logout", hiddenFields(a.body)); a.location == nil || a.location.String() != "https://evil.example/bye" {
		t.Errorf("who agreed is not led on: %d %v %s", a.status, a.location, a.body)
	}
	// The person whose token it is goes on at once.
	person := r.browser().logIn(r.user)
	code = person.code("client_id", made.ID, "scope", "openid")
	got = r.tokens(r.token(made.ID, made.Secret, url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {callback}, "code_verifier": {verifier}}))
	bye = "/oauth2/logout?" + url.Values{"id_token_hint": {got.id}, "post_logout_redirect_uri": {"https://evil.example/bye"}}.Encode()
	if a := person.get(bye); !strings.Contains(a.body, "5; url=https://evil.example/bye") { // after the frame
		t.Errorf("%d %v %v", a.status, a.location, a.header)
	}
}
