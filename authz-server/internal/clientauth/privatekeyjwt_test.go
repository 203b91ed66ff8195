package clientauth_test

import (
	"net/url"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/provider/providertest"
)

func TestPrivateKeyJWT(t *testing.T) {
	t.Parallel()
	providertest.Each(t, func(t *testing.T, f *providertest.Fixture) {
		key, thief := providertest.NewSigner(t, "k1"), providertest.NewSigner(t, "k1")
		f.AddClient("signer", func(c *client.Client) {
			c.TokenEndpointAuthMethod, c.JWKS = "private_key_jwt", key.JWKS()
		})
		call := func(more url.Values) providertest.Answer {
			return f.PostForm("/oauth2/token", providertest.Merge(url.Values{"grant_type": {"client_credentials"}, "scope": {"board:read"}}, more))
		}
		good := key.Assertion(f, "signer")
		if a := call(good); a.Status != 200 {
			t.Fatalf("%d %s", a.Status, a.Body)
		}
		for _, aud := range []any{f.Issuer + "/oauth2/token", []string{f.Issuer}} {
			if a := call(key.Assertion(f, "signer", "aud", aud)); a.Status != 200 {
				t.Errorf("aud %v: %d %s", aud, a.Status, a.Body)
			}
		}
		if a := call(key.Assertion(f, "signer", "iat", f.Clock.Now().Add(10*time.Second).Unix(), "nbf",
			f.Clock.Now().Add(10*time.Second).Unix())); a.Status != 200 {
			t.Errorf("a clock 10 s ahead: %d %s", a.Status, a.Body)
		}
		for name, more := range map[string]url.Values{
			"used again":          good,
			"another key":         thief.Assertion(f, "signer"),
			"of another client":   key.Assertion(f, "app"),
			"another iss":         key.Assertion(f, "signer", "iss", "app"),
			"for another server":  key.Assertion(f, "signer", "aud", "https://evil.example"),
			"no aud":              key.Assertion(f, "signer", "aud", nil),
			"expired":             key.Assertion(f, "signer", "exp", f.Clock.Now().Add(-10*time.Second).Unix()),
			"no exp":              key.Assertion(f, "signer", "exp", nil),
			"for ever":            key.Assertion(f, "signer", "exp", f.Clock.Now().Add(24*time.Hour).Unix()),
			"no jti":              key.Assertion(f, "signer", "jti", nil),
			"a minute ahead":      key.Assertion(f, "signer", "iat", f.Clock.Now().Add(61*time.Second).Unix()),
			"another type":        {"client_assertion_type": {"x"}, "client_assertion": key.Assertion(f, "signer")["client_assertion"]},
			"no assertion at all": {"client_id": {"signer"}},
			"a secret":            {"client_id": {"signer"}, "client_secret": {providertest.Secret}},
			"rubbish":             {"client_assertion_type": good["client_assertion_type"], "client_assertion": {"a.b.c"}},
			"another client_id":   providertest.Merge(url.Values{"client_id": {"app"}}, key.Assertion(f, "signer")),
		} {
			a := call(more)
			if a.Status != 401 || a.JSON(t)["error"] != "invalid_client" {
				t.Errorf("%s: %d %s", name, a.Status, a.Body)
			}
		}
		call(providertest.Merge(url.Values{"client_secret": {providertest.Secret}}, key.Assertion(f, "signer"))).WantError(t, 400,
			"invalid_request")
	})
}
