package authorize_test

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
	t.Parallel()
	f := providertest.One(t)
	key, thief := providertest.NewSigner(t, "k1"), providertest.NewSigner(t, "k1")
	f.AddClient("signer", func(c *client.Client) { c.JWKS = key.JWKS() })
	b := f.Browser().LogIn(f.User)
	inside := providertest.Parameters("client_id", "signer", "state", "inside", "nonce", "inside")
	outside := func(object string, more ...string) url.Values {
		form := url.Values{"client_id": {"signer"}, "response_type": {"code"}, "scope": {"openid board:moderate"}, "state": {"outside"},
			"nonce":        {"outside"},
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
		"another key": {outside(thief.RequestObject(f, inside)), "invalid_request_object"},
		"none": {
			outside("eyJhbGciOiJub25lIn0." + strings.Split(key.RequestObject(f, inside), ".")[1] + "."), "invalid_request_object",
		},
		"of another client":  {outside(key.RequestObject(f, inside, "iss", "app")), "invalid_request_object"},
		"for another server": {outside(key.RequestObject(f, inside, "aud", "https://evil.example")), "invalid_request_object"},
		"expired": {
			outside(key.RequestObject(f, inside, "exp", f.Clock.Now().Add(-time.Hour).Unix())), "invalid_request_object",
		},
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
		if a := b.AuthorizeForm(outside(key.RequestObject(f, inside, "redirect_uri", "https://evil.example/"))); a.Location != nil ||
			a.Status != 400 {
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
	t.Parallel()
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
		return b.AuthorizeForm(url.Values{
			"client_id": {"signer"}, "response_type": {"code"}, "scope": {"openid"}, "redirect_uri": {providertest.Callback}, "request_uri": {uri},
		})
	}
	if a := ask(keeper.URL + "/r#hash"); a.Parameter("code") == "" || a.Parameter("state") != "inside" {
		t.Errorf("%d %v %s", a.Status, a.Location, a.Body)
	}
	for _, uri := range []string{
		keeper.URL + "/other", "https://evil.example/r", "http://169.254.169.254/latest/meta-data/", "file:///etc/passwd",
	} {
		if a := ask(uri); a.Parameter("error") != "invalid_request_uri" {
			t.Errorf("%s: %v", uri, a.Location)
		}
	}
	both := providertest.Parameters("client_id", "signer", "request", object, "request_uri", keeper.URL+"/r")
	if a := b.AuthorizeForm(both); a.Parameter("error") != "invalid_request" {
		t.Errorf("both: %v", a.Location)
	}
}

// Anybody can send a registered request_uri with a hash of their own. The server does not fetch it
// anew each time.
func TestMadeUpHashesOfARequestURIAreFetchedOnlySoOften(t *testing.T) {
	t.Parallel()
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
		return b.AuthorizeForm(url.Values{
			"client_id": {"signer"}, "response_type": {"code"}, "scope": {"openid"}, "redirect_uri": {providertest.Callback},
			"request_uri": {keeper.URL + "/r" + fragment},
		})
	}
	for range 50 { // the same one
		if a := ask(""); a.Parameter("code") == "" {
			t.Fatalf("%d %v", a.Status, a.Location)
		}
	}
	if n := hits.Load(); n != 1 { // it is kept for ten seconds
		t.Errorf("%d fetches of one version", n)
	}
	for n := range 100 {
		ask(fmt.Sprintf("#made-up-%d", n))
	}
	if n := hits.Load(); n != 30 { // as many as in a minute
		t.Errorf("%d fetches", n)
	}
}
