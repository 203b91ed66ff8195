package client_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/client"
)

var policy = client.Policy{
	Scopes:       client.Scopes(client.Builtin("https://api.example")),
	DefaultScope: "openid profile email",
}

func TestCheckFillsDefaults(t *testing.T) {
	for _, test := range []struct{ in, want string }{
		{ // RFC 7591 §2
			`{"client_id":"web","redirect_uris":["https://app.example/cb"]}`,
			`{"client_id":"web","redirect_uris":["https://app.example/cb"],"grant_types":["authorization_code"],"response_types":["code"],"scope":"openid profile email","token_endpoint_auth_method":"client_secret_basic","application_type":"web"}`,
		},
		{ // PKCE is not for a public client to choose
			`{"client_id":"app","token_endpoint_auth_method":"none","require_pkce":false,"scope":"openid","redirect_uris":["com.example.app:/cb"]}`,
			`{"client_id":"app","redirect_uris":["com.example.app:/cb"],"grant_types":["authorization_code"],"response_types":["code"],"scope":"openid","token_endpoint_auth_method":"none","application_type":"web","require_pkce":true}`,
		},
		{ // a service gets no scope that it does not name
			`{"client_id":"service","grant_types":["client_credentials"]}`,
			`{"client_id":"service","grant_types":["client_credentials"],"token_endpoint_auth_method":"client_secret_basic","application_type":"web"}`,
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

func TestCheckRefuses(t *testing.T) {
	many := func(n int, one string) string {
		return strings.TrimSuffix(strings.Repeat(one+",", n), ",")
	}
	const web = `"redirect_uris":["https://app.example/cb"]`
	for _, test := range []struct{ members, code, field, says string }{
		// redirect URIs
		{``, "invalid_redirect_uri", "redirect_uris", "at least one"},
		{`"redirect_uris":[""]`, "invalid_redirect_uri", "redirect_uris", "bytes long"},
		{`"redirect_uris":["/cb"]`, "invalid_redirect_uri", "redirect_uris", "absolute"},
		{`"redirect_uris":["//app.example/cb"]`, "invalid_redirect_uri", "redirect_uris", "absolute"},
		{`"redirect_uris":["https:/app.example/cb"]`, "invalid_redirect_uri", "redirect_uris", "absolute"},
		{`"redirect_uris":["https:app.example"]`, "invalid_redirect_uri", "redirect_uris", "absolute"},
		{`"redirect_uris":["https://"]`, "invalid_redirect_uri", "redirect_uris", "host"},
		{`"redirect_uris":["https://app.example/cb#"]`, "invalid_redirect_uri", "redirect_uris", "fragment"},
		{`"redirect_uris":["https://app.example/cb#x"]`, "invalid_redirect_uri", "redirect_uris", "fragment"},
		{`"redirect_uris":["https://me@app.example/cb"]`, "invalid_redirect_uri", "redirect_uris", "user name"},
		{`"redirect_uris":["https://*.app.example/cb"]`, "invalid_redirect_uri", "redirect_uris", "wildcard"},
		{`"redirect_uris":["https://app.example/*"]`, "invalid_redirect_uri", "redirect_uris", "wildcard"},
		{`"redirect_uris":["https://app.example\\cb"]`, "invalid_redirect_uri", "redirect_uris", "characters"},
		{`"redirect_uris":["https://app.example/c b"]`, "invalid_redirect_uri", "redirect_uris", "characters"},
		{`"redirect_uris":["https://app.example/\u0000"]`, "invalid_redirect_uri", "redirect_uris", "characters"},
		{`"redirect_uris":["https://app.example/\r\nX: y"]`, "invalid_redirect_uri", "redirect_uris", "characters"},
		{`"redirect_uris":["https://앱.example/cb"]`, "invalid_redirect_uri", "redirect_uris", "characters"},
		{`"redirect_uris":["https://app.example/%zz"]`, "invalid_redirect_uri", "redirect_uris", "hexadecimal"},
		{`"redirect_uris":["https://app.example/%2"]`, "invalid_redirect_uri", "redirect_uris", "hexadecimal"},
		{`"redirect_uris":["https://app.example/a/../b"]`, "invalid_redirect_uri", "redirect_uris", ".."},
		{`"redirect_uris":["https://app.example/a/%2E%2e/b"]`, "invalid_redirect_uri", "redirect_uris", ".."},
		{`"redirect_uris":["https://app.example/."]`, "invalid_redirect_uri", "redirect_uris", ".."},
		{`"redirect_uris":["https://app.example:/cb"]`, "invalid_redirect_uri", "redirect_uris", "port"},
		{`"redirect_uris":["https://app.example:99999/cb"]`, "invalid_redirect_uri", "redirect_uris", "port"},
		{`"redirect_uris":["https://app..example/cb"]`, "invalid_redirect_uri", "redirect_uris", "host"},
		{`"redirect_uris":["https://app.example./cb"]`, "invalid_redirect_uri", "redirect_uris", "host"},
		{`"redirect_uris":["https://a%2eexample/cb"]`, "invalid_redirect_uri", "redirect_uris", "host"},
		{`"redirect_uris":["https://[fe80::1%25eth0]/cb"]`, "invalid_redirect_uri", "redirect_uris", "host"},
		{`"redirect_uris":["http://app.example/cb"]`, "invalid_redirect_uri", "redirect_uris", "https"},
		{`"redirect_uris":["http://localhost.example/cb"]`, "invalid_redirect_uri", "redirect_uris", "https"},
		{`"redirect_uris":["http://128.0.0.1/cb"]`, "invalid_redirect_uri", "redirect_uris", "https"},
		{`"redirect_uris":["http://127.1/cb"]`, "invalid_redirect_uri", "redirect_uris", "https"},
		{`"redirect_uris":["http://[::2]/cb"]`, "invalid_redirect_uri", "redirect_uris", "https"},
		{`"redirect_uris":["http://[::ffff:127.0.0.1]/cb"]`, "invalid_redirect_uri", "redirect_uris", "https"},
		{`"redirect_uris":["javascript:alert(1)"],"token_endpoint_auth_method":"none"`, "invalid_redirect_uri", "redirect_uris", "scheme"},
		{`"redirect_uris":["JavaScript:alert(1)"],"token_endpoint_auth_method":"none"`, "invalid_redirect_uri", "redirect_uris", "absolute"},
		{`"redirect_uris":["data:text/html,x"],"token_endpoint_auth_method":"none"`, "invalid_redirect_uri", "redirect_uris", "scheme"},
		{`"redirect_uris":["file:///etc/passwd"],"token_endpoint_auth_method":"none"`, "invalid_redirect_uri", "redirect_uris", "scheme"},
		{`"redirect_uris":["myapp:/cb"],"token_endpoint_auth_method":"none"`, "invalid_redirect_uri", "redirect_uris", "scheme"},
		{`"redirect_uris":["com.example.app:cb"],"token_endpoint_auth_method":"none"`, "invalid_redirect_uri", "redirect_uris", "slash"},
		{`"redirect_uris":["com.example.app:/cb"]`, "invalid_redirect_uri", "redirect_uris", "public or native"},
		{`"redirect_uris":["https://app.example/cb","https://app.example/cb"]`, "invalid_redirect_uri", "redirect_uris", "number 2"},
		{`"redirect_uris":["https://app.example/` + strings.Repeat("a", 2000) + `"]`, "invalid_redirect_uri", "redirect_uris", "bytes long"},
		{`"redirect_uris":[` + many(51, `"https://app.example/cb"`) + `]`, "invalid_redirect_uri", "redirect_uris", "at most 50"},
		{web + `,"post_logout_redirect_uris":["http://app.example/bye"]`, "invalid_redirect_uri", "post_logout_redirect_uris", "https"},
		// grants
		{web + `,"grant_types":["implicit"]`, "invalid_client_metadata", "grant_types", "authorization_code, refresh_token, client_credentials"},
		{web + `,"grant_types":["password"]`, "invalid_client_metadata", "grant_types", "nothing else"},
		{web + `,"grant_types":["authorization_code","authorization_code"]`, "invalid_client_metadata", "grant_types", "twice"},
		{web + `,"grant_types":["refresh_token"]`, "invalid_client_metadata", "grant_types", "authorization_code"},
		{web + `,"grant_types":["authorization_code","client_credentials"],"token_endpoint_auth_method":"none"`, "invalid_client_metadata", "grant_types", "without a secret"},
		{web + `,"response_types":["token"]`, "invalid_client_metadata", "response_types", "code"},
		{web + `,"response_types":["code","code"]`, "invalid_client_metadata", "response_types", "twice"},
		{`"grant_types":["client_credentials"],"response_types":["code"]`, "invalid_client_metadata", "response_types", "authorization_code"},
		{web + `,"token_endpoint_auth_method":"client_secret_jwt"`, "invalid_client_metadata", "token_endpoint_auth_method", "client_secret_basic, client_secret_post, none"},
		{web + `,"application_type":"desktop"`, "invalid_client_metadata", "application_type", "web or native"},
		// scope
		{web + `,"scope":"openid unknown"`, "invalid_client_metadata", "scope", "unknown"},
		{web + `,"scope":"openid  profile"`, "invalid_client_metadata", "scope", "one space"},
		{web + `,"scope":" openid"`, "invalid_client_metadata", "scope", "one space"},
		{web + `,"scope":"openid openid"`, "invalid_client_metadata", "scope", "twice"},
		{web + `,"scope":"op\"enid"`, "invalid_client_metadata", "scope", "one space"},
		{web + `,"scope":"` + strings.Repeat("a", 2001) + `"`, "invalid_client_metadata", "scope", "2000"},
		{web + `,"audiences":["orders"]`, "invalid_client_metadata", "audiences", "absolute"},
		{web + `,"audiences":["https://api.example/#x"]`, "invalid_client_metadata", "audiences", "fragment"},
		{web + `,"audiences":["https://api.example/user"],"token_endpoint_auth_method":"none"`, "invalid_client_metadata", "audiences", "introspect"},
		// what people see
		{web + `,"client_name":" Demo"`, "invalid_client_metadata", "client_name", "printable"},
		{web + `,"client_name":"a\u202eb"`, "invalid_client_metadata", "client_name", "printable"},
		{web + `,"client_name":"a\u200bb"`, "invalid_client_metadata", "client_name", "printable"},
		{web + `,"client_name":"a\nb"`, "invalid_client_metadata", "client_name", "printable"},
		{web + `,"client_name":"` + strings.Repeat("가", 101) + `"`, "invalid_client_metadata", "client_name", "100"},
		{web + `,"client_name#ko":"a\u0007"`, "invalid_client_metadata", "client_name#ko", "printable"},
		{web + `,"client_name#k!":"a"`, "invalid_client_metadata", "client_name", "BCP 47"},
		{web + `,"client_name#":"a"`, "invalid_client_metadata", "client_name", "BCP 47"},
		{web + `,"logo_uri":"javascript:alert(1)"`, "invalid_client_metadata", "logo_uri", "absolute"},
		{web + `,"logo_uri":"http://app.example/logo.png"`, "invalid_client_metadata", "logo_uri", "https"},
		{web + `,"policy_uri":"data:text/html,x"`, "invalid_client_metadata", "policy_uri", "absolute"},
		{web + `,"tos_uri":"https://a b/"`, "invalid_client_metadata", "tos_uri", "characters"},
		{web + `,"client_uri#ko":"ftp://app.example/"`, "invalid_client_metadata", "client_uri#ko", "absolute"},
		{web + `,"contacts":["not an address"]`, "invalid_client_metadata", "contacts", "mail address"},
		{web + `,"contacts":["Me <me@app.example>"]`, "invalid_client_metadata", "contacts", "mail address"},
		{web + `,"contacts":[` + many(11, `"me@app.example"`) + `]`, "invalid_client_metadata", "contacts", "at most 10"},
		{web + `,"software_id":"` + strings.Repeat("a", 256) + `"`, "invalid_client_metadata", "software_id", "255"},
		// form
		{web + `,"scope":["openid"]`, "invalid_client_metadata", "scope", "a string"},
		{web + `,"grant_types":"authorization_code"`, "invalid_client_metadata", "grant_types", "array"},
		{web + `,"trusted":"yes"`, "invalid_client_metadata", "trusted", "true or false"},
		{web + `,"client_name#ko":1`, "invalid_client_metadata", "client_name#ko", "a string"},
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

func TestClientIDIsHeldToSafeCharacters(t *testing.T) {
	for id, want := range map[string]bool{
		"demo": true, "A1._~-": true, "6f9d": true,
		"": false, "-demo": false, "a b": false, "a:b": false, "a/b": false, "데모": false, "a\n": false, "a%20": false, strings.Repeat("a", 256): false,
	} {
		c := client.Client{ID: id, GrantTypes: []string{client.ClientCredentials}}
		if err := c.Check(policy); (err == nil) != want {
			t.Errorf("%q: %v", id, err)
		}
	}
}

func TestDecodeNamesWhatItDoesNotKnow(t *testing.T) {
	c, unknown, err := client.Decode([]byte(`{"client_id":"a","Client_Name":"x","client_name":"Demo","redirect_uri":"y","client_name#ko":"데모","scope#ko":"z","logo_uri":null}`))
	if err != nil || c.Name != "Demo" || c.LogoURI != "" || !reflect.DeepEqual(c.Localized, map[string]string{"client_name#ko": "데모"}) {
		t.Errorf("%+v, %v", c, err)
	}
	for _, name := range []string{"Client_Name", "redirect_uri", "scope#ko"} {
		if _, ok := unknown[name]; !ok {
			t.Errorf("%s is not named", name)
		}
	}
	if len(unknown) != 3 {
		t.Error(unknown)
	}
	for _, text := range []string{``, `null`, `[]`, `"a"`, `{`, `{} {}`} {
		if _, _, err := client.Decode([]byte(text)); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

func TestInAnotherLanguage(t *testing.T) {
	c := client.Client{Name: "Demo", ClientURI: "https://app.example/", Localized: map[string]string{
		"client_name#ko": "데모", "client_name#pt": "Demonstração", "client_name#pt-BR": "Demo BR", "client_uri#ko": "https://app.example/ko",
	}}
	for tag, want := range map[string]string{"ko": "데모", "ko-KR": "데모", "en": "Demo", "": "Demo", "pt-BR": "Demo BR", "pt-PT": "Demonstração"} {
		if got := c.In(tag).Name; got != want {
			t.Errorf("%q: %s", tag, got)
		}
	}
	if got := c.In("ko").ClientURI; got != "https://app.example/ko" || c.Name != "Demo" {
		t.Error(got, c.Name)
	}
}

func TestGeneratedIdentifiersAndSecretsFitTheirRules(t *testing.T) {
	c := client.Client{ID: client.NewID(), GrantTypes: []string{client.ClientCredentials}}
	if err := c.Check(policy); err != nil {
		t.Error(err)
	}
	if a, b := client.NewSecret(), client.NewSecret(); len(a) != 43 || a == b { // 256 bits
		t.Error(a, b)
	}
	if a, b := client.NewID(), client.NewID(); a == b {
		t.Error(a)
	}
}

// Whatever comes in as JSON is refused, or is the same after being written and read.
func FuzzCheckFromJSON(f *testing.F) {
	f.Add([]byte(`{"client_id":"a","redirect_uris":["https://app.example/cb"],"client_name":"Demo","client_name#ko":"데모","contacts":["a@b.example"],"trusted":true}`))
	f.Add([]byte(`{"client_id":"a","grant_types":["client_credentials"],"scope":"board:read","audiences":["https://api.example/x"]}`))
	f.Add([]byte(`{"client_id":"a","token_endpoint_auth_method":"none","redirect_uris":["com.example.app:/cb"],"logo_uri":"http://[::1]:80/#x"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, _, err := client.Decode(data)
		if err == nil {
			err = c.Check(policy)
		}
		if err != nil {
			if wrong := (*client.Error)(nil); !errors.As(err, &wrong) || wrong.Code == "" || wrong.Description == "" || strings.ContainsAny(err.Error(), "\r\n") {
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
