package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/maru-auth/maru/authz-server/internal/adminpages/clients/snippets"
	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/internal/testenv"
)

// The programs that /admin shows are run here as it shows them, against this server: a person logs in
// by each, or it gets its token. Those in Go and for curl run always, for the module cache and Debian
// have what they need; those that fetch packages from a registry are run by `make interop`.

const (
	snippetPerson   = "mina@example.org"
	snippetPassword = "long-and-odd-8c1f0"
)

// issuing is a server with a person, whose clients programs are written for.
type issuing struct {
	commandLine
	issuer string
}

func newIssuing(t *testing.T) *issuing {
	t.Helper()
	c := commandLine{t, "sqlite:" + filepath.Join(t.TempDir(), "authz.db")}
	port := testenv.FreePort(t)
	i := &issuing{c, "http://localhost:" + port}
	serving(t, c.url, "--listen=127.0.0.1:"+port, "--issuer="+i.issuer)
	c.mustWith(snippetPassword, "user", "create", "--email", snippetPerson, "--name", "Mina", "--password-stdin")
	return i
}

// program returns the program in a language for a client with those members.
func (i *issuing) program(t *testing.T, language string, members map[string]any) snippets.Snippet {
	t.Helper()
	id := strings.ToLower(strings.NewReplacer("/", "-", " ", "-", "_", "-").Replace(t.Name()))
	members["client_id"], members["client_name"] = id, "Shop"
	secret := "secret-of-" + strings.Repeat("x", 40)
	if members["token_endpoint_auth_method"] != "none" {
		members["client_secret"] = secret
	} else {
		secret = ""
	}
	text, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	c := commandLine{t, i.url}
	c.mustWith(string(text), "client", "import", "-")
	made, err := c.store().Clients.Client(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	all, err := snippets.Of(snippets.App{Issuer: i.issuer, Client: made, Secret: secret})
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range all {
		if one.ID == language {
			return one
		}
	}
	t.Fatalf("no program in %s", language)
	return snippets.Snippet{}
}

// running is a program whose commands bash runs, as the page says.
type running struct {
	t     *testing.T
	lines chan string // of its output
	in    io.WriteCloser
	done  chan error
	said  *strings.Builder
}

func run(t *testing.T, s snippets.Snippet) *running {
	t.Helper()
	dir := t.TempDir()
	for _, file := range s.Files {
		path := filepath.Join(dir, filepath.FromSlash(file.Name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(file.Text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("bash", "-e", "-c", s.Commands)
	cmd.Dir = dir
	if cmd.Env = os.Environ(); s.ID == "go" { // from the module cache, which has these versions
		cache, err := exec.Command("go", "env", "GOMODCACHE").Output()
		if err != nil {
			t.Fatal(err)
		}
		cmd.Env = append(cmd.Env, "GOPROXY=file://"+strings.TrimSpace(string(cache))+"/cache/download", "GOSUMDB=off", "GOFLAGS=-mod=mod", "GOWORK=off")
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	r := &running{t: t, lines: make(chan string, 1000), done: make(chan error, 1), said: new(strings.Builder)}
	out, w := io.Pipe()
	cmd.Stdout, cmd.Stderr = w, w
	var err error
	if r.in, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		err := cmd.Wait()
		w.Close()
		r.done <- err
	}()
	go func() {
		defer close(r.lines)
		for scanner := bufio.NewScanner(out); scanner.Scan(); {
			r.lines <- scanner.Text()
		}
	}()
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // what it started too
		for range r.lines {
		}
	})
	return r
}

// says waits for a line of the output that matches, and returns what its group does.
func (r *running) says(pattern string) string {
	r.t.Helper()
	re := regexp.MustCompile(pattern)
	for line := range r.lines {
		fmt.Fprintln(r.said, line)
		if found := re.FindStringSubmatch(line); found != nil {
			return found[len(found)-1]
		}
	}
	r.t.Fatalf("the program does not say %q:\n%s", pattern, r.said)
	return ""
}

// surfer is a person's browser, without scripts.
type surfer struct {
	t      *testing.T
	issuer string
	client *http.Client
	stop   string // redirects to what begins so are not followed
}

func (i *issuing) surfer(t *testing.T, stop string) *surfer {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	s := &surfer{t: t, issuer: i.issuer, stop: stop}
	s.client = &http.Client{Jar: jar, Timeout: 30 * time.Second, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if s.stop != "" && strings.HasPrefix(r.URL.String(), s.stop) {
			return http.ErrUseLastResponse
		}
		return nil
	}}
	return s
}

// visit opens an address, logs in and agrees on the way, and returns where it ends: an address that
// is not followed, or what the page says.
func (s *surfer) visit(address string) (at, text string) {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, address, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	for range 8 {
		resp, err := s.client.Do(r)
		if err != nil {
			s.t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			s.t.Fatal(err)
		}
		if to, err := resp.Location(); err == nil {
			return to.String(), ""
		}
		here := resp.Request.URL
		answers := map[string]url.Values{
			"/login": {"email": {snippetPerson}, "password": {snippetPassword}}, "/consent": {"decision": {"allow"}}, "/device": {"decision": {"allow"}},
		}[here.Path]
		if !strings.HasPrefix(here.String(), s.issuer) || answers == nil || !strings.Contains(string(body), `method="post"`) {
			return here.String(), string(body)
		}
		r = s.form(here, string(body), answers)
	}
	s.t.Fatal("the pages have no end")
	return "", ""
}

// form sends the first form of a page, with what is in it and what is added.
func (s *surfer) form(here *url.URL, body string, values url.Values) *http.Request {
	s.t.Helper()
	doc, err := html.Parse(strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	target := here
	for n := range doc.Descendants() {
		of := map[string]string{}
		for _, a := range n.Attr {
			of[a.Key] = a.Val
		}
		switch {
		case n.Data == "form" && of["action"] != "" && target == here:
			if target, err = here.Parse(of["action"]); err != nil {
				s.t.Fatal(err)
			}
		case n.Data == "input" && (of["type"] == "hidden" || of["name"] == "user_code") && !values.Has(of["name"]):
			values.Set(of["name"], of["value"])
		case n.Data == "input" && of["type"] == "checkbox":
			if _, ticked := of["checked"]; ticked {
				values.Add(of["name"], of["value"])
			}
		}
	}
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, target.String(), strings.NewReader(values.Encode()))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", s.issuer)
	return r
}

var codeGrants = []string{client.AuthorizationCode, client.RefreshToken}

// fetches skips what fetches packages, unless it is asked for as in deploy/interop.
func fetches(t *testing.T, programs ...string) {
	t.Helper()
	if wanted, err := strconv.ParseBool(os.Getenv("INTEROP_OAUTH2_PROXY")); err != nil || !wanted {
		t.Skip("run by `make interop`: this program fetches packages from a registry")
	}
	for _, name := range programs {
		if _, err := exec.LookPath(name); err != nil {
			t.Skipf("%s is not installed", name)
		}
	}
}

// needs skips the programs of a language that cannot be run here.
func needs(t *testing.T, language string) {
	t.Helper()
	switch language {
	case "node", "browser":
		fetches(t, "node", "npm")
	case "python":
		fetches(t, "python3")
	case "spring":
		fetches(t, "mvn", "java")
	}
}

func TestTheWebAppsProgramLogsAPersonIn(t *testing.T) {
	t.Parallel()
	i := newIssuing(t)
	for _, language := range []string{"go", "node", "python", "spring"} {
		t.Run(language, func(t *testing.T) {
			needs(t, language)
			origin := "http://localhost:" + testenv.FreePort(t)
			s := i.program(t, language, map[string]any{"redirect_uris": []string{origin + "/it's/back"}, "grant_types": codeGrants, "scope": "openid profile email",
				"require_pkce": true, "id_token_claims": true})
			r := run(t, s)
			r.says(`(?i)listen|Running on|Started App`)
			until(t, r, origin)
			if at, text := i.surfer(t, "").visit(s.Address); !strings.Contains(text, "Hello, Mina!") {
				t.Errorf("the browser is on %s: %s", at, text)
			}
		})
	}
}

// until waits until a program answers.
func until(t *testing.T, r *running, origin string) {
	t.Helper()
	one := &http.Client{CheckRedirect: stay}
	for {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, origin+"/nothing", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := one.Do(req)
		if err == nil {
			resp.Body.Close()
			return
		}
		select {
		case err := <-r.done:
			t.Fatalf("the program ended: %v", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func TestTheProgramOnAPersonsMachineLogsThemIn(t *testing.T) {
	t.Parallel()
	i := newIssuing(t)
	for _, language := range []string{"go", "node", "python"} {
		t.Run(language, func(t *testing.T) {
			needs(t, language)
			s := i.program(t, language, map[string]any{"redirect_uris": []string{"http://127.0.0.1:" + testenv.FreePort(t) + "/callback"}, "grant_types": codeGrants,
				"scope": "openid profile", "token_endpoint_auth_method": "none", "application_type": "native", "id_token_claims": true})
			r := run(t, s)
			address := r.says(`^Open (\S+)$`)
			until(t, r, "http://127.0.0.1:"+regexp.MustCompile(`127\.0\.0\.1%3A(\d+)`).FindStringSubmatch(address)[1])
			if _, text := i.surfer(t, "").visit(address); !strings.Contains(text, "close this window") {
				t.Errorf("the browser shows %s", text)
			}
			r.says(`^Hello, Mina!$`)
		})
	}
}

func TestTheServicesProgramGetsAToken(t *testing.T) {
	t.Parallel()
	i := newIssuing(t)
	for _, language := range []string{"go", "curl", "node", "python", "spring"} {
		t.Run(language, func(t *testing.T) {
			needs(t, language)
			for _, method := range []string{client.AuthBasic, client.AuthPost} {
				r := run(t, i.program(t, language, map[string]any{"grant_types": []string{client.ClientCredentials}, "scope": "user:lookup", "token_endpoint_auth_method": method}))
				r.says(`(eyJ[\w-]+\.eyJ[\w-]+\.[\w-]+)`)
			}
		})
	}
}

func TestTheProgramForCurlLogsAPersonIn(t *testing.T) {
	t.Parallel()
	i := newIssuing(t)
	for name, members := range map[string]map[string]any{
		"with a secret":  {"token_endpoint_auth_method": client.AuthBasic},
		"with a form":    {"token_endpoint_auth_method": client.AuthPost},
		"without secret": {"token_endpoint_auth_method": client.AuthNone},
	} {
		t.Run(name, func(t *testing.T) {
			members["redirect_uris"], members["grant_types"], members["scope"] = []string{"https://shop.example/it's/$(id)?promocode=1"}, codeGrants, "openid profile"
			r := run(t, i.program(t, "curl", members))
			at, _ := i.surfer(t, "https://shop.example/").visit(r.says(`^(http\S+)$`))
			if _, err := fmt.Fprintln(r.in, at); err != nil {
				t.Fatal(err)
			}
			r.says(`"name": ?"Mina"`)
		})
	}
	t.Run("with the answer to another", func(t *testing.T) {
		r := run(t, i.program(t, "curl", map[string]any{"redirect_uris": []string{"https://shop.example/cb"}, "grant_types": codeGrants, "scope": "openid"}))
		r.says(`^(http\S+)$`)
		if _, err := fmt.Fprintln(r.in, "https://shop.example/cb?code=stolen&state=other"); err != nil {
			t.Fatal(err)
		}
		r.says("not the answer to this log-in")
	})
}

func TestTheDevicesProgramLogsAPersonIn(t *testing.T) {
	t.Parallel()
	i := newIssuing(t)
	for _, language := range []string{"go", "curl", "node", "python"} {
		t.Run(language, func(t *testing.T) {
			needs(t, language)
			r := run(t, i.program(t, language, map[string]any{"grant_types": []string{client.DeviceCode, client.RefreshToken}, "scope": "openid profile", "token_endpoint_auth_method": "none"}))
			said := strings.Fields(r.says(`^Open (\S+ and type \S+)$`))
			i.surfer(t, "").visit(said[0] + "?user_code=" + url.QueryEscape(said[3]))
			r.says(`Mina|^Hello, `)
		})
	}
}

func TestTheAPIsProgramAsksAboutTokens(t *testing.T) {
	t.Parallel()
	i := newIssuing(t)
	token := run(t, i.program(t, "curl", map[string]any{"grant_types": []string{client.ClientCredentials}, "scope": "user:lookup"})).says(`(eyJ[\w-]+\.eyJ[\w-]+\.[\w-]+)`)
	for _, language := range []string{"curl", "go", "node", "python", "spring"} {
		t.Run(language, func(t *testing.T) {
			needs(t, language)
			s := i.program(t, language, map[string]any{"grant_types": []string{client.ClientCredentials}, "audiences": []string{"http://localhost:8000/user"}})
			port := testenv.FreePort(t)
			own := regexp.MustCompile(`\b8080\b`) // always the same; the issuer's port may end with it
			for n := range s.Files {
				s.Files[n].Text = own.ReplaceAllString(s.Files[n].Text, port)
			}
			r := run(t, s)
			if language == "curl" {
				if _, err := fmt.Fprintln(r.in, token); err != nil {
					t.Fatal(err)
				}
				r.says(`"active": ?true`)
				return
			}
			r.says(`(?i)listen|Started App`)
			origin := "http://localhost:" + port
			until(t, r, origin)
			for access, want := range map[string]int{token: http.StatusOK, "": http.StatusUnauthorized, "nonsense": http.StatusUnauthorized} {
				req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, origin+"/", nil)
				if err != nil {
					t.Fatal(err)
				}
				if access != "" {
					req.Header.Set("Authorization", "Bearer "+access)
				}
				resp, err := http.DefaultClient.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				text, _ := io.ReadAll(resp.Body)
				resp.Body.Close()
				if resp.StatusCode != want || want == http.StatusOK && !strings.HasPrefix(string(text), "Hello, ") {
					t.Errorf("%s: %d %s", cmp.Or(access, "no token"), resp.StatusCode, text)
				}
			}
		})
	}
}
