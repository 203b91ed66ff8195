package clientauth_test

import (
	"net/url"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/provider/providertest"
)

func TestTheProfileFAPI2(t *testing.T) {
	t.Parallel()
	f := providertest.One(t)
	key := providertest.NewSigner(t, "k1")
	f.AddClient("fapi", func(c *client.Client) {
		c.Profile, c.JWKS, c.TokenEndpointAuthMethod, c.GrantTypes = client.ProfileFAPI2, key.JWKS(), "private_key_jwt",
			[]string{"authorization_code", "refresh_token"}
	})
	b := f.Browser().LogIn(f.User)
	if a := b.Authorize("client_id", "fapi"); a.Parameter("error") != "invalid_request" {
		t.Errorf("without a push: %v", a.Location)
	}
	push := func(changes ...any) providertest.Answer {
		return f.PostForm("/oauth2/par", providertest.Merge(providertest.Parameters("client_id", "fapi"), key.Assertion(f, "fapi", changes...)))
	}
	for name, aud := range map[string]any{
		"an array": []string{f.Issuer}, "the PAR endpoint": f.Issuer + "/oauth2/par", "the token endpoint": f.Issuer + "/oauth2/token",
	} {
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
		a := f.PostForm("/oauth2/token", providertest.Merge(providertest.RefreshGrant(token), key.Assertion(f, "fapi")), "DPoP",
			other.Proof(f, "POST", "/oauth2/token"))
		if a.Status != 200 || a.JSON(t)["refresh_token"] != token {
			t.Errorf("%d %s", a.Status, a.Body)
		}
		if used, err := f.Store.Consents.LastUses(t.Context(), f.User.ID); err != nil || !used["fapi"].Equal(f.Clock.Now().Truncate(time.Microsecond)) {
			t.Errorf("the grant was used at %v, %v", used["fapi"], err)
		}
	}
}
