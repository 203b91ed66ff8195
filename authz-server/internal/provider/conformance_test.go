package provider_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
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
	"github.com/maru-auth/maru/authz-server/internal/fetch"
	"github.com/maru-auth/maru/authz-server/internal/passwords"
	"github.com/maru-auth/maru/authz-server/internal/provider"
	"github.com/maru-auth/maru/authz-server/internal/registration"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
	"github.com/maru-auth/maru/internal/testenv/testkey"
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
	*registrar
	person accounts.User
}

func newSuite(t *testing.T) *suite {
	t.Helper()
	r := &registrar{pages: map[string]string{}}
	r.site = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if _, ok := r.pages[q.URL.Path]; !ok {
			http.NotFound(w, q)
			return
		}
		w.Header().Set("Cache-Control", "no-store")
		io.WriteString(w, r.pages[q.URL.Path])
	}))
	t.Cleanup(r.site.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: r.site.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	r.fixture = oneWith(t, sqldbtest.SQLite(t), func(cfg *provider.Config) {
		outgoing, err := fetch.New(fetch.Config{CAFile: ca, InsecureLoopback: true, Now: cfg.Now})
		if err != nil {
			t.Fatal(err)
		}
		scopes := strings.Fields("openid profile email address phone offline_access")
		cfg.Registration, cfg.Fetch, cfg.InsecureLegacyResponseTypes = registration.Open, outgoing, true
		cfg.Clients, err = directory.New(directory.Config{
			Store: cfg.Store, Fetch: outgoing, Now: cfg.Now, Log: slog.New(slog.DiscardHandler),
			Policy: client.Policy{
				Scopes: scopes, DefaultScope: strings.Join(scopes, " "), LegacyResponseTypes: true, InsecureLoopback: true,
				GrantTypes: []string{client.AuthorizationCode, client.RefreshToken, client.DeviceCode, client.Implicit},
			},
		})
		if err != nil {
			t.Fatal(err)
		}
	})
	s := &suite{registrar: r}
	var err error
	s.person, err = s.store.Users.CreateUser(t.Context(), accounts.User{Email: suiteEmail, Name: "Suite Person", Locale: "en", PasswordHash: passwords.Hash(suitePassword)})
	if err != nil {
		t.Fatal(err)
	}
	claims := accounts.Claims{
		GivenName: "Suite", FamilyName: "Person", MiddleName: "M", Nickname: "S", PreferredUsername: "suite", Profile: "https://person.example/", Picture: "https://person.example/p.png",
		Website: "https://person.example/", Gender: "other", Birthdate: "2000-01-02", Zoneinfo: "Asia/Seoul", PhoneNumber: "+82 10 1234 5678", Address: accounts.Address{Formatted: "1 Street", Country: "KR"},
	}
	if err := s.store.Users.SetClaims(t.Context(), s.person.ID, claims); err != nil {
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
	s.t.Helper()
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
		s.t.Fatal(err)
	}
	made := s.read(s.send("POST", "/oauth2/register", "", string(body)), 201)
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
func (p party) authorize(b *browser, form url.Values) answer {
	p.s.t.Helper()
	a := b.visit("/oauth2/authorize?" + form.Encode())
	if a.location != nil && (a.parameter("state") != form.Get("state") || a.parameter("iss") != p.s.issuer) {
		p.s.t.Errorf("state or iss of the answer: %v", a.location)
	}
	return a
}

// redeem redeems a code, with parameters changed.
func (p party) redeem(code string, changes ...string) answer {
	p.s.t.Helper()
	form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {p.redirect}}
	for i := 0; i < len(changes); i += 2 {
		form.Set(changes[i], changes[i+1])
	}
	return p.call(form)
}

// call calls the token endpoint in the way that the client registered.
func (p party) call(form url.Values) answer {
	p.s.t.Helper()
	if p.method == "client_secret_post" {
		form.Set("client_id", p.id)
		form.Set("client_secret", p.secret)
		return p.s.postForm("/oauth2/token", form)
	}
	return p.s.token(p.id, p.secret, form)
}

// logIn is a whole flow: what came back, and the claims of the ID token, whose hashes are checked.
func (p party) logIn(b *browser, changes ...string) (got tokens, id map[string]any) {
	p.s.t.Helper()
	form := p.request(changes...)
	a := p.authorize(b, form)
	got = tokens{access: a.parameter("access_token"), id: a.parameter("id_token")}
	if code := a.parameter("code"); code != "" {
		got = p.s.tokens(p.redeem(code))
	}
	if got.id == "" {
		p.s.t.Fatalf("%s: %d %v %s", form.Encode(), a.status, a.location, a.body)
	}
	id = p.s.claimsOf(got.id)
	nonce, _ := id["nonce"].(string)
	if id["iss"] != p.s.issuer || id["aud"] != p.id || nonce != form.Get("nonce") {
		p.s.t.Errorf("ID token: %v", id)
	}
	return got, id
}

func (f *fixture) claimsOf(token string) map[string]any {
	f.t.Helper()
	text, _, err := f.ring.Verify(f.t.Context(), token, "JWT")
	var claims map[string]any
	if err != nil || json.Unmarshal(text, &claims) != nil {
		f.t.Fatalf("%v: %s", err, token)
	}
	return claims
}

// visit goes to an address and through the pages of the server: it logs the suite's person in, and allows. It ends where the
// client is called back, or at a page that is neither.
func (b *browser) visit(path string) answer {
	b.f.t.Helper()
	at, err := url.Parse(b.f.issuer + path)
	if err != nil {
		b.f.t.Fatal(err)
	}
	a := b.get(at.String())
	for range 12 {
		switch {
		case a.location != nil && a.location.Host == at.Host:
			at = a.location
			a = b.get(at.String())
		case a.location != nil || a.status != http.StatusOK:
			return a
		case at.Path == "/login":
			a = b.click(at, a, "login", "email", suiteEmail, "password", suitePassword)
		case at.Path == "/consent":
			a = b.click(at, a, "allow")
		default:
			return a
		}
	}
	b.f.t.Fatalf("it goes round and round, last at %s", at)
	return a
}

// click fills fields of the form that a button is in, both found by id, and presses the button.
func (b *browser) click(at *url.URL, page answer, button string, fields ...string) answer {
	b.f.t.Helper()
	document, err := html.Parse(strings.NewReader(page.body))
	if err != nil {
		b.f.t.Fatal(err)
	}
	pressed := byID(document, button)
	if pressed == nil {
		b.f.t.Fatalf("%s has no button %s: %s", at, button, page.body)
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
			b.f.t.Fatalf("%s has no field whose name and id are %s: %s", at, fields[i], page.body)
		}
		form.Set(fields[i], fields[i+1])
	}
	if name := attribute(pressed, "name"); name != "" {
		form.Set(name, attribute(pressed, "value"))
	}
	target, err := at.Parse(attribute(around, "action"))
	if err != nil {
		b.f.t.Fatal(err)
	}
	return b.post(target.String(), form)
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
	a := s.do(s.server.Client(), s.request("GET", "/.well-known/openid-configuration", nil))
	if a.status != 200 || a.header.Get("Content-Type") != "application/json" {
		t.Errorf("%d %v", a.status, a.header)
	}
	document := a.json(t)
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
		return err == nil && strings.HasPrefix(text, s.issuer+"/") && u.Fragment == "" && u.RawQuery == ""
	}
	is := func(want any) func(any) bool { return func(value any) bool { return value == want } }
	known := map[string]func(any) bool{
		"issuer": is(s.issuer), "authorization_endpoint": address, "token_endpoint": address, "userinfo_endpoint": address, "jwks_uri": address,
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

	keys, _ := s.do(s.server.Client(), s.request("GET", "/.well-known/jwks.json", nil)).json(t)["keys"].([]any)
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
			got, id := p.logIn(s.browser(), test.changes...)
			info := s.userinfo(got.access).json(t)
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
			if header, _ := decode(t, got.id); header["alg"] != "RS256" || header["kid"] == "" {
				t.Errorf("oidcc-idtoken-signature: %v", header)
			}
		})
	}

	t.Run("oidcc-server-client-secret-post", func(t *testing.T) {
		s.register("code", "token_endpoint_auth_method", "client_secret_post").logIn(s.browser())
	})
	t.Run("oidcc-ensure-request-with-valid-pkce-succeeds", func(t *testing.T) {
		a := p.authorize(s.browser(), p.request("code_challenge", challenge(verifier), "code_challenge_method", "S256"))
		s.tokens(p.redeem(a.parameter("code"), "code_verifier", verifier))
	})
	t.Run("oidcc-ensure-post-request-succeeds", func(t *testing.T) {
		// From the client's site: no cookie comes with it, and the answer has the browser come again with them.
		b := s.browser()
		a := s.do(b.Client, s.request("POST", "/oauth2/authorize", p.request(), "Origin", "https://suite.example", "Sec-Fetch-Site", "cross-site"))
		if a.location == nil || a.location.Path != "/oauth2/authorize" {
			t.Fatalf("%d %v %s", a.status, a.location, a.body)
		}
		s.tokens(p.redeem(b.visit(a.location.RequestURI()).parameter("code")))
	})
	t.Run("oidcc-response-type-missing", func(t *testing.T) {
		if a := p.authorize(s.browser(), p.request("response_type", "")); a.parameter("error") != "invalid_request" {
			t.Errorf("%d %v", a.status, a.location)
		}
	})
	t.Run("oidcc-ensure-registered-redirect-uri, oidcc-ensure-redirect-uri-in-authorization-request", func(t *testing.T) {
		for _, uri := range []string{"https://suite.example/callback/xyz", "https://suite.example/callback?x=1", ""} {
			// In place, and not at a page of its own: the suite looks at the authorization endpoint's address.
			a := s.browser().get("/oauth2/authorize?" + p.request("redirect_uri", uri).Encode())
			if a.status != 400 || a.location != nil || !strings.Contains(a.body, "redirect_uri") || !strings.Contains(a.body, "invalid_request") {
				t.Errorf("%q: %d %v %s", uri, a.status, a.location, a.body)
			}
		}
	})
	t.Run("oidcc-prompt-login", func(t *testing.T) {
		b := s.browser()
		_, first := p.logIn(b)
		s.clock.advance(2 * time.Second)
		form := p.request("prompt", "login")
		if a := b.authorize(form); a.location == nil || a.location.Path != "/login" {
			t.Fatalf("no page asks for a log-in: %d %v", a.status, a.location)
		}
		if _, second := p.logIn(b, "prompt", "login"); second["auth_time"].(float64) <= first["auth_time"].(float64) || second["sub"] != first["sub"] {
			t.Errorf("%v, then %v", first, second)
		}
	})
	t.Run("oidcc-prompt-none-not-logged-in", func(t *testing.T) {
		if a := s.browser().authorize(p.request("prompt", "none")); a.parameter("error") != "login_required" {
			t.Errorf("%d %v", a.status, a.location)
		}
	})
	t.Run("oidcc-prompt-none-logged-in, oidcc-id-token-hint", func(t *testing.T) {
		b := s.browser()
		got, first := p.logIn(b)
		s.clock.advance(time.Second)
		for _, hint := range []string{"", got.id} {
			a := b.authorize(p.request("prompt", "none", "id_token_hint", hint))
			again := s.claimsOf(s.tokens(p.redeem(a.parameter("code"))).id)
			if again["sub"] != first["sub"] || again["auth_time"] != first["auth_time"] {
				t.Errorf("%v, then %v", first, again)
			}
		}
	})
	t.Run("oidcc-max-age-1", func(t *testing.T) {
		b := s.browser()
		_, first := p.logIn(b)
		s.clock.advance(2 * time.Second)
		if _, second := p.logIn(b, "max_age", "1"); second["auth_time"].(float64) <= first["auth_time"].(float64) {
			t.Errorf("%v, then %v", first, second)
		}
	})
	t.Run("oidcc-codereuse, oidcc-codereuse-30seconds", func(t *testing.T) {
		for _, wait := range []time.Duration{0, 30 * time.Second, 5 * time.Minute} {
			code := p.authorize(s.browser(), p.request()).parameter("code")
			got := s.tokens(p.redeem(code))
			s.clock.advance(wait)
			wantError(t, p.redeem(code), 400, "invalid_grant")
			if a := s.userinfo(got.access); a.status != 401 {
				t.Errorf("after %s the access token works: %d", wait, a.status)
			}
		}
	})
	t.Run("oidcc-refresh-token", func(t *testing.T) {
		grants := []string{"authorization_code", "refresh_token"}
		one, other := s.register("code", "grant_types", grants), s.register("code", "grant_types", grants)
		refresh := func(p party, token string) answer {
			return p.call(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}})
		}
		var last string
		for _, p := range []party{one, other} {
			got, first := p.logIn(s.browser(), "scope", "openid offline_access", "prompt", "consent")
			s.clock.advance(2 * time.Second)
			next := s.tokens(refresh(p, got.refresh))
			id := s.claimsOf(next.id)
			for _, name := range []string{"iss", "sub", "aud", "auth_time", "azp"} {
				if id[name] != first[name] {
					t.Errorf("%s went from %v to %v", name, first[name], id[name])
				}
			}
			if id["iat"].(float64) <= first["iat"].(float64) || id["nonce"] != nil && id["nonce"] != first["nonce"] || next.access == got.access {
				t.Errorf("%v, then %v", first, id)
			}
			if a := s.userinfo(next.access); a.status != 200 {
				t.Errorf("%d %s", a.status, a.body)
			}
			last = next.refresh
		}
		wantError(t, refresh(one, last), 400, "invalid_grant")
		s.tokens(refresh(other, last))
	})
	t.Run("oidcc-ensure-request-object-with-redirect-uri", func(t *testing.T) {
		key := newSigner(t, "k1")
		p := s.register("code", "jwks", key.set())
		form := p.request("redirect_uri", "https://suite.example/other")
		claims := map[string]any{"iss": p.id, "aud": s.issuer, "redirect_uri": p.redirect}
		for _, name := range []string{"client_id", "response_type", "scope", "state", "nonce"} {
			claims[name] = form.Get(name)
		}
		form.Set("request", key.sign(nil, claims))
		if a := p.authorize(s.browser(), form); a.parameter("code") == "" || !strings.HasPrefix(a.location.String(), p.redirect+"?") {
			t.Errorf("%d %v %s", a.status, a.location, a.body)
		}
	})
	t.Run("oidcc-unsigned-request-object, oidcc-request-uri-unsigned: refused, and not ignored", func(t *testing.T) {
		object := "eyJhbGciOiJub25lIn0." + b64(`{"client_id":"`+p.id+`","response_type":"code","redirect_uri":"`+p.redirect+`","scope":"openid"}`) + "."
		if a := p.authorize(s.browser(), p.request("request", object)); a.parameter("error") != "invalid_request_object" {
			t.Errorf("by value: %d %v", a.status, a.location)
		}
		s.pages["/unsigned"] = object
		p := s.register("code", "request_uris", []string{s.site.URL + "/unsigned#hash"})
		if a := p.authorize(s.browser(), p.request("request_uri", s.site.URL+"/unsigned#hash")); a.parameter("error") != "invalid_request_object" {
			t.Errorf("by reference: %d %v", a.status, a.location)
		}
	})
}

func TestFormPostOP(t *testing.T) {
	s := newSuite(t)
	for _, kind := range []string{"code", "id_token", "id_token token", "code id_token", "code token", "code id_token token"} {
		p := s.register(kind)
		form := p.request("response_mode", "form_post")
		a := p.authorize(s.browser(), form)
		for name, in := range map[string]string{"code": "code", "id_token": "id_token", "access_token": "token"} {
			if (a.parameter(name) != "") != slices.Contains(strings.Fields(kind), in) {
				t.Errorf("%s: %s is %q", kind, name, a.parameter(name))
			}
		}
		if a.status != 200 || a.location != nil || a.parameter("state") != form.Get("state") || !strings.Contains(a.body, `action="`+p.redirect+`"`) || !strings.Contains(a.body, "<script src=") {
			t.Errorf("%s: %d %v %s", kind, a.status, a.location, a.body)
		}
		if code := a.parameter("code"); code != "" {
			s.tokens(p.redeem(code))
		}
		a = p.authorize(s.browser(), p.request("response_mode", "form_post", "prompt", "none"))
		if a.location != nil || a.parameter("error") != "login_required" {
			t.Errorf("%s, an error: %d %v %s", kind, a.status, a.location, a.body)
		}
	}
}

func TestImplicitAndHybridOP(t *testing.T) {
	s := newSuite(t)
	for _, kind := range []string{"id_token", "id_token token", "code id_token", "code token", "code id_token token"} {
		t.Run(kind, func(t *testing.T) {
			p := s.register(kind)
			b := s.browser()
			got, id := p.logIn(b, "scope", "openid email")
			if got.access != "" && s.userinfo(got.access).json(t)["email"] != suiteEmail {
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
				if a := p.authorize(b, p.request("nonce", "")); a.parameter("error") != want || a.location.Fragment == "" {
					t.Errorf("%d %v", a.status, a.location)
				}
			})
			if !strings.Contains(kind, "code") {
				return
			}
			t.Run("both ID tokens are of one person, and a code used twice ends the front channel's token too", func(t *testing.T) {
				a := p.authorize(b, p.request())
				back := s.tokens(p.redeem(a.parameter("code")))
				if front := a.parameter("id_token"); front != "" && s.claimsOf(front)["sub"] != s.claimsOf(back.id)["sub"] {
					t.Error("the ID tokens are of two people")
				}
				wantError(t, p.redeem(a.parameter("code")), 400, "invalid_grant")
				for _, token := range []string{a.parameter("access_token"), back.access} {
					if token != "" && s.userinfo(token).status != 401 {
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
		if a := p.authorize(s.browser(), p.request()); a.parameter("code") == "" || a.parameter("foo") != "bar" {
			t.Errorf("%d %v", a.status, a.location)
		}
		for _, uri := range []string{"https://suite.example/callback?foo=other", "https://suite.example/callback?foo=bar&x=1", "https://suite.example/callback"} {
			if a := p.authorize(s.browser(), p.request("redirect_uri", uri)); a.status != 400 || a.location != nil || !strings.Contains(a.body, "redirect_uri") {
				t.Errorf("%s: %d %v", uri, a.status, a.location)
			}
		}
	})
	t.Run("oidcc-registration-logo-uri, -policy-uri, -tos-uri: on the log-in page and on the consent page", func(t *testing.T) {
		p := s.register("code", "logo_uri", "https://suite.example/logo.png", "policy_uri", "https://suite.example/policy", "tos_uri", "https://suite.example/tos")
		b := s.browser()
		a := b.authorize(p.request())
		shown := func(what string, a answer) {
			for _, uri := range []string{"logo.png", "policy", "tos"} {
				if !strings.Contains(a.body, `"https://suite.example/`+uri+`"`) {
					t.Errorf("%s does not show %s: %s", what, uri, a.body)
				}
			}
		}
		at, page := a.location, b.get(a.location.String())
		shown("the log-in page", page)
		a = b.get(b.click(at, page, "login", "email", suiteEmail, "password", suitePassword).location.String())
		if a.location == nil || a.location.Path != "/consent" {
			t.Fatalf("%d %v", a.status, a.location)
		}
		at, page = a.location, b.get(a.location.String())
		shown("the consent page", page)
		a = b.visit(b.click(at, page, "deny").location.RequestURI())
		if a.parameter("error") != "access_denied" {
			t.Errorf("after a denial: %v", a.location)
		}
	})
	t.Run("oidcc-userinfo-rs256", func(t *testing.T) {
		p := s.register("code", "userinfo_signed_response_alg", "RS256")
		got, id := p.logIn(s.browser(), "scope", "openid email")
		a := s.userinfo(got.access)
		if claims := s.claimsOf(a.body); a.header.Get("Content-Type") != "application/jwt" || claims["sub"] != id["sub"] || claims["email"] != suiteEmail || claims["iss"] != s.issuer || claims["aud"] != p.id {
			t.Errorf("%v", claims)
		}
	})
	t.Run("oidcc-request-uri-signed-rs256", func(t *testing.T) {
		key := newRSASigner(t, "the client", "k1", "RS256")
		s.pages["/jwks"] = string(key.set())
		p := s.register("code", "jwks_uri", s.site.URL+"/jwks", "request_uris", []string{s.site.URL + "/request#abc"}, "request_object_signing_alg", "RS256")
		s.pages["/request"] = key.sign(nil, map[string]any{"iss": p.id, "aud": s.issuer, "client_id": p.id, "response_type": "code", "redirect_uri": p.redirect, "scope": "openid", "state": "inside", "nonce": "inside"})
		a := s.browser().visit("/oauth2/authorize?" + url.Values{"client_id": {p.id}, "response_type": {"code"}, "scope": {"openid"}, "request_uri": {s.site.URL + "/request#abc"}}.Encode())
		if a.parameter("state") != "inside" || s.claimsOf(s.tokens(p.redeem(a.parameter("code"))).id)["nonce"] != "inside" {
			t.Errorf("%d %v %s", a.status, a.location, a.body)
		}
	})
	t.Run("oidcc-registration-jwks-uri, oidcc-refresh-token-rp-key-rotation", func(t *testing.T) {
		key := newSigner(t, "k1")
		s.pages["/keys"] = string(key.set())
		p := s.register("code", "jwks_uri", s.site.URL+"/keys", "token_endpoint_auth_method", "private_key_jwt", "grant_types", []string{"authorization_code", "refresh_token"})
		call := func(form url.Values) answer {
			return s.postForm("/oauth2/token", with(form, key.assertion(s.fixture, p.id)))
		}
		code := p.authorize(s.browser(), p.request()).parameter("code")
		got := s.tokens(call(url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {p.redirect}}))
		s.clock.advance(time.Minute)
		key = newSigner(t, "k2")
		s.pages["/keys"] = string(key.set())
		s.tokens(call(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {got.refresh}}))
	})
	t.Run("oidcc-server-rotate-keys", func(t *testing.T) {
		p := s.register("code")
		before, _ := p.logIn(s.browser())
		if err := s.ring.Rotate(t.Context(), true); err != nil {
			t.Fatal(err)
		}
		after, _ := p.logIn(s.browser())
		published := s.do(s.server.Client(), s.request("GET", "/.well-known/jwks.json", nil)).body
		old, _ := decode(t, before.id)
		new, _ := decode(t, after.id)
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
		s.pages["/sector"] = string(text)
		p := s.register("code", "redirect_uris", uris, "subject_type", "pairwise", "sector_identifier_uri", s.site.URL+"/sector")
		if _, id := p.logIn(s.browser()); id["sub"] == s.person.ID {
			t.Error("the subject is the public one")
		}
	})
	t.Run("oidcc-default-max-age, require_auth_time", func(t *testing.T) {
		p := s.register("code", "default_max_age", 1, "require_auth_time", true)
		b := s.browser()
		_, first := p.logIn(b)
		s.clock.advance(3 * time.Second)
		if _, second := p.logIn(b); second["auth_time"].(float64) <= first["auth_time"].(float64) {
			t.Errorf("%v, then %v", first, second)
		}
	})
}

func b64(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

// newRSASigner is a client's key for RS256 and PS256: the same one for the same owner, kid and alg.
func newRSASigner(t testing.TB, owner, kid, alg string) *signer {
	t.Helper()
	return &signer{t, jose.JSONWebKey{Key: testkey.RSA(t, owner+" "+kid+" "+alg), KeyID: kid, Algorithm: alg, Use: "sig"}}
}

// fapi is a client with the profile fapi2, with its key.
type fapi struct {
	f   *fixture
	id  string
	key *signer
}

func (f *fixture) fapiClient(id string, key *signer, change func(c *client.Client)) fapi {
	f.t.Helper()
	f.addClient(id, func(c *client.Client) {
		c.Profile, c.JWKS, c.TokenEndpointAuthMethod, c.GrantTypes = client.ProfileFAPI2, key.set(), "private_key_jwt", []string{"authorization_code", "refresh_token"}
		if change != nil {
			change(c)
		}
	})
	return fapi{f, id, key}
}

// push pushes a request; changes are those of the assertion.
func (c fapi) push(form url.Values, changes ...any) answer {
	c.f.t.Helper()
	return c.f.postForm("/oauth2/par", with(form, c.key.assertion(c.f, c.id, changes...)))
}

// authorize pushes a request and has it answered.
func (c fapi) authorize(b *browser, changes ...string) answer {
	c.f.t.Helper()
	a := c.push(parameters(append([]string{"client_id", c.id}, changes...)...))
	uri, _ := a.json(c.f.t)["request_uri"].(string)
	if a.status != 201 || uri == "" {
		c.f.t.Fatalf("%d %s", a.status, a.body)
	}
	return b.authorize(url.Values{"client_id": {c.id}, "request_uri": {uri}})
}

// token calls the token endpoint with a DPoP proof.
func (c fapi) token(form url.Values) answer {
	c.f.t.Helper()
	return c.f.postForm("/oauth2/token", with(form, c.key.assertion(c.f, c.id)), "DPoP", newSigner(c.f.t, "").proof(c.f, "POST", "/oauth2/token"))
}

func (c fapi) redeem(code string) answer {
	return c.token(url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {callback}, "code_verifier": {verifier}})
}

func TestFAPI2SecurityProfileOP(t *testing.T) {
	f := one(t)
	b := f.browser().logIn(f.user)
	for name, key := range map[string]*signer{"ES256": newSigner(t, "k1"), "PS256": newRSASigner(t, "the client", "k1", "PS256"), "EdDSA": newEdSigner(t, "k1", "EdDSA"), "Ed25519": newEdSigner(t, "k1", "Ed25519")} {
		t.Run("happy-flow, "+name, func(t *testing.T) {
			c := f.fapiClient("fapi-"+name, key, func(c *client.Client) { c.IDTokenSignedResponseAlg = name })
			a := c.authorize(b, "state", strings.Repeat("s", 128), "nonce", strings.Repeat("n", 43))
			if a.parameter("state") != strings.Repeat("s", 128) || a.parameter("iss") != f.issuer {
				t.Errorf("%v", a.location)
			}
			object := c.redeem(a.parameter("code")).json(t)
			if header, id := decode(t, object["id_token"].(string)); header["alg"] != name || id["nonce"] != strings.Repeat("n", 43) || id["acr"] == nil {
				t.Errorf("%v %v", header, id)
			}
			// plain_oauth: without openid there is no ID token.
			object = c.redeem(c.authorize(b, "scope", "board:read", "nonce", "").parameter("code")).json(t)
			if object["token_type"] != "DPoP" || object["id_token"] != nil {
				t.Errorf("%v", object)
			}
		})
	}
	key := newRSASigner(t, "the client", "k2", "PS256")
	c := f.fapiClient("fapi", key, nil)
	t.Run("client assertions", func(t *testing.T) {
		in := func(d time.Duration) int64 { return f.clock.now().Add(d).Unix() }
		if a := c.push(parameters("client_id", "fapi"), "iat", in(10*time.Second), "nbf", in(10*time.Second)); a.status != 201 {
			t.Errorf("10 s ahead: %d %s", a.status, a.body)
		}
		for name, changes := range map[string][]any{
			"iat 61 s ahead": {"iat", in(61 * time.Second)}, "nbf 61 s ahead": {"nbf", in(61 * time.Second)}, "aud missing": {"aud", nil}, "exp past": {"exp", in(-time.Minute)},
			"iss of another": {"iss", "app"}, "sub of another": {"sub", "app"},
		} {
			if a := c.push(parameters("client_id", "fapi"), changes...); a.status != 401 || a.json(t)["error"] != "invalid_client" {
				t.Errorf("%s: %d %s", name, a.status, a.body)
			}
		}
		rs256 := &signer{t, jose.JSONWebKey{Key: key.key.Key, KeyID: "k2", Algorithm: "RS256", Use: "sig"}}
		wantError(t, fapi{f, "fapi", rs256}.push(parameters("client_id", "fapi")), 401, "invalid_client")
	})
	t.Run("par: what is refused", func(t *testing.T) {
		for name, changes := range map[string][]string{
			"par-without-pkce": {"code_challenge", "", "code_challenge_method", ""}, "par-plain-pkce": {"code_challenge_method", "plain"}, "par-attempt-invalid-redirect_uri": {"redirect_uri", "https://app.example/other"},
			"ensure-response-type-code": {"response_type", ""}, "a request_uri inside": {"request_uri", "urn:ietf:params:oauth:request_uri:x"},
		} {
			t.Run(name, func(t *testing.T) {
				wantError(t, c.push(parameters(append([]string{"client_id", "fapi"}, changes...)...)), 400, "invalid_request")
			})
		}
		wantError(t, c.push(parameters("client_id", "fapi", "response_type", "code id_token")), 400, "unsupported_response_type")
	})
	t.Run("ensure-authorization-code-expires: dead at 62 s", func(t *testing.T) {
		code := c.authorize(b).parameter("code")
		f.clock.advance(62 * time.Second)
		wantError(t, c.redeem(code), 400, "invalid_grant")
	})
	t.Run("user-rejects-authentication", func(t *testing.T) {
		c := f.fapiClient("fapi-third", key, func(c *client.Client) { c.Trusted = false })
		a := c.authorize(b)
		at, page := a.location, b.get(a.location.String())
		if a := b.get(b.click(at, page, "deny").location.String()); a.parameter("error") != "access_denied" || a.parameter("iss") != f.issuer {
			t.Errorf("%d %v", a.status, a.location)
		}
	})
	t.Run("ensure-different-nonce-and-state-inside-and-outside: what was pushed counts", func(t *testing.T) {
		uri := c.push(parameters("client_id", "fapi", "state", "pushed")).json(t)["request_uri"].(string)
		if a := b.authorize(url.Values{"client_id": {"fapi"}, "request_uri": {uri}, "state": {"outside"}}); a.parameter("state") != "pushed" || a.parameter("code") == "" {
			t.Errorf("%v", a.location)
		}
	})
	t.Run("ensure-request-with-long-state, -long-nonce: whole, or refused", func(t *testing.T) {
		for _, length := range []int{384, 1000, 5000} {
			long := strings.Repeat("x", length)
			pushed := c.push(parameters("client_id", "fapi", "state", long, "nonce", long))
			if pushed.status != 201 {
				wantError(t, pushed, 400, "invalid_request")
				continue
			}
			a := b.authorize(url.Values{"client_id": {"fapi"}, "request_uri": {pushed.json(t)["request_uri"].(string)}})
			_, id := decode(t, c.redeem(a.parameter("code")).json(t)["id_token"].(string))
			if a.parameter("state") != long || id["nonce"] != long {
				t.Errorf("%d characters did not come back", length)
			}
		}
	})
	t.Run("refresh by another client", func(t *testing.T) {
		other := f.fapiClient("fapi-other", newSigner(t, "k3"), nil)
		token, _ := c.redeem(c.authorize(b).parameter("code")).json(t)["refresh_token"].(string)
		wantError(t, other.token(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}), 400, "invalid_grant")
		if a := c.token(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}); a.status != 200 {
			t.Errorf("%d %s", a.status, a.body)
		}
	})
}

func TestFAPI2MessageSigningOP(t *testing.T) {
	f := one(t)
	b := f.browser().logIn(f.user)
	key := newRSASigner(t, "the client", "k1", "PS256")
	c := f.fapiClient("signing", key, func(c *client.Client) { c.RequireSignedRequestObject = true })
	in := func(d time.Duration) int64 { return f.clock.now().Add(d).Unix() }
	push := func(s *signer, changes ...any) answer {
		claims := map[string]any{"iss": "signing", "aud": f.issuer, "nbf": in(0), "exp": in(5 * time.Minute)}
		for name, values := range parameters("client_id", "signing", "response_mode", "jwt") {
			claims[name] = values[0]
		}
		for i := 0; i < len(changes); i += 2 {
			claims[changes[i].(string)] = changes[i+1]
			if changes[i+1] == nil {
				delete(claims, changes[i].(string))
			}
		}
		return c.push(url.Values{"client_id": {"signing"}, "request": {s.sign(map[jose.HeaderKey]any{"typ": "oauth-authz-req+jwt"}, claims)}})
	}
	t.Run("happy-flow: a signed request, and JARM", func(t *testing.T) {
		a := push(key)
		uri, _ := a.json(t)["request_uri"].(string)
		a = b.authorize(url.Values{"client_id": {"signing"}, "request_uri": {uri}})
		header, response := decode(t, a.parameter("response"))
		if header["alg"] != "PS256" || response["iss"] != f.issuer || response["aud"] != "signing" || response["exp"] == nil || a.parameter("code") != "" {
			t.Fatalf("%d %v %v", a.status, a.location, response)
		}
		if a := c.redeem(response["code"].(string)); a.status != 200 {
			t.Errorf("%d %s", a.status, a.body)
		}
	})
	rs256 := &signer{t, jose.JSONWebKey{Key: key.key.Key, KeyID: "k1", Algorithm: "RS256", Use: "sig"}}
	for name, a := range map[string]func() answer{
		"ensure-request-object-without-exp-fails":       func() answer { return push(key, "exp", nil) },
		"ensure-request-object-without-nbf-fails":       func() answer { return push(key, "nbf", nil) },
		"ensure-expired-request-object-fails":           func() answer { return push(key, "exp", in(-5*time.Minute), "nbf", in(-10*time.Minute)) },
		"ensure-request-object-with-exp-over-60-fails":  func() answer { return push(key, "exp", in(70*time.Minute)) },
		"ensure-request-object-with-nbf-over-60-fails":  func() answer { return push(key, "nbf", in(-70*time.Minute)) },
		"ensure-request-object-with-bad-aud-fails":      func() answer { return push(key, "aud", "https://other.example") },
		"ensure-request-object-without-aud-fails":       func() answer { return push(key, "aud", nil) },
		"ensure-request-object-without-iss-fails":       func() answer { return push(key, "iss", nil) },
		"ensure-signed-request-object-with-RS256-fails": func() answer { return push(rs256) },
		"ensure-request-object-signature-is-checked":    func() answer { return push(newRSASigner(t, "a stranger", "k1", "PS256")) },
		"ensure-request_uri-inside-the-object-fails":    func() answer { return push(key, "request_uri", "https://x.example/") },
		"ensure-unsigned-request-object-alg-none-fails": func() answer {
			return c.push(url.Values{"client_id": {"signing"}, "request": {b64(`{"alg":"none"}`) + "." + b64(`{"iss":"signing"}`) + "."}})
		},
	} {
		t.Run(name, func(t *testing.T) { wantError(t, a(), 400, "invalid_request_object") })
	}
	t.Run("ensure-unsigned-authorization-request-fails", func(t *testing.T) {
		wantError(t, c.push(parameters("client_id", "signing")), 400, "invalid_request")
		if a := b.authorize(parameters("client_id", "signing")); a.parameter("error") != "invalid_request" {
			t.Errorf("%d %v", a.status, a.location)
		}
	})
}

// newEdSigner is a client's key for EdDSA, by that name or by Ed25519.
func newEdSigner(t testing.TB, kid, alg string) *signer {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &signer{t, jose.JSONWebKey{Key: key, KeyID: kid, Algorithm: alg, Use: "sig"}}
}

// What the suite's browser looks for on the pages of a log-out, in both languages, and that a log-out holds.
func TestLogoutOP(t *testing.T) {
	s := newSuite(t)
	p := s.register("code")
	titles := map[string][3]string{"en": {"Log out?", "You are logged out", "Cannot log you out"}, "ko": {"로그아웃", "로그아웃", "로그아웃"}}
	title := func(a answer) string {
		document, err := html.Parse(strings.NewReader(a.body))
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
			b := s.browser()
			p.logIn(b)
			at, err := url.Parse(s.issuer + "/oauth2/logout?ui_locales=" + language)
			if err != nil {
				t.Fatal(err)
			}
			page := b.get(at.String())
			if !strings.Contains(page.body, want[0]) || !strings.Contains(title(page), want[0][:7]) {
				t.Errorf("the question: %q %s", title(page), page.body)
			}
			page = b.click(at, page, "logout")
			if page.status != 200 || page.location != nil || !strings.Contains(page.body, want[1]) || !strings.Contains(title(page), want[1]) {
				t.Errorf("the end: %d %q %s", page.status, title(page), page.body)
			}
			if a := b.authorize(p.request("prompt", "none")); a.parameter("error") != "login_required" {
				t.Errorf("afterwards: %v", a.location)
			}
			page = b.get("/oauth2/logout?id_token_hint=x.y.z&ui_locales=" + language)
			if page.status != 400 || page.location != nil || !strings.Contains(page.body, want[2]) {
				t.Errorf("a bad hint: %d %s", page.status, page.body)
			}
		})
	}
	t.Run("oidcc-rp-initiated-logout, with the hint and the address of a client that registered itself", func(t *testing.T) {
		b := s.browser()
		got, _ := p.logIn(b)
		bye := url.Values{"id_token_hint": {got.id}, "post_logout_redirect_uri": {"https://suite.example/bye"}, "state": {strings.Repeat("s", 128)}}
		if a := b.visit("/oauth2/logout?" + bye.Encode()); a.location == nil || a.location.Host != "suite.example" || a.parameter("state") != strings.Repeat("s", 128) || len(a.location.Query()) != 1 {
			t.Errorf("%d %v %s", a.status, a.location, a.body)
		}
		if a := b.authorize(p.request("prompt", "none")); a.parameter("error") != "login_required" {
			t.Errorf("afterwards: %v", a.location)
		}
	})
	t.Run("session_state comes with every answer, an error too", func(t *testing.T) {
		b := s.browser()
		if a := b.authorize(p.request("prompt", "none")); a.parameter("session_state") == "" || a.parameter("error") == "" {
			t.Errorf("%v", a.location)
		}
		if a := p.authorize(b, p.request()); !strings.Contains(a.parameter("session_state"), ".") || strings.Contains(a.parameter("session_state"), " ") {
			t.Errorf("%v", a.location)
		}
	})
}

// prompt=create leads to the sign-up page, whose fields the suite knows, and back to the client.
func TestSignupOnTheWayToAClient(t *testing.T) {
	s := newSuite(t)
	p := s.register("code")
	b := s.browser()
	a := b.authorize(p.request("prompt", "create"))
	if a.location == nil || a.location.Path != "/signup" {
		t.Fatalf("%d %v", a.status, a.location)
	}
	page := b.get(a.location.String())
	for _, id := range []string{"email", "password", "name"} {
		document, err := html.Parse(strings.NewReader(page.body))
		if err != nil {
			t.Fatal(err)
		}
		if field := byID(document, id); field == nil || attribute(field, "name") != id {
			t.Errorf("the page has no field whose id and name are %s: %s", id, page.body)
		}
	}
	after := b.click(a.location, page, "signup", "email", "new@example.com", "password", suitePassword, "name", "New Person")
	if after.location == nil {
		t.Fatalf("%d %s", after.status, after.body)
	}
	if a := b.visit(after.location.RequestURI()); a.parameter("code") == "" {
		t.Errorf("%d %v %s", a.status, a.location, a.body)
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
