package provider_test

import (
	"net/url"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/provider/providertest"
)

// RFC 6749 §3.1, §3.2: "Parameters sent without a value MUST be treated as if they were omitted", and unknown ones are ignored.
func TestParametersWithoutAValueAreOmittedAndUnknownOnesIgnoredAtEveryEndpoint(t *testing.T) {
	f := providertest.One(t)
	f.AddClient("public", func(c *client.Client) {
		c.TokenEndpointAuthMethod, c.GrantTypes = "none", []string{"authorization_code", client.DeviceCode}
	})
	f.AddClient("device", func(c *client.Client) { c.GrantTypes = append(c.GrantTypes, client.DeviceCode) })
	b := f.Browser().LogIn(f.User)
	// with is a form with parameters that say nothing: empty ones, and unknown ones, repeated.
	with := func(form url.Values, empty ...string) url.Values {
		for _, name := range empty {
			form.Add(name, "")
		}
		form["made_up"] = []string{"1", "2"}
		return form
	}
	back := func(id, path string, form url.Values) providertest.Answer {
		t.Helper()
		return f.PostAs(id, path, form)
	}
	beside := []string{"resource", "max_age", "claims", "prompt", "request", "request_uri", "response_mode", "registration", "dpop_jkt", "id_token_hint", "interaction", "posted"}

	a := b.AuthorizeForm(with(providertest.Parameters(), append(beside, "scope", "state")...)) // empty beside one with a value
	if a.Parameter("code") == "" {
		t.Errorf("authorize: %d %v %s", a.Status, a.Location, a.Body)
	}
	if a := b.Send(f.Request("POST", "/oauth2/authorize", with(providertest.Parameters(), beside...))); a.Parameter("code") == "" {
		t.Errorf("authorize by POST: %d %v %s", a.Status, a.Location, a.Body)
	}
	// Without PKCE, as its client may do.
	if a := b.AuthorizeForm(with(providertest.Parameters("code_challenge", "", "code_challenge_method", ""), "code_challenge", "code_challenge_method")); a.Parameter("code") == "" {
		t.Errorf("authorize, no PKCE: %v", a.Location)
	}
	if a := back("app", "/oauth2/par", with(providertest.Parameters(), append(beside, "client_secret", "client_assertion", "client_assertion_type")...)); a.Status != 201 {
		t.Errorf("par: %d %s", a.Status, a.Body)
	}
	got := f.Tokens(back("app", "/oauth2/token", with(providertest.CodeGrant(a.Parameter("code")),
		"scope", "resource", "client_id", "client_secret", "client_assertion", "client_assertion_type")))
	got = f.Tokens(back("app", "/oauth2/token", with(providertest.RefreshGrant(got.Refresh), "scope", "resource", "audience", "client_id")))
	f.Tokens(back("app", "/oauth2/token", with(url.Values{"grant_type": {"client_credentials"}, "scope": {"user:lookup"}}, "resource", "client_secret")))
	code := b.Code("client_id", "public")
	if a := f.Do(f.Request("POST", "/oauth2/token", with(url.Values{"grant_type": {"authorization_code"}, "client_id": {"public"}, "code": {code},
		"redirect_uri": {providertest.Callback}, "code_verifier": {providertest.Verifier}}, "client_secret", "client_assertion", "client_assertion_type"))); a.Status != 200 {
		t.Errorf("a public client with an empty secret: %d %s", a.Status, a.Body)
	}
	if a := back("device", "/oauth2/device_authorization", with(url.Values{"scope": {"openid"}}, "resource", "client_id", "client_secret")); a.Status != 200 {
		t.Errorf("device_authorization: %d %s", a.Status, a.Body)
	}
	if a := back("app", "/oauth2/introspect", with(url.Values{"token": {got.Access}}, "token_type_hint", "client_secret")); a.Status != 200 || a.JSON(t)["active"] != true {
		t.Errorf("introspect: %d %s", a.Status, a.Body)
	}
	userinfo := f.Do(f.Request("POST", "/oauth2/userinfo", with(url.Values{}, "access_token"), "Authorization", "Bearer "+got.Access))
	if userinfo.Status != 200 {
		t.Errorf("userinfo: %d %s", userinfo.Status, userinfo.Body)
	}
	if a := back("app", "/oauth2/revoke", with(url.Values{"token": {got.Access}}, "token_type_hint", "client_secret")); a.Status != 200 {
		t.Errorf("revoke: %d %s", a.Status, a.Body)
	}
	if a := b.Get("/oauth2/logout?" + with(url.Values{"id_token_hint": {got.ID}}, "client_id", "post_logout_redirect_uri", "logout_hint", "state").Encode()); a.Status != 200 {
		t.Errorf("logout: %d %s", a.Status, a.Body)
	}
}

// Of two readers each could take another one.
func TestAKnownParameterThatComesTwiceIsRefused(t *testing.T) {
	f := providertest.One(t)
	b := f.Browser().LogIn(f.User)
	twice := func(form url.Values, name string) url.Values {
		form[name] = []string{"a", "b"}
		return form
	}
	if a := b.AuthorizeForm(twice(providertest.Parameters(), "nonce")); a.Parameter("error") != "invalid_request" {
		t.Errorf("%v", a.Location)
	}
	for path, form := range map[string]url.Values{
		"/oauth2/token":      twice(url.Values{"grant_type": {"client_credentials"}}, "scope"),
		"/oauth2/par":        twice(providertest.Parameters(), "state"),
		"/oauth2/revoke":     twice(url.Values{}, "token"),
		"/oauth2/introspect": twice(url.Values{}, "token"),
	} {
		r := f.Request("POST", path, form)
		r.SetBasicAuth("app", providertest.Secret)
		if a := f.Do(r); a.Status != 400 || a.JSON(t)["error"] != "invalid_request" {
			t.Errorf("%s: %d %s", path, a.Status, a.Body)
		}
	}
	if a := b.Get("/oauth2/logout?" + twice(url.Values{}, "state").Encode()); a.Status != 400 {
		t.Errorf("logout: %d", a.Status)
	}
}
