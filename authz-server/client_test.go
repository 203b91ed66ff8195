package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/directory"
	"github.com/maru-auth/maru/authz-server/internal/opaque"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

// document reads a client as a command printed it.
func document(t *testing.T, text string) map[string]any {
	t.Helper()
	var members map[string]any
	if err := json.Unmarshal([]byte(text), &members); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return members
}

// members checks some members of a document; nil: it does not have that one.
func members(t *testing.T, got, want map[string]any) {
	t.Helper()
	for name, value := range want {
		if !reflect.DeepEqual(got[name], value) {
			t.Errorf("%s is %v, not %v", name, got[name], value)
		}
	}
}

// secrets tells which of texts are secrets of a client that work.
func secrets(t *testing.T, s *store.Store, id string, texts ...string) []string {
	t.Helper()
	hashes, err := s.Clients.ClientSecretHashes(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	var valid []string
	for _, text := range texts {
		if slices.ContainsFunc(hashes, func(hash []byte) bool { return bytes.Equal(hash, opaque.Hash(text)) }) {
			valid = append(valid, text)
		}
	}
	if len(valid) != len(hashes) {
		t.Errorf("%d secrets work, %d of them known", len(hashes), len(valid))
	}
	return valid
}

func TestClientFromCreationToDeletion(t *testing.T) {
	eachEngine(t, func(t *testing.T, c commandLine) {
		s := c.store()
		made := document(t, c.must("client", "create", "--id=demo", "--name=데모",
			"--redirect-uri=https://app.example/a,b", "--redirect-uri=http://localhost/cb",
			"--grant-type=authorization_code,refresh_token", "--scope=openid user:read", "--trusted"))
		members(t, made, map[string]any{
			"client_secret_expires_at": 0.0, "client_name": "데모", "require_pkce": true, "trusted": true,
			"redirect_uris": []any{"https://app.example/a,b", "http://localhost/cb"},
			"grant_types":   []any{"authorization_code", "refresh_token"},
		})
		secret, _ := made["client_secret"].(string)
		if len(secret) != 43 || made["client_id_issued_at"].(float64) == 0 {
			t.Errorf("%v", made)
		}
		if got := secrets(t, s, "demo", secret); len(got) != 1 {
			t.Error("the printed secret does not work")
		}
		c.refused([]string{"client", "create", "--id=demo", "--name=Demo", "--redirect-uri=https://app.example/"}, "demo exists", "client update")

		members(t, document(t, c.must("client", "show", "demo")), map[string]any{"client_secret": nil, "scope": "openid user:read"})
		out := c.must("client", "list")
		shows(t, out, "demo", "데모")
		hides(t, out, secret)
		var all []map[string]any
		err := json.Unmarshal([]byte(c.must("client", "list", "--format=json")), &all)
		if err != nil || len(all) != 1 || all[0]["client_id"] != "demo" {
			t.Errorf("%v, %v", all, err)
		}

		rotated := document(t, c.must("client", "rotate-secret", "demo"))["client_secret"].(string)
		if got := secrets(t, s, "demo", secret, rotated); len(got) != 2 {
			t.Error("the secrets do not overlap", got)
		}
		last := document(t, c.must("client", "rotate-secret", "demo", "--overlap=0"))["client_secret"].(string)
		if got := secrets(t, s, "demo", secret, rotated, last); !slices.Equal(got, []string{last}) {
			t.Error("an old secret works on", got)
		}
		c.refused([]string{"client", "rotate-secret", "demo", "--overlap=-1h"}, "--overlap")

		updated := document(t, c.must("client", "update", "demo", "--name=Demo", "--no-trusted", "--no-require-pkce",
			"--contact=a@app.example", "--tos-uri=https://app.example/terms"))
		members(t, updated, map[string]any{
			"client_name": "Demo", "trusted": nil, "require_pkce": nil, "scope": "openid user:read", "client_secret": nil,
			"contacts": []any{"a@app.example"},
		})
		updated = document(t, c.must("client", "update", "demo", "--contact=", "--tos-uri="))
		members(t, updated, map[string]any{"contacts": nil, "tos_uri": nil, "client_name": "Demo"})
		// A client that becomes public loses its secret; one that becomes confidential gets one.
		updated = document(t, c.must("client", "update", "demo", "--auth-method=none"))
		if members(t, updated, map[string]any{"require_pkce": true}); len(secrets(t, s, "demo")) != 0 {
			t.Errorf("%v", updated)
		}
		c.refused([]string{"client", "rotate-secret", "demo"}, "public")
		again, _ := document(t, c.must("client", "update", "demo", "--auth-method=client_secret_post"))["client_secret"].(string)
		if got := secrets(t, s, "demo", again); len(got) != 1 {
			t.Error("no secret for a client that became confidential")
		}
		c.refused([]string{"client", "update", "demo", "--redirect-uri=http://app.example/"}, "demo", "redirect_uris", "https")
		if shown := document(t, c.must("client", "show", "demo")); len(shown["redirect_uris"].([]any)) != 2 {
			t.Error("a refused update changed something")
		}

		shows(t, c.must("client", "delete", "demo"), "demo", "0 live grants")
		for _, command := range [][]string{{"show", "demo"}, {"delete", "demo"}, {"update", "demo", "--name=x"}, {"rotate-secret", "demo"}} {
			c.refused(append([]string{"client"}, command...), "no client demo", "client list")
		}
	})
}

func TestClientCreateRefusesWhatIsWrong(t *testing.T) {
	c := commandLine{t, sqldbtest.SQLite(t)}
	for _, test := range []struct {
		args string
		says []string
	}{
		{"--redirect-uri=https://app.example/", []string{"--name"}},
		{"--name=x", []string{"redirect_uris", "at least one", "(--redirect-uri)"}},
		{"--name=x --grant-type=client_credentials --jwks-uri=http://127.0.0.1/jwks", []string{"jwks_uri", "OUTGOING_LOOPBACK=true"}},
		{"--name=x --grant-type=client_credentials --jwks-uri=http://app.example/jwks", []string{"jwks_uri", "(--jwks-uri)"}},
		{"--name=x --redirect-uri=http://app.example/", []string{"redirect_uris", "https"}},
		{"--name=x --redirect-uri=https://app.example/ --scope=nonsense", []string{"scope", "nonsense"}},
		{"--name=x --grant-type=client_credentials --public", []string{"grant_types", "secret"}},
		{"--name=x --public --auth-method=client_secret_basic", []string{"--public"}},
		{"--name=x --grant-type=implicit", []string{"grant_types"}},
		{"--name=x --id=a/b --grant-type=client_credentials", []string{"client_id"}},
		{"--name=x --nonsense", []string{"nonsense"}},
		{"--name=x --format=xml", []string{"--format"}},
	} {
		c.refused(append([]string{"client", "create"}, strings.Fields(test.args)...), test.says...)
	}
	// A scope of a further resource is known where the resource is.
	c.must("--resource=https://api.example/orders=orders:read",
		"client", "create", "--name=x", "--grant-type=client_credentials", "--scope=orders:read")
	public := document(t, c.must("client", "create", "--name=App", "--public", "--redirect-uri=com.example.app:/cb", "--no-require-pkce"))
	members(t, public, map[string]any{"client_secret": nil, "require_pkce": true, "token_endpoint_auth_method": "none"})
	out := c.must("client", "create", "--name=x", "--grant-type=client_credentials", "--format=text")
	shows(t, out, "client_secret ")
	hides(t, out, "e+09")
}

func TestImportIsIdempotent(t *testing.T) {
	eachEngine(t, func(t *testing.T, c commandLine) {
		s := c.store()
		const given = "0123456789abcdef0123456789abcdef"
		file := `[
			{"client_id":"web","client_name":"Web","client_name#ko":"웹","redirect_uris":["https://app.example/cb"],
				"client_secret":"` + given + `","trusted":true},
			{"client_id":"app","token_endpoint_auth_method":"none","redirect_uris":["com.example.app:/cb"]},
			{"client_id":"service","grant_types":["client_credentials"],"scope":"user:lookup"}]`
		load := func(text string) string {
			t.Helper()
			out, err := c.run(text, "client", "import", "-")
			if err != nil {
				t.Fatal(err)
			}
			return out
		}
		out := load(file)
		generated, found := strings.CutPrefix(strings.Split(out, "\n")[1], "created service with the secret ")
		if !found || !strings.HasPrefix(out, "created app\n") || !strings.Contains(out, "created web\n") {
			t.Fatal(out)
		}
		check := func() {
			t.Helper()
			if len(secrets(t, s, "web", given)) != 1 || len(secrets(t, s, "app")) != 0 || len(secrets(t, s, "service", generated)) != 1 {
				t.Error("secrets are not as imported")
			}
		}
		check()
		if web := document(t, c.must("client", "show", "web")); web["require_pkce"] != nil || web["client_name#ko"] != "웹" {
			t.Errorf("%v", web)
		}
		if out := load(file); out != "unchanged app\nunchanged service\nunchanged web\n" {
			t.Error(out)
		}
		check()
		if out := load(strings.Replace(file, `"Web"`, `"Website"`, 1)); out != "unchanged app\nunchanged service\nupdated web\n" {
			t.Error(out)
		}
		check()
		// A secret that the file changes replaces the others at once; a single object will do.
		const changed = "fedcba9876543210fedcba9876543210"
		const web = `"client_id":"web","redirect_uris":["https://app.example/cb"]`
		if out := load(`{` + web + `,"client_secret":"` + changed + `"}`); out != "updated web\n" {
			t.Error(out)
		}
		if got := secrets(t, s, "web", given, changed); !slices.Equal(got, []string{changed}) {
			t.Error(got)
		}
		if out := load(`{` + web + `,"token_endpoint_auth_method":"none"}`); out != "updated web\n" || len(secrets(t, s, "web")) != 0 {
			t.Error(out)
		}
	})
}

func TestImportTakesAllOrNothing(t *testing.T) {
	c := commandLine{t, sqldbtest.SQLite(t)}
	const (
		good    = `{"client_id":"good","redirect_uris":["https://app.example/cb"]}`
		bad     = `"client_id":"bad","redirect_uris":["https://app.example/cb"]`
		service = `"client_id":"bad","redirect_uris":["com.example.app:/cb"],"token_endpoint_auth_method":"none"`
	)
	for _, test := range []struct {
		entry string
		says  []string
	}{
		{`{"client_id":"bad","redirect_uris":["http://app.example/cb"]}`, []string{"entry 2 (bad)", "redirect_uris", "https"}},
		{`{` + bad + `,"redirect_uri":"x","color":1}`, []string{"entry 2 (bad)", `unknown member "color", "redirect_uri"`}},
		{`{"client_id":"bad","redirect_uris":"https://app.example/cb"}`, []string{"entry 2", "redirect_uris", "array"}},
		{`{"redirect_uris":["https://app.example/cb"]}`, []string{"entry 2 (no client_id)", "client_id must be there"}},
		{good, []string{"entry 2 (good)", "twice"}},
		{`{` + bad + `,"client_secret":"short-secret"}`, []string{"entry 2 (bad)", "client_secret", "32"}},
		{`{` + bad + `,"client_secret":"with a space 0123456789abcdef0123456789"}`, []string{"entry 2 (bad)", "client_secret"}},
		{`{` + bad + `,"client_secret":42}`, []string{"entry 2 (bad)", "client_secret"}},
		{`{` + service + `,"client_secret":"0123456789abcdef0123456789abcdef"}`, []string{"entry 2 (bad)", "client_secret", "none"}},
		{`"bad"`, []string{"entry 2", "JSON object"}},
		{`null`, []string{"entry 2", "JSON object"}},
		{`{"client_id":`, []string{"JSON"}},
	} {
		out, err := c.run("["+good+","+test.entry+"]", "client", "import", "-")
		if err == nil {
			t.Errorf("%s is taken: %s", test.entry, out)
			continue
		}
		for _, says := range test.says {
			if !strings.Contains(err.Error(), says) {
				t.Errorf("%s: %v (says nothing of %q)", test.entry, err, says)
			}
		}
		if strings.Contains(err.Error(), "short-secret") {
			t.Errorf("the error repeats a secret: %v", err)
		}
	}
	if out := c.must("client", "list", "--format=json"); strings.TrimSpace(out) != "[]" {
		t.Error(out)
	}
	c.refused([]string{"client", "import", filepath.Join(t.TempDir(), "absent.json")}, "absent.json")
	file := filepath.Join(t.TempDir(), "clients.json")
	if err := os.WriteFile(file, []byte(good), 0o600); err != nil {
		t.Fatal(err)
	}
	var done []directory.Imported
	err := json.Unmarshal([]byte(c.must("client", "import", file, "--format=json")), &done)
	if err != nil || len(done) != 1 || done[0].Outcome != "created" || len(done[0].Secret) != 43 {
		t.Errorf("%v, %v", done, err)
	}
}

func TestImportsAtOnceEndAsOne(t *testing.T) {
	eachEngine(t, func(t *testing.T, c commandLine) {
		s := c.store()
		const secret = "0123456789abcdef0123456789abcdef"
		entries := []string{
			`{"client_id":"a","grant_types":["client_credentials"],"client_secret":"` + secret + `"}`,
			`{"client_id":"b","grant_types":["client_credentials"],"client_secret":"` + secret + `"}`,
		}
		var group sync.WaitGroup
		for i := range 8 {
			group.Go(func() {
				if out, err := c.run("["+entries[i%2]+","+entries[1-i%2]+"]", "client", "import", "-"); err != nil {
					t.Errorf("%s%v", out, err)
				}
			})
		}
		group.Wait()
		for _, id := range []string{"a", "b"} {
			if got := secrets(t, s, id, secret); len(got) != 1 {
				t.Error(id, got)
			}
		}
	})
}

func TestAClientThatSignsHasNoSecret(t *testing.T) {
	eachEngine(t, func(t *testing.T, c commandLine) {
		s := c.store()
		made := document(t, c.must("client", "create", "--id=bank", "--name=Bank", "--redirect-uri=https://bank.example/cb",
			"--profile=fapi2", "--jwks-uri=https://bank.example/jwks", "--backchannel-logout-uri=https://bank.example/out", "--no-require-par"))
		members(t, made, map[string]any{
			"client_secret": nil, "token_endpoint_auth_method": "private_key_jwt", "require_pushed_authorization_requests": true,
			"dpop_bound_access_tokens": true, "id_token_signed_response_alg": "PS256",
		})
		secrets(t, s, "bank")
		c.refused([]string{"client", "rotate-secret", "bank"}, "bank", "own key")
		c.refused([]string{"client", "update", "bank", "--auth-method=client_secret_basic"}, "private_key_jwt", "fapi2")
		changed := document(t, c.must("client", "update", "bank", "--profile=", "--auth-method=client_secret_basic", "--no-dpop-bound"))
		secret, _ := changed["client_secret"].(string)
		if got := secrets(t, s, "bank", secret); len(got) != 1 || changed["dpop_bound_access_tokens"] != nil {
			t.Errorf("%v", changed)
		}
		c.must("client", "update", "bank", "--auth-method=private_key_jwt")
		secrets(t, s, "bank")
	})
}

func TestInitialTokens(t *testing.T) {
	eachEngine(t, func(t *testing.T, c commandLine) {
		s := c.store()
		token := strings.TrimSpace(c.must("client", "initial-token", "--uses=2", "--expires=1h", "--note=for the orders team"))
		if err := s.Clients.CheckInitialToken(t.Context(), opaque.Hash(token)); err != nil || len(token) != 43 {
			t.Errorf("%q: %v", token, err)
		}
		made := document(t, c.must("client", "initial-token", "--format=json"))
		other, _ := made["initial_access_token"].(string)
		if err := s.Clients.CheckInitialToken(t.Context(), opaque.Hash(other)); err != nil || other == token || made["uses"] != 1.0 {
			t.Errorf("%v: %v", made, err)
		}
		c.refused([]string{"client", "initial-token", "--uses=0"}, "--uses")
		c.refused([]string{"client", "initial-token", "--expires=1s"}, "--expires")
		c.refused([]string{"client", "initial-token", "--note=" + strings.Repeat("x", 256)}, "--note")
	})
}

func TestNewClientsForPeopleGetIDTokensThatSayWhoTheyAre(t *testing.T) {
	c := commandLine{t, sqldbtest.SQLite(t)}
	c.store()
	for args, want := range map[string]any{
		"--redirect-uri=https://app.example/":                                                                       true,
		"--public --grant-type=urn:ietf:params:oauth:grant-type:device_code":                                        true,
		"--redirect-uri=https://app.example/ --no-id-token-claims":                                                  nil,
		"--grant-type=client_credentials":                                                                           nil,
		"--redirect-uri=https://app.example/ --profile=fapi2 --jwks-uri=https://app.example/jwks":                   nil,
		"--redirect-uri=https://app.example/ --profile=fapi2 --jwks-uri=https://app.example/jwks --id-token-claims": true,
	} {
		made := document(t, c.must(append([]string{"client", "create", "--name=x"}, strings.Fields(args)...)...))
		if made["id_token_claims"] != want {
			t.Errorf("%s: %v", args, made)
		}
		id := made["client_id"].(string)
		if changed := document(t, c.must("client", "update", id, "--name=y")); changed["id_token_claims"] != want {
			t.Errorf("%s: after an update of something else: %v", args, changed)
		}
	}
	// A file says all that a client is, as 'client show' prints it: what it does not name is off.
	c.mustWith(`{"client_id":"off","redirect_uris":["https://app.example/"]}`, "client", "import", "-")
	c.mustWith(`{"client_id":"on","redirect_uris":["https://app.example/"],"id_token_claims":true}`, "client", "import", "-")
	off, on := document(t, c.must("client", "show", "off")), document(t, c.must("client", "show", "on"))
	if off["id_token_claims"] != nil || on["id_token_claims"] != true {
		t.Errorf("%v %v", off, on)
	}
	shows(t, c.must("client", "create", "--help"), "--[no-]id-token-claims", "id_token_claims")
}

func TestAnImportOfDevelopmentsClientsNamesTheSettingThatItNeeds(t *testing.T) {
	c := commandLine{t, "sqlite:" + filepath.Join(t.TempDir(), "authz.db")}
	file := filepath.Join("..", "deploy", "dev", "clients.json")
	c.refused([]string{"client", "import", file}, "backchannel_logout_uri", "AUTHZ_INSECURE_OUTGOING_LOOPBACK=true")
	c.must("--insecure-outgoing-loopback", "client", "import", file)

	other := filepath.Join(t.TempDir(), "clients.json")
	if err := os.WriteFile(other, []byte(`{"client_id": "x", "redirect_uris": ["nonsense"]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := c.run("", "client", "import", other); err == nil || strings.Contains(err.Error(), "LOOPBACK") {
		t.Errorf("what no setting mends: %v", err)
	}
}

func TestClientCreateSaysWhatComesNext(t *testing.T) {
	databaseURL := sqldbtest.SQLite(t)
	served(t, databaseURL)
	for args, want := range map[string][]string{
		"--redirect-uri=https://app.example/": {
			"issuer:    https://example.com/id\n", "https://example.com/id/.well-known/openid-configuration\n",
			"client_secret", "/id/oauth2/authorize",
		},
		"--redirect-uri=https://app.example/ --public": {"no secret"},
		"--grant-type=client_credentials --jwks-uri=https://app.example/jwks --auth-method=private_key_jwt": {
			"its private key", "/id/oauth2/token",
		},
		"--grant-type=urn:ietf:params:oauth:grant-type:device_code --public": {"/id/oauth2/device_authorization", "/id/device"},
	} {
		var out, errs bytes.Buffer
		p := &program{in: strings.NewReader(""), out: &out, errs: &errs, now: time.Now}
		command := []string{"--database-url=" + databaseURL, "--issuer=https://example.com/id", "client", "create", "--name=x"}
		if err := p.run(t.Context(), append(command, strings.Fields(args)...)); err != nil {
			t.Fatal(err)
		}
		made := document(t, out.String()) // nothing but JSON
		shows(t, errs.String(), want...)
		if secret, ok := made["client_secret"].(string); ok && strings.Contains(errs.String(), secret) {
			t.Error("the secret is there twice")
		}
	}
}

func TestHelpOfACommandShowsItsOwnFlagsFirst(t *testing.T) {
	c := commandLine{t, sqldbtest.SQLite(t)}
	out := c.must("client", "create", "--help")
	own, settings := strings.Index(out, "--redirect-uri"), strings.Index(out, "--database-url")
	if own < 0 || settings < own {
		t.Error(out)
	}
	shows(t, out, "authz-server serve --help")
	hides(t, out, "--session-idle", "--listen")
	shows(t, c.must("serve", "--help"), "--session-idle", "--listen")
	rotate := c.must("keys", "rotate", "--help")
	shows(t, rotate, "--key-encryption-key-file")
	hides(t, rotate, "--session-idle")
}
