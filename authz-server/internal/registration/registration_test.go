package registration_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/opaque"
	"github.com/maru-auth/maru/authz-server/internal/provider/providertest"
	"github.com/maru-auth/maru/authz-server/internal/registration"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

func TestAClientThatRegistersItselfGetsNoClaimsInIDTokens(t *testing.T) {
	t.Parallel()
	r := providertest.NewRegistrar(t, sqldbtest.SQLite(t), registration.Open)
	made := r.Register("", `"id_token_claims":true`)
	if c, err := r.Store.Clients.Client(t.Context(), made.ID); err != nil || c.IDTokenClaims {
		t.Errorf("%+v %v", c, err)
	}
}

func TestNamesInMetadataCountOnce(t *testing.T) {
	t.Parallel()
	r := providertest.NewRegistrar(t, sqldbtest.SQLite(t), registration.Open)
	r.WantRefused("doubled redirect_uris", r.Apply("", `"redirect_uris":["https://other.example/cb"]`), 400,
		"invalid_client_metadata", "repeated")
	key, err := providertest.NewSigner(t, "k1").Key.Public().MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	doubled := strings.Replace(string(key), "{", `{"kty":"RSA",`, 1)
	r.WantRefused("a key with two types", r.Apply("", `"jwks":{"keys":[`+doubled+`]}`), 400, "invalid_client_metadata", "repeated")
	r.WantRefused("keys twice", r.Apply("", `"jwks":{"keys":[`+string(key)+`],"keys":[]}`), 400, "invalid_client_metadata", "repeated")
}

func TestAClientRegistersItselfAndManagesItself(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		r := providertest.NewRegistrar(t, databaseURL, registration.Open)
		made := r.Register("", `"client_name":"Self","client_id":"chosen","client_secret":"chosen","trusted":true,
			"audiences":["https://api.example/board"],"initiate_login_uri":"https://app.example/start",
			"unknown":{"a":1},"software_statement":"x.y.z","client_name#ko":"스스로"`)
		if made.ID == "" || made.ID == "chosen" || len(made.Secret) != 43 || made.ExpiresAt == nil || *made.ExpiresAt != 0 ||
			made.IssuedAt == 0 ||
			made.Token == "" || made.URI != r.Issuer+"/oauth2/register/"+made.ID || made.Scope != "openid profile email" ||
			made.Login != "https://app.example/start" {
			t.Errorf("%+v", made)
		}
		if made.Trusted || made.Audiences != nil {
			t.Errorf("it gave itself what an operator must give: %+v", made)
		}
		// It works at once.
		user := r.Browser().LogIn(r.User)
		consented := user.Authorize("client_id", made.ID, "scope", "openid")
		if consented.Location == nil || !strings.HasPrefix(consented.Location.Path, "/consent") {
			t.Errorf("status %d, %v, %s", consented.Status, consented.Location, consented.Body)
		}
		if a := r.TokenWith(made.ID, made.Secret, url.Values{
			"grant_type": {"authorization_code"}, "code": {"x"}, "redirect_uri": {providertest.Callback},
		}); a.JSON(t)["error"] != "invalid_grant" {
			t.Errorf("its secret: %s", a.Body)
		}

		seen := r.Read(r.Send("GET", made.URI, made.Token, ""), 200)
		if seen.ID != made.ID || seen.Name != "Self" || seen.Secret != "" || seen.ExpiresAt == nil || seen.Token != made.Token ||
			seen.URI != made.URI || seen.IssuedAt != made.IssuedAt || seen.Login != made.Login {
			t.Errorf("%+v", seen)
		}

		changed := r.Read(r.Send("PUT", made.URI, made.Token,
			`{"client_id":"`+made.ID+`","client_secret":"`+made.Secret+`",`+providertest.WebApp+`,"client_name":"Changed","trusted":true}`), 200)
		if changed.Name != "Changed" || changed.Login != "" || changed.Trusted || changed.Token != made.Token || changed.Secret != "" {
			t.Errorf("%+v", changed)
		}
		if _, secrets, err := r.Store.Clients.ClientWithSecrets(t.Context(), made.ID); err != nil || len(secrets) != 1 ||
			string(secrets[0]) != string(opaque.Hash(made.Secret)) {
			t.Errorf("the secret did not stay: %v", err)
		}
		// Without a secret, and with one again.
		public := r.Read(r.Send("PUT", made.URI, made.Token,
			`{"client_id":"`+made.ID+`",`+providertest.WebApp+`,"token_endpoint_auth_method":"none"}`), 200)
		if _, secrets, err := r.Store.Clients.ClientWithSecrets(t.Context(), made.ID); err != nil || secrets != nil || public.ExpiresAt != nil {
			t.Errorf("%+v %v %v", public, secrets, err)
		}
		again := r.Read(r.Send("PUT", made.URI, made.Token,
			`{"client_id":"`+made.ID+`",`+providertest.WebApp+`,"token_endpoint_auth_method":"client_secret_post"}`), 200)
		if again.Secret == "" || again.Secret == made.Secret || again.ExpiresAt == nil {
			t.Errorf("%+v", again)
		}

		if a := r.Send("DELETE", made.URI, made.Token, ""); a.Status != 204 || a.Body != "" {
			t.Errorf("status %d, %s", a.Status, a.Body)
		}
		for _, method := range []string{"GET", "PUT", "DELETE"} {
			r.WantRefused(method+" of a client that is gone", r.Send(method, made.URI, made.Token, ""), 401, "invalid_token",
				"registration access token")
		}
	})
}

func TestRegistrationTokensOfOthersAreRefused(t *testing.T) {
	t.Parallel()
	r := providertest.NewRegistrar(t, sqldbtest.SQLite(t), registration.Open)
	one := r.Register("", "")
	other := r.Register("", "")
	for what, token := range map[string]string{
		"none": "", "another's": other.Token, "its secret": one.Secret, "its id": one.ID, "a changed one": one.Token + "x",
	} {
		for _, method := range []string{"GET", "PUT", "DELETE"} {
			r.WantRefused(method+" with "+what, r.Send(method, one.URI, token, `{"client_id":"`+one.ID+`",`+providertest.WebApp+`}`), 401,
				"invalid_token", "registration access token")
		}
	}
	for _, id := range []string{"app", "nobody"} { // a client that an operator made has no such token
		r.WantRefused(id, r.Send("DELETE", "/oauth2/register/"+id, one.Token, ""), 401, "invalid_token", "")
	}
	r.Read(r.Send("GET", one.URI, one.Token, ""), 200)
	twice := r.Request("GET", one.URI, nil)
	twice.Header["Authorization"] = []string{"Bearer " + one.Token, "Bearer " + other.Token}
	r.WantRefused("two tokens", r.Do(twice), 401, "invalid_token", "")
}

func TestRegistrationRefuses(t *testing.T) {
	t.Parallel()
	r := providertest.NewRegistrar(t, sqldbtest.SQLite(t), registration.Open)
	r.Pages.Set("/sector", `["https://app.example/other"]`)
	mine := r.Register("", "")
	for body, test := range map[string]struct{ code, says string }{
		`{}`:                                 {"invalid_redirect_uri", "redirect_uris"},
		`{"redirect_uris":["https://a/#x"]}`: {"invalid_redirect_uri", "fragment"},
		`{"redirect_uris":["http://app.example/cb"]}`: {"invalid_redirect_uri", "https"},
		`[]`:   {"invalid_client_metadata", "JSON object"},
		`null`: {"invalid_client_metadata", "JSON object"},
		`{`:    {"invalid_client_metadata", "JSON object"},
	} {
		r.WantRefused(body, r.Send("POST", "/oauth2/register", "", body), 400, test.code, test.says)
	}
	for members, says := range map[string]string{
		`"initiate_login_uri":"http://app.example/"`:                        "initiate_login_uri",
		`"id_token_signed_response_alg":"none"`:                             "id_token_signed_response_alg",
		`"grant_types":["client_credentials"]`:                              "grant_types",
		`"grant_types":["urn:ietf:params:oauth:grant-type:token-exchange"]`: "grant_types",
		`"token_endpoint_auth_method":"client_secret_jwt"`:                  "token_endpoint_auth_method",
		`"jwks_uri":"http://127.0.0.1/jwks"`:                                "jwks_uri",
		`"sector_identifier_uri":"` + r.Site.URL + `/sector"`:               "lacks https://app.example/cb",
		`"sector_identifier_uri":"` + r.Site.URL + `/none"`:                 "sector_identifier_uri",
		`"sector_identifier_uri":"https://10.0.0.1/sector"`:                 "public address",
		`"client_name":"a\u202eb"`:                                          "client_name",
		`"client_name":"` + strings.Repeat("x", 300<<10) + `"`:              "32 KiB",
	} {
		r.WantRefused(fmt.Sprintf("%.90s", members), r.Apply("", members), 400, "invalid_client_metadata", says)
	}
	form := r.PostForm("/oauth2/register", url.Values{"redirect_uris": {"https://app.example/cb"}})
	r.WantRefused("a form", form, 400, "invalid_client_metadata", "application/json")

	for body, test := range map[string]struct{ code, says string }{
		`{` + providertest.WebApp + `}`:                                                       {"invalid_client_metadata", "client_id"},
		`{"client_id":"app",` + providertest.WebApp + `}`:                                     {"invalid_client_metadata", "client_id"},
		`{"client_id":"` + mine.ID + `"}`:                                                     {"invalid_redirect_uri", "redirect_uris"},
		`{"client_id":"` + mine.ID + `","client_secret":"guess",` + providertest.WebApp + `}`: {"invalid_client_metadata", "client_secret"},
		`{"client_id":"` + mine.ID + `","client_secret":5,` + providertest.WebApp + `}`:       {"invalid_client_metadata", "client_secret"},
	} {
		r.WantRefused(body, r.Send("PUT", mine.URI, mine.Token, body), 400, test.code, test.says)
	}
	if c, err := r.Store.Clients.Client(t.Context(), mine.ID); err != nil || !c.MatchRedirectURI(providertest.Callback) {
		t.Errorf("%+v %v", c, err)
	}
}

func TestScopesThatAreNotKnownAreLeftOutOfARegistration(t *testing.T) {
	t.Parallel()
	r := providertest.NewRegistrar(t, sqldbtest.SQLite(t), registration.Open)
	made := r.Register("", "")
	for asked, want := range map[string]string{
		"openid board:read mcp:tools email": "openid email",
		"openid  openid profile ":           "openid profile",
		"mcp:tools read:user":               "openid profile email", // as if it had named none (RFC 7591 §2)
		"":                                  "openid profile email",
		`openid \"x\"`:                      "openid",
	} {
		if got := r.Register("", `"scope":"`+asked+`"`); got.Scope != want {
			t.Errorf("registered %q, got %q", asked, got.Scope)
		}
		change := `{"client_id":"` + made.ID + `",` + providertest.WebApp + `,"scope":"` + asked + `"}`
		if got := r.Read(r.Send("PUT", made.URI, made.Token, change), 200); got.Scope != want {
			t.Errorf("changed to %q, got %q", asked, got.Scope)
		}
	}
	// What a client asks for in its requests is another matter.
	if a := r.Browser().LogIn(r.User).Authorize("client_id", made.ID, "scope", "openid board:read"); a.Parameter("error") == "" &&
		a.Status == 200 {
		t.Errorf("%v %s", a.Location, a.Body)
	}
}

func TestAgentsRegisterAsTheyAre(t *testing.T) {
	t.Parallel()
	r := providertest.NewRegistrar(t, sqldbtest.SQLite(t), registration.Open)
	for name, body := range map[string]string{
		"Cursor": `{"client_name":"Cursor",
			"redirect_uris":["cursor://anysphere.cursor-mcp/oauth/callback","https://www.cursor.com/agents/mcp/oauth/callback"],
			"grant_types":["authorization_code","refresh_token"],"response_types":["code"],
			"token_endpoint_auth_method":"none","scope":"openid mcp:tools"}`,
		"Visual Studio Code": `{"client_name":"Visual Studio Code","client_uri":"https://code.visualstudio.com",
			"grant_types":["authorization_code","refresh_token","urn:ietf:params:oauth:grant-type:device_code"],
			"response_types":["code"],
			"redirect_uris":["https://insiders.vscode.dev/redirect","https://vscode.dev/redirect",
			"http://127.0.0.1/","http://127.0.0.1:33418/"],
			"token_endpoint_auth_method":"none","application_type":"native"}`,
		"an inspector": `{"client_name":"MCP Inspector","redirect_uris":["http://localhost:6274/oauth/callback"],
			"contacts":["the team, https://example.com/contact","Me <me@app.example>",""],"scope":"everything"}`,
	} {
		made := r.Read(r.Send("POST", "/oauth2/register", "", body), 201)
		c, err := r.Store.Clients.Client(t.Context(), made.ID)
		if err != nil || strings.Contains(made.Scope, "mcp") {
			t.Errorf("%s: %v %q", name, err, made.Scope)
		}
		if a := r.Browser().LogIn(r.User).Authorize("client_id", made.ID, "scope", "openid", "redirect_uri",
			c.RedirectURIs[0]); a.Location == nil || a.Location.Path != "/consent" {
			t.Errorf("%s: %d %v %s", name, a.Status, a.Location, a.Body)
		}
	}
}

func TestWhatAnOperatorGaveStaysWithinWhatAClientCanKeep(t *testing.T) {
	t.Parallel()
	r := providertest.NewRegistrar(t, sqldbtest.SQLite(t), registration.Open)
	made := r.Register("", "")
	c, err := r.Store.Clients.Client(t.Context(), made.ID)
	if err != nil {
		t.Fatal(err)
	}
	c.Scope += " board:read"
	c.Trusted = true
	if err := r.Store.Clients.UpdateClient(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	got := r.Read(r.Send("PUT", made.URI, made.Token, `{"client_id":"`+made.ID+
		`","redirect_uris":["https://elsewhere.example/"],"scope":"openid board:read"}`), 200)
	if got.Scope != "openid board:read" || got.Trusted { // nobody is sent elsewhere without being asked
		t.Errorf("%+v", got)
	}
}

func TestInitialAccessTokensLetIn(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		r := providertest.NewRegistrar(t, databaseURL, registration.Token)
		if err := r.Store.Clients.CreateInitialToken(t.Context(), opaque.Hash("initial"), "", 2, r.Clock.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		r.WantRefused("no token", r.Apply("", ""), 401, "invalid_token", "initial access token")
		r.WantRefused("another token", r.Apply("guess", ""), 401, "invalid_token", "initial access token")
		r.WantRefused("bad metadata", r.Send("POST", "/oauth2/register", "initial", `{}`), 400, "invalid_redirect_uri", "")
		made := r.Register("initial", "")
		r.WantRefused("the initial token for managing", r.Send("GET", made.URI, "initial", ""), 401, "invalid_token", "")
		r.Read(r.Send("GET", made.URI, made.Token, ""), 200)
		r.Register("initial", "")
		r.WantRefused("used up", r.Apply("initial", ""), 401, "invalid_token", "used up")
		r.WantRefused("a registration token", r.Apply(made.Token, ""), 401, "invalid_token", "")
	})
}

func TestRegistrationIsClosedUnlessItIsOpened(t *testing.T) {
	t.Parallel()
	closed := providertest.NewRegistrar(t, sqldbtest.SQLite(t), "")
	for _, a := range []providertest.Answer{closed.Apply("", ""), closed.Send("GET", "/oauth2/register/app", "x", "")} {
		if a.Status != 404 {
			t.Errorf("status %d, %s", a.Status, a.Body)
		}
	}
	if got := closed.Do(closed.Request("GET", "/.well-known/openid-configuration", nil)).JSON(t); got["registration_endpoint"] != nil {
		t.Error("announced", got["registration_endpoint"])
	}
	open := providertest.NewRegistrar(t, sqldbtest.SQLite(t), registration.Open)
	got := open.Do(open.Request("GET", "/.well-known/openid-configuration", nil)).JSON(t)
	if got["registration_endpoint"] != open.Issuer+"/oauth2/register" || got["client_id_metadata_document_supported"] != true {
		t.Error("not announced", got)
	}
	preflight := open.Do(open.Request("OPTIONS", "/oauth2/register", nil, "Origin", "https://agent.example",
		"Access-Control-Request-Method", "POST"))
	if preflight.Status != 204 || preflight.Header.Get("Access-Control-Allow-Origin") != "*" {
		t.Error(preflight)
	}
}

// RFC 9700 §2.1.1, and what SECURITY.md says: whoever nobody vouched for uses PKCE, with a secret
// or without.
func TestAClientThatNobodyVouchedForMustUsePKCE(t *testing.T) {
	t.Parallel()
	r := providertest.NewRegistrar(t, sqldbtest.SQLite(t), registration.Open)
	if err := r.Store.Clients.CreateInitialToken(t.Context(), opaque.Hash("initial"), "", 1, r.Clock.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	stranger := r.Register("", `"require_pkce":false`)
	vouched := r.Register("initial", "")
	r.Pages.Set("/client.json", fmt.Sprintf(`{"client_id":"%s/client.json",%s}`, r.Site.URL, providertest.WebApp))
	b := r.Browser().LogIn(r.User)
	ask := func(id string) providertest.Answer {
		return b.Authorize("client_id", id, "scope", "openid", "code_challenge", "", "code_challenge_method", "")
	}
	for _, id := range []string{stranger.ID, r.Site.URL + "/client.json"} {
		if a := ask(id); a.Location != nil && a.Location.Path == "/consent" ||
			a.Parameter("error") != "invalid_request" && !strings.Contains(a.Body, "code_challenge") {
			t.Errorf("%s: %d %v", id, a.Status, a.Location)
		}
	}
	// One that registered before it was so is held to it as well, and says so when it is changed.
	c, err := r.Store.Clients.Client(t.Context(), stranger.ID)
	if err != nil || !c.RequirePKCE || !c.Unvouched {
		t.Errorf("%+v %v", c, err)
	}
	c.RequirePKCE = false
	if err := r.Store.Clients.UpdateClient(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if a := ask(stranger.ID); a.Location != nil && a.Location.Path == "/consent" {
		t.Errorf("an older one: %v", a.Location)
	}
	changed := r.Send("PUT", stranger.URI, stranger.Token, `{"client_id":"`+stranger.ID+`",`+providertest.WebApp+`,"require_pkce":false}`)
	if changed.Status != 200 || changed.JSON(t)["require_pkce"] != true {
		t.Errorf("after a change: %d %s", changed.Status, changed.Body)
	}
	if a := ask(vouched.ID); a.Location == nil || a.Location.Path != "/consent" {
		t.Errorf("by an initial access token: %d %v %s", a.Status, a.Location, a.Body)
	}
	r.WantRefused("a token that is none, where none is needed", r.Apply("initial", ""), 401, "invalid_token", "used up")
}
