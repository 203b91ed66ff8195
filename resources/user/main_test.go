package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"go.uber.org/goleak"

	"github.com/maru-auth/maru/internal/service"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
	"github.com/maru-auth/maru/jwks"
	"github.com/maru-auth/maru/jwks/jwkstest"
	"github.com/maru-auth/maru/resources/user/internal/api"
)

func TestMain(m *testing.M) { sqldbtest.Main(m) }

const (
	audience    = "http://localhost:8000/user"
	metadataURL = "http://localhost:8000/.well-known/oauth-protected-resource/user"
)

// program is the service as run makes it, with an issuer that it trusts.
type running struct {
	t      *testing.T
	issuer *jwkstest.Issuer
	url    string
	client *http.Client
}

// start runs the program until the test ends.
func start(t *testing.T, issuer *jwkstest.Issuer, databaseURL string, args ...string) *running {
	t.Helper()
	cfg := parse(t, append([]string{"--issuer=" + issuer.URL(), "--audience=" + audience, "--database-url=" + databaseURL, "--shutdown-delay=0s", "--listen=127.0.0.1:0", "--log-level=error"}, args...)...).Serve
	listening := make(chan net.Addr, 1)
	cfg.Serving = func(addr net.Addr) { listening <- addr }
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, cfg) }()
	client := &http.Client{Transport: &http.Transport{}}
	t.Cleanup(func() {
		client.CloseIdleConnections()
		stop()
		if err := <-ended; err != nil {
			t.Errorf("run: %v", err)
		}
	})
	select {
	case addr := <-listening:
		return &running{t, issuer, "http://" + addr.String(), client}
	case err := <-ended:
		ended <- err
		t.Fatalf("it ended at its start: %v", err)
		return nil
	}
}

func startNew(t *testing.T) *running {
	t.Helper()
	return start(t, jwkstest.NewIssuer(t), sqldbtest.SQLite(t))
}

func parse(t *testing.T, args ...string) service.Commands[config] {
	t.Helper()
	var cli service.Commands[config]
	parser, err := kong.New(&cli, program.Options()...)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse(args); err != nil {
		t.Fatal(err)
	}
	return cli
}

func (p *running) person(subject, scope string) string {
	return p.issuer.AccessToken(p.t, jwkstest.Token{Subject: subject, Audience: audience, Scope: scope})
}

func (p *running) clientToken(scope string) string {
	return p.issuer.ClientToken(p.t, jwkstest.Token{ClientID: "board", Audience: audience, Scope: scope})
}

// response is an answer that was read to its end.
type response struct {
	status int
	header http.Header
	body   []byte
}

func (r response) String() string { return fmt.Sprintf("status %d, body %s", r.status, r.body) }

// member returns a member of the JSON object in the body, and nil if there is no such.
func (r response) member(name string) any {
	var object map[string]any
	json.Unmarshal(r.body, &object)
	return object[name]
}

// call makes a request; header has names and values in turn.
func (p *running) call(method, path, token, body string, header ...string) response {
	p.t.Helper()
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	r, err := http.NewRequest(method, p.url+path, reader)
	if err != nil {
		p.t.Error(err)
		return response{}
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i < len(header); i += 2 {
		if r.Header.Set(header[i], header[i+1]); header[i+1] == "" {
			r.Header.Del(header[i])
		}
	}
	answer, err := p.client.Do(r)
	if err != nil {
		p.t.Error(err)
		return response{}
	}
	defer answer.Body.Close()
	read, err := io.ReadAll(answer.Body)
	if err != nil {
		p.t.Error(err)
	}
	return response{answer.StatusCode, answer.Header, read}
}

// isProblem checks that r is a problem document of the status.
func isProblem(t *testing.T, what string, r response, status int) {
	t.Helper()
	if r.status != status {
		t.Errorf("%s: %v, want %d", what, r, status)
		return
	}
	id := r.header.Get("X-Request-Id")
	if r.header.Get("Content-Type") != "application/problem+json" || r.member("status") != float64(status) || r.member("title") != http.StatusText(status) || id == "" || r.member("request_id") != id {
		t.Errorf("%s: not a whole problem document: %s %s", what, r.header.Get("Content-Type"), r.body)
	}
}

// bodies that each change accepts.
var bodies = map[string]string{
	"PATCH /v1/me":         `{"bio": "hello"}`,
	"PUT /v1/me/settings":  `{"locale": "ko", "time_zone": "Asia/Seoul", "theme": "dark"}`,
	"PUT /v1/me/interests": `{"tags": ["go"]}`,
}

// permissions reads the README's table: callers, and calls with the statuses that each caller gets.
func permissions(t *testing.T) (callers []string, calls map[string][]int) {
	t.Helper()
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	calls = make(map[string][]int)
	for row := range strings.Lines(string(readme)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(row), "|"), "|")
		for i := range cells {
			cells[i] = strings.Trim(cells[i], " `")
		}
		switch {
		case len(cells) < 3 || strings.HasPrefix(cells[0], "-"):
		case cells[0] == "call":
			callers = cells[1:]
		default:
			for _, cell := range cells[1:] {
				status, err := strconv.Atoi(cell)
				if err != nil {
					t.Fatalf("%s: %v", cells[0], err)
				}
				calls[cells[0]] = append(calls[cells[0]], status)
			}
		}
	}
	return callers, calls
}

func TestTheTableOfWhoMayDoWhatIsTrue(t *testing.T) {
	p := startNew(t)
	const id = "person-1"
	tokens := map[string]string{
		"nobody":               "",
		"person, user:read":    p.person(id, "user:read"),
		"person, user:write":   p.person(id, "user:write"),
		"person, other scopes": p.person(id, "openid board:write user userread user:reader"),
		"client, user:read":    p.clientToken("user:read user:write"),
		"client, user:lookup":  p.clientToken("user:lookup"),
		"client, other scopes": p.clientToken("board:read user:lookups"),
	}
	if r := p.call("GET", "/v1/me", tokens["person, user:read"], ""); r.status != http.StatusOK {
		t.Fatal(r)
	}
	callers, calls := permissions(t)
	if len(callers) != len(tokens) || len(calls) < 10 {
		t.Fatalf("the table has callers %q and %d calls", callers, len(calls))
	}
	for call, statuses := range calls {
		method, path, _ := strings.Cut(call, " ")
		for i, caller := range callers {
			token, known := tokens[caller]
			if !known || len(statuses) != len(callers) {
				t.Fatalf("%s: the table is not as the test knows it", call)
			}
			what := call + " by " + caller
			r := p.call(method, strings.ReplaceAll(path, "{id}", id), token, bodies[call], "If-Match", "*")
			if r.status != statuses[i] {
				t.Errorf("%s: %v, want %d", what, r, statuses[i])
				continue
			}
			challenge := r.header.Get("WWW-Authenticate")
			switch r.status {
			case http.StatusUnauthorized:
				isProblem(t, what, r, r.status)
				// RFC 6750 §3.1: no error code where no token was sent.
				if challenge != `Bearer resource_metadata="`+metadataURL+`", DPoP algs="ES256 EdDSA Ed25519 PS256 RS256", resource_metadata="`+metadataURL+`"` {
					t.Errorf("%s: challenge %s", what, challenge)
				}
			case http.StatusForbidden:
				isProblem(t, what, r, r.status)
				wrongScope := strings.Contains(challenge, `error="insufficient_scope"`) && strings.Contains(challenge, `scope="user:`) && strings.Contains(challenge, `resource_metadata="`+metadataURL+`"`)
				wrongCaller := challenge == "" && strings.HasPrefix(caller, "client, ") && strings.HasPrefix(path, "/v1/me")
				if !wrongScope && !wrongCaller {
					t.Errorf("%s: challenge %s", what, challenge)
				}
			}
		}
	}
}

// Each operation of the document is in the table, so that none is left out of the tests that go through it.
func TestTheTableHasEveryOperation(t *testing.T) {
	_, calls := permissions(t)
	for _, operation := range operations(t) {
		if calls[operation] == nil && calls[operation+"?ids={id}"] == nil {
			t.Errorf("%s is not in the README's table", operation)
		}
	}
}

// operations are the calls that the OpenAPI document has, all of which need a token.
func operations(t *testing.T) []string {
	t.Helper()
	document, err := os.ReadFile("openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	var parsed struct {
		Paths map[string]map[string]struct{ Security []map[string][]string }
	}
	if err := json.Unmarshal(document, &parsed); err != nil {
		t.Fatal(err)
	}
	var all []string
	for path, item := range parsed.Paths {
		for method, operation := range item {
			if len(operation.Security) == 0 {
				t.Errorf("%s %s needs no token", method, path)
			}
			all = append(all, strings.ToUpper(method)+" "+path)
		}
	}
	slices.Sort(all)
	if len(all) != 8 {
		t.Errorf("operations: %q", all)
	}
	return all
}

func TestTheCommittedDocumentIsUpToDate(t *testing.T) {
	committed, err := os.ReadFile("openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	flags := parse(t, "openapi").Openapi
	made, err := api.Document(flags.Issuer, flags.Audience)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(committed, made) {
		t.Error("openapi.json is not what the code says: go run ./resources/user openapi > resources/user/openapi.json")
	}
}

func TestBadTokensAreRefusedOnEveryRoute(t *testing.T) {
	p := startNew(t)
	grant := jwkstest.Token{Subject: "person-1", Scope: "openid user:read user:write user:lookup"}
	bad := p.issuer.BadTokens(audience, grant)
	if len(bad) < 40 {
		t.Fatalf("only %d bad tokens", len(bad))
	}
	for _, operation := range operations(t) {
		method, path, _ := strings.Cut(operation, " ")
		path = strings.ReplaceAll(path, "{id}", "person-1")
		for _, b := range bad {
			r := p.call(method, path, b.Token, "")
			if errors.Is(b.Want, jwks.ErrTooLarge) && r.status == http.StatusRequestHeaderFieldsTooLarge {
				continue // net/http saw it first
			}
			isProblem(t, operation+" with a token that is "+b.Name, r, http.StatusUnauthorized)
			if c := r.header.Get("WWW-Authenticate"); !strings.HasPrefix(c, `Bearer error="invalid_token", `) || !strings.HasSuffix(c, `, resource_metadata="`+metadataURL+`"`) {
				t.Errorf("%s with a token that is %s: challenge %s", operation, b.Name, c)
			}
			if leaks := b.Token[:min(len(b.Token), 20)]; bytes.Contains(r.body, []byte(leaks)) {
				t.Errorf("the answer repeats the token: %s", r.body)
			}
		}
	}
}

func TestBoundTokensPassWithTheirProofAndNotWithout(t *testing.T) {
	p := startNew(t)
	send := func(method, path string, set func(http.Header)) *http.Response {
		t.Helper()
		r, err := http.NewRequest(method, p.url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		set(r.Header)
		answer, err := p.client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close() // the header says all
		return answer
	}
	p.serveUserinfo(func(http.ResponseWriter, *http.Request) {
		t.Error("the issuer is asked with a token that only the client can use")
	})
	key := p.issuer.ProofKey(t, "ES256")
	grant := jwkstest.Token{Subject: "a", Audience: audience, Scope: "user:read openid", ProofKey: key}
	token := p.issuer.AccessToken(t, grant)
	for _, method := range []string{"GET", "HEAD"} {
		proof := jwkstest.Proof{Method: method, URL: audience + "/v1/me", Token: token}
		var once http.Header
		if got := send(method, "/v1/me?q=1", func(h http.Header) { key.Authorize(t, h, proof); once = h }); got.StatusCode != http.StatusOK {
			t.Errorf("%s: %s, %v", method, got.Status, got.Header)
		}
		if got := send(method, "/v1/me", func(h http.Header) { maps.Copy(h, once) }); got.StatusCode != http.StatusUnauthorized || !strings.Contains(got.Header.Get("WWW-Authenticate"), `DPoP error="invalid_dpop_proof"`) {
			t.Errorf("%s with the same proof: %s, %v", method, got.Status, got.Header)
		}
	}
	for _, bad := range p.issuer.BadProofs("GET", audience+"/v1/me", audience, grant) {
		if got := send("GET", "/v1/me", bad.Set); got.StatusCode != http.StatusUnauthorized || got.Header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s: %s", bad.Name, got.Status)
		}
	}
}

func TestATokenIsTakenFromTheHeaderAndNowhereElse(t *testing.T) {
	p := startNew(t)
	token := p.person("a", "user:read")
	isProblem(t, "in the query", p.call("GET", "/v1/me?access_token="+token, "", ""), http.StatusUnauthorized)
	isProblem(t, "in both", p.call("GET", "/v1/me?access_token="+token, token, ""), http.StatusBadRequest)
	isProblem(t, "as basic credentials", p.call("GET", "/v1/me", "", "", "Authorization", "Basic "+token), http.StatusUnauthorized)
	isProblem(t, "in a cookie", p.call("GET", "/v1/me", "", "", "Cookie", "access_token="+token), http.StatusUnauthorized)
	if r := p.call("GET", "/v1/me", "", "", "Authorization", "bEARER   "+token); r.status != http.StatusOK {
		t.Errorf("the scheme in another case: %v", r)
	}
}

func TestWithTheIssuerStoppedValidTokensGoOnWorking(t *testing.T) {
	p := startNew(t)
	p.serveUserinfo(func(w http.ResponseWriter, _ *http.Request) { t.Error("the issuer was reached") })
	before := p.person("a", "openid user:read user:write")
	p.call("GET", "/v1/users/nobody", before, "") // the keys are there
	p.issuer.SetDown(true)
	r := p.call("GET", "/v1/me", before, "")
	if r.status != http.StatusOK || r.member("id") != "a" || r.member("display_name") != "" {
		t.Fatal(r)
	}
	if r := p.call("PATCH", "/v1/me", before, `{"display_name": "A"}`, "If-Match", r.header.Get("ETag")); r.status != http.StatusOK || r.member("display_name") != "A" {
		t.Error(r)
	}
	isProblem(t, "forged", p.call("GET", "/v1/me", before[:len(before)-8]+"AAAAAAAA", ""), http.StatusUnauthorized)
}

func TestItStartsWithoutTheIssuerAndRecovers(t *testing.T) {
	issuer := jwkstest.NewIssuer(t)
	issuer.SetDown(true)
	p := start(t, issuer, sqldbtest.SQLite(t))
	token := p.person("a", "user:read")
	r := p.call("GET", "/v1/me", token, "")
	// Not 401: it is not the token that is wrong.
	if isProblem(t, "without keys", r, http.StatusServiceUnavailable); r.header.Get("Retry-After") == "" {
		t.Error("there is no Retry-After")
	}
	if r := p.call("GET", "/readyz", "", ""); r.status != http.StatusOK {
		t.Errorf("it is not ready for the issuer's sake: %v", r)
	}
	issuer.SetDown(false)
	deadline := time.Now().Add(20 * time.Second)
	for r.status != http.StatusOK {
		if time.Now().After(deadline) {
			t.Fatalf("it did not recover: %v", r)
		}
		r = p.call("GET", "/v1/me", token, "")
	}
}

// serveUserinfo lets the issuer have a userinfo endpoint.
func (p *running) serveUserinfo(handler http.HandlerFunc) {
	p.issuer.Handle("/oauth2/userinfo", handler)
}

func says(claims map[string]any) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(claims)
	}
}

func TestParallelFirstCallsMakeOneProfileFilledByTheIssuer(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		p := start(t, jwkstest.NewIssuer(t), databaseURL)
		token := p.person("사용자|1", "openid user:read")
		var asked atomic.Int64
		p.serveUserinfo(func(w http.ResponseWriter, r *http.Request) {
			asked.Add(1)
			if r.Header.Get("Authorization") != "Bearer "+token {
				t.Error("the issuer was asked with another token")
			}
			says(map[string]any{"sub": "사용자|1", "name": " 김\u0000지수 ", "picture": "https://img.example/1.png", "website": "javascript:alert(1)", "email": "jisu@example.org"})(w, r)
		})
		answers := make([]response, 32)
		var wg sync.WaitGroup
		for i := range answers {
			wg.Go(func() { answers[i] = p.call("GET", "/v1/me", token, "") })
		}
		wg.Wait()
		first := answers[0]
		if first.status != http.StatusOK || first.member("id") != "사용자|1" || first.member("display_name") != "김지수" || first.member("avatar_url") != "https://img.example/1.png" || first.member("website") != "" || first.member("email") != nil {
			t.Fatal(first)
		}
		for _, r := range answers {
			if string(r.body) != string(first.body) || r.header.Get("ETag") != first.header.Get("ETag") {
				t.Errorf("two answers differ: %v and %v", first, r)
			}
		}
		n := asked.Load()
		p.call("GET", "/v1/me", token, "")
		if asked.Load() != n {
			t.Error("the issuer is asked about a profile that is filled")
		}
		if r := p.call("GET", "/v1/users/%EC%82%AC%EC%9A%A9%EC%9E%90%7C1", token, ""); r.status != http.StatusOK || r.member("display_name") != "김지수" || r.member("created_at") != nil {
			t.Error(r)
		}
	})
}

func TestAProfileStaysEmptyWhenTheIssuerIsOfNoUse(t *testing.T) {
	for name, handler := range map[string]http.HandlerFunc{
		"another subject": says(map[string]any{"sub": "b", "name": "B"}),
		"no subject":      says(map[string]any{"name": "B"}),
		"an error": func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, `{"sub":"a","name":"B"}`, http.StatusInternalServerError)
		},
		"not JSON": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			io.WriteString(w, "<html>")
		},
		"another type": func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"sub":"a","name":"B"}`) },
		"a redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		},
		"too much": func(w http.ResponseWriter, r *http.Request) {
			says(map[string]any{"sub": "a", "name": "B", "padding": strings.Repeat("x", 1<<20)})(w, r)
		},
		"nothing, for too long": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := startNew(t)
			p.issuer.Handle("/elsewhere", says(map[string]any{"sub": "a", "name": "B"}))
			p.serveUserinfo(handler)
			token := p.person("a", "openid user:read user:write")
			for range 2 {
				began := time.Now()
				r := p.call("GET", "/v1/me", token, "")
				if r.status != http.StatusOK || r.member("id") != "a" || r.member("display_name") != "" {
					t.Fatal(r)
				}
				if took := time.Since(began); took > 10*time.Second {
					t.Errorf("it took %v", took)
				}
			}
		})
	}
}

func TestAnEmptyProfileIsFilledLater(t *testing.T) {
	p := startNew(t)
	p.serveUserinfo(says(map[string]any{"sub": "a", "name": "A"}))
	// Without openid the token is no good at userinfo.
	if r := p.call("GET", "/v1/me", p.person("a", "user:read"), ""); r.status != http.StatusOK || r.member("display_name") != "" {
		t.Fatal(r)
	}
	if r := p.call("GET", "/v1/me", p.person("a", "openid user:read"), ""); r.member("display_name") != "A" {
		t.Error(r)
	}
}

func TestANewNameOfTheAccountReachesAProfileThatWasNeverEdited(t *testing.T) {
	p := startNew(t)
	var asked atomic.Int64
	name := atomic.Value{}
	name.Store("김지수")
	p.serveUserinfo(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		says(map[string]any{"sub": "a", "name": name.Load()})(w, r)
	})
	issued := func(ago time.Duration) string {
		return p.issuer.AccessToken(t, jwkstest.Token{Subject: "a", Audience: audience, Scope: "openid user:read user:write",
			Mutate: func(_, claims map[string]any) { claims["iat"] = time.Now().Add(-ago).Unix() }})
	}
	first := issued(5 * time.Minute)
	before := p.call("GET", "/v1/me", first, "")
	name.Store("김지수 (서울)")
	if r := p.call("GET", "/v1/me", first, ""); r.member("display_name") != "김지수" || asked.Load() != 1 {
		t.Errorf("%v, asked %d times by one token", r, asked.Load())
	}
	second := issued(4 * time.Minute)
	after := p.call("GET", "/v1/me", second, "")
	if after.member("display_name") != "김지수 (서울)" || after.header.Get("ETag") == before.header.Get("ETag") {
		t.Errorf("the new name did not arrive: %v", after)
	}
	if r := p.call("GET", "/v1/me", issued(3*time.Minute), ""); r.header.Get("ETag") != after.header.Get("ETag") {
		t.Errorf("the same name made a new version: %v", r)
	}
	p.call("PATCH", "/v1/me", second, `{"bio": "mine"}`, "If-Match", after.header.Get("ETag"))
	name.Store("another")
	n := asked.Load()
	if r := p.call("GET", "/v1/me", issued(time.Minute), ""); r.member("display_name") != "김지수 (서울)" || asked.Load() != n {
		t.Errorf("the issuer wrote over an edited profile: %v, asked %d times more", r, asked.Load()-n)
	}
}

func TestAChangeNeedsTheCurrentETag(t *testing.T) {
	p := startNew(t)
	token := p.person("a", "user:read user:write")
	for call, body := range bodies {
		method, path, _ := strings.Cut(call, " ")
		read := p.call("GET", path, token, "")
		tag := read.header.Get("ETag")
		if read.status != http.StatusOK || len(tag) < 10 || tag[0] != '"' || read.header.Get("Cache-Control") != "private, no-store" {
			t.Fatalf("%s: %v, %v", path, read, read.header)
		}
		if r := p.call("GET", path, token, "", "If-None-Match", "W/"+tag); r.status != http.StatusNotModified || len(r.body) != 0 {
			t.Errorf("%s: %v", path, r)
		}
		isProblem(t, call+" without", p.call(method, path, token, body), http.StatusPreconditionRequired)
		isProblem(t, call+" with another", p.call(method, path, token, body, "If-Match", `"other"`), http.StatusPreconditionFailed)
		isProblem(t, call+" with a weak one", p.call(method, path, token, body, "If-Match", "W/"+tag), http.StatusPreconditionFailed)
		isProblem(t, call+" without quotes", p.call(method, path, token, body, "If-Match", strings.Trim(tag, `"`)), http.StatusBadRequest)
		changed := p.call(method, path, token, body, "If-Match", `"other", `+tag)
		if changed.status != http.StatusOK || changed.header.Get("ETag") == tag {
			t.Errorf("%s: %v", call, changed)
		}
		isProblem(t, call+" again", p.call(method, path, token, body, "If-Match", tag), http.StatusPreconditionFailed)
		again := p.call("GET", path, token, "")
		if again.header.Get("ETag") != changed.header.Get("ETag") || string(again.body) != string(changed.body) {
			t.Errorf("%s: read %v, want %v", path, again, changed)
		}
		isProblem(t, call+" with another person's", p.call(method, path, p.person("b", "user:write"), body, "If-Match", changed.header.Get("ETag")), http.StatusPreconditionFailed)
	}
}

func TestOneOfParallelChangesWins(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		p := start(t, jwkstest.NewIssuer(t), databaseURL)
		token := p.person("a", "user:read user:write")
		tag := p.call("GET", "/v1/me", token, "").header.Get("ETag")
		var won, lost atomic.Int64
		var wg sync.WaitGroup
		for i := range 16 {
			wg.Go(func() {
				switch r := p.call("PATCH", "/v1/me", token, fmt.Sprintf(`{"bio": "%d"}`, i), "If-Match", tag); r.status {
				case http.StatusOK:
					won.Add(1)
				case http.StatusPreconditionFailed:
					lost.Add(1)
				default:
					t.Error(r)
				}
			})
		}
		wg.Wait()
		if won.Load() != 1 || lost.Load() != 15 {
			t.Errorf("%d won and %d lost", won.Load(), lost.Load())
		}
	})
}

func TestWhatPeopleWriteIsCleanedAndKept(t *testing.T) {
	p := startNew(t)
	token := p.person("a", "user:read user:write")
	r := p.call("PATCH", "/v1/me", token, `{"display_name": "  \u1100\u1161  ", "bio": "a\r\nb", "avatar_url": "HTTPS://한글.example/가", "website": "http://[::1]:80/"}`,
		"If-Match", "*", "Content-Type", "application/merge-patch+json")
	for name, want := range map[string]string{"display_name": "가", "bio": "a\nb", "avatar_url": "https://xn--bj0bj06e.example/%EA%B0%80", "website": "http://[::1]:80/"} {
		if r.member(name) != want {
			t.Errorf("%s is %q, want %q", name, r.member(name), want)
		}
	}
	r = p.call("PATCH", "/v1/me", token, `{"bio": null, "website": ""}`, "If-Match", "*")
	if r.member("bio") != "" || r.member("website") != "" || r.member("display_name") != "가" {
		t.Error(r)
	}
	r = p.call("PUT", "/v1/me/interests", token, `{"tags": ["Go", " go ", "한글", "GO", "산책"]}`, "If-Match", "*")
	if string(bytes.TrimSpace(r.body)) != `{"tags":["Go","한글","산책"]}` {
		t.Error(r)
	}
	r = p.call("PUT", "/v1/me/settings", token, `{"locale": "ko_kr", "time_zone": "America/Argentina/Buenos_Aires", "theme": "light"}`, "If-Match", "*")
	if string(bytes.TrimSpace(r.body)) != `{"locale":"ko-KR","time_zone":"America/Argentina/Buenos_Aires","theme":"light"}` {
		t.Error(r)
	}
}

func TestBadInputIsRefusedByTheNameOfItsField(t *testing.T) {
	p := startNew(t)
	token := p.person("a", "user:read user:write user:lookup")
	long := func(n int) string { return strings.Repeat("가", n) }
	settings := func(change string) string {
		return strings.Replace(`{"locale": "ko", "time_zone": "UTC", "theme": "dark"}`, strings.Split(change, "=>")[0], strings.Split(change, "=>")[1], 1)
	}
	for _, tc := range []struct{ call, body, location string }{
		{"PATCH /v1/me", `{"display_name": "` + long(81) + `"}`, "body.display_name"},
		{"PATCH /v1/me", `{"display_name": " "}`, "body.display_name"},
		{"PATCH /v1/me", `{"display_name": null}`, "body.display_name"},
		{"PATCH /v1/me", `{"display_name": 7}`, "body.display_name"},
		{"PATCH /v1/me", `{"display_name": "a\u0000b"}`, "body.display_name"},
		{"PATCH /v1/me", `{"bio": "` + long(501) + `"}`, "body.bio"},
		{"PATCH /v1/me", `{"bio": "a\u0000"}`, "body.bio"},
		{"PATCH /v1/me", `{"avatar_url": "javascript:alert(1)"}`, "body.avatar_url"},
		{"PATCH /v1/me", `{"website": "https://a.example/` + long(500) + `"}`, "body.website"},
		{"PATCH /v1/me", `{"id": "b"}`, "body.id"},
		{"PATCH /v1/me", `{"Bio": "x"}`, "body.Bio"},
		{"PATCH /v1/me", `{"secret-member": "secret-value"}`, "body.secret-member"},
		{"PATCH /v1/me", `[]`, "body"},
		{"PUT /v1/me/settings", settings(`"ko"=>"not a language"`), "body.locale"},
		{"PUT /v1/me/settings", settings(`"UTC"=>"../../etc/passwd"`), "body.time_zone"},
		{"PUT /v1/me/settings", settings(`"UTC"=>"Mars/Base"`), "body.time_zone"},
		{"PUT /v1/me/settings", settings(`"dark"=>"secret-value"`), "body.theme"},
		{"PUT /v1/me/settings", settings(`"dark"=>"dark", "notifications": {"email": true}`), "body.notifications"},
		{"PUT /v1/me/settings", settings(`"theme"=>"x": 1, "theme"`), "body.x"},
		{"PUT /v1/me/interests", `{"tags": ["ok", "` + long(31) + `"]}`, "body.tags[1]"},
		{"PUT /v1/me/interests", `{"tags": [null]}`, "body.tags[0]"},
		{"PUT /v1/me/interests", `{"tags": null}`, "body.tags"},
		{"PUT /v1/me/interests", `{}`, "body"},
		{"PUT /v1/me/interests", `{"tags": ["` + strings.Join(numbers(31), `","`) + `"]}`, "body.tags"},
		{"GET /v1/users", "", "query.ids"},
		{"GET /v1/users?ids=", "", "query.ids"},
		{"GET /v1/users?ids=" + strings.Join(numbers(101), ","), "", "query.ids"},
	} {
		method, path, _ := strings.Cut(tc.call, " ")
		r := p.call(method, path, token, tc.body, "If-Match", "*")
		isProblem(t, tc.call+" "+tc.body, r, http.StatusUnprocessableEntity)
		fields, _ := r.member("errors").([]any)
		if len(fields) == 0 || fields[0].(map[string]any)["location"] != tc.location || fields[0].(map[string]any)["message"] == "" {
			t.Errorf("%s %s: it does not name %s: %s", tc.call, tc.body, tc.location, r.body)
		}
		if bytes.Contains(r.body, []byte("secret-value")) || bytes.Contains(r.body, []byte("가가")) {
			t.Errorf("the answer repeats the value: %s", r.body)
		}
	}
	if r := p.call("GET", "/v1/me", token, ""); r.member("bio") != "" {
		t.Errorf("something was changed: %v", r)
	}
}

func numbers(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = strconv.Itoa(i)
	}
	return list
}

func TestABodyMustBeJSONOfAModestSize(t *testing.T) {
	p := startNew(t)
	token := p.person("a", "user:read user:write")
	patch := func(body string, header ...string) response {
		return p.call("PATCH", "/v1/me", token, body, append([]string{"If-Match", "*"}, header...)...)
	}
	r := patch(`{"bio": "x"}`, "Content-Type", "text/plain")
	if isProblem(t, "text", r, http.StatusUnsupportedMediaType); !strings.Contains(r.header.Get("Accept-Patch"), "application/merge-patch+json") {
		t.Error("no Accept-Patch")
	}
	isProblem(t, "another +json", patch(`[]`, "Content-Type", "application/json-patch+json"), http.StatusUnsupportedMediaType)
	isProblem(t, "a form", patch(`bio=x`, "Content-Type", "application/x-www-form-urlencoded"), http.StatusUnsupportedMediaType)
	isProblem(t, "no type worth the name", patch(`{}`, "Content-Type", ";;"), http.StatusUnsupportedMediaType)
	isProblem(t, "not JSON", patch(`{"bio": `), http.StatusBadRequest)
	isProblem(t, "two values", patch(`{} {}`), http.StatusBadRequest)
	isProblem(t, "not UTF-8", patch("{\"bio\": \"\xff\"}"), http.StatusBadRequest)
	isProblem(t, "no body", patch(""), http.StatusBadRequest)
	isProblem(t, "deep", patch(strings.Repeat("[", 20_000)), http.StatusBadRequest)
	isProblem(t, "large", patch(`{"bio": "`+strings.Repeat("x", 70<<10)+`"}`), http.StatusRequestEntityTooLarge)
	isProblem(t, "very large", patch(`{"bio": "`+strings.Repeat("x", 2<<20)+`"}`), http.StatusRequestEntityTooLarge)
	if r := patch(`{"bio": "x"}`, "Content-Type", "application/json; charset=utf-8"); r.status != http.StatusOK {
		t.Error(r)
	}
}

func TestPublicProfilesInBulk(t *testing.T) {
	p := startNew(t)
	for _, id := range []string{"a", "b", "c/d e"} {
		p.call("PATCH", "/v1/me", p.person(id, "user:write"), `{"display_name": "name of `+id+`"}`, "If-Match", "*")
	}
	token := p.clientToken("user:lookup")
	r := p.call("GET", "/v1/users?ids=b,nobody,a,b,,c%2Fd%20e,%01", token, "")
	var list struct{ Items []map[string]string }
	if err := json.Unmarshal(r.body, &list); err != nil || r.status != http.StatusOK || len(list.Items) != 3 {
		t.Fatal(r, err)
	}
	for i, id := range []string{"b", "a", "c/d e"} {
		if list.Items[i]["id"] != id || list.Items[i]["display_name"] != "name of "+id || len(list.Items[i]) != 5 {
			t.Errorf("%v", list.Items[i])
		}
	}
	if r := p.call("GET", "/v1/users?ids=nobody", token, ""); string(bytes.TrimSpace(r.body)) != `{"items":[]}` {
		t.Error(r)
	}
	if r := p.call("GET", "/v1/users?ids="+strings.Join(numbers(100), ","), token, ""); r.status != http.StatusOK {
		t.Error(r)
	}
	one := p.call("GET", "/v1/users/c%2Fd%20e", token, "")
	if one.status != http.StatusOK || one.member("id") != "c/d e" || one.header.Get("Cache-Control") != "private, max-age=60" {
		t.Error(one, one.header)
	}
	if r := p.call("GET", "/v1/users/c%2Fd%20e", token, "", "If-None-Match", one.header.Get("ETag")); r.status != http.StatusNotModified {
		t.Error(r)
	}
	for _, id := range []string{"nobody", "%01", strings.Repeat("x", 5000), "%2e%2e", "a%20"} {
		isProblem(t, id, p.call("GET", "/v1/users/"+id, token, ""), http.StatusNotFound)
	}
	for _, id := range []string{"%00", "%FF"} { // no text
		isProblem(t, id, p.call("GET", "/v1/users/"+id, token, ""), http.StatusBadRequest)
	}
}

func TestUnknownPathsAndMethods(t *testing.T) {
	p := startNew(t)
	token := p.person("a", "user:read")
	for _, path := range []string{"/", "/v1", "/v2/me", "/v1/me/", "//v1/me", "/v1/users/", "/docs", "/schemas/Profile", "/openapi.yaml", "/metrics", "/.well-known/oauth-protected-resource/other"} {
		isProblem(t, path, p.call("GET", path, token, ""), http.StatusNotFound)
	}
	for call, allow := range map[string]string{
		"DELETE /v1/me": "GET, PATCH, HEAD, OPTIONS", "POST /v1/me/settings": "GET, PUT, HEAD, OPTIONS",
		"PUT /v1/users/a": "GET, HEAD, OPTIONS", "POST /openapi.json": "GET, HEAD, OPTIONS", "SPY /v1/me": "GET, PATCH, HEAD, OPTIONS",
	} {
		method, path, _ := strings.Cut(call, " ")
		r := p.call(method, path, token, "")
		if isProblem(t, call, r, http.StatusMethodNotAllowed); r.header.Get("Allow") != allow {
			t.Errorf("%s: Allow: %s, want %s", call, r.header.Get("Allow"), allow)
		}
	}
	get, head := p.call("GET", "/v1/me", token, ""), p.call("HEAD", "/v1/me", token, "")
	if head.status != http.StatusOK || len(head.body) != 0 || head.header.Get("ETag") != get.header.Get("ETag") {
		t.Errorf("HEAD: %v", head)
	}
	if r := p.call("GET", "/v1/me", token, "", "Accept", "text/html, json;q=0.1"); r.header.Get("Content-Type") != "application/json" {
		t.Errorf("Content-Type: %s", r.header.Get("Content-Type"))
	}
}

func TestAPageOfAnotherOriginMayCall(t *testing.T) {
	p := startNew(t)
	r := p.call("OPTIONS", "/v1/me", "", "", "Origin", "http://localhost:8080", "Access-Control-Request-Method", "PATCH", "Access-Control-Request-Headers", "authorization,if-match")
	if r.status != http.StatusNoContent || r.header.Get("Access-Control-Allow-Origin") != "*" || r.header.Get("Access-Control-Allow-Credentials") != "" ||
		!strings.Contains(r.header.Get("Access-Control-Allow-Methods"), "PATCH") || !strings.Contains(r.header.Get("Access-Control-Allow-Headers"), "Authorization") {
		t.Errorf("%v %v", r, r.header)
	}
	// Also a refusal, so that the page can see why.
	if r := p.call("GET", "/v1/me", "", "", "Origin", "http://localhost:8080"); r.header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("%v", r.header)
	}
	isProblem(t, "an unknown path", p.call("OPTIONS", "/v3", "", ""), http.StatusNotFound)
	// A browser that is refused here would not let the page see the 404.
	if r := p.call("OPTIONS", "/v3", "", "", "Access-Control-Request-Method", "GET"); r.status != http.StatusNoContent {
		t.Errorf("%v", r)
	}
}

func TestMetadataOfTheProtectedResource(t *testing.T) {
	p := startNew(t)
	want := `{"resource":"` + audience + `","authorization_servers":["` + p.issuer.URL() + `"],"scopes_supported":["user:read","user:write","user:lookup"],"bearer_methods_supported":["header"],"resource_name":"Maru user service","dpop_signing_alg_values_supported":["ES256","EdDSA","Ed25519","PS256","RS256"]}` + "\n"
	for _, path := range []string{"/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/user"} {
		r := p.call("GET", path, "", "")
		if r.status != http.StatusOK || r.header.Get("Content-Type") != "application/json" || string(r.body) != want {
			t.Errorf("%s: %v", path, r)
		}
	}
	served := p.call("GET", "/openapi.json", "", "")
	made, err := api.Document(p.issuer.URL(), audience)
	if err != nil || !bytes.Equal(served.body, made) || bytes.Contains(served.body, []byte("$schema")) {
		t.Errorf("the document that is served is not the one that is printed: %v", err)
	}
}

func TestWhatWasAcknowledgedIsThereAfterARestart(t *testing.T) {
	databaseURL, issuer := sqldbtest.SQLite(t), jwkstest.NewIssuer(t)
	t.Run("before", func(t *testing.T) {
		p := start(t, issuer, databaseURL)
		if r := p.call("PATCH", "/v1/me", p.person("a", "user:write"), `{"bio": "kept"}`, "If-Match", "*"); r.status != http.StatusOK {
			t.Fatal(r)
		}
	})
	p := start(t, issuer, databaseURL)
	if r := p.call("GET", "/v1/me", p.person("a", "user:read"), ""); r.member("bio") != "kept" {
		t.Error(r)
	}
}

func TestAWrongSettingStopsTheStartWithALineThatNamesIt(t *testing.T) {
	good := config{service.Settings{Issuer: "http://127.0.0.1:1", Audience: audience}}
	good.DatabaseURL = "sqlite:" + filepath.Join(t.TempDir(), "x.db")
	good.Listen = "127.0.0.1:0"
	for want, change := range map[string]func(*config){
		"--database-url": func(c *config) { c.DatabaseURL = "mysql://root:secret@h/d" },
		"--issuer":       func(c *config) { c.Issuer = "localhost:9000"; c.JWKSURL = "http://127.0.0.1:1/jwks.json" },
		"--audience":     func(c *config) { c.Audience = "user" },
		"--listen":       func(c *config) { c.Listen = "nowhere.invalid:1" },
	} {
		cfg := good
		change(&cfg)
		err := run(t.Context(), cfg)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", want, err)
		}
	}
	for _, args := range [][]string{{}, {"--issuer=https://a.example"}, {"--audience=https://a.example"}, {"--unknown"}} {
		parser, err := kong.New(new(service.Commands[config]), program.Options()...)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parser.Parse(args); err == nil {
			t.Errorf("%q was accepted", args)
		}
	}
}

func TestSettingsComeFromTheEnvironmentToo(t *testing.T) {
	t.Setenv("USER_ISSUER", "https://auth.example")
	t.Setenv("USER_AUDIENCE", "https://api.example/user")
	t.Setenv("USER_DATABASE_URL", "postgres://db.example/user")
	t.Setenv("USER_JWKS_URL", "https://auth.example/keys")
	cfg := parse(t).Serve
	if cfg.Issuer != "https://auth.example" || cfg.Audience != "https://api.example/user" || cfg.DatabaseURL != "postgres://db.example/user" || cfg.JWKSURL != "https://auth.example/keys" || cfg.Listen != "127.0.0.1:9200" {
		t.Errorf("%+v", cfg)
	}
}

func TestItEndsCleanly(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	t.Run("run", func(t *testing.T) {
		p := startNew(t)
		p.serveUserinfo(says(map[string]any{"sub": "a", "name": "A"}))
		p.call("GET", "/v1/me", p.person("a", "openid user:read"), "")
	})
}

func TestTheHelpOfTheProgramShowsItsSettings(t *testing.T) {
	var out bytes.Buffer
	parser, err := kong.New(new(service.Commands[config]), append(program.Options(), kong.Writers(&out, &out), kong.Exit(func(int) {}))...)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse([]string{"--help"}); err != nil && out.Len() == 0 {
		t.Fatal(err)
	}
	for _, want := range []string{"--audience", "--issuer", "--database-url", "$USER_LISTEN", "backup"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("says nothing of %s:\n%s", want, out.String())
		}
	}
}
