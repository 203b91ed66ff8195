package registration_test

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/directory"
	"github.com/maru-auth/maru/authz-server/internal/provider"
	"github.com/maru-auth/maru/authz-server/internal/provider/providertest"
	"github.com/maru-auth/maru/authz-server/internal/registration"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

// vouching is a server at which clients register themselves by a token, an operator's view of its
// clients, and a client that registered itself.
func vouching(t *testing.T, databaseURL string) (*providertest.Registrar, *directory.Clients, providertest.Registered) {
	t.Helper()
	var operator *directory.Clients
	r := providertest.NewRegistrarWith(t, databaseURL, func(cfg *provider.Config, clients *directory.Config) {
		cfg.Registration, clients.Administration = registration.Token, cfg.Issuer+"/admin"
		clients.Policy = client.Policy{
			Scopes: []string{"openid", "profile", "email"}, DefaultScope: "openid profile email",
			GrantTypes: []string{client.AuthorizationCode, client.RefreshToken, client.TokenExchange},
		}
		clients.OperatorPolicy = client.Policy{Scopes: []string{"openid", "profile", "email", "admin:read", "admin:write"}, OwnScopes: []string{"scim"}}
		var err error
		if operator, err = directory.New(*clients); err != nil {
			t.Fatal(err)
		}
	})
	initial, _, err := operator.CreateInitialToken(t.Context(), directory.InitialToken{Uses: 1, Lifetime: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	return r, operator, r.Register(initial, `"client_name":"Console"`)
}

// evil is what somebody sends who would have people's codes, or secrets of their own.
func evil(id, members string) string {
	return fmt.Sprintf(`{"client_id":%q,"client_name":"Console","redirect_uris":["https://evil.example/cb"]%s}`, id, members)
}

// Whoever registered a client keeps its registration token. When an administrator gives the client
// power over the server, the token must not manage it any more, and not again when the power is gone.
func TestARegistrationTokenManagesNoClientThatAdministersTheServer(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		r, operator, c := vouching(t, databaseURL)
		ctx, path := t.Context(), "/oauth2/register/"+c.ID
		token := c.Token
		refused := func(when string) {
			t.Helper()
			for _, members := range []string{``, `,"scope":"openid admin:read admin:write"`, `,"token_endpoint_auth_method":"none"`} {
				if a := r.Send("PUT", path, token, evil(c.ID, members)); a.Status != http.StatusUnauthorized {
					t.Errorf("%s: PUT %s: %d %s", when, members, a.Status, a.Body)
				}
			}
			for _, method := range []string{"GET", "DELETE"} {
				if a := r.Send(method, path, token, ""); a.Status != http.StatusUnauthorized {
					t.Errorf("%s: %s: %d %s", when, method, a.Status, a.Body)
				}
			}
		}
		for name, crown := range map[string]client.Patch{
			"by scopes": {"scope": "openid profile email admin:read admin:write"},
			"by exchange": {
				"grant_types":              []string{client.AuthorizationCode, client.TokenExchange},
				"token_exchange_audiences": []string{r.Issuer + "/admin"},
			},
		} {
			if _, err := operator.Update(ctx, c.ID, crown); err != nil {
				t.Fatal(name, err)
			}
			refused(name)
			now, err := operator.Update(ctx, c.ID, client.Patch{
				"scope": "openid", "grant_types": []string{client.AuthorizationCode}, "token_exchange_audiences": []string{},
			})
			if err != nil || now.RedirectURIs[0] != providertest.Callback {
				t.Fatalf("%s: %+v %v", name, now, err)
			}
			refused(name + " before")

			// An operator gives the developer another one; the client is an ordinary one again.
			given, err := operator.RotateRegistrationToken(ctx, c.ID)
			if err != nil {
				t.Fatal(name, err)
			}
			r.Read(r.Send("GET", path, given.RegistrationToken, ""), http.StatusOK)
			refused(name + ", and another token")
			token = given.RegistrationToken
		}
	})
}

// A server before this one left the token in its place, and another process may crown the client
// while its owner changes it.
func TestARegistrationTokenIsJudgedByTheClientAsItIs(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		r, operator, c := vouching(t, databaseURL)
		stored, err := r.Store.Clients.Client(t.Context(), c.ID)
		if err != nil {
			t.Fatal(err)
		}
		stored.Scope += " scim"
		if err := r.Store.Clients.UpdateClient(t.Context(), stored); err != nil {
			t.Fatal(err)
		}
		if err := r.Store.Clients.CheckRegistrationToken(t.Context(), c.ID, c.Token); err != nil {
			t.Fatal("the token is gone, and this shows nothing")
		}
		for _, method := range []string{"GET", "DELETE", "PUT"} {
			body := ""
			if method == "PUT" {
				body = evil(c.ID, "")
			}
			if a := r.Send(method, "/oauth2/register/"+c.ID, c.Token, body); a.Status != http.StatusUnauthorized {
				t.Errorf("%s: %d %s", method, a.Status, a.Body)
			}
		}
		if _, err := operator.RotateRegistrationToken(t.Context(), c.ID); !errors.Is(err, directory.ErrCrowned) {
			t.Errorf("an operator makes a token for a client that administers the server: %v", err)
		}
		if _, err := operator.Update(t.Context(), c.ID, client.Patch{"scope": "openid"}); err != nil {
			t.Fatal(err)
		}
		if a := r.Send("GET", "/oauth2/register/"+c.ID, c.Token, ""); a.Status != http.StatusUnauthorized {
			t.Errorf("the token came back when the client lost the power: %d %s", a.Status, a.Body)
		}
	})
}

// Who copied a client's configuration has its registration token too, which makes secrets and keys.
func TestACompromisedClientsRegistrationTokenEnds(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		r, operator, c := vouching(t, databaseURL)
		if _, err := operator.RotateCompromised(t.Context(), c.ID); err != nil {
			t.Fatal(err)
		}
		for _, members := range []string{``, `,"token_endpoint_auth_method":"none"`, `,"token_endpoint_auth_method":"private_key_jwt","jwks_uri":"https://evil.example/jwks"`} {
			if a := r.Send("PUT", "/oauth2/register/"+c.ID, c.Token, evil(c.ID, members)); a.Status != http.StatusUnauthorized {
				t.Errorf("PUT %s: %d %s", members, a.Status, a.Body)
			}
		}
		given, err := operator.RotateRegistrationToken(t.Context(), c.ID)
		if err != nil {
			t.Fatal(err)
		}
		if now := r.Read(r.Send("GET", "/oauth2/register/"+c.ID, given.RegistrationToken, ""), http.StatusOK); now.Token != given.RegistrationToken {
			t.Errorf("%+v", now)
		}
		if _, err := operator.RotateRegistrationToken(t.Context(), "app"); !errors.Is(err, directory.ErrUnregistered) {
			t.Errorf("a client that an operator made: %v", err)
		}
	})
}
