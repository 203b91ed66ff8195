package provider_test

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/keys"
	"github.com/maru-auth/maru/authz-server/internal/keys/keystest"
	"github.com/maru-auth/maru/authz-server/internal/provider/providertest"
)

// stealKey returns the private half of the server's RS256 key, and its kid.
func stealKey(t *testing.T, f *providertest.Fixture) (*rsa.PrivateKey, string) {
	t.Helper()
	rows, _, err := f.Store.Keys.SigningKeys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		if row.Alg != keys.RS256 {
			continue
		}
		der, _, err := keystest.KEK(t).Open("signing key", row.PrivateKey, row.Alg, row.KID)
		if err != nil {
			t.Fatal(err)
		}
		private, err := x509.ParsePKCS8PrivateKey(der)
		if err != nil {
			t.Fatal(err)
		}
		return private.(*rsa.PrivateKey), row.KID
	}
	t.Fatal("no key")
	return nil, ""
}

// forge makes a token of a thief: that of somebody with other claims, under the name of any key.
func forge(t *testing.T, stolen *rsa.PrivateKey, kid, token string, changes map[string]any) string {
	t.Helper()
	header, claims := providertest.Decode(t, token)
	header["kid"] = kid
	for name, value := range changes {
		claims[name] = value
	}
	encode := base64.RawURLEncoding.EncodeToString
	var parts []string
	for _, part := range []map[string]any{header, claims} {
		text, err := json.Marshal(part)
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, encode(text))
	}
	digest := sha256.Sum256([]byte(strings.Join(parts, ".")))
	signature, err := rsa.SignPKCS1v15(nil, stolen, crypto.SHA256, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(append(parts, encode(signature)), ".")
}

// withdrawKey does what the command does, in a process of its own, and what the server's ring does
// within half a second.
func withdrawKey(t *testing.T, f *providertest.Fixture, kid string) {
	t.Helper()
	ring, err := keys.Open(t.Context(), keys.Config{
		Store: f.Store.Keys, KEK: keystest.KEK(t), Now: f.Clock.Now, Log: slog.New(slog.DiscardHandler), RefreshLifetime: 90 * 24 * time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := ring.Withdraw(t.Context(), keys.Withdrawal{KIDs: []string{kid}}); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Ring.ReadWithdrawn(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// exchangeAs exchanges a person's token as the service "board".
func exchangeAs(f *providertest.Fixture, token string) providertest.Answer {
	return f.Token("board", url.Values{
		"grant_type": {"urn:ietf:params:oauth:grant-type:token-exchange"}, "subject_token": {token},
		"subject_token_type": {"urn:ietf:params:oauth:token-type:access_token"}, "audience": {providertest.APIOrigin + "/user"},
	})
}

func introspect(f *providertest.Fixture, token string) any {
	return f.PostAs("app", "/oauth2/introspect", url.Values{"token": {token}}).JSON(f.T)["active"]
}

func TestNoEndpointTakesATokenOfAWithdrawnKey(t *testing.T) {
	t.Parallel()
	f := providertest.One(t)
	f.AddClient("board", func(c *client.Client) {
		c.GrantTypes, c.RedirectURIs = []string{"urn:ietf:params:oauth:grant-type:token-exchange"}, nil
		c.Audiences, c.TokenExchangeAudiences = []string{providertest.APIOrigin + "/board"}, []string{providertest.APIOrigin + "/user"}
	})
	b := f.Browser().LogIn(f.User)
	redeem := func() providertest.Tokens { return f.Tokens(f.Redeem(b.Code())) }
	before := redeem()
	stolen, leaked := stealKey(t, f)
	// While the key is good, the forgeries are: it is the withdrawal that they fail by.
	if a := f.Userinfo(forge(t, stolen, leaked, before.Access, nil)); a.Status != http.StatusOK {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	withdrawKey(t, f, leaked)
	after := redeem()
	header, _ := providertest.Decode(t, after.Access)
	good := header["kid"].(string)
	if good == leaked {
		t.Fatal("it signs still")
	}

	later := f.Clock.Now().Add(24 * time.Hour).Unix()
	grant, _, _ := strings.Cut(claim(t, after.Refresh, "jti"), ".")
	for name, kid := range map[string]string{"its name": leaked, "the successor's": good, "no name": "", "an unknown one": strings.Repeat("A", 43)} {
		t.Run(name, func(t *testing.T) {
			for _, token := range []string{
				before.Access, forge(t, stolen, kid, before.Access, nil), forge(t, stolen, kid, after.Access, map[string]any{"exp": later}),
			} {
				if a := f.Userinfo(token); a.Status != http.StatusUnauthorized || !strings.Contains(a.Header.Get("WWW-Authenticate"), "invalid_token") {
					t.Errorf("userinfo: %d %v", a.Status, a.Header)
				}
				if active := introspect(f, token); active != false {
					t.Errorf("introspection: %v", active)
				}
				if a := exchangeAs(f, token); a.Status != http.StatusBadRequest {
					t.Errorf("exchange: %d %s", a.Status, a.Body)
				}
			}
			for _, token := range []string{
				before.Refresh, forge(t, stolen, kid, before.Refresh, nil), forge(t, stolen, kid, after.Refresh, nil),
				// The token before, which would be a reuse, and that after, of a grant that lives.
				forge(t, stolen, kid, after.Refresh, map[string]any{"jti": grant + ".0"}),
				forge(t, stolen, kid, after.Refresh, map[string]any{"jti": grant + ".2"}),
			} {
				f.Refresh(token).WantError(t, http.StatusBadRequest, "invalid_grant")
				if active := introspect(f, token); active != false {
					t.Errorf("introspection: %v", active)
				}
				if a := f.PostAs("app", "/oauth2/revoke", url.Values{"token": {token}}); a.Status != http.StatusOK {
					t.Errorf("revocation: %d %s", a.Status, a.Body)
				}
			}
			hint := forge(t, stolen, kid, after.ID, nil)
			if a := b.Authorize("id_token_hint", hint); a.Parameter("error") != "invalid_request" {
				t.Errorf("authorization: %d %v", a.Status, a.Location)
			}
			// To another person's browser the hint would be proof enough to be logged out without a
			// question.
			if a := b.Get("/oauth2/logout?" + url.Values{"id_token_hint": {hint}}.Encode()); a.Status == http.StatusSeeOther || a.Location != nil {
				t.Errorf("log-out: %d %v", a.Status, a.Location)
			}
			if a := b.Authorize("prompt", "none"); a.Parameter("code") == "" {
				t.Errorf("the person is logged out: %v", a.Location)
			}
		})
	}

	// What the thief tried has not touched what is good, nor does the person need a password.
	if a := f.Userinfo(after.Access); a.Status != http.StatusOK {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	if a := exchangeAs(f, after.Access); a.Status != http.StatusOK {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	f.Tokens(f.Refresh(after.Refresh))
}

func claim(t *testing.T, token, name string) string {
	t.Helper()
	_, claims := providertest.Decode(t, token)
	text, _ := claims[name].(string)
	return text
}

// Applications know no better hint than the ID token that they have.
func TestPeopleLogOutOfAppsWhoseIDTokenIsOfAWithdrawnKey(t *testing.T) {
	t.Parallel()
	f := providertest.One(t)
	b := f.Browser().LogIn(f.User)
	hint := f.Tokens(f.Redeem(b.Code())).ID
	_, leaked := stealKey(t, f)
	withdrawKey(t, f, leaked)
	const bye = "https://app.example/bye"
	for name, test := range map[string]struct {
		more url.Values
		next string
	}{
		"with its name":         {url.Values{"client_id": {"app"}, "post_logout_redirect_uri": {bye}}, bye},
		"without its name":      {url.Values{"post_logout_redirect_uri": {bye}}, ""},
		"without an address":    {nil, ""},
		"under another's name":  {url.Values{"client_id": {"board"}}, ""},
		"with a wrong address":  {url.Values{"post_logout_redirect_uri": {"https://evil.example"}}, ""},
		"of nobody in this one": {url.Values{"state": {"s"}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			b := f.Browser().LogIn(f.User)
			form := url.Values{"id_token_hint": {hint}}
			for key, values := range test.more {
				form[key] = values
			}
			asked := b.Get("/oauth2/logout?" + form.Encode())
			if asked.Status != http.StatusOK || !strings.Contains(asked.Body, `id="logout"`) {
				t.Fatalf("it is not asked: %d %s", asked.Status, asked.Body)
			}
			a := b.Post("/oauth2/logout", form)
			if test.next != "" && (a.Location == nil || a.Location.String() != test.next) || test.next == "" && a.Status != http.StatusOK {
				t.Errorf("%d %v %s", a.Status, a.Location, a.Body)
			}
			if a := b.Authorize("prompt", "none"); a.Parameter("error") != "login_required" {
				t.Errorf("still logged in: %v", a.Location)
			}
		})
	}
}

// A key is withdrawn in the seconds in which a client repeats a refresh whose answer it lost.
func TestARepeatedRefreshWhoseSuccessorIsOfAWithdrawnKeyIsRefused(t *testing.T) {
	t.Parallel()
	f := providertest.One(t)
	first := f.Tokens(f.Redeem(f.Browser().LogIn(f.User).Code()))
	if err := f.Ring.Rotate(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	next := f.Tokens(f.Refresh(first.Refresh))
	header, _ := providertest.Decode(t, next.Refresh)
	withdrawKey(t, f, header["kid"].(string))
	f.Refresh(first.Refresh).WantError(t, http.StatusBadRequest, "invalid_grant")
	f.Refresh(next.Refresh).WantError(t, http.StatusBadRequest, "invalid_grant")
}
