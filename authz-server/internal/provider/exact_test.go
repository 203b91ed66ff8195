package provider_test

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/registration"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

// signText makes a JWT of claims as they are written.
func (s *signer) signText(header map[jose.HeaderKey]any, claims string) string {
	s.t.Helper()
	made, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(s.key.Algorithm), Key: s.key}, &jose.SignerOptions{ExtraHeaders: header})
	if err != nil {
		s.t.Fatal(err)
	}
	signed, err := made.Sign([]byte(claims))
	if err != nil {
		s.t.Fatal(err)
	}
	token, err := signed.CompactSerialize()
	if err != nil {
		s.t.Fatal(err)
	}
	return token
}

// RFC 7519 §4: names are compared to the letter, and each may come once. A verifier in front of this one may read another.
func TestNamesInJSONOfStrangersCountToTheLetterAndOnce(t *testing.T) {
	f := one(t)
	key := newSigner(t, "k1")
	f.addClient("signer", func(c *client.Client) { c.TokenEndpointAuthMethod, c.JWKS = "private_key_jwt", key.set() })
	f.addClient("objects", func(c *client.Client) { c.JWKS = key.set() })
	b := f.browser().logIn(f.user)
	now := f.clock.now().Unix()

	assertion := func(claims string) answer {
		token := key.signText(nil, fmt.Sprintf(claims, f.issuer, now+60, rand.Text()))
		return f.postForm("/oauth2/token", url.Values{"grant_type": {"client_credentials"}, "scope": {"board:read"},
			"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}, "client_assertion": {token}})
	}
	if a := assertion(`{"iss":"signer","sub":"signer","aud":"%s","exp":%d,"jti":"%s"}`); a.status != http.StatusOK {
		t.Fatalf("a good assertion: %d %s", a.status, a.body)
	}
	for _, claims := range []string{
		`{"iss":"signer","sub":"signer","AUD":"%s","exp":%d,"jti":"%s"}`,
		`{"iss":"signer","sub":"signer","aud":"%s","EXP":%d,"jti":"%s"}`,
		`{"iss":"signer","SUB":"signer","aud":"%s","exp":%d,"jti":"%s"}`,
		`{"iss":"signer","sub":"app","sub":"signer","aud":"%s","exp":%d,"jti":"%s"}`,
		`{"iss":"signer","sub":"signer","aud":"https://other.example","aud":"%s","exp":%d,"jti":"%s"}`,
		`{"iss":"signer","sub":"signer","aud":"%s","exp":%d,"jti":"%s","x":{"y":1,"y":2}}`,
	} {
		wantError(t, assertion(claims), http.StatusUnauthorized, "invalid_client")
	}

	proof := func(claims string) answer {
		token := key.signText(map[jose.HeaderKey]any{"typ": "dpop+jwt", "jwk": key.key.Public()}, fmt.Sprintf(claims, f.issuer+"/oauth2/token", now, rand.Text()))
		r := f.request("POST", "/oauth2/token", url.Values{"grant_type": {"client_credentials"}, "scope": {"board:read"}}, "DPoP", token)
		r.SetBasicAuth("app", secret)
		return f.do(f.server.Client(), r)
	}
	if a := proof(`{"htm":"POST","htu":"%s","iat":%d,"jti":"%s"}`); a.status != http.StatusOK {
		t.Fatalf("a good proof: %d %s", a.status, a.body)
	}
	for _, claims := range []string{
		`{"HTM":"POST","htu":"%s","iat":%d,"jti":"%s"}`,
		`{"htm":"POST","Htu":"%s","iat":%d,"jti":"%s"}`,
		`{"htm":"GET","htm":"POST","htu":"%s","iat":%d,"jti":"%s"}`,
	} {
		wantError(t, proof(claims), http.StatusBadRequest, "invalid_dpop_proof")
	}

	object := func(claims string) answer {
		inside := `"client_id":"objects","response_type":"code","redirect_uri":"` + callback + `","scope":"openid","state":"inside"`
		return b.authorize(parameters("client_id", "objects", "state", "outside", "request", key.signText(nil, "{"+inside+claims+"}")))
	}
	if a := object(`,"aud":"` + f.issuer + `"`); a.parameter("code") == "" {
		t.Fatalf("a good request object: %v %s", a.location, a.body)
	}
	for _, claims := range []string{`,"aud":"` + f.issuer + `","aud":"https://other.example"`, `,"state":"twice"`, `,"aud":"https://other.example","AUD":"` + f.issuer + `"`, `,"exp":1,"EXP":99999999999`} {
		if a := object(claims); a.parameter("error") != "invalid_request_object" {
			t.Errorf("%s: %v", claims, a.location)
		}
	}

	for _, claims := range []string{`{"id_token":{"sub":null},"id_token":{}}`, `{"id_token":{"sub":{"value":"x","value":"y"}}}`} {
		if a := b.authorize(parameters("claims", claims)); a.parameter("error") != "invalid_request" {
			t.Errorf("claims %s: %v", claims, a.location)
		}
	}
	// To the letter: nothing is asked of "sub" here.
	if a := b.authorize(parameters("claims", `{"ID_TOKEN":{"sub":{"value":"x"}},"id_token":{"sub":{"Value":"x"}}}`)); a.parameter("code") == "" {
		t.Errorf("claims in other letters: %v", a.location)
	}
}

func TestNamesInMetadataCountOnce(t *testing.T) {
	r := newRegistrar(t, sqldbtest.SQLite(t), registration.Open)
	r.refused("doubled redirect_uris", r.send("POST", "/oauth2/register", "", `{`+webApp+`,"redirect_uris":["https://other.example/cb"]}`), 400, "invalid_client_metadata", "repeated")
	key, err := newSigner(t, "k1").key.Public().MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	doubled := strings.Replace(string(key), "{", `{"kty":"RSA",`, 1)
	r.refused("a key with two types", r.send("POST", "/oauth2/register", "", `{`+webApp+`,"jwks":{"keys":[`+doubled+`]}}`), 400, "invalid_client_metadata", "repeated")
	r.refused("keys twice", r.send("POST", "/oauth2/register", "", `{`+webApp+`,"jwks":{"keys":[`+string(key)+`],"keys":[]}}`), 400, "invalid_client_metadata", "repeated")
}
