package provider_test

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/client"
)

// Every member of discovery has its form, nothing is there that no specification names, and the key
// set keeps its rules.
func TestConfigOP(t *testing.T) {
	t.Parallel()
	s := newSuite(t)
	a := s.Do(s.Request("GET", "/.well-known/openid-configuration", nil))
	if a.Status != 200 || a.Header.Get("Content-Type") != "application/json" {
		t.Errorf("%d %v", a.Status, a.Header)
	}
	document := a.JSON(t)
	strs := func(values ...string) func(any) bool { // an array of strings that has these
		return func(value any) bool {
			list, ok := value.([]any)
			seen := map[string]bool{}
			for _, one := range list {
				text, isText := one.(string)
				ok = ok && isText && text != "" && !seen[text]
				seen[text] = true
			}
			return ok && !slices.ContainsFunc(values, func(want string) bool { return !seen[want] })
		}
	}
	no := func(none string, and func(any) bool) func(any) bool {
		return func(value any) bool {
			list, _ := value.([]any)
			return and(value) && !slices.Contains(list, any(none))
		}
	}
	algs := no("none", strs(client.Algorithms...))
	address := func(value any) bool {
		text, _ := value.(string)
		u, err := url.Parse(text)
		return err == nil && strings.HasPrefix(text, s.Issuer+"/") && u.Fragment == "" && u.RawQuery == ""
	}
	is := func(want any) func(any) bool { return func(value any) bool { return value == want } }
	known := map[string]func(any) bool{
		"issuer": is(s.Issuer), "authorization_endpoint": address, "token_endpoint": address, "userinfo_endpoint": address, "jwks_uri": address,
		"registration_endpoint": address, "end_session_endpoint": address, "check_session_iframe": address, "revocation_endpoint": address,
		"introspection_endpoint": address, "device_authorization_endpoint": address, "pushed_authorization_request_endpoint": address,
		"scopes_supported": strs("openid", "profile", "email", "address", "phone", "offline_access"),
		"claims_supported": strs("sub", "iss", "auth_time", "name", "given_name", "family_name", "email", "email_verified",
			"address", "phone_number", "updated_at"),
		"response_types_supported": strs("code", "id_token", "id_token token", "code id_token", "code token", "code id_token token"),
		"response_modes_supported": strs("query", "fragment", "form_post", "jwt", "query.jwt", "fragment.jwt", "form_post.jwt"),
		"grant_types_supported": strs("authorization_code", "implicit", "refresh_token", "client_credentials", client.DeviceCode,
			client.TokenExchange),
		"subject_types_supported": strs("public", "pairwise"), "acr_values_supported": strs("1", "2", "phr"),
		"prompt_values_supported":  strs("none", "login", "consent", "select_account", "create"),
		"display_values_supported": strs("page", "popup"), "claim_types_supported": strs("normal"),
		"ui_locales_supported": strs("en", "ko"), "code_challenge_methods_supported": no("plain", strs("S256")),
		"token_endpoint_auth_methods_supported": no("client_secret_jwt",
			strs("client_secret_basic", "client_secret_post", "private_key_jwt", "none")),
		"revocation_endpoint_auth_methods_supported":            strs("private_key_jwt"),
		"introspection_endpoint_auth_methods_supported":         no("none", strs("private_key_jwt")),
		"token_endpoint_auth_signing_alg_values_supported":      algs,
		"revocation_endpoint_auth_signing_alg_values_supported": algs, "introspection_endpoint_auth_signing_alg_values_supported": algs,
		"id_token_signing_alg_values_supported": algs, "userinfo_signing_alg_values_supported": algs,
		"authorization_signing_alg_values_supported":  algs,
		"request_object_signing_alg_values_supported": algs, "dpop_signing_alg_values_supported": algs,
		"introspection_signing_alg_values_supported": algs,
		"claims_parameter_supported":                 is(true), "request_parameter_supported": is(true),
		"request_uri_parameter_supported": is(true), "require_request_uri_registration": is(true),
		"require_pushed_authorization_requests": is(false), "require_signed_request_object": is(false),
		"authorization_response_iss_parameter_supported": is(true),
		"backchannel_logout_supported":                   is(true), "backchannel_logout_session_supported": is(true),
		"status_list_aggregation_endpoint": address,
		"frontchannel_logout_supported":    is(true), "frontchannel_logout_session_supported": is(true),
	}
	for name, good := range known {
		if !good(document[name]) {
			t.Errorf("%s: %v", name, document[name])
		}
	}
	for name := range document {
		if known[name] == nil {
			t.Errorf("%s is announced, and no specification that we follow names it", name)
		}
	}

	keys, _ := s.Do(s.Request("GET", "/.well-known/jwks.json", nil)).JSON(t)["keys"].([]any)
	ids := map[any]bool{}
	for _, one := range keys {
		key := one.(map[string]any)
		for _, name := range strings.Fields("d p q dp dq qi oth k") {
			if key[name] != nil {
				t.Errorf("the key %v has the private part %s", key["kid"], name)
			}
		}
		if kid, _ := key["kid"].(string); kid == "" || ids[kid] || key["use"] != "sig" || key["alg"] == nil {
			t.Errorf("a key has no kid, use or alg of its own: %v", key)
		}
		ids[key["kid"]] = true
	}
	if len(keys) < 4 {
		t.Errorf("keys: %v", keys)
	}
}
