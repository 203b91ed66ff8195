// Package snippets writes programs that show how an app talks to this server: complete, to be copied
// and run as they are, for the languages that people write apps in. They use stock libraries, in the
// versions that deploy/interop and this repository are tested with.
//
// A program has the client's identifiers and addresses as literals of its language, and the client's
// secret never: it reads the environment variable CLIENT_SECRET, which the command that runs it sets.
package snippets

import (
	"bytes"
	"embed"
	"fmt"
	"go/format"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"text/template"

	"github.com/maru-auth/maru/authz-server/internal/client"
)

// The versions of the libraries. A test holds them to those that the repository runs.
const (
	goOIDC       = "v3.21.0" // github.com/coreos/go-oidc/v3
	goOAuth2     = "v0.37.0" // golang.org/x/oauth2
	goJOSE       = "v4.1.8"  // github.com/go-jose/go-jose/v4, which go-oidc verifies with
	openidClient = "6.9.0"
	oidcClientTS = "3.5.0"
	authlib      = "1.9.10"
	flask        = "3.1.3"
	requests     = "2.34.2"
	springBoot   = "3.5.6"
	javaVersion  = "17"
)

// App is what the programs are about.
type App struct {
	Issuer string // as discovery names it
	Client client.Client
	Secret string // for the command that runs a program; empty: a place to put it in
	// Audience is a resource that a service's token is for, to show; empty: whatever its scope says.
	Audience string
}

// Snippet is a program in one language.
type Snippet struct {
	ID       string // "go", "node", "browser", "python", "spring", "curl"
	Title    string // what people call it
	Files    []File
	Commands string // what a shell does with the files in an empty folder
	Address  string // of a web app: what to open in a browser then; empty: nothing
}

// File is a file of a program.
type File struct{ Name, Text string }

// What an app does, which decides what is shown.
const (
	login      = "login"   // a server logs people in
	native     = "native"  // a program on somebody's own device does
	browser    = "browser" // a page does, in the browser
	service    = "service" // gets tokens for itself
	device     = "device"  // shows a code, for it has no browser
	introspect = "introspect"
)

// flowOf is what a client does, as far as its metadata tell.
func flowOf(c *client.Client) string {
	loopback := slices.IndexFunc(c.RedirectURIs, isLoopback) >= 0
	switch {
	case c.HasGrantType(client.AuthorizationCode) && c.ApplicationType == client.ApplicationNative:
		return native
	case c.HasGrantType(client.AuthorizationCode) && c.Public() && !loopback &&
		!slices.ContainsFunc(c.RedirectURIs, isWeb):
		return native
	case c.HasGrantType(client.AuthorizationCode) && c.Public():
		return browser
	case c.HasGrantType(client.AuthorizationCode):
		return login
	case c.HasGrantType(client.DeviceCode):
		return device
	case len(c.Audiences) > 0:
		return introspect
	case c.HasGrantType(client.ClientCredentials):
		return service
	}
	return ""
}

func isWeb(uri string) bool {
	return strings.HasPrefix(uri, "https://") || strings.HasPrefix(uri, "http://")
}

func isLoopback(uri string) bool { return strings.HasPrefix(uri, "http://") }

// A program is a row of the table of what can be written.
type program struct {
	flow, id, title string
	files           map[string]string // a template in templates/, by the file's name
	commands        string            // a template
	quote           quoting
}

// order is that of the files of a program.
var order = []string{"main.go", "index.html", "app.mjs", "app.py", "pom.xml", "src/main/resources/application.yml",
	"src/main/java/app/App.java", "app.sh"}

const (
	goCommands = "go mod init example.com/app\n" +
		"go get github.com/coreos/go-oidc/v3@" + goOIDC + " github.com/go-jose/go-jose/v4@" + goJOSE +
		" golang.org/x/oauth2@" + goOAuth2 + "\n" +
		"{{.Env}}go run .\n"
	goBareCommands = "go mod init example.com/app\n{{.Env}}go run .\n"
	nodeCommands   = "npm install openid-client@" + openidClient + "\n{{.Env}}node app.mjs\n"
	pythonCommands = "python3 -m venv env\nenv/bin/pip install {{.Packages}}\n{{.Env}}env/bin/python app.py\n"
	springCommands = "mvn -q package\n{{.Env}}java -jar target/app-1.jar\n"
	shellCommands  = "{{.Env}}bash app.sh\n"
)

var programs = []program{
	{login, "go", "Go", map[string]string{"main.go": "go_login"}, goCommands, goQuote},
	{login, "node", "Node", map[string]string{"app.mjs": "node_login"}, nodeCommands, jsonQuote},
	{login, "python", "Python", map[string]string{"app.py": "python_login"}, pythonCommands, jsonQuote},
	{login, "spring", "Spring", map[string]string{"pom.xml": "spring_pom",
		"src/main/resources/application.yml": "spring_login_yml",
		"src/main/java/app/App.java":         "spring_login"}, springCommands, javaQuote},
	{login, "curl", "curl", map[string]string{"app.sh": "curl_login"}, shellCommands, shellQuote},

	{browser, "browser", "JavaScript", map[string]string{"index.html": "browser_login", "app.mjs": "browser_server"},
		"npm install oidc-client-ts@" + oidcClientTS + "\nnode app.mjs\n", jsonQuote},
	{browser, "curl", "curl", map[string]string{"app.sh": "curl_login"}, shellCommands, shellQuote},

	{native, "go", "Go", map[string]string{"main.go": "go_native"}, goCommands, goQuote},
	{native, "node", "Node", map[string]string{"app.mjs": "node_native"}, nodeCommands, jsonQuote},
	{native, "python", "Python", map[string]string{"app.py": "python_native"}, pythonCommands, jsonQuote},
	{native, "curl", "curl", map[string]string{"app.sh": "curl_login"}, shellCommands, shellQuote},

	{service, "go", "Go", map[string]string{"main.go": "go_service"}, goCommands, goQuote},
	{service, "node", "Node", map[string]string{"app.mjs": "node_service"}, nodeCommands, jsonQuote},
	{service, "python", "Python", map[string]string{"app.py": "python_service"}, pythonCommands, jsonQuote},
	{service, "spring", "Spring", map[string]string{"pom.xml": "spring_pom",
		"src/main/resources/application.yml": "spring_service_yml",
		"src/main/java/app/App.java":         "spring_service"}, springCommands, javaQuote},
	{service, "curl", "curl", map[string]string{"app.sh": "curl_service"}, shellCommands, shellQuote},

	{device, "go", "Go", map[string]string{"main.go": "go_device"}, goCommands, goQuote},
	{device, "node", "Node", map[string]string{"app.mjs": "node_device"}, nodeCommands, jsonQuote},
	{device, "python", "Python", map[string]string{"app.py": "python_device"}, pythonCommands, jsonQuote},
	{device, "curl", "curl", map[string]string{"app.sh": "curl_device"}, shellCommands, shellQuote},

	{introspect, "go", "Go", map[string]string{"main.go": "go_introspect"}, goBareCommands, goQuote},
	{introspect, "node", "Node", map[string]string{"app.mjs": "node_introspect"}, nodeCommands, jsonQuote},
	{introspect, "python", "Python", map[string]string{"app.py": "python_introspect"}, pythonCommands, jsonQuote},
	{introspect, "spring", "Spring", map[string]string{"pom.xml": "spring_pom",
		"src/main/resources/application.yml": "spring_introspect_yml",
		"src/main/java/app/App.java":         "spring_introspect"}, springCommands, javaQuote},
	{introspect, "curl", "curl", map[string]string{"app.sh": "curl_introspect"}, shellCommands, shellQuote},
}

//go:embed templates/*.tmpl
var files embed.FS

var templates = template.Must(template.New("").ParseFS(files, "templates/*.tmpl"))

// values are what templates see. Every text but Port and CookiePrefix is a literal of the program's
// language already: a template cannot put in a value as it is.
type values struct {
	Issuer, ClientID, RedirectURI, Scope, Audience string
	Authorization, Token, Userinfo, Introspection  string
	Device                                         string
	Scopes                                         []string
	Path, DecodedPath                              string // of the redirect URI, as a browser asks for it
	Host                                           string // that the program listens at
	Port                                           string // digits
	Secret                                         bool   // the client has one
	Post                                           bool   // and sends it in the body
	Insecure                                       bool   // the issuer is on plain http, for development
	SecureCookies                                  bool   // browsers reach the app by https
	CookiePrefix                                   string // of cookies' names: only this host sets them; empty without https
	Flow                                           string
	SpringBoot, Java                               string
}

// Of returns the programs for a client, in the order in which they are shown. There are none for a
// client that authenticates with keys of its own, or that only exchanges tokens.
func Of(app App) ([]Snippet, error) {
	c := &app.Client
	if !c.Public() && !c.HasSecret() {
		return nil, nil
	}
	flow, redirect := flowOf(c), redirectURI(c)
	var all []Snippet
	for _, p := range programs {
		switch {
		case p.flow != flow:
			continue
		case flow == native && !isWeb(redirect) && p.id != "curl":
			continue // no program but an app on a phone gets what is sent to its own scheme
		case p.id == "node" && redirect != "" && !plain(redirect):
			continue
		}
		one, err := p.write(app, flow, redirect)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, nil
}

// redirectURI is the one that a program uses: one at which a program on the developer's machine can
// listen, if there is one.
func redirectURI(c *client.Client) string {
	if i := slices.IndexFunc(c.RedirectURIs, isLoopback); i >= 0 {
		return c.RedirectURIs[i]
	}
	if len(c.RedirectURIs) > 0 {
		return c.RedirectURIs[0]
	}
	return ""
}

// plain tells whether openid-client sends a redirect URI as it is: it writes it anew by the rules of
// URLs, without a query.
func plain(redirect string) bool {
	u, err := url.Parse(redirect)
	return err == nil && u.RawQuery == "" && !u.ForceQuery && u.Path != "" && u.Host == strings.ToLower(u.Host) &&
		!slices.Contains([]string{"http:80", "https:443"}, u.Scheme+":"+u.Port())
}

func decoded(path string) string {
	plain, err := url.PathUnescape(path)
	if err != nil {
		return path
	}
	return plain
}

func (p program) write(app App, flow, redirect string) (Snippet, error) {
	s := Snippet{ID: p.id, Title: p.title}
	for _, name := range order {
		if p.files[name] == "" {
			continue
		}
		quote := p.quote
		if strings.HasSuffix(name, ".yml") {
			quote = springQuote
		}
		var text bytes.Buffer
		if err := templates.ExecuteTemplate(&text, p.files[name]+".tmpl", valuesOf(app, flow, redirect, quote)); err != nil {
			return s, fmt.Errorf("the program %s for %s: %w", p.id, flow, err)
		}
		if strings.HasSuffix(name, ".go") {
			formatted, err := format.Source(text.Bytes())
			if err != nil {
				return s, fmt.Errorf("the program %s for %s: %w", p.id, flow, err)
			}
			text = *bytes.NewBuffer(formatted)
		}
		s.Files = append(s.Files, File{name, text.String()})
	}
	var commands strings.Builder
	err := template.Must(template.New("").Parse(p.commands)).
		Execute(&commands, struct{ Env, Packages string }{environment(app), packages(flow)})
	s.Commands = commands.String()
	if (flow == login || flow == browser) && p.id != "curl" {
		s.Address = address(redirect)
	}
	return s, err
}

// environment sets what a program reads, before the command that runs it.
func environment(app App) string {
	switch {
	case !app.Client.HasSecret():
		return ""
	case app.Secret == "":
		return "CLIENT_SECRET='…' "
	}
	return "CLIENT_SECRET=" + shellQuote(app.Secret) + " "
}

func packages(flow string) string {
	if flow == login {
		return "authlib==" + authlib + " flask==" + flask + " requests==" + requests
	}
	return "authlib==" + authlib + " requests==" + requests
}

// address is where the app is that has a redirect URI: its origin.
func address(redirect string) string {
	u, err := url.Parse(redirect)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host + "/"
}

func valuesOf(app App, flow, redirect string, quote quoting) values {
	at := strings.TrimSuffix(app.Issuer, "/")
	host, port, path := listen(redirect)
	c := &app.Client
	v := values{
		Issuer: quote(app.Issuer), ClientID: quote(c.ID), RedirectURI: quote(redirect), Scope: quote(c.Scope),
		Audience:      quote(app.Audience),
		Authorization: quote(at + "/oauth2/authorize"), Token: quote(at + "/oauth2/token"),
		Userinfo:      quote(at + "/oauth2/userinfo"),
		Introspection: quote(at + "/oauth2/introspect"), Device: quote(at + "/oauth2/device_authorization"),
		Path: quote(path), DecodedPath: quote(decoded(path)), Host: quote(host), Port: port, Secret: c.HasSecret(),
		Post:     c.TokenEndpointAuthMethod == client.AuthPost,
		Insecure: strings.HasPrefix(app.Issuer, "http://"), SecureCookies: strings.HasPrefix(redirect, "https://"),
		Flow: flow, SpringBoot: springBoot, Java: javaVersion,
	}
	if v.SecureCookies {
		v.CookiePrefix = "__Host-"
	}
	for _, one := range c.Scopes() {
		v.Scopes = append(v.Scopes, quote(one))
	}
	return v
}

// listen is where a program with a redirect URI waits for browsers: at that port if it is on its own
// machine, and otherwise at 8080, for whatever ends TLS to hand requests to.
func listen(redirect string) (host, port, path string) {
	u, err := url.Parse(redirect)
	if err != nil || u.Host == "" {
		return "localhost", "8080", "/"
	}
	host, port = "localhost", "8080"
	if u.Scheme == "http" {
		host, port = u.Hostname(), "80"
		if _, given, err := net.SplitHostPort(u.Host); err == nil {
			port = given
		}
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
		port = "8080"
	}
	if path = u.EscapedPath(); path == "" {
		path = "/"
	}
	return host, port, path
}
