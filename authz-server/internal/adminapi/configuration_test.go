package adminapi_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/store/upstreams"
)

// A service is made, has roles, becomes another and goes; of two who change it, one is told that they
// came too late; and what the settings have stays.
func TestResourcesAreManaged(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		token := w.service("writer")
		body := object{"name": "orders", "id": "https://orders.example", "scopes": []any{"orders:read", "orders:pick"}, "description": "The warehouse"}
		made := w.want(201, ask{token: token, method: "POST", path: "/v1/resources", body: body})
		if at := made.header.Get("Location"); at != w.Issuer+"/admin/v1/resources/orders" || made.header.Get("ETag") == "" {
			w.t.Errorf("%v", made.header)
		}
		w.want(409, ask{token: token, method: "POST", path: "/v1/resources", body: body})
		w.want(409, ask{token: token, method: "POST", path: "/v1/resources", body: object{"name": "mine", "id": w.Issuer + "/admin", "scopes": []any{"x:y"}}})
		for name, bad := range map[string]object{
			"body.scopes": {"name": "other", "id": "https://other.example", "scopes": []any{"admin:write"}},
			"body.id":     {"name": "other", "id": "no address", "scopes": []any{"other:x"}},
			"body.name":   {"name": "Other", "id": "https://other.example", "scopes": []any{"other:x"}},
		} {
			if got := w.want(422, ask{token: token, method: "POST", path: "/v1/resources", body: bad}); !strings.Contains(got.body, name) {
				w.t.Errorf("%s: %s", name, got.body)
			}
		}
		w.want(201, ask{token: token, method: "POST", path: "/v1/roles", body: object{"resource": "orders", "name": "picker", "scopes": []any{"orders:pick"}}})

		path := "/v1/resources/orders"
		got := w.want(200, ask{replica: 1, token: token, method: "GET", path: path})
		change := ask{token: token, method: "PATCH", path: path, body: object{"description": nil, "scopes": []any{"orders:read", "orders:pick", "orders:ship"}}}
		w.want(428, change)
		change.header = header("If-Match", got.header.Get("ETag"))
		changed := w.want(200, change).object(w.t)
		if scopes, _ := changed["scopes"].([]any); len(scopes) != 3 || changed["description"] != nil || changed["id"] != "https://orders.example" {
			w.t.Errorf("%v", changed)
		}
		w.want(412, change)
		change.header, change.body = header("If-Match", "*"), object{"scopes": []any{"orders:read"}}
		if got := w.want(422, change); !strings.Contains(got.body, "body.scopes") || !strings.Contains(got.body, "orders/picker") {
			w.t.Errorf("%s", got.body)
		}
		w.want(409, ask{token: token, method: "DELETE", path: path})
		w.want(204, ask{token: token, method: "DELETE", path: "/v1/roles/orders/picker"})
		w.want(204, ask{token: token, method: "DELETE", path: path + "?reason=closed"})
		w.want(404, ask{token: token, method: "GET", path: path})

		for _, a := range []ask{
			{method: "PATCH", path: "/v1/resources/admin", body: object{"scopes": []any{"admin:read"}}, header: header("If-Match", "*")},
			{method: "DELETE", path: "/v1/resources/board"},
		} {
			a.token = token
			if got := w.want(409, a); !strings.Contains(got.body, "settings") {
				w.t.Errorf("%s", got.body)
			}
		}
		if got := w.want(200, ask{token: token, method: "GET", path: "/v1/resources/board"}); got.header.Get("ETag") != "" {
			w.t.Errorf("%v", got.header)
		}
	})
}

// null removes what a group is called elsewhere.
func TestNullRemovesAMemberOfAGroup(t *testing.T) {
	t.Parallel()
	w := one(t)
	token := w.service("writer")
	made := w.want(201, ask{token: token, method: "POST", path: "/v1/groups", body: object{"name": "Team", "external_id": "7"}}).object(t)
	changed := w.want(200, ask{token: token, method: "PATCH", path: "/v1/groups/" + made["id"].(string), header: header("If-Match", "*"),
		body: object{"external_id": nil}}).object(t)
	if changed["external_id"] != nil && changed["external_id"] != "" || changed["name"] != "Team" {
		t.Errorf("%v", changed)
	}
}

// An administrator lets people log in by another provider, in person; no service does, and nobody
// reads what it gave to this server.
func TestUpstreamsAreManagedByAdministratorsInPerson(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		const secret = "planted-secret-of-the-upstream"
		token := w.root()
		create := ask{token: token, method: "POST", path: "/v1/upstreams", header: header("Idempotency-Key", "up"), body: object{
			"name": "company", "title": "Company", "client_id": "maru", "client_secret": secret, "issuer": "https://login.company.example",
			"claims": object{"name": "display_name"}, "address_domains": []any{"company.example"}, "reason": "bought",
		}}
		made := w.want(201, create)
		one := made.object(w.t)
		if one["redirect_uri"] != w.Issuer+"/login/upstream/company/callback" || one["has_secret"] != true || one["addresses"] != "claim" ||
			made.header.Get("Location") != w.Issuer+"/admin/v1/upstreams/company" {
			w.t.Errorf("%s %v", made.body, made.header)
		}
		w.want(201, create)
		github := w.want(201, ask{token: token, method: "POST", path: "/v1/upstreams", body: object{
			"name": "github", "preset": "github", "client_id": "maru", "client_secret": secret}}).object(w.t)
		if github["title"] != "GitHub" || github["token_endpoint"] == nil {
			w.t.Errorf("the preset has not filled in the rest: %v", github)
		}
		for where, bad := range map[string]object{
			"body.client_secret": {"name": "bad", "title": "t", "client_id": "c", "issuer": "https://x.example"},
			"body.issuer":        {"name": "bad", "title": "t", "client_id": "c", "client_secret": "s", "issuer": "http://10.0.0.1/"},
			"body.preset":        {"name": "bad", "preset": "x", "client_id": "c", "client_secret": "s"},
			"body.secret":        {"name": "bad", "title": "t", "client_id": "c", "secret": "s", "issuer": "https://x.example"},
			"body.claims":        {"name": "bad", "title": "t", "client_id": "c", "client_secret": "s", "issuer": "https://x.example", "claims": object{"roles": "x"}},
		} {
			if got := w.want(422, ask{token: token, method: "POST", path: "/v1/upstreams", body: bad}); !strings.Contains(got.body, where) {
				w.t.Errorf("%s: %s", where, got.body)
			}
		}

		path := "/v1/upstreams/company"
		got := w.want(200, ask{replica: 1, token: w.service("reader"), method: "GET", path: path})
		change := ask{token: token, method: "PATCH", path: path, header: header("If-Match", got.header.Get("ETag")),
			body: object{"title": nil, "claims": object{"name": nil, "email": "mail"}, "no_signup": true}}
		if got := w.want(422, change); !strings.Contains(got.body, "body.title") { // OpenID Connect has no preset that has one
			w.t.Errorf("%s", got.body)
		}
		change.body = object{"title": "The company", "claims": object{"name": nil, "email": "mail"}, "no_signup": true, "address_domains": nil, "client_secret": secret + "2"}
		changed := w.want(200, change).object(w.t)
		claims, _ := changed["claims"].(map[string]any)
		if changed["title"] != "The company" || changed["no_signup"] != true || len(claims) != 1 || claims["email"] != "mail" || changed["address_domains"] != nil ||
			changed["client_id"] != "maru" {
			w.t.Errorf("%v", changed)
		}
		w.want(412, change)

		for _, a := range []ask{
			{method: "POST", path: "/v1/upstreams", body: create.body},
			{method: "PATCH", path: path, body: object{"issuer": "https://mine.example"}, header: header("If-Match", "*")},
			{method: "DELETE", path: path},
		} {
			a.token = w.service("writer")
			if got := w.want(403, a); !strings.Contains(got.body, "in person") {
				w.t.Errorf("%s", got.body)
			}
		}

		user := w.person("linked@company.example")
		_, err := w.Store.Upstreams.Link(w.t.Context(), upstreams.Identity{Upstream: "company", Issuer: "https://login.company.example", Subject: "7", UserID: user.ID})
		w.ok(err)
		if got := w.want(409, ask{token: token, method: "DELETE", path: path}); !strings.Contains(got.body, "force") {
			w.t.Errorf("%s", got.body)
		}
		// The person has no password: who they are there is their only way in.
		w.ok(w.Store.Users.ResetPassword(w.t.Context(), user.ID, "", ""))
		theirs := w.want(200, ask{token: token, method: "GET", path: "/v1/users/" + user.ID + "/identities"}).object(w.t)["items"].([]any)
		if len(theirs) != 1 || theirs[0].(map[string]any)["upstream"] != "company" {
			w.t.Fatalf("%v", theirs)
		}
		identity := "/v1/users/" + user.ID + "/identities/" + theirs[0].(map[string]any)["id"].(string)
		if got := w.want(409, ask{token: token, method: "DELETE", path: identity}); !strings.Contains(got.body, "force") {
			w.t.Errorf("%s", got.body)
		}
		other := w.person("other@company.example")
		w.want(404, ask{token: token, method: "DELETE", path: strings.Replace(identity, user.ID, other.ID, 1) + "?force=true"})
		w.want(204, ask{token: token, method: "DELETE", path: identity + "?force=true"})
		w.want(404, ask{token: token, method: "DELETE", path: identity + "?force=true"})
		_, err = w.Store.Upstreams.Link(w.t.Context(), upstreams.Identity{Upstream: "company", Issuer: "https://login.company.example", Subject: "8", UserID: user.ID})
		w.ok(err)
		w.want(204, ask{token: token, method: "DELETE", path: path + "?force=true&reason=left"})
		w.want(404, ask{token: token, method: "GET", path: path})

		log := w.want(200, ask{token: token, method: "GET", path: "/v1/audit?target=company"}).body
		list := w.want(200, ask{token: token, method: "GET", path: "/v1/upstreams"}).body
		for _, shown := range []string{made.body, got.body, log, list} {
			if strings.Contains(shown, secret) {
				w.t.Errorf("the secret is shown: %s", shown)
			}
		}
		for _, part := range []string{"upstream.created", "upstream.changed", "upstream.deleted", "bought", "left"} {
			if !strings.Contains(log, part) {
				w.t.Errorf("the log has no %s: %s", part, log)
			}
		}
	})
}

// Keys that were made and the entry that says so are there both, or neither.
func TestARotationIsInTheLogWithItsKeys(t *testing.T) {
	t.Parallel()
	w := one(t)
	token := w.service("writer")
	rotate := ask{token: token, method: "POST", path: "/v1/keys", body: object{"algs": []any{"ES256"}}}
	w.want(201, rotate)
	w.want(409, rotate)
	rotate.body, rotate.header = object{"algs": []any{"ES256", "EdDSA"}}, header("Idempotency-Key", "in-part")
	for range 2 { // the second time it answers as it did
		w.want(409, rotate)
	}
	entries := w.want(200, ask{token: token, method: "GET", path: "/v1/audit?kind=key.rotated"}).object(t)["items"].([]any)
	if len(entries) != 2 {
		t.Errorf("%d rotations in the log, want 2: %v", len(entries), entries)
	}
	next := 0
	for _, one := range w.want(200, ask{token: token, method: "GET", path: "/v1/keys"}).object(t)["items"].([]any) {
		if one.(map[string]any)["state"] == "next" {
			next++
		}
	}
	if next != 2 {
		t.Errorf("%d next keys, want 2", next)
	}
}

// What a client did for itself is found by it, and by nothing that somebody else did.
func TestTheLogIsSearchedByWhoActed(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		for i, id := range []string{"writer", "console", "writer"} {
			token := w.root()
			if id == "writer" {
				token = w.service(id)
			}
			w.want(201, ask{token: token, method: "POST", path: "/v1/groups", body: object{"name": fmt.Sprint("Team ", i)}})
		}
		found := func(query string) []any {
			w.t.Helper()
			return w.want(200, ask{token: w.service("reader"), method: "GET", path: "/v1/audit?" + query}).object(w.t)["items"].([]any)
		}
		mine := found("client_id=writer&kind=group.created")
		if len(mine) != 2 {
			w.t.Errorf("%v", mine)
		}
		for _, one := range mine {
			if actor := one.(map[string]any)["actor"].(map[string]any); actor["kind"] != "client" || actor["id"] != "writer" {
				w.t.Errorf("%v", one)
			}
		}
		if all := found("client_id=writer"); len(all) < 2 {
			w.t.Errorf("%v", all)
		}
		for _, none := range []string{"client_id=reader&kind=group.created", "client_id=%27", "client_id=writer&person=" + w.Root.ID, "client_id=writer&to=2001-01-01T00:00:00Z"} {
			if got := found(none); len(got) != 0 {
				w.t.Errorf("%s: %v", none, got)
			}
		}
	})
}

// A stream gets what is asked for, and only types that there are.
func TestAStreamIsChanged(t *testing.T) {
	t.Parallel()
	w := one(t)
	path, token := "/v1/streams/"+w.stream(), w.service("writer")
	patch := func(status int, body object) reply {
		t.Helper()
		return w.want(status, ask{token: token, method: "PATCH", path: path, header: header("If-Match", "*"), body: body})
	}
	got := patch(200, object{"endpoint": "https://receiver.example/events", "header": "Bearer planted", "events": []any{"session-revoked"}}).object(t)
	if events := got["events_delivered"].([]any); len(events) != 1 || got["endpoint_url"] != "https://receiver.example/events" {
		t.Errorf("%v", got)
	}
	if all := patch(200, object{"events": nil, "endpoint": nil}).object(t); len(all["events_delivered"].([]any)) < 5 || all["endpoint_url"] != nil {
		t.Errorf("%v", all)
	}
	patch(422, object{"events": []any{"session-revoked", "pope-elected"}})
	patch(422, object{"header": "Bearer x"})
	patch(422, object{"header": nil})
	w.want(204, ask{token: token, method: "PUT", path: path + "/status", body: object{"status": "disabled"}})
	w.want(409, ask{token: token, method: "POST", path: path + "/verifications", body: object{}})
}
