package tokens_test

import (
	"net/url"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/provider"
	"github.com/maru-auth/maru/authz-server/internal/provider/providertest"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

// FAPI 2.0 Security Profile §5.4.1 is about what the server signs as well. Ordinary clients keep
// RS256.
func TestAccessTokensAreSignedByTheProfile(t *testing.T) {
	t.Parallel()
	for _, alg := range append([]string{""}, client.ProfileAlgorithms...) {
		f := providertest.NewWith(t, sqldbtest.SQLite(t), func(c *provider.Config) { c.ProfileTokenAlg = alg })
		b := f.Browser().LogIn(f.User)
		key, proofs := providertest.NewSigner(t, "k1"), providertest.NewSigner(t, "")
		c := f.AddFAPIClient("fapi", key, func(c *client.Client) { c.GrantTypes = append(c.GrantTypes, "client_credentials") })
		want := alg
		if alg == "" {
			want = "RS256"
		}
		form := providertest.CodeGrant(c.Authorize(b).Parameter("code"))
		object := f.PostForm("/oauth2/token", providertest.Merge(form, key.Assertion(f, "fapi")), "DPoP",
			proofs.Proof(f, "POST", "/oauth2/token")).JSON(t)
		person := object["access_token"].(string)
		form = providertest.RefreshGrant(object["refresh_token"].(string))
		refreshed := f.PostForm("/oauth2/token", providertest.Merge(form, key.Assertion(f, "fapi")), "DPoP",
			proofs.Proof(f, "POST", "/oauth2/token")).JSON(t)["access_token"].(string)
		own := f.ClientCredentials("fapi", key, proofs.Proof(f, "POST", "/oauth2/token")).JSON(t)["access_token"].(string)
		for name, token := range map[string]string{"a person's": person, "a refreshed one": refreshed, "the client's own": own} {
			if header, _ := providertest.Decode(t, token); header["alg"] != want || header["typ"] != "at+jwt" {
				t.Errorf("%q, %s: %v", alg, name, header)
			}
			about := f.PostForm("/oauth2/introspect", providertest.Merge(url.Values{"token": {token}}, key.Assertion(f, "fapi")))
			if about.JSON(t)["active"] != true {
				t.Errorf("%q, %s: %s", alg, name, about.Body)
			}
		}
		if a := f.UserinfoWithProof(person, proofs.Proof(f, "GET", "/oauth2/userinfo", "ath", providertest.ATH(person))); a.Status != 200 {
			t.Errorf("%q at userinfo: %d %s", alg, a.Status, a.Body)
		}
		f.PostForm("/oauth2/revoke", providertest.Merge(url.Values{"token": {person}}, key.Assertion(f, "fapi")))
		if a := f.UserinfoWithProof(person, proofs.Proof(f, "GET", "/oauth2/userinfo", "ath", providertest.ATH(person))); a.Status != 401 {
			t.Errorf("%q after its revocation: %d", alg, a.Status)
		}
		if header, _ := providertest.Decode(t, f.Tokens(f.Redeem(b.Code())).Access); header["alg"] != "RS256" {
			t.Errorf("%q for an ordinary client: %v", alg, header)
		}
	}
}

func TestAClientGetsTheAlgorithmThatItRegisteredFor(t *testing.T) {
	t.Parallel()
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
