package authorize_test

import (
	"net/url"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/provider/providertest"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
)

func TestResourcesNarrowTheAudience(t *testing.T) {
	t.Parallel()
	f := providertest.One(t)
	b := f.Browser().LogIn(f.User)
	aud := func(token string) any { _, claims := providertest.Decode(t, token); return claims["aud"] }
	got := f.Tokens(f.Redeem(b.Code("resource", providertest.APIOrigin+"/board")))
	if aud(got.Access) != providertest.APIOrigin+"/board" {
		t.Errorf("at the authorization endpoint: %v", aud(got.Access))
	}
	wide := f.Tokens(f.Redeem(b.Code(), "resource", providertest.APIOrigin+"/user"))
	if aud(wide.Access) != providertest.APIOrigin+"/user" {
		t.Errorf("at the token endpoint: %v", aud(wide.Access))
	}
	again := f.Tokens(f.Refresh(wide.Refresh, "resource", providertest.APIOrigin+"/board"))
	if aud(again.Access) != providertest.APIOrigin+"/board" {
		t.Errorf("at a refresh: %v", aud(again.Access))
	}
	f.Refresh(got.Refresh, "resource", providertest.APIOrigin+"/user").WantError(t, 400, "invalid_target")
	if a := b.Authorize("resource", "https://evil.example/"); a.Parameter("error") != "invalid_target" {
		t.Errorf("unknown: %v", a.Location)
	}
	f.Token("app", url.Values{
		"grant_type": {"client_credentials"}, "scope": {"board:read"}, "resource": {providertest.APIOrigin + "/user"},
	}).WantError(t, 400, "invalid_target")
}

func TestTheClaimsParameter(t *testing.T) {
	t.Parallel()
	f := providertest.One(t)
	known := accounts.Claims{GivenName: "민지", PhoneNumber: "+82 10 1234 5678", Address: accounts.Address{Country: "KR"}}
	if err := f.Store.Users.SetClaims(t.Context(), f.User.ID, known); err != nil {
		t.Fatal(err)
	}
	b := f.Browser().LogIn(f.User)
	got := f.Tokens(f.Redeem(b.Code("scope", "openid", "claims",
		`{"userinfo":{"name":{"essential":true},"gender":null},"id_token":{"given_name":null,"auth_time":{"essential":true}}}`)))
	_, id := providertest.Decode(t, got.ID)
	info := f.Userinfo(got.Access).JSON(t)
	if id["given_name"] != "민지" || id["name"] != nil || info["name"] != "김민지" || info["given_name"] != nil || len(info) != 2 {
		t.Errorf("ID token %v, userinfo %v", id, info)
	}
	if _, again := providertest.Decode(t, f.Tokens(f.Refresh(got.Refresh)).ID); again["given_name"] != "민지" {
		t.Errorf("after a refresh: %v", again)
	}
	all := f.Userinfo(f.Tokens(f.Redeem(b.Code("scope", "openid profile email address phone"))).Access).JSON(t)
	if all["phone_number_verified"] != false || all["address"].(map[string]any)["country"] != "KR" || all["family_name"] != nil {
		t.Errorf("%v", all)
	}
	for claims, want := range map[string]string{
		`{"id_token":{"sub":{"value":"` + f.User.ID + `"}}}`:         "",
		`{"id_token":{"sub":{"value":"somebody"}}}`:                  "login_required",
		`{"id_token":{"acr":{"essential":true,"values":["9"]}}}`:     "unmet_authentication_requirements",
		`{"id_token":{"acr":{"essential":true,"values":["9","1"]}}}`: "",
		`{"id_token":{"acr":{"values":["9"]}}}`:                      "",
		`{`:                                                          "invalid_request",
	} {
		if a := b.Authorize("claims", claims); a.Parameter("error") != want {
			t.Errorf("%s: %v", claims, a.Location)
		}
	}
}
