package client_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/opaque"
)

var policy = client.Policy{
	Scopes:       client.Scopes(client.Builtin("https://api.example")),
	OwnScopes:    []string{"ssf.read", "ssf.manage"},
	DefaultScope: "openid profile email",
}

func TestWhatAClientMayDoForItselfNobodyIsAskedFor(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		grants []string
		scope  string
		ok     bool
	}{
		{[]string{client.ClientCredentials}, "ssf.manage ssf.read user:lookup", true},
		{[]string{client.ClientCredentials}, "ssf.managed", false},
		{[]string{client.ClientCredentials, client.AuthorizationCode}, "ssf.manage", false},
		{[]string{client.ClientCredentials, client.TokenExchange}, "board:delete-user", false},
		{[]string{client.DeviceCode}, "openid ssf.manage", false},
		{nil, "ssf.manage", false},
	} {
		c := client.Client{ID: "app", GrantTypes: test.grants, Scope: test.scope, RedirectURIs: []string{"https://app.example/cb"}}
		if !c.HasGrantType(client.AuthorizationCode) && test.grants != nil {
			c.RedirectURIs = nil
		}
		err := c.Check(policy)
		var wrong *client.Error
		if test.ok != (err == nil) || err != nil && (!errors.As(err, &wrong) || wrong.Field != "scope") {
			t.Errorf("%q with %q: %v", test.grants, test.scope, err)
		}
	}
}

func TestCheckFillsDefaults(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ in, want string }{
		{ // RFC 7591 §2
			`{"client_id":"web","redirect_uris":["https://app.example/cb"]}`,
			`{"client_id":"web","redirect_uris":["https://app.example/cb"],"grant_types":["authorization_code"],` +
				`"response_types":["code"],"scope":"openid profile email",` +
				`"token_endpoint_auth_method":"client_secret_basic","application_type":"web"}`,
		},
		{ // PKCE is not for a public client to choose
			`{"client_id":"app","token_endpoint_auth_method":"none","require_pkce":false,"scope":"openid",` +
				`"redirect_uris":["com.example.app:/cb"]}`,
			`{"client_id":"app","redirect_uris":["com.example.app:/cb"],"grant_types":["authorization_code"],` +
				`"response_types":["code"],"scope":"openid","token_endpoint_auth_method":"none","application_type":"web",` +
				`"require_pkce":true}`,
		},
		{ // a service gets no scope that it does not name
			`{"client_id":"service","grant_types":["client_credentials"]}`,
			`{"client_id":"service","grant_types":["client_credentials"],` +
				`"token_endpoint_auth_method":"client_secret_basic","application_type":"web"}`,
		},
		{ // FAPI 2.0 Security Profile §5.3
			`{"client_id":"bank","redirect_uris":["https://app.example/cb"],"scope":"openid","profile":"fapi2",` +
				`"jwks": ` + ecSet + `,"dpop_bound_access_tokens":false,"introspection_signed_response_alg":"ES256"}`,
			`{"client_id":"bank","redirect_uris":["https://app.example/cb"],"grant_types":["authorization_code"],` +
				`"response_types":["code"],"scope":"openid","token_endpoint_auth_method":"private_key_jwt",` +
				`"application_type":"web","require_pkce":true,"id_token_signed_response_alg":"PS256",` +
				`"authorization_signed_response_alg":"PS256","introspection_signed_response_alg":"ES256",` +
				`"jwks":` + ecSet + `,"require_pushed_authorization_requests":true,"dpop_bound_access_tokens":true,` +
				`"profile":"fapi2"}`,
		},
		{ // a device shows a code, and is sent nowhere
			`{"client_id":"tv","token_endpoint_auth_method":"none",` +
				`"grant_types":["urn:ietf:params:oauth:grant-type:device_code","refresh_token"]}`,
			`{"client_id":"tv","grant_types":["urn:ietf:params:oauth:grant-type:device_code","refresh_token"],` +
				`"scope":"openid profile email","token_endpoint_auth_method":"none","application_type":"web",` +
				`"require_pkce":true}`,
		},
	} {
		var c client.Client
		if err := json.Unmarshal([]byte(test.in), &c); err != nil {
			t.Fatal(err)
		}
		if err := c.Check(policy); err != nil {
			t.Errorf("%s: %v", test.in, err)
		}
		if got, err := json.Marshal(c); string(got) != test.want || err != nil {
			t.Errorf("got  %s, %v\nwant %s", got, err, test.want)
		}
	}
}

// The public key of RFC 7515 appendix A.3.1.
const (
	ecKey = `{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}`
	ecSet = `{"keys":[` + ecKey + `]}`
)

func TestCheckRefuses(t *testing.T) {
	t.Parallel()
	many := func(n int, one string) string {
		return strings.TrimSuffix(strings.Repeat(one+",", n), ",")
	}
	const (
		web                = `"redirect_uris":["https://app.example/cb"]`
		metadata, redirect = client.InvalidMetadata, client.InvalidRedirectURI
	)
	for _, test := range []struct{ members, code, field, says string }{
		// redirect URIs
		{``, redirect, "redirect_uris", "at least one"},
		{`"redirect_uris":[""]`, redirect, "redirect_uris", "bytes long"},
		{`"redirect_uris":["/cb"]`, redirect, "redirect_uris", "absolute"},
		{`"redirect_uris":["//app.example/cb"]`, redirect, "redirect_uris", "absolute"},
		{`"redirect_uris":["https:/app.example/cb"]`, redirect, "redirect_uris", "absolute"},
		{`"redirect_uris":["https:app.example"]`, redirect, "redirect_uris", "absolute"},
		{`"redirect_uris":["https://"]`, redirect, "redirect_uris", "host"},
		{`"redirect_uris":["https://app.example/cb#"]`, redirect, "redirect_uris", "fragment"},
		{`"redirect_uris":["https://app.example/cb#x"]`, redirect, "redirect_uris", "fragment"},
		{`"redirect_uris":["https://me@app.example/cb"]`, redirect, "redirect_uris", "user name"},
		{`"redirect_uris":["https://*.app.example/cb"]`, redirect, "redirect_uris", "wildcard"},
		{`"redirect_uris":["https://app.example/*"]`, redirect, "redirect_uris", "wildcard"},
		{`"redirect_uris":["https://app.example\\cb"]`, redirect, "redirect_uris", "characters"},
		{`"redirect_uris":["https://app.example/c b"]`, redirect, "redirect_uris", "characters"},
		{`"redirect_uris":["https://app.example/\u0000"]`, redirect, "redirect_uris", "characters"},
		{`"redirect_uris":["https://app.example/\r\nX: y"]`, redirect, "redirect_uris", "characters"},
		{`"redirect_uris":["https://앱.example/cb"]`, redirect, "redirect_uris", "characters"},
		{`"redirect_uris":["https://app.example/%zz"]`, redirect, "redirect_uris", "hexadecimal"},
		{`"redirect_uris":["https://app.example/%2"]`, redirect, "redirect_uris", "hexadecimal"},
		{`"redirect_uris":["https://app.example/a/../b"]`, redirect, "redirect_uris", ".."},
		{`"redirect_uris":["https://app.example/a/%2E%2e/b"]`, redirect, "redirect_uris", ".."},
		{`"redirect_uris":["https://app.example/."]`, redirect, "redirect_uris", ".."},
		{`"redirect_uris":["https://app.example:/cb"]`, redirect, "redirect_uris", "port"},
		{`"redirect_uris":["https://app.example:99999/cb"]`, redirect, "redirect_uris", "port"},
		{`"redirect_uris":["https://app..example/cb"]`, redirect, "redirect_uris", "host"},
		{`"redirect_uris":["https://app.example./cb"]`, redirect, "redirect_uris", "host"},
		{`"redirect_uris":["https://a%2eexample/cb"]`, redirect, "redirect_uris", "host"},
		{`"redirect_uris":["https://[fe80::1%25eth0]/cb"]`, redirect, "redirect_uris", "host"},
		{`"redirect_uris":["http://app.example/cb"]`, redirect, "redirect_uris", "https"},
		{`"redirect_uris":["http://localhost.example/cb"]`, redirect, "redirect_uris", "https"},
		{`"redirect_uris":["http://128.0.0.1/cb"]`, redirect, "redirect_uris", "https"},
		{`"redirect_uris":["http://127.1/cb"]`, redirect, "redirect_uris", "https"},
		{`"redirect_uris":["http://[::2]/cb"]`, redirect, "redirect_uris", "https"},
		{`"redirect_uris":["http://[::ffff:127.0.0.1]/cb"]`, redirect, "redirect_uris", "https"},
		{`"redirect_uris":["javascript:alert(1)"],"token_endpoint_auth_method":"none"`, redirect, "redirect_uris", "scheme"},
		{`"redirect_uris":["JavaScript:alert(1)"],"token_endpoint_auth_method":"none"`, redirect, "redirect_uris", "absolute"},
		{`"redirect_uris":["data:text/html,x"],"token_endpoint_auth_method":"none"`, redirect, "redirect_uris", "scheme"},
		{`"redirect_uris":["file:///etc/passwd"],"token_endpoint_auth_method":"none"`, redirect, "redirect_uris", "scheme"},
		{`"redirect_uris":["myapp:/cb"],"token_endpoint_auth_method":"none"`, redirect, "redirect_uris", "scheme"},
		{`"redirect_uris":["com.example.app:cb"],"token_endpoint_auth_method":"none"`, redirect, "redirect_uris", "slash"},
		{`"redirect_uris":["com.example.app:/cb"]`, redirect, "redirect_uris", "public or native"},
		{`"redirect_uris":["https://app.example/cb","https://app.example/cb"]`, redirect, "redirect_uris", "number 2"},
		{`"redirect_uris":["https://app.example/` + strings.Repeat("a", 2000) + `"]`, redirect, "redirect_uris", "bytes long"},
		{`"redirect_uris":[` + many(51, `"https://app.example/cb"`) + `]`, redirect, "redirect_uris", "at most 50"},
		{web + `,"post_logout_redirect_uris":["http://app.example/bye"]`, redirect, "post_logout_redirect_uris", "https"},
		// grants
		{web + `,"grant_types":["implicit"]`, metadata, "grant_types", "authorization_code, refresh_token, client_credentials"},
		{web + `,"grant_types":["password"]`, metadata, "grant_types", "nothing else"},
		{web + `,"grant_types":["authorization_code","authorization_code"]`, metadata, "grant_types", "twice"},
		{web + `,"grant_types":["refresh_token"]`, metadata, "grant_types", "authorization_code"},
		{
			web + `,"grant_types":["authorization_code","client_credentials"],"token_endpoint_auth_method":"none"`,
			metadata, "grant_types", "keeps no secret",
		},
		{web + `,"response_types":["token"]`, metadata, "response_types", "code"},
		{web + `,"response_types":["code","code"]`, metadata, "response_types", "twice"},
		{`"grant_types":["client_credentials"],"response_types":["code"]`, metadata, "response_types", "authorization_code"},
		{
			web + `,"token_endpoint_auth_method":"client_secret_jwt"`,
			metadata, "token_endpoint_auth_method", "client_secret_basic, client_secret_post, private_key_jwt, none",
		},
		{web + `,"application_type":"desktop"`, metadata, "application_type", "web or native"},
		// scope
		{web + `,"scope":"openid unknown"`, metadata, "scope", "unknown"},
		{web + `,"scope":"openid  profile"`, metadata, "scope", "one space"},
		{web + `,"scope":" openid"`, metadata, "scope", "one space"},
		{web + `,"scope":"openid openid"`, metadata, "scope", "twice"},
		{web + `,"scope":"op\"enid"`, metadata, "scope", "one space"},
		{web + `,"scope":"` + strings.Repeat("a", 2001) + `"`, metadata, "scope", "2000"},
		{web + `,"audiences":["orders"]`, metadata, "audiences", "absolute"},
		{web + `,"audiences":["https://api.example/#x"]`, metadata, "audiences", "fragment"},
		{web + `,"audiences":["https://api.example/user"],"token_endpoint_auth_method":"none"`, metadata, "audiences", "introspect"},
		// the grants of today
		{
			web + `,"grant_types":["urn:ietf:params:oauth:grant-type:device_code","refresh_token"],"response_types":["code"]`,
			metadata, "response_types", "authorization_code",
		},
		{`"grant_types":["urn:ietf:params:oauth:grant-type:token-exchange"]`, metadata, "token_exchange_audiences", "must name"},
		{web + `,"token_exchange_audiences":["https://api.example/board"]`, metadata, "token_exchange_audiences", "grant_types"},
		{
			`"grant_types":["urn:ietf:params:oauth:grant-type:token-exchange"],"token_exchange_audiences":["board"]`,
			metadata, "token_exchange_audiences", "absolute",
		},
		{
			web + `,"grant_types":["authorization_code","urn:ietf:params:oauth:grant-type:token-exchange"],"token_endpoint_auth_method":"none"`,
			metadata, "grant_types", "keeps no secret",
		},
		{web + `,"response_types":["code id_token"]`, metadata, "response_types", "nothing else"},
		// algorithms and keys
		{web + `,"id_token_signed_response_alg":"none"`, metadata, "id_token_signed_response_alg", "RS256, PS256, ES256, EdDSA, Ed25519"},
		{web + `,"id_token_signed_response_alg":"HS256"`, metadata, "id_token_signed_response_alg", "RS256"},
		{web + `,"userinfo_signed_response_alg":"none"`, metadata, "userinfo_signed_response_alg", "RS256"},
		{web + `,"authorization_signed_response_alg":"RS1"`, metadata, "authorization_signed_response_alg", "RS256"},
		{web + `,"introspection_signed_response_alg":"x"`, metadata, "introspection_signed_response_alg", "RS256"},
		{web + `,"request_object_signing_alg":"none"`, metadata, "request_object_signing_alg", "RS256"},
		{web + `,"token_endpoint_auth_signing_alg":"HS256"`, metadata, "token_endpoint_auth_signing_alg", "RS256"},
		{web + `,"token_endpoint_auth_method":"private_key_jwt"`, metadata, "jwks", "jwks_uri"},
		{web + `,"require_signed_request_object":true`, metadata, "jwks", "require_signed_request_object"},
		{web + `,"jwks":` + ecSet + `,"jwks_uri":"https://app.example/jwks"`, metadata, "jwks", "choose one"},
		{web + `,"jwks":[]`, metadata, "jwks", "a JSON object"},
		{web + `,"jwks":{}`, metadata, "jwks", "array keys"},
		{web + `,"jwks":{"keys":[]}`, metadata, "jwks", "must hold a key"},
		{web + `,"jwks":{"keys":[1]}`, metadata, "jwks", "JSON objects"},
		{web + `,"jwks":{"keys":[` + many(21, ecKey) + `]}`, metadata, "jwks", "at most 20"},
		{web + `,"jwks":{"keys":[{"kty":"RSA","e":"AQAB","n":"` + strings.Repeat("A", 60) + `8w"}]}`, metadata, "jwks", "RSA of 2048"},
		{web + `,"jwks":{"keys":[1]}`, metadata, "jwks", "JSON objects"},
		{web + `,"jwks":{"keys":[{"kty":"RSA","n":1,"d":"AAAA"}]}`, metadata, "jwks", "private or symmetric"},
		{web + `,"jwks":{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}`, metadata, "jwks", "private or symmetric"},
		{web + `,"jwks":{"keys":[` + strings.Replace(ecKey, `}`, `,"d":"AAAA"}`, 1) + `]}`, metadata, "jwks", "private or symmetric"},
		{web + `,"jwks":{"keys":[` + strings.Replace(ecKey, `}`, `,"use":"enc"}`, 1) + `]}`, metadata, "jwks", "must hold a key"},
		{web + `,"jwks":{"keys":["` + strings.Repeat("a", 1<<16) + `"]}`, metadata, "jwks", "64 KiB"},
		{web + `,"jwks_uri":"http://app.example/jwks"`, metadata, "jwks_uri", "https"},
		{web + `,"jwks_uri":"http://127.0.0.1/jwks"`, metadata, "jwks_uri", "https"},
		{web + `,"jwks_uri":"file:///etc/passwd"`, metadata, "jwks_uri", "https"},
		{web + `,"jwks_uri":"https://me:pw@app.example/jwks"`, metadata, "jwks_uri", "user name"},
		{web + `,"jwks_uri":"https://app.example/jwks#x"`, metadata, "jwks_uri", "fragment"},
		// requests and subjects
		{web + `,"request_uris":["http://app.example/r"]`, metadata, "request_uris", "https"},
		{web + `,"request_uris":["https://app.example/r#a#b"]`, metadata, "request_uris", "one fragment"},
		{web + `,"request_uris":["https://app.example/r#\n"]`, metadata, "request_uris", "fragment"},
		{web + `,"request_uris":["https://app.example/r","https://app.example/r"]`, metadata, "request_uris", "number 2"},
		{web + `,"request_uris":[` + many(51, `"https://app.example/r"`) + `]`, metadata, "request_uris", "at most 50"},
		{web + `,"default_max_age":-1`, metadata, "default_max_age", "seconds"},
		{web + `,"default_max_age":1.5`, metadata, "default_max_age", "whole number"},
		{web + `,"default_max_age":"60"`, metadata, "default_max_age", "whole number"},
		{web + `,"default_max_age":1e18`, metadata, "default_max_age", "whole number"},
		{web + `,"default_max_age":1000000000000`, metadata, "default_max_age", "seconds"},
		{web + `,"initiate_login_uri":"http://app.example/login"`, metadata, "initiate_login_uri", "https"},
		{web + `,"initiate_login_uri":"http://localhost/login"`, metadata, "initiate_login_uri", "https"},
		{web + `,"subject_type":"private"`, metadata, "subject_type", "public or pairwise"},
		{
			`"redirect_uris":["https://a.example/cb","https://b.example/cb"],"subject_type":"pairwise"`,
			metadata, "sector_identifier_uri", "pairwise",
		},
		{
			`"redirect_uris":["com.example.app:/cb"],"application_type":"native","subject_type":"pairwise"`,
			metadata, "sector_identifier_uri", "pairwise",
		},
		{
			`"redirect_uris":["https://a.example/cb","com.example.app:/cb"],"application_type":"native","subject_type":"pairwise"`,
			metadata, "sector_identifier_uri", "pairwise",
		},
		{web + `,"sector_identifier_uri":"http://app.example/s"`, metadata, "sector_identifier_uri", "https"},
		// log-out
		{web + `,"backchannel_logout_uri":"http://app.example/out"`, metadata, "backchannel_logout_uri", "https"},
		{web + `,"backchannel_logout_uri":"https://app.example/out#"`, metadata, "backchannel_logout_uri", "fragment"},
		{web + `,"frontchannel_logout_uri":"javascript:alert(1)"`, metadata, "frontchannel_logout_uri", "https"},
		{web + `,"frontchannel_logout_uri":"https://app.example/out#x"`, metadata, "frontchannel_logout_uri", "fragment"},
		{web + `,"frontchannel_logout_uri":"https://other.example/out"`, metadata, "frontchannel_logout_uri", "redirect_uris"},
		{web + `,"frontchannel_logout_uri":"https://app.example:8443/out"`, metadata, "frontchannel_logout_uri", "redirect_uris"},
		// the profile
		{web + `,"profile":"fapi1"`, metadata, "profile", "fapi2"},
		{web + `,"profile":"fapi2"`, metadata, "jwks", "private_key_jwt"},
		{
			web + `,"profile":"fapi2","token_endpoint_auth_method":"client_secret_basic"`,
			metadata, "token_endpoint_auth_method", "private_key_jwt",
		},
		{web + `,"profile":"fapi2","token_endpoint_auth_method":"none"`, metadata, "token_endpoint_auth_method", "private_key_jwt"},
		{
			web + `,"profile":"fapi2","jwks":` + ecSet + `,"id_token_signed_response_alg":"RS256"`,
			metadata, "id_token_signed_response_alg", "must be one of PS256, ES256, EdDSA",
		},
		{
			web + `,"profile":"fapi2","jwks":` + ecSet + `,"token_endpoint_auth_signing_alg":"RS256"`,
			metadata, "token_endpoint_auth_signing_alg", "must be one of PS256",
		},
		{
			web + `,"profile":"fapi2","jwks":` + ecSet + `,"request_object_signing_alg":"RS256"`,
			metadata, "request_object_signing_alg", "must be one of PS256",
		},
		{
			web + `,"profile":"fapi2","jwks":` + ecSet + `,"grant_types":["authorization_code","urn:ietf:params:oauth:grant-type:device_code"]`,
			metadata, "grant_types", "fapi2",
		},
		{`"redirect_uris":["http://127.0.0.1/cb"],"profile":"fapi2","jwks":` + ecSet, redirect, "redirect_uris", "https"},
		// what people see
		{web + `,"client_name":" Demo"`, metadata, "client_name", "printable"},
		{web + `,"client_name":"a\u202eb"`, metadata, "client_name", "printable"},
		{web + `,"client_name":"a\u200bb"`, metadata, "client_name", "printable"},
		{web + `,"client_name":"a\nb"`, metadata, "client_name", "printable"},
		{web + `,"client_name":"` + strings.Repeat("가", 101) + `"`, metadata, "client_name", "100"},
		{web + `,"client_name#ko":"a\u0007"`, metadata, "client_name#ko", "printable"},
		{web + `,"client_name#k!":"a"`, metadata, "client_name", "BCP 47"},
		{web + `,"client_name#":"a"`, metadata, "client_name", "BCP 47"},
		{web + `,"logo_uri":"javascript:alert(1)"`, metadata, "logo_uri", "absolute"},
		{web + `,"logo_uri":"http://app.example/logo.png"`, metadata, "logo_uri", "https"},
		{web + `,"policy_uri":"data:text/html,x"`, metadata, "policy_uri", "absolute"},
		{web + `,"tos_uri":"https://a b/"`, metadata, "tos_uri", "characters"},
		{web + `,"client_uri#ko":"ftp://app.example/"`, metadata, "client_uri#ko", "absolute"},
		{web + `,"contacts":["a\u202eb"]`, metadata, "contacts", "printable"},
		{web + `,"contacts":["` + strings.Repeat("a", 256) + `"]`, metadata, "contacts", "255"},
		{web + `,"contacts":[` + many(11, `"me@app.example"`) + `]`, metadata, "contacts", "at most 10"},
		{web + `,"software_id":"` + strings.Repeat("a", 256) + `"`, metadata, "software_id", "255"},
		// form
		{web + `,"scope":["openid"]`, metadata, "scope", "a string"},
		{web + `,"grant_types":"authorization_code"`, metadata, "grant_types", "array"},
		{web + `,"trusted":"yes"`, metadata, "trusted", "true or false"},
		{web + `,"client_name#ko":1`, metadata, "client_name#ko", "a string"},
	} {
		text := `{"client_id":"c"`
		if test.members != "" {
			text += "," + test.members
		}
		c, _, err := client.Decode([]byte(text + "}"))
		if err == nil {
			err = c.Check(policy)
		}
		var wrong *client.Error
		if !errors.As(err, &wrong) || wrong.Code != test.code || wrong.Field != test.field || !strings.Contains(wrong.Description, test.says) {
			t.Errorf("%.120s: %v", text, err)
		}
	}
}

func TestCheckTakesEveryMember(t *testing.T) {
	t.Parallel()
	const text = `{"client_id":"rich","client_name":"Rich","redirect_uris":["https://app.example/cb"],` +
		`"grant_types":["authorization_code","refresh_token","urn:ietf:params:oauth:grant-type:token-exchange"],` +
		`"response_types":["code"],"scope":"openid","token_endpoint_auth_method":"private_key_jwt",` +
		`"application_type":"web","id_token_signed_response_alg":"EdDSA","userinfo_signed_response_alg":"RS256",` +
		`"authorization_signed_response_alg":"ES256","introspection_signed_response_alg":"PS256",` +
		`"token_endpoint_auth_signing_alg":"ES256","request_object_signing_alg":"RS256",` +
		`"jwks_uri":"https://app.example:8443/jwks?v=1",` +
		`"request_uris":["https://app.example/r#GkurKxf5T0Y-mnPFCHqWOMiZi4VS138cQO_V7PZHAdM"],` +
		`"subject_type":"pairwise","sector_identifier_uri":"https://Sector.example:444/uris.json",` +
		`"default_max_age":0,"require_auth_time":true,"initiate_login_uri":"https://app.example/login",` +
		`"backchannel_logout_uri":"https://back.example/out?a=b","backchannel_logout_session_required":true,` +
		`"frontchannel_logout_uri":"https://app.example:443/out?x=1","frontchannel_logout_session_required":true,` +
		`"require_pushed_authorization_requests":true,"require_signed_request_object":true,` +
		`"dpop_bound_access_tokens":true,"token_exchange_audiences":["https://api.example/board"]}`
	c, unknown, err := client.Decode([]byte(text))
	if err != nil || len(unknown) > 0 {
		t.Fatal(unknown, err)
	}
	if err := c.Check(policy); err != nil {
		t.Fatal(err)
	}
	if got, err := json.Marshal(c); string(got) != text || err != nil {
		t.Errorf("got  %s, %v\nwant %s", got, err, text)
	}
	if c.DefaultMaxAge == nil || *c.DefaultMaxAge != 0 {
		t.Error("default_max_age 0 is not the same as none")
	}
	if c.Sector() != "sector.example" {
		t.Error(c.Sector())
	}
}

func TestLegacyResponseTypesAreBehindTheirSwitch(t *testing.T) {
	const web = `"redirect_uris":["https://app.example/cb"]`
	t.Parallel()
	legacy := policy
	legacy.LegacyResponseTypes = true
	for members, says := range map[string]string{
		web + `,"grant_types":["implicit"],"response_types":["id_token","token id_token"]`:                       "",
		web + `,"grant_types":["authorization_code","implicit"],"response_types":["code","code token id_token"]`: "",
		web + `,"grant_types":["implicit"]`:                                                                 "response_types",
		web + `,"grant_types":["implicit"],"response_types":["code id_token"]`:                              "response_types",
		web + `,"response_types":["code id_token"]`:                                                         "response_types",
		web + `,"grant_types":["implicit"],"response_types":["token"]`:                                      "response_types",
		web + `,"grant_types":["implicit"],"response_types":["id_token token","token id_token"]`:            "twice",
		web + `,"grant_types":["implicit"],"response_types":["id_token  token"]`:                            "response_types",
		`"redirect_uris":["http://127.0.0.1/cb"],"grant_types":["implicit"],"response_types":["id_token"]`:  "https",
		web + `,"grant_types":["implicit"],"response_types":["id_token"],"profile":"fapi2","jwks":` + ecSet: "fapi2",
		`"grant_types":["implicit"],"response_types":["id_token"]`:                                          "at least one",
	} {
		c, _, err := client.Decode([]byte(`{"client_id":"c",` + members + `}`))
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Check(legacy); (says == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", members, err)
		}
		if c.HasGrantType(client.Implicit) && c.Check(policy) == nil {
			t.Errorf("%s: taken without the switch", members)
		}
	}
}

func TestInsecureLoopbackIsForLoopbackAlone(t *testing.T) {
	t.Parallel()
	development := policy
	development.InsecureLoopback = true
	for uri, want := range map[string]bool{
		"http://127.0.0.1:9400/x": true, "http://localhost/x": true, "http://[::1]:1/x": true, "https://app.example/x": true,
		"http://app.example/x": false, "http://10.0.0.1/x": false, "http://localhost.example/x": false, "http://0.0.0.0/x": false,
	} {
		c := client.Client{
			ID: "c", RedirectURIs: []string{"https://app.example/cb"}, JWKSURI: uri, BackchannelLogoutURI: uri, RequestURIs: []string{uri},
		}
		if err := c.Check(development); (err == nil) != want {
			t.Errorf("%s: %v", uri, err)
		}
		if err := c.Check(policy); (err == nil) != (want && strings.HasPrefix(uri, "https:")) {
			t.Errorf("%s without the switch: %v", uri, err)
		}
	}
}

func TestKeysOfOtherKindsArePassedOver(t *testing.T) {
	t.Parallel()
	for name, other := range map[string]string{
		"an unknown type":          `{"kty":"PQ","pub":"x"}`,
		"ML-DSA":                   `{"kty":"AKP","alg":"ML-DSA-44","pub":"AAAA"}`,
		"no type":                  `{"kid":"x"}`,
		"a type that is no string": `{"kty":7}`,
		"a curve of no use":        `{"kty":"EC","crv":"P-521","x":"AA","y":"AA"}`,
		"an unknown curve":         strings.Replace(ecKey, "P-256", "secp256k1", 1),
		"an unknown curve of OKP":  `{"kty":"OKP","crv":"Ed448","x":"AAAA"}`,
		"a key for agreement":      `{"kty":"OKP","crv":"X25519","x":"hSDwCYkwp1R0i33ctD73Wg2_Og0mOBr066SpjqqbTmo"}`,
		"an unknown algorithm":     strings.Replace(ecKey, "{", `{"alg":"ES256X",`, 1),
		"another type's algorithm": strings.Replace(ecKey, "{", `{"alg":"RS256",`, 1),
		"for encryption":           strings.Replace(ecKey, "{", `{"use":"enc",`, 1),
		"a point that is off curve": strings.Replace(ecKey,
			`"y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"`, `"y":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"`, 1),
	} {
		for _, set := range []string{other + "," + ecKey, ecKey + "," + other} {
			keys, err := client.ParseKeys([]byte(`{"keys":[` + set + `]}`))
			if err != nil || len(keys) != 1 || !keys[0].Fits("ES256") {
				t.Errorf("%s: %d keys, %v", name, len(keys), err)
			}
			c := client.Client{
				ID: "c", RedirectURIs: []string{"https://app.example/cb"}, TokenEndpointAuthMethod: client.AuthPrivateKeyJWT,
				JWKS: json.RawMessage(`{"keys":[` + set + `]}`),
			}
			if err := c.Check(policy); err != nil {
				t.Errorf("a client's set with %s: %v", name, err)
			}
		}
	}
}

// One list of algorithms: for each, a client can be registered that is served by it and that signs
// by it.
func TestEachAlgorithmCanBeRegisteredForEverything(t *testing.T) {
	t.Parallel()
	for _, alg := range client.Algorithms {
		for _, profile := range []string{"", "fapi2"} {
			for _, field := range []string{"id_token_signed_response_alg", "userinfo_signed_response_alg", "authorization_signed_response_alg",
				"introspection_signed_response_alg", "token_endpoint_auth_signing_alg", "request_object_signing_alg"} {
				var c client.Client
				text := `{"client_id":"c","redirect_uris":["https://app.example/cb"],"token_endpoint_auth_method":"private_key_jwt","jwks":` + ecSet +
					`,"profile":"` + profile + `","` + field + `":"` + alg + `"}`
				if err := json.Unmarshal([]byte(text), &c); err != nil {
					t.Fatal(err)
				}
				if err := c.Check(policy); (err == nil) != (profile == "" || alg != "RS256") {
					t.Errorf("%s %q for the profile %q: %v", field, alg, profile, err)
				}
			}
		}
	}
}

func TestSectorIsTheOneHostOfAllRedirectURIs(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		uris []string
		want string
	}{
		{[]string{"https://app.example/a", "https://APP.example:8443/b"}, "app.example"},
		{[]string{"https://app.example?x"}, "app.example"},
		{[]string{"http://[::1]:80/a"}, "[::1]"},
		{[]string{"https://app.example/a", "https://other.example/a"}, ""},
		{[]string{"https://app.example/a", "com.example.app:/cb"}, ""},
		{[]string{"com.example.app:/cb", "https://app.example/a"}, ""},
		{nil, ""},
	} {
		if got := (&client.Client{RedirectURIs: test.uris}).Sector(); got != test.want {
			t.Errorf("%v: %q", test.uris, got)
		}
	}
}

func TestAClientOfADocument(t *testing.T) {
	t.Parallel()
	fetched := policy
	fetched.Documents = true
	for id, want := range map[string]bool{
		"https://app.example/client.json": true, "https://app.example:8443/client?v=1": true, "https://127.0.0.1/a": true,
		"https://app.example": false, "https://app.example/": false, "https://app.example?x": false, "https://app.example/?x": false,
		"https://app.example/a#b": false, "https://app.example/a#": false, "https://me@app.example/a": false,
		"https://app.example/a/../b": false, "https://app.example/a/%2e%2E": false, "https://app.example/./b": false,
		"https://APP.example/a": false, "https:///a": false, "https://app.example\\@evil.example/a": false, "https://앱.example/a": false,
		"http://app.example/a": false, "HTTPS://app.example/a": false, "https://app.example/" + strings.Repeat("a", 300): false,
	} {
		c := client.Client{ID: id, RedirectURIs: []string{"https://app.example/cb"}, TokenEndpointAuthMethod: client.AuthNone}
		if err := c.Check(fetched); (err == nil) != want {
			t.Errorf("%s: %v", id, err)
		}
		if c.Check(policy) == nil {
			t.Errorf("%s is taken from who did not fetch it", id)
		}
	}
	c := client.Client{ID: "https://app.example:8443/client", RedirectURIs: []string{"https://app.example/cb"}}
	if err := c.Check(fetched); err == nil || !strings.Contains(err.Error(), "private_key_jwt") {
		t.Errorf("with a secret: %v", err)
	}
	if !c.Document() || c.Host() != "app.example:8443" {
		t.Error(c.Host())
	}
	if c = (client.Client{ID: "demo"}); c.Document() || c.Host() != "" {
		t.Error(c.Host())
	}
}

func TestClientIDIsHeldToSafeCharacters(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]bool{
		"demo": true, "A1._~-": true, "6f9d": true,
		"": false, "-demo": false, "a b": false, "a:b": false, "a/b": false, "데모": false, "a\n": false, "a%20": false,
		strings.Repeat("a", 256): false,
	} {
		c := client.Client{ID: id, GrantTypes: []string{client.ClientCredentials}}
		if err := c.Check(policy); (err == nil) != want {
			t.Errorf("%q: %v", id, err)
		}
	}
}

func TestGeneratedIdentifiersAndSecretsFitTheirRules(t *testing.T) {
	t.Parallel()
	c := client.Client{ID: client.NewID(), GrantTypes: []string{client.ClientCredentials}}
	if err := c.Check(policy); err != nil {
		t.Error(err)
	}
	if a, b := opaque.New(), opaque.New(); len(a) != 43 || a == b { // 256 bits
		t.Error(a, b)
	}
	if a, b := client.NewID(), client.NewID(); a == b {
		t.Error(a)
	}
}

// Whatever comes in as JSON is refused, or is the same after being written and read.
func FuzzCheckFromJSON(f *testing.F) {
	f.Add([]byte(`{"client_id":"a","redirect_uris":["https://app.example/cb"],"client_name":"Demo","client_name#ko":"데모",
		"contacts":["a@b.example"],"trusted":true}`))
	f.Add([]byte(`{"client_id":"a","grant_types":["client_credentials"],"scope":"board:read","audiences":["https://api.example/x"]}`))
	f.Add([]byte(`{"client_id":"a","token_endpoint_auth_method":"none","redirect_uris":["com.example.app:/cb"],
		"logo_uri":"http://[::1]:80/#x"}`))
	f.Add([]byte(`{"client_id":"a","redirect_uris":["https://app.example/cb"],"profile":"fapi2","jwks":` + ecSet +
		`,"default_max_age":10,"request_uris":["https://a.example/#<"]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, _, err := client.Decode(data)
		if err == nil {
			err = c.Check(policy)
		}
		if err != nil {
			wrong := (*client.Error)(nil)
			if !errors.As(err, &wrong) || wrong.Code == "" || wrong.Description == "" || strings.ContainsAny(err.Error(), "\r\n") {
				t.Fatalf("%q: %#v", data, err)
			}
			return
		}
		text, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		again, unknown, err := client.Decode(text)
		if err != nil || len(unknown) > 0 {
			t.Fatalf("%s: %v, %v", text, unknown, err)
		}
		if err := again.Check(policy); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if rewritten, err := json.Marshal(again); string(rewritten) != string(text) || err != nil {
			t.Fatalf("%s became %s: %v", text, rewritten, err)
		}
	})
}
