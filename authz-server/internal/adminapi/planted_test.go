package adminapi_test

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/proofs"
	"github.com/maru-auth/maru/authz-server/internal/provider/providertest"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/roles"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

// A copy of the database must not help to guess a password: what is kept of the request that set it
// is worth nothing without a secret of the server.
func TestWhatIsKeptOfARequestTellsNothingOfAPassword(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		w := newWorld(t, databaseURL)
		const asked = `{"email":"p@example.com","name":"P","password":"Kimchi-jjigae-77"}`
		body := object{"email": "p@example.com", "name": "P", "password": "Kimchi-jjigae-77"}
		create := func(body object) reply {
			return w.send(ask{token: w.service("writer"), method: "POST", path: "/v1/users", body: body, header: header("Idempotency-Key", "k9")})
		}
		first := create(body)
		again := create(body)
		if first.status != 201 || again.status != 201 || first.header.Get("Location") != again.header.Get("Location") {
			t.Fatalf("%d %s, again %d %s", first.status, first.body, again.status, again.body)
		}
		if other := create(object{"email": "p@example.com", "name": "P", "password": "Kimchi-jjigae-78"}); other.status != 422 {
			t.Errorf("another password by the same key: %d %s", other.status, other.body)
		}
		bare := sha256.Sum256([]byte(asked))
		beside := storetest.Beside(databaseURL)
		if beside.Count(t, `repeated_requests`) != 1 {
			t.Error("nothing is kept, and this shows nothing")
		}
		literal := map[bool]string{true: `x'%x'`, false: `'\x%x'`}[strings.HasPrefix(databaseURL, "sqlite:")]
		if beside.Count(t, `repeated_requests WHERE request = `+fmt.Sprintf(literal, bare)) != 0 {
			t.Errorf("the SHA-256 of %s is kept", asked)
		}
	})
}

// Whoever sits at an administrator's browser may be logged in at another provider, which asks nobody.
// The pages do not take that for a fresh proof, and tokens that come of it are worth as little.
func TestALogInElsewhereIsNoFreshProofOfWhoHasAWayInHere(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		w := newWorld(t, databaseURL)
		token := func(user accounts.User, by proofs.Proof) string {
			_, cookie, err := w.Store.Sessions.CreateSession(t.Context(), accounts.Session{UserID: user.ID, ACR: by.ACR(), AMR: by}, user.PasswordHash)
			w.ok(err)
			b := w.Browser()
			b.SetSession(cookie)
			return w.token(b)
		}
		create := func(token, email string) reply {
			return w.send(ask{token: token, method: "POST", path: "/v1/users", body: object{"email": email, "name": "Fed"}})
		}
		elsewhere := token(w.Root, proofs.ByUpstreamWithCode)
		if a := create(elsewhere, "fed@example.com"); a.status != 401 || !strings.Contains(a.header.Get("WWW-Authenticate"), "insufficient_user_authentication") {
			t.Errorf("a change by a log-in at another provider: %d %s", a.status, a.body)
		}
		w.want(200, ask{token: elsewhere, method: "GET", path: "/v1/users"})
		if a := create(token(w.Root, proofs.WithCode(proofs.ByUpstreamWithCode)), "code@example.com"); a.status != 201 {
			t.Errorf("with a code that this server saw: %d %s", a.status, a.body)
		}
		// Who has no way in of this server's own proves themselves where they have one.
		only, err := w.Store.Users.CreateUser(t.Context(), accounts.User{Email: "only@example.com", Name: "O", Roles: []roles.Role{roles.Admin}})
		w.ok(err)
		if a := create(token(only, proofs.ByUpstreamWithCode), "other@example.com"); a.status != 201 {
			t.Errorf("who has no way in here: %d %s", a.status, a.body)
		}
	})
}

// An app's offline access was given when its person was an administrator. It does not wait for them
// to become one again, with a second factor of months ago.
func TestAccessThatARoleGaveDoesNotComeBackWithTheRole(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		w := newWorld(t, databaseURL)
		ctx := t.Context()
		boss := w.person("boss@example.com")
		group, err := w.Store.Roles.CreateGroup(ctx, roles.Group{Name: "Operators"})
		w.ok(err)
		w.ok(w.Store.Roles.GiveGroup(ctx, group.ID, roles.Admin))
		for _, way := range []struct {
			name       string
			give, take func() error
		}{
			{
				"by themselves",
				func() error { return w.Store.Roles.Give(ctx, boss.ID, roles.Admin) },
				func() error { return w.Store.Roles.Take(ctx, boss.ID, roles.Admin) },
			},
			{
				"by a group",
				func() error { return w.Store.Roles.AddMember(ctx, group.ID, boss.ID) },
				func() error { return w.Store.Roles.RemoveMember(ctx, group.ID, boss.ID) },
			},
		} {
			w.ok(way.give())
			b := w.logIn(boss, "2")
			console := w.Tokens(w.Token("console", providertest.CodeGrant(b.Code("client_id", "console", "scope", "openid offline_access admin:read admin:write"))))
			plain := w.Tokens(w.Token("console", providertest.CodeGrant(b.Code("client_id", "console", "scope", "openid offline_access"))))
			w.want(200, ask{token: console.Access, method: "GET", path: "/v1/users"})
			w.ok(way.take())
			w.ok(way.give())
			if a := w.Token("console", providertest.RefreshGrant(console.Refresh)); a.Status != http.StatusBadRequest || !strings.Contains(a.Body, "invalid_grant") {
				t.Errorf("%s: a refresh token of before: %d %s", way.name, a.Status, a.Body)
			}
			if a := w.send(ask{token: console.Access, method: "GET", path: "/v1/users"}); a.status != 401 {
				t.Errorf("%s: an access token of before: %d", way.name, a.status)
			}
			if a := w.Token("console", providertest.RefreshGrant(plain.Refresh)); a.Status != http.StatusOK {
				t.Errorf("%s: what has nothing to do with the role: %d %s", way.name, a.Status, a.Body)
			}
			w.ok(way.take())
		}
	})
}

// A grant that a release before this one left ends at its first refresh while the role is gone.
func TestAGrantThatItsPersonCouldNotGiveEndsAtItsRefresh(t *testing.T) {
	t.Parallel()
	databaseURL := sqldbtest.SQLite(t)
	w := newWorld(t, databaseURL)
	ctx := t.Context()
	b := w.logIn(w.Root, "2")
	all := w.Tokens(w.Token("console", providertest.CodeGrant(b.Code("client_id", "console", "scope", "openid offline_access admin:read admin:write"))))
	storetest.Beside(databaseURL).Exec(t, `DELETE FROM user_roles`)
	if a := w.Token("console", providertest.RefreshGrant(all.Refresh)); a.Status != http.StatusBadRequest {
		t.Errorf("without the role: %d %s", a.Status, a.Body)
	}
	w.ok(w.Store.Roles.Give(ctx, w.Root.ID, roles.Admin))
	if a := w.Token("console", providertest.RefreshGrant(all.Refresh)); a.Status != http.StatusBadRequest {
		t.Errorf("with it again: %d %s", a.Status, a.Body)
	}
}

// The tokens that a client gets for itself have its id as their subject, which some services take for
// a person's.
func TestNoClientGetsAnIDLikeAPersons(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sqldbtest.SQLite(t))
	for _, id := range []string{w.Root.ID, strings.ToUpper(w.Root.ID), "00000000-0000-0000-0000-000000000000"} {
		a := w.send(ask{token: w.service("writer"), method: "POST", path: "/v1/clients", body: object{
			"client_id": id, "client_name": "x", "grant_types": []string{"client_credentials"}, "scope": "user:lookup",
		}})
		if a.status != 422 && a.status != 400 || !strings.Contains(a.body, "client_id") {
			t.Errorf("%s: %d %s", id, a.status, a.body)
		}
		file := `{"client_id":"` + id + `","client_name":"x","grant_types":["client_credentials"],"scope":"user:lookup"}`
		if _, err := w.Admin.ImportClients(t.Context(), machine, []byte(file), ""); err == nil || !strings.Contains(err.Error(), "client_id") {
			t.Errorf("%s by an import: %v", id, err)
		}
	}
	page, err := w.Admin.ListClients(t.Context(), machine, "", 100)
	w.ok(err)
	for _, c := range page.Items {
		if strings.EqualFold(c.ID, w.Root.ID) {
			t.Errorf("%s is there", c.ID)
		}
	}
}
