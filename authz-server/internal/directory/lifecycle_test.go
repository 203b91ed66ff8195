package directory_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/directory"
	"github.com/maru-auth/maru/authz-server/internal/opaque"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/limits"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

// works tells which of secrets a client has now.
func (f *fixture) works(t *testing.T, id string, secrets ...string) (works []string) {
	t.Helper()
	_, hashes, err := f.Client(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range secrets {
		if slices.ContainsFunc(hashes, func(hash []byte) bool { return slices.Equal(hash, opaque.Hash(secret)) }) {
			works = append(works, secret)
		}
	}
	return works
}

func TestAnOperatorsClientFromCreationToRemoval(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		f := newFixture(t, databaseURL)
		app := client.Patch{"client_name": "App", "redirect_uris": []string{"https://app.example/"}, "trusted": true}
		made, err := f.Create(t.Context(), "", app)
		if err != nil || made.ID == "" || made.Secret == "" || !made.Trusted || !made.RequirePKCE || !made.IDTokenClaims || made.Unvouched {
			t.Fatalf("%+v, %v", made, err)
		}
		if _, err := f.Create(t.Context(), made.ID, app); !errors.Is(err, store.ErrExists) {
			t.Errorf("a second of the same id: %v", err)
		}
		rotated, err := f.RotateSecret(t.Context(), made.ID, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		if got := f.works(t, made.ID, made.Secret, rotated.Secret); len(got) != 2 {
			t.Errorf("within the overlap: %q", got)
		}
		f.clock.Advance(time.Hour)
		if got := f.works(t, made.ID, made.Secret, rotated.Secret); !slices.Equal(got, []string{rotated.Secret}) {
			t.Errorf("after the overlap: %q", got)
		}
		changed, err := f.Update(t.Context(), made.ID, client.Patch{"client_name": "Other"})
		if err != nil || changed.Name != "Other" || changed.Secret != "" {
			t.Errorf("%+v, %v", changed, err)
		}
		// The secrets follow the way in which it authenticates.
		changed, err = f.Update(t.Context(), made.ID, client.Patch{"token_endpoint_auth_method": client.AuthNone})
		if err != nil || changed.Secret != "" {
			t.Errorf("%+v, %v", changed, err)
		}
		if got := f.works(t, made.ID, made.Secret, rotated.Secret); got != nil {
			t.Errorf("secrets of a public client: %q", got)
		}
		if _, err := f.RotateSecret(t.Context(), made.ID, 0); !errors.Is(err, directory.ErrPublic) {
			t.Error(err)
		}
		again, err := f.Update(t.Context(), made.ID, client.Patch{"token_endpoint_auth_method": client.AuthPost})
		if err != nil || len(f.works(t, made.ID, again.Secret)) != 1 {
			t.Errorf("%+v, %v", again, err)
		}
		if _, err := f.Remove(t.Context(), made.ID); err != nil {
			t.Error(err)
		}
		if _, err := f.Update(t.Context(), made.ID, client.Patch{"client_name": "x"}); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("after the removal: %v", err)
		}
	})
}

// A replica that remembers a client goes on for two seconds with what it had, so what that gives is
// revoked.
func TestAChangeThatTakesSomethingFromAClientRevokesItsTokens(t *testing.T) {
	t.Parallel()
	f := newFixture(t, sqldbtest.SQLite(t))
	made, err := f.Create(t.Context(), "", client.Patch{
		"client_name": "App", "redirect_uris": []string{"https://app.example/"}, "scope": "openid profile",
		"grant_types": []string{"authorization_code", "refresh_token"},
	})
	if err != nil {
		t.Fatal(err)
	}
	epoch := made.Epoch
	for _, one := range []struct {
		name, member string
		value        any
		revokes      bool
	}{
		{"a name", "client_name", "Other", false},
		{"a redirect URI more", "redirect_uris", []string{"https://app.example/", "https://app.example/2"}, false},
		{"a scope less", "scope", "openid", true},
		{"a scope more", "scope", "openid profile", false},
		{"a grant type less", "grant_types", []string{"authorization_code"}, true},
		{"a grant type more", "grant_types", []string{"authorization_code", "refresh_token"}, false},
		{"tokens bound to keys", "dpop_bound_access_tokens", true, true},
		{"tokens bound to nothing", "dpop_bound_access_tokens", false, false},
		{"no secret", "token_endpoint_auth_method", client.AuthNone, true},
		{"a secret", "token_endpoint_auth_method", client.AuthBasic, false},
	} {
		changed, err := f.Update(t.Context(), made.ID, client.Patch{one.member: one.value})
		if err != nil {
			t.Fatalf("%s: %v", one.name, err)
		}
		if revoked := changed.Epoch != epoch; revoked != one.revokes {
			t.Errorf("%s: revoked: %v", one.name, revoked)
		}
		epoch = changed.Epoch
	}
}

func TestMetadataThatOnlyDevelopmentAllowsIsTold(t *testing.T) {
	t.Parallel()
	f := one(t)
	service := client.Patch{"client_name": "x", "grant_types": []string{client.ClientCredentials}}
	for uri, loopback := range map[string]bool{"http://127.0.0.1/jwks": true, "http://app.example/jwks": false} {
		service["jwks_uri"] = uri
		var wrong *client.Error
		_, err := f.Create(t.Context(), "", service)
		if !errors.As(err, &wrong) || wrong.Field != "jwks_uri" || errors.Is(err, directory.ErrLoopback) != loopback {
			t.Errorf("%s: %v", uri, err)
		}
	}
}

func TestAnImportIsAllOrNothing(t *testing.T) {
	t.Parallel()
	f := one(t)
	const good = `{"client_id":"good","redirect_uris":["https://app.example/cb"]}`
	if _, err := f.Import(t.Context(), []byte(`[`+good+`,{"client_id":"bad"}]`)); err == nil {
		t.Error("a bad entry is taken")
	}
	if _, _, err := f.Client(t.Context(), "good"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the good entry beside it: %v", err)
	}
	for _, want := range []directory.Outcome{directory.Created, directory.Unchanged} {
		done, err := f.Import(t.Context(), []byte(good))
		if err != nil || len(done) != 1 || done[0].Outcome != want || (done[0].Secret != "") != (want == directory.Created) {
			t.Errorf("%+v, %v", done, err)
		}
	}
}

func TestAClientRegistersItself(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		f := newFixture(t, databaseURL)
		const metadata = `"redirect_uris":["https://app.example/cb"],"trusted":true,"scope":"openid other"`
		register := func(token string) (directory.Issued, error) {
			return f.Register(t.Context(), directory.Registration{
				Metadata: []byte(`{` + metadata + `}`), InitialToken: token, Networks: []string{"192.0.2.1"},
			})
		}
		made, err := register("")
		if err != nil || made.Trusted || made.Scope != "openid" || !made.Unvouched || !made.RequirePKCE {
			t.Fatalf("%+v, %v", made, err)
		}
		if len(f.works(t, made.ID, made.Secret)) != 1 {
			t.Error("its secret does not work")
		}
		if _, _, err := f.Managed(t.Context(), made.ID, made.RegistrationToken); err != nil {
			t.Error(err)
		}
		if _, _, err := f.Managed(t.Context(), made.ID, made.Secret); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("its secret is its registration token: %v", err)
		}
		own := `{"client_id":"` + made.ID + `","client_secret":"` + made.Secret + `","client_name":"Self",` + metadata + `}`
		changed, err := f.Replace(t.Context(), made.ID, made.RegistrationToken, []byte(own))
		if err != nil || changed.Name != "Self" || changed.Trusted || changed.Secret != "" || !changed.Unvouched {
			t.Errorf("%+v, %v", changed, err)
		}
		// An initial token vouches for as many clients as it has uses.
		token, _, err := f.CreateInitialToken(t.Context(), directory.InitialToken{Uses: 1, Lifetime: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		if vouched, err := register(token); err != nil || vouched.Unvouched || vouched.RequirePKCE {
			t.Errorf("%+v, %v", vouched, err)
		}
		if _, err := register(token); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("a used token: %v", err)
		}
	})
}

// What a client may do for itself is never something that people are asked for, whoever changes it.
func TestAScopeOfAClientsOwnStaysItsOwn(t *testing.T) {
	t.Parallel()
	f := one(t)
	const redirect = `"redirect_uris":["https://app.example/cb"]`
	made, err := f.Register(t.Context(), directory.Registration{
		Metadata: []byte(`{` + redirect + `,"scope":"openid ssf.manage"}`), Networks: []string{"192.0.2.1"},
	})
	if err != nil || made.Scope != "openid" {
		t.Fatalf("a stranger asks for it: %q, %v", made.Scope, err)
	}
	const eraser = `"grant_types":["client_credentials"],"response_types":[],"redirect_uris":[],"scope":"ssf.manage"`
	if changed, err := f.Update(t.Context(), made.ID, client.Patch{
		"grant_types": []string{"client_credentials"}, "redirect_uris": []string{}, "scope": "ssf.manage",
	}); err != nil || changed.Scope != "ssf.manage" {
		t.Fatalf("an operator gives it: %q, %v", changed.Scope, err)
	}
	own := `{"client_id":"` + made.ID + `","client_secret":"` + made.Secret + `",`
	if changed, err := f.Replace(t.Context(), made.ID, made.RegistrationToken, []byte(own+eraser+`}`)); err != nil || changed.Scope != "ssf.manage" {
		t.Errorf("the client keeps it: %q, %v", changed.Scope, err)
	}
	var wrong *client.Error
	_, err = f.Replace(t.Context(), made.ID, made.RegistrationToken, []byte(own+redirect+`,"grant_types":["authorization_code"],"scope":"ssf.manage"}`))
	if !errors.As(err, &wrong) || wrong.Field != "scope" {
		t.Errorf("the client asks people for it: %v", err)
	}
}

func TestStrangersRegisterSoManyClients(t *testing.T) {
	t.Parallel()
	f := one(t)
	register := func(network string) error {
		_, err := f.Register(t.Context(), directory.Registration{
			Metadata: []byte(`{"redirect_uris":["https://app.example/cb"]}`), Networks: []string{network},
		})
		return err
	}
	for range 100 {
		if err := register("192.0.2.1"); err != nil {
			t.Fatal(err)
		}
	}
	var full *limits.QuotaError
	if err := register("192.0.2.1"); !errors.As(err, &full) {
		t.Errorf("one too many: %v", err)
	}
	if err := register("192.0.2.2"); err != nil {
		t.Errorf("another network: %v", err)
	}
	f.clock.Advance(time.Hour)
	if err := register("192.0.2.1"); err != nil {
		t.Errorf("an hour later: %v", err)
	}
}
