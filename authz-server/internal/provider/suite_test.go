package provider_test

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

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

// The walk of the OpenID Foundation's conformance suite: clients register themselves, every module
// starts logged out, and the browser knows page addresses, field names and button ids alone.
// Subtests bear the names of the suite's modules. What other tests cover already is in
// authz-server/CONFORMANCE.md, and not repeated here.

const (
	suiteEmail    = "suite@example.com"
	suitePassword = "correct horse battery staple"
)

// suite is a server as it is set up for certification: open registration, all scopes, and the older
// response types.
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
	s.person, err = s.Store.Users.CreateUser(t.Context(), accounts.User{
		Email: suiteEmail, Name: "Suite Person", Locale: "en", PasswordHash: passwords.Hash(suitePassword),
	})
	if err != nil {
		t.Fatal(err)
	}
	claims := accounts.Claims{
		GivenName: "Suite", FamilyName: "Person", MiddleName: "M", Nickname: "S", PreferredUsername: "suite",
		Profile: "https://person.example/", Picture: "https://person.example/p.png",
		Website: "https://person.example/", Gender: "other", Birthdate: "2000-01-02", Zoneinfo: "Asia/Seoul",
		PhoneNumber: "+82 10 1234 5678", Address: accounts.Address{Formatted: "1 Street", Country: "KR"},
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
	metadata := map[string]any{"client_name": "Suite", "redirect_uris": []string{"https://suite.example/callback"},
		"grant_types": grants, "response_types": []string{kind},
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
	form := url.Values{
		"client_id": {p.id}, "response_type": {p.kind}, "redirect_uri": {p.redirect}, "scope": {"openid"}, "state": {rand.Text()},
		"nonce": {rand.Text()},
	}
	for i := 0; i < len(changes); i += 2 {
		form.Set(changes[i], changes[i+1])
		if changes[i+1] == "" {
			form.Del(changes[i])
		}
	}
	return form
}

// authorize goes through the pages until the client is called back, or a page comes that the suite
// does not know.
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

// visit goes to an address and through the pages of the server: it logs the suite's person in, and
// allows. It ends where the client is called back, or at a page that is neither.
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
