package servicetest

import (
	"bytes"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"go.uber.org/goleak"

	"github.com/maru-auth/maru/internal/service"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
	"github.com/maru-auth/maru/internal/testenv"
	"github.com/maru-auth/maru/jwks/jwkstest"
	"github.com/maru-auth/maru/jwks/rscheck/attack"
)

// Contract checks what every resource service does alike, as subtests: its command line, which
// tokens it takes, how it describes itself, and how it starts and ends. The test that calls it must
// not be parallel; README.md and openapi.json are read from its folder.
func (p Program[S]) Contract(t *testing.T) {
	t.Run("the help shows the settings", p.help)
	t.Run("settings come from the environment too", p.environment)
	t.Run("a wrong command line is refused", p.wrongCommandLines)
	t.Run("a wrong setting stops the start with a line that names it", p.wrongSettings)
	t.Run("nothing is left behind at the end", p.leavesNothing)
	for name, check := range map[string]func(*testing.T){
		"the committed OpenAPI document is up to date":       p.committedDocument,
		"the README's table has every operation":             p.tableIsWhole,
		"bad tokens are refused at every operation":          p.badTokens,
		"bound tokens pass with their proof and not without": p.boundTokens,
		"a token is taken from the header and nowhere else":  p.headerOnly,
		"the resource describes itself":                      p.describesItself,
		"it starts without the issuer and recovers":          p.startsAlone,
		"it says when to come back":                          p.transientErrors,
		"it withstands the attacks of rscheck":               p.withstands,
		"events are judged by their signature":               p.events,
		"refused events are counted by network":              p.refusedEvents,
		"revoked tokens are refused":                         p.revokedTokens,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			check(t)
		})
	}
}

func (p Program[S]) help(t *testing.T) {
	var out bytes.Buffer
	parser, err := kong.New(new(service.Commands[S]), append(p.Options(), kong.Writers(&out, &out), kong.Exit(func(int) {}))...)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse([]string{"--help"}); err != nil && out.Len() == 0 {
		t.Fatal(err)
	}
	for _, want := range []string{"--audience", "--issuer", "--database-url", "$" + strings.ToUpper(p.Name) + "_LISTEN", "backup", "openapi"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("it says nothing of %s:\n%s", want, out.String())
		}
	}
}

func (p Program[S]) environment(t *testing.T) {
	prefix := strings.ToUpper(p.Name) + "_"
	t.Setenv(prefix+"ISSUER", "https://auth.example")
	t.Setenv(prefix+"AUDIENCE", "https://api.example/"+p.Name)
	t.Setenv(prefix+"DATABASE_URL", "postgres://db.example/"+p.Name)
	t.Setenv(prefix+"JWKS_URL", "https://auth.example/keys")
	serve := p.Parse(t).Serve
	got := p.Settings(&serve)
	if got.Issuer != "https://auth.example" || got.Audience != "https://api.example/"+p.Name || got.Listen != p.Listen ||
		got.DatabaseURL != "postgres://db.example/"+p.Name || got.JWKSURL != "https://auth.example/keys" {
		t.Errorf("%+v", got)
	}
}

func (p Program[S]) wrongCommandLines(t *testing.T) {
	for _, args := range [][]string{{}, {"--issuer=https://a.example"}, {"--audience=https://a.example"}, {"--unknown"}} {
		parser, err := kong.New(new(service.Commands[S]), p.Options()...)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parser.Parse(args); err == nil {
			t.Errorf("%q was accepted", args)
		}
	}
}

func (p Program[S]) wrongSettings(t *testing.T) {
	for flag, value := range map[string]string{
		"--database-url": "mysql://root:hunter2@db.example/d", "--issuer": "localhost:9000",
		"--audience": p.Name, "--listen": "nowhere.invalid:1",
	} {
		p.RefusesToStart(t, flag, flag+"="+value)
		if flag == "--issuer" {
			p.RefusesToStart(t, flag, flag+"="+value, "--jwks-url=http://127.0.0.1:1/jwks.json")
		}
	}
}

// RefusesToStart checks that with the wrong args the program ends with one line that names the
// setting, and tells no secret.
func (p Program[S]) RefusesToStart(t *testing.T, setting string, args ...string) {
	t.Helper()
	err := p.Run(t.Context(), p.Parse(t, slices.Concat([]string{
		"--issuer=http://127.0.0.1:1", "--audience=" + p.Audience(), "--database-url=" + sqldbtest.SQLite(t),
		"--listen=127.0.0.1:0", "--log-level=error",
	}, args)...).Serve)
	if err == nil || !strings.Contains(err.Error(), setting) {
		t.Errorf("%q: %v", args, err)
	} else if strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("%q: more than a line that anybody may read: %v", args, err)
	}
}

func (p Program[S]) leavesNothing(t *testing.T) {
	issuer := jwkstest.NewIssuer(t)
	before := goleak.IgnoreCurrent()
	s := p.Start(t, issuer, sqldbtest.SQLite(t))
	s.Call("GET", p.Read, s.Person("a", "openid "+p.Scope), "").Want(200)
	s.Stop()
	goleak.VerifyNone(t, before)
}

func (p Program[S]) committedDocument(t *testing.T) {
	committed, err := os.ReadFile("openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	flags := p.Parse(t, "openapi").Openapi
	made, err := p.Document(flags.Issuer, flags.Audience)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(committed, made) {
		t.Error("openapi.json is not what the code says: make openapi")
	}
	for _, forbidden := range []string{"$schema", p.Listen} {
		if bytes.Contains(made, []byte(forbidden)) {
			t.Errorf("it has %s", forbidden)
		}
	}
	if n := len(operations(t)); n != p.Operations {
		t.Errorf("it has %d operations, want %d", n, p.Operations)
	}
}

// So that no operation is left out of the tests that go through the table.
func (p Program[S]) tableIsWhole(t *testing.T) {
	_, rows := Table(t)
	for _, operation := range operations(t) {
		if !slices.ContainsFunc(rows, func(row []string) bool { return is(row[0], operation) }) {
			t.Errorf("%s is not in the README's table", operation)
		}
	}
}

// withoutToken is the challenge to a request without one. It has no error code (RFC 6750 §3.1).
func (p Program[S]) withoutToken() string {
	metadata := `resource_metadata="` + p.metadataURL() + `"`
	return `Bearer ` + metadata + `, DPoP algs="ES256 EdDSA Ed25519 PS256 RS256", ` + metadata
}

// NeedsToken checks that a request without a token was refused with the challenge for one.
func (p Program[S]) NeedsToken(r Response) {
	r.t.Helper()
	if got := r.Want(401).Header.Get("WWW-Authenticate"); got != p.withoutToken() {
		r.t.Errorf("%v: challenge %s", r, got)
	}
}

// NeedsScope checks that a request was refused with the challenge for another scope.
func (p Program[S]) NeedsScope(r Response) {
	r.t.Helper()
	got := r.Want(403).Header.Get("WWW-Authenticate")
	for _, want := range []string{`error="insufficient_scope"`, `scope="` + p.Name + `:`, `resource_metadata="` + p.metadataURL() + `"`} {
		if !strings.Contains(got, want) {
			r.t.Errorf("%v: challenge %s, want %s", r, got, want)
		}
	}
}

func (p Program[S]) badTokens(t *testing.T) {
	s := p.StartNew(t)
	bad := s.Issuer.BadTokens(p.Audience(), jwkstest.Token{Subject: "moderator", Scope: "openid " + p.Scopes, Roles: []string{"moderator"}})
	if len(bad) < 40 {
		t.Fatalf("only %d bad tokens", len(bad))
	}
	// Subjects that no database should see.
	controls, long := s.Person("a\x00b", p.Scopes), s.Person(strings.Repeat("x", 256), p.Scopes)
	for _, operation := range operations(t) {
		if operation == eventsOperation { // which needs no token
			continue
		}
		method, path := filled(operation)
		for _, b := range bad {
			if len(b.Token) > 60<<10 { // more than the server takes of headers
				if r := s.Call(method, path, b.Token, ""); r.Status != http.StatusRequestHeaderFieldsTooLarge {
					t.Errorf("a token that is %s: %v", b.Name, r)
				}
				continue
			}
			r := s.Call(method, path, b.Token, "").Want(401)
			challenge := r.Header.Get("WWW-Authenticate")
			says, where := `Bearer error="invalid_token", `, `, resource_metadata="`+p.metadataURL()+`"`
			if !strings.HasPrefix(challenge, says) || !strings.HasSuffix(challenge, where) {
				t.Errorf("%s with a token that is %s: challenge %s", operation, b.Name, challenge)
			}
			if strings.Contains(r.Body, b.Token[:min(len(b.Token), 20)]) {
				t.Errorf("the answer repeats the token: %v", r)
			}
		}
		for _, token := range []string{strings.Repeat("a", 9<<10), controls, long} {
			s.Call(method, path, token, "").Want(401)
		}
		p.NeedsToken(s.Call(method, path, "", ""))
		p.NeedsScope(s.Call(method, path, s.Person("person", "openid", "moderator"), ""))
	}
}

func (p Program[S]) boundTokens(t *testing.T) {
	s := p.StartNew(t)
	s.Issuer.Handle("/oauth2/userinfo", http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("the issuer is asked with a token that only the client can use")
	}))
	key := s.Issuer.ProofKey(t, "ES256")
	grant := jwkstest.Token{Subject: "a", Audience: p.Audience(), Scope: "openid " + p.Scope, ProofKey: key}
	token := s.Issuer.AccessToken(t, grant)
	for _, method := range []string{"GET", "HEAD"} {
		proof := jwkstest.Proof{Method: method, URL: p.Audience() + p.Read, Token: token}
		var once http.Header
		first := s.CallWith(method, p.Read+"?q=1", "", func(h http.Header) { key.Authorize(t, h, proof); once = h.Clone() })
		if first.Status != 200 {
			t.Errorf("%v %v", first, first.Header)
		}
		again := s.CallWith(method, p.Read, "", func(h http.Header) { maps.Copy(h, once) })
		if again.Status != 401 ||
			!strings.Contains(again.Header.Get("WWW-Authenticate"), `DPoP error="invalid_dpop_proof"`) {
			t.Errorf("with the same proof, %v %v", again, again.Header)
		}
	}
	for _, bad := range s.Issuer.BadProofs("GET", p.Audience()+p.Read, p.Audience(), grant) {
		if r := s.CallWith("GET", p.Read, "", bad.Set); r.Status != 401 || r.Header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s: %v", bad.Name, r)
		}
	}
}

func (p Program[S]) headerOnly(t *testing.T) {
	s := p.StartNew(t)
	token := s.Person("a", p.Scope)
	s.Call("GET", p.Read+"?access_token="+token, "", "").Want(401)
	s.Call("GET", p.Read+"?access_token="+token, token, "").Want(400)
	s.Call("GET", p.Read, "", "", "Authorization", "Basic "+token).Want(401)
	s.Call("GET", p.Read, "", "", "Cookie", "access_token="+token).Want(401)
	s.Call("GET", p.Read, "", "", "Authorization", "bEARER   "+token).Want(200) // RFC 9110 §11.1
}

func (p Program[S]) describesItself(t *testing.T) {
	s := p.StartNew(t)
	scopes := `"` + strings.ReplaceAll(p.Scopes, " ", `","`) + `"`
	want := `{"resource":"` + p.Audience() + `","authorization_servers":["` + s.Issuer.URL() + `"],"scopes_supported":[` + scopes + `],` +
		`"bearer_methods_supported":["header"],"resource_name":"Maru ` + p.Name + ` service",` +
		`"dpop_signing_alg_values_supported":["ES256","EdDSA","Ed25519","PS256","RS256"]}` + "\n"
	for _, path := range []string{"/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/" + p.Name} {
		r := s.Call("GET", path, "", "").Want(200)
		if r.Body != want || r.Header.Get("Content-Type") != "application/json" ||
			r.Header.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%v %v, want %s", r, r.Header, want)
		}
	}
	made, err := p.Document(s.Issuer.URL(), p.Audience())
	if served := s.Call("GET", "/openapi.json", "", "").Want(200); err != nil || served.Body != string(made) {
		t.Errorf("the document that is served is not the one that is printed: %v", err)
	}
	s.Call("GET", "/livez", "", "").Want(200)
	s.Call("GET", "/readyz", "", "").Want(200)
	for _, path := range []string{
		"/", "/v1", "/v1/nothing", "/docs", "/schemas/Problem.json", "/openapi.yaml", "/metrics",
		"/.well-known/oauth-protected-resource/other",
	} {
		s.Call("GET", path, s.Person("a", p.Scopes), "").Want(404)
	}
}

// transientErrors: whatever keeps Postgres from answering just now, the caller is told when to come
// back, and nothing of the cause.
func (p Program[S]) transientErrors(t *testing.T) {
	wire := sqldbtest.StartWire(t, sqldbtest.EmptyPostgres(t))
	s := p.Start(t, jwkstest.NewIssuer(t), wire.URL, "--database-wait-timeout=50ms")
	token := s.Person("ann", p.Scopes)
	for _, code := range sqldbtest.Transient {
		wire.Fail(&sqldbtest.Fault{Code: code})
		r := s.Call("GET", p.Read, token, "").Want(http.StatusServiceUnavailable)
		if r.Header.Get("Retry-After") == "" || strings.Contains(r.Body, code) {
			t.Errorf("%s: %v %v", code, r, r.Header)
		}
		wire.Fail(nil)
		s.Call("GET", p.Read, token, "").Want(http.StatusOK)
	}
}

// Without keys, not the token is wrong: 503, and when to come back.
func (p Program[S]) startsAlone(t *testing.T) {
	issuer := jwkstest.NewIssuer(t)
	issuer.SetDown(true)
	s := p.Start(t, issuer, sqldbtest.SQLite(t))
	token := s.Person("a", p.Scope)
	r := s.Call("GET", p.Read, token, "").Want(503)
	if r.Header.Get("Retry-After") == "" || r.Header.Get("WWW-Authenticate") != "" {
		t.Errorf("without keys: %v", r.Header)
	}
	s.Call("GET", "/readyz", "", "").Want(200)
	s.Call("GET", "/openapi.json", "", "").Want(200)
	issuer.SetDown(false)
	testenv.Eventually(t, "it has the issuer's keys", func() bool { return s.Call("GET", p.Read, token, "").Status == 200 })

	// And on with the keys that it has.
	issuer.SetDown(true)
	s.Call("GET", p.Read, token, "").Want(200)
	s.Call("GET", p.Read, token[:len(token)-8]+"AAAAAAAA", "").Want(401)
	for _, bad := range issuer.BadTokens(p.Audience(), jwkstest.Token{Scope: p.Scopes}) {
		// While the issuer is silent an unknown key cannot be told from a new one: 503, and nobody
		// gets in either.
		if r := s.Call("GET", p.Read, bad.Token, ""); !slices.Contains([]int{401, 431, 503}, r.Status) {
			t.Errorf("%s: %v", bad.Name, r)
		}
	}
}

// withstands attacks the service from outside, by an issuer that does what it can to be believed.
// Left out is what takes long and is package jwks' own affair: that package attacks a server with
// all there is.
func (p Program[S]) withstands(t *testing.T) {
	issuer, err := attack.NewIssuer(attack.IssuerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	defer issuer.Close()
	s := p.startWith(t, issuer.URL(), sqldbtest.SQLite(t))
	defer s.Stop()
	report, err := attack.Run(t.Context(), issuer, attack.Config{
		URL: s.URL + p.Read, HTU: p.Audience() + p.Read, Audience: p.Audience(), Scope: p.Scope,
		Skip: []string{"keys-removed-unasked", "keys-oversized", "keys-nonsense", "keys-slow"},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range report.Results {
		if r.Verdict == attack.Fail || r.Verdict == attack.Unclear {
			t.Error(r)
		}
	}
}

// Until it is known whether a token was revoked, nothing is known of it: 503, and when to come back.
func (p Program[S]) revokedTokens(t *testing.T) {
	issuer := jwkstest.NewIssuer(t)
	issuer.PublishStatusLists()
	issuer.SetStatusTTL(time.Second)
	issuer.SetStatusDown(true) // before the service starts, which fetches the newest list ahead
	s := p.Start(t, issuer, sqldbtest.SQLite(t))
	token, other := s.Person("a", p.Scope), s.Person("a", p.Scope)
	r := s.Call("GET", p.Read, token, "").Want(503)
	if r.Header.Get("Retry-After") == "" || r.Header.Get("WWW-Authenticate") != "" {
		t.Errorf("without a status list: %v", r.Header)
	}
	s.Issuer.SetStatusDown(false)
	testenv.Eventually(t, "it has the status list", func() bool { return s.Call("GET", p.Read, token, "").Status == 200 })
	s.Issuer.Revoke(t, token)
	testenv.Eventually(t, "the token is refused", func() bool { return s.Call("GET", p.Read, token, "").Status == 401 })
	s.Issuer.SetStatusDown(true)
	s.Call("GET", p.Read, token, "").Want(401)
	s.Call("GET", p.Read, other, "").Want(200) // for the time that the setting names
}
