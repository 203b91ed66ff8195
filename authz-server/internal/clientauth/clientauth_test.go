package clientauth_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/opaque"
	"github.com/maru-auth/maru/authz-server/internal/provider"
	"github.com/maru-auth/maru/authz-server/internal/provider/providertest"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

func TestAClientMustAuthenticateInTheOneWayThatItRegistered(t *testing.T) {
	t.Parallel()
	f := providertest.NewWith(t, sqldbtest.SQLite(t), func(c *provider.Config) { c.StrictAuthMethod = true })
	f.AddClient("post", func(c *client.Client) { c.TokenEndpointAuthMethod = "client_secret_post" })
	grant := func(more ...string) url.Values {
		form := url.Values{"grant_type": {"client_credentials"}}
		for i := 0; i < len(more); i += 2 {
			form.Add(more[i], more[i+1])
		}
		return form
	}
	basic := func(id, secret string) func(r *http.Request) {
		return func(r *http.Request) { r.SetBasicAuth(url.QueryEscape(id), url.QueryEscape(secret)) }
	}
	none := func(*http.Request) {}
	for name, test := range map[string]struct {
		form   url.Values
		auth   func(r *http.Request)
		status int
		code   string
	}{
		"basic":                        {grant(), basic("app", providertest.Secret), 200, ""},
		"post":                         {grant("client_id", "post", "client_secret", providertest.Secret), none, 200, ""},
		"basic with its own client_id": {grant("client_id", "app"), basic("app", providertest.Secret), 200, ""},
		"wrong secret":                 {grant(), basic("app", providertest.Secret+"x"), 401, "invalid_client"},
		"empty secret":                 {grant(), basic("app", ""), 401, "invalid_client"},
		"unknown client":               {grant(), basic("nobody", providertest.Secret), 401, "invalid_client"},
		"nobody":                       {grant(), none, 401, "invalid_client"},
		"client_id without a secret":   {grant("client_id", "app"), none, 401, "invalid_client"},
		"post by a basic client":       {grant("client_id", "app", "client_secret", providertest.Secret), none, 401, "invalid_client"},
		"basic by a post client":       {grant(), basic("post", providertest.Secret), 401, "invalid_client"},
		"basic beside another client":  {grant("client_id", "post"), basic("app", providertest.Secret), 400, "invalid_request"},
		"both ways at once": {
			grant("client_id", "app", "client_secret", providertest.Secret), basic("app", providertest.Secret), 400, "invalid_request",
		},
		"an assertion": {
			grant("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer", "client_assertion", "x"), none, 401,
			"invalid_client",
		},
		"basic with two spaces": {grant(), func(r *http.Request) {
			basic("app", providertest.Secret)(r)
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), " ", "  ", 1))
		}, 200, ""},
		"basic in small letters": {grant(), func(r *http.Request) {
			basic("app", providertest.Secret)(r)
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "Basic ", "basic   ", 1))
		}, 200, ""},
		"basic twice": {grant(), func(r *http.Request) {
			basic("app", providertest.Secret)(r)
			r.Header.Add("Authorization", r.Header.Get("Authorization"))
		}, 400, "invalid_request"},
		"basic without a colon":   {grant(), func(r *http.Request) { r.Header.Set("Authorization", "Basic YXBw") }, 401, "invalid_client"},
		"basic that is no base64": {grant(), func(r *http.Request) { r.Header.Set("Authorization", "Basic app:secret") }, 401, "invalid_client"},
		"basic without anything":  {grant(), func(r *http.Request) { r.Header.Set("Authorization", "Basic") }, 401, "invalid_client"},
		"Bearer": {
			grant("client_id", "app"), func(r *http.Request) { r.Header.Set("Authorization", "Bearer x") }, 401, "invalid_client",
		},
		"client_id twice": {grant("client_id", "app", "client_id", "post"), basic("app", providertest.Secret), 400, "invalid_request"},
		"unknown grant":   {url.Values{"grant_type": {"password"}}, basic("app", providertest.Secret), 400, "unsupported_grant_type"},
		"no grant":        {url.Values{"x": {"y"}}, basic("app", providertest.Secret), 400, "invalid_request"},
	} {
		t.Run(name, func(t *testing.T) {
			r := f.Request("POST", "/oauth2/token", test.form)
			test.auth(r)
			a := f.Do(r)
			if test.status == http.StatusOK {
				f.Tokens(a)
				return
			}
			a.WantError(t, test.status, test.code)
			// Whoever did not use Basic is not asked for it: a browser would show its own log-in
			// window.
			used := strings.HasPrefix(strings.ToLower(r.Header.Get("Authorization")), "basic")
			if challenge := a.Header.Get("WWW-Authenticate"); strings.HasPrefix(challenge, "Basic ") != (used &&
				test.status == http.StatusUnauthorized) {
				t.Errorf("WWW-Authenticate: %q", challenge)
			}
		})
	}
	t.Run("parameters in the URL", func(t *testing.T) {
		r := f.Request("POST", "/oauth2/token?grant_type=client_credentials", url.Values{"x": {"y"}})
		r.SetBasicAuth("app", providertest.Secret)
		f.Do(r).WantError(t, 400, "invalid_request")
	})
	t.Run("another content type", func(t *testing.T) {
		r := f.Request("POST", "/oauth2/token", grant(), "Content-Type", "application/json")
		r.SetBasicAuth("app", providertest.Secret)
		f.Do(r).WantError(t, 400, "invalid_request")
	})
	t.Run("a rotated secret overlaps", func(t *testing.T) {
		if err := f.Store.Clients.AddClientSecret(t.Context(), "app", opaque.Hash("the-new-secret-of-the-test-app-0123456789"),
			f.Clock.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		f.Tokens(f.Token("app", grant()))
		f.Tokens(f.TokenWith("app", "the-new-secret-of-the-test-app-0123456789", grant()))
		f.Clock.Advance(2 * time.Hour)
		f.Token("app", grant()).WantError(t, 401, "invalid_client")
		f.Tokens(f.TokenWith("app", "the-new-secret-of-the-test-app-0123456789", grant()))
	})
}

func TestASecretIsTakenInTheHeaderAndInTheBodyAlike(t *testing.T) {
	t.Parallel()
	f := providertest.One(t)
	f.AddClient("post", func(c *client.Client) { c.TokenEndpointAuthMethod = "client_secret_post" })
	f.AddClient("public", func(c *client.Client) {
		c.TokenEndpointAuthMethod, c.GrantTypes = "none", []string{"authorization_code"}
	})
	signer := providertest.NewSigner(t, "k")
	f.AddClient("signs", func(c *client.Client) { c.TokenEndpointAuthMethod, c.JWKS = "private_key_jwt", signer.JWKS() })
	call := func(path, id, secret string, inBody bool, form url.Values) providertest.Answer {
		if !inBody {
			r := f.Request("POST", path, form)
			r.SetBasicAuth(url.QueryEscape(id), url.QueryEscape(secret))
			return f.Do(r)
		}
		form.Set("client_id", id)
		form.Set("client_secret", secret)
		return f.Do(f.Request("POST", path, form))
	}
	for _, id := range []string{"app", "post"} {
		for _, inBody := range []bool{true, false} {
			f.Tokens(call("/oauth2/token", id, providertest.Secret, inBody, url.Values{"grant_type": {"client_credentials"}}))
			for _, path := range []string{"/oauth2/introspect", "/oauth2/revoke"} {
				if a := call(path, id, providertest.Secret, inBody, url.Values{"token": {"x"}}); a.Status != 200 {
					t.Errorf("%s of %s, in the body %t: %d %s", path, id, inBody, a.Status, a.Body)
				}
			}
			if a := call("/oauth2/par", id, providertest.Secret, inBody, providertest.Parameters("client_id", id)); a.Status != 201 {
				t.Errorf("push of %s, in the body %t: %d %s", id, inBody, a.Status, a.Body)
			}
			call("/oauth2/token", id, providertest.Secret+"x", inBody, url.Values{"grant_type": {"client_credentials"}}).WantError(t, 401,
				"invalid_client")
		}
	}
	// A secret is no stand-in for the key of a client that signs, and a public client has none,
	// whatever is sent.
	for _, id := range []string{"signs", "public"} {
		for _, inBody := range []bool{true, false} {
			call("/oauth2/token", id, providertest.Secret, inBody, url.Values{"grant_type": {"client_credentials"}}).WantError(t, 401,
				"invalid_client")
		}
	}
	call("/oauth2/token", "signs", "", false, url.Values{"grant_type": {"client_credentials"}}).WantError(t, 401, "invalid_client")
}
