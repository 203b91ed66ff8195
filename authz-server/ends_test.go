package main

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/provider/providertest"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

// A command runs in a process of its own. What it ends is refused by the server that is running,
// and by resource services, which follow the status lists.
func TestWhatACommandEndsIsRefusedByARunningServer(t *testing.T) {
	t.Parallel()
	const person, another = "minji@example.com", "another five unrelated wooden words\n"
	for name, one := range map[string]struct {
		input string
		args  []string
		// stays: the refresh token goes on. lives: another client's token does, and the person's to it.
		stays, lives bool
	}{
		"a disabled account":          {args: []string{"user", "disable", person}},
		"a password by the operator":  {input: another, args: []string{"user", "set-password", "--email", person, "--password-stdin"}},
		"a planned deletion":          {args: []string{"user", "delete", person}},
		"a deletion without a wait":   {args: []string{"user", "delete", person, "--now"}},
		"a lost role":                 {args: []string{"user", "set-role", person}, stays: true},
		"a disabled client":           {args: []string{"client", "disable", "app"}, lives: true},
		"a deleted client":            {args: []string{"client", "delete", "app"}, lives: true},
		"a compromised secret":        {args: []string{"client", "rotate-secret", "app", "--compromised"}, lives: true},
		"a scope less for the client": {args: []string{"client", "update", "app", "--scope", "openid user:read offline_access"}, stays: true, lives: true},
		"a restored backup":           {args: []string{"after-restore"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
				f, c := providertest.New(t, databaseURL), commandLine{t, databaseURL}
				f.AddClient("other", nil)
				b := f.Browser().LogIn(f.User)
				scope := "openid user:read board:read board:moderate offline_access"
				held := f.Tokens(f.Redeem(b.Code("scope", scope)))
				others := f.Tokens(f.Token("other", providertest.CodeGrant(b.Code("client_id", "other", "scope", scope))))
				if f.Invalid(held.Access) || f.Invalid(others.Access) {
					t.Fatal("a token is revoked before")
				}
				c.mustWith(one.input, one.args...)
				f.Clock.Advance(time.Minute) // past the command's
				if !f.Invalid(held.Access) {
					t.Error("the status list says that the token is valid")
				}
				if a := f.Userinfo(held.Access); a.Status != http.StatusUnauthorized {
					t.Errorf("userinfo: %d %s", a.Status, a.Body)
				}
				if a := f.PostAs("other", "/oauth2/introspect", url.Values{"token": {held.Access}}); a.Status == http.StatusOK && a.JSON(t)["active"] != false {
					t.Errorf("introspection: %s", a.Body)
				}
				if a := f.Refresh(held.Refresh); (a.Status == http.StatusOK) != one.stays {
					t.Errorf("refresh: %d %s", a.Status, a.Body)
				} else if one.stays && f.Invalid(f.Tokens(a).Access) {
					t.Error("the next token is revoked")
				}
				if f.Invalid(others.Access) == one.lives {
					t.Errorf("the other client's token: want valid %t", one.lives)
				}
			})
		})
	}
}

func TestAClientIsDisabledAndEnabled(t *testing.T) {
	c := commandLine{t, sqldbtest.SQLite(t)}
	c.must("client", "create", "--id=demo", "--name=Demo", "--redirect-uri=https://app.example/")
	shows(t, c.must("client", "list"), "enabled")
	for range 2 {
		shows(t, c.must("client", "disable", "demo"), "disabled the client demo", "client enable demo")
	}
	shows(t, c.must("client", "list"), "disabled")
	if at, _ := document(t, c.must("client", "show", "demo"))["disabled_at"].(float64); at == 0 {
		t.Error("show says nothing")
	}
	// An operator can change it before it comes back.
	c.must("client", "update", "demo", "--name=Other")
	c.must("client", "rotate-secret", "demo")
	if at, _ := document(t, c.must("client", "show", "demo"))["disabled_at"].(float64); at == 0 {
		t.Error("a change enabled it")
	}
	shows(t, c.must("client", "enable", "demo"), "enabled the client demo")
	members(t, document(t, c.must("client", "show", "demo")), map[string]any{"disabled_at": nil, "client_name": "Other"})
	c.must("client", "disable", "demo")
	c.must("client", "delete", "demo")
	for _, command := range [][]string{{"disable", "demo"}, {"enable", "demo"}, {"rotate-secret", "demo", "--compromised"}} {
		c.refused(append([]string{"client"}, command...), "no client demo", "client list")
	}
	c.must("client", "create", "--id=app", "--name=App", "--public", "--redirect-uri=https://app.example/")
	c.refused([]string{"client", "rotate-secret", "app", "--compromised"}, "public")
}
