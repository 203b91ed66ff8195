package adminaccess_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/adminaccess"
	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/issuer"
	"github.com/maru-auth/maru/authz-server/internal/proofs"
	"github.com/maru-auth/maru/authz-server/internal/provider/providertest"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/roles"
	"github.com/maru-auth/maru/authz-server/internal/tokens"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

func TestMain(m *testing.M) { sqldbtest.Main(m) }

// world is a server with the administrator f.User, and the client "console" that they and services
// use.
type world struct {
	*providertest.Fixture
	*adminaccess.Tokens
	t *testing.T
}

func each(t *testing.T, test func(w world)) {
	t.Helper()
	providertest.Each(t, func(t *testing.T, f *providertest.Fixture) {
		at, err := issuer.Parse(f.Issuer)
		ok(t, err)
		access, err := adminaccess.New(adminaccess.Config{Issuer: at, Ring: f.Ring, Tokens: f.Provider.Tokens, Store: f.Store, Now: f.Clock.Now})
		ok(t, err)
		f.AddClient("console", func(c *client.Client) { c.Scope += " admin:read admin:write" })
		ok(t, f.Store.Roles.Give(t.Context(), f.User.ID, roles.Admin))
		test(world{f, access, t})
	})
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// person is a token of the administrator, who has logged in with this acr.
func (w world) person(acr string, changes ...string) string {
	w.t.Helper()
	amr := map[string]proofs.Proof{"1": proofs.Password, "2": proofs.PasswordAndCode, "phr": proofs.SyncedPasskey}[acr]
	_, cookie, err := w.Store.Sessions.CreateSession(w.t.Context(), accounts.Session{UserID: w.User.ID, ACR: acr, AMR: amr}, w.User.PasswordHash)
	ok(w.t, err)
	b := w.Browser()
	b.SetSession(cookie)
	code := b.Code(append([]string{"client_id", "console", "scope", "openid admin:read admin:write"}, changes...)...)
	return w.Fixture.Tokens(w.Token("console", providertest.CodeGrant(code))).Access
}

func (w world) service(scope string) string {
	w.t.Helper()
	return w.Fixture.Tokens(w.Token("console", url.Values{"grant_type": {"client_credentials"}, "scope": {scope}})).Access
}

// ask asks who acts by an Authorization header.
func (w world) ask(authorization string, header ...string) (admin.Actor, *adminaccess.Refused) {
	w.t.Helper()
	r := httptest.NewRequestWithContext(context.WithoutCancel(w.t.Context()), http.MethodGet, "/admin/v1/users", nil)
	r.Header.Set("User-Agent", "stock/1.0")
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	actor, err := w.Actor(httptest.NewRecorder(), r)
	var refused *adminaccess.Refused
	if err != nil && !errors.As(err, &refused) {
		w.t.Fatalf("an error that is no answer: %v", err)
	}
	return actor, refused
}

func (w world) wantRefused(authorization string, status int, says ...string) {
	w.t.Helper()
	_, refused := w.ask(authorization)
	if refused == nil {
		w.t.Errorf("it passes; want %d %v", status, says)
		return
	}
	text := refused.Challenge + refused.Detail
	if refused.Status != status || slices.ContainsFunc(says, func(part string) bool { return !strings.Contains(text, part) }) {
		w.t.Errorf("%d %s, want %d %v", refused.Status, text, status, says)
	}
}

func TestATokenTellsWhoActs(t *testing.T) {
	t.Parallel()
	each(t, func(w world) {
		actor, refused := w.ask("Bearer " + w.person("2"))
		if refused != nil {
			w.t.Fatal(refused)
		}
		want := admin.Actor{
			Kind: admin.Person, ID: w.User.ID, Name: w.User.Email, Rights: admin.Reading | admin.Writing, ACR: "2",
			AuthTime: w.Clock.Now().Truncate(time.Second), From: "192.0.2.1", UserAgent: "stock/1.0",
		}
		if !actor.AuthTime.Equal(want.AuthTime) {
			w.t.Errorf("proved at %v", actor.AuthTime)
		}
		if actor.AuthTime = want.AuthTime; actor != want {
			w.t.Errorf("got %+v, want %+v", actor, want)
		}
		for scope, rights := range map[string]admin.Rights{
			"admin:read": admin.Reading, "admin:write": admin.Writing, "admin:read admin:write": admin.Reading | admin.Writing,
		} {
			actor, refused := w.ask("Bearer " + w.service(scope))
			if refused != nil || actor.Kind != admin.Client || actor.ID != "console" || actor.Name != "console" || actor.Rights != rights || actor.ACR != "" {
				w.t.Errorf("%s: %+v %v", scope, actor, refused)
			}
		}
	})
}

func TestWhoIsNoAdministrationsTokenIsRefused(t *testing.T) {
	t.Parallel()
	each(t, func(w world) {
		ctx := w.t.Context()
		metadata := `resource_metadata="` + w.Issuer + `/.well-known/oauth-protected-resource/admin"`
		w.wantRefused("", 401, "Bearer", metadata)
		w.wantRefused("Bearer nonsense", 401, "invalid_token", metadata)
		w.wantRefused("Bearer "+w.service("user:lookup"), 401, "invalid_token", "another resource")
		w.wantRefused("Bearer "+w.person("1"), 401, "insufficient_user_authentication", `acr_values="2 phr"`, metadata)
		w.wantRefused("DPoP "+w.person("2"), 401, "not bound")

		// What only names the resource, among others, is no token for it: the other could use it here.
		c, err := w.Store.Clients.Client(ctx, "console")
		ok(w.t, err)
		person := w.person("2")
		_, claims := providertest.Decode(w.t, person)
		id, _, _ := strings.Cut(claims["jti"].(string), ".")
		grant, err := w.Store.Grants.Grant(ctx, id)
		ok(w.t, err)
		mint := func(want tokens.AccessSpec) string {
			w.t.Helper()
			want.Scope = []string{"admin:read", "admin:write"}
			token, err := w.Provider.Tokens.AccessAgain(ctx, &c, &grant, want)
			ok(w.t, err)
			return token
		}
		both := []string{w.Audience(), providertest.APIOrigin + "/board"}
		w.wantRefused("Bearer "+mint(tokens.AccessSpec{Audience: both}), 403, "for this resource alone")
		// Nor is one for this resource and any other, wherever that is: services may be below the issuer.
		for _, other := range []string{
			w.Issuer, w.Issuer + "/", w.Issuer + "/board", w.Audience() + "/", w.Audience() + "/v1", w.Audience() + "/../x", w.Audience() + "%2f..",
			w.Audience() + "?x", strings.ToUpper(w.Audience()), w.Issuer + "/x/../admin", "", " ", "urn:x",
		} {
			w.wantRefused("Bearer "+mint(tokens.AccessSpec{Audience: []string{w.Audience(), other}}), 403, "for this resource alone")
			w.wantRefused("Bearer "+mint(tokens.AccessSpec{Audience: []string{other, w.Audience()}}), 403, "for this resource alone")
			w.wantRefused("Bearer "+mint(tokens.AccessSpec{Audience: []string{other}}), 401, "invalid_token")
		}
		own := []string{w.Audience()}
		w.wantRefused("Bearer "+mint(tokens.AccessSpec{Audience: own, Actor: &tokens.Actor{Subject: "board"}}), 403, "acts for a person")
		w.wantRefused("Bearer "+mint(tokens.AccessSpec{Audience: own, Withheld: []string{}}), 403, "acts for a person")

		// A token of the server's own, for a call to a service, is none of an operator's.
		token, err := w.Provider.Tokens.Own(ctx, nil, tokens.AccessSpec{Audience: own, Scope: []string{"admin:write"}})
		ok(w.t, err)
		w.wantRefused("Bearer "+token, 401, "invalid_token")
	})
}

func TestATokenThatWasRevokedIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	each(t, func(w world) {
		ctx := w.t.Context()
		revoked, loggedOut, disabled := w.person("2"), w.person("phr"), w.service("admin:write")
		for _, token := range []string{revoked, loggedOut, disabled} {
			if _, refused := w.ask("Bearer " + token); refused != nil {
				w.t.Fatal(refused)
			}
		}
		w.PostAs("console", "/oauth2/revoke", url.Values{"token": {revoked}})
		w.wantRefused("Bearer "+revoked, 401, "invalid_token", "revoked")

		_, claims := providertest.Decode(w.t, loggedOut)
		ok(w.t, w.Store.Sessions.EndSessionByAdmin(ctx, w.User.ID, claims["sid"].(string)))
		w.wantRefused("Bearer "+loggedOut, 401, "invalid_token", "revoked")

		ok(w.t, w.Store.Clients.Disable(ctx, "console"))
		w.wantRefused("Bearer "+disabled, 401, "invalid_token")
		ok(w.t, w.Store.Clients.Enable(ctx, "console"))

		closed := w.person("2")
		ok(w.t, w.Store.Users.SetDisabled(ctx, w.User.ID, true))
		w.wantRefused("Bearer "+closed, 401, "invalid_token")
		ok(w.t, w.Store.Users.SetDisabled(ctx, w.User.ID, false))

		late := w.service("admin:read")
		w.Clock.Advance(10 * time.Minute)
		w.wantRefused("Bearer "+late, 401, "expired")
	})
}

func TestABoundTokenIsUsedWithAProofOnceAtAllReplicas(t *testing.T) {
	t.Parallel()
	each(t, func(w world) {
		at, err := issuer.Parse(w.Issuer)
		ok(w.t, err)
		other, err := adminaccess.New(adminaccess.Config{Issuer: at, Ring: w.Ring, Tokens: w.Provider.Tokens, Store: w.Store, Now: w.Clock.Now})
		ok(w.t, err)
		key := providertest.NewSigner(w.t, "")
		a := w.PostAs("console", "/oauth2/token", url.Values{"grant_type": {"client_credentials"}, "scope": {"admin:read"}},
			"DPoP", key.Proof(w.Fixture, "POST", "/oauth2/token"))
		token, _ := a.JSON(w.t)["access_token"].(string)
		proof := key.Proof(w.Fixture, "GET", "/admin/v1/users", "ath", providertest.ATH(token))
		if actor, refused := w.ask("DPoP "+token, "DPoP", proof); refused != nil || actor.ID != "console" {
			w.t.Fatalf("%+v %v", actor, refused)
		}
		second := world{w.Fixture, other, w.t}
		for name, one := range map[string]world{"this replica": w, "another": second} {
			if _, refused := one.ask("DPoP "+token, "DPoP", proof); refused == nil || !strings.Contains(refused.Detail, "used before") {
				w.t.Errorf("%s: %v", name, refused)
			}
		}
		w.wantRefused("Bearer "+token, 401, "bound to a key")
		elsewhere := key.Proof(w.Fixture, "GET", "/admin/v1/clients", "ath", providertest.ATH(token))
		if _, refused := w.ask("DPoP "+token, "DPoP", elsewhere); refused == nil || refused.Status != 401 {
			w.t.Errorf("a proof for another path: %v", refused)
		}
	})
}

func TestARefusalOfAnOperationSaysWhatWouldHelp(t *testing.T) {
	t.Parallel()
	w := world{t: t}
	at, err := issuer.Parse("https://login.example/id")
	ok(t, err)
	w.Tokens, err = adminaccess.New(adminaccess.Config{Issuer: at})
	ok(t, err)
	for _, test := range []struct {
		why    admin.Why
		method string
		status int
		says   string
	}{
		{admin.NeedsSecondFactor, "POST", 401, `acr_values="2 phr"`},
		{admin.NeedsFreshProof, "POST", 401, `error_description="More recent authentication is required.", acr_values="2 phr", max_age="600"`},
		{admin.NoRight, "GET", 403, `scope="admin:read"`},
		{admin.NoRight, "POST", 403, `scope="admin:write"`},
		{admin.OnlyReads, "DELETE", 403, `scope="admin:write"`},
		{admin.NeedsDirectory, "POST", 403, `scope="scim"`},
		{admin.NeedsPerson, "POST", 403, "An administrator does it in person"},
		{admin.NeedsMachine, "POST", 403, "command"},
		{admin.ActorGone, "POST", 403, "no longer"},
		{admin.LastAdministrator, "DELETE", 409, "No administrator"},
	} {
		r := httptest.NewRequestWithContext(t.Context(), test.method, "/admin/v1/x", nil)
		refused := w.Refused(r, &admin.Refused{Why: test.why})
		text := refused.Challenge + refused.Detail
		if refused.Status != test.status || !strings.Contains(strings.ToLower(text), strings.ToLower(test.says)) || refused.Reason != string(test.why) {
			t.Errorf("%s: %d %s %s, want %d %s", test.why, refused.Status, refused.Reason, text, test.status, test.says)
		}
		if refused.Challenge != "" && !strings.Contains(refused.Challenge, `"https://login.example/.well-known/oauth-protected-resource/id/admin"`) {
			t.Errorf("%s does not say where the metadata is: %s", test.why, refused.Challenge)
		}
	}
	r := httptest.NewRequestWithContext(t.Context(), "GET", "/", nil)
	if refused := w.Refused(r, errors.New("another")); refused != nil {
		t.Errorf("another error: %v", refused)
	}
}
