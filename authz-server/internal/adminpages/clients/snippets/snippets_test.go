package snippets

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/client"
)

// apps is an app of each flow, with values as strange as the checks of a client let through.
func apps(redirect string) map[string]App {
	const scope = "openid profile email a'b:$(id) ${HOME} `x`;{{.}}"
	of := func(c client.Client, secret string) App {
		c.ID, c.Name = "shop", `"; os.Exit(1) // '$(id)' */ ${x} \`
		return App{Issuer: "https://login.example/id", Client: c, Secret: secret, Audience: "https://api.example/$(id)'"}
	}
	code := []string{client.AuthorizationCode, client.RefreshToken}
	return map[string]App{
		login: of(client.Client{GrantTypes: code, RedirectURIs: []string{"https://shop.example/cb", redirect}, Scope: scope,
			TokenEndpointAuthMethod: client.AuthBasic, ApplicationType: client.ApplicationWeb}, "the-secret"),
		native: of(client.Client{GrantTypes: code, RedirectURIs: []string{redirect}, Scope: scope,
			TokenEndpointAuthMethod: client.AuthNone, ApplicationType: client.ApplicationNative}, ""),
		browser: of(client.Client{GrantTypes: code, RedirectURIs: []string{redirect}, Scope: scope,
			TokenEndpointAuthMethod: client.AuthNone, ApplicationType: client.ApplicationWeb}, ""),
		service: of(client.Client{GrantTypes: []string{client.ClientCredentials}, Scope: scope,
			TokenEndpointAuthMethod: client.AuthPost}, "the-secret"),
		device: of(client.Client{GrantTypes: []string{client.DeviceCode}, Scope: scope,
			TokenEndpointAuthMethod: client.AuthNone}, ""),
		introspect: of(client.Client{GrantTypes: []string{client.ClientCredentials},
			Audiences:               []string{"https://api.example/x"},
			TokenEndpointAuthMethod: client.AuthBasic}, "the-secret"),
	}
}

const strange = "http://localhost:8080/it's/$(id)/;echo&!!%20?a=${b}"

func TestEachKindOfAppHasProgramsThatCarryNoSecret(t *testing.T) {
	t.Parallel()
	want := map[string]string{
		login: "go node python spring curl", native: "go node python curl", browser: "browser curl",
		service: "go node python spring curl", device: "go node python curl", introspect: "go node python spring curl",
	}
	for flow, app := range apps("http://localhost:8080/callback") {
		var ids []string
		for _, s := range of(t, app) {
			ids = append(ids, s.ID)
			for _, file := range s.Files {
				if app.Secret != "" && strings.Contains(file.Text, app.Secret) {
					t.Errorf("%s in %s has the secret in %s", flow, s.ID, file.Name)
				}
				if strings.Contains(file.Text, "<no value>") || strings.HasPrefix(file.Text, "\n") ||
					!strings.HasSuffix(file.Text, "\n") {
					t.Errorf("%s in %s: %s\n%s", flow, s.ID, file.Name, file.Text)
				}
			}
			if n := strings.Count(s.Commands, "CLIENT_SECRET='the-secret' "); app.Secret != "" && n != 1 ||
				app.Secret == "" && strings.Contains(s.Commands, "CLIENT_SECRET") {
				t.Errorf("%s in %s is run by\n%s", flow, s.ID, s.Commands)
			}
			app.Secret = ""
			again := of(t, app)
			if i := slices.IndexFunc(again, func(one Snippet) bool { return one.ID == s.ID }); strings.Contains(again[i].Commands, "the-secret") {
				t.Errorf("%s in %s is shown with its secret again", flow, s.ID)
			}
			app = apps("http://localhost:8080/callback")[flow]
		}
		if got := strings.Join(ids, " "); got != want[flow] {
			t.Errorf("%s: %s, want %s", flow, got, want[flow])
		}
	}
	phone := apps("com.example.app:/callback")[native]
	if all := of(t, phone); len(all) != 1 || all[0].ID != "curl" {
		t.Errorf("an app on a phone: %v", all)
	}
	keys := apps(strange)[login]
	keys.Client.TokenEndpointAuthMethod = client.AuthPrivateKeyJWT
	if all := of(t, keys); len(all) > 0 {
		t.Errorf("an app with keys of its own: %v", all)
	}
}

// A token that is bound to a key must not do for whoever has the token alone (RFC 9449 §6.2).
func TestAnAPITakesNoBoundTokenAsABearerToken(t *testing.T) {
	t.Parallel()
	checks := map[string]string{
		"go": "case !t.Active || t.Bound != nil:", "node": "if (!token.active || token.cnf) {",
		"python": `if not token["active"] or "cnf" in token:`, "spring": `token.getTokenAttributes().get("cnf") == null`,
		"curl": "", // it prints the answer
	}
	for _, s := range of(t, apps(strange)[introspect]) {
		check, known := checks[s.ID]
		if !known || !slices.ContainsFunc(s.Files, func(file File) bool { return strings.Contains(file.Text, check) }) {
			t.Errorf("the program in %s takes any token", s.ID)
		}
	}
}

// Browsers take a cookie without the prefix from every host of the domain: one that is not to be
// trusted could log people in as somebody else.
func TestTheCookiesOfAWebAppBehindTLSAreBoundToItsHost(t *testing.T) {
	t.Parallel()
	bound := map[string][]string{
		"go":     {`loginCookie, sessionCookie = "__Host-login", "__Host-session"`, "Secure: true", `Path: "/"`},
		"node":   {"const prefix = '__Host-'", "${prefix}${name}=${value}; Path=/;", "; Secure"},
		"python": {`SESSION_COOKIE_NAME="__Host-session"`, "SESSION_COOKIE_SECURE=True"},
		"spring": {"name: __Host-session, secure: true", "path: / "},
		"curl":   nil, // no browser
	}
	for uri, secure := range map[string]bool{"https://shop.example/cb": true, "http://localhost:8080/callback": false} {
		programs := of(t, apps(uri)[login])
		if len(programs) != len(bound) {
			t.Fatalf("%d programs", len(programs))
		}
		for _, s := range programs {
			var text string
			for _, file := range s.Files {
				text += file.Text
			}
			wants, known := bound[s.ID]
			if !known {
				t.Errorf("nobody looked at the cookies of %s", s.ID)
			}
			for _, want := range wants {
				if secure && !strings.Contains(text, want) {
					t.Errorf("the program in %s lacks %s:\n%s", s.ID, want, text)
				}
			}
			if !secure && strings.Contains(text, "__Host-") { // which browsers drop without TLS
				t.Errorf("the program in %s cannot log in on plain http:\n%s", s.ID, text)
			}
		}
	}
}

// openid-client writes a redirect URI anew, which is then another.
func TestNoProgramIsShownThatWouldSendAnotherRedirectURI(t *testing.T) {
	t.Parallel()
	for uri, want := range map[string]bool{
		"http://localhost:8080/callback": true, "http://localhost:8080": false, "http://localhost:8080/cb?a=1": false,
		"http://localhost:80/cb": false,
		"https://APP.example/cb": false, "https://app.example/": true,
	} {
		app := apps(uri)[login]
		app.Client.RedirectURIs = []string{uri}
		if got := slices.ContainsFunc(of(t, app), func(s Snippet) bool { return s.ID == "node" }); got != want {
			t.Errorf("%s: %v", uri, got)
		}
	}
}

func of(t *testing.T, app App) []Snippet {
	t.Helper()
	all, err := Of(app)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// hostile are texts by which one gets out of a literal somewhere.
var hostile = []string{
	"", "plain", `"`, `'`, "`", `\`, `\"`, `\'`, `\\"`, `\u0022`, `\\u0022 + evil() + \u0022`, "$(id)", "${HOME}",
	`\${HOME}`, "$HOME", "`id`", "a\nb", "a\r\nb", "\r",
	"*/ evil(); /*", "// evil", "# evil", "</script><script>evil()</script>", "<!--", "]]>", "{{.Issuer}}", "%s%n", "!!",
	"!$", "\x03\x15\x1b[200~", "\x7f",
	"'; id; '", `"; id; "`, `'"'"'`, "\u2028evil()\u2029", "\u202eevil", "가나다", "😀", `"""`, "'''", `f"{evil}"`, "a\tb",
	"\u0085x", "- x: y", "x: y # z", "&a *b", "%41", "~",
}

// roundTrip has a language print literals as JSON, and compares.
func roundTrip(t *testing.T, name string, program string, args ...string) {
	t.Helper()
	out, err := exec.Command(program, args...).Output()
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	got := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
	if len(got) != len(hostile) {
		t.Fatalf("%s: %d texts of %d", name, len(got), len(hostile))
	}
	for i, want := range hostile {
		if got[i] != want {
			t.Errorf("%s reads %q as %q", name, want, got[i])
		}
	}
}

func TestATextStaysATextInGo(t *testing.T) {
	t.Parallel()
	for _, s := range hostile {
		if back, err := strconv.Unquote(goQuote(s)); err != nil || back != s {
			t.Errorf("%q: %q, %v", s, back, err)
		}
	}
}

func TestATextStaysATextInBash(t *testing.T) {
	t.Parallel()
	var script strings.Builder
	for _, s := range hostile {
		fmt.Fprintf(&script, "printf '%%s\\0' %s\n", shellQuote(s))
	}
	roundTrip(t, "bash", installed(t, "bash"), "-c", script.String())
	for _, s := range hostile { // which a terminal gets when it is pasted
		if strings.ContainsFunc(shellQuote(s), func(r rune) bool { return r < ' ' || r == 0x7f || r == 0x85 }) {
			t.Errorf("%q has a control character", shellQuote(s))
		}
	}
}

func TestATextStaysATextInJavaScript(t *testing.T) {
	t.Parallel()
	var all []string
	for _, s := range hostile {
		all = append(all, jsonQuote(s))
		if strings.Contains(jsonQuote(s), "<") {
			t.Errorf("%s would end a script of a page", jsonQuote(s))
		}
	}
	roundTrip(t, "node", installed(t, "node"), "-e",
		"process.stdout.write(["+strings.Join(all, ",\n")+"].map(s => s + '\\0').join(''))")
}

func TestATextStaysATextInPython(t *testing.T) {
	t.Parallel()
	var all []string
	for _, s := range hostile {
		all = append(all, jsonQuote(s))
	}
	roundTrip(t, "python3", installed(t, "python3"), "-c",
		"import sys\nsys.stdout.buffer.write(b''.join(s.encode() + b'\\0' for s in ["+strings.Join(all, ",\n")+"]))")
}

func TestATextStaysATextInJava(t *testing.T) {
	t.Parallel()
	java := installed(t, "java")
	var all []string
	for _, s := range hostile {
		all = append(all, javaQuote(s))
	}
	file := filepath.Join(t.TempDir(), "Main.java")
	text := "class Main { public static void main(String[] a) throws Exception { for (String s : new String[] {" +
		strings.Join(all, ",\n") +
		"}) System.out.write((s + '\\0').getBytes(\"UTF-8\")); System.out.flush(); } }"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	roundTrip(t, "java", java, file)
}

// Spring replaces ${…} in what YAML says. What YAML says has a backslash before it.
func TestATextStaysATextInSpringsYAML(t *testing.T) {
	t.Parallel()
	for _, s := range hostile {
		var back string // YAML's double-quoted texts have the escapes of JSON
		if err := json.Unmarshal([]byte(springQuote(s)), &back); err != nil {
			t.Fatal(err)
		}
		if strings.ReplaceAll(back, `\${`, "${") != s || regexp.MustCompile(`(^|[^\\])\$\{`).MatchString(back) {
			t.Errorf("%q: %q", s, back)
		}
	}
}

func FuzzQuotes(f *testing.F) {
	for _, s := range hostile {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if back, err := strconv.Unquote(goQuote(s)); err != nil || back != s {
			t.Errorf("Go: %q", back)
		}
		var back string
		if err := json.Unmarshal([]byte(jsonQuote(s)), &back); err != nil ||
			back != strings.ToValidUTF8(s, "\uFFFD") && len(back) < len(s) ||
			strings.ContainsAny(jsonQuote(s), "<>&\u2028\u2029\n") {
			t.Errorf("JSON: %q of %q", back, s)
		}
		if q := javaQuote(s); !regexp.MustCompile(`^"([ !#-\[\]-~]|\\[\\"nr]|\\u[0-9a-f]{4})*"$`).MatchString(q) ||
			regexp.MustCompile(`[^\\]\\u00(0a|0d|22|5c)`).MatchString(q) {
			t.Errorf("Java: %s", q)
		}
		if q := shellQuote(s); !regexp.MustCompile(`^('[^']*'(\\'('[^']*'))*|\$'([^'\\]|\\['\\]|\\x[0-9a-f]{2})*')$`).
			MatchString(q) {
			t.Errorf("bash: %s", q)
		}
	})
}

// installed is the path of a program that CI need not have (.ci/run).
func installed(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed", name)
	}
	return path
}

// write writes the files of a snippet, and returns the folder.
func write(t *testing.T, s Snippet) string {
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
	return dir
}

// Each program is well formed whatever an operator types, as far as its language is here to say so.
func TestEachProgramIsWellFormed(t *testing.T) {
	t.Parallel()
	for _, uri := range []string{"http://localhost:8080/callback", "https://shop.example/cb", strange} {
		for flow, app := range apps(uri) {
			for _, s := range of(t, app) {
				t.Run(flow+" in "+s.ID, func(t *testing.T) {
					t.Parallel()
					dir := write(t, s)
					var cmd *exec.Cmd
					switch s.ID {
					case "go":
						file, err := parser.ParseFile(token.NewFileSet(), "main.go", s.Files[0].Text, parser.AllErrors)
						if err != nil {
							t.Fatalf("%v\n%s", err, s.Files[0].Text)
						}
						ast.Inspect(file, func(n ast.Node) bool {
							if lit, ok := n.(*ast.BasicLit); ok && strings.Contains(lit.Value, "os.Exit") {
								t.Errorf("the name of the app is in %s", lit.Value)
							}
							return true
						})
						return
					case "node", "browser":
						cmd = exec.Command(installed(t, "node"), "--check", "app.mjs")
					case "python":
						cmd = exec.Command(installed(t, "python3"), "-m", "py_compile", "app.py")
					case "curl":
						cmd = exec.Command(installed(t, "bash"), "-n", "app.sh")
					default:
						t.Skip("make interop compiles it")
					}
					cmd.Dir = dir
					if out, err := cmd.CombinedOutput(); err != nil {
						t.Errorf("%v\n%s\n%s", err, out, s.Files[len(s.Files)-1].Text)
					}
				})
			}
		}
	}
}

// The versions are those that this repository runs.
func TestTheVersionsAreThoseThatAreTested(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..", "..", "..", "..")
	for path, wants := range map[string][]string{
		"go.mod": {"github.com/coreos/go-oidc/v3 " + goOIDC,
			"golang.org/x/oauth2 " + goOAuth2, "github.com/go-jose/go-jose/v4 " + goJOSE},
		"deploy/interop/node/package.json": {`"openid-client": "` + openidClient + `"`,
			`"oidc-client-ts": "` + oidcClientTS + `"`},
		"deploy/interop/python/requirements.txt": {"authlib==" + authlib + "\n", "flask==" + flask + "\n",
			"requests==" + requests + "\n"},
		"deploy/interop/spring/pom.xml": {"<version>" + springBoot + "</version>",
			"<java.version>" + javaVersion + "</java.version>"},
	} {
		text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(path)))
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range wants {
			if !bytes.Contains(text, []byte(want)) {
				t.Errorf("%s has another version than %q", path, strings.TrimSpace(want))
			}
		}
	}
}
