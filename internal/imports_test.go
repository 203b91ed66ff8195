// Package internal_test holds the rules of ARCHITECTURE.md about who may import whom.
package internal_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/maru-auth/maru"

// A rule says which packages of ours the packages at From may import in their ordinary files.
// Patterns are paths inside the module; "x/..." is x and all below it. The first rule that matches
// a package is its rule; a package without one is refused, so that a new room is given its place
// here when it is made.
type rule struct {
	From string
	May  []string
}

// authz is the rule of a room of the authorization server, and demo of one of the demo app.
func authz(name, rooms string, others ...string) rule {
	return room("authz-server", name, rooms, others)
}
func demo(name, rooms string, others ...string) rule { return room("client-demo", name, rooms, others) }

// room is the rule of a room of a service: which other rooms it may import, and what of the rest.
func room(service, name, rooms string, others []string) rule {
	inside := service + "/internal/"
	r := rule{inside + name, others}
	for other := range strings.FieldsSeq(rooms) {
		r.May = append(r.May, inside+other)
	}
	return r
}

var rules = []rule{
	// Other people's programs import jwks: it needs nothing of ours but its own rooms.
	{"jwks/internal/exactjson", nil},
	{"jwks/internal/tinylfu", nil},
	{"jwks/httpcache", nil},
	{"jwks/jose", []string{"jwks/internal/exactjson"}},
	{"jwks/internal/fetch", nil},
	{"jwks/internal/savedfile", nil},
	{"jwks/internal/keycache", []string{"jwks/internal/exactjson", "jwks/internal/fetch", "jwks/internal/savedfile", "jwks/httpcache", "jwks/jose"}},
	{"jwks/internal/statuslist", []string{"jwks/internal/exactjson", "jwks/internal/fetch", "jwks/internal/savedfile", "jwks/jose"}},
	{"jwks", []string{"jwks/internal/...", "jwks/jose"}},
	{"jwks/events", []string{"jwks", "jwks/internal/exactjson", "jwks/jose"}},
	{"jwks/jwkstest", []string{"jwks"}},
	// What attacks from outside knows nothing of what it attacks.
	{"jwks/rscheck/attack", nil},
	{"jwks/rscheck", []string{"jwks/rscheck/attack"}},

	{"internal/freeport", nil},
	{"internal/testenv", []string{"internal/freeport"}},
	{"internal/testenv/missing", []string{"internal/testenv"}},
	{"internal/testenv/chrome", []string{"internal/testenv"}},
	{"internal/testenv/axe", []string{"internal/testenv", "internal/testenv/chrome"}},
	{"internal/testenv/clock", nil},
	{"internal/testenv/lastrelease", nil},
	{"internal/testenv/program", []string{"internal/testenv"}},
	{"internal/testenv/site", nil},
	{"internal/testenv/testkey", nil},
	{"internal/discovery", []string{"jwks/jose"}},
	{"internal/tracing", nil},
	{"internal/httpd", []string{"internal/cli", "internal/tracing"}},
	{"internal/libcrypto", nil},
	{"internal/machine", nil},
	{"internal/cli", nil},
	{"internal/sqldb", []string{"internal/sqldb/internal/fault", "internal/tracing"}},
	{"internal/sqldb/internal/fault", nil},
	{"internal/sqldb/backup", []string{"internal/sqldb", "internal/sqldb/internal/fault"}},
	{"internal/sqldb/bulk", []string{"internal/sqldb"}},
	{"internal/growth", []string{"internal/machine", "internal/sqldb/bulk", "internal/sqldb/sqldbtest"}},
	{"internal/sqldb/growthtest", []string{"internal/sqldb", "internal/sqldb/sqldbtest", "internal/testenv"}},
	{"internal/sqldb/sqldbtest", []string{"internal/sqldb", "internal/freeport", "internal/testenv", "internal/testenv/program"}},
	{"internal/apidocs", []string{"internal/httpd"}},
	{"internal/rest", []string{"jwks", "jwks/events", "jwks/jose", "internal/apidocs", "internal/httpd", "internal/sqldb"}},
	{"internal/service", []string{"jwks", "internal/cli", "internal/httpd", "internal/libcrypto", "internal/rest", "internal/sqldb", "internal/sqldb/backup", "internal/tracing"}},
	{"internal/service/servicetest", []string{"internal/service", "internal/sqldb/sqldbtest", "internal/testenv", "jwks/jwkstest", "jwks/rscheck/attack"}},
	{"internal", nil},

	{"authz-server", []string{"authz-server/internal/...", "internal/cli", "internal/httpd", "internal/libcrypto", "internal/sqldb", "internal/sqldb/backup", "internal/tracing"}},
	// The authorization server, from what it stands on to what puts it together.
	authz("opaque", ""),
	authz("cache", ""),
	authz("issuer", ""),
	authz("client", "", "jwks/jose"),
	authz("consent", "", "jwks/jose"),
	authz("fetch", "cache", "internal/httpd", "jwks/httpcache"),
	// The rooms of the store: what ends something knows what ends with it, never the other way
	// round.
	authz("store", "opaque store/...", "internal/sqldb"),
	authz("store/accounts", "opaque store/grants store/outbox store/roles store/streams store/upstreams store/internal/external store/internal/row", "internal/sqldb"),
	authz("store/roles", "store/grants store/streams store/internal/external store/internal/row", "internal/sqldb"),
	authz("store/auditlog", "", "internal/sqldb"),
	authz("store/streams", "store/internal/row", "internal/sqldb"),
	authz("store/grants", "client store/requests store/outbox store/internal/row", "internal/sqldb"),
	authz("store/outbox", "store/registry store/internal/row", "internal/sqldb"),
	authz("store/requests", "opaque store/limits store/internal/row", "internal/sqldb"),
	authz("store/statuses", "store/internal/row", "internal/sqldb"),
	authz("store/statistics", "", "internal/sqldb"),
	authz("store/registry", "cache client opaque store/statuses store/internal/row", "internal/sqldb"),
	authz("store/limits", "opaque store/internal/row", "internal/sqldb"),
	authz("store/upstreams", "opaque store/internal/row", "internal/sqldb"),
	authz("store/keystore", "store/internal/row", "internal/sqldb"),
	authz("store/internal/row", ""),
	authz("store/internal/external", "", "internal/sqldb"),
	authz("store/storetest", "client opaque store store/accounts store/grants", "internal/sqldb", "internal/sqldb/sqldbtest"),
	authz("growth", "audit client opaque passwords store/...", "internal/growth", "internal/machine", "internal/testenv/lastrelease", "internal/sqldb", "internal/sqldb/bulk", "internal/sqldb/sqldbtest"),
	authz("keys", "client opaque store/...", "internal/httpd", "internal/libcrypto", "jwks/jose"),
	authz("keys/keystest", "keys opaque store/...", "internal/sqldb/sqldbtest"),
	authz("queue", "keys store/...", "internal/tracing"),
	authz("directory", "audit cache client fetch opaque store/...", "internal/httpd", "jwks/jose"),
	// People.
	authz("messages", ""),
	authz("brand", ""),
	authz("places", "messages"),
	authz("pages", "brand client consent issuer messages places", "internal/httpd"),
	authz("mail", "brand issuer keys mail/smtp messages queue store/..."),
	authz("mail/smtp", ""),
	authz("mail/mailtest", ""),
	authz("apps", "client pages store/..."),
	authz("sender", "", "internal/httpd"),
	authz("audit", "sender store/...", "internal/sqldb"),
	authz("proofs", ""),
	authz("notices", "audit mail messages sender store/..."),
	authz("passkeys", "issuer opaque proofs store/..."),
	authz("passkeys/passkeytest", ""),
	authz("throttle", "opaque sender store/...", "internal/httpd"),
	authz("passwords", "cache fetch messages passwords/mostcommon throttle", "internal/httpd"),
	authz("passwords/mostcommon", ""),
	authz("passwords/mostcommon/generate", "passwords/mostcommon"),
	authz("profile", "messages places store/..."),
	authz("signup", "audit messages notices store/..."),
	authz("session", "audit issuer notices opaque proofs sender store/...", "internal/httpd"),
	authz("guard", "issuer messages pages sender store throttle", "internal/httpd"),
	authz("factors", "guard keys messages notices pages proofs session store/..."),
	authz("arrival", "apps client guard issuer messages pages profile proofs session signup store/...", "internal/httpd"),
	authz("upstream", "arrival client fetch guard issuer keys notices opaque pages profile proofs sender session store/... throttle", "internal/httpd", "jwks/jose"),
	authz("recovery", "arrival audit guard issuer mail messages notices opaque pages passkeys passwords profile proofs session signup store/... throttle upstream"),
	authz("account", "apps arrival audit factors guard messages notices opaque pages passkeys passwords profile proofs recovery sender session store/... throttle upstream"),
	authz("login", "arrival audit consent factors guard messages notices pages passkeys passwords profile proofs recovery sender session signup store/... throttle upstream", "internal/httpd"),
	authz("people", "account apps arrival audit factors fetch guard issuer keys login notices pages passkeys passwords recovery session signup store/... throttle upstream", "internal/httpd"),
	authz("people/peopletest", "audit client factors fetch issuer keys/keystest mail notices pages passkeys/passkeytest passwords people store/... throttle",
		"internal/sqldb/sqldbtest", "internal/testenv/clock", "internal/testenv/site"),
	// The protocol.
	authz("oauth", "client", "internal/httpd", "jwks/jose"),
	authz("status", "keys store/..."),
	authz("tokens", "audit client consent keys oauth opaque status store/...", "jwks/jose"),
	authz("clientauth", "client directory issuer oauth opaque store/...", "internal/httpd", "jwks/jose"),
	authz("protocol", "client clientauth oauth"),
	authz("endpoint", "client clientauth issuer oauth pages people protocol sender store/... throttle", "internal/httpd"),
	authz("tokenendpoint", "audit client clientauth endpoint oauth opaque protocol store/... tokens", "internal/httpd"),
	authz("device", "audit client consent directory endpoint messages oauth opaque pages sender session store/... tokens", "internal/httpd"),
	authz("authorize", "audit client clientauth consent device directory endpoint fetch oauth opaque pages proofs protocol session store/... tokens",
		"internal/httpd", "jwks/jose"),
	authz("logout", "client endpoint fetch oauth pages queue session store/... tokens"),
	authz("registration", "client directory endpoint oauth sender store/...", "internal/httpd"),
	authz("tokeninfo", "client directory endpoint oauth protocol status store/... tokens", "internal/httpd"),
	authz("services", "fetch store/... tokens", "internal/httpd"),
	authz("closing", "audit client mail notices services store/... tokens"),
	authz("ssf/delivery", "client fetch keys services store/... tokens", "internal/tracing"),
	authz("ssf", "audit client endpoint fetch issuer keys oauth ssf/delivery store/... tokens", "internal/httpd", "jwks/jose"),
	authz("doctor", "issuer keys mail/smtp store/...", "internal/httpd", "internal/sqldb"),
	authz("admin", "admin/charts audit client directory issuer keys mail messages notices oauth opaque passwords profile proofs recovery ssf ssf/delivery store/... throttle upstream"),
	authz("admin/charts", "store/..."),
	authz("admin/provisioning", "admin audit notices profile recovery store/..."),
	authz("apply", "admin audit client directory store/... upstream"),
	// The rooms of the pages at /admin know the frame that they stand in, and nothing of each other.
	authz("adminpages", "adminpages/clients adminpages/frame adminpages/people adminpages/server"),
	authz("adminpages/people", "admin adminpages/frame audit guard messages places profile sender store/..."),
	authz("adminpages/clients", "admin adminpages/clients/snippets adminpages/frame client directory guard messages pages store"),
	authz("adminpages/clients/snippets", "client"),
	authz("adminpages/server", "admin admin/charts adminpages/frame directory guard keys messages pages store/... upstream"),
	authz("adminpages/frame", "admin client guard mail messages pages sender session ssf store/..."),
	authz("scim", "admin admin/provisioning adminaccess issuer scim/language store/...", "internal/httpd"),
	authz("scim/language", ""),
	authz("adminaccess", "admin client clientauth issuer keys proofs sender session store/... tokens", "internal/httpd", "internal/sqldb", "jwks"),
	authz("adminapi", "admin admin/charts adminaccess audit client directory issuer keys mail ssf store/... upstream", "internal/rest", "jwks"),
	authz("provider", "authorize client clientauth consent device directory endpoint fetch issuer keys logout oauth pages people proofs protocol "+
		"queue registration status store/... tokenendpoint tokeninfo tokens", "internal/httpd"),
	authz("provider/providertest", "audit client directory factors fetch keys keys/keystest opaque pages people provider queue registration store/...",
		"internal/sqldb/sqldbtest", "internal/testenv/clock", "internal/testenv/site", "internal/testenv/testkey"),

	{"resources/user", []string{"resources/user/internal/...", "internal/cli", "internal/service"}},
	{"resources/user/internal/api", []string{
		"internal/discovery", "resources/user/internal/store", "jwks", "jwks/events", "internal/httpd", "internal/rest",
	}},
	{"resources/user/internal/store", []string{"internal/sqldb"}},
	{"resources/user/internal/growth", []string{"resources/user/internal/store", "internal/growth", "internal/sqldb", "internal/sqldb/bulk"}},

	{"resources/board", []string{"resources/board/internal/...", "internal/cli", "internal/service"}},
	{"resources/board/internal/api", []string{
		"resources/board/internal/store", "resources/board/internal/authors", "jwks", "jwks/events", "internal/httpd",
		"internal/rest",
	}},
	{"resources/board/internal/authors", []string{"internal/discovery", "resources/board/internal/store", "internal/httpd", "internal/tracing"}},
	{"resources/board/internal/store", []string{"internal/sqldb"}},
	{"resources/board/internal/growth", []string{"resources/board/internal/store", "internal/growth", "internal/sqldb", "internal/sqldb/bulk"}},

	{"client-demo", []string{"client-demo/internal/...", "internal/cli", "internal/httpd", "internal/tracing"}},
	demo("web", "boards profile mydata tokens site pages lang flow backend", "internal/httpd"),
	demo("boards", "site pages markdown flow backend"),
	demo("profile", "site pages lang backend"),
	demo("mydata", "site pages backend", "internal/httpd"),
	demo("tokens", "site pages flow backend", "internal/httpd"),
	demo("site", "pages lang flow backend", "internal/httpd"),
	demo("pages", "lang markdown backend"),
	demo("lang", ""),
	demo("markdown", ""),
	demo("flow", "outbound", "internal/httpd"),
	demo("backend", "outbound", "internal/httpd"),
	demo("outbound", "", "internal/httpd"),

	{"deploy/inbox", nil},
	{"deploy/stack", []string{"deploy/inbox", "internal/freeport", "internal/testenv/lastrelease"}},
	{"deploy/load/command", []string{"deploy/stack"}},
	{"deploy/revocation", []string{"deploy/load/command", "deploy/stack", "internal/machine", "internal/sqldb/sqldbtest"}},
	{"deploy/suite", []string{"deploy/stack", "internal/sqldb/sqldbtest"}},
	{"deploy/load/site", []string{"deploy/load/...", "deploy/stack", "internal/sqldb/sqldbtest"}},
	{"deploy/load/endurance", []string{"deploy/load/...", "deploy/stack"}},
	{"deploy/load/peers", []string{"deploy/load/...", "deploy/stack", "internal/freeport", "internal/machine", "internal/sqldb/sqldbtest"}},
	{"deploy/...", []string{"deploy/...", "internal/freeport", "internal/machine"}},
}

// The parts that run as processes of their own. Nothing of one is named in another, not even in a
// test.
var services = []string{"authz-server", "resources/user", "resources/board", "client-demo", "deploy"}

// What only test files may import, in addition to what the rules allow; a test may also reach into
// its own service.
var forTests = []string{
	"internal/testenv", "internal/service/servicetest", "internal/testenv/axe", "internal/testenv/chrome", "internal/testenv/clock",
	"internal/machine", "internal/testenv/lastrelease", "internal/testenv/program", "internal/testenv/site", "internal/testenv/testkey",
	"internal/sqldb/growthtest", "internal/sqldb/sqldbtest", "jwks", "jwks/jose", "jwks/jwkstest", "jwks/rscheck/attack",
}

// A confinement names a library that is to stay replaceable, or that a room has no business with,
// and the files that may import it.
type confinement struct {
	Library  string   // import path, and everything below it
	Files    []string // files or folders inside the module
	AlsoTest bool     // holds for test files as well
	Why      string
}

var confinements = []confinement{
	{"github.com/ory/fosite", []string{"authz-server/internal/protocol"}, true, "it is little maintained and must stay replaceable"},
	{"database/sql", databases, false, "SQL is written in the stores"},
	{"github.com/jackc/pgx", databases, false, "engine differences live in internal/sqldb"},
	{"modernc.org/sqlite", databases, false, "engine differences live in internal/sqldb"},
	{"github.com/pressly/goose", []string{"internal/sqldb"}, false, "internal/sqldb migrates"},
	{"github.com/gorilla/mux", []string{
		"authz-server", "resources", "client-demo", "internal/httpd", "internal/rest",
	}, false, "the library jwks knows no router"},
	{"github.com/danielgtaylor/huma", []string{"resources", "internal/rest", "authz-server/internal/adminapi"}, false, "only the REST interfaces are described by OpenAPI"},
	{"github.com/go-webauthn/webauthn", []string{"authz-server/internal/passkeys"}, true, "what checks passkeys must stay replaceable"},
	{"github.com/swaggest/swgui", []string{"internal/apidocs"}, true, "what draws the API reference must stay replaceable"},
	{"github.com/go-jose/go-jose", []string{
		"client-demo", "authz-server/internal/provider/providertest",
	}, false, "what others sign is judged by jwks/jose, what the server signs is made by package keys"},
	{"github.com/coreos/go-oidc", []string{"client-demo"}, false, "it is a client's library; who verifies access tokens uses jwks"},
	{"github.com/wneessen/go-mail", []string{"authz-server/internal/mail/smtp"}, true, "what speaks SMTP must stay replaceable"},
	{"github.com/emersion/go-smtp", []string{"authz-server/internal/mail/mailtest", "deploy/inbox"}, false, "it is a mail server, for development and tests"},
	{"github.com/ebitengine/purego", []string{"internal/libcrypto"}, true, "calls into C are made, and judged, in one place"},
	{"gopkg.in/yaml.v3", []string{"authz-server/internal/apply", "deploy"}, false, "what reads configurations must stay replaceable"},
	{"testing", []string{
		"internal/testenv", "internal/service/servicetest", "internal/sqldb/growthtest", "internal/sqldb/sqldbtest",
		"authz-server/internal/keys/keystest", "authz-server/internal/mail/mailtest", "authz-server/internal/people/peopletest", "authz-server/internal/provider/providertest",
		"authz-server/internal/store/storetest", "jwks/jwkstest",
	}, false, "it belongs to tests"},
}

var databases = []string{"internal/sqldb", "authz-server/internal/store", "resources/user/internal/store", "resources/board/internal/store"}

// file is a Go file, by its path inside the module, and what it imports.
type file struct {
	Path    string
	Imports []string
}

func (f file) test() bool                 { return strings.HasSuffix(f.Path, "_test.go") }
func (f file) folder() string             { return path.Dir(f.Path) }
func within(folder string, p string) bool { return p == folder || strings.HasPrefix(p, folder+"/") }

func matches(pattern, p string) bool {
	if folder, all := strings.CutSuffix(pattern, "/..."); all {
		return within(folder, p)
	}
	return pattern == p
}

func service(folder string) string {
	for _, s := range services {
		if within(s, folder) {
			return s
		}
	}
	return ""
}

// broken lists the imports that break a rule, one line each.
func broken(files []file) []string {
	var lines []string
	for _, f := range files {
		for _, imported := range f.Imports {
			if why := forbidden(f, imported); why != "" {
				lines = append(lines, fmt.Sprintf("%s imports %s: %s", f.Path, imported, why))
			}
		}
		if why := misplaced(f.folder()); why != "" {
			lines = append(lines, fmt.Sprintf("%s: %s", f.Path, why))
		}
	}
	slices.Sort(lines)
	return lines
}

func forbidden(f file, imported string) string {
	for _, c := range confinements {
		if !within(c.Library, imported) || f.test() && !c.AlsoTest {
			continue
		}
		if !slices.ContainsFunc(c.Files, func(p string) bool { return within(p, f.Path) }) {
			return c.Why
		}
	}
	target, ours := strings.CutPrefix(imported, module+"/")
	if !ours {
		return ""
	}
	from, to := service(f.folder()), service(target)
	if to != "" && from != to {
		return "a service never reaches into another; they meet in their HTTP interfaces"
	}
	if f.test() && (target == f.folder() || from != "" && from == to || slices.Contains(forTests, target)) {
		return ""
	}
	i := slices.IndexFunc(rules, func(r rule) bool { return matches(r.From, f.folder()) })
	if i < 0 {
		return "" // misplaced tells
	}
	if !slices.ContainsFunc(rules[i].May, func(p string) bool { return matches(p, target) }) {
		return "no rule allows it, imports run downward only"
	}
	return ""
}

// misplaced tells what is wrong with a folder's name or place.
func misplaced(folder string) string {
	for _, part := range strings.Split(folder, "/") {
		if slices.Contains([]string{"pkg", "util", "utils", "common", "helper", "helpers", "types", "misc"}, part) {
			return fmt.Sprintf("a folder called %q says nothing of what is in it", part)
		}
	}
	if !slices.ContainsFunc(rules, func(r rule) bool { return matches(r.From, folder) }) {
		return "no rule in internal/imports_test.go says what this folder may import"
	}
	return ""
}

func TestImportsRunDownwardOnly(t *testing.T) {
	files := ourFiles(t)
	if len(files) < 30 {
		t.Fatalf("only %d files were found", len(files))
	}
	for _, line := range broken(files) {
		t.Error(line)
	}
}

// ourFiles reads the imports of every Go file of the module.
func ourFiles(t *testing.T) []file {
	t.Helper()
	cmd := exec.Command("go", "list", "-e", "-json=ImportPath,Dir,GoFiles,TestGoFiles,XTestGoFiles,IgnoredGoFiles", module+"/...")
	cmd.Dir = ".."
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var files []file
	for list := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct {
			ImportPath, Dir                                    string
			GoFiles, TestGoFiles, XTestGoFiles, IgnoredGoFiles []string
		}
		if err := list.Decode(&p); errors.Is(err, io.EOF) {
			return files
		} else if err != nil {
			t.Fatal(err)
		}
		folder := cmp.Or(strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/"), ".")
		for _, name := range slices.Concat(p.GoFiles, p.TestGoFiles, p.XTestGoFiles, p.IgnoredGoFiles) {
			syntax, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, name), nil, parser.ImportsOnly)
			if err != nil {
				t.Fatal(err)
			}
			f := file{Path: path.Join(folder, name)}
			for _, spec := range syntax.Imports {
				imported, err := strconv.Unquote(spec.Path.Value)
				if err != nil {
					t.Fatal(err)
				}
				f.Imports = append(f.Imports, imported)
			}
			files = append(files, f)
		}
	}
}

func TestABrokenRuleIsFound(t *testing.T) {
	const ours = module + "/"
	for _, tc := range []struct {
		file, imports string
		ok            bool
	}{
		{"authz-server/main.go", ours + "authz-server/internal/provider", true},
		{"authz-server/main.go", ours + "resources/user/internal/api", false},
		{"authz-server/main_test.go", ours + "resources/user/internal/api", false},
		{"authz-server/main_test.go", ours + "jwks", true},
		{"authz-server/main.go", ours + "jwks", false},
		{"authz-server/internal/authorize/authorize.go", ours + "authz-server/internal/session", true},
		{"authz-server/internal/login/login.go", ours + "authz-server/internal/provider", false},
		{"authz-server/internal/pages/pages.go", ours + "authz-server/internal/store", false},
		{"authz-server/internal/store/accounts/users.go", ours + "internal/sqldb", true},
		{"authz-server/internal/store/accounts/users.go", ours + "authz-server/internal/keys", false},
		{"authz-server/internal/store/accounts/users.go", ours + "authz-server/internal/store", false},
		{"authz-server/internal/store/accounts/users.go", ours + "authz-server/internal/store/grants", true},
		{"authz-server/internal/store/grants/grants.go", ours + "authz-server/internal/store/accounts", false},
		{"authz-server/internal/store/accounts/users.go", ours + "internal/sqldb/sqldbtest", false},
		{"authz-server/internal/store/accounts/users_test.go", ours + "internal/sqldb/sqldbtest", true},
		{"authz-server/internal/tokenendpoint/code.go", ours + "internal/sqldb", false},
		{"authz-server/internal/store/grants/grants.go", "github.com/ory/fosite", false},
		{"authz-server/internal/login/login_test.go", "github.com/ory/fosite", false},
		{"authz-server/internal/protocol/protocol.go", "github.com/ory/fosite", true},
		{"authz-server/internal/tokenendpoint/code.go", "github.com/ory/fosite", false},
		{"authz-server/internal/tokenendpoint/code.go", ours + "authz-server/internal/authorize", false},
		{"authz-server/internal/tokens/access.go", ours + "authz-server/internal/endpoint", false},
		{"authz-server/internal/tokenendpoint/code.go", "database/sql", false},
		{"authz-server/internal/tokenendpoint/code_test.go", "database/sql", true},
		{"resources/user/internal/api/me.go", ours + "jwks", true},
		{"resources/user/internal/api/me.go", ours + "resources/board/internal/store", false},
		{"resources/user/internal/store/store.go", ours + "resources/user/internal/api", false},
		{"resources/board/internal/api/posts.go", ours + "authz-server/internal/client", false},
		{"client-demo/main.go", ours + "client-demo/internal/flow", true},
		{"client-demo/main.go", ours + "jwks", false},
		{"client-demo/internal/flow/flow.go", ours + "resources/user/internal/api", false},
		{"client-demo/internal/flow/flow.go", "database/sql", false},
		{"jwks/cache.go", ours + "internal/httpd", false},
		{"jwks/cache.go", ours + "jwks/jose", true},
		{"jwks/jose/key.go", ours + "jwks", false},
		{"jwks/cache.go", "github.com/gorilla/mux", false},
		{"jwks/cache.go", "net/http", true},
		{"jwks/jwkstest/issuer.go", ours + "jwks", true},
		{"internal/httpd/httpd.go", ours + "internal/sqldb", false},
		{"internal/httpd/httpd.go", "testing", false},
		{"deploy/e2e/stack_test.go", ours + "deploy/stack", true},
		{"deploy/e2e/stack_test.go", ours + "authz-server/internal/store", false},
		{"resources/user/main.go", ours + "deploy/stack", false},
		{"authz-server/internal/utils/strings.go", "strings", false},
		{"authz-server/internal/newroom/room.go", "strings", false},
		{"pkg/x/x.go", "strings", false},
	} {
		found := broken([]file{{Path: tc.file, Imports: []string{tc.imports}}})
		if (len(found) == 0) != tc.ok {
			t.Errorf("%s importing %s: broken rules %q, want none: %v", tc.file, tc.imports, found, tc.ok)
		}
	}
}
