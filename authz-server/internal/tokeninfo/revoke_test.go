package tokeninfo_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/provider/providertest"
)

func TestRevocation(t *testing.T) {
	t.Parallel()
	providertest.Each(t, func(t *testing.T, f *providertest.Fixture) {
		f.AddClient("other", nil)
		b := f.Browser().LogIn(f.User)
		revoke := func(id, token string, more ...string) providertest.Answer {
			form := url.Values{"token": {token}}
			for i := 0; i < len(more); i += 2 {
				form.Set(more[i], more[i+1])
			}
			return f.PostAs(id, "/oauth2/revoke", form)
		}
		first, second := f.Tokens(f.Redeem(b.Code())), f.Tokens(f.Redeem(b.Code()))
		revoke("other", first.Access).WantError(t, 400, "unauthorized_client")
		revoke("other", first.Refresh).WantError(t, 400, "unauthorized_client")
		if f.Userinfo(first.Access).Status != 200 {
			t.Fatal("another client revoked the token")
		}
		// An access token by itself: the grant goes on.
		if a := revoke("app", first.Access, "token_type_hint", "refresh_token"); a.Status != 200 {
			t.Fatalf("%d %s", a.Status, a.Body)
		}
		if f.Userinfo(first.Access).Status != 401 {
			t.Error("the revoked access token works")
		}
		next := f.Tokens(f.Refresh(first.Refresh))
		// A refresh token: the grant with all its tokens.
		if a := revoke("app", next.Refresh); a.Status != 200 || a.Body != "" {
			t.Fatalf("%d %s", a.Status, a.Body)
		}
		f.Refresh(next.Refresh).WantError(t, 400, "invalid_grant")
		if f.Userinfo(next.Access).Status != 401 {
			t.Error("the grant's access token works")
		}
		if f.Userinfo(second.Access).Status != 200 {
			t.Error("another grant was revoked as well")
		}
		for _, token := range []string{"rubbish", "a.b.c", next.Refresh, second.ID} {
			if a := revoke("app", token); a.Status != 200 {
				t.Errorf("%.10s: %d %s", token, a.Status, a.Body)
			}
		}
		revoke("app", "").WantError(t, 400, "invalid_request")
	})
}

// fosite answers 200 when the store fails; a client would believe that a stolen token is dead.
func TestAFailureToRevokeIsNoSuccess(t *testing.T) {
	t.Parallel()
	f := providertest.One(t)
	got := f.Tokens(f.Redeem(f.Browser().LogIn(f.User).Code()))
	if err := f.Store.Close(); err != nil {
		t.Fatal(err)
	}
	r := f.Request("POST", "/oauth2/revoke", url.Values{"token": {got.Refresh}})
	r.SetBasicAuth("app", providertest.Secret)
	a := f.Do(r)
	a.WantError(t, 500, "server_error")
	if strings.Contains(a.Body, "sql") || strings.Contains(a.Body, "database") {
		t.Errorf("the answer tells of the inside: %s", a.Body)
	}
}
