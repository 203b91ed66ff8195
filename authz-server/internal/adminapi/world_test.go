package adminapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/adminaccess"
	"github.com/maru-auth/maru/authz-server/internal/adminapi"
	"github.com/maru-auth/maru/authz-server/internal/audit"
	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/directory"
	"github.com/maru-auth/maru/authz-server/internal/fetch"
	"github.com/maru-auth/maru/authz-server/internal/issuer"
	"github.com/maru-auth/maru/authz-server/internal/keys/keystest"
	"github.com/maru-auth/maru/authz-server/internal/mail"
	"github.com/maru-auth/maru/authz-server/internal/notices"
	"github.com/maru-auth/maru/authz-server/internal/passwords"
	"github.com/maru-auth/maru/authz-server/internal/proofs"
	"github.com/maru-auth/maru/authz-server/internal/provider/providertest"
	"github.com/maru-auth/maru/authz-server/internal/ssf"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/roles"
	"github.com/maru-auth/maru/authz-server/internal/tokens"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

func TestMain(m *testing.M) { sqldbtest.Main(m) }

var machine = admin.Actor{Kind: admin.Machine, Name: "root"}

// world is a server with two replicas of the interface, and who calls them: the administrator Root,
// who uses the client "console", and the services reader, writer and directory.
type world struct {
	*providertest.Fixture
	t        *testing.T
	at       issuer.URL
	Admin    *admin.Admin
	Root     accounts.User
	document document
	replicas [2]*httptest.Server
	handler  http.Handler      // of one of them
	secrets  map[string]string // of clients
	inbox    inbox
	numbers  int
	hasher   *passwords.Hasher // of both replicas
	noRole   string            // a token; see powerless
}

// inbox keeps letters.
type inbox struct{ letters []mail.Letter }

func (*inbox) Enabled() bool { return true }
func (i *inbox) Queue(_ context.Context, _ mail.To, letter mail.Letter) error {
	i.letters = append(i.letters, letter)
	return nil
}

func each(t *testing.T, test func(w *world)) {
	t.Helper()
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) { test(newWorld(t, databaseURL)) })
}

func one(t *testing.T) *world {
	t.Helper()
	return newWorld(t, sqldbtest.SQLite(t))
}

func newWorld(t *testing.T, databaseURL string) *world {
	t.Helper()
	w := &world{Fixture: providertest.New(t, databaseURL), t: t, secrets: map[string]string{}}
	var err error
	w.at, err = issuer.Parse(w.Issuer)
	w.ok(err)
	outgoing, err := fetch.New(fetch.Config{InsecureLoopback: true})
	w.ok(err)
	w.hasher = passwords.New()
	for i := range w.replicas {
		handler, operating := w.replica(outgoing)
		w.Admin, w.handler = operating, handler
		w.replicas[i] = httptest.NewServer(handler)
		t.Cleanup(w.replicas[i].Close)
	}
	text, err := adminapi.Document(w.at)
	w.ok(err)
	w.ok(json.Unmarshal(text, &w.document))
	w.AddClient("console", func(c *client.Client) { c.Scope += " admin:read admin:write" })
	w.Root = w.person("root@example.com", roles.Admin)
	for id, scope := range map[string]string{"reader": "admin:read", "writer": "admin:write", "directory": "scim"} {
		made, err := w.Admin.CreateClient(t.Context(), machine, id, client.Patch{
			"client_name": id, "grant_types": []string{"client_credentials"}, "scope": scope,
		}, "")
		w.ok(err)
		w.secrets[id] = made.Secret
	}
	return w
}

// replica makes an interface on the same database.
func (w *world) replica(outgoing *fetch.Client) (http.Handler, *admin.Admin) {
	w.t.Helper()
	resources := append(client.Builtin(providertest.APIOrigin), ssf.Resource(w.at), client.Administration(w.Issuer+"/admin"))
	clients, err := directory.New(directory.Config{Store: w.Store, Now: w.Clock.Now, Log: slog.New(slog.DiscardHandler), OperatorPolicy: client.Policy{
		Scopes:    append(client.Scopes(resources), client.ReservedScopes(resources)...),
		OwnScopes: client.OwnScopes(resources), DefaultScope: "openid", InsecureLoopback: true,
	}})
	w.ok(err)
	operating := admin.New(admin.Config{
		Store: w.Store, Audit: audit.New(w.Store), Now: w.Clock.Now, Issuer: w.at, Clients: clients, Mail: &w.inbox, Passwords: w.hasher,
		Notices:  &notices.Notices{Store: w.Store, Now: w.Clock.Now, Account: w.at.URL("/account")},
		ListKeys: w.Ring.List, Ring: w.Ring, KEK: keystest.KEK(w.t), Resources: resources, CheckAddress: outgoing.Check,
		Settings: []admin.Setting{{Name: "issuer", Value: w.Issuer, Set: true}, {Name: "key-encryption-key", Hidden: true, Set: true}},
	})
	access, err := adminaccess.New(adminaccess.Config{Issuer: w.at, Ring: w.Ring, Tokens: w.Provider.Tokens, Store: w.Store, Now: w.Clock.Now})
	w.ok(err)
	handler, err := adminapi.New(adminapi.Config{
		Issuer: w.at, Admin: operating, Access: access, Log: slog.New(slog.DiscardHandler),
		Services: []string{"user"}, Docs: "console", RepeatKey: []byte("a key that replicas have in common"),
		Streams: ssf.Rules{Issuer: w.at, KEK: keystest.KEK(w.t), Fetch: outgoing},
	})
	w.ok(err)
	return handler, operating
}

func (w *world) ok(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// person makes an account that can log in with two factors.
func (w *world) person(email string, all ...roles.Role) accounts.User {
	w.t.Helper()
	user, err := w.Store.Users.CreateUser(w.t.Context(), accounts.User{Email: email, Name: "Somebody", PasswordHash: "x", Roles: all})
	w.ok(err)
	w.ok(w.Store.Factors.BeginTOTP(w.t.Context(), user.ID, []byte("secret-of-the-app")))
	w.ok(w.Store.Factors.ConfirmTOTP(w.t.Context(), user.ID, []byte("secret-of-the-app"), []byte("secret-of-the-app"), 1, [][]byte{[]byte("code of " + user.ID)}))
	return user
}

// logIn is a browser in which a person has logged in with this acr.
func (w *world) logIn(user accounts.User, acr string) *providertest.Browser {
	w.t.Helper()
	amr := map[string]proofs.Proof{"1": proofs.Password, "2": proofs.PasswordAndCode, "phr": proofs.SyncedPasskey}[acr]
	_, cookie, err := w.Store.Sessions.CreateSession(w.t.Context(), accounts.Session{UserID: user.ID, ACR: acr, AMR: amr}, user.PasswordHash)
	w.ok(err)
	b := w.Browser()
	b.SetSession(cookie)
	return b
}

// token is that of the person in a browser, by the client console.
func (w *world) token(b *providertest.Browser) string {
	w.t.Helper()
	code := b.Code("client_id", "console", "scope", "openid admin:read admin:write")
	return w.Tokens(w.Token("console", providertest.CodeGrant(code))).Access
}

// root is a token of the administrator, who has just logged in with two factors.
func (w *world) root() string {
	w.t.Helper()
	return w.token(w.logIn(w.Root, "2"))
}

// service is a token of a service of its own.
func (w *world) service(id string) string {
	w.t.Helper()
	a := w.TokenWith(id, w.secrets[id], url.Values{"grant_type": {"client_credentials"}})
	return w.Tokens(a).Access
}

// powerless is a token for the administration of somebody who has no role for it. The server issues
// none, so this one says more than it may.
func (w *world) powerless() string {
	w.t.Helper()
	user := w.person(fmt.Sprintf("nobody%d@example.com", w.next()))
	code := w.logIn(user, "2").Code("client_id", "console", "scope", "openid")
	_, claims := providertest.Decode(w.t, w.Tokens(w.Token("console", providertest.CodeGrant(code))).Access)
	id, _, _ := strings.Cut(claims["jti"].(string), ".")
	grant, err := w.Store.Grants.Grant(w.t.Context(), id)
	w.ok(err)
	c, err := w.Store.Clients.Client(w.t.Context(), "console")
	w.ok(err)
	token, err := w.Provider.Tokens.AccessAgain(w.t.Context(), &c, &grant, tokens.AccessSpec{
		Scope: []string{"admin:read", "admin:write"}, Audience: []string{w.Issuer + "/admin"},
	})
	w.ok(err)
	return token
}

// reply is what came back.
type reply struct {
	status int
	header http.Header
	body   string
}

func (r reply) object(t *testing.T) map[string]any {
	t.Helper()
	var object map[string]any
	if err := json.Unmarshal([]byte(r.body), &object); err != nil {
		t.Fatalf("status %d, no JSON object: %q", r.status, r.body)
	}
	return object
}

// ask is a request to be sent.
type ask struct {
	replica int
	token   string
	method  string
	path    string // below /admin
	body    any    // nil: none; a string is sent as it is
	header  http.Header
}

// request is what is sent, for a replica of whatever address.
func (w *world) request(ctx context.Context, a ask) *http.Request {
	w.t.Helper()
	var body io.Reader
	switch b := a.body.(type) {
	case nil:
	case string:
		body = strings.NewReader(b)
	default:
		text, err := json.Marshal(b)
		w.ok(err)
		body = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(ctx, a.method, w.replicas[a.replica].URL+"/admin"+a.path, body)
	w.ok(err)
	for name, values := range a.header {
		r.Header[name] = values
	}
	if body != nil && r.Header.Get("Content-Type") == "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if a.token != "" {
		r.Header.Set("Authorization", "Bearer "+a.token)
	}
	return r
}

func (w *world) send(a ask) reply {
	w.t.Helper()
	r := w.request(context.WithoutCancel(w.t.Context()), a)
	answer, err := w.replicas[a.replica].Client().Do(r)
	w.ok(err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	w.ok(err)
	got := reply{answer.StatusCode, answer.Header, string(text)}
	w.document.check(w.t, a.method, strings.TrimSuffix(strings.SplitN(a.path, "?", 2)[0], "/"), got)
	return got
}

// want fails unless a request is answered with this status, and returns the answer.
func (w *world) want(status int, a ask) reply {
	w.t.Helper()
	got := w.send(a)
	if got.status != status {
		w.t.Errorf("%s %s: %d %s, want %d", a.method, a.path, got.status, got.body, status)
	}
	return got
}

func header(pairs ...string) http.Header {
	h := http.Header{}
	for i := 0; i < len(pairs); i += 2 {
		h.Set(pairs[i], pairs[i+1])
	}
	return h
}

// document is the OpenAPI document, as far as a client needs it that checks each answer.
type document struct {
	Paths map[string]map[string]struct {
		OperationID string `json:"operationId"`
		Parameters  []struct {
			Name string `json:"name"`
			In   string `json:"in"`
		} `json:"parameters"`
		RequestBody *struct {
			Content map[string]struct {
				Schema schema `json:"schema"`
			} `json:"content"`
		} `json:"requestBody"`
		Responses map[string]struct {
			Content map[string]struct {
				Schema schema `json:"schema"`
			} `json:"content"`
		} `json:"responses"`
	} `json:"paths"`
	Components struct {
		Schemas map[string]schema `json:"schemas"`
	} `json:"components"`
}

type schema map[string]any

// check fails unless an answer is what the document says of the operation.
func (d document) check(t *testing.T, method, path string, got reply) {
	t.Helper()
	for template, operations := range d.Paths {
		if !matches(template, path) {
			continue
		}
		op, there := operations[strings.ToLower(method)]
		if !there {
			continue
		}
		said, there := op.Responses[fmt.Sprint(got.status)]
		if !there {
			t.Errorf("%s answers %d, of which the document does not tell: %s", op.OperationID, got.status, got.body)
			return
		}
		mediaType, _, _ := strings.Cut(got.header.Get("Content-Type"), ";")
		content, there := said.Content[mediaType]
		if !there {
			if got.body != "" {
				t.Errorf("%s answers %d with %s, of which the document does not tell", op.OperationID, got.status, mediaType)
			}
			return
		}
		var value any
		if err := json.Unmarshal([]byte(got.body), &value); err != nil {
			t.Errorf("%s answers with no JSON: %s", op.OperationID, got.body)
			return
		}
		if problem := d.mismatch(content.Schema, value, "the answer"); problem != "" {
			t.Errorf("%s answers %d: %s: %s", op.OperationID, got.status, problem, got.body)
		}
		return
	}
}

// matches tells whether a path is one of a template. A literal segment goes before a parameter, but
// no two templates of this document differ by that alone.
func matches(template, path string) bool {
	want, got := strings.Split(template, "/"), strings.Split(path, "/")
	if len(want) != len(got) {
		return false
	}
	for i := range want {
		if !strings.HasPrefix(want[i], "{") && want[i] != got[i] {
			return false
		}
	}
	return true
}

// mismatch is what is wrong with a value; empty: nothing.
func (d document) mismatch(s schema, value any, at string) string {
	if ref, ok := s["$ref"].(string); ok {
		return d.mismatch(d.Components.Schemas[ref[strings.LastIndexByte(ref, '/')+1:]], value, at)
	}
	if problem := wrongType(s["type"], value); problem != "" {
		return at + " " + problem
	}
	switch value := value.(type) {
	case []any:
		items, _ := s["items"].(map[string]any)
		for i, one := range value {
			if problem := d.mismatch(items, one, fmt.Sprintf("%s[%d]", at, i)); problem != "" {
				return problem
			}
		}
	case map[string]any:
		properties, _ := s["properties"].(map[string]any)
		required, _ := s["required"].([]any)
		for _, name := range required {
			if _, there := value[name.(string)]; !there {
				return at + " lacks " + name.(string)
			}
		}
		for name, one := range value {
			property, described := properties[name].(map[string]any)
			if !described {
				if s["additionalProperties"] == false {
					return at + " has " + name
				}
				continue
			}
			if problem := d.mismatch(property, one, at+"."+name); problem != "" {
				return problem
			}
		}
	case string:
		if s["format"] == "date-time" {
			if _, err := time.Parse(time.RFC3339Nano, value); err != nil {
				return at + " is no time"
			}
		}
	}
	return ""
}

func wrongType(types, value any) string {
	var allowed []any
	switch types := types.(type) {
	case nil:
		return ""
	case string:
		allowed = []any{types}
	case []any:
		allowed = types
	}
	for _, one := range allowed {
		ok := false
		switch value := value.(type) {
		case nil:
			ok = one == "null"
		case string:
			ok = one == "string"
		case bool:
			ok = one == "boolean"
		case float64:
			ok = one == "number" || one == "integer" && value == float64(int64(value))
		case []any:
			ok = one == "array"
		case map[string]any:
			ok = one == "object"
		}
		if ok {
			return ""
		}
	}
	return fmt.Sprintf("is a %T and not one of %v", value, allowed)
}
