package provider_test

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/directory"
	"github.com/maru-auth/maru/authz-server/internal/fetch"
	"github.com/maru-auth/maru/authz-server/internal/opaque"
	"github.com/maru-auth/maru/authz-server/internal/provider"
	"github.com/maru-auth/maru/authz-server/internal/registration"
	"github.com/maru-auth/maru/authz-server/internal/store/limits"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

// registrar is a server at which clients register themselves, with a site of a client's developer on https.
type registrar struct {
	*fixture
	site  *httptest.Server
	pages map[string]string // of the site, by path
}

func newRegistrar(t *testing.T, databaseURL string, mode registration.Mode) *registrar {
	t.Helper()
	r := &registrar{pages: map[string]string{}}
	r.site = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		text, ok := r.pages[q.URL.Path]
		if !ok {
			http.NotFound(w, q)
			return
		}
		io.WriteString(w, text)
	}))
	t.Cleanup(r.site.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: r.site.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	outgoing, err := fetch.New(fetch.Config{CAFile: ca, InsecureLoopback: true})
	if err != nil {
		t.Fatal(err)
	}
	r.fixture = oneWith(t, databaseURL, func(cfg *provider.Config) {
		cfg.Registration, cfg.Fetch = mode, outgoing
		cfg.Clients, err = directory.New(directory.Config{
			Store: cfg.Store, Fetch: outgoing, MetadataDocuments: true, Now: cfg.Now, Log: slog.New(slog.DiscardHandler),
			Policy: client.Policy{
				Scopes: []string{"openid", "profile", "email"}, DefaultScope: "openid profile email",
				GrantTypes: []string{client.AuthorizationCode, client.RefreshToken, client.DeviceCode},
			},
		})
		if err != nil {
			t.Fatal(err)
		}
	})
	return r
}

// send sends JSON to a registration endpoint, with a token or without.
func (r *registrar) send(method, path, token, body string) answer {
	r.t.Helper()
	if !strings.HasPrefix(path, "http") {
		path = r.issuer + path
	}
	q, err := http.NewRequestWithContext(r.t.Context(), method, path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	if body != "" {
		q.Header.Set("Content-Type", "application/json; charset=utf-8")
	}
	if token != "" {
		q.Header.Set("Authorization", "Bearer "+token)
	}
	return r.do(r.server.Client(), q)
}

// registered is what registration says.
type registered struct {
	ID        string   `json:"client_id"`
	Name      string   `json:"client_name"`
	Secret    string   `json:"client_secret"`
	ExpiresAt *int64   `json:"client_secret_expires_at"`
	IssuedAt  int64    `json:"client_id_issued_at"`
	Token     string   `json:"registration_access_token"`
	URI       string   `json:"registration_client_uri"`
	Scope     string   `json:"scope"`
	Trusted   bool     `json:"trusted"`
	Audiences []string `json:"audiences"`
	Login     string   `json:"initiate_login_uri"`
}

func (r *registrar) read(a answer, status int) registered {
	r.t.Helper()
	var c registered
	if err := json.Unmarshal([]byte(a.body), &c); err != nil || a.status != status || a.header.Get("Cache-Control") != "no-store" || !strings.HasPrefix(a.header.Get("Content-Type"), "application/json") {
		r.t.Fatalf("status %d, %v, %s", a.status, a.header, a.body)
	}
	return c
}

func (r *registrar) refused(what string, a answer, status int, code, says string) {
	r.t.Helper()
	var e struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	if err := json.Unmarshal([]byte(a.body), &e); err != nil || a.status != status || e.Error != code || !strings.Contains(e.Description, says) {
		r.t.Errorf("%s: status %d, %s", what, a.status, a.body)
	}
	if challenge := a.header.Get("WWW-Authenticate"); (status == 401) != strings.HasPrefix(challenge, "Bearer ") {
		r.t.Errorf("%s: challenge %q", what, challenge)
	}
}

const webApp = `"redirect_uris":["https://app.example/cb?tenant=1"]`

func TestAClientRegistersItselfAndManagesItself(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		r := newRegistrar(t, databaseURL, registration.Open)
		made := r.read(r.send("POST", "/oauth2/register", "", `{`+webApp+`,"client_name":"Self","client_id":"chosen","client_secret":"chosen","trusted":true,
			"audiences":["https://api.example/board"],"initiate_login_uri":"https://app.example/start","unknown":{"a":1},"software_statement":"x.y.z","client_name#ko":"스스로"}`), 201)
		if made.ID == "" || made.ID == "chosen" || len(made.Secret) != 43 || made.ExpiresAt == nil || *made.ExpiresAt != 0 || made.IssuedAt == 0 ||
			made.Token == "" || made.URI != r.issuer+"/oauth2/register/"+made.ID || made.Scope != "openid profile email" || made.Login != "https://app.example/start" {
			t.Errorf("%+v", made)
		}
		if made.Trusted || made.Audiences != nil {
			t.Errorf("it gave itself what an operator must give: %+v", made)
		}
		// It works at once.
		user := r.browser().logIn(r.user)
		consented := user.authorize(parameters("client_id", made.ID, "scope", "openid"))
		if consented.location == nil || !strings.HasPrefix(consented.location.Path, "/consent") {
			t.Errorf("status %d, %v, %s", consented.status, consented.location, consented.body)
		}
		if a := r.token(made.ID, made.Secret, url.Values{"grant_type": {"authorization_code"}, "code": {"x"}, "redirect_uri": {callback}}); a.json(t)["error"] != "invalid_grant" {
			t.Errorf("its secret: %s", a.body)
		}

		seen := r.read(r.send("GET", made.URI, made.Token, ""), 200)
		if seen.ID != made.ID || seen.Name != "Self" || seen.Secret != "" || seen.ExpiresAt == nil || seen.Token != made.Token || seen.URI != made.URI || seen.IssuedAt != made.IssuedAt || seen.Login != made.Login {
			t.Errorf("%+v", seen)
		}

		changed := r.read(r.send("PUT", made.URI, made.Token, `{"client_id":"`+made.ID+`","client_secret":"`+made.Secret+`",`+webApp+`,"client_name":"Changed","trusted":true}`), 200)
		if changed.Name != "Changed" || changed.Login != "" || changed.Trusted || changed.Token != made.Token || changed.Secret != "" {
			t.Errorf("%+v", changed)
		}
		if _, secrets, err := r.store.Clients.ClientWithSecrets(t.Context(), made.ID); err != nil || len(secrets) != 1 || string(secrets[0]) != string(opaque.Hash(made.Secret)) {
			t.Errorf("the secret did not stay: %v", err)
		}
		// Without a secret, and with one again.
		public := r.read(r.send("PUT", made.URI, made.Token, `{"client_id":"`+made.ID+`",`+webApp+`,"token_endpoint_auth_method":"none"}`), 200)
		if _, secrets, err := r.store.Clients.ClientWithSecrets(t.Context(), made.ID); err != nil || secrets != nil || public.ExpiresAt != nil {
			t.Errorf("%+v %v %v", public, secrets, err)
		}
		again := r.read(r.send("PUT", made.URI, made.Token, `{"client_id":"`+made.ID+`",`+webApp+`,"token_endpoint_auth_method":"client_secret_post"}`), 200)
		if again.Secret == "" || again.Secret == made.Secret || again.ExpiresAt == nil {
			t.Errorf("%+v", again)
		}

		if a := r.send("DELETE", made.URI, made.Token, ""); a.status != 204 || a.body != "" {
			t.Errorf("status %d, %s", a.status, a.body)
		}
		for _, method := range []string{"GET", "PUT", "DELETE"} {
			r.refused(method+" of a client that is gone", r.send(method, made.URI, made.Token, ""), 401, "invalid_token", "registration access token")
		}
	})
}

func TestRegistrationTokensOfOthersAreRefused(t *testing.T) {
	r := newRegistrar(t, sqldbtest.SQLite(t), registration.Open)
	one := r.read(r.send("POST", "/oauth2/register", "", `{`+webApp+`}`), 201)
	other := r.read(r.send("POST", "/oauth2/register", "", `{`+webApp+`}`), 201)
	for what, token := range map[string]string{"none": "", "another's": other.Token, "its secret": one.Secret, "its id": one.ID, "a changed one": one.Token + "x"} {
		for _, method := range []string{"GET", "PUT", "DELETE"} {
			r.refused(method+" with "+what, r.send(method, one.URI, token, `{"client_id":"`+one.ID+`",`+webApp+`}`), 401, "invalid_token", "registration access token")
		}
	}
	for _, id := range []string{"app", "nobody"} { // a client that an operator made has no such token
		r.refused(id, r.send("DELETE", "/oauth2/register/"+id, one.Token, ""), 401, "invalid_token", "")
	}
	r.read(r.send("GET", one.URI, one.Token, ""), 200)
	twice := r.request("GET", one.URI, nil)
	twice.Header["Authorization"] = []string{"Bearer " + one.Token, "Bearer " + other.Token}
	r.refused("two tokens", r.do(r.server.Client(), twice), 401, "invalid_token", "")
}

func TestRegistrationRefuses(t *testing.T) {
	r := newRegistrar(t, sqldbtest.SQLite(t), registration.Open)
	r.pages["/sector"] = `["https://app.example/other"]`
	mine := r.read(r.send("POST", "/oauth2/register", "", `{`+webApp+`}`), 201)
	for body, test := range map[string]struct{ code, says string }{
		`{}`:                                 {"invalid_redirect_uri", "redirect_uris"},
		`{"redirect_uris":["https://a/#x"]}`: {"invalid_redirect_uri", "fragment"},
		`{"redirect_uris":["http://app.example/cb"]}`:                                        {"invalid_redirect_uri", "https"},
		`{` + webApp + `,"initiate_login_uri":"http://app.example/"}`:                        {"invalid_client_metadata", "initiate_login_uri"},
		`{` + webApp + `,"id_token_signed_response_alg":"none"}`:                             {"invalid_client_metadata", "id_token_signed_response_alg"},
		`{` + webApp + `,"grant_types":["client_credentials"]}`:                              {"invalid_client_metadata", "grant_types"},
		`{` + webApp + `,"grant_types":["urn:ietf:params:oauth:grant-type:token-exchange"]}`: {"invalid_client_metadata", "grant_types"},
		`{` + webApp + `,"token_endpoint_auth_method":"client_secret_jwt"}`:                  {"invalid_client_metadata", "token_endpoint_auth_method"},
		`{` + webApp + `,"jwks_uri":"http://127.0.0.1/jwks"}`:                                {"invalid_client_metadata", "jwks_uri"},
		`{` + webApp + `,"sector_identifier_uri":"` + r.site.URL + `/sector"}`:               {"invalid_client_metadata", "lacks https://app.example/cb"},
		`{` + webApp + `,"sector_identifier_uri":"` + r.site.URL + `/none"}`:                 {"invalid_client_metadata", "sector_identifier_uri"},
		`{` + webApp + `,"sector_identifier_uri":"https://10.0.0.1/sector"}`:                 {"invalid_client_metadata", "public address"},
		`{` + webApp + `,"client_name":"a\u202eb"}`:                                          {"invalid_client_metadata", "client_name"},
		`{` + webApp + `,"client_name":"` + strings.Repeat("x", 300<<10) + `"}`:              {"invalid_client_metadata", "32 KiB"},
		`[]`:   {"invalid_client_metadata", "JSON object"},
		`null`: {"invalid_client_metadata", "JSON object"},
		`{`:    {"invalid_client_metadata", "JSON object"},
	} {
		r.refused(fmt.Sprintf("%.90s", body), r.send("POST", "/oauth2/register", "", body), 400, test.code, test.says)
	}
	form := r.postForm("/oauth2/register", url.Values{"redirect_uris": {"https://app.example/cb"}})
	r.refused("a form", form, 400, "invalid_client_metadata", "application/json")

	for body, test := range map[string]struct{ code, says string }{
		`{` + webApp + `}`:                   {"invalid_client_metadata", "client_id"},
		`{"client_id":"app",` + webApp + `}`: {"invalid_client_metadata", "client_id"},
		`{"client_id":"` + mine.ID + `"}`:    {"invalid_redirect_uri", "redirect_uris"},
		`{"client_id":"` + mine.ID + `","client_secret":"guess",` + webApp + `}`: {"invalid_client_metadata", "client_secret"},
		`{"client_id":"` + mine.ID + `","client_secret":5,` + webApp + `}`:       {"invalid_client_metadata", "client_secret"},
	} {
		r.refused(body, r.send("PUT", mine.URI, mine.Token, body), 400, test.code, test.says)
	}
	if c, err := r.store.Clients.Client(t.Context(), mine.ID); err != nil || !c.MatchRedirectURI(callback) {
		t.Errorf("%+v %v", c, err)
	}
}

func TestScopesThatAreNotKnownAreLeftOutOfARegistration(t *testing.T) {
	r := newRegistrar(t, sqldbtest.SQLite(t), registration.Open)
	made := r.read(r.send("POST", "/oauth2/register", "", `{`+webApp+`}`), 201)
	for asked, want := range map[string]string{
		"openid board:read mcp:tools email": "openid email",
		"openid  openid profile ":           "openid profile",
		"mcp:tools read:user":               "openid profile email", // as if it had named none (RFC 7591 §2)
		"":                                  "openid profile email",
		`openid \"x\"`:                      "openid",
	} {
		if got := r.read(r.send("POST", "/oauth2/register", "", `{`+webApp+`,"scope":"`+asked+`"}`), 201); got.Scope != want {
			t.Errorf("registered %q, got %q", asked, got.Scope)
		}
		if got := r.read(r.send("PUT", made.URI, made.Token, `{"client_id":"`+made.ID+`",`+webApp+`,"scope":"`+asked+`"}`), 200); got.Scope != want {
			t.Errorf("changed to %q, got %q", asked, got.Scope)
		}
	}
	// What a client asks for in its requests is another matter.
	if a := r.browser().logIn(r.user).authorize(parameters("client_id", made.ID, "scope", "openid board:read")); a.parameter("error") == "" && a.status == 200 {
		t.Errorf("%v %s", a.location, a.body)
	}
}

func TestAgentsRegisterAsTheyAre(t *testing.T) {
	r := newRegistrar(t, sqldbtest.SQLite(t), registration.Open)
	for name, body := range map[string]string{
		"Cursor": `{"client_name":"Cursor","redirect_uris":["cursor://anysphere.cursor-mcp/oauth/callback","https://www.cursor.com/agents/mcp/oauth/callback"],
			"grant_types":["authorization_code","refresh_token"],"response_types":["code"],"token_endpoint_auth_method":"none","scope":"openid mcp:tools"}`,
		"Visual Studio Code": `{"client_name":"Visual Studio Code","client_uri":"https://code.visualstudio.com","grant_types":["authorization_code","refresh_token","urn:ietf:params:oauth:grant-type:device_code"],
			"response_types":["code"],"redirect_uris":["https://insiders.vscode.dev/redirect","https://vscode.dev/redirect","http://127.0.0.1/","http://127.0.0.1:33418/"],
			"token_endpoint_auth_method":"none","application_type":"native"}`,
		"an inspector": `{"client_name":"MCP Inspector","redirect_uris":["http://localhost:6274/oauth/callback"],"contacts":["the team, https://example.com/contact","Me <me@app.example>",""],"scope":"everything"}`,
	} {
		made := r.read(r.send("POST", "/oauth2/register", "", body), 201)
		c, err := r.store.Clients.Client(t.Context(), made.ID)
		if err != nil || strings.Contains(made.Scope, "mcp") {
			t.Errorf("%s: %v %q", name, err, made.Scope)
		}
		if a := r.browser().logIn(r.user).authorize(parameters("client_id", made.ID, "scope", "openid", "redirect_uri", c.RedirectURIs[0])); a.location == nil || a.location.Path != "/consent" {
			t.Errorf("%s: %d %v %s", name, a.status, a.location, a.body)
		}
	}
}

func TestWhatAnOperatorGaveStaysWithinWhatAClientCanKeep(t *testing.T) {
	r := newRegistrar(t, sqldbtest.SQLite(t), registration.Open)
	made := r.read(r.send("POST", "/oauth2/register", "", `{`+webApp+`}`), 201)
	c, err := r.store.Clients.Client(t.Context(), made.ID)
	if err != nil {
		t.Fatal(err)
	}
	c.Scope += " board:read"
	c.Trusted = true
	if err := r.store.Clients.UpdateClient(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	got := r.read(r.send("PUT", made.URI, made.Token, `{"client_id":"`+made.ID+`","redirect_uris":["https://elsewhere.example/"],"scope":"openid board:read"}`), 200)
	if got.Scope != "openid board:read" || got.Trusted { // nobody is sent elsewhere without being asked
		t.Errorf("%+v", got)
	}
}

func TestInitialAccessTokensLetIn(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		r := newRegistrar(t, databaseURL, registration.Token)
		if err := r.store.Clients.CreateInitialToken(t.Context(), opaque.Hash("initial"), "", 2, r.clock.now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		r.refused("no token", r.send("POST", "/oauth2/register", "", `{`+webApp+`}`), 401, "invalid_token", "initial access token")
		r.refused("another token", r.send("POST", "/oauth2/register", "guess", `{`+webApp+`}`), 401, "invalid_token", "initial access token")
		r.refused("bad metadata", r.send("POST", "/oauth2/register", "initial", `{}`), 400, "invalid_redirect_uri", "")
		made := r.read(r.send("POST", "/oauth2/register", "initial", `{`+webApp+`}`), 201)
		r.refused("the initial token for managing", r.send("GET", made.URI, "initial", ""), 401, "invalid_token", "")
		r.read(r.send("GET", made.URI, made.Token, ""), 200)
		r.read(r.send("POST", "/oauth2/register", "initial", `{`+webApp+`}`), 201)
		r.refused("used up", r.send("POST", "/oauth2/register", "initial", `{`+webApp+`}`), 401, "invalid_token", "used up")
		r.refused("a registration token", r.send("POST", "/oauth2/register", made.Token, `{`+webApp+`}`), 401, "invalid_token", "")
	})
}

func TestRegistrationIsClosedUnlessItIsOpened(t *testing.T) {
	closed := newRegistrar(t, sqldbtest.SQLite(t), "")
	for _, a := range []answer{closed.send("POST", "/oauth2/register", "", `{`+webApp+`}`), closed.send("GET", "/oauth2/register/app", "x", "")} {
		if a.status != 404 {
			t.Errorf("status %d, %s", a.status, a.body)
		}
	}
	if got := closed.do(closed.server.Client(), closed.request("GET", "/.well-known/openid-configuration", nil)).json(t); got["registration_endpoint"] != nil {
		t.Error("announced", got["registration_endpoint"])
	}
	open := newRegistrar(t, sqldbtest.SQLite(t), registration.Open)
	got := open.do(open.server.Client(), open.request("GET", "/.well-known/openid-configuration", nil)).json(t)
	if got["registration_endpoint"] != open.issuer+"/oauth2/register" || got["client_id_metadata_document_supported"] != true {
		t.Error("not announced", got)
	}
	preflight := open.do(open.server.Client(), open.request("OPTIONS", "/oauth2/register", nil, "Origin", "https://agent.example", "Access-Control-Request-Method", "POST"))
	if preflight.status != 204 || preflight.header.Get("Access-Control-Allow-Origin") != "*" {
		t.Error(preflight)
	}
}

func TestRegistrationIsLimitedForAnAddress(t *testing.T) {
	r := newRegistrar(t, sqldbtest.SQLite(t), registration.Open)
	var limited atomic.Int64
	for range 301 { // bad ones count, too
		a := r.send("POST", "/oauth2/register", "", `{}`)
		if a.status == 429 {
			limited.Add(1)
			r.refused("too many", a, 429, "temporarily_unavailable", "later")
			if a.header.Get("Retry-After") == "" {
				t.Error("it does not say when")
			}
		}
	}
	if limited.Load() != 1 {
		t.Errorf("%d of 301 refused", limited.Load())
	}
	r.clock.advance(time.Hour)
	r.read(r.send("POST", "/oauth2/register", "", `{`+webApp+`}`), 201)
}

func TestOneNetworkDoesNotTakeTheRegistrationsOfAll(t *testing.T) {
	r := newRegistrar(t, sqldbtest.SQLite(t), registration.Open)
	r.useUp("register strangers 127.0.0.1", 100, time.Hour)
	r.refused("a stranger", r.send("POST", "/oauth2/register", "", `{`+webApp+`}`), 429, "temporarily_unavailable", "later")
	if err := r.store.Clients.CreateInitialToken(t.Context(), opaque.Hash("initial"), "", 1, r.clock.now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	r.read(r.send("POST", "/oauth2/register", "initial", `{`+webApp+`}`), 201)
}

// An agent that nobody registered: its client_id is the address of what it says about itself.
func TestAClientOfADocumentAsksForConsent(t *testing.T) {
	r := newRegistrar(t, sqldbtest.SQLite(t), "")
	id := r.site.URL + "/agent.json"
	r.pages["/agent.json"] = `{"client_id":"` + id + `","client_name":"Agent","redirect_uris":["https://app.example/cb?tenant=1"],"token_endpoint_auth_method":"none","scope":"openid","trusted":true}`
	b := r.browser().logIn(r.user)
	a := b.authorize(parameters("client_id", id, "scope", "openid"))
	if a.location == nil || !strings.HasPrefix(a.location.Path, "/consent") {
		t.Fatalf("status %d, %v, %s", a.status, a.location, a.body)
	}
	if a := b.authorize(parameters("client_id", r.site.URL+"/none.json", "scope", "openid")); a.status < 400 || a.location != nil {
		t.Errorf("one that is not there: status %d, %v", a.status, a.location)
	}
}

// RFC 9700 §2.1.1, and what SECURITY.md says: whoever nobody vouched for uses PKCE, with a secret or without.
func TestAClientThatNobodyVouchedForMustUsePKCE(t *testing.T) {
	r := newRegistrar(t, sqldbtest.SQLite(t), registration.Open)
	if err := r.store.Clients.CreateInitialToken(t.Context(), opaque.Hash("initial"), "", 1, r.clock.now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	stranger := r.read(r.send("POST", "/oauth2/register", "", `{`+webApp+`,"require_pkce":false}`), 201)
	vouched := r.read(r.send("POST", "/oauth2/register", "initial", `{`+webApp+`}`), 201)
	r.pages["/client.json"] = fmt.Sprintf(`{"client_id":"%s/client.json",%s}`, r.site.URL, webApp)
	b := r.browser().logIn(r.user)
	ask := func(id string) answer {
		return b.authorize(parameters("client_id", id, "scope", "openid", "code_challenge", "", "code_challenge_method", ""))
	}
	for _, id := range []string{stranger.ID, r.site.URL + "/client.json"} {
		if a := ask(id); a.location != nil && a.location.Path == "/consent" || a.parameter("error") != "invalid_request" && !strings.Contains(a.body, "code_challenge") {
			t.Errorf("%s: %d %v", id, a.status, a.location)
		}
	}
	// One that registered before it was so is held to it as well, and says so when it is changed.
	c, err := r.store.Clients.Client(t.Context(), stranger.ID)
	if err != nil || !c.RequirePKCE || !c.Unvouched {
		t.Errorf("%+v %v", c, err)
	}
	c.RequirePKCE = false
	if err := r.store.Clients.UpdateClient(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if a := ask(stranger.ID); a.location != nil && a.location.Path == "/consent" {
		t.Errorf("an older one: %v", a.location)
	}
	changed := r.send("PUT", stranger.URI, stranger.Token, `{"client_id":"`+stranger.ID+`",`+webApp+`,"require_pkce":false}`)
	if changed.status != 200 || changed.json(t)["require_pkce"] != true {
		t.Errorf("after a change: %d %s", changed.status, changed.body)
	}
	if a := ask(vouched.ID); a.location == nil || a.location.Path != "/consent" {
		t.Errorf("by an initial access token: %d %v %s", a.status, a.location, a.body)
	}
	r.refused("a token that is none, where none is needed", r.send("POST", "/oauth2/register", "initial", `{`+webApp+`}`), 401, "invalid_token", "used up")
}

func TestRegistrationsOfAllAddressesAreBounded(t *testing.T) {
	r := newRegistrar(t, sqldbtest.SQLite(t), registration.Open)
	for n := range registration.StrangersPerHour { // from many addresses
		if err := r.store.Quotas.TakeQuotas(t.Context(), limits.Quota{Subject: fmt.Sprintf("register strangers#%d", n%8), Limit: registration.StrangersPerHour / 8, Window: time.Hour}); err != nil {
			t.Fatal(err)
		}
	}
	a := r.send("POST", "/oauth2/register", "", `{`+webApp+`}`)
	if a.header.Get("Retry-After") == "" {
		t.Errorf("%v", a.header)
	}
	r.refused("one too many", a, 503, "temporarily_unavailable", "too many")
	if err := r.store.Clients.CreateInitialToken(t.Context(), opaque.Hash("initial"), "", 1, r.clock.now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	r.read(r.send("POST", "/oauth2/register", "initial", `{`+webApp+`}`), 201)
	r.clock.advance(time.Hour)
	r.read(r.send("POST", "/oauth2/register", "", `{`+webApp+`}`), 201)
}

// What is stored can be longer than what was sent: "&" is six bytes in JSON that is safe in HTML.
func TestMetadataIsBoundedAsItIsStored(t *testing.T) {
	r := newRegistrar(t, sqldbtest.SQLite(t), registration.Open)
	uri := func(n int) string { return fmt.Sprintf(`"https://app.example/cb?%d=%s"`, n, strings.Repeat("&", 1900)) }
	var uris []string
	for n := range 10 {
		uris = append(uris, uri(n))
	}
	r.refused("19 KB that become 114", r.send("POST", "/oauth2/register", "", `{"redirect_uris":[`+strings.Join(uris, ",")+`]}`), 400, "invalid_client_metadata", "32 KiB")
	r.read(r.send("POST", "/oauth2/register", "", `{"redirect_uris":[`+strings.Join(uris[:2], ",")+`]}`), 201)
}
