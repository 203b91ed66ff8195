package provider_test

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"golang.org/x/net/html"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/directory"
	"github.com/maru-auth/maru/authz-server/internal/passwords"
	"github.com/maru-auth/maru/authz-server/internal/provider"
	"github.com/maru-auth/maru/authz-server/internal/provider/providertest"
	"github.com/maru-auth/maru/authz-server/internal/registration"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

// The walk of the OpenID Foundation's conformance suite: clients register themselves, every module starts logged out, and
// the browser knows page addresses, field names and button ids alone. Subtests bear the names of the suite's modules.
// What other tests cover already is in authz-server/CONFORMANCE.md, and not repeated here.

const (
	suiteEmail    = "suite@example.com"
	suitePassword = "correct horse battery staple"
)

// suite is a server as it is set up for certification: open registration, all scopes, and the older response types.
type suite struct {
	*providertest.Registrar
	person accounts.User
}

func newSuite(t *testing.T) *suite {
	t.Helper()
	scopes := strings.Fields("openid profile email address phone offline_access")
	r := providertest.NewRegistrarWith(t, sqldbtest.SQLite(t), func(cfg *provider.Config, clients *directory.Config) {
		cfg.Registration, cfg.InsecureLegacyResponseTypes = registration.Open, true
		clients.Policy = client.Policy{
			Scopes: scopes, DefaultScope: strings.Join(scopes, " "), LegacyResponseTypes: true, InsecureLoopback: true,
			GrantTypes: []string{client.AuthorizationCode, client.RefreshToken, client.DeviceCode, client.Implicit},
		}
	})
	r.Pages.CacheControl("no-store")
	s := &suite{Registrar: r}
	var err error
	s.person, err = s.Store.Users.CreateUser(t.Context(), accounts.User{Email: suiteEmail, Name: "Suite Person", Locale: "en", PasswordHash: passwords.Hash(suitePassword)})
	if err != nil {
		t.Fatal(err)
	}
	claims := accounts.Claims{
		GivenName: "Suite", FamilyName: "Person", MiddleName: "M", Nickname: "S", PreferredUsername: "suite", Profile: "https://person.example/", Picture: "https://person.example/p.png",
		Website: "https://person.example/", Gender: "other", Birthdate: "2000-01-02", Zoneinfo: "Asia/Seoul", PhoneNumber: "+82 10 1234 5678", Address: accounts.Address{Formatted: "1 Street", Country: "KR"},
	}
	if err := s.Store.Users.SetClaims(t.Context(), s.person.ID, claims); err != nil {
		t.Fatal(err)
	}
	return s
}

// party is a client that registered itself.
type party struct {
	s        *suite
	id       string
	secret   string
	redirect string
	kind     string // response_type
	method   string // token_endpoint_auth_method
}

// register registers a client as the suite does, with metadata changed; nil takes a member out.
func (s *suite) register(kind string, changes ...any) party {
	s.T.Helper()
	grants := []string{}
	if strings.Contains(kind, "code") {
		grants = append(grants, "authorization_code")
	}
	if kind != "code" {
		grants = append(grants, "implicit")
	}
	metadata := map[string]any{"client_name": "Suite", "redirect_uris": []string{"https://suite.example/callback"}, "grant_types": grants, "response_types": []string{kind},
		"token_endpoint_auth_method": "client_secret_basic", "post_logout_redirect_uris": []string{"https://suite.example/bye"}}
	for i := 0; i < len(changes); i += 2 {
		metadata[changes[i].(string)] = changes[i+1]
		if changes[i+1] == nil {
			delete(metadata, changes[i].(string))
		}
	}
	body, err := json.Marshal(metadata)
	if err != nil {
		s.T.Fatal(err)
	}
	made := s.Read(s.Send("POST", "/oauth2/register", "", string(body)), 201)
	uris, _ := metadata["redirect_uris"].([]string)
	return party{s, made.ID, made.Secret, uris[0], kind, metadata["token_endpoint_auth_method"].(string)}
}

// request is the suite's ordinary request, with changes; it carries no PKCE.
func (p party) request(changes ...string) url.Values {
	form := url.Values{"client_id": {p.id}, "response_type": {p.kind}, "redirect_uri": {p.redirect}, "scope": {"openid"}, "state": {rand.Text()}, "nonce": {rand.Text()}}
	for i := 0; i < len(changes); i += 2 {
		form.Set(changes[i], changes[i+1])
		if changes[i+1] == "" {
			form.Del(changes[i])
		}
	}
	return form
}

// authorize goes through the pages until the client is called back, or a page comes that the suite does not know.
func (p party) authorize(b *providertest.Browser, form url.Values) providertest.Answer {
	p.s.T.Helper()
	a := visit(b, "/oauth2/authorize?"+form.Encode())
	if a.Location != nil && (a.Parameter("state") != form.Get("state") || a.Parameter("iss") != p.s.Issuer) {
		p.s.T.Errorf("state or iss of the answer: %v", a.Location)
	}
	return a
}

// redeem redeems a code, with parameters changed.
func (p party) redeem(code string, changes ...string) providertest.Answer {
	p.s.T.Helper()
	form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {p.redirect}}
	for i := 0; i < len(changes); i += 2 {
		form.Set(changes[i], changes[i+1])
	}
	return p.call(form)
}

// call calls the token endpoint in the way that the client registered.
func (p party) call(form url.Values) providertest.Answer {
	p.s.T.Helper()
	if p.method == "client_secret_post" {
		form.Set("client_id", p.id)
		form.Set("client_secret", p.secret)
		return p.s.PostForm("/oauth2/token", form)
	}
	return p.s.TokenWith(p.id, p.secret, form)
}

// logIn is a whole flow: what came back, and the claims of the ID token, whose hashes are checked.
func (p party) logIn(b *providertest.Browser, changes ...string) (got providertest.Tokens, id map[string]any) {
	p.s.T.Helper()
	form := p.request(changes...)
	a := p.authorize(b, form)
	got = providertest.Tokens{Access: a.Parameter("access_token"), ID: a.Parameter("id_token")}
	if code := a.Parameter("code"); code != "" {
		got = p.s.Tokens(p.redeem(code))
	}
	if got.ID == "" {
		p.s.T.Fatalf("%s: %d %v %s", form.Encode(), a.Status, a.Location, a.Body)
	}
	id = claimsOf(p.s.Fixture, got.ID)
	nonce, _ := id["nonce"].(string)
	if id["iss"] != p.s.Issuer || id["aud"] != p.id || nonce != form.Get("nonce") {
		p.s.T.Errorf("ID token: %v", id)
	}
	return got, id
}

func b64(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

func claimsOf(f *providertest.Fixture, token string) map[string]any {
	f.T.Helper()
	text, _, err := f.Ring.Verify(f.T.Context(), token, "JWT")
	var claims map[string]any
	if err != nil || json.Unmarshal(text, &claims) != nil {
		f.T.Fatalf("%v: %s", err, token)
	}
	return claims
}

// visit goes to an address and through the pages of the server: it logs the suite's person in, and allows. It ends where the
// client is called back, or at a page that is neither.
func visit(b *providertest.Browser, path string) providertest.Answer {
	b.Fixture.T.Helper()
	at, err := url.Parse(b.Fixture.Issuer + path)
	if err != nil {
		b.Fixture.T.Fatal(err)
	}
	a := b.Get(at.String())
	for range 12 {
		switch {
		case a.Location != nil && a.Location.Host == at.Host:
			at = a.Location
			a = b.Get(at.String())
		case a.Location != nil || a.Status != http.StatusOK:
			return a
		case at.Path == "/login":
			a = click(b, at, a, "login", "email", suiteEmail, "password", suitePassword)
		case at.Path == "/consent":
			a = click(b, at, a, "allow")
		default:
			return a
		}
	}
	b.Fixture.T.Fatalf("it goes round and round, last at %s", at)
	return a
}

// click fills fields of the form that a button is in, both found by id, and presses the button.
func click(b *providertest.Browser, at *url.URL, page providertest.Answer, button string, fields ...string) providertest.Answer {
	b.Fixture.T.Helper()
	document, err := html.Parse(strings.NewReader(page.Body))
	if err != nil {
		b.Fixture.T.Fatal(err)
	}
	pressed := byID(document, button)
	if pressed == nil {
		b.Fixture.T.Fatalf("%s has no button %s: %s", at, button, page.Body)
	}
	around := pressed
	for around != nil && around.Data != "form" {
		around = around.Parent
	}
	form := url.Values{}
	for node := range around.Descendants() {
		kind, name := attribute(node, "type"), attribute(node, "name")
		if node.Data != "input" || name == "" || has(node, "disabled") || kind == "checkbox" && !has(node, "checked") {
			continue
		}
		form.Add(name, attribute(node, "value"))
	}
	for i := 0; i < len(fields); i += 2 {
		if field := byID(around, fields[i]); field == nil || attribute(field, "name") != fields[i] {
			b.Fixture.T.Fatalf("%s has no field whose name and id are %s: %s", at, fields[i], page.Body)
		}
		form.Set(fields[i], fields[i+1])
	}
	if name := attribute(pressed, "name"); name != "" {
		form.Set(name, attribute(pressed, "value"))
	}
	target, err := at.Parse(attribute(around, "action"))
	if err != nil {
		b.Fixture.T.Fatal(err)
	}
	return b.Post(target.String(), form)
}

func byID(in *html.Node, id string) *html.Node {
	for node := range in.Descendants() {
		if node.Type == html.ElementNode && attribute(node, "id") == id {
			return node
		}
	}
	return nil
}

func has(node *html.Node, name string) bool {
	return slices.ContainsFunc(node.Attr, func(a html.Attribute) bool { return a.Key == name })
}

func attribute(node *html.Node, name string) string {
	for _, a := range node.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

// Every member of discovery has its form, nothing is there that no specification names, and the key set keeps its rules.
func TestConfigOP(t *testing.T) {
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
		"scopes_supported":         strs("openid", "profile", "email", "address", "phone", "offline_access"),
		"claims_supported":         strs("sub", "iss", "auth_time", "name", "given_name", "family_name", "email", "email_verified", "address", "phone_number", "updated_at"),
		"response_types_supported": strs("code", "id_token", "id_token token", "code id_token", "code token", "code id_token token"),
		"response_modes_supported": strs("query", "fragment", "form_post", "jwt", "query.jwt", "fragment.jwt", "form_post.jwt"),
		"grant_types_supported":    strs("authorization_code", "implicit", "refresh_token", "client_credentials", client.DeviceCode, client.TokenExchange),
		"subject_types_supported":  strs("public", "pairwise"), "acr_values_supported": strs("1"), "prompt_values_supported": strs("none", "login", "consent", "select_account", "create"),
		"display_values_supported": strs("page", "popup"), "claim_types_supported": strs("normal"), "ui_locales_supported": strs("en", "ko"), "code_challenge_methods_supported": no("plain", strs("S256")),
		"token_endpoint_auth_methods_supported":                 no("client_secret_jwt", strs("client_secret_basic", "client_secret_post", "private_key_jwt", "none")),
		"revocation_endpoint_auth_methods_supported":            strs("private_key_jwt"),
		"introspection_endpoint_auth_methods_supported":         no("none", strs("private_key_jwt")),
		"token_endpoint_auth_signing_alg_values_supported":      algs,
		"revocation_endpoint_auth_signing_alg_values_supported": algs, "introspection_endpoint_auth_signing_alg_values_supported": algs,
		"id_token_signing_alg_values_supported": algs, "userinfo_signing_alg_values_supported": algs, "authorization_signing_alg_values_supported": algs,
		"request_object_signing_alg_values_supported": algs, "dpop_signing_alg_values_supported": algs, "introspection_signing_alg_values_supported": algs,
		"claims_parameter_supported": is(true), "request_parameter_supported": is(true), "request_uri_parameter_supported": is(true), "require_request_uri_registration": is(true),
		"require_pushed_authorization_requests": is(false), "require_signed_request_object": is(false), "authorization_response_iss_parameter_supported": is(true),
		"backchannel_logout_supported": is(true), "backchannel_logout_session_supported": is(true), "frontchannel_logout_supported": is(true), "frontchannel_logout_session_supported": is(true),
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

// suiteClaims are the claims of scopes (OIDC Core §5.4).
var suiteClaims = map[string]string{
	"profile": "name family_name given_name middle_name nickname preferred_username profile picture website gender birthdate zoneinfo locale updated_at",
	"email":   "email email_verified", "address": "address", "phone": "phone_number phone_number_verified",
}

func TestBasicOP(t *testing.T) {
	s := newSuite(t)
	p := s.register("code")
	all := "openid profile email address phone"
	for module, test := range map[string]struct {
		changes  []string
		userinfo string            // claims that must be in userinfo beside sub, and in no other place
		id       map[string]string // claims of the ID token; "*": any
	}{
		"oidcc-server":                                  {},
		"oidcc-scope-profile":                           {changes: []string{"scope", "openid profile"}, userinfo: suiteClaims["profile"]},
		"oidcc-scope-email":                             {changes: []string{"scope", "openid email"}, userinfo: suiteClaims["email"]},
		"oidcc-scope-address":                           {changes: []string{"scope", "openid address"}, userinfo: suiteClaims["address"]},
		"oidcc-scope-phone":                             {changes: []string{"scope", "openid phone"}, userinfo: suiteClaims["phone"]},
		"oidcc-scope-all":                               {changes: []string{"scope", all}, userinfo: suiteClaims["profile"] + " " + suiteClaims["email"] + " address " + suiteClaims["phone"]},
		"oidcc-claims-locales":                          {changes: []string{"claims_locales", "se"}},
		"oidcc-ensure-other-scope-order-succeeds":       {changes: []string{"scope", "email openid"}, userinfo: suiteClaims["email"]},
		"oidcc-display-page":                            {changes: []string{"display", "page"}},
		"oidcc-display-popup":                           {changes: []string{"display", "popup"}},
		"oidcc-ui-locales":                              {changes: []string{"ui_locales", "se"}},
		"oidcc-login-hint":                              {changes: []string{"login_hint", "buffy@suite.example"}},
		"oidcc-max-age-10000":                           {changes: []string{"max_age", "10000"}, id: map[string]string{"auth_time": "*"}},
		"oidcc-ensure-request-with-acr-values-succeeds": {changes: []string{"acr_values", "1 2"}, id: map[string]string{"acr": "1"}},
		"oidcc-ensure-request-with-unknown-parameter-succeeds": {changes: []string{"extra", "foobar"}},
		"oidcc-claims-essential":                               {changes: []string{"claims", `{"userinfo":{"name":{"essential":true}}}`}, userinfo: "name"},
		"oidcc-ensure-request-without-nonce-succeeds-for-code": {changes: []string{"nonce", ""}},
		"oidcc-ensure-request-with-a-state-of-128-succeeds":    {changes: []string{"state", strings.Repeat("aZ0-._~!", 16)}},
		"oidcc-ensure-request-with-a-nonce-of-64-succeeds":     {changes: []string{"nonce", strings.Repeat("n", 64)}},
		"oidcc-claims-locales and the claim in a language":     {changes: []string{"claims", `{"userinfo":{"name#ko":null,"email":null}}`}, userinfo: "email"},
		"oidcc-claims-essential, in the ID token":              {changes: []string{"claims", `{"id_token":{"email":{"essential":true},"auth_time":{"essential":true}}}`}, id: map[string]string{"email": suiteEmail, "auth_time": "*"}},
		"oidcc-prompt-select-account, nobody there":            {changes: []string{"prompt", "select_account"}},
		"oidcc-prompt-consent":                                 {changes: []string{"prompt", "consent"}},
		"oidcc-a request without state (RFC 6749 §4.1.1)":      {changes: []string{"state", ""}},
		"oidcc-login-hint of an account":                       {changes: []string{"login_hint", suiteEmail}},
	} {
		t.Run(module, func(t *testing.T) {
			got, id := p.logIn(s.Browser(), test.changes...)
			info := s.Userinfo(got.Access).JSON(t)
			for _, name := range strings.Fields(test.userinfo) {
				if info[name] == nil || info[name] == "" || id[name] != nil {
					t.Errorf("%s: in userinfo %v, in the ID token %v", name, info[name], id[name])
				}
			}
			if want := len(strings.Fields(test.userinfo)) + 1; len(info) != want || info["sub"] != id["sub"] {
				t.Errorf("userinfo has %d claims, want %d: %v", len(info), want, info)
			}
			for name, want := range test.id {
				if id[name] == nil || want != "*" && id[name] != want {
					t.Errorf("%s of the ID token: %v", name, id[name])
				}
			}
			if header, _ := providertest.Decode(t, got.ID); header["alg"] != "RS256" || header["kid"] == "" {
				t.Errorf("oidcc-idtoken-signature: %v", header)
			}
		})
	}

	t.Run("oidcc-server-client-secret-post", func(t *testing.T) {
		s.register("code", "token_endpoint_auth_method", "client_secret_post").logIn(s.Browser())
	})
	t.Run("oidcc-ensure-request-with-valid-pkce-succeeds", func(t *testing.T) {
		a := p.authorize(s.Browser(), p.request("code_challenge", providertest.Challenge(providertest.Verifier), "code_challenge_method", "S256"))
		s.Tokens(p.redeem(a.Parameter("code"), "code_verifier", providertest.Verifier))
	})
	t.Run("oidcc-ensure-post-request-succeeds", func(t *testing.T) {
		// From the client's site: no cookie comes with it, and the answer has the browser come again with them.
		b := s.Browser()
		a := b.Send(s.Request("POST", "/oauth2/authorize", p.request(), "Origin", "https://suite.example", "Sec-Fetch-Site", "cross-site"))
		if a.Location == nil || a.Location.Path != "/oauth2/authorize" {
			t.Fatalf("%d %v %s", a.Status, a.Location, a.Body)
		}
		s.Tokens(p.redeem(visit(b, a.Location.RequestURI()).Parameter("code")))
	})
	t.Run("oidcc-response-type-missing", func(t *testing.T) {
		if a := p.authorize(s.Browser(), p.request("response_type", "")); a.Parameter("error") != "invalid_request" {
			t.Errorf("%d %v", a.Status, a.Location)
		}
	})
	t.Run("oidcc-ensure-registered-redirect-uri, oidcc-ensure-redirect-uri-in-authorization-request", func(t *testing.T) {
		for _, uri := range []string{"https://suite.example/callback/xyz", "https://suite.example/callback?x=1", ""} {
			// In place, and not at a page of its own: the suite looks at the authorization endpoint's address.
			a := s.Browser().Get("/oauth2/authorize?" + p.request("redirect_uri", uri).Encode())
			if a.Status != 400 || a.Location != nil || !strings.Contains(a.Body, "redirect_uri") || !strings.Contains(a.Body, "invalid_request") {
				t.Errorf("%q: %d %v %s", uri, a.Status, a.Location, a.Body)
			}
		}
	})
	t.Run("oidcc-prompt-login", func(t *testing.T) {
		b := s.Browser()
		_, first := p.logIn(b)
		s.Clock.Advance(2 * time.Second)
		form := p.request("prompt", "login")
		if a := b.AuthorizeForm(form); a.Location == nil || a.Location.Path != "/login" {
			t.Fatalf("no page asks for a log-in: %d %v", a.Status, a.Location)
		}
		if _, second := p.logIn(b, "prompt", "login"); second["auth_time"].(float64) <= first["auth_time"].(float64) || second["sub"] != first["sub"] {
			t.Errorf("%v, then %v", first, second)
		}
	})
	t.Run("oidcc-prompt-none-not-logged-in", func(t *testing.T) {
		if a := s.Browser().AuthorizeForm(p.request("prompt", "none")); a.Parameter("error") != "login_required" {
			t.Errorf("%d %v", a.Status, a.Location)
		}
	})
	t.Run("oidcc-prompt-none-logged-in, oidcc-id-token-hint", func(t *testing.T) {
		b := s.Browser()
		got, first := p.logIn(b)
		s.Clock.Advance(time.Second)
		for _, hint := range []string{"", got.ID} {
			a := b.AuthorizeForm(p.request("prompt", "none", "id_token_hint", hint))
			again := claimsOf(s.Fixture, s.Tokens(p.redeem(a.Parameter("code"))).ID)
			if again["sub"] != first["sub"] || again["auth_time"] != first["auth_time"] {
				t.Errorf("%v, then %v", first, again)
			}
		}
	})
	t.Run("oidcc-max-age-1", func(t *testing.T) {
		b := s.Browser()
		_, first := p.logIn(b)
		s.Clock.Advance(2 * time.Second)
		if _, second := p.logIn(b, "max_age", "1"); second["auth_time"].(float64) <= first["auth_time"].(float64) {
			t.Errorf("%v, then %v", first, second)
		}
	})
	t.Run("oidcc-codereuse, oidcc-codereuse-30seconds", func(t *testing.T) {
		for _, wait := range []time.Duration{0, 30 * time.Second, 5 * time.Minute} {
			code := p.authorize(s.Browser(), p.request()).Parameter("code")
			got := s.Tokens(p.redeem(code))
			s.Clock.Advance(wait)
			p.redeem(code).WantError(t, 400, "invalid_grant")
			if a := s.Userinfo(got.Access); a.Status != 401 {
				t.Errorf("after %s the access token works: %d", wait, a.Status)
			}
		}
	})
	t.Run("oidcc-refresh-token", func(t *testing.T) {
		grants := []string{"authorization_code", "refresh_token"}
		one, other := s.register("code", "grant_types", grants), s.register("code", "grant_types", grants)
		refresh := func(p party, token string) providertest.Answer {
			return p.call(providertest.RefreshGrant(token))
		}
		var last string
		for _, p := range []party{one, other} {
			got, first := p.logIn(s.Browser(), "scope", "openid offline_access", "prompt", "consent")
			s.Clock.Advance(2 * time.Second)
			next := s.Tokens(refresh(p, got.Refresh))
			id := claimsOf(s.Fixture, next.ID)
			for _, name := range []string{"iss", "sub", "aud", "auth_time", "azp"} {
				if id[name] != first[name] {
					t.Errorf("%s went from %v to %v", name, first[name], id[name])
				}
			}
			if id["iat"].(float64) <= first["iat"].(float64) || id["nonce"] != nil && id["nonce"] != first["nonce"] || next.Access == got.Access {
				t.Errorf("%v, then %v", first, id)
			}
			if a := s.Userinfo(next.Access); a.Status != 200 {
				t.Errorf("%d %s", a.Status, a.Body)
			}
			last = next.Refresh
		}
		refresh(one, last).WantError(t, 400, "invalid_grant")
		s.Tokens(refresh(other, last))
	})
	t.Run("oidcc-ensure-request-object-with-redirect-uri", func(t *testing.T) {
		key := providertest.NewSigner(t, "k1")
		p := s.register("code", "jwks", key.JWKS())
		form := p.request("redirect_uri", "https://suite.example/other")
		claims := map[string]any{"iss": p.id, "aud": s.Issuer, "redirect_uri": p.redirect}
		for _, name := range []string{"client_id", "response_type", "scope", "state", "nonce"} {
			claims[name] = form.Get(name)
		}
		form.Set("request", key.Sign(nil, claims))
		if a := p.authorize(s.Browser(), form); a.Parameter("code") == "" || !strings.HasPrefix(a.Location.String(), p.redirect+"?") {
			t.Errorf("%d %v %s", a.Status, a.Location, a.Body)
		}
	})
	t.Run("oidcc-unsigned-request-object, oidcc-request-uri-unsigned: refused, and not ignored", func(t *testing.T) {
		object := "eyJhbGciOiJub25lIn0." + b64(`{"client_id":"`+p.id+`","response_type":"code","redirect_uri":"`+p.redirect+`","scope":"openid"}`) + "."
		if a := p.authorize(s.Browser(), p.request("request", object)); a.Parameter("error") != "invalid_request_object" {
			t.Errorf("by value: %d %v", a.Status, a.Location)
		}
		s.Pages.Set("/unsigned", object)
		p := s.register("code", "request_uris", []string{s.Site.URL + "/unsigned#hash"})
		if a := p.authorize(s.Browser(), p.request("request_uri", s.Site.URL+"/unsigned#hash")); a.Parameter("error") != "invalid_request_object" {
			t.Errorf("by reference: %d %v", a.Status, a.Location)
		}
	})
}

func TestFormPostOP(t *testing.T) {
	s := newSuite(t)
	for _, kind := range []string{"code", "id_token", "id_token token", "code id_token", "code token", "code id_token token"} {
		p := s.register(kind)
		form := p.request("response_mode", "form_post")
		a := p.authorize(s.Browser(), form)
		for name, in := range map[string]string{"code": "code", "id_token": "id_token", "access_token": "token"} {
			if (a.Parameter(name) != "") != slices.Contains(strings.Fields(kind), in) {
				t.Errorf("%s: %s is %q", kind, name, a.Parameter(name))
			}
		}
		if a.Status != 200 || a.Location != nil || a.Parameter("state") != form.Get("state") || !strings.Contains(a.Body, `action="`+p.redirect+`"`) || !strings.Contains(a.Body, "<script src=") {
			t.Errorf("%s: %d %v %s", kind, a.Status, a.Location, a.Body)
		}
		if code := a.Parameter("code"); code != "" {
			s.Tokens(p.redeem(code))
		}
		a = p.authorize(s.Browser(), p.request("response_mode", "form_post", "prompt", "none"))
		if a.Location != nil || a.Parameter("error") != "login_required" {
			t.Errorf("%s, an error: %d %v %s", kind, a.Status, a.Location, a.Body)
		}
	}
}

func TestImplicitAndHybridOP(t *testing.T) {
	s := newSuite(t)
	for _, kind := range []string{"id_token", "id_token token", "code id_token", "code token", "code id_token token"} {
		t.Run(kind, func(t *testing.T) {
			p := s.register(kind)
			b := s.Browser()
			got, id := p.logIn(b, "scope", "openid email")
			if got.Access != "" && s.Userinfo(got.Access).JSON(t)["email"] != suiteEmail {
				t.Error("userinfo does not tell the address")
			}
			if (id["email"] != nil) != (kind == "id_token") {
				t.Errorf("the ID token has the address: %v", id)
			}
			t.Run("oidcc-ensure-request-without-nonce-fails", func(t *testing.T) {
				want := "invalid_request"
				if !strings.Contains(kind, "id_token") { // without an ID token in the front channel none is needed
					want = ""
				}
				if a := p.authorize(b, p.request("nonce", "")); a.Parameter("error") != want || a.Location.Fragment == "" {
					t.Errorf("%d %v", a.Status, a.Location)
				}
			})
			if !strings.Contains(kind, "code") {
				return
			}
			t.Run("both ID tokens are of one person, and a code used twice ends the front channel's token too", func(t *testing.T) {
				a := p.authorize(b, p.request())
				back := s.Tokens(p.redeem(a.Parameter("code")))
				if front := a.Parameter("id_token"); front != "" && claimsOf(s.Fixture, front)["sub"] != claimsOf(s.Fixture, back.ID)["sub"] {
					t.Error("the ID tokens are of two people")
				}
				p.redeem(a.Parameter("code")).WantError(t, 400, "invalid_grant")
				for _, token := range []string{a.Parameter("access_token"), back.Access} {
					if token != "" && s.Userinfo(token).Status != 401 {
						t.Error("an access token works after the code was used twice")
					}
				}
			})
		})
	}
}

func TestDynamicOP(t *testing.T) {
	s := newSuite(t)
	t.Run("oidcc-redirect-uri-query-OK, -query-mismatch, -query-added", func(t *testing.T) {
		p := s.register("code", "redirect_uris", []string{"https://suite.example/callback?foo=bar"})
		if a := p.authorize(s.Browser(), p.request()); a.Parameter("code") == "" || a.Parameter("foo") != "bar" {
			t.Errorf("%d %v", a.Status, a.Location)
		}
		for _, uri := range []string{"https://suite.example/callback?foo=other", "https://suite.example/callback?foo=bar&x=1", "https://suite.example/callback"} {
			if a := p.authorize(s.Browser(), p.request("redirect_uri", uri)); a.Status != 400 || a.Location != nil || !strings.Contains(a.Body, "redirect_uri") {
				t.Errorf("%s: %d %v", uri, a.Status, a.Location)
			}
		}
	})
	t.Run("oidcc-registration-logo-uri, -policy-uri, -tos-uri: on the log-in page and on the consent page", func(t *testing.T) {
		p := s.register("code", "logo_uri", "https://suite.example/logo.png", "policy_uri", "https://suite.example/policy", "tos_uri", "https://suite.example/tos")
		b := s.Browser()
		a := b.AuthorizeForm(p.request())
		shown := func(what string, a providertest.Answer) {
			for _, uri := range []string{"logo.png", "policy", "tos"} {
				if !strings.Contains(a.Body, `"https://suite.example/`+uri+`"`) {
					t.Errorf("%s does not show %s: %s", what, uri, a.Body)
				}
			}
		}
		at, page := a.Location, b.Get(a.Location.String())
		shown("the log-in page", page)
		a = b.Get(click(b, at, page, "login", "email", suiteEmail, "password", suitePassword).Location.String())
		if a.Location == nil || a.Location.Path != "/consent" {
			t.Fatalf("%d %v", a.Status, a.Location)
		}
		at, page = a.Location, b.Get(a.Location.String())
		shown("the consent page", page)
		a = visit(b, click(b, at, page, "deny").Location.RequestURI())
		if a.Parameter("error") != "access_denied" {
			t.Errorf("after a denial: %v", a.Location)
		}
	})
	t.Run("oidcc-userinfo-rs256", func(t *testing.T) {
		p := s.register("code", "userinfo_signed_response_alg", "RS256")
		got, id := p.logIn(s.Browser(), "scope", "openid email")
		a := s.Userinfo(got.Access)
		if claims := claimsOf(s.Fixture, a.Body); a.Header.Get("Content-Type") != "application/jwt" || claims["sub"] != id["sub"] || claims["email"] != suiteEmail || claims["iss"] != s.Issuer || claims["aud"] != p.id {
			t.Errorf("%v", claims)
		}
	})
	t.Run("oidcc-request-uri-signed-rs256", func(t *testing.T) {
		key := providertest.NewRSASigner(t, "the client", "k1", "RS256")
		s.Pages.Set("/jwks", string(key.JWKS()))
		p := s.register("code", "jwks_uri", s.Site.URL+"/jwks", "request_uris", []string{s.Site.URL + "/request#abc"}, "request_object_signing_alg", "RS256")
		s.Pages.Set("/request", key.Sign(nil, map[string]any{"iss": p.id, "aud": s.Issuer, "client_id": p.id, "response_type": "code", "redirect_uri": p.redirect, "scope": "openid", "state": "inside", "nonce": "inside"}))
		a := visit(s.Browser(), "/oauth2/authorize?"+url.Values{"client_id": {p.id}, "response_type": {"code"}, "scope": {"openid"}, "request_uri": {s.Site.URL + "/request#abc"}}.Encode())
		if a.Parameter("state") != "inside" || claimsOf(s.Fixture, s.Tokens(p.redeem(a.Parameter("code"))).ID)["nonce"] != "inside" {
			t.Errorf("%d %v %s", a.Status, a.Location, a.Body)
		}
	})
	t.Run("oidcc-registration-jwks-uri, oidcc-refresh-token-rp-key-rotation", func(t *testing.T) {
		key := providertest.NewSigner(t, "k1")
		s.Pages.Set("/keys", string(key.JWKS()))
		p := s.register("code", "jwks_uri", s.Site.URL+"/keys", "token_endpoint_auth_method", "private_key_jwt", "grant_types", []string{"authorization_code", "refresh_token"})
		call := func(form url.Values) providertest.Answer {
			return s.PostForm("/oauth2/token", providertest.Merge(form, key.Assertion(s.Fixture, p.id)))
		}
		code := p.authorize(s.Browser(), p.request()).Parameter("code")
		got := s.Tokens(call(url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {p.redirect}}))
		s.Clock.Advance(time.Minute)
		key = providertest.NewSigner(t, "k2")
		s.Pages.Set("/keys", string(key.JWKS()))
		s.Tokens(call(providertest.RefreshGrant(got.Refresh)))
	})
	t.Run("oidcc-server-rotate-keys", func(t *testing.T) {
		p := s.register("code")
		before, _ := p.logIn(s.Browser())
		if err := s.Ring.Rotate(t.Context(), true); err != nil {
			t.Fatal(err)
		}
		after, _ := p.logIn(s.Browser())
		published := s.Do(s.Request("GET", "/.well-known/jwks.json", nil)).Body
		old, _ := providertest.Decode(t, before.ID)
		new, _ := providertest.Decode(t, after.ID)
		if old["kid"] == new["kid"] || !strings.Contains(published, old["kid"].(string)) || !strings.Contains(published, new["kid"].(string)) {
			t.Errorf("%v, %v: %s", old, new, published)
		}
	})
	t.Run("oidcc-registration-sector-uri", func(t *testing.T) {
		uris := []string{"https://one.example/callback", "https://two.example/callback"}
		text, err := json.Marshal(uris)
		if err != nil {
			t.Fatal(err)
		}
		s.Pages.Set("/sector", string(text))
		p := s.register("code", "redirect_uris", uris, "subject_type", "pairwise", "sector_identifier_uri", s.Site.URL+"/sector")
		if _, id := p.logIn(s.Browser()); id["sub"] == s.person.ID {
			t.Error("the subject is the public one")
		}
	})
	t.Run("oidcc-default-max-age, require_auth_time", func(t *testing.T) {
		p := s.register("code", "default_max_age", 1, "require_auth_time", true)
		b := s.Browser()
		_, first := p.logIn(b)
		s.Clock.Advance(3 * time.Second)
		if _, second := p.logIn(b); second["auth_time"].(float64) <= first["auth_time"].(float64) {
			t.Errorf("%v, then %v", first, second)
		}
	})
}

func TestFAPI2SecurityProfileOP(t *testing.T) {
	f := providertest.One(t)
	b := f.Browser().LogIn(f.User)
	for name, key := range map[string]*providertest.Signer{"ES256": providertest.NewSigner(t, "k1"), "PS256": providertest.NewRSASigner(t, "the client", "k1", "PS256"), "EdDSA": providertest.NewEd25519Signer(t, "k1", "EdDSA"), "Ed25519": providertest.NewEd25519Signer(t, "k1", "Ed25519")} {
		t.Run("happy-flow, "+name, func(t *testing.T) {
			c := f.AddFAPIClient("fapi-"+name, key, func(c *client.Client) { c.IDTokenSignedResponseAlg = name })
			a := c.Authorize(b, "state", strings.Repeat("s", 128), "nonce", strings.Repeat("n", 43))
			if a.Parameter("state") != strings.Repeat("s", 128) || a.Parameter("iss") != f.Issuer {
				t.Errorf("%v", a.Location)
			}
			object := c.Redeem(a.Parameter("code")).JSON(t)
			if header, id := providertest.Decode(t, object["id_token"].(string)); header["alg"] != name || id["nonce"] != strings.Repeat("n", 43) || id["acr"] == nil {
				t.Errorf("%v %v", header, id)
			}
			// plain_oauth: without openid there is no ID token.
			object = c.Redeem(c.Authorize(b, "scope", "board:read", "nonce", "").Parameter("code")).JSON(t)
			if object["token_type"] != "DPoP" || object["id_token"] != nil {
				t.Errorf("%v", object)
			}
		})
	}
	key := providertest.NewRSASigner(t, "the client", "k2", "PS256")
	c := f.AddFAPIClient("fapi", key, nil)
	t.Run("client assertions", func(t *testing.T) {
		in := func(d time.Duration) int64 { return f.Clock.Now().Add(d).Unix() }
		if a := c.Push(providertest.Parameters("client_id", "fapi"), "iat", in(10*time.Second), "nbf", in(10*time.Second)); a.Status != 201 {
			t.Errorf("10 s ahead: %d %s", a.Status, a.Body)
		}
		for name, changes := range map[string][]any{
			"iat 61 s ahead": {"iat", in(61 * time.Second)}, "nbf 61 s ahead": {"nbf", in(61 * time.Second)}, "aud missing": {"aud", nil}, "exp past": {"exp", in(-time.Minute)},
			"iss of another": {"iss", "app"}, "sub of another": {"sub", "app"},
		} {
			if a := c.Push(providertest.Parameters("client_id", "fapi"), changes...); a.Status != 401 || a.JSON(t)["error"] != "invalid_client" {
				t.Errorf("%s: %d %s", name, a.Status, a.Body)
			}
		}
		rs256 := key.As("RS256")
		rs256.Key.KeyID = "k2"
		c.SigningBy(rs256).Push(providertest.Parameters("client_id", "fapi")).WantError(t, 401, "invalid_client")
	})
	t.Run("par: what is refused", func(t *testing.T) {
		for name, changes := range map[string][]string{
			"par-without-pkce": {"code_challenge", "", "code_challenge_method", ""}, "par-plain-pkce": {"code_challenge_method", "plain"}, "par-attempt-invalid-redirect_uri": {"redirect_uri", "https://app.example/other"},
			"ensure-response-type-code": {"response_type", ""}, "a request_uri inside": {"request_uri", "urn:ietf:params:oauth:request_uri:x"},
		} {
			t.Run(name, func(t *testing.T) {
				c.Push(providertest.Parameters(append([]string{"client_id", "fapi"}, changes...)...)).WantError(t, 400, "invalid_request")
			})
		}
		c.Push(providertest.Parameters("client_id", "fapi", "response_type", "code id_token")).WantError(t, 400, "unsupported_response_type")
	})
	t.Run("ensure-authorization-code-expires: dead at 62 s", func(t *testing.T) {
		code := c.Authorize(b).Parameter("code")
		f.Clock.Advance(62 * time.Second)
		c.Redeem(code).WantError(t, 400, "invalid_grant")
	})
	t.Run("user-rejects-authentication", func(t *testing.T) {
		c := f.AddFAPIClient("fapi-third", key, func(c *client.Client) { c.Trusted = false })
		a := c.Authorize(b)
		at, page := a.Location, b.Get(a.Location.String())
		if a := b.Get(click(b, at, page, "deny").Location.String()); a.Parameter("error") != "access_denied" || a.Parameter("iss") != f.Issuer {
			t.Errorf("%d %v", a.Status, a.Location)
		}
	})
	t.Run("ensure-different-nonce-and-state-inside-and-outside: what was pushed counts", func(t *testing.T) {
		uri := c.Push(providertest.Parameters("client_id", "fapi", "state", "pushed")).JSON(t)["request_uri"].(string)
		if a := b.AuthorizeForm(url.Values{"client_id": {"fapi"}, "request_uri": {uri}, "state": {"outside"}}); a.Parameter("state") != "pushed" || a.Parameter("code") == "" {
			t.Errorf("%v", a.Location)
		}
	})
	t.Run("ensure-request-with-long-state, -long-nonce: whole, or refused", func(t *testing.T) {
		for _, length := range []int{384, 1000, 5000} {
			long := strings.Repeat("x", length)
			pushed := c.Push(providertest.Parameters("client_id", "fapi", "state", long, "nonce", long))
			if pushed.Status != 201 {
				pushed.WantError(t, 400, "invalid_request")
				continue
			}
			a := b.AuthorizeForm(url.Values{"client_id": {"fapi"}, "request_uri": {pushed.JSON(t)["request_uri"].(string)}})
			_, id := providertest.Decode(t, c.Redeem(a.Parameter("code")).JSON(t)["id_token"].(string))
			if a.Parameter("state") != long || id["nonce"] != long {
				t.Errorf("%d characters did not come back", length)
			}
		}
	})
	t.Run("refresh by another client", func(t *testing.T) {
		other := f.AddFAPIClient("fapi-other", providertest.NewSigner(t, "k3"), nil)
		token, _ := c.Redeem(c.Authorize(b).Parameter("code")).JSON(t)["refresh_token"].(string)
		other.Token(providertest.RefreshGrant(token)).WantError(t, 400, "invalid_grant")
		if a := c.Token(providertest.RefreshGrant(token)); a.Status != 200 {
			t.Errorf("%d %s", a.Status, a.Body)
		}
	})
}

func TestFAPI2MessageSigningOP(t *testing.T) {
	f := providertest.One(t)
	b := f.Browser().LogIn(f.User)
	key := providertest.NewRSASigner(t, "the client", "k1", "PS256")
	c := f.AddFAPIClient("signing", key, func(c *client.Client) { c.RequireSignedRequestObject = true })
	in := func(d time.Duration) int64 { return f.Clock.Now().Add(d).Unix() }
	push := func(s *providertest.Signer, changes ...any) providertest.Answer {
		claims := map[string]any{"iss": "signing", "aud": f.Issuer, "nbf": in(0), "exp": in(5 * time.Minute)}
		for name, values := range providertest.Parameters("client_id", "signing", "response_mode", "jwt") {
			claims[name] = values[0]
		}
		for i := 0; i < len(changes); i += 2 {
			claims[changes[i].(string)] = changes[i+1]
			if changes[i+1] == nil {
				delete(claims, changes[i].(string))
			}
		}
		return c.Push(url.Values{"client_id": {"signing"}, "request": {s.Sign(map[jose.HeaderKey]any{"typ": "oauth-authz-req+jwt"}, claims)}})
	}
	t.Run("happy-flow: a signed request, and JARM", func(t *testing.T) {
		a := push(key)
		uri, _ := a.JSON(t)["request_uri"].(string)
		a = b.AuthorizeForm(url.Values{"client_id": {"signing"}, "request_uri": {uri}})
		header, response := providertest.Decode(t, a.Parameter("response"))
		if header["alg"] != "PS256" || response["iss"] != f.Issuer || response["aud"] != "signing" || response["exp"] == nil || a.Parameter("code") != "" {
			t.Fatalf("%d %v %v", a.Status, a.Location, response)
		}
		if a := c.Redeem(response["code"].(string)); a.Status != 200 {
			t.Errorf("%d %s", a.Status, a.Body)
		}
	})
	rs256 := key.As("RS256")
	for name, a := range map[string]func() providertest.Answer{
		"ensure-request-object-without-exp-fails":       func() providertest.Answer { return push(key, "exp", nil) },
		"ensure-request-object-without-nbf-fails":       func() providertest.Answer { return push(key, "nbf", nil) },
		"ensure-expired-request-object-fails":           func() providertest.Answer { return push(key, "exp", in(-5*time.Minute), "nbf", in(-10*time.Minute)) },
		"ensure-request-object-with-exp-over-60-fails":  func() providertest.Answer { return push(key, "exp", in(70*time.Minute)) },
		"ensure-request-object-with-nbf-over-60-fails":  func() providertest.Answer { return push(key, "nbf", in(-70*time.Minute)) },
		"ensure-request-object-with-bad-aud-fails":      func() providertest.Answer { return push(key, "aud", "https://other.example") },
		"ensure-request-object-without-aud-fails":       func() providertest.Answer { return push(key, "aud", nil) },
		"ensure-request-object-without-iss-fails":       func() providertest.Answer { return push(key, "iss", nil) },
		"ensure-signed-request-object-with-RS256-fails": func() providertest.Answer { return push(rs256) },
		"ensure-request-object-signature-is-checked":    func() providertest.Answer { return push(providertest.NewRSASigner(t, "a stranger", "k1", "PS256")) },
		"ensure-request_uri-inside-the-object-fails":    func() providertest.Answer { return push(key, "request_uri", "https://x.example/") },
		"ensure-unsigned-request-object-alg-none-fails": func() providertest.Answer {
			return c.Push(url.Values{"client_id": {"signing"}, "request": {b64(`{"alg":"none"}`) + "." + b64(`{"iss":"signing"}`) + "."}})
		},
	} {
		t.Run(name, func(t *testing.T) { a().WantError(t, 400, "invalid_request_object") })
	}
	t.Run("ensure-unsigned-authorization-request-fails", func(t *testing.T) {
		c.Push(providertest.Parameters("client_id", "signing")).WantError(t, 400, "invalid_request")
		if a := b.Authorize("client_id", "signing"); a.Parameter("error") != "invalid_request" {
			t.Errorf("%d %v", a.Status, a.Location)
		}
	})
}

// What the suite's browser looks for on the pages of a log-out, in both languages, and that a log-out holds.
func TestLogoutOP(t *testing.T) {
	s := newSuite(t)
	p := s.register("code")
	titles := map[string][3]string{"en": {"Log out?", "You are logged out", "Cannot log you out"}, "ko": {"로그아웃", "로그아웃", "로그아웃"}}
	title := func(a providertest.Answer) string {
		document, err := html.Parse(strings.NewReader(a.Body))
		if err != nil {
			t.Fatal(err)
		}
		for node := range document.Descendants() {
			if node.Data == "title" && node.FirstChild != nil {
				return node.FirstChild.Data
			}
		}
		return ""
	}
	for language, want := range titles {
		t.Run("no parameters, "+language, func(t *testing.T) {
			b := s.Browser()
			p.logIn(b)
			at, err := url.Parse(s.Issuer + "/oauth2/logout?ui_locales=" + language)
			if err != nil {
				t.Fatal(err)
			}
			page := b.Get(at.String())
			if !strings.Contains(page.Body, want[0]) || !strings.Contains(title(page), want[0][:7]) {
				t.Errorf("the question: %q %s", title(page), page.Body)
			}
			page = click(b, at, page, "logout")
			if page.Status != 200 || page.Location != nil || !strings.Contains(page.Body, want[1]) || !strings.Contains(title(page), want[1]) {
				t.Errorf("the end: %d %q %s", page.Status, title(page), page.Body)
			}
			if a := b.AuthorizeForm(p.request("prompt", "none")); a.Parameter("error") != "login_required" {
				t.Errorf("afterwards: %v", a.Location)
			}
			page = b.Get("/oauth2/logout?id_token_hint=x.y.z&ui_locales=" + language)
			if page.Status != 400 || page.Location != nil || !strings.Contains(page.Body, want[2]) {
				t.Errorf("a bad hint: %d %s", page.Status, page.Body)
			}
		})
	}
	t.Run("oidcc-rp-initiated-logout, with the hint and the address of a client that registered itself", func(t *testing.T) {
		b := s.Browser()
		got, _ := p.logIn(b)
		bye := url.Values{"id_token_hint": {got.ID}, "post_logout_redirect_uri": {"https://suite.example/bye"}, "state": {strings.Repeat("s", 128)}}
		if a := visit(b, "/oauth2/logout?"+bye.Encode()); a.Location == nil || a.Location.Host != "suite.example" || a.Parameter("state") != strings.Repeat("s", 128) || len(a.Location.Query()) != 1 {
			t.Errorf("%d %v %s", a.Status, a.Location, a.Body)
		}
		if a := b.AuthorizeForm(p.request("prompt", "none")); a.Parameter("error") != "login_required" {
			t.Errorf("afterwards: %v", a.Location)
		}
	})
	t.Run("session_state comes with every answer, an error too", func(t *testing.T) {
		b := s.Browser()
		if a := b.AuthorizeForm(p.request("prompt", "none")); a.Parameter("session_state") == "" || a.Parameter("error") == "" {
			t.Errorf("%v", a.Location)
		}
		if a := p.authorize(b, p.request()); !strings.Contains(a.Parameter("session_state"), ".") || strings.Contains(a.Parameter("session_state"), " ") {
			t.Errorf("%v", a.Location)
		}
	})
}

// prompt=create leads to the sign-up page, whose fields the suite knows, and back to the client.
func TestSignupOnTheWayToAClient(t *testing.T) {
	s := newSuite(t)
	p := s.register("code")
	b := s.Browser()
	a := b.AuthorizeForm(p.request("prompt", "create"))
	if a.Location == nil || a.Location.Path != "/signup" {
		t.Fatalf("%d %v", a.Status, a.Location)
	}
	page := b.Get(a.Location.String())
	for _, id := range []string{"email", "password", "name"} {
		document, err := html.Parse(strings.NewReader(page.Body))
		if err != nil {
			t.Fatal(err)
		}
		if field := byID(document, id); field == nil || attribute(field, "name") != id {
			t.Errorf("the page has no field whose id and name are %s: %s", id, page.Body)
		}
	}
	after := click(b, a.Location, page, "signup", "email", "new@example.com", "password", suitePassword, "name", "New Person")
	if after.Location == nil {
		t.Fatalf("%d %s", after.Status, after.Body)
	}
	if a := visit(b, after.Location.RequestURI()); a.Parameter("code") == "" {
		t.Errorf("%d %v %s", a.Status, a.Location, a.Body)
	}
}

// CONFORMANCE.md says which test holds the server to which line: every test and every departure that it names is there.
func TestTheTableOfConformanceNamesWhatIsThere(t *testing.T) {
	read := func(path string) string {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	tests := map[string]string{} // the file that a test is in
	err := filepath.WalkDir("../../..", func(path string, entry os.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text := read(path)
		for _, found := range regexp.MustCompile(`(?m)^func (Test\w+)\(t \*testing\.T\)`).FindAllStringSubmatch(text, -1) {
			tests[found[1]] = text
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	_, departures, _ := strings.Cut(read("../../../ARCHITECTURE.md"), "## Where we depart")
	rows, item := 0, regexp.MustCompile("^(?:`(Test\\w+)(?:/([^`]+))?`|departure: (\\*\\*.+\\*\\*))(?:, |$)")
	for line := range strings.Lines(read("../../CONFORMANCE.md")) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) != 4 || cells[1] == "---" || cells[1] == " what " {
			continue
		}
		rows++
		rest := strings.TrimSpace(cells[2])
		for rest != "" {
			found := item.FindStringSubmatch(rest)
			if found == nil {
				t.Errorf("neither a test nor a departure: %q", rest)
				break
			}
			switch name, sub, departure := found[1], found[2], found[3]; {
			case departure != "" && !strings.Contains(departures, "- "+departure):
				t.Errorf("ARCHITECTURE.md has no departure %s", departure)
			case name != "" && tests[name] == "":
				t.Errorf("there is no test %s", name)
			case !strings.Contains(tests[name], sub):
				t.Errorf("%s has no %s", name, sub)
			}
			rest = rest[len(found[0]):]
		}
	}
	if rows < 80 {
		t.Errorf("only %d rows were read", rows)
	}
}
