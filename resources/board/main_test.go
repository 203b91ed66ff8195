package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"go.uber.org/goleak"

	"github.com/maru-auth/maru/internal/service"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
	"github.com/maru-auth/maru/jwks/jwkstest"
	"github.com/maru-auth/maru/resources/board/internal/api"
)

func TestMain(m *testing.M) { sqldbtest.Main(m) }

const (
	audience    = "http://localhost:8000/board"
	metadataURL = "http://localhost:8000/.well-known/oauth-protected-resource/board"
	allScopes   = "board:read board:write board:moderate"
)

// program is the service as run makes it, with an issuer that it trusts.
type running struct {
	t      *testing.T
	issuer *jwkstest.Issuer
	url    string
	client *http.Client
	stop   func()
}

// start runs the program until the test ends, or until stop is called. The further args are flags.
func start(t *testing.T, issuer *jwkstest.Issuer, databaseURL string, args ...string) *running {
	t.Helper()
	cfg := parse(t, append([]string{"--issuer=" + issuer.URL(), "--audience=" + audience, "--database-url=" + databaseURL,
		"--listen=127.0.0.1:0", "--log-level=error", "--shutdown-delay=0s"}, args...)...).Serve
	listening := make(chan net.Addr, 1)
	cfg.Serving = func(addr net.Addr) { listening <- addr }
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, cfg) }()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	stop := func() {
		client.CloseIdleConnections()
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("run: %v", err)
		}
		ended <- nil // stopping again finds it stopped
	}
	t.Cleanup(stop)
	select {
	case addr := <-listening:
		return &running{t, issuer, "http://" + addr.String(), client, stop}
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

// person mints a token of a person who reads and writes; moderator one of a moderator with every scope.
func (p *running) person(subject string) string {
	return p.token(subject, "board:read board:write")
}

func (p *running) token(subject, scope string, roles ...string) string {
	return p.issuer.AccessToken(p.t, jwkstest.Token{Subject: subject, Audience: audience, Scope: scope, Roles: roles})
}

func (p *running) moderator() string { return p.token("moderator", allScopes, "moderator") }

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

func (r response) text(name string) string {
	text, _ := r.member(name).(string)
	return text
}

// items returns one member of each item of a list.
func (r response) items(member string) []any {
	var list struct{ Items []map[string]any }
	json.Unmarshal(r.body, &list)
	values := []any{}
	for _, item := range list.Items {
		values = append(values, item[member])
	}
	return values
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
		r.Header.Set(header[i], header[i+1])
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

// want checks the status, and for an error that it is a problem document that names its request.
func (r response) want(t *testing.T, status int) response {
	t.Helper()
	if r.status != status {
		t.Errorf("got %v, want status %d", r, status)
	}
	if r.status >= 400 {
		if r.header.Get("Content-Type") != "application/problem+json" || r.member("status") != float64(r.status) || r.text("title") == "" ||
			r.text("request_id") == "" || r.text("request_id") != r.header.Get("X-Request-Id") || r.header.Get("Cache-Control") != "no-store" {
			t.Errorf("no proper problem: %v %v", r, r.header)
		}
	}
	return r
}

// about checks that a problem is about a place in the request.
func (r response) about(t *testing.T, location string) {
	t.Helper()
	var problem struct {
		Errors []struct{ Location, Message string }
	}
	json.Unmarshal(r.body, &problem)
	for _, e := range problem.Errors {
		if e.Location == location && e.Message != "" {
			return
		}
	}
	t.Errorf("%v does not name %s", r, location)
}

// newPost and newComment return the id of what they make.
func (p *running) newPost(token string) string {
	p.t.Helper()
	return p.call("POST", "/v1/boards/free/posts", token, `{"title":"a title","body":"some text"}`).want(p.t, 201).text("id")
}

func (p *running) newComment(token, post, parent string) string {
	p.t.Helper()
	body, err := json.Marshal(map[string]string{"body": "a comment", "parent": parent})
	if err != nil {
		p.t.Fatal(err)
	}
	return p.call("POST", "/v1/posts/"+post+"/comments", token, string(body)).want(p.t, 201).text("id")
}

func (p *running) mark(path string) {
	p.t.Helper()
	p.call("PUT", path, p.moderator(), "").want(p.t, 204)
}

// rows reads the table "Who may do what" of the README: a header, and a row a call.
func rows(t *testing.T) [][]string {
	t.Helper()
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	var rows [][]string
	for line := range strings.Lines(string(readme)) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "|") || strings.HasPrefix(line, "|---") {
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		for i := range cells {
			cells[i] = strings.Trim(strings.TrimSpace(cells[i]), "`")
		}
		rows = append(rows, cells)
	}
	return rows
}

func TestWhoMayDoWhat(t *testing.T) {
	p := startNew(t)
	tokens := map[string]string{
		"nobody":     "",
		"no scope":   p.token("nobody in particular", "openid profile", "moderator"),
		"client":     p.issuer.ClientToken(t, jwkstest.Token{ClientID: "service", Audience: audience, Scope: allScopes, Roles: []string{"moderator"}}),
		"reader":     p.token("reader", "board:read"),
		"writer":     p.person("writer"),
		"author":     p.person("author"),
		"role only":  p.token("role", "board:read board:write", "moderator"),
		"scope only": p.token("scope", allScopes, "member"),
		"moderator":  p.moderator(),
	}
	table := rows(t)
	header, table := table[0], table[1:]
	if len(header) != 1+len(tokens) || len(table) < 40 {
		t.Fatalf("the table has %d rows and the header %v", len(table), header)
	}
	for n, row := range table {
		method, path, _ := strings.Cut(row[0], " ")
		for i, name := range header[1:] {
			token, ok := tokens[name]
			if !ok {
				t.Fatalf("the table has an unknown caller %q", name)
			}
			want, err := strconv.Atoi(row[1+i])
			if err != nil {
				t.Fatalf("%s, %s: %v", row[0], name, err)
			}
			target, tag := p.stage(path, name, token)
			body := ""
			switch {
			case method == "POST" && path == "/v1/boards":
				body = fmt.Sprintf(`{"slug":"board-%d-%d","title":"New"}`, n, i)
			case method == "POST" && strings.HasSuffix(path, "/posts"):
				body = `{"title":"t","body":"b"}`
			case method == "POST":
				body = `{"body":"b"}`
			case method == "PATCH" && strings.Contains(path, "/boards"):
				body = `{"description":"changed"}`
			case method == "PATCH":
				body = `{"body":"changed"}`
			}
			if got := p.call(method, target, token, body, "If-Match", tag); got.status != want {
				t.Errorf("%s by %s: got %v, want %d", row[0], name, got, want)
			}
		}
	}
}

// stage makes what a path of the table speaks of and returns the real path, with an ETag for it.
func (p *running) stage(path, name, token string) (target, tag string) {
	p.t.Helper()
	start, end := strings.Index(path, "{"), strings.Index(path, "}")
	if start < 0 {
		return path, "*"
	}
	author := p.person("author")
	var id, kind string
	switch placeholder := path[start+1 : end]; placeholder {
	case "public", "public-hidden":
		kind = "posts"
		id = p.call("POST", "/v1/boards/notice/posts", p.moderator(), `{"title":"a title","body":"some text"}`).want(p.t, 201).text("id")
		if placeholder == "public-hidden" {
			p.mark("/v1/posts/" + id + "/hidden")
		}
	case "post", "locked", "hidden", "own-locked":
		kind = "posts"
		if placeholder == "own-locked" && !slices.Contains([]string{"nobody", "no scope", "client", "reader"}, name) {
			author = token
		}
		id = p.newPost(author)
		if placeholder != "post" {
			p.mark("/v1/posts/" + id + "/" + strings.TrimPrefix(placeholder, "own-"))
		}
	case "comment", "locked-comment", "hidden-comment":
		kind = "comments"
		post := p.newPost(p.person("somebody else"))
		id = p.newComment(author, post, "")
		switch placeholder {
		case "locked-comment":
			p.mark("/v1/posts/" + post + "/locked")
		case "hidden-comment":
			p.mark("/v1/comments/" + id + "/hidden")
		}
	default:
		p.t.Fatalf("the table has an unknown placeholder %q", placeholder)
	}
	tag = p.call("GET", "/v1/"+kind+"/"+id, p.moderator(), "").want(p.t, 200).header.Get("ETag")
	return path[:start] + id + path[end+1:], tag
}

// operations are all that the OpenAPI document describes, as method and path.
func (p *running) operations() [][2]string {
	p.t.Helper()
	var document struct {
		Paths map[string]map[string]json.RawMessage
	}
	if err := json.Unmarshal(p.call("GET", "/openapi.json", "", "").want(p.t, 200).body, &document); err != nil {
		p.t.Fatal(err)
	}
	var operations [][2]string
	for path, item := range document.Paths {
		path = strings.NewReplacer("{slug}", "free", "{id}", strings.Repeat("a", 26)).Replace(path)
		for method := range item {
			operations = append(operations, [2]string{strings.ToUpper(method), path})
		}
	}
	if len(operations) < 23 {
		p.t.Fatalf("only %d operations are described", len(operations))
	}
	return operations
}

func TestTheTableKnowsEveryOperation(t *testing.T) {
	p := startNew(t)
	known := map[[2]string]bool{}
	for _, row := range rows(t)[1:] {
		method, path, _ := strings.Cut(row[0], " ")
		path, _, _ = strings.Cut(path, "?")
		if start, end := strings.Index(path, "{"), strings.Index(path, "}"); start >= 0 {
			path = path[:start] + strings.Repeat("a", 26) + path[end+1:]
		}
		known[[2]string{method, path}] = true
	}
	for _, op := range p.operations() {
		if !known[op] {
			t.Errorf("%s %s is not in the README's table", op[0], op[1])
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
	key := p.issuer.ProofKey(t, "ES256")
	grant := jwkstest.Token{Subject: "a", Audience: audience, Scope: "board:read", ProofKey: key}
	token := p.issuer.AccessToken(t, grant)
	for _, method := range []string{"GET", "HEAD"} {
		proof := jwkstest.Proof{Method: method, URL: audience + "/v1/boards", Token: token}
		var once http.Header
		if got := send(method, "/v1/boards?q=1", func(h http.Header) { key.Authorize(t, h, proof); once = h }); got.StatusCode != http.StatusOK {
			t.Errorf("%s: %s, %v", method, got.Status, got.Header)
		}
		if got := send(method, "/v1/boards", func(h http.Header) { maps.Copy(h, once) }); got.StatusCode != http.StatusUnauthorized || !strings.Contains(got.Header.Get("WWW-Authenticate"), `DPoP error="invalid_dpop_proof"`) {
			t.Errorf("%s with the same proof: %s, %v", method, got.Status, got.Header)
		}
	}
	for _, bad := range p.issuer.BadProofs("GET", audience+"/v1/boards", audience, grant) {
		if got := send("GET", "/v1/boards", bad.Set); got.StatusCode != http.StatusUnauthorized || got.Header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s: %s", bad.Name, got.Status)
		}
	}
}

func TestBadTokensAreRefusedEverywhere(t *testing.T) {
	p := startNew(t)
	bad := p.issuer.BadTokens(audience, jwkstest.Token{Subject: "moderator", Scope: allScopes, Roles: []string{"moderator"}})
	if len(bad) < 10 {
		t.Fatalf("only %d bad tokens", len(bad))
	}
	for _, op := range p.operations() {
		for _, b := range bad {
			if len(b.Token) > 60<<10 { // more than the server takes of headers; below, one that it takes is refused by the guard
				if got := p.call(op[0], op[1], b.Token, ""); got.status != http.StatusRequestHeaderFieldsTooLarge {
					t.Errorf("%v, %s: %v", op, b.Name, got)
				}
				continue
			}
			got := p.call(op[0], op[1], b.Token, "").want(t, 401)
			challenge := got.header.Get("WWW-Authenticate")
			if !strings.HasPrefix(challenge, "Bearer ") || !strings.Contains(challenge, `error="invalid_token"`) || !strings.Contains(challenge, `resource_metadata="`+metadataURL+`"`) {
				t.Errorf("%v, %s: challenge %s", op, b.Name, challenge)
			}
			if strings.Contains(string(got.body), b.Token) {
				t.Errorf("%v, %s: the answer repeats the token", op, b.Name)
			}
		}
		p.call(op[0], op[1], strings.Repeat("a", 9<<10), "").want(t, 401)
		if got := p.call(op[0], op[1], "", "").want(t, 401).header.Get("WWW-Authenticate"); got != `Bearer resource_metadata="`+metadataURL+`", DPoP algs="ES256 EdDSA Ed25519 PS256 RS256", resource_metadata="`+metadataURL+`"` {
			t.Errorf("%v without a token: challenge %s", op, got)
		}
		got := p.call(op[0], op[1], p.token("person", "openid", "moderator"), "").want(t, 403)
		if challenge := got.header.Get("WWW-Authenticate"); !strings.Contains(challenge, `error="insufficient_scope"`) || !strings.Contains(challenge, `scope="board:`) {
			t.Errorf("%v without scope: challenge %s", op, challenge)
		}
	}
	// A token may come in the header only.
	p.call("GET", "/v1/boards?access_token="+p.moderator(), "", "").want(t, 401)
	p.call("GET", "/v1/boards?access_token="+p.moderator(), p.moderator(), "").want(t, 400)
	// Subjects that no database should see.
	for _, subject := range []string{"a\x00b", strings.Repeat("x", 256)} {
		p.call("GET", "/v1/boards", p.token(subject, "board:read"), "").want(t, 401)
	}
}

func TestTheResourceDescribesItself(t *testing.T) {
	p := startNew(t)
	for _, path := range []string{"/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/board"} {
		got := p.call("GET", path, "", "").want(t, 200)
		if got.text("resource") != audience || got.header.Get("Content-Type") != "application/json" || got.header.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s: %v %v", path, got, got.header)
		}
		if servers, _ := got.member("authorization_servers").([]any); len(servers) != 1 || servers[0] != p.issuer.URL() {
			t.Errorf("%s: %v", path, got)
		}
	}
	p.call("GET", "/livez", "", "").want(t, 200)
	p.call("GET", "/readyz", "", "").want(t, 200)
}

func TestTheCommittedOpenAPIDocumentIsUpToDate(t *testing.T) {
	committed, err := os.ReadFile("openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	defaults := parse(t, "openapi").Openapi
	document, err := api.Document(defaults.Issuer, defaults.Audience)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(committed, document) {
		t.Error("run: go run ./resources/board openapi > resources/board/openapi.json")
	}
	for _, forbidden := range []string{"$schema", "localhost:9300"} {
		if bytes.Contains(document, []byte(forbidden)) {
			t.Errorf("it has %s", forbidden)
		}
	}
}

func TestAWrongConfigurationStopsItWithOneLine(t *testing.T) {
	good := []string{"--issuer=http://127.0.0.1:1", "--audience=" + audience, "--listen=127.0.0.1:0", "--log-level=error"}
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"database":    {[]string{"--database-url=mysql://user:secret@host/db"}, "--database-url"},
		"issuer":      {[]string{"--database-url=" + sqldbtest.SQLite(t), "--issuer=auth.example"}, "--issuer"},
		"audience":    {[]string{"--database-url=" + sqldbtest.SQLite(t), "--audience=board"}, "--audience"},
		"names":       {[]string{"--database-url=" + sqldbtest.SQLite(t), "--user-api=http://user.example"}, "--client-id"},
		"the address": {[]string{"--database-url=" + sqldbtest.SQLite(t), "--listen=nowhere"}, "--listen"},
	} {
		err := run(t.Context(), parse(t, append(slices.Clone(good), c.args...)...).Serve)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "secret@") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestNothingIsLeftBehindAtTheEnd(t *testing.T) {
	issuer := jwkstest.NewIssuer(t)
	before := goleak.IgnoreCurrent()
	p := start(t, issuer, sqldbtest.SQLite(t), "--user-api=http://127.0.0.1:1", "--client-id=board", "--client-secret=s")
	p.newPost(p.person("ann"))
	p.stop()
	goleak.VerifyNone(t, before)
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
	for _, want := range []string{"--audience", "--issuer", "--database-url", "$BOARD_LISTEN", "backup"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("says nothing of %s:\n%s", want, out.String())
		}
	}
}
