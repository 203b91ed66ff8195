package provider_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/provider/providertest"
)

// Everything that discovery announces is there.
func TestDiscoveryAnnouncesWhatWorks(t *testing.T) {
	t.Parallel()
	f := providertest.One(t)
	get := func(path string, header ...string) providertest.Answer {
		return f.Do(f.Request("GET", path, nil, header...))
	}
	openid, oauth2 := get("/.well-known/openid-configuration"), get("/.well-known/oauth-authorization-server")
	if openid.Body != oauth2.Body || openid.Header.Get("Content-Type") != "application/json" ||
		openid.Header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("%v %s", openid.Header, oauth2.Body)
	}
	if again := get("/.well-known/openid-configuration", "If-None-Match", openid.Header.Get("ETag")); again.Status != http.StatusNotModified {
		t.Errorf("with its ETag: %d", again.Status)
	}
	document := openid.JSON(t)
	if document["issuer"] != f.Issuer {
		t.Errorf("issuer: %v", document["issuer"])
	}
	for name, value := range document {
		if address, ok := value.(string); ok && (strings.HasSuffix(name, "_endpoint") || name == "jwks_uri") {
			if a := get(address); a.Status == http.StatusNotFound {
				t.Errorf("%s: nothing is at %s", name, address)
			}
		}
	}
	list := func(name string) (values []string) {
		for _, value := range document[name].([]any) {
			values = append(values, value.(string))
		}
		return values
	}
	b := f.Browser().LogIn(f.User)
	for _, scope := range list("scopes_supported") {
		if a := b.Authorize("scope", scope); a.Parameter("code") == "" {
			t.Errorf("scope %s: %v", scope, a.Location)
		}
	}
	for _, mode := range list("response_modes_supported") {
		if a := b.Authorize("response_mode", mode); a.Parameter("code")+a.Parameter("response") == "" {
			t.Errorf("response_mode %s: %v", mode, a.Location)
		}
	}
	for _, kind := range list("response_types_supported") {
		if a := b.Authorize("response_type", kind); a.Parameter("error") != "" {
			t.Errorf("response_type %s: %v", kind, a.Location)
		}
	}
	for _, prompt := range list("prompt_values_supported") {
		if a := b.Authorize("prompt", prompt); a.Parameter("error") != "" {
			t.Errorf("prompt %s: %v", prompt, a.Location)
		}
	}
	f.AddClient("all", func(c *client.Client) {
		c.GrantTypes, c.TokenExchangeAudiences = list("grant_types_supported"), []string{providertest.APIOrigin + "/user"}
	})
	for _, grant := range list("grant_types_supported") {
		if code := f.Token("all", url.Values{"grant_type": {grant}}).JSON(t)["error"]; code == "unsupported_grant_type" ||
			code == "unauthorized_client" {
			t.Errorf("grant_type %s: %v", grant, code)
		}
	}
	jwks := get("/.well-known/jwks.json")
	if !strings.Contains(jwks.Header.Get("Cache-Control"), "max-age=") || jwks.Header.Get("ETag") == "" ||
		strings.Contains(jwks.Body, `"d"`) || jwks.Header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("JWKS: %v %s", jwks.Header, jwks.Body)
	}
}
