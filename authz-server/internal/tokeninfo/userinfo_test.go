package tokeninfo_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/provider"
	"github.com/maru-auth/maru/authz-server/internal/provider/providertest"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

// RFC 9449 §9, RFC 6750 §3: the error is in the challenge of the scheme that was used, or clients
// do not find it.
func TestUserinfoTellsTheErrorInTheChallengeOfTheScheme(t *testing.T) {
	t.Parallel()
	f := providertest.NewWith(t, sqldbtest.SQLite(t), func(c *provider.Config) { c.DPoPNonces = true })
	key := providertest.NewSigner(t, "")
	redeem := func(code, nonce string) providertest.Answer {
		r := f.Request("POST", "/oauth2/token", providertest.CodeGrant(code),
			"DPoP", key.Proof(f, "POST", "/oauth2/token", "nonce", nonce))
		r.SetBasicAuth("app", providertest.Secret)
		return f.Do(r)
	}
	code := f.Browser().LogIn(f.User).Code()
	a := redeem(code, redeem(code, "").Header.Get("DPoP-Nonce"))
	token, _ := a.JSON(t)["access_token"].(string)
	if a.Status != 200 || token == "" {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	a = f.UserinfoWithProof(token, key.Proof(f, "GET", "/oauth2/userinfo", "ath", providertest.ATH(token)))
	challenges, nonce := a.Header.Values("WWW-Authenticate"), a.Header.Get("DPoP-Nonce")
	if a.Status != 401 || len(challenges) != 1 || !strings.HasPrefix(challenges[0], "DPoP ") ||
		!strings.Contains(challenges[0], `error="use_dpop_nonce"`) ||
		!strings.Contains(challenges[0], `algs="`+strings.Join(client.Algorithms, " ")+`"`) || nonce == "" {
		t.Fatalf("%d %v", a.Status, a.Header)
	}
	if a := f.UserinfoWithProof(token, key.Proof(f, "GET", "/oauth2/userinfo", "ath", providertest.ATH(token), "nonce",
		nonce)); a.Status != 200 {
		t.Errorf("with the nonce: %d %s", a.Status, a.Body)
	}
	for _, tc := range []struct{ authorization, scheme, code string }{
		{"DPoP " + token + "x", "DPoP", "invalid_token"},
		{"Bearer " + token, "Bearer", "invalid_token"},
		{"Bearer x.y.z", "Bearer", "invalid_token"},
		{"", "Bearer", ""},
	} {
		var header []string
		if tc.authorization != "" {
			header = []string{"Authorization", tc.authorization}
		}
		a := f.Do(f.Request("GET", "/oauth2/userinfo", nil, header...))
		for _, challenge := range a.Header.Values("WWW-Authenticate") {
			told := strings.HasPrefix(challenge, tc.scheme+" ") && tc.code != ""
			if strings.Contains(challenge, "error=") != told || told && !strings.Contains(challenge, `error="`+tc.code+`"`) {
				t.Errorf("%.20q: %s", tc.authorization, challenge)
			}
		}
		if a.Status != 401 || !strings.HasPrefix(a.Header.Get("WWW-Authenticate"), tc.scheme+" ") {
			t.Errorf("%.20q: %d %v", tc.authorization, a.Status, a.Header)
		}
	}
}

func TestUserinfo(t *testing.T) {
	t.Parallel()
	f := providertest.One(t)
	b := f.Browser().LogIn(f.User)
	got := f.Tokens(f.Redeem(b.Code("scope", "openid profile email")))
	object := f.Userinfo(got.Access).JSON(t)
	if object["sub"] != f.User.ID || object["name"] != "김민지" || object["email"] != "minji@example.com" || object["email_verified"] != false {
		t.Errorf("%v", object)
	}
	if _, number := object["updated_at"].(float64); !number {
		t.Errorf("updated_at: %v", object["updated_at"])
	}
	if _, there := object["locale"]; there {
		t.Error("a claim without a value is there")
	}
	do := func(r *http.Request) providertest.Answer { return f.Do(r) }
	if a := do(f.Request("POST", "/oauth2/userinfo", nil, "Authorization", "bearer "+got.Access)); a.Status != 200 {
		t.Errorf("POST with a header: %d", a.Status)
	}
	if a := do(f.Request("POST", "/oauth2/userinfo", url.Values{"access_token": {got.Access}})); a.Status != 200 {
		t.Errorf("POST with a form: %d", a.Status)
	}
	if less := f.Userinfo(f.Tokens(f.Redeem(b.Code("scope", "openid"))).Access).JSON(t); len(less) != 1 {
		t.Errorf("scope openid alone tells %v", less)
	}

	service := f.Tokens(f.Token("app", url.Values{"grant_type": {"client_credentials"}, "scope": {"board:read"}})).Access
	expired := f.Tokens(f.Redeem(b.Code())).Access
	f.Clock.Advance(11 * time.Minute)
	fresh := f.Tokens(f.Redeem(b.Code()))
	for name, test := range map[string]struct {
		r      *http.Request
		status int
		want   string
	}{
		"no token":      {f.Request("GET", "/oauth2/userinfo", nil), 401, ""},
		"in the URL":    {f.Request("GET", "/oauth2/userinfo?access_token="+fresh.Access, nil), 401, ""},
		"ID token":      {f.Request("GET", "/oauth2/userinfo", nil, "Authorization", "Bearer "+fresh.ID), 401, "invalid_token"},
		"refresh token": {f.Request("GET", "/oauth2/userinfo", nil, "Authorization", "Bearer "+fresh.Refresh), 401, "invalid_token"},
		"expired":       {f.Request("GET", "/oauth2/userinfo", nil, "Authorization", "Bearer "+expired), 401, "invalid_token"},
		"tampered": {
			f.Request("GET", "/oauth2/userinfo", nil, "Authorization", "Bearer "+fresh.Access[:len(fresh.Access)-6]+"AAAAAA"), 401, "invalid_token",
		},
		"a service's token": {f.Request("GET", "/oauth2/userinfo", nil, "Authorization", "Bearer "+service), 401, "invalid_token"},
		"twice": {
			f.Request("POST", "/oauth2/userinfo", url.Values{"access_token": {fresh.Access}}, "Authorization", "Bearer "+fresh.Access), 400,
			"invalid_request",
		},
		"Basic": {f.Request("GET", "/oauth2/userinfo", nil, "Authorization", "Basic eDp5"), 400, "invalid_request"},
	} {
		t.Run(name, func(t *testing.T) {
			a := do(test.r)
			challenge := a.Header.Get("WWW-Authenticate")
			if a.Status != test.status || !strings.HasPrefix(challenge, "Bearer ") ||
				(test.want == "") == strings.Contains(challenge, "error=") || !strings.Contains(challenge, test.want) {
				t.Errorf("%d %q", a.Status, challenge)
			}
		})
	}
	t.Run("without openid", func(t *testing.T) {
		a := f.Userinfo(f.Tokens(f.Redeem(b.Code("scope", "board:read"))).Access)
		if a.Status != http.StatusForbidden || !strings.Contains(a.Header.Get("WWW-Authenticate"), "insufficient_scope") {
			t.Errorf("%d %v", a.Status, a.Header)
		}
	})
}
