package provider_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/audit"
	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/provider/providertest"
	"github.com/maru-auth/maru/authz-server/internal/registration"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

// since are the kinds of entries after the first n, the oldest first, each with who did it.
func since(t *testing.T, f *providertest.Fixture, n int) (kinds string, all []audit.Entry) {
	t.Helper()
	all = f.Audit(t)
	all = all[:len(all)-n]
	for _, e := range all {
		kinds = fmt.Sprintf("%s %s, ", e.Kind, e.Actor.Kind) + kinds
	}
	return strings.TrimSuffix(kinds, ", "), all
}

func TestWhatAppsGetAndLoseIsInTheAuditLog(t *testing.T) {
	t.Parallel()
	providertest.Each(t, func(t *testing.T, f *providertest.Fixture) {
		f.AddClient("third", func(c *client.Client) { c.Trusted, c.Name = false, "Third" })
		f.AddTV("tv", nil)
		b := f.Browser().LogIn(f.User)
		n := len(f.Audit(t))
		want := func(what, kinds string) []audit.Entry {
			t.Helper()
			got, all := since(t, f, n)
			if got != kinds {
				t.Errorf("%s: %s, want %s", what, got, kinds)
			}
			for _, e := range all {
				if e.Person != f.User.ID || e.Actor.Kind == audit.Person && e.From != "127.0.0.1" {
					t.Errorf("%s: %+v", what, e)
				}
			}
			n += len(all)
			return all
		}

		path, page := b.Asked(providertest.Parameters("client_id", "third", "scope", "openid email"))
		want("nothing is given yet", "")
		code := b.Allow(t, path, page, "email").Parameter("code")
		given := want("an answer to the question", "grant.made person, consent.given person")
		if e := given[1]; e.Target != (audit.Target{Kind: "client", ID: "third", Label: "Third"}) || fmt.Sprint(e.Detail["scope"]) != "[openid email]" ||
			e.Actor.ID != f.User.ID || e.Proof != "1" {
			t.Errorf("%+v", e)
		}
		first := f.Tokens(f.Token("third", providertest.CodeGrant(code)))
		second := f.Tokens(f.TokenWith("third", providertest.Secret, providertest.RefreshGrant(first.Refresh)))
		want("a code and a refresh token that are exchanged", "") // they add no write
		f.Clock.Advance(time.Minute)
		f.TokenWith("third", providertest.Secret, providertest.RefreshGrant(first.Refresh)).WantError(t, http.StatusBadRequest, "invalid_grant")
		f.TokenWith("third", providertest.Secret, providertest.RefreshGrant(second.Refresh)).WantError(t, http.StatusBadRequest, "invalid_grant")
		want("a refresh token that comes again", "grant.refresh_reused client")

		code = b.Code()
		want("a trusted app", "grant.made person")
		f.Tokens(f.Redeem(code))
		f.Redeem(code).WantError(t, http.StatusBadRequest, "invalid_grant")
		want("a code that comes again", "grant.code_reused client")

		own := f.Tokens(f.Redeem(b.Code()))
		f.PostAs("app", "/oauth2/revoke", url.Values{"token": {own.Refresh}})
		f.PostAs("app", "/oauth2/revoke", url.Values{"token": {own.Refresh}})
		want("an app that gives its grant back", "grant.made person, grant.revoked client")

		codes := f.StartDevice("tv", url.Values{"scope": {"openid"}})
		b.Decide(codes.User, "allow")
		want("a device", "grant.made person")
		b.Post("/account/apps", url.Values{"client": {"third"}})
		want("an app that is removed", "consent.withdrawn person")
		b.Post("/oauth2/logout", url.Values{})
		want("a log-out", "session.ended person")
	})
}

func TestClientsThatRegisterThemselvesAreInTheAuditLog(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		r := providertest.NewRegistrar(t, databaseURL, registration.Open)
		n := len(r.Audit(t))
		made := r.Register("", `"client_name":"Self"`)
		r.Read(r.Send("PUT", made.URI, made.Token, `{"client_id":"`+made.ID+`","client_name":"Other","redirect_uris":["https://app.example/other"]}`), 200)
		r.Send("DELETE", made.URI, made.Token, "")
		kinds, all := since(t, r.Fixture, n)
		if kinds != "client.registered client, client.changed client, client.deleted client" {
			t.Error(kinds)
		}
		for _, e := range all {
			if e.Actor.ID != made.ID || e.Target.ID != made.ID {
				t.Errorf("%+v", e)
			}
			for _, secret := range []string{made.Secret, made.Token} {
				if strings.Contains(fmt.Sprintf("%+v", e), secret) {
					t.Errorf("a secret is in the log: %+v", e)
				}
			}
		}
	})
}
