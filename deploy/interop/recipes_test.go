package interop

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/maru-auth/maru/internal/testenv"
	"github.com/maru-auth/maru/internal/testenv/program"
	"github.com/maru-auth/maru/jwks/jwkstest"
)

// wanted skips a test that fetches packages from a registry, unless `make interop` asks for what
// needs a network by the same setting as for oauth2-proxy. Python and Maven are not among what CI
// installs (.ci/run).
func wanted(t *testing.T, programs ...string) {
	t.Helper()
	if wanted, err := strconv.ParseBool(os.Getenv("INTEROP_OAUTH2_PROXY")); err != nil || !wanted {
		t.Skip("run by `make interop`: this recipe fetches packages from a registry")
	}
	for _, name := range programs {
		if _, err := exec.LookPath(name); err != nil {
			t.Skipf("%s is not installed", name)
		}
	}
}

// interpreter is a Python with the pinned packages of python/requirements.txt, in an environment of
// its own.
func interpreter(t *testing.T) string {
	t.Helper()
	wanted(t, "python3")
	python, err := environment()
	if err != nil {
		t.Skipf("pip cannot install the packages, most likely for want of a registry: %v", err)
	}
	return python
}

var environment = sync.OnceValues(func() (python string, err error) {
	if virtual, err = os.MkdirTemp("", "maru-interop-"); err != nil {
		return "", err
	}
	if err := quietly("python3", "-m", "venv", virtual); err != nil {
		return "", err
	}
	python = filepath.Join(virtual, "bin", "python")
	return python, quietly(python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "-r",
		filepath.Join("python", "requirements.txt"))
})

var virtual string // the folder of Python's packages, removed at the end

func quietly(name string, args ...string) error {
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	return nil
}

// webApp is the metadata of a client with a secret as `client create` makes it: with PKCE, and
// claims in ID tokens.
func webApp(id, secret, redirect string) metadata {
	return metadata{
		"client_id": id, "client_name": id, "client_secret": secret, "redirect_uris": []string{redirect}, "require_pkce": true,
		"grant_types": []string{"authorization_code", "refresh_token"}, "scope": "openid profile email", "id_token_claims": true,
	}
}

func TestRecipeAuthlib(t *testing.T) {
	t.Parallel()
	python := interpreter(t)
	m, port := start(t), testenv.FreePort(t)
	origin, s := "http://127.0.0.1:"+port, rand.Text()+rand.Text() // Authlib does not encode what RFC 6749 §2.3.1 wants encoded
	m.register(webApp("authlib", s, origin+"/callback"))
	cmd := exec.Command(python, filepath.Join("python", "authlib_app.py"))
	cmd.Env = append(os.Environ(), "ISSUER="+m.issuer, "CLIENT_ID=authlib", "CLIENT_SECRET="+s,
		"SESSION_KEY="+rand.Text(), "PORT="+port)
	run(t, cmd, origin+"/login")

	b := m.browser("")
	shown := b.visit(origin + "/login")
	if want := fmt.Sprintf("Hello, %s <%s>", personName, m.email); shown.Status != http.StatusOK ||
		shown.Body != want || b.logins != 1 {
		t.Errorf("after %d log-ins the browser is on %s: %d %q, want %q", b.logins, shown.URL, shown.Status, shown.Body, want)
	}
}

// TestRecipeFastMCP has an agent, made of the Python SDK, that knows nothing but the address of a
// FastMCP server.
func TestRecipeFastMCP(t *testing.T) {
	t.Parallel()
	python := interpreter(t)
	port := testenv.FreePort(t)
	server := "http://127.0.0.1:" + port + "/mcp"
	m := start(t, "AUTHZ_RESOURCE="+server+"=tools:call", "AUTHZ_REGISTRATION=open",
		"AUTHZ_REGISTRATION_SCOPES=openid profile offline_access tools:call")
	cmd := exec.Command(python, filepath.Join("python", "fastmcp_server.py"))
	cmd.Env = append(os.Environ(), "ISSUER="+m.issuer, "PORT="+port)
	run(t, cmd, server)

	s := secret()
	m.register(metadata{"client_id": "service", "client_name": "Service", "client_secret": s,
		"grant_types": []string{"client_credentials"}, "scope": "tools:call user:lookup"})
	for _, one := range []struct{ name, token string }{
		{"none", ""},
		{"a token for another API", m.token(bounded(t), "service", s, "user:lookup")},
		{"a token that is bound to a key", m.boundToken(t, "service", s, "tools:call")},
	} {
		if got := call(t, server, one.token); got != http.StatusUnauthorized {
			t.Errorf("%s: %d, want 401", one.name, got)
		}
	}
	if got := call(t, server, m.token(bounded(t), "service", s,
		"tools:call")); got == http.StatusUnauthorized || got == http.StatusForbidden {
		t.Errorf("a token for the server: %d", got)
	}

	b := m.browser(callback)
	agent := exec.CommandContext(bounded(t), python, filepath.Join("python", "mcp_agent.py"), server, callback)
	log := &program.Output{}
	agent.Stderr = log
	answers, err := agent.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	questions, err := agent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := agent.Start(); err != nil {
		t.Fatal(err)
	}
	done := serve(b, questions, answers)
	if err := agent.Wait(); err != nil || len(done) != 1 || done[0] != "2 + 3 = 5" {
		t.Errorf("the agent has done %q: %v\n%s", done, err, log)
	}
}

func TestRecipeSpringBoot(t *testing.T) {
	t.Parallel()
	wanted(t, "mvn", "java")
	project := filepath.Join(t.TempDir(), "spring")
	if err := os.CopyFS(project, os.DirFS("spring")); err != nil {
		t.Fatal(err)
	}
	if err := quietly("mvn", "-q", "-B", "-f", filepath.Join(project, "pom.xml"), "package"); err != nil {
		t.Skipf("Maven cannot build the project, most likely for want of a registry: %v", err)
	}
	const audience = "http://localhost:8091/notes"
	m, port, s := start(t, "AUTHZ_RESOURCE="+audience+"=notes:read"), testenv.FreePort(t), secret()
	origin := "http://127.0.0.1:" + port
	m.register(webApp("spring", s, origin+"/login/oauth2/code/maru"))
	cmd := exec.Command("java", "-jar", filepath.Join(project, "target", "recipes-1.jar"))
	cmd.Env = append(os.Environ(), "SERVER_PORT="+port, "ISSUER="+m.issuer, "CLIENT_ID=spring",
		"CLIENT_SECRET="+s, "AUDIENCE="+audience)
	run(t, cmd, origin+"/api/notes")

	b := m.browser("")
	shown := b.visit(origin + "/me")
	if shown.Status != http.StatusOK || !strings.Contains(shown.Body, m.email) ||
		!strings.Contains(shown.Body, personName) || b.logins != 1 {
		t.Errorf("after %d log-ins the browser is on %s: %d %s", b.logins, shown.URL, shown.Status, shown.Body)
	}

	m.register(metadata{"client_id": "reader", "client_name": "Reader", "client_secret": s,
		"grant_types": []string{"client_credentials"}, "scope": "notes:read user:lookup"})
	good := m.token(bounded(t), "reader", s, "notes:read")
	for _, one := range []struct {
		name, token string
		want        int
	}{
		{"a token for the API", good, http.StatusOK},
		{"none", "", http.StatusUnauthorized},
		{"one for another API", m.token(bounded(t), "reader", s, "user:lookup"), http.StatusUnauthorized},
		{"one that is bound to a key", m.boundToken(t, "reader", s, "notes:read"), http.StatusUnauthorized},
		{"an ID token", m.idToken(bounded(t), "kubernetes"), http.StatusUnauthorized},
	} {
		if got := call(t, origin+"/api/notes", one.token); got != one.want {
			t.Errorf("%s: %d, want %d", one.name, got, one.want)
		}
	}
}

// token is a service's own.
func (m *maru) token(ctx context.Context, id, secret, scope string) string {
	m.t.Helper()
	cfg := clientcredentials.Config{ClientID: id, ClientSecret: secret, TokenURL: m.issuer + "/oauth2/token",
		Scopes: []string{scope}}
	token, err := cfg.Token(ctx)
	if err != nil {
		m.t.Fatal(err)
	}
	return token.AccessToken
}

// boundToken is a service's own, which is good with a DPoP proof alone.
func (m *maru) boundToken(t *testing.T, id, secret, scope string) string {
	t.Helper()
	endpoint := m.issuer + "/oauth2/token"
	proof := jwkstest.NewIssuer(t).ProofKey(t, "ES256").Proof(t,
		jwkstest.Proof{Method: http.MethodPost, URL: endpoint,
			Mutate: func(_, claims map[string]any) { delete(claims, "ath") }})
	form := url.Values{"grant_type": {"client_credentials"}, "scope": {scope}}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth(url.QueryEscape(id), url.QueryEscape(secret))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("DPoP", proof)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer struct {
		Token string `json:"access_token"`
		Type  string `json:"token_type"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || answer.Type != "DPoP" {
		t.Fatalf("%s: a token of the type %q: %v", resp.Status, answer.Type, err)
	}
	return answer.Token
}

// call gets an address, with a bearer token unless it is empty, and returns the status.
func call(t *testing.T, address, token string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

// idToken logs the person in to a public client, such as one on somebody's own machine, and returns
// the checked token.
func (m *maru) idToken(ctx context.Context, id string) (raw string) {
	m.t.Helper()
	client := webApp(id, "", callback)
	delete(client, "client_secret")
	client["token_endpoint_auth_method"] = "none"
	m.register(client)
	provider, err := oidc.NewProvider(ctx, m.issuer)
	if err != nil {
		m.t.Fatal(err)
	}
	cfg := oauth2.Config{ClientID: id, Endpoint: provider.Endpoint(), RedirectURL: callback,
		Scopes: []string{"openid", "profile", "email"}}
	verifier := oauth2.GenerateVerifier()
	answer := m.browser(callback).callback(cfg.AuthCodeURL("state", oauth2.S256ChallengeOption(verifier))).Query()
	token, err := cfg.Exchange(ctx, answer.Get("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		m.t.Fatal(err)
	}
	checkID(ctx, m.t, provider, id, token)
	raw, _ = token.Extra("id_token").(string)
	return raw
}

// TestRecipeKubernetes runs no API server, but what one does with an ID token by the recipe's
// flags: it verifies it by go-oidc, as here, takes the claim that names the user, and refuses an
// e-mail address as a name that is not confirmed.
func TestRecipeKubernetes(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("kubernetes", "kube-apiserver.flags"))
	if err != nil {
		t.Fatal(err)
	}
	flags := map[string]string{}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		flags[name] = value
	}
	m := start(t)
	read := func() (header, claims map[string]any) {
		parts := strings.Split(m.idToken(bounded(t), flags["--oidc-client-id"]), ".")
		for i, into := range []*map[string]any{&header, &claims} {
			text, err := base64.RawURLEncoding.DecodeString(parts[i])
			if err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(text, into); err != nil {
				t.Fatal(err)
			}
		}
		return header, claims
	}
	header, claims := read()
	if user, ok := claims[flags["--oidc-username-claim"]].(string); !ok || user == "" {
		t.Errorf("no claim %s names the user: %v", flags["--oidc-username-claim"], claims)
	}
	if header["alg"] != flags["--oidc-signing-algs"] || claims["email"] != m.email || claims["email_verified"] != false {
		t.Errorf("header %v, claims %v", header, claims)
	}
	if _, ok := flags["--oidc-groups-claim"]; ok || claims["groups"] != nil {
		t.Error("the recipe says that there are no groups")
	}
	if !strings.HasPrefix(flags["--oidc-issuer-url"], "https://") {
		t.Error("an API server takes no other issuer than https")
	}
	m.command("", "user", "set-claims", "--email", m.email, "--json", `{"email_verified": true}`)
	if _, claims = read(); claims["email_verified"] != true {
		t.Errorf("after the operator vouched for the address: %v", claims)
	}
}

func TestRecipeAuthJS(t *testing.T) {
	t.Parallel()
	dir := packages(t)
	m, port, s := start(t), testenv.FreePort(t), secret()
	origin := "http://127.0.0.1:" + port
	m.register(webApp("authjs", s, origin+"/auth/callback/maru"))
	cmd := exec.Command("node", "authjs.js")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "PORT="+port, "AUTH_SECRET="+rand.Text(), "AUTH_MARU_ISSUER="+m.issuer,
		"AUTH_MARU_ID=authjs", "AUTH_MARU_SECRET="+s)
	run(t, cmd, origin+"/auth/session")

	b := m.browser("")
	shown := b.visit(origin + "/auth/signin")
	token := regexp.MustCompile(`name="csrfToken" value="([^"]+)"`).FindStringSubmatch(shown.Body)
	if token == nil {
		t.Fatalf("no form to log in with on %s: %s", shown.URL, shown.Body)
	}
	b.stop = m.issuer // there visit goes on
	form := url.Values{"csrfToken": {token[1]}, "callbackUrl": {origin + "/auth/session"}}
	shown = b.read(b.send(http.MethodPost, origin+"/auth/signin/maru", origin, form.Encode()))
	b.stop = ""
	shown = b.visit(shown.URL.String())
	shown = b.visit(origin + "/auth/session")
	var session struct{ User struct{ Name, Email string } }
	if err := json.Unmarshal([]byte(shown.Body), &session); err != nil || session.User.Name != personName ||
		session.User.Email != m.email || b.logins != 1 {
		t.Errorf("after %d log-ins the session is %s: %v", b.logins, shown.Body, err)
	}
}

// TestRecipesShowTheFilesThatRun holds each block that names a file by a comment before it against
// that file.
func TestRecipesShowTheFilesThatRun(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("RECIPES.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)<!-- file: (\\S+) -->\n```\\w*\n(.*?)```\n").FindAllStringSubmatch(string(text), -1)
	if all := strings.Count(string(text), "<!-- file: "); len(blocks) < 6 || len(blocks) != all {
		t.Fatalf("%d blocks of files, %d comments", len(blocks), all)
	}
	for _, block := range blocks {
		file, err := os.ReadFile(filepath.FromSlash(block[1]))
		if err != nil {
			t.Error(err)
		} else if string(file) != block[2] {
			t.Errorf("RECIPES.md shows another %s than there is", block[1])
		}
	}
}
