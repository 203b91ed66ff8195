package adminapi_test

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/keys"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/grants"
	"github.com/maru-auth/maru/authz-server/internal/store/outbox"
	"github.com/maru-auth/maru/authz-server/internal/store/registry"
	"github.com/maru-auth/maru/authz-server/internal/store/roles"
	"github.com/maru-auth/maru/authz-server/internal/store/upstreams"
	"github.com/maru-auth/maru/authz-server/internal/upstream"
)

// row is an operation that is tried by everybody.
type row struct {
	class  admin.Action
	crowns bool // what it is about, or what it makes, is administrative

	// try makes what the operation is about anew, and the request.
	try func(w *world) ask
}

func get(path string) func(*world) ask {
	return func(*world) ask { return ask{method: "GET", path: path} }
}

// aboutPerson is a request about a new person.
func aboutPerson(method, path string, body any, all ...roles.Role) func(*world) ask {
	return func(w *world) ask {
		user := w.person(fmt.Sprintf("p%d@example.com", w.next()), all...)
		return ask{method: method, path: strings.ReplaceAll(path, "{id}", user.ID), body: body, header: header("If-Match", "*")}
	}
}

// aboutClient is a request about a new client, which may have these scopes.
func aboutClient(method, path, scope string, body any) func(*world) ask {
	return func(w *world) ask {
		made, err := w.Admin.CreateClient(w.t.Context(), machine, "", client.Patch{
			"client_name": "c", "grant_types": []string{"client_credentials"}, "scope": scope}, "")
		w.ok(err)
		return ask{method: method, path: strings.ReplaceAll(path, "{client}", made.ID), body: body, header: header("If-Match", "*")}
	}
}

// selfRegistered is a client that registered itself.
func (w *world) selfRegistered() string {
	w.t.Helper()
	id := fmt.Sprintf("self%d", w.next())
	w.ok(w.Store.Clients.RegisterClient(w.t.Context(), client.Client{ID: id, Name: id, GrantTypes: []string{client.ClientCredentials}},
		registry.Registration{Token: []byte(id)}))
	return id
}

// aboutGroup is a request about a new group, with these roles, and a new person who is not in it.
func aboutGroup(method, path string, body any, all ...roles.Role) func(*world) ask {
	return func(w *world) ask {
		g, err := w.Admin.CreateGroup(w.t.Context(), machine, fmt.Sprintf("g%d", w.next()), "", "")
		w.ok(err)
		for _, one := range all {
			w.ok(w.Admin.GiveGroup(w.t.Context(), machine, g.ID, one, ""))
		}
		user := w.person(fmt.Sprintf("m%d@example.com", w.next()))
		if method == "DELETE" && strings.Contains(path, "/members/") {
			w.ok(w.Admin.Join(w.t.Context(), machine, g.ID, user.ID, ""))
		}
		path := strings.NewReplacer("{id}", g.ID, "{user}", user.ID).Replace(path)
		return ask{method: method, path: path, body: body, header: header("If-Match", "*")}
	}
}

// next is a number that nothing has had.
func (w *world) next() int {
	w.numbers++
	return w.numbers
}

// delivery is a letter that was given up.
func (w *world) delivery() string {
	w.t.Helper()
	return w.deliveryOf(w.Root.ID)
}

func (w *world) deliveryOf(userID string) string {
	w.t.Helper()
	id := outbox.NewID()
	w.ok(w.Store.Outbox.Add(w.t.Context(), outbox.Item{ID: id, Kind: admin.LogoutQueue, Lane: "console", Topic: "s", UserID: userID}))
	return id
}

// grant is what a new person gave to the client app.
func (w *world) grant() (user accounts.User, id string) {
	w.t.Helper()
	user = w.person(fmt.Sprintf("grant%d@example.com", w.next()))
	w.Redeem(w.logIn(user, "1").Code())
	found, err := w.Store.Grants.GrantsOf(w.t.Context(), user.ID, grants.Listed{}, 1)
	w.ok(err)
	return user, found[0].ID
}

func (w *world) stream() string {
	w.t.Helper()
	id := fmt.Sprintf("receiver%d", w.next())
	_, err := w.Admin.CreateClient(w.t.Context(), machine, id, client.Patch{
		"client_name": id, "grant_types": []string{"client_credentials"}, "scope": "ssf.read"}, "")
	w.ok(err)
	a := w.want(http.StatusCreated, ask{token: w.service("writer"), method: "POST", path: "/v1/streams", body: map[string]any{"client_id": id}})
	stream, _ := a.object(w.t)["stream_id"].(string)
	return stream
}

func (w *world) role() string {
	w.t.Helper()
	name := fmt.Sprintf("role%d", w.next())
	w.ok(w.Admin.DefineRole(w.t.Context(), machine, roles.Definition{
		Role: roles.Role{Resource: "board", Name: name}, Scopes: []string{"board:read"}}, ""))
	return name
}

// aboutResource is a request about a new resource.
func aboutResource(method string, body any) func(*world) ask {
	return func(w *world) ask {
		name := fmt.Sprintf("res%d", w.next())
		w.ok(w.Admin.CreateResource(w.t.Context(), machine, admin.NewResource{
			Name: name, ID: "https://" + name + ".example", Scopes: []string{name + ":use"}}, ""))
		return ask{method: method, path: "/v1/resources/" + name, body: body, header: header("If-Match", "*")}
	}
}

// fewUpstreams makes room for one more.
func (w *world) fewUpstreams() {
	w.t.Helper()
	page, err := w.Admin.ListUpstreams(w.t.Context(), machine)
	w.ok(err)
	for _, one := range page.Items {
		w.ok(w.Admin.DeleteUpstream(w.t.Context(), machine, one.Name, true, ""))
	}
}

// linked is a new person who logs in by a new upstream, and the id of who they are there.
func (w *world) linked(all ...roles.Role) (accounts.User, string) {
	w.t.Helper()
	name := strings.TrimPrefix(aboutUpstream("GET", "", nil)(w).path, "/v1/upstreams/")
	user := w.person(fmt.Sprintf("linked%d@example.com", w.next()), all...)
	one, err := w.Store.Upstreams.Link(w.t.Context(), upstreams.Identity{
		Upstream: name, Issuer: "https://login.company.example", Subject: user.ID, UserID: user.ID, Label: user.Email})
	w.ok(err)
	return user, one.ID
}

// aboutUpstream is a request about a new upstream.
func aboutUpstream(method, query string, body any) func(*world) ask {
	return func(w *world) ask {
		w.fewUpstreams()
		made, err := w.Admin.CreateUpstream(w.t.Context(), machine, admin.NewUpstream{
			Name: fmt.Sprintf("up%d", w.next()), Secret: "planted-secret-of-the-upstream",
			Settings: upstream.Settings{Title: "Company", ClientID: "c", Issuer: "https://login.company.example"}}, "")
		w.ok(err)
		return ask{method: method, path: "/v1/upstreams/" + made.Name + query, body: body, header: header("If-Match", "*")}
	}
}

type object = map[string]any

// operations has every operation of the document, by its id; a second row of one has a name behind
// it.
var operations = map[string]row{
	"list-users":             {admin.Read, false, get("/v1/users")},
	"list-users by name":     {admin.Read, false, get("/v1/users?q=some&limit=2")},
	"get-user":               {admin.Read, false, aboutPerson("GET", "/v1/users/{id}", nil)},
	"get-everything":         {admin.ReadPersonal, false, aboutPerson("GET", "/v1/users/{id}/everything", nil, roles.Admin)},
	"list-sessions":          {admin.ReadPersonal, false, aboutPerson("GET", "/v1/users/{id}/sessions", nil)},
	"update-user":            {admin.Change, false, aboutPerson("PATCH", "/v1/users/{id}", object{"name": "Other", "claims": object{"nickname": "o", "zoneinfo": nil}})},
	"update-user disabled":   {admin.Change, false, aboutPerson("PATCH", "/v1/users/{id}", object{"disabled": true, "reason": "spam"})},
	"update-user root":       {admin.Change, true, aboutPerson("PATCH", "/v1/users/{id}", object{"disabled": true}, roles.Admin)},
	"delete-user":            {admin.Change, false, aboutPerson("DELETE", "/v1/users/{id}?reason=asked", nil)},
	"delete-user root":       {admin.Change, true, aboutPerson("DELETE", "/v1/users/{id}?now=true", nil, roles.Admin)},
	"end-sessions":           {admin.Change, false, aboutPerson("DELETE", "/v1/users/{id}/sessions", nil)},
	"end-sessions root":      {admin.Change, true, aboutPerson("DELETE", "/v1/users/{id}/sessions", nil, roles.Admin)},
	"reset-factors":          {admin.Change, false, aboutPerson("DELETE", "/v1/users/{id}/factors", nil)},
	"reset-factors root":     {admin.Change, true, aboutPerson("DELETE", "/v1/users/{id}/factors", nil, roles.Admin)},
	"send-reset-mail":        {admin.Change, false, aboutPerson("POST", "/v1/users/{id}/reset-mails", object{})},
	"send-reset-mail root":   {admin.Change, true, aboutPerson("POST", "/v1/users/{id}/reset-mails", object{}, roles.Admin)},
	"lift-throttle":          {admin.Change, false, aboutPerson("DELETE", "/v1/users/{id}/throttle", nil)},
	"replace-user-roles":     {admin.Change, false, aboutPerson("PUT", "/v1/users/{id}/roles", object{"roles": []any{object{"resource": "board", "name": "moderator"}}})},
	"replace-user-roles up":  {admin.Change, true, aboutPerson("PUT", "/v1/users/{id}/roles", object{"roles": []any{object{"resource": "admin", "name": "admin"}}})},
	"replace-user-roles off": {admin.Change, true, aboutPerson("PUT", "/v1/users/{id}/roles", object{"roles": []any{}}, roles.Admin)},
	"give-role":              {admin.Change, false, aboutPerson("PUT", "/v1/users/{id}/roles/board/moderator", nil)},
	"give-role up":           {admin.Change, true, aboutPerson("PUT", "/v1/users/{id}/roles/admin/admin", nil)},
	"take-role":              {admin.Change, false, aboutPerson("DELETE", "/v1/users/{id}/roles/board/moderator", nil, roles.Moderator)},
	"take-role off":          {admin.Change, true, aboutPerson("DELETE", "/v1/users/{id}/roles/admin/admin", nil, roles.Admin)},
	"create-user": {admin.Change, false, func(w *world) ask {
		return ask{method: "POST", path: "/v1/users", body: object{"email": fmt.Sprintf("new%d@example.com", w.next()), "name": "New"}}
	}},
	"create-user root": {admin.Change, true, func(w *world) ask {
		return ask{method: "POST", path: "/v1/users", body: object{
			"email": fmt.Sprintf("new%d@example.com", w.next()), "name": "Root", "roles": []any{object{"resource": "admin", "name": "admin"}}}}
	}},
	"keep-user": {admin.Change, false, func(w *world) ask {
		user := w.person(fmt.Sprintf("leaving%d@example.com", w.next()))
		_, err := w.Admin.DeletePerson(w.t.Context(), machine, user.ID, admin.DeletionWish{}, "")
		w.ok(err)
		return ask{method: "DELETE", path: "/v1/users/" + user.ID + "/deletion"}
	}},
	"end-session": {admin.Change, false, func(w *world) ask {
		user := w.person(fmt.Sprintf("session%d@example.com", w.next()))
		s, _, err := w.Store.Sessions.CreateSession(w.t.Context(), accounts.Session{UserID: user.ID, ACR: "1", AMR: []string{"pwd"}}, "x")
		w.ok(err)
		return ask{method: "DELETE", path: "/v1/users/" + user.ID + "/sessions/" + s.ID}
	}},
	"list-identities": {admin.ReadPersonal, false, func(w *world) ask {
		user, _ := w.linked()
		return ask{method: "GET", path: "/v1/users/" + user.ID + "/identities"}
	}},
	"unlink-identity": {admin.Change, false, func(w *world) ask {
		user, id := w.linked()
		return ask{method: "DELETE", path: "/v1/users/" + user.ID + "/identities/" + id}
	}},
	"unlink-identity root": {admin.Change, true, func(w *world) ask {
		user, id := w.linked(roles.Admin)
		return ask{method: "DELETE", path: "/v1/users/" + user.ID + "/identities/" + id}
	}},
	"remove-passkey": {admin.Change, false, func(w *world) ask {
		user := w.person(fmt.Sprintf("passkey%d@example.com", w.next()))
		added, err := w.Store.Passkeys.AddPasskey(w.t.Context(), accounts.Passkey{
			UserID: user.ID, Name: "phone", PublicKey: []byte("k"), CredentialID: []byte(user.ID)})
		w.ok(err)
		return ask{method: "DELETE", path: "/v1/users/" + user.ID + "/passkeys/" + added.ID}
	}},

	"list-invitations": {admin.Read, false, get("/v1/invitations")},
	"create-invitation": {admin.Change, false, func(*world) ask {
		return ask{method: "POST", path: "/v1/invitations", body: object{"note": "hello"}}
	}},
	"create-invitation root": {admin.Change, true, func(*world) ask {
		return ask{method: "POST", path: "/v1/invitations", body: object{"roles": []any{object{"resource": "admin", "name": "admin"}}}}
	}},
	"withdraw-invitation": {admin.Change, false, func(w *world) ask {
		made, _, err := w.Admin.Invite(w.t.Context(), machine, admin.NewInvitation{Lifetime: time.Hour}, "")
		w.ok(err)
		return ask{method: "DELETE", path: "/v1/invitations/" + made.ID}
	}},

	"list-clients":               {admin.Read, false, get("/v1/clients?limit=2")},
	"get-client":                 {admin.Read, false, get("/v1/clients/console")},
	"update-client":              {admin.Change, false, aboutClient("PATCH", "/v1/clients/{client}", "user:lookup", object{"client_name": "d", "client_name#ko": "디", "disabled": true})},
	"update-client up":           {admin.Change, true, aboutClient("PATCH", "/v1/clients/{client}", "user:lookup", object{"scope": "admin:read"})},
	"update-client off":          {admin.Change, true, aboutClient("PATCH", "/v1/clients/{client}", "admin:read", object{"scope": "user:lookup"})},
	"delete-client":              {admin.Change, false, aboutClient("DELETE", "/v1/clients/{client}", "user:lookup", nil)},
	"delete-client of operators": {admin.Change, true, aboutClient("DELETE", "/v1/clients/{client}", "scim", nil)},
	"entrust-user":               {admin.Change, false, aboutPerson("PUT", "/v1/users/{id}/directory", object{"directory": "directory", "reason": "theirs"})},
	"entrust-user up":            {admin.Change, true, aboutPerson("PUT", "/v1/users/{id}/directory", object{"directory": "directory"}, roles.Admin)},
	"release-user":               {admin.Change, false, aboutPerson("DELETE", "/v1/users/{id}/directory", nil)},
	"release-user up":            {admin.Change, true, aboutPerson("DELETE", "/v1/users/{id}/directory", nil, roles.Admin)},
	"entrust-group":              {admin.Change, false, aboutGroup("PUT", "/v1/groups/{id}/directory", object{"directory": "directory"})},
	"entrust-group up":           {admin.Change, true, aboutGroup("PUT", "/v1/groups/{id}/directory", object{"directory": "directory"}, roles.Admin)},
	"release-group":              {admin.Change, false, aboutGroup("DELETE", "/v1/groups/{id}/directory", nil)},
	"release-group up":           {admin.Change, true, aboutGroup("DELETE", "/v1/groups/{id}/directory", nil, roles.Admin)},
	"create-registration-token": {admin.ChangeSecrets, false, func(w *world) ask {
		return ask{method: "POST", path: "/v1/clients/" + w.selfRegistered() + "/registration-tokens", body: object{}}
	}},
	"create-client-secret":        {admin.ChangeSecrets, false, aboutClient("POST", "/v1/clients/{client}/secrets", "user:lookup", object{"overlap": 60})},
	"create-client-secret leaked": {admin.ChangeSecrets, false, aboutClient("POST", "/v1/clients/{client}/secrets", "user:lookup", object{"compromised": true})},
	"create-client-secret up":     {admin.ChangeSecrets, true, aboutClient("POST", "/v1/clients/{client}/secrets", "admin:write", object{})},
	"create-client": {admin.Change, false, func(*world) ask {
		return ask{method: "POST", path: "/v1/clients", body: object{"client_name": "n", "grant_types": []any{"client_credentials"}, "scope": "user:lookup"}}
	}},
	"create-client up": {admin.Change, true, func(*world) ask {
		return ask{method: "POST", path: "/v1/clients", body: object{"client_name": "n", "grant_types": []any{"client_credentials"}, "scope": "admin:read"}}
	}},
	"list-initial-access-tokens": {admin.Read, false, get("/v1/initial-access-tokens")},
	"create-initial-access-token": {admin.ChangeSecrets, false, func(*world) ask {
		return ask{method: "POST", path: "/v1/initial-access-tokens", body: object{"uses": 2}}
	}},
	"withdraw-initial-access-token": {admin.ChangeSecrets, false, func(w *world) ask {
		a := w.want(201, ask{token: w.service("writer"), method: "POST", path: "/v1/initial-access-tokens", body: object{}})
		return ask{method: "DELETE", path: "/v1/initial-access-tokens/" + a.object(w.t)["id"].(string)}
	}},

	"list-grants":           {admin.ReadPersonal, false, get("/v1/grants?client_id=app")},
	"list-grants of person": {admin.ReadPersonal, false, get("/v1/grants?user=nobody")},
	"revoke-grant": {admin.Change, false, func(w *world) ask {
		_, id := w.grant()
		return ask{method: "DELETE", path: "/v1/grants/" + id}
	}},
	"list-consents": {admin.ReadPersonal, false, get("/v1/consents?client_id=app")},
	"list-consents of person": {admin.ReadPersonal, false, func(w *world) ask {
		user, _ := w.grant()
		return ask{method: "GET", path: "/v1/consents?user=" + user.ID}
	}},
	"withdraw-consent": {admin.Change, false, func(w *world) ask {
		user, _ := w.grant()
		return ask{method: "DELETE", path: "/v1/users/" + user.ID + "/consents/app"}
	}},

	"list-roles": {admin.Read, false, get("/v1/roles")},
	"define-role": {admin.Change, false, func(w *world) ask {
		return ask{method: "POST", path: "/v1/roles", body: object{"resource": "board", "name": fmt.Sprintf("r%d", w.next()), "scopes": []any{"board:read"}}}
	}},
	"define-role of operators": {admin.Change, true, func(w *world) ask {
		return ask{method: "POST", path: "/v1/roles", body: object{"resource": "admin", "name": fmt.Sprintf("r%d", w.next()), "scopes": []any{"admin:read"}}}
	}},
	"describe-role": {admin.Change, false, func(w *world) ask {
		return ask{method: "PATCH", path: "/v1/roles/board/" + w.role(), body: object{"description": "d"}}
	}},
	"delete-role": {admin.Change, false, func(w *world) ask {
		return ask{method: "DELETE", path: "/v1/roles/board/" + w.role()}
	}},
	"list-groups": {admin.Read, false, get("/v1/groups")},
	"create-group": {admin.Change, false, func(w *world) ask {
		return ask{method: "POST", path: "/v1/groups", body: object{"name": fmt.Sprintf("group %d", w.next())}}
	}},
	"get-group":               {admin.Read, false, aboutGroup("GET", "/v1/groups/{id}", nil, roles.Moderator)},
	"update-group":            {admin.Change, false, aboutGroup("PATCH", "/v1/groups/{id}", object{"external_id": "x"}, roles.Moderator)},
	"update-group root":       {admin.Change, true, aboutGroup("PATCH", "/v1/groups/{id}", object{"external_id": "x"}, roles.Admin)},
	"delete-group":            {admin.Change, false, aboutGroup("DELETE", "/v1/groups/{id}", nil)},
	"delete-group root":       {admin.Change, true, aboutGroup("DELETE", "/v1/groups/{id}", nil, roles.Admin)},
	"list-members":            {admin.Read, false, aboutGroup("GET", "/v1/groups/{id}/members", nil)},
	"add-member":              {admin.Change, false, aboutGroup("PUT", "/v1/groups/{id}/members/{user}", nil)},
	"add-member root":         {admin.Change, true, aboutGroup("PUT", "/v1/groups/{id}/members/{user}", nil, roles.Admin)},
	"remove-member":           {admin.Change, false, aboutGroup("DELETE", "/v1/groups/{id}/members/{user}", nil)},
	"remove-member root":      {admin.Change, true, aboutGroup("DELETE", "/v1/groups/{id}/members/{user}", nil, roles.Admin)},
	"replace-group-roles":     {admin.Change, false, aboutGroup("PUT", "/v1/groups/{id}/roles", object{"roles": []any{object{"resource": "board", "name": "moderator"}}})},
	"replace-group-roles up":  {admin.Change, true, aboutGroup("PUT", "/v1/groups/{id}/roles", object{"roles": []any{object{"resource": "admin", "name": "admin"}}})},
	"replace-group-roles off": {admin.Change, true, aboutGroup("PUT", "/v1/groups/{id}/roles", object{"roles": []any{}}, roles.Admin)},
	"give-group-role":         {admin.Change, false, aboutGroup("PUT", "/v1/groups/{id}/roles/board/moderator", nil)},
	"give-group-role up":      {admin.Change, true, aboutGroup("PUT", "/v1/groups/{id}/roles/admin/admin", nil)},
	"take-group-role":         {admin.Change, false, aboutGroup("DELETE", "/v1/groups/{id}/roles/board/moderator", nil, roles.Moderator)},
	"take-group-role off":     {admin.Change, true, aboutGroup("DELETE", "/v1/groups/{id}/roles/admin/admin", nil, roles.Admin)},

	"list-resources": {admin.Read, false, get("/v1/resources")},
	"get-resource":   {admin.Read, false, get("/v1/resources/board")},
	"create-resource": {admin.Change, false, func(w *world) ask {
		name := fmt.Sprintf("made%d", w.next())
		return ask{method: "POST", path: "/v1/resources", body: object{"name": name, "id": "https://" + name + ".example", "scopes": []any{name + ":use"}}}
	}},
	"update-resource": {admin.Change, false, aboutResource("PATCH", object{"description": "d"})},
	"delete-resource": {admin.Change, false, aboutResource("DELETE", nil)},

	"list-upstreams": {admin.Read, false, get("/v1/upstreams")},
	"get-upstream":   {admin.Read, false, aboutUpstream("GET", "", nil)},
	"create-upstream": {admin.Crown, false, func(w *world) ask {
		name := fmt.Sprintf("made%d", w.next())
		w.fewUpstreams()
		return ask{method: "POST", path: "/v1/upstreams", body: object{
			"name": name, "title": "Company", "client_id": "c", "client_secret": "s", "issuer": "https://" + name + ".example"}}
	}},
	"update-upstream":       {admin.Crown, false, aboutUpstream("PATCH", "", object{"title": "Other", "claims": object{"name": "profile.name"}})},
	"update-upstream off":   {admin.Crown, false, aboutUpstream("PATCH", "", object{"disabled": true})},
	"delete-upstream":       {admin.Crown, false, aboutUpstream("DELETE", "", nil)},
	"delete-upstream force": {admin.Crown, false, aboutUpstream("DELETE", "?force=true", nil)},

	"list-keys": {admin.Read, false, get("/v1/keys")},
	"rotate-keys": {admin.ChangeSecrets, false, func(*world) ask {
		return ask{method: "POST", path: "/v1/keys", body: object{"algs": []any{"ES256"}, "immediately": true}}
	}},
	"withdraw-key": {admin.ChangeSecrets, false, func(w *world) ask {
		found, err := w.Ring.List(w.t.Context())
		w.ok(err)
		i := slices.IndexFunc(found, func(k keys.State) bool { return k.Alg == "Ed25519" && k.State == "current" })
		return ask{method: "DELETE", path: "/v1/keys/" + found[i].KID}
	}},

	"list-deliveries": {admin.ReadPersonal, false, func(w *world) ask {
		w.delivery()
		return ask{method: "GET", path: "/v1/queues/logouts"}
	}},
	"retry-deliveries": {admin.Change, false, func(*world) ask {
		return ask{method: "POST", path: "/v1/queues/mail/retries", body: object{}}
	}},
	"retry-delivery": {admin.Change, false, func(w *world) ask {
		return ask{method: "POST", path: "/v1/queues/logouts/" + w.delivery() + "/retries", body: object{}}
	}},
	"drop-delivery": {admin.Change, false, func(w *world) ask {
		return ask{method: "DELETE", path: "/v1/queues/logouts/" + w.deliveryOf(w.person(fmt.Sprintf("out%d@example.com", w.next())).ID)}
	}},
	"drop-delivery root": {admin.Change, true, func(w *world) ask {
		return ask{method: "DELETE", path: "/v1/queues/logouts/" + w.delivery()}
	}},
	"list-streams": {admin.Read, false, func(w *world) ask {
		w.stream()
		return ask{method: "GET", path: "/v1/streams"}
	}},
	"get-stream": {admin.Read, false, func(w *world) ask { return ask{method: "GET", path: "/v1/streams/" + w.stream()} }},
	"create-stream": {admin.Change, false, func(w *world) ask {
		id := fmt.Sprintf("wants%d", w.next())
		_, err := w.Admin.CreateClient(w.t.Context(), machine, id, client.Patch{
			"client_name": id, "grant_types": []string{"client_credentials"}, "scope": "ssf.read"}, "")
		w.ok(err)
		return ask{method: "POST", path: "/v1/streams", body: object{"client_id": id}}
	}},
	"set-stream-status": {admin.Change, false, func(w *world) ask {
		return ask{method: "PUT", path: "/v1/streams/" + w.stream() + "/status", body: object{"status": "paused"}}
	}},
	"retry-stream": {admin.Change, false, func(w *world) ask {
		return ask{method: "POST", path: "/v1/streams/" + w.stream() + "/retries", body: object{}}
	}},
	"update-stream": {admin.Change, false, func(w *world) ask {
		return ask{method: "PATCH", path: "/v1/streams/" + w.stream(), header: header("If-Match", "*"),
			body: object{"events": []any{"session-revoked"}, "description": "d"}}
	}},
	"verify-stream": {admin.Change, false, func(w *world) ask {
		return ask{method: "POST", path: "/v1/streams/" + w.stream() + "/verifications", body: object{}}
	}},
	"delete-stream": {admin.Change, false, func(w *world) ask { return ask{method: "DELETE", path: "/v1/streams/" + w.stream()} }},

	"list-throttles":            {admin.Read, false, get("/v1/throttles")},
	"list-throttles of address": {admin.Read, false, get("/v1/throttles?address=203.0.113.7")},
	"lift-throttles": {admin.Change, false, func(*world) ask {
		return ask{method: "DELETE", path: "/v1/throttles?address=" + url.QueryEscape("2001:db8::1")}
	}},

	"get-attention":           {admin.Read, false, get("/v1/attention")},
	"get-statistics":          {admin.Read, false, get("/v1/statistics")},
	"get-statistics of month": {admin.Read, false, get("/v1/statistics?period=month")},
	"list-audit":              {admin.ReadPersonal, false, get("/v1/audit?kind=client.created&from=2020-01-01T00:00:00Z")},
	"list-settings":           {admin.Read, false, get("/v1/settings")},
}

// caller is somebody who tries all operations.
type caller struct {
	name  string
	token func(w *world) string
	actor admin.Actor // as the decision table sees them
	fails int         // the status, whatever they try; 0: the decision table says
}

func callers(w *world) []caller {
	now := w.Clock.Now()
	stale := w.logIn(w.Root, "phr")
	oneFactor := w.logIn(w.Root, "1")
	powerless := w.powerless()
	person := admin.Actor{Kind: admin.Person, ID: w.Root.ID, Rights: admin.Reading | admin.Writing, ACR: "2", AuthTime: now.Add(11 * time.Minute)}
	weak, old := person, person
	weak.ACR, old.AuthTime = "1", now
	service := func(rights admin.Rights) admin.Actor { return admin.Actor{Kind: admin.Client, ID: "x", Rights: rights} }
	of := func(token string) func(*world) string { return func(*world) string { return token } }
	w.Clock.Advance(9 * time.Minute)
	staleToken := of(w.token(stale)) // which lives for ten minutes more
	w.Clock.Advance(2 * time.Minute)
	board := w.Tokens(w.Token("console", url.Values{"grant_type": {"client_credentials"}, "scope": {"board:read"}})).Access
	return []caller{
		{"nobody", of(""), admin.Actor{}, 401},
		{"the board's token", of(board), admin.Actor{}, 401},
		{"a forged token", of("e30.e30.e30"), admin.Actor{}, 401},
		{"a token that has expired", of(powerless), admin.Actor{}, 401},
		{"somebody without the role", func(w *world) string {
			if w.noRole == "" {
				w.noRole = w.powerless()
			}
			return w.noRole
		}, admin.Actor{}, 403},
		{"an administrator with one factor", of(w.token(oneFactor)), weak, 0},
		{"an administrator who logged in long ago", staleToken, old, 0},
		{"a service that reads", of(w.service("reader")), service(admin.Reading), 0},
		{"a directory", of(w.service("directory")), service(admin.Provisioning), 0},
		{"a service that writes", of(w.service("writer")), service(admin.Writing), 0},
		{"an administrator", of(w.root()), person, 0},
	}
}

// statusOf is what the decision table's answer is in HTTP.
func statusOf(err error) int {
	refused, ok := err.(*admin.Refused) //nolint:errorlint // Decide returns nothing else
	switch {
	case !ok:
		return 0
	case refused.Why == admin.NeedsFreshProof || refused.Why == admin.NeedsSecondFactor:
		return http.StatusUnauthorized
	}
	return http.StatusForbidden
}

// Every operation of the document is tried by everybody, and the answer is that of the one decision
// table.
func TestWhoMayDoWhat(t *testing.T) {
	t.Parallel()
	w := one(t)
	tried := map[string]bool{}
	all := callers(w)
	for _, name := range slices.Sorted(maps.Keys(operations)) {
		r := operations[name]
		id, _, _ := strings.Cut(name, " ")
		tried[id] = true
		for _, c := range all {
			a := r.try(w)
			a.token = c.token(w)
			got := w.send(a)
			want := c.fails
			if want == 0 {
				want = statusOf(admin.Decide(c.actor, r.class, admin.Target{Administrative: r.crowns}, w.Clock.Now()))
			}
			refused := got.status == 401 || got.status == 403
			switch {
			case want != 0 && got.status != want:
				t.Errorf("%s, %s: %d %s, want %d", name, c.name, got.status, got.body, want)
			case want == 0 && (refused || got.status >= 400):
				t.Errorf("%s, %s: %d %s", name, c.name, got.status, got.body)
			case want == 401 && got.header.Get("WWW-Authenticate") == "":
				t.Errorf("%s, %s: no challenge", name, c.name)
			}
			if got.header.Get("Cache-Control") == "" || !strings.Contains(got.header.Get("Cache-Control"), "no-store") {
				t.Errorf("%s, %s: the answer can be kept: %v", name, c.name, got.header)
			}
		}
	}
	for _, methods := range w.document.Paths {
		for _, op := range methods {
			if !tried[op.OperationID] {
				t.Errorf("%s has no row here", op.OperationID)
			}
			delete(tried, op.OperationID)
		}
	}
	for id := range tried {
		t.Errorf("the document has no operation %s", id)
	}
}
