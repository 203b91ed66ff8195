package adminapi_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/provider/providertest"
	"github.com/maru-auth/maru/authz-server/internal/store/roles"
)

// A service makes a person, finds them at another replica, and disables them: their token is refused
// from then on, and the log says who did it, and why.
func TestAServiceAdministersPeople(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		token := w.service("writer")
		body := object{"email": "jisu@example.com", "email_verified": true, "name": "김지수", "reason": "hired"}
		made := w.want(201, ask{token: token, method: "POST", path: "/v1/users", body: body, header: header("Idempotency-Key", "k1")})
		id := made.object(w.t)["id"].(string)
		if at := made.header.Get("Location"); at != w.Issuer+"/admin/v1/users/"+id {
			w.t.Errorf("it is at %s", at)
		}
		again := w.want(201, ask{replica: 1, token: token, method: "POST", path: "/v1/users", body: body, header: header("Idempotency-Key", "k1")})
		if again.object(w.t)["id"] != id {
			w.t.Errorf("sent again, it makes %s", again.body)
		}
		w.want(422, ask{token: token, method: "POST", path: "/v1/users", body: object{"email": "other@example.com", "name": "o"}, header: header("Idempotency-Key", "k1")})
		w.want(409, ask{token: w.root(), method: "POST", path: "/v1/users", body: body, header: header("Idempotency-Key", "k1")})
		w.want(409, ask{token: token, method: "POST", path: "/v1/users", body: body})

		found := w.want(200, ask{replica: 1, token: w.service("reader"), method: "GET", path: "/v1/users?q=" + url.QueryEscape("김지")}).object(w.t)
		if items := found["items"].([]any); len(items) != 1 || items[0].(map[string]any)["id"] != id {
			w.t.Errorf("found %v", found)
		}
		user, err := w.Store.Users.User(w.t.Context(), id)
		w.ok(err)
		theirs := w.Tokens(w.Redeem(w.logIn(user, "1").Code())).Access
		if w.Invalid(theirs) {
			w.t.Fatal("their token is not good")
		}

		got := w.want(200, ask{token: token, method: "GET", path: "/v1/users/" + id})
		patch := ask{token: token, method: "PATCH", path: "/v1/users/" + id, body: object{"disabled": true, "reason": "left"}}
		w.want(428, patch)
		patch.header = header("If-Match", `"old"`)
		w.want(412, patch)
		patch.header = header("If-Match", got.header.Get("ETag"), "Content-Type", "application/merge-patch+json")
		changed := w.want(200, patch)
		if changed.object(w.t)["disabled"] != true {
			w.t.Errorf("%s", changed.body)
		}
		if !w.Invalid(theirs) {
			w.t.Error("their token outlives the account")
		}
		w.want(409, ask{token: token, method: "POST", path: "/v1/users/" + id + "/reset-mails", body: object{}})

		log := w.want(200, ask{replica: 1, token: token, method: "GET", path: "/v1/audit?kind=user.disabled&person=" + id}).object(w.t)["items"].([]any)
		if len(log) != 1 {
			w.t.Fatalf("the log has %v", log)
		}
		entry := log[0].(map[string]any)
		if actor := entry["actor"].(map[string]any); actor["kind"] != "client" || actor["id"] != "writer" || entry["reason"] != "left" {
			w.t.Errorf("the log says %v", entry)
		}
	})
}

// Pages are followed to the end, and no item comes twice.
func TestListsComeInPages(t *testing.T) {
	t.Parallel()
	w := one(t)
	for range 7 {
		w.person(fmt.Sprintf("page%d@example.com", w.next()))
	}
	token, seen, cursor := w.service("reader"), []string{}, ""
	for {
		page := w.want(200, ask{token: token, method: "GET", path: "/v1/users?limit=3&cursor=" + url.QueryEscape(cursor)}).object(t)
		for _, one := range page["items"].([]any) {
			seen = append(seen, one.(map[string]any)["id"].(string))
		}
		if cursor, _ = page["next"].(string); cursor == "" {
			break
		}
	}
	if unique := slices.Compact(slices.Sorted(slices.Values(seen))); len(unique) != len(seen) || len(seen) < 9 {
		t.Errorf("%d people, %d of them different", len(seen), len(unique))
	}
	for _, path := range []string{"/v1/grants?client_id=app&cursor=x", "/v1/users?limit=501", "/v1/users?limit=0", "/v1/grants", "/v1/users?state=x", "/v1/roles?cursor=%2F"} {
		w.want(422, ask{token: token, method: "GET", path: path})
	}
}

// A client's secret is in the answer that made it, and in no other, and works.
func TestASecretIsShownOnce(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		token := w.service("writer")
		create := ask{token: token, method: "POST", path: "/v1/clients", header: header("Idempotency-Key", "once"), body: object{
			"client_name": "Robot", "client_name#ko": "로봇", "grant_types": []any{"client_credentials"}, "scope": "user:lookup",
			"default_max_age": 60, "token_endpoint_auth_method": "client_secret_basic",
		}}
		made := w.want(201, create)
		secret, _ := made.object(w.t)["client_secret"].(string)
		id := made.object(w.t)["client_id"].(string)
		if secret == "" || made.header.Get("Cache-Control") != "private, no-store" {
			w.t.Fatalf("%s %v", made.body, made.header)
		}
		w.Tokens(w.TokenWith(id, secret, url.Values{"grant_type": {"client_credentials"}}))
		rotate := ask{token: token, method: "POST", path: "/v1/clients/" + id + "/secrets", header: header("Idempotency-Key", "two"), body: object{}}
		next, _ := w.want(201, rotate).object(w.t)["client_secret"].(string)
		if next == "" || next == secret {
			w.t.Errorf("the next secret is %q", next)
		}
		for _, again := range []ask{create, rotate, {token: token, method: "GET", path: "/v1/clients/" + id}, {token: token, method: "GET", path: "/v1/clients"}} {
			again.replica = 1
			if got := w.send(again); strings.Contains(got.body, secret) || strings.Contains(got.body, next) || strings.Contains(got.body, "client_secret\"") || got.status >= 300 {
				w.t.Errorf("%s %s: %d %s", again.method, again.path, got.status, got.body)
			}
		}
		if a := w.TokenWith(id, secret, url.Values{"grant_type": {"client_credentials"}}); a.Status == 200 {
			w.t.Error("the older secret works, without an overlap")
		}
		w.Tokens(w.TokenWith(id, next, url.Values{"grant_type": {"client_credentials"}}))

		got := w.want(200, ask{token: token, method: "GET", path: "/v1/clients/" + id})
		if o := got.object(w.t); o["client_name#ko"] != "로봇" || o["default_max_age"] != 60.0 || o["used_at"] == nil {
			w.t.Errorf("%s", got.body)
		}
		change := ask{token: token, method: "PATCH", path: "/v1/clients/" + id, header: header("If-Match", got.header.Get("ETag")),
			body: object{"client_name#ko": nil, "default_max_age": nil, "disabled": true}}
		changed := w.want(200, change).object(w.t)
		if changed["client_name#ko"] != nil || changed["default_max_age"] != nil || changed["disabled"] != true {
			w.t.Errorf("%v", changed)
		}
		if a := w.TokenWith(id, next, url.Values{"grant_type": {"client_credentials"}}); a.Status == 200 {
			w.t.Error("a disabled client gets tokens")
		}
	})
}

// Of two who change the same version, one is told that they came too late.
func TestTwoWhoChangeTheSameVersion(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		user, token := w.person("raced@example.com"), w.service("writer")
		etag := w.want(200, ask{token: token, method: "GET", path: "/v1/users/" + user.ID}).header.Get("ETag")
		w.Clock.Advance(time.Second) // the clock stands still otherwise, and a version is a time
		statuses := make([]int, 2)
		var both sync.WaitGroup
		for i := range statuses {
			both.Go(func() {
				statuses[i] = w.send(ask{replica: i, token: token, method: "PATCH", path: "/v1/users/" + user.ID,
					body: object{"name": fmt.Sprint("Name ", i)}, header: header("If-Match", etag)}).status
			})
		}
		both.Wait()
		slices.Sort(statuses)
		if !slices.Equal(statuses, []int{200, 412}) {
			w.t.Errorf("answered %v", statuses)
		}
	})
}

// Of many who send the same request at once, one makes something, and all get it.
func TestARequestThatComesManyTimesAtOnceMakesOneThing(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		token, ids := w.service("writer"), make([]any, 6)
		var all sync.WaitGroup
		for i := range ids {
			all.Go(func() {
				got := w.send(ask{replica: i % 2, token: token, method: "POST", path: "/v1/clients", header: header("Idempotency-Key", "same"),
					body: object{"client_name": "n", "grant_types": []any{"client_credentials"}, "scope": "user:lookup"}})
				ids[i] = got.object(w.t)["client_id"]
			})
		}
		all.Wait()
		for _, id := range ids {
			if id != ids[0] || id == nil {
				w.t.Errorf("made %v", ids)
				break
			}
		}
	})
}

func TestAServiceCannotLiftItself(t *testing.T) {
	t.Parallel()
	w := one(t)
	token := w.service("writer")
	anything := header("If-Match", "*")
	for name, a := range map[string]ask{
		"more scopes of its own":    {method: "PATCH", path: "/v1/clients/writer", body: object{"scope": "admin:write scim user:lookup"}, header: anything},
		"a new name":                {method: "PATCH", path: "/v1/clients/writer", body: object{"client_name": "Root"}, header: anything},
		"a second secret":           {method: "POST", path: "/v1/clients/writer/secrets", body: object{}},
		"tokens of administrators":  {method: "PATCH", path: "/v1/clients/app", body: object{"token_exchange_audiences": []any{w.Issuer + "/admin"}}, header: anything},
		"a client that may more":    {method: "POST", path: "/v1/clients", body: object{"client_name": "x", "grant_types": []any{"client_credentials"}, "scope": "admin:write"}},
		"a person who may more":     {method: "POST", path: "/v1/users", body: object{"email": "x@example.com", "name": "x", "roles": []any{object{"resource": "admin", "name": "admin"}}}},
		"an invitation to power":    {method: "POST", path: "/v1/invitations", body: object{"roles": []any{object{"resource": "admin", "name": "admin"}}}},
		"an administrator's mail":   {method: "POST", path: "/v1/users/" + w.Root.ID + "/reset-mails", body: object{}},
		"an administrator's e-mail": {method: "PATCH", path: "/v1/users/" + w.Root.ID, body: object{"email": "mine@example.com"}, header: anything},
		"an administrator's factor": {method: "DELETE", path: "/v1/users/" + w.Root.ID + "/factors"},
	} {
		a.token = token
		if got := w.want(403, a); !strings.Contains(got.body, "in person") {
			t.Errorf("%s: %s", name, got.body)
		}
	}
	if c, err := w.Store.Clients.Client(t.Context(), "writer"); err != nil || c.Scope != "admin:write" || c.Name != "writer" {
		t.Errorf("%+v %v", c, err)
	}
}

func TestTheLastAdministratorStays(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		token := w.root()
		id := w.Root.ID
		for name, a := range map[string]ask{
			"disabled":            {method: "PATCH", path: "/v1/users/" + id, body: object{"disabled": true}, header: header("If-Match", "*")},
			"deleted":             {method: "DELETE", path: "/v1/users/" + id + "?now=true"},
			"without the role":    {method: "DELETE", path: "/v1/users/" + id + "/roles/admin/admin"},
			"without any roles":   {method: "PUT", path: "/v1/users/" + id + "/roles", body: object{"roles": []any{}}},
			"without second step": {method: "DELETE", path: "/v1/users/" + id + "/factors"},
		} {
			a.token = token
			if got := w.want(409, a); !strings.Contains(got.body, "No administrator") {
				w.t.Errorf("%s: %s", name, got.body)
			}
		}
		other := w.person("second@example.com", roles.Admin)
		w.want(204, ask{token: token, method: "DELETE", path: "/v1/users/" + other.ID + "/roles/admin/admin"})
	})
}

// A token that was good a moment ago is refused as soon as what it came from is over.
func TestWhatIsOverCannotAdminister(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		try := func(token string) ask { return ask{replica: 1, token: token, method: "GET", path: "/v1/keys"} }
		other := w.person("other@example.com", roles.Admin)
		person, service := w.token(w.logIn(other, "2")), w.service("writer")
		w.want(200, try(person))
		w.want(200, try(service))

		w.want(200, ask{token: w.root(), method: "PATCH", path: "/v1/clients/writer", body: object{"disabled": true}, header: header("If-Match", "*")})
		w.want(401, try(service))
		w.want(204, ask{token: w.root(), method: "DELETE", path: "/v1/users/" + other.ID + "/sessions"})
		if got := w.want(401, try(person)); !strings.Contains(got.header.Get("WWW-Authenticate"), "invalid_token") {
			w.t.Errorf("%v", got.header)
		}
		again := w.token(w.logIn(other, "2"))
		w.want(204, ask{token: w.root(), method: "DELETE", path: "/v1/users/" + other.ID + "/roles/admin/admin"})
		if got := w.send(try(again)); got.status != 401 && got.status != 403 { // the token is revoked, or is not yet and the role is gone
			w.t.Errorf("%d %s", got.status, got.body)
		}
	})
}

func TestBadRequestsAreRefusedInWords(t *testing.T) {
	t.Parallel()
	w := one(t)
	user, token := w.person("bad@example.com"), w.service("writer")
	path := "/v1/users/" + user.ID
	anything := header("If-Match", "*")
	for name, test := range map[string]struct {
		a      ask
		status int
		says   string
	}{
		"a body that is too large":       {ask{method: "POST", path: "/v1/users", body: `{"email":"` + strings.Repeat("a", 70<<10) + `"}`}, 413, "too large"},
		"no JSON":                        {ask{method: "POST", path: "/v1/users", body: `{`}, 400, "JSON"},
		"a name twice":                   {ask{method: "POST", path: "/v1/users", body: `{"email":"a@example.com","name":"a","name":"b"}`}, 400, "JSON"},
		"another case":                   {ask{method: "POST", path: "/v1/users", body: object{"Email": "a@example.com", "name": "a"}}, 422, "email"},
		"a form":                         {ask{method: "POST", path: "/v1/users", body: `email=a`, header: header("Content-Type", "application/x-www-form-urlencoded")}, 415, "application/json"},
		"an unknown member":              {ask{method: "PATCH", path: path, body: object{"password": "x"}, header: anything}, 422, "password"},
		"no address":                     {ask{method: "PATCH", path: path, body: object{"email": "x"}, header: anything}, 422, "body.email"},
		"null for what stays":            {ask{method: "PATCH", path: path, body: object{"disabled": nil}, header: anything}, 422, "body.disabled"},
		"a claim that is none":           {ask{method: "PATCH", path: path, body: object{"claims": object{"sub": "x"}}, header: anything}, 422, "body.claims"},
		"a name among the claims":        {ask{method: "PATCH", path: path, body: object{"claims": object{"email": "x@example.com"}}, header: anything}, 422, "body.claims"},
		"a reason of two lines":          {ask{method: "PATCH", path: path, body: object{"disabled": true, "reason": "a\nb"}, header: anything}, 422, "body.reason"},
		"a reason that hides":            {ask{method: "DELETE", path: path + "/sessions?reason=" + url.QueryEscape("a\x1b[2Jb")}, 422, "query.reason"},
		"a reason that is too long":      {ask{method: "DELETE", path: path + "/sessions?reason=" + strings.Repeat("a", 201)}, 422, "query.reason"},
		"a malformed If-Match":           {ask{method: "PATCH", path: path, body: object{"name": "n"}, header: header("If-Match", "x")}, 400, "If-Match"},
		"a key with a space":             {ask{method: "POST", path: "/v1/users", body: object{"email": "a@example.com", "name": "a"}, header: header("Idempotency-Key", "a b")}, 422, "Idempotency-Key"},
		"a role that nobody defined":     {ask{method: "PUT", path: path + "/roles/board/pope"}, 422, "role"},
		"a resource that is none":        {ask{method: "POST", path: "/v1/roles", body: object{"resource": "x", "name": "y", "scopes": []any{"z"}}}, 422, "body.resource"},
		"a member that is none":          {ask{method: "POST", path: "/v1/clients", body: object{"client_name": "x", "client_secret": "mine"}}, 422, "client_secret"},
		"a redirect to a script":         {ask{method: "POST", path: "/v1/clients", body: object{"client_name": "x", "redirect_uris": []any{"javascript:alert(1)"}}}, 422, "redirect_uris"},
		"a key that is none":             {ask{method: "DELETE", path: "/v1/keys/x"}, 404, ""},
		"a path that is none":            {ask{method: "GET", path: "/v1/nothing"}, 404, "openapi.json"},
		"a method that is none":          {ask{method: "PUT", path: "/v1/users"}, 405, "GET"},
		"a person who is none":           {ask{method: "GET", path: "/v1/users/%00"}, 400, "UTF-8"},
		"a network address that is none": {ask{method: "GET", path: "/v1/throttles?address=x"}, 422, "address"},
		"a token in the query":           {ask{method: "GET", path: "/v1/users?access_token=x"}, 400, "once"},
	} {
		test.a.token = token
		got := w.send(test.a)
		if got.status != test.status || !strings.Contains(got.body, test.says) || got.header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %d %s, want %d %s", name, got.status, got.body, test.status, test.says)
		}
	}
	if after, err := w.Store.Users.User(t.Context(), user.ID); err != nil || after.Disabled || after.Name != user.Name {
		t.Errorf("something was changed: %+v %v", after, err)
	}
}

// planted are secrets that the database has, in any form. No answer has one of them.
func TestNoAnswerHasASecret(t *testing.T) {
	t.Parallel()
	w := one(t)
	header := "Bearer planted-secret-of-the-receiver"
	planted := []string{providertest.Secret, "planted-hash", header, "secret-of-the-app"}
	user := w.person("planted@example.com")
	w.ok(w.Store.Users.ResetPassword(t.Context(), user.ID, "planted-hash", ""))
	_, err := w.Admin.CreateClient(t.Context(), machine, "listens", client.Patch{
		"client_name": "l", "grant_types": []string{"client_credentials"}, "scope": "ssf.read"}, "")
	w.ok(err)
	token := w.service("writer")
	made := w.want(201, ask{token: token, method: "POST", path: "/v1/streams",
		body: object{"client_id": "listens", "endpoint": "https://receiver.example/events", "header": header}})
	bodies := []string{made.body}
	_, link, err := w.Admin.Invite(t.Context(), machine, admin.NewInvitation{Lifetime: admin.MinInvitation}, "")
	w.ok(err)
	planted = append(planted, link[strings.LastIndexByte(link, '=')+1:])
	for _, secret := range w.secrets {
		planted = append(planted, secret)
	}
	for path, methods := range w.document.Paths {
		if _, reads := methods["get"]; !reads {
			continue
		}
		path = strings.NewReplacer("{id}", user.ID, "{client_id}", "listens", "{queue}", "mail").Replace(path)
		switch path {
		case "/v1/streams/" + user.ID:
			path = "/v1/streams/" + made.object(t)["stream_id"].(string)
		case "/v1/grants", "/v1/consents":
			path += "?client_id=app"
		}
		bodies = append(bodies, w.send(ask{token: token, method: "GET", path: path}).body)
	}
	for _, body := range bodies {
		for _, secret := range planted {
			if strings.Contains(body, secret) {
				t.Errorf("an answer has %q: %.300s", secret, body)
			}
		}
	}
}

// The interface says what it is, to whoever knows its address alone.
func TestWhereATokenIsToBeHad(t *testing.T) {
	t.Parallel()
	w := one(t)
	get := func(path string) reply {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.replicas[0].URL+path, nil)
		w.ok(err)
		answer, err := w.replicas[0].Client().Do(r)
		w.ok(err)
		defer answer.Body.Close()
		var value map[string]any
		if err := json.NewDecoder(answer.Body).Decode(&value); err != nil {
			t.Fatal(path, err)
		}
		text, err := json.Marshal(value)
		w.ok(err)
		return reply{answer.StatusCode, answer.Header, string(text)}
	}
	metadata := get("/.well-known/oauth-protected-resource/admin")
	if o := metadata.object(t); o["resource"] != w.Issuer+"/admin" || fmt.Sprint(o["authorization_servers"]) != "["+w.Issuer+"]" ||
		fmt.Sprint(o["scopes_supported"]) != "[admin:read admin:write]" {
		t.Errorf("%s", metadata.body)
	}
	refused := w.want(401, ask{method: "GET", path: "/v1/users"})
	if !strings.Contains(refused.header.Get("WWW-Authenticate"), `resource_metadata="`+w.Issuer+`/.well-known/oauth-protected-resource/admin"`) {
		t.Errorf("%v", refused.header)
	}
	if document := get("/admin/openapi.json").object(t); document["openapi"] != "3.1.0" {
		t.Errorf("%v", document["openapi"])
	}
}

// The reference comes from this server alone, and runs nothing but what is served beside it.
func TestTheReferenceLoadsNothingFromElsewhere(t *testing.T) {
	t.Parallel()
	w := one(t)
	get := func(path string) reply { return w.want(200, ask{method: "GET", path: path}) }
	page := get("/docs")
	for _, part := range []string{"script-src 'self'", "default-src 'none'", "frame-ancestors 'none'"} {
		if policy := page.header.Get("Content-Security-Policy"); !strings.Contains(policy, part) {
			t.Errorf("the policy lacks %s: %s", part, policy)
		}
	}
	linked := regexp.MustCompile(`(?:src|href)="([^"]+)"`).FindAllStringSubmatch(page.body, -1)
	for _, one := range linked {
		if strings.Contains(one[1], "//") || !strings.HasPrefix(one[1], "docs/") && one[1] != "openapi.json" {
			t.Errorf("the page loads %s", one[1])
			continue
		}
		get("/" + one[1])
	}
	if len(linked) < 3 || !strings.Contains(page.body, `"openapi.json"`) || !strings.Contains(page.body, `"console"`) {
		t.Errorf("%s", page.body)
	}
	get("/docs/oauth2-redirect.html")
	w.want(404, ask{method: "GET", path: "/docs/nothing"})
}
