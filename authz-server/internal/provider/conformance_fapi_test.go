package provider_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/provider/providertest"
)

func TestFAPI2SecurityProfileOP(t *testing.T) {
	t.Parallel()
	f := providertest.One(t)
	b := f.Browser().LogIn(f.User)
	for name, key := range map[string]*providertest.Signer{
		"ES256": providertest.NewSigner(t, "k1"), "PS256": providertest.NewRSASigner(t, "the client", "k1", "PS256"),
		"EdDSA": providertest.NewEd25519Signer(t, "k1", "EdDSA"), "Ed25519": providertest.NewEd25519Signer(t, "k1", "Ed25519"),
	} {
		t.Run("happy-flow, "+name, func(t *testing.T) {
			c := f.AddFAPIClient("fapi-"+name, key, func(c *client.Client) { c.IDTokenSignedResponseAlg = name })
			a := c.Authorize(b, "state", strings.Repeat("s", 128), "nonce", strings.Repeat("n", 43))
			if a.Parameter("state") != strings.Repeat("s", 128) || a.Parameter("iss") != f.Issuer {
				t.Errorf("%v", a.Location)
			}
			object := c.Redeem(a.Parameter("code")).JSON(t)
			if header, id := providertest.Decode(t, object["id_token"].(string)); header["alg"] != name ||
				id["nonce"] != strings.Repeat("n", 43) || id["acr"] == nil {
				t.Errorf("%v %v", header, id)
			}
			// plain_oauth: without openid there is no ID token.
			object = c.Redeem(c.Authorize(b, "scope", "board:read", "nonce", "").Parameter("code")).JSON(t)
			if object["token_type"] != "DPoP" || object["id_token"] != nil {
				t.Errorf("%v", object)
			}
		})
	}
	key := providertest.NewRSASigner(t, "the client", "k2", "PS256")
	c := f.AddFAPIClient("fapi", key, nil)
	t.Run("client assertions", func(t *testing.T) {
		in := func(d time.Duration) int64 { return f.Clock.Now().Add(d).Unix() }
		if a := c.Push(providertest.Parameters("client_id", "fapi"), "iat", in(10*time.Second), "nbf", in(10*time.Second)); a.Status != 201 {
			t.Errorf("10 s ahead: %d %s", a.Status, a.Body)
		}
		for name, changes := range map[string][]any{
			"iat 61 s ahead": {"iat", in(61 * time.Second)}, "nbf 61 s ahead": {"nbf", in(61 * time.Second)}, "aud missing": {"aud", nil},
			"exp past":       {"exp", in(-time.Minute)},
			"iss of another": {"iss", "app"}, "sub of another": {"sub", "app"},
		} {
			if a := c.Push(providertest.Parameters("client_id", "fapi"), changes...); a.Status != 401 || a.JSON(t)["error"] != "invalid_client" {
				t.Errorf("%s: %d %s", name, a.Status, a.Body)
			}
		}
		rs256 := key.As("RS256")
		rs256.Key.KeyID = "k2"
		c.SigningBy(rs256).Push(providertest.Parameters("client_id", "fapi")).WantError(t, 401, "invalid_client")
	})
	t.Run("par: what is refused", func(t *testing.T) {
		for name, changes := range map[string][]string{
			"par-without-pkce": {"code_challenge", "", "code_challenge_method", ""}, "par-plain-pkce": {"code_challenge_method", "plain"},
			"par-attempt-invalid-redirect_uri": {"redirect_uri", "https://app.example/other"},
			"ensure-response-type-code":        {"response_type", ""},
			"a request_uri inside":             {"request_uri", "urn:ietf:params:oauth:request_uri:x"},
		} {
			t.Run(name, func(t *testing.T) {
				c.Push(providertest.Parameters(append([]string{"client_id", "fapi"}, changes...)...)).WantError(t, 400, "invalid_request")
			})
		}
		c.Push(providertest.Parameters("client_id", "fapi", "response_type", "code id_token")).WantError(t, 400, "unsupported_response_type")
	})
	t.Run("ensure-authorization-code-expires: dead at 62 s", func(t *testing.T) {
		code := c.Authorize(b).Parameter("code")
		f.Clock.Advance(62 * time.Second)
		c.Redeem(code).WantError(t, 400, "invalid_grant")
	})
	t.Run("user-rejects-authentication", func(t *testing.T) {
		c := f.AddFAPIClient("fapi-third", key, func(c *client.Client) { c.Trusted = false })
		a := c.Authorize(b)
		at, page := a.Location, b.Get(a.Location.String())
		if a := b.Get(click(b, at, page, "deny").Location.String()); a.Parameter("error") != "access_denied" || a.Parameter("iss") != f.Issuer {
			t.Errorf("%d %v", a.Status, a.Location)
		}
	})
	t.Run("ensure-different-nonce-and-state-inside-and-outside: what was pushed counts", func(t *testing.T) {
		uri := c.Push(providertest.Parameters("client_id", "fapi", "state", "pushed")).JSON(t)["request_uri"].(string)
		if a := b.AuthorizeForm(url.Values{"client_id": {"fapi"}, "request_uri": {uri},
			"state": {"outside"}}); a.Parameter("state") != "pushed" || a.Parameter("code") == "" {
			t.Errorf("%v", a.Location)
		}
	})
	t.Run("ensure-request-with-long-state, -long-nonce: whole, or refused", func(t *testing.T) {
		for _, length := range []int{384, 1000, 5000} {
			long := strings.Repeat("x", length)
			pushed := c.Push(providertest.Parameters("client_id", "fapi", "state", long, "nonce", long))
			if pushed.Status != 201 {
				pushed.WantError(t, 400, "invalid_request")
				continue
			}
			a := b.AuthorizeForm(url.Values{"client_id": {"fapi"}, "request_uri": {pushed.JSON(t)["request_uri"].(string)}})
			_, id := providertest.Decode(t, c.Redeem(a.Parameter("code")).JSON(t)["id_token"].(string))
			if a.Parameter("state") != long || id["nonce"] != long {
				t.Errorf("%d characters did not come back", length)
			}
		}
	})
	t.Run("refresh by another client", func(t *testing.T) {
		other := f.AddFAPIClient("fapi-other", providertest.NewSigner(t, "k3"), nil)
		token, _ := c.Redeem(c.Authorize(b).Parameter("code")).JSON(t)["refresh_token"].(string)
		other.Token(providertest.RefreshGrant(token)).WantError(t, 400, "invalid_grant")
		if a := c.Token(providertest.RefreshGrant(token)); a.Status != 200 {
			t.Errorf("%d %s", a.Status, a.Body)
		}
	})
}

func TestFAPI2MessageSigningOP(t *testing.T) {
	t.Parallel()
	f := providertest.One(t)
	b := f.Browser().LogIn(f.User)
	key := providertest.NewRSASigner(t, "the client", "k1", "PS256")
	c := f.AddFAPIClient("signing", key, func(c *client.Client) { c.RequireSignedRequestObject = true })
	in := func(d time.Duration) int64 { return f.Clock.Now().Add(d).Unix() }
	push := func(s *providertest.Signer, changes ...any) providertest.Answer {
		claims := map[string]any{"iss": "signing", "aud": f.Issuer, "nbf": in(0), "exp": in(5 * time.Minute)}
		for name, values := range providertest.Parameters("client_id", "signing", "response_mode", "jwt") {
			claims[name] = values[0]
		}
		for i := 0; i < len(changes); i += 2 {
			claims[changes[i].(string)] = changes[i+1]
			if changes[i+1] == nil {
				delete(claims, changes[i].(string))
			}
		}
		return c.Push(url.Values{"client_id": {"signing"}, "request": {s.Sign(map[jose.HeaderKey]any{"typ": "oauth-authz-req+jwt"}, claims)}})
	}
	t.Run("happy-flow: a signed request, and JARM", func(t *testing.T) {
		a := push(key)
		uri, _ := a.JSON(t)["request_uri"].(string)
		a = b.AuthorizeForm(url.Values{"client_id": {"signing"}, "request_uri": {uri}})
		header, response := providertest.Decode(t, a.Parameter("response"))
		if header["alg"] != "PS256" || response["iss"] != f.Issuer || response["aud"] != "signing" || response["exp"] == nil ||
			a.Parameter("code") != "" {
			t.Fatalf("%d %v %v", a.Status, a.Location, response)
		}
		if a := c.Redeem(response["code"].(string)); a.Status != 200 {
			t.Errorf("%d %s", a.Status, a.Body)
		}
	})
	rs256 := key.As("RS256")
	for name, a := range map[string]func() providertest.Answer{
		"ensure-request-object-without-exp-fails": func() providertest.Answer { return push(key, "exp", nil) },
		"ensure-request-object-without-nbf-fails": func() providertest.Answer { return push(key, "nbf", nil) },
		"ensure-expired-request-object-fails": func() providertest.Answer {
			return push(key, "exp", in(-5*time.Minute), "nbf",
				in(-10*time.Minute))
		},
		"ensure-request-object-with-exp-over-60-fails":  func() providertest.Answer { return push(key, "exp", in(70*time.Minute)) },
		"ensure-request-object-with-nbf-over-60-fails":  func() providertest.Answer { return push(key, "nbf", in(-70*time.Minute)) },
		"ensure-request-object-with-bad-aud-fails":      func() providertest.Answer { return push(key, "aud", "https://other.example") },
		"ensure-request-object-without-aud-fails":       func() providertest.Answer { return push(key, "aud", nil) },
		"ensure-request-object-without-iss-fails":       func() providertest.Answer { return push(key, "iss", nil) },
		"ensure-signed-request-object-with-RS256-fails": func() providertest.Answer { return push(rs256) },
		"ensure-request-object-signature-is-checked": func() providertest.Answer {
			return push(providertest.NewRSASigner(t,
				"a stranger", "k1", "PS256"))
		},
		"ensure-request_uri-inside-the-object-fails": func() providertest.Answer { return push(key, "request_uri", "https://x.example/") },
		"ensure-unsigned-request-object-alg-none-fails": func() providertest.Answer {
			return c.Push(url.Values{"client_id": {"signing"}, "request": {b64(`{"alg":"none"}`) + "." + b64(`{"iss":"signing"}`) + "."}})
		},
	} {
		t.Run(name, func(t *testing.T) { a().WantError(t, 400, "invalid_request_object") })
	}
	t.Run("ensure-unsigned-authorization-request-fails", func(t *testing.T) {
		c.Push(providertest.Parameters("client_id", "signing")).WantError(t, 400, "invalid_request")
		if a := b.Authorize("client_id", "signing"); a.Parameter("error") != "invalid_request" {
			t.Errorf("%d %v", a.Status, a.Location)
		}
	})
}
