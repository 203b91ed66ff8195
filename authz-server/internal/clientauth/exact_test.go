package clientauth_test

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"net/url"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/provider/providertest"
)

// RFC 7519 §4: names are compared to the letter, and each may come once. A verifier in front of
// this one may read another.
func TestNamesInJSONOfStrangersCountToTheLetterAndOnce(t *testing.T) {
	t.Parallel()
	f := providertest.One(t)
	key := providertest.NewSigner(t, "k1")
	f.AddClient("signer", func(c *client.Client) { c.TokenEndpointAuthMethod, c.JWKS = "private_key_jwt", key.JWKS() })
	f.AddClient("objects", func(c *client.Client) { c.JWKS = key.JWKS() })
	b := f.Browser().LogIn(f.User)
	now := f.Clock.Now().Unix()

	assertion := func(claims string) providertest.Answer {
		token := key.SignText(nil, fmt.Sprintf(claims, f.Issuer, now+60, rand.Text()))
		return f.PostForm("/oauth2/token", url.Values{"grant_type": {"client_credentials"}, "scope": {"board:read"},
			"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}, "client_assertion": {token}})
	}
	if a := assertion(`{"iss":"signer","sub":"signer","aud":"%s","exp":%d,"jti":"%s"}`); a.Status != http.StatusOK {
		t.Fatalf("a good assertion: %d %s", a.Status, a.Body)
	}
	for _, claims := range []string{
		`{"iss":"signer","sub":"signer","AUD":"%s","exp":%d,"jti":"%s"}`,
		`{"iss":"signer","sub":"signer","aud":"%s","EXP":%d,"jti":"%s"}`,
		`{"iss":"signer","SUB":"signer","aud":"%s","exp":%d,"jti":"%s"}`,
		`{"iss":"signer","sub":"app","sub":"signer","aud":"%s","exp":%d,"jti":"%s"}`,
		`{"iss":"signer","sub":"signer","aud":"https://other.example","aud":"%s","exp":%d,"jti":"%s"}`,
		`{"iss":"signer","sub":"signer","aud":"%s","exp":%d,"jti":"%s","x":{"y":1,"y":2}}`,
	} {
		assertion(claims).WantError(t, http.StatusUnauthorized, "invalid_client")
	}

	proof := func(claims string) providertest.Answer {
		token := key.SignText(map[jose.HeaderKey]any{"typ": "dpop+jwt", "jwk": key.Key.Public()},
			fmt.Sprintf(claims, f.Issuer+"/oauth2/token", now, rand.Text()))
		return f.PostAs("app", "/oauth2/token", url.Values{"grant_type": {"client_credentials"}, "scope": {"board:read"}}, "DPoP", token)
	}
	if a := proof(`{"htm":"POST","htu":"%s","iat":%d,"jti":"%s"}`); a.Status != http.StatusOK {
		t.Fatalf("a good proof: %d %s", a.Status, a.Body)
	}
	for _, claims := range []string{
		`{"HTM":"POST","htu":"%s","iat":%d,"jti":"%s"}`,
		`{"htm":"POST","Htu":"%s","iat":%d,"jti":"%s"}`,
		`{"htm":"GET","htm":"POST","htu":"%s","iat":%d,"jti":"%s"}`,
	} {
		proof(claims).WantError(t, http.StatusBadRequest, "invalid_dpop_proof")
	}

	object := func(claims string) providertest.Answer {
		inside := `"client_id":"objects","response_type":"code","redirect_uri":"` + providertest.Callback + `","scope":"openid","state":"inside"`
		return b.Authorize("client_id", "objects", "state", "outside", "request", key.SignText(nil, "{"+inside+claims+"}"))
	}
	if a := object(`,"aud":"` + f.Issuer + `"`); a.Parameter("code") == "" {
		t.Fatalf("a good request object: %v %s", a.Location, a.Body)
	}
	for _, claims := range []string{
		`,"aud":"` + f.Issuer + `","aud":"https://other.example"`, `,"state":"twice"`,
		`,"aud":"https://other.example","AUD":"` + f.Issuer + `"`, `,"exp":1,"EXP":99999999999`,
	} {
		if a := object(claims); a.Parameter("error") != "invalid_request_object" {
			t.Errorf("%s: %v", claims, a.Location)
		}
	}

	for _, claims := range []string{`{"id_token":{"sub":null},"id_token":{}}`, `{"id_token":{"sub":{"value":"x","value":"y"}}}`} {
		if a := b.Authorize("claims", claims); a.Parameter("error") != "invalid_request" {
			t.Errorf("claims %s: %v", claims, a.Location)
		}
	}
	// To the letter: nothing is asked of "sub" here.
	if a := b.Authorize("claims", `{"ID_TOKEN":{"sub":{"value":"x"}},"id_token":{"sub":{"Value":"x"}}}`); a.Parameter("code") == "" {
		t.Errorf("claims in other letters: %v", a.Location)
	}
}
