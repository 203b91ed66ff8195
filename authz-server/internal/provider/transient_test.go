package provider_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/provider/providertest"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

func TestWhateverPostgresCannotJustNowIsAnsweredWithATimeToComeBack(t *testing.T) {
	t.Parallel()
	wire := sqldbtest.StartWire(t, sqldbtest.Postgres(t))
	f := providertest.New(t, wire.URL)
	f.AddClient("service", func(c *client.Client) { c.GrantTypes = []string{client.ClientCredentials} })
	b := f.Browser().LogIn(f.User)
	got := f.Tokens(f.Redeem(b.Code()))
	for _, code := range sqldbtest.Transient {
		if code == "57P03" || code == "53300" { // requests wait for a place, and here without a limit
			continue
		}
		wire.Fail(&sqldbtest.Fault{Code: code})
		for name, a := range map[string]providertest.Answer{
			"refresh":  f.Refresh(got.Refresh),
			"userinfo": f.Userinfo(got.Access),
			"revoke": f.PostForm("/oauth2/revoke", url.Values{"token": {got.Refresh}, "client_id": {"app"},
				"client_secret": {providertest.Secret}}),
		} {
			if a.Status != http.StatusServiceUnavailable || a.Header.Get("Retry-After") == "" ||
				!strings.Contains(a.Body, `"temporarily_unavailable"`) || strings.Contains(a.Body, code) {
				t.Errorf("%s after %s: %d %v %s", name, code, a.Status, a.Header, a.Body)
			}
		}
		for path, text := range map[string]string{"/account?ui_locales=en": "en", "/account?ui_locales=ko": "ko", "/oauth2/authorize?client_id=app&ui_locales=ko": "ko"} {
			a := b.Get(path)
			if a.Status != http.StatusServiceUnavailable || a.Header.Get("Retry-After") == "" ||
				!strings.Contains(a.Body, "temporarily_unavailable") || !strings.Contains(a.Body, `lang="`+text+`"`) {
				t.Errorf("%s after %s: %d %v %.600s", path, code, a.Status, a.Header, a.Body)
			}
		}
		wire.Fail(nil)
	}
	// None of them has ended or spent anything.
	got = f.Tokens(f.Refresh(got.Refresh))
	// An answer of the database that is lost after the commit: the same successor comes again.
	wire.Fail(&sqldbtest.Fault{Text: "commit", Lost: true, AfterExecuting: true, Times: 1})
	if a := f.Refresh(got.Refresh); a.Status != http.StatusServiceUnavailable {
		t.Errorf("a commit whose outcome is unknown: %d %s", a.Status, a.Body)
	}
	again := f.Tokens(f.Refresh(got.Refresh))
	f.Tokens(f.Refresh(again.Refresh))
	// A code is spent once, though its first exchange got no answer.
	redeem := b.Code()
	wire.Fail(&sqldbtest.Fault{Text: "commit", Lost: true, AfterExecuting: true, Times: 1})
	if a := f.Redeem(redeem); a.Status != http.StatusServiceUnavailable {
		t.Errorf("a commit whose outcome is unknown: %d %s", a.Status, a.Body)
	}
	if a := f.Redeem(redeem); a.Status != http.StatusBadRequest {
		t.Errorf("the code again: %d %s", a.Status, a.Body)
	}
	// One deadlock is not even seen.
	redeem = b.Code()
	wire.Fail(&sqldbtest.Fault{Text: "update", Code: "40P01", Times: 1})
	f.Tokens(f.Redeem(redeem))
}

// A redirect has no status that says "later": the app reads it in the error (RFC 6749 §4.1.2.1).
func TestAnAppThatAsksWhileTheDatabaseIsAwayGetsThePersonBack(t *testing.T) {
	t.Parallel()
	wire := sqldbtest.StartWire(t, sqldbtest.Postgres(t))
	f := providertest.New(t, wire.URL)
	b := f.Browser().LogIn(f.User)
	b.Code()
	for _, fault := range []sqldbtest.Fault{
		{Text: "INSERT INTO grants", Code: "25006"}, {Text: "INSERT INTO grants", Code: "57014"}, {Text: "INSERT INTO grants", Lost: true},
		{Text: "commit", Lost: true, AfterExecuting: true},
	} {
		wire.Fail(&fault)
		a := b.Authorize("state", "of-this-request")
		if a.Status != http.StatusSeeOther || a.Parameter("error") != "temporarily_unavailable" || a.Parameter("state") != "of-this-request" ||
			a.Parameter("iss") != f.Issuer || a.Parameter("code") != "" || a.Parameter("error_description") == "" {
			t.Errorf("after %+v: %d %v %.300s", fault, a.Status, a.Location, a.Body)
		}
		if wire.Met() == 0 {
			t.Errorf("%+v met nothing", fault)
		}
		wire.Fail(nil)
	}
	f.Tokens(f.Redeem(b.Code()))
}
