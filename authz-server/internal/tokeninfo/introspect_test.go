package tokeninfo_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/provider/providertest"
)

func TestIntrospectionTellsAClientOnlyOfTokensThatItMayKnow(t *testing.T) {
	t.Parallel()
	f := providertest.One(t)
	f.AddClient("board", func(c *client.Client) { c.Audiences = []string{providertest.APIOrigin + "/board"} })
	f.AddClient("stranger", nil)
	f.AddClient("public", func(c *client.Client) {
		c.TokenEndpointAuthMethod, c.GrantTypes = "none", []string{"authorization_code"}
	})
	b := f.Browser().LogIn(f.User)
	forBoard := f.Tokens(f.Redeem(b.Code("scope", "openid board:read")))
	forUser := f.Tokens(f.Redeem(b.Code("scope", "openid user:read")))
	ask := func(id, token string) providertest.Answer {
		return f.PostAs(id, "/oauth2/introspect", url.Values{"token": {token}})
	}
	for name, test := range map[string]struct {
		caller, token string
		active        bool
	}{
		"its own":                              {"app", forBoard.Access, true},
		"its own refresh token":                {"app", forBoard.Refresh, true},
		"its audience":                         {"board", forBoard.Access, true},
		"another audience":                     {"board", forUser.Access, false},
		"a stranger":                           {"stranger", forBoard.Access, false},
		"another's refresh token":              {"board", forBoard.Refresh, false},
		"an ID token":                          {"app", forBoard.ID, false},
		"rubbish":                              {"app", "rubbish", false},
		"a token that only looks like a token": {"app", "a.b.c", false},
	} {
		t.Run(name, func(t *testing.T) {
			a := ask(test.caller, test.token)
			object := a.JSON(t)
			if a.Status != 200 || object["active"] != test.active || (!test.active && len(object) != 1) {
				t.Errorf("%d %s", a.Status, a.Body)
			}
			if test.active && (object["sub"] != f.User.ID || object["client_id"] != "app" || object["scope"] != "openid board:read" ||
				object["exp"] == nil) {
				t.Errorf("%s", a.Body)
			}
		})
	}
	f.Do(f.Request("POST", "/oauth2/introspect", url.Values{"token": {forBoard.Access}})).WantError(t, 401, "invalid_client")
	f.Do(f.Request("POST", "/oauth2/introspect", url.Values{"token": {forBoard.Access}, "client_id": {"public"}})).WantError(t, 401,
		"invalid_client")
	f.Refresh(forBoard.Refresh)
	if ask("app", forBoard.Refresh).JSON(t)["active"] != false {
		t.Error("a used refresh token is active")
	}
	f.Clock.Advance(11 * time.Minute)
	if ask("app", forBoard.Access).JSON(t)["active"] != false {
		t.Error("an expired token is active")
	}
}

func TestIntrospectionAnswersCanBeSigned(t *testing.T) {
	t.Parallel()
	f := providertest.One(t)
	for id, alg := range map[string]string{"plain": "", "elliptic": "ES256", "edwards": "EdDSA", "pss": "PS256"} {
		f.AddClient(id, func(c *client.Client) {
			c.Audiences, c.IntrospectionSignedResponseAlg = []string{providertest.APIOrigin + "/board"}, alg
		})
	}
	token := f.Tokens(f.Redeem(f.Browser().LogIn(f.User).Code())).Access
	ask := func(id, token, accept string) providertest.Answer {
		return f.PostAs(id, "/oauth2/introspect", url.Values{"token": {token}}, "Accept", accept)
	}
	var set jose.JSONWebKeySet
	jwks := f.Do(f.Request("GET", "/.well-known/jwks.json", nil))
	if err := json.Unmarshal([]byte(jwks.Body), &set); err != nil {
		t.Fatal(err)
	}
	for id, alg := range map[string]jose.SignatureAlgorithm{
		"plain": jose.RS256, "elliptic": jose.ES256, "edwards": jose.EdDSA, "pss": jose.PS256,
	} {
		for _, about := range []string{token, "rubbish"} {
			a := ask(id, about, "application/json;q=0.5, application/token-introspection+jwt")
			if a.Status != 200 || a.Header.Get("Content-Type") != "application/token-introspection+jwt" ||
				a.Header.Get("Cache-Control") != "no-store" {
				t.Fatalf("%d %v %s", a.Status, a.Header, a.Body)
			}
			jws, err := jose.ParseSignedCompact(a.Body, []jose.SignatureAlgorithm{alg})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := jws.Verify(set.Key(jws.Signatures[0].Header.KeyID)[0]); err != nil {
				t.Error(err)
			}
			header, claims := providertest.Decode(t, a.Body)
			inner, _ := claims["token_introspection"].(map[string]any)
			if header["typ"] != "token-introspection+jwt" || claims["iss"] != f.Issuer || claims["aud"] != id || claims["iat"] == nil ||
				claims["sub"] != nil || claims["exp"] != nil || len(claims) != 4 {
				t.Errorf("%v %v", header, claims)
			}
			if active := about == token; inner["active"] != active || (inner["sub"] == f.User.ID) != active || (!active && len(inner) != 1) {
				t.Errorf("%v", inner)
			}
			// It is no token.
			if a := f.Userinfo(a.Body); a.Status != http.StatusUnauthorized {
				t.Errorf("userinfo took it: %d", a.Status)
			}
		}
	}
	for _, accept := range []string{"application/json", "*/*", "application/token-introspection+jwt;q=0",
		"text/application/token-introspection+jwt",
		"application/token-introspection+jwt" + strings.Repeat(", a/b", 250)} {
		if a := ask("elliptic", token, accept); a.Header.Get("Content-Type") != "application/json" || a.JSON(t)["active"] != true {
			t.Errorf("%s: %v", accept, a.Header)
		}
	}
}

func TestWeightsDecideTheFormOfIntrospection(t *testing.T) {
	t.Parallel()
	f := providertest.One(t)
	const signed, plain = "application/token-introspection+jwt", "application/json"
	for accept, want := range map[string]string{
		"": plain, "*/*": plain, plain: plain, "application/*": plain, signed: signed, strings.ToUpper(signed): signed,
		signed + "; q=0.3": signed, signed + ";q=0": plain,
		signed + ", " + plain: signed, plain + ", " + signed: signed, signed + ";q=0.5, " + plain: plain,
		signed + ";q=0.9, " + plain + ";q=0.1": signed,
		signed + ", */*;q=0.1":                 signed, signed + ";q=0.5, */*;q=0.8": plain,
		signed + ";q=0.5, " + plain + ";q=0.1, */*": signed, signed + ";q=x": plain, signed + ";q=7": plain,
		"text/html, " + signed: signed, "nonsense;;, " + signed: signed,
	} {
		a := f.PostForm("/oauth2/introspect", url.Values{"token": {"x"}}, "Accept", accept, "Authorization",
			"Basic "+base64.StdEncoding.EncodeToString([]byte("app:"+providertest.Secret)))
		if got := a.Header.Get("Content-Type"); a.Status != http.StatusOK || got != want {
			t.Errorf("Accept: %s: %d %s, want %s", accept, a.Status, got, want)
		}
	}
}
