package adminapi_test

import (
	"strings"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/store/roles"
)

// What an operator gives to a directory is the directory's alone, whoever asks who keeps it.
func TestAccountsAndGroupsAreGivenToDirectories(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		token := w.service("writer")
		other, err := w.Admin.CreateClient(w.t.Context(), machine, "other", client.Patch{
			"client_name": "Other", "grant_types": []string{"client_credentials"}, "scope": "scim"}, "")
		w.ok(err)
		user := w.person("given@example.com")
		group, err := w.Admin.CreateGroup(w.t.Context(), machine, "Given", "", "")
		w.ok(err)
		for path, keeper := range map[string]func() (string, error){
			"/v1/users/" + user.ID:   func() (string, error) { return w.Store.Users.Keeper(w.t.Context(), user.ID) },
			"/v1/groups/" + group.ID: func() (string, error) { return w.Store.Roles.Keeper(w.t.Context(), group.ID) },
		} {
			kept := func(by string) {
				w.t.Helper()
				stored, err := keeper()
				w.ok(err)
				shown, _ := w.want(200, ask{replica: 1, token: w.service("reader"), method: "GET", path: path}).object(w.t)["directory"].(string)
				if stored != by || shown != by {
					w.t.Errorf("%s is kept by %q, and said to be by %q, want %q", path, stored, shown, by)
				}
			}
			give := ask{token: token, method: "PUT", path: path + "/directory"}
			kept("")
			for _, bad := range []string{"reader", "nobody", "writer"} {
				give.body = object{"directory": bad}
				if got := w.want(422, give); !strings.Contains(got.body, "body.directory") {
					w.t.Errorf("%s: %s", bad, got.body)
				}
			}
			for _, bad := range []object{{"directory": ""}, {}, {"directory": nil}, {"client_id": "directory"}} {
				give.body = bad
				w.want(422, give)
			}
			kept("")
			for range 2 { // the second changes nothing
				give.body = object{"directory": "directory", "reason": "as agreed"}
				w.want(204, give)
				kept("directory")
			}
			give.body = object{"directory": other.ID}
			w.want(204, give)
			kept(other.ID)
			take := ask{token: token, method: "DELETE", path: path + "/directory?reason=over"}
			for range 2 {
				w.want(204, take)
				kept("")
			}
			// A directory gives itself nothing, and neither does a service that reads.
			for _, who := range []string{"directory", "reader"} {
				give.token, give.body, take.token = w.service(who), object{"directory": "directory"}, w.service(who)
				w.want(403, give)
				w.want(403, take)
			}
			kept("")
		}
		for _, path := range []string{"/v1/users/nobody/directory", "/v1/groups/nothing/directory"} {
			w.want(404, ask{token: token, method: "PUT", path: path, body: object{"directory": "directory"}})
			w.want(404, ask{token: token, method: "DELETE", path: path})
		}
		// An administrator's account is given by administrators alone: whoever keeps it could become one.
		w.want(403, ask{token: token, method: "PUT", path: "/v1/users/" + w.Root.ID + "/directory", body: object{"directory": "directory"}})
		w.ok(w.Admin.GiveGroup(w.t.Context(), machine, group.ID, roles.Admin, ""))
		w.want(403, ask{token: token, method: "PUT", path: "/v1/groups/" + group.ID + "/directory", body: object{"directory": "directory"}})
		log := w.want(200, ask{token: w.root(), method: "GET", path: "/v1/audit?person=" + user.ID}).body
		if n := strings.Count(log, `"user.entrusted"`); n != 3 || !strings.Contains(log, "as agreed") || !strings.Contains(log, "over") {
			w.t.Errorf("%d entries: %s", n, log)
		}
	})
}

// A registration access token is shown once, ends the one of before, and is for clients that
// registered themselves.
func TestARegistrationTokenIsMadeAnew(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		id := w.selfRegistered()
		a := ask{token: w.root(), method: "POST", path: "/v1/clients/" + id + "/registration-tokens", body: object{"reason": "lost"}, header: header("Idempotency-Key", "k")}
		first := w.want(201, a)
		token, _ := first.object(w.t)["registration_access_token"].(string)
		if token == "" || first.object(w.t)["client_id"] != id {
			w.t.Fatalf("%s", first.body)
		}
		valid := func(token string) bool {
			return w.Store.Clients.CheckRegistrationToken(w.t.Context(), id, token) == nil
		}
		if valid(id) || !valid(token) {
			w.t.Error("the token of before is good, or the new one is not")
		}
		a.replica = 1
		if again := w.want(201, a); strings.Contains(again.body, "registration_access_token") || again.object(w.t)["client_id"] != id || !valid(token) {
			w.t.Errorf("sent again: %s", again.body)
		}
		a.header = nil
		if second, _ := w.want(201, a).object(w.t)["registration_access_token"].(string); valid(token) || !valid(second) {
			w.t.Error("a second one does not end the first")
		}
		for path, status := range map[string]int{"app": 409, "reader": 403, "nothing": 404} {
			a.token = w.service("writer")
			a.path = "/v1/clients/" + path + "/registration-tokens"
			got := w.want(status, a)
			if strings.Contains(got.body, "registration_access_token") {
				w.t.Errorf("%s", got.body)
			}
		}
		a.token, a.path = w.root(), "/v1/clients/reader/registration-tokens"
		if got := w.want(409, a); !strings.Contains(got.body, "administers") {
			w.t.Errorf("%s", got.body)
		}
		if log := w.want(200, ask{token: w.root(), method: "GET", path: "/v1/audit?target=" + id}).body; strings.Contains(log, token) || !strings.Contains(log, "lost") {
			w.t.Errorf("%s", log)
		}
	})
}
