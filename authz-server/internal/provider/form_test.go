package provider_test

import (
	"net/url"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/client"
)

// RFC 6749 §3.1, §3.2: "Parameters sent without a value MUST be treated as if they were omitted", and unknown ones are ignored.
func TestParametersWithoutAValueAreOmittedAndUnknownOnesIgnoredAtEveryEndpoint(t *testing.T) {
	f := one(t)
	f.addClient("public", func(c *client.Client) {
		c.TokenEndpointAuthMethod, c.GrantTypes = "none", []string{"authorization_code", client.DeviceCode}
	})
	f.addClient("device", func(c *client.Client) { c.GrantTypes = append(c.GrantTypes, client.DeviceCode) })
	b := f.browser().logIn(f.user)
	// with is a form with parameters that say nothing: empty ones, and unknown ones, repeated.
	with := func(form url.Values, empty ...string) url.Values {
		for _, name := range empty {
			form.Add(name, "")
		}
		form["made_up"] = []string{"1", "2"}
		return form
	}
	back := func(id, path string, form url.Values) answer {
		t.Helper()
		r := f.request("POST", path, form)
		r.SetBasicAuth(id, secret)
		return f.do(f.server.Client(), r)
	}
	beside := []string{"resource", "max_age", "claims", "prompt", "request", "request_uri", "response_mode", "registration", "dpop_jkt", "id_token_hint", "interaction", "posted"}

	a := b.authorize(with(parameters(), append(beside, "scope", "state")...)) // empty beside one with a value
	if a.parameter("code") == "" {
		t.Errorf("authorize: %d %v %s", a.status, a.location, a.body)
	}
	if a := f.do(b.Client, f.request("POST", "/oauth2/authorize", with(parameters(), beside...))); a.parameter("code") == "" {
		t.Errorf("authorize by POST: %d %v %s", a.status, a.location, a.body)
	}
	// Without PKCE, as its client may do.
	if a := b.authorize(with(parameters("code_challenge", "", "code_challenge_method", ""), "code_challenge", "code_challenge_method")); a.parameter("code") == "" {
		t.Errorf("authorize, no PKCE: %v", a.location)
	}
	if a := back("app", "/oauth2/par", with(parameters(), append(beside, "client_secret", "client_assertion", "client_assertion_type")...)); a.status != 201 {
		t.Errorf("par: %d %s", a.status, a.body)
	}
	got := f.tokens(back("app", "/oauth2/token", with(url.Values{"grant_type": {"authorization_code"}, "code": {a.parameter("code")}, "redirect_uri": {callback}, "code_verifier": {verifier}},
		"scope", "resource", "client_id", "client_secret", "client_assertion", "client_assertion_type")))
	got = f.tokens(back("app", "/oauth2/token", with(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {got.refresh}}, "scope", "resource", "audience", "client_id")))
	f.tokens(back("app", "/oauth2/token", with(url.Values{"grant_type": {"client_credentials"}, "scope": {"user:lookup"}}, "resource", "client_secret")))
	code := b.code("client_id", "public")
	if a := f.do(f.server.Client(), f.request("POST", "/oauth2/token", with(url.Values{"grant_type": {"authorization_code"}, "client_id": {"public"}, "code": {code},
		"redirect_uri": {callback}, "code_verifier": {verifier}}, "client_secret", "client_assertion", "client_assertion_type"))); a.status != 200 {
		t.Errorf("a public client with an empty secret: %d %s", a.status, a.body)
	}
	if a := back("device", "/oauth2/device_authorization", with(url.Values{"scope": {"openid"}}, "resource", "client_id", "client_secret")); a.status != 200 {
		t.Errorf("device_authorization: %d %s", a.status, a.body)
	}
	if a := back("app", "/oauth2/introspect", with(url.Values{"token": {got.access}}, "token_type_hint", "client_secret")); a.status != 200 || a.json(t)["active"] != true {
		t.Errorf("introspect: %d %s", a.status, a.body)
	}
	userinfo := f.do(f.server.Client(), f.request("POST", "/oauth2/userinfo", with(url.Values{}, "access_token"), "Authorization", "Bearer "+got.access))
	if userinfo.status != 200 {
		t.Errorf("userinfo: %d %s", userinfo.status, userinfo.body)
	}
	if a := back("app", "/oauth2/revoke", with(url.Values{"token": {got.access}}, "token_type_hint", "client_secret")); a.status != 200 {
		t.Errorf("revoke: %d %s", a.status, a.body)
	}
	if a := b.get("/oauth2/logout?" + with(url.Values{"id_token_hint": {got.id}}, "client_id", "post_logout_redirect_uri", "logout_hint", "state").Encode()); a.status != 200 {
		t.Errorf("logout: %d %s", a.status, a.body)
	}
}

// Of two readers each could take another one.
func TestAKnownParameterThatComesTwiceIsRefused(t *testing.T) {
	f := one(t)
	b := f.browser().logIn(f.user)
	twice := func(form url.Values, name string) url.Values {
		form[name] = []string{"a", "b"}
		return form
	}
	if a := b.authorize(twice(parameters(), "nonce")); a.parameter("error") != "invalid_request" {
		t.Errorf("%v", a.location)
	}
	for path, form := range map[string]url.Values{
		"/oauth2/token":      twice(url.Values{"grant_type": {"client_credentials"}}, "scope"),
		"/oauth2/par":        twice(parameters(), "state"),
		"/oauth2/revoke":     twice(url.Values{}, "token"),
		"/oauth2/introspect": twice(url.Values{}, "token"),
	} {
		r := f.request("POST", path, form)
		r.SetBasicAuth("app", secret)
		if a := f.do(f.server.Client(), r); a.status != 400 || a.json(t)["error"] != "invalid_request" {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
	if a := b.get("/oauth2/logout?" + twice(url.Values{}, "state").Encode()); a.status != 400 {
		t.Errorf("logout: %d", a.status)
	}
}
