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

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/provider/providertest"
)

func TestARequestObjectSaysWhatCounts(t *testing.T) {
	f := providertest.One(t)
	key, thief := providertest.NewSigner(t, "k1"), providertest.NewSigner(t, "k1")
	f.AddClient("signer", func(c *client.Client) { c.JWKS = key.JWKS() })
	b := f.Browser().LogIn(f.User)
	inside := providertest.Parameters("client_id", "signer", "state", "inside", "nonce", "inside")
	outside := func(object string, more ...string) url.Values {
		form := url.Values{"client_id": {"signer"}, "response_type": {"code"}, "scope": {"openid board:moderate"}, "state": {"outside"}, "nonce": {"outside"},
			"redirect_uri": {providertest.Callback}, "request": {object}}
		for i := 0; i < len(more); i += 2 {
			form.Set(more[i], more[i+1])
		}
		return form
	}
	a := b.AuthorizeForm(outside(key.RequestObject(f, inside, "max_age", 10000)))
	if a.Parameter("code") == "" || a.Parameter("state") != "inside" {
		t.Fatalf("%d %v %s", a.Status, a.Location, a.Body)
	}
	got := f.Tokens(f.Token("signer", providertest.CodeGrant(a.Parameter("code"))))
	if _, id := providertest.Decode(t, got.ID); id["nonce"] != "inside" || strings.Contains(got.Scope, "moderate") {
		t.Errorf("what stood outside counted: %v %s", id, got.Scope)
	}
	// A number stays the number that was written: fosite makes max_age "%!s(int64=0)" of it.
	if a := b.AuthorizeForm(outside(key.RequestObject(f, inside, "max_age", 0))); a.Location == nil || a.Location.Path != "/login" {
		t.Errorf("max_age inside: %v", a.Location)
	}

	accessToken := got.Access
	for name, test := range map[string]struct {
		form url.Values
		want string
	}{
		"another key":              {outside(thief.RequestObject(f, inside)), "invalid_request_object"},
		"none":                     {outside("eyJhbGciOiJub25lIn0." + strings.Split(key.RequestObject(f, inside), ".")[1] + "."), "invalid_request_object"},
		"of another client":        {outside(key.RequestObject(f, inside, "iss", "app")), "invalid_request_object"},
		"for another server":       {outside(key.RequestObject(f, inside, "aud", "https://evil.example")), "invalid_request_object"},
		"expired":                  {outside(key.RequestObject(f, inside, "exp", f.Clock.Now().Add(-time.Hour).Unix())), "invalid_request_object"},
		"not yet":                  {outside(key.RequestObject(f, inside, "nbf", f.Clock.Now().Add(time.Hour).Unix())), "invalid_request_object"},
		"a client assertion":       {outside(key.RequestObject(f, inside, "sub", "signer")), "invalid_request_object"},
		"request inside":           {outside(key.RequestObject(f, inside, "request", "x")), "invalid_request_object"},
		"request_uri inside":       {outside(key.RequestObject(f, inside, "request_uri", "https://x.example/")), "invalid_request_object"},
		"a boolean parameter":      {outside(key.RequestObject(f, inside, "nonce", true)), "invalid_request_object"},
		"our own access token":     {outside(accessToken), "invalid_request_object"},
		"another client_id inside": {outside(key.RequestObject(f, inside, "client_id", "app")), "invalid_request"},
		"rubbish":                  {outside("rubbish"), "invalid_request_object"},
	} {
		t.Run(name, func(t *testing.T) {
			if a := b.AuthorizeForm(test.form); a.Parameter("error") != test.want || a.Parameter("state") != "outside" {
				t.Errorf("%d %v %s", a.Status, a.Location, a.Body)
			}
		})
	}
	t.Run("a redirect URI inside that is not the client's", func(t *testing.T) {
		if a := b.AuthorizeForm(outside(key.RequestObject(f, inside, "redirect_uri", "https://evil.example/"))); a.Location != nil || a.Status != 400 {
			t.Errorf("%d %v", a.Status, a.Location)
		}
	})
	t.Run("without a key the client signs nothing", func(t *testing.T) {
		form := outside(key.RequestObject(f, inside, "iss", "app", "client_id", "app"), "client_id", "app")
		if a := b.AuthorizeForm(form); a.Parameter("error") != "invalid_request_object" {
			t.Errorf("%v", a.Location)
		}
	})
}

func TestARequestObjectByReference(t *testing.T) {
	f := providertest.One(t)
	key := providertest.NewSigner(t, "k1")
	var object string
	keeper := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(object)) }))
	t.Cleanup(keeper.Close)
	f.AddClient("signer", func(c *client.Client) {
		c.JWKS, c.RequestURIs = key.JWKS(), []string{keeper.URL + "/r#hash"}
	})
	object = key.RequestObject(f, providertest.Parameters("client_id", "signer", "state", "inside"))
	b := f.Browser().LogIn(f.User)
	ask := func(uri string) providertest.Answer {
		return b.AuthorizeForm(url.Values{"client_id": {"signer"}, "response_type": {"code"}, "scope": {"openid"}, "redirect_uri": {providertest.Callback}, "request_uri": {uri}})
	}
	if a := ask(keeper.URL + "/r#hash"); a.Parameter("code") == "" || a.Parameter("state") != "inside" {
		t.Errorf("%d %v %s", a.Status, a.Location, a.Body)
	}
	for _, uri := range []string{keeper.URL + "/other", "https://evil.example/r", "http://169.254.169.254/latest/meta-data/", "file:///etc/passwd"} {
		if a := ask(uri); a.Parameter("error") != "invalid_request_uri" {
			t.Errorf("%s: %v", uri, a.Location)
		}
	}
	both := providertest.Parameters("client_id", "signer", "request", object, "request_uri", keeper.URL+"/r")
	if a := b.AuthorizeForm(both); a.Parameter("error") != "invalid_request" {
		t.Errorf("both: %v", a.Location)
	}
}

func TestPrivateKeyJWT(t *testing.T) {
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
		if a := call(key.Assertion(f, "signer", "iat", f.Clock.Now().Add(10*time.Second).Unix(), "nbf", f.Clock.Now().Add(10*time.Second).Unix())); a.Status != 200 {
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
		call(providertest.Merge(url.Values{"client_secret": {providertest.Secret}}, key.Assertion(f, "signer"))).WantError(t, 400, "invalid_request")
	})
}

func TestTheProfileFAPI2(t *testing.T) {
	f := providertest.One(t)
	key := providertest.NewSigner(t, "k1")
	f.AddClient("fapi", func(c *client.Client) {
		c.Profile, c.JWKS, c.TokenEndpointAuthMethod, c.GrantTypes = client.ProfileFAPI2, key.JWKS(), "private_key_jwt", []string{"authorization_code", "refresh_token"}
	})
	b := f.Browser().LogIn(f.User)
	if a := b.Authorize("client_id", "fapi"); a.Parameter("error") != "invalid_request" {
		t.Errorf("without a push: %v", a.Location)
	}
	push := func(changes ...any) providertest.Answer {
		return f.PostForm("/oauth2/par", providertest.Merge(providertest.Parameters("client_id", "fapi"), key.Assertion(f, "fapi", changes...)))
	}
	for name, aud := range map[string]any{"an array": []string{f.Issuer}, "the PAR endpoint": f.Issuer + "/oauth2/par", "the token endpoint": f.Issuer + "/oauth2/token"} {
		if a := push("aud", aud); a.Status != 401 {
			t.Errorf("aud is %s: %d %s", name, a.Status, a.Body)
		}
	}
	code := func() string {
		uri, _ := push().JSON(t)["request_uri"].(string)
		return b.AuthorizeForm(url.Values{"client_id": {"fapi"}, "request_uri": {uri}}).Parameter("code")
	}
	exchange := func(code string, header ...string) providertest.Answer {
		form := providertest.CodeGrant(code)
		return f.PostForm("/oauth2/token", providertest.Merge(form, key.Assertion(f, "fapi")), header...)
	}
	exchange(code()).WantError(t, 400, "invalid_dpop_proof")
	a := exchange(code(), "DPoP", key.Proof(f, "POST", "/oauth2/token"))
	object := a.JSON(t)
	if a.Status != 200 || object["token_type"] != "DPoP" {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	if header, _ := providertest.Decode(t, object["id_token"].(string)); header["alg"] != "PS256" {
		t.Errorf("ID token: %v", header)
	}
	// Refresh tokens are not rotated, and a confidential client may come with a new DPoP key.
	other := providertest.NewSigner(t, "")
	token := object["refresh_token"].(string)
	for range 2 {
		f.Clock.Advance(time.Minute)
		a := f.PostForm("/oauth2/token", providertest.Merge(providertest.RefreshGrant(token), key.Assertion(f, "fapi")), "DPoP", other.Proof(f, "POST", "/oauth2/token"))
		if a.Status != 200 || a.JSON(t)["refresh_token"] != token {
			t.Errorf("%d %s", a.Status, a.Body)
		}
	}
}

func TestAClientGetsTheAlgorithmThatItRegisteredFor(t *testing.T) {
	f := providertest.One(t)
	b := f.Browser().LogIn(f.User)
	for _, alg := range client.Algorithms {
		f.AddClient(alg, func(c *client.Client) {
			c.IDTokenSignedResponseAlg, c.UserinfoSignedResponseAlg, c.AuthorizationSignedResponseAlg = alg, alg, alg
		})
		answer := b.Authorize("client_id", alg, "response_mode", "jwt")
		_, response := providertest.Decode(t, answer.Parameter("response"))
		got := f.Tokens(f.Token(alg, providertest.CodeGrant(response["code"].(string))))
		info := f.Userinfo(got.Access)
		if info.Header.Get("Content-Type") != "application/jwt" {
			t.Errorf("userinfo: %v", info.Header)
		}
		keys := f.Do(f.Request("GET", "/.well-known/jwks.json", nil)).JSON(t)["keys"].([]any)
		for name, token := range map[string]string{"JARM": answer.Parameter("response"), "ID token": got.ID, "userinfo": info.Body} {
			header, _ := providertest.Decode(t, token)
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
		for _, token := range []string{got.Access, got.Refresh} {
			if header, _ := providertest.Decode(t, token); header["alg"] != "RS256" {
				t.Errorf("%v", header)
			}
		}
		if a := b.Authorize("client_id", alg, "prompt", "none", "id_token_hint", got.ID); a.Parameter("code") == "" {
			t.Errorf("%s: the hint is not understood: %v", alg, a.Location)
		}
		if a := b.Authorize("client_id", alg, "prompt", "none", "id_token_hint", info.Body); a.Parameter("error") != "invalid_request" {
			t.Errorf("%s: signed userinfo went through as an ID token: %v", alg, a.Location)
		}
	}
}

// Anybody can send a registered request_uri with a hash of their own. The server does not fetch it anew each time.
func TestMadeUpHashesOfARequestURIAreFetchedOnlySoOften(t *testing.T) {
	f := providertest.One(t)
	key := providertest.NewSigner(t, "k1")
	var object string
	var hits atomic.Int64
	keeper := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		hits.Add(1)
		w.Write([]byte(object))
	}))
	t.Cleanup(keeper.Close)
	f.AddClient("signer", func(c *client.Client) { c.JWKS, c.RequestURIs = key.JWKS(), []string{keeper.URL + "/r"} })
	object = key.RequestObject(f, providertest.Parameters("client_id", "signer"), "exp", f.Clock.Now().Add(time.Hour).Unix())
	b := f.Browser().LogIn(f.User)
	ask := func(fragment string) providertest.Answer {
		return b.AuthorizeForm(url.Values{"client_id": {"signer"}, "response_type": {"code"}, "scope": {"openid"}, "redirect_uri": {providertest.Callback}, "request_uri": {keeper.URL + "/r" + fragment}})
	}
	for range 50 { // the same one
		if a := ask(""); a.Parameter("code") == "" {
			t.Fatalf("%d %v", a.Status, a.Location)
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
