package scim_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/mux"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/admin/provisioning"
	"github.com/maru-auth/maru/authz-server/internal/adminaccess"
	"github.com/maru-auth/maru/authz-server/internal/audit"
	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/directory"
	"github.com/maru-auth/maru/authz-server/internal/issuer"
	"github.com/maru-auth/maru/authz-server/internal/mail"
	"github.com/maru-auth/maru/authz-server/internal/notices"
	"github.com/maru-auth/maru/authz-server/internal/scim"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/roles"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
	"github.com/maru-auth/maru/jwks"
)

func TestMain(m *testing.M) { storetest.Main(m) }

const base = "https://login.example/scim/v2"

// world is a server with an administrator (Root) and an ordinary person, whom okta keeps, and with the
// clients entra and okta, which have the scope scim, and reader and writer.
type world struct {
	*storetest.World
	*replica

	Root accounts.User
}

// replica is one process of the server.
type replica struct {
	handler http.Handler
	admin   *admin.Admin
	operate *provisioning.Operations
	inbox   *inbox
	actors  map[string]admin.Actor
}

type inbox struct {
	off     bool
	to      []string
	letters []mail.Letter
}

func (i *inbox) Enabled() bool { return !i.off }
func (i *inbox) Queue(_ context.Context, to mail.To, letter mail.Letter) error {
	i.to, i.letters = append(i.to, to.Address), append(i.letters, letter)
	return nil
}

func each(t *testing.T, test func(t *testing.T, w *world)) {
	t.Helper()
	storetest.Each(t, func(t *testing.T, s *storetest.World) {
		w := &world{World: s, replica: newReplica(t, s.Store, func() time.Time { return s.Now })}
		for id, scope := range map[string]string{"reader": "admin:read", "writer": "admin:write", "entra": "scim", "okta": "scim"} {
			_, err := w.admin.CreateClient(t.Context(), admin.Actor{Kind: admin.Machine}, id, client.Patch{
				"client_name": id, "grant_types": []string{"client_credentials"}, "scope": scope,
			}, "")
			storetest.OK(t, err)
		}
		var err error
		w.Root, err = s.Users.CreateUser(t.Context(), accounts.User{Email: "root@example.com", Name: "Root", PasswordHash: "x", Roles: []roles.Role{roles.Admin}})
		storetest.OK(t, err)
		w.Exec(t, `UPDATE users SET second_step = TRUE WHERE id = '`+w.Root.ID+`'`)
		w.actors["root"] = admin.Actor{Kind: admin.Person, ID: w.Root.ID, Name: w.Root.Email, Rights: admin.Reading | admin.Writing, ACR: "2", AuthTime: s.Now}
		w.entrust(t, "okta", s.Person.ID)
		w.actors["person"] = admin.Actor{Kind: admin.Person, ID: w.Person.ID, Name: w.Person.Email, Rights: admin.Reading | admin.Writing, ACR: "2", AuthTime: s.Now}
		test(t, w)
	})
}

// entrust gives accounts to a directory, as an operator does.
func (w *world) entrust(t *testing.T, to string, ids ...string) {
	t.Helper()
	for _, id := range ids {
		storetest.OK(t, w.admin.EntrustPerson(t.Context(), admin.Actor{Kind: admin.Machine}, id, to, ""))
	}
}

func newReplica(t *testing.T, s *store.Store, now func() time.Time) *replica {
	t.Helper()
	at, err := issuer.Parse("https://login.example")
	storetest.OK(t, err)
	resources := append(client.Builtin("https://api.example"), client.Administration(at.URL("/admin")))
	clients, err := directory.New(directory.Config{Store: s, Now: now, OperatorPolicy: client.Policy{
		Scopes:    append(client.Scopes(resources), client.ReservedScopes(resources)...),
		OwnScopes: client.OwnScopes(resources), DefaultScope: "openid",
	}})
	storetest.OK(t, err)
	r := &replica{inbox: &inbox{}, actors: map[string]admin.Actor{
		"reader": service("reader", admin.Reading), "writer": service("writer", admin.Writing),
		"entra": service("entra", admin.Provisioning), "okta": service("okta", admin.Provisioning),
	}}
	r.admin = admin.New(admin.Config{
		Store: s, Audit: audit.New(s), Notices: &notices.Notices{Store: s, Now: now, Mail: r.inbox}, Now: now, Issuer: at, Clients: clients, Mail: r.inbox,
	})
	r.operate = provisioning.New(r.admin)
	// Access by tokens is tested on its own; here a request names who acts.
	refused := func(status int, challenge string) *adminaccess.Refused {
		return &adminaccess.Refused{Refusal: jwks.Refusal{Status: status, Detail: challenge, Challenge: "Bearer " + challenge}}
	}
	router := mux.NewRouter().SkipClean(true)
	scim.New(scim.Config{
		Issuer: at, Operations: r.operate, Now: now,
		Actor: func(_ http.ResponseWriter, req *http.Request) (admin.Actor, error) {
			actor, ok := r.actors[req.Header.Get("Authorization")]
			if !ok {
				return actor, refused(http.StatusUnauthorized, "invalid_token")
			}
			return actor, nil
		},
		Refused: func(_ *http.Request, err error) *adminaccess.Refused {
			if _, ok := err.(*admin.Refused); ok { //nolint:errorlint // nothing wraps it
				return refused(http.StatusForbidden, "insufficient_scope")
			}
			return nil
		},
	}).Routes(router)
	r.handler = router
	return r
}

func service(id string, rights admin.Rights) admin.Actor {
	return admin.Actor{Kind: admin.Client, ID: id, Name: id, Rights: rights, From: "203.0.113.8"}
}

type answer struct {
	t      *testing.T
	Status int
	Header http.Header
	Body   map[string]any
	Text   string
}

// do makes a request, as somebody of actors.
func (r *replica) do(t *testing.T, as, method, path, body string, header ...string) answer {
	t.Helper()
	return r.doIn(t.Context(), t, as, method, path, body, header...)
}

func (r *replica) doIn(ctx context.Context, t *testing.T, as, method, path, body string, header ...string) answer {
	t.Helper()
	path, query, _ := strings.Cut(path, "?")
	req := httptest.NewRequestWithContext(ctx, method, "/scim/v2"+path, strings.NewReader(body))
	req.URL.RawQuery = strings.ReplaceAll(query, " ", "%20")
	req.Header.Set("Authorization", as)
	if body != "" {
		req.Header.Set("Content-Type", "application/scim+json; charset=utf-8")
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	r.handler.ServeHTTP(w, req)
	a := answer{t: t, Status: w.Code, Header: w.Header(), Text: w.Body.String()}
	if a.Text != "" {
		if err := json.Unmarshal(w.Body.Bytes(), &a.Body); err != nil {
			t.Errorf("%s %s: %v in %s", method, path, err, a.Text)
		}
		if got := a.Header.Get("Content-Type"); got != "application/scim+json" {
			t.Errorf("%s %s has the type %q", method, path, got)
		}
	}
	return a
}

// want checks a status, and parts of the body.
func (a answer) want(status int, has ...string) answer {
	a.t.Helper()
	if a.Status != status {
		a.t.Errorf("%d, want %d: %s", a.Status, status, a.Text)
	}
	for _, part := range has {
		if !strings.Contains(a.Text, part) {
			a.t.Errorf("no %s in %s", part, a.Text)
		}
	}
	return a
}

// wantError checks an error, and that it has SCIM's form.
func (a answer) wantError(status int, scimType string) answer {
	a.t.Helper()
	got, _ := a.Body["scimType"].(string)
	if detail, _ := a.Body["detail"].(string); a.Status != status || got != scimType || detail == "" ||
		!strings.Contains(a.Text, `"urn:ietf:params:scim:api:messages:2.0:Error"`) {
		a.t.Errorf("%d %s, want %d %q", a.Status, a.Text, status, scimType)
	}
	return a
}

func (a answer) text(name string) string {
	text, _ := a.Body[name].(string)
	return text
}

// ids are those of a list.
func (a answer) ids() (ids []string) {
	all, _ := a.Body["Resources"].([]any)
	for _, one := range all {
		id, _ := one.(map[string]any)["id"].(string)
		ids = append(ids, id)
	}
	return ids
}

func filterBy(filter string) string { return "?filter=" + url.QueryEscape(filter) }

// list lists resources, of which there must be so many.
func (r *replica) list(t *testing.T, as, path string, total int) answer {
	t.Helper()
	a := r.do(t, as, "GET", path, "").want(200)
	if got, _ := a.Body["totalResults"].(float64); int(got) != total {
		t.Errorf("%s finds %v, want %d", path, got, total)
	}
	return a
}

const userHead = `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],`

// person makes a user and returns the id.
func (r *replica) person(t *testing.T, as, email string, more ...string) string {
	t.Helper()
	return r.do(t, as, "POST", "/Users", userHead+`"userName":"`+email+`"`+strings.Join(more, "")+`}`).want(201).text("id")
}

func (r *replica) group(t *testing.T, as, name string, members ...string) string {
	t.Helper()
	return r.do(t, as, "POST", "/Groups", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"`+name+`","members":[`+memberList(members...)+`]}`).want(201).text("id")
}

func memberList(ids ...string) string {
	var all []string
	for _, id := range ids {
		all = append(all, `{"value":"`+id+`"}`)
	}
	return strings.Join(all, ",")
}

func patch(operations string) string {
	return `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[` + operations + `]}`
}
