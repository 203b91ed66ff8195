package provider_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/maru-auth/maru/authz-server/internal/client"
)

// object makes a request object of "signer" with the parameters and claims about the object; nil takes one out.
func (s *signer) object(f *fixture, form url.Values, changes ...any) string {
	claims := map[string]any{"iss": "signer", "aud": f.issuer, "exp": f.clock.now().Add(time.Minute).Unix(), "nbf": f.clock.now().Unix()}
	for name := range form {
		claims[name] = form.Get(name)
	}
	for i := 0; i < len(changes); i += 2 {
		claims[changes[i].(string)] = changes[i+1]
		if changes[i+1] == nil {
			delete(claims, changes[i].(string))
		}
	}
	return s.sign(map[jose.HeaderKey]any{"typ": "oauth-authz-req+jwt"}, claims)
}

func TestARequestObjectSaysWhatCounts(t *testing.T) {
	f := one(t)
	key, thief := newSigner(t, "k1"), newSigner(t, "k1")
	f.addClient("signer", func(c *client.Client) { c.JWKS = key.set() })
	b := f.browser().logIn(f.user)
	inside := parameters("client_id", "signer", "state", "inside", "nonce", "inside")
	outside := func(object string, more ...string) url.Values {
		form := url.Values{"client_id": {"signer"}, "response_type": {"code"}, "scope": {"openid board:moderate"}, "state": {"outside"}, "nonce": {"outside"},
			"redirect_uri": {callback}, "request": {object}}
		for i := 0; i < len(more); i += 2 {
			form.Set(more[i], more[i+1])
		}
		return form
	}
	a := b.authorize(outside(key.object(f, inside, "max_age", 10000)))
	if a.parameter("code") == "" || a.parameter("state") != "inside" {
		t.Fatalf("%d %v %s", a.status, a.location, a.body)
	}
	got := f.tokens(f.token("signer", secret, url.Values{"grant_type": {"authorization_code"}, "code": {a.parameter("code")}, "redirect_uri": {callback}, "code_verifier": {verifier}}))
	if _, id := decode(t, got.id); id["nonce"] != "inside" || strings.Contains(got.scope, "moderate") {
		t.Errorf("what stood outside counted: %v %s", id, got.scope)
	}
	// A number stays the number that was written: fosite makes max_age "%!s(int64=0)" of it.
	if a := b.authorize(outside(key.object(f, inside, "max_age", 0))); a.location == nil || a.location.Path != "/login" {
		t.Errorf("max_age inside: %v", a.location)
	}

	accessToken := got.access
	for name, test := range map[string]struct {
		form url.Values
		want string
	}{
		"another key":              {outside(thief.object(f, inside)), "invalid_request_object"},
		"none":                     {outside("eyJhbGciOiJub25lIn0." + strings.Split(key.object(f, inside), ".")[1] + "."), "invalid_request_object"},
		"of another client":        {outside(key.object(f, inside, "iss", "app")), "invalid_request_object"},
		"for another server":       {outside(key.object(f, inside, "aud", "https://evil.example")), "invalid_request_object"},
		"expired":                  {outside(key.object(f, inside, "exp", f.clock.now().Add(-time.Hour).Unix())), "invalid_request_object"},
		"not yet":                  {outside(key.object(f, inside, "nbf", f.clock.now().Add(time.Hour).Unix())), "invalid_request_object"},
		"a client assertion":       {outside(key.object(f, inside, "sub", "signer")), "invalid_request_object"},
		"request inside":           {outside(key.object(f, inside, "request", "x")), "invalid_request_object"},
		"request_uri inside":       {outside(key.object(f, inside, "request_uri", "https://x.example/")), "invalid_request_object"},
		"a boolean parameter":      {outside(key.object(f, inside, "nonce", true)), "invalid_request_object"},
		"our own access token":     {outside(accessToken), "invalid_request_object"},
		"another client_id inside": {outside(key.object(f, inside, "client_id", "app")), "invalid_request"},
		"rubbish":                  {outside("rubbish"), "invalid_request_object"},
	} {
		t.Run(name, func(t *testing.T) {
			if a := b.authorize(test.form); a.parameter("error") != test.want || a.parameter("state") != "outside" {
				t.Errorf("%d %v %s", a.status, a.location, a.body)
			}
		})
	}
	t.Run("a redirect URI inside that is not the client's", func(t *testing.T) {
		if a := b.authorize(outside(key.object(f, inside, "redirect_uri", "https://evil.example/"))); a.location != nil || a.status != 400 {
			t.Errorf("%d %v", a.status, a.location)
		}
	})
	t.Run("without a key the client signs nothing", func(t *testing.T) {
		form := outside(key.object(f, inside, "iss", "app", "client_id", "app"), "client_id", "app")
		if a := b.authorize(form); a.parameter("error") != "invalid_request_object" {
			t.Errorf("%v", a.location)
		}
	})
}

func TestARequestObjectByReference(t *testing.T) {
	f := one(t)
	key := newSigner(t, "k1")
	var object string
	keeper := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(object)) }))
	t.Cleanup(keeper.Close)
	f.addClient("signer", func(c *client.Client) {
		c.JWKS, c.RequestURIs = key.set(), []string{keeper.URL + "/r#hash"}
	})
	object = key.object(f, parameters("client_id", "signer", "state", "inside"))
	b := f.browser().logIn(f.user)
	ask := func(uri string) answer {
		return b.authorize(url.Values{"client_id": {"signer"}, "response_type": {"code"}, "scope": {"openid"}, "redirect_uri": {callback}, "request_uri": {uri}})
	}
	if a := ask(keeper.URL + "/r#hash"); a.parameter("code") == "" || a.parameter("state") != "inside" {
		t.Errorf("%d %v %s", a.status, a.location, a.body)
	}
	for _, uri := range []string{keeper.URL + "/other", "https://evil.example/r", "http://169.254.169.254/latest/meta-data/", "file:///etc/passwd"} {
		if a := ask(uri); a.parameter("error") != "invalid_request_uri" {
			t.Errorf("%s: %v", uri, a.location)
		}
	}
	both := parameters("client_id", "signer", "request", object, "request_uri", keeper.URL+"/r")
	if a := b.authorize(both); a.parameter("error") != "invalid_request" {
		t.Errorf("both: %v", a.location)
	}
}

func TestPrivateKeyJWT(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		key, thief := newSigner(t, "k1"), newSigner(t, "k1")
		f.addClient("signer", func(c *client.Client) {
			c.TokenEndpointAuthMethod, c.JWKS = "private_key_jwt", key.set()
		})
		call := func(more url.Values) answer {
			return f.postForm("/oauth2/token", with(url.Values{"grant_type": {"client_credentials"}, "scope": {"board:read"}}, more))
		}
		good := key.assertion(f, "signer")
		if a := call(good); a.status != 200 {
			t.Fatalf("%d %s", a.status, a.body)
		}
		for _, aud := range []any{f.issuer + "/oauth2/token", []string{f.issuer}} {
			if a := call(key.assertion(f, "signer", "aud", aud)); a.status != 200 {
				t.Errorf("aud %v: %d %s", aud, a.status, a.body)
			}
		}
		if a := call(key.assertion(f, "signer", "iat", f.clock.now().Add(10*time.Second).Unix(), "nbf", f.clock.now().Add(10*time.Second).Unix())); a.status != 200 {
			t.Errorf("a clock 10 s ahead: %d %s", a.status, a.body)
		}
		for name, more := range map[string]url.Values{
			"used again":          good,
			"another key":         thief.assertion(f, "signer"),
			"of another client":   key.assertion(f, "app"),
			"another iss":         key.assertion(f, "signer", "iss", "app"),
			"for another server":  key.assertion(f, "signer", "aud", "https://evil.example"),
			"no aud":              key.assertion(f, "signer", "aud", nil),
			"expired":             key.assertion(f, "signer", "exp", f.clock.now().Add(-10*time.Second).Unix()),
			"no exp":              key.assertion(f, "signer", "exp", nil),
			"for ever":            key.assertion(f, "signer", "exp", f.clock.now().Add(24*time.Hour).Unix()),
			"no jti":              key.assertion(f, "signer", "jti", nil),
			"a minute ahead":      key.assertion(f, "signer", "iat", f.clock.now().Add(61*time.Second).Unix()),
			"another type":        {"client_assertion_type": {"x"}, "client_assertion": key.assertion(f, "signer")["client_assertion"]},
			"no assertion at all": {"client_id": {"signer"}},
			"a secret":            {"client_id": {"signer"}, "client_secret": {secret}},
			"rubbish":             {"client_assertion_type": good["client_assertion_type"], "client_assertion": {"a.b.c"}},
			"another client_id":   with(url.Values{"client_id": {"app"}}, key.assertion(f, "signer")),
		} {
			a := call(more)
			if a.status != 401 || a.json(t)["error"] != "invalid_client" {
				t.Errorf("%s: %d %s", name, a.status, a.body)
			}
		}
		wantError(t, call(with(url.Values{"client_secret": {secret}}, key.assertion(f, "signer"))), 400, "invalid_request")
	})
}

func TestTheProfileFAPI2(t *testing.T) {
	f := one(t)
	key := newSigner(t, "k1")
	f.addClient("fapi", func(c *client.Client) {
		c.Profile, c.JWKS, c.TokenEndpointAuthMethod, c.GrantTypes = client.ProfileFAPI2, key.set(), "private_key_jwt", []string{"authorization_code", "refresh_token"}
	})
	b := f.browser().logIn(f.user)
	if a := b.authorize(parameters("client_id", "fapi")); a.parameter("error") != "invalid_request" {
		t.Errorf("without a push: %v", a.location)
	}
	push := func(changes ...any) answer {
		return f.postForm("/oauth2/par", with(parameters("client_id", "fapi"), key.assertion(f, "fapi", changes...)))
	}
	for name, aud := range map[string]any{"an array": []string{f.issuer}, "the PAR endpoint": f.issuer + "/oauth2/par", "the token endpoint": f.issuer + "/oauth2/token"} {
		if a := push("aud", aud); a.status != 401 {
			t.Errorf("aud is %s: %d %s", name, a.status, a.body)
		}
	}
	code := func() string {
		uri, _ := push().json(t)["request_uri"].(string)
		return b.authorize(url.Values{"client_id": {"fapi"}, "request_uri": {uri}}).parameter("code")
	}
	exchange := func(code string, header ...string) answer {
		form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {callback}, "code_verifier": {verifier}}
		return f.postForm("/oauth2/token", with(form, key.assertion(f, "fapi")), header...)
	}
	wantError(t, exchange(code()), 400, "invalid_dpop_proof")
	a := exchange(code(), "DPoP", key.proof(f, "POST", "/oauth2/token"))
	object := a.json(t)
	if a.status != 200 || object["token_type"] != "DPoP" {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if header, _ := decode(t, object["id_token"].(string)); header["alg"] != "PS256" {
		t.Errorf("ID token: %v", header)
	}
	// Refresh tokens are not rotated, and a confidential client may come with a new DPoP key.
	other := newSigner(t, "")
	token := object["refresh_token"].(string)
	for range 2 {
		f.clock.advance(time.Minute)
		a := f.postForm("/oauth2/token", with(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}, key.assertion(f, "fapi")), "DPoP", other.proof(f, "POST", "/oauth2/token"))
		if a.status != 200 || a.json(t)["refresh_token"] != token {
			t.Errorf("%d %s", a.status, a.body)
		}
	}
}

func TestAClientGetsTheAlgorithmThatItRegisteredFor(t *testing.T) {
	f := one(t)
	b := f.browser().logIn(f.user)
	for _, alg := range client.Algorithms {
		f.addClient(alg, func(c *client.Client) {
			c.IDTokenSignedResponseAlg, c.UserinfoSignedResponseAlg, c.AuthorizationSignedResponseAlg = alg, alg, alg
		})
		answer := b.authorize(parameters("client_id", alg, "response_mode", "jwt"))
		_, response := decode(t, answer.parameter("response"))
		got := f.tokens(f.token(alg, secret, url.Values{"grant_type": {"authorization_code"}, "code": {response["code"].(string)}, "redirect_uri": {callback}, "code_verifier": {verifier}}))
		info := f.userinfo(got.access)
		if info.header.Get("Content-Type") != "application/jwt" {
			t.Errorf("userinfo: %v", info.header)
		}
		keys := f.do(f.server.Client(), f.request("GET", "/.well-known/jwks.json", nil)).json(t)["keys"].([]any)
		for name, token := range map[string]string{"JARM": answer.parameter("response"), "ID token": got.id, "userinfo": info.body} {
			header, _ := decode(t, token)
			if header["alg"] != alg {
				t.Errorf("%s: %v, want %s", name, header, alg)
			}
			known := false
			for _, key := range keys {
				if key := key.(map[string]any); key["kid"] == header["kid"] && key["alg"] == alg {
					known = true
				}
			}
			if !known {
				t.Errorf("%s: the key of %v is not published", name, header)
			}
		}
		// Access and refresh tokens stay RS256.
		for _, token := range []string{got.access, got.refresh} {
			if header, _ := decode(t, token); header["alg"] != "RS256" {
				t.Errorf("%v", header)
			}
		}
		if a := b.authorize(parameters("client_id", alg, "prompt", "none", "id_token_hint", got.id)); a.parameter("code") == "" {
			t.Errorf("%s: the hint is not understood: %v", alg, a.location)
		}
		if a := b.authorize(parameters("client_id", alg, "prompt", "none", "id_token_hint", info.body)); a.parameter("error") != "invalid_request" {
			t.Errorf("%s: signed userinfo went through as an ID token: %v", alg, a.location)
		}
	}
}

// Anybody can send a registered request_uri with a hash of their own. The server does not fetch it anew each time.
func TestMadeUpHashesOfARequestURIAreFetchedOnlySoOften(t *testing.T) {
	f := one(t)
	key := newSigner(t, "k1")
	var object string
	var hits atomic.Int64
	keeper := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		hits.Add(1)
		w.Write([]byte(object))
	}))
	t.Cleanup(keeper.Close)
	f.addClient("signer", func(c *client.Client) { c.JWKS, c.RequestURIs = key.set(), []string{keeper.URL + "/r"} })
	object = key.object(f, parameters("client_id", "signer"), "exp", f.clock.now().Add(time.Hour).Unix())
	b := f.browser().logIn(f.user)
	ask := func(fragment string) answer {
		return b.authorize(url.Values{"client_id": {"signer"}, "response_type": {"code"}, "scope": {"openid"}, "redirect_uri": {callback}, "request_uri": {keeper.URL + "/r" + fragment}})
	}
	for range 50 { // the same one
		if a := ask(""); a.parameter("code") == "" {
			t.Fatalf("%d %v", a.status, a.location)
		}
	}
	if n := hits.Load(); n > 3 { // it is kept for ten seconds
		t.Errorf("%d fetches of one version", n)
	}
	for n := range 100 {
		ask(fmt.Sprintf("#made-up-%d", n))
	}
	if n := hits.Load(); n > 60 { // 30 a minute; the test may begin in one and end in another
		t.Errorf("%d fetches", n)
	}
}
