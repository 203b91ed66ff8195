package upstream_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/people/peopletest"
	"github.com/maru-auth/maru/authz-server/internal/provider/providertest"
	"github.com/maru-auth/maru/authz-server/internal/upstream"
)

const (
	contoso  = "8eaef023-2b34-4da1-9baa-8bc8c9d6a490"
	fabrikam = "9188040d-6c67-4c5b-b112-36a304b66dad"
)

// entra imitates Microsoft's documented answers: for the people of all tenants, as for "common".
func entra(t *testing.T, settings upstream.Settings) (*world, *imitation, *providertest.Signer) {
	t.Helper()
	s := peopletest.With(t, calls(t))
	i, signer := imitate(t), providertest.NewSigner(t, "k1")
	i.entra(signer, "common", i.URL+"/{tenantid}/v2.0")
	settings.Preset = "microsoft"
	if settings.Issuer == "" {
		settings.Issuer = i.URL + "/common/v2.0"
	}
	return add(t, s, settings), i, signer
}

// entra shows metadata at a tenant's address, and keys that say that they are of an issuer.
func (i *imitation) entra(signer *providertest.Signer, tenant, issuer string) {
	i.shows("/"+tenant+"/v2.0/.well-known/openid-configuration", map[string]any{
		"issuer": issuer, "authorization_endpoint": i.URL + "/" + tenant + "/oauth2/v2.0/authorize",
		"token_endpoint": i.URL + "/token", "jwks_uri": i.URL + "/" + tenant + "/discovery/v2.0/keys",
		"userinfo_endpoint": i.URL + "/userinfo", "token_endpoint_auth_methods_supported": []string{"client_secret_post", "private_key_jwt"},
		"tenant_region_scope": nil, "cloud_instance_name": "microsoftonline.com",
	})
	var set map[string][]map[string]any
	if err := json.Unmarshal(signer.JWKS(), &set); err != nil {
		panic(err)
	}
	for _, key := range set["keys"] {
		key["issuer"] = issuer
	}
	i.shows("/"+tenant+"/discovery/v2.0/keys", set)
}

// token is an ID token of a tenant's person.
func (i *imitation) ofTenant(w *world, signer *providertest.Signer, nonce, tenant string, changes ...any) string {
	claims := i.claims(w.site, nonce, append([]any{"iss", i.URL + "/" + tenant + "/v2.0", "tid", tenant, "ver", "2.0", "oid", "00000000-0000-0000-66f3-3332eca7ea81",
		"email_verified", nil}, changes...)...)
	return signer.Sign(nil, claims)
}

func TestAPersonOfATenantIsThatTenantsAlone(t *testing.T) {
	t.Parallel()
	w, i, signer := entra(t, upstream.Settings{})
	for _, tenant := range []string{contoso, fabrikam} {
		b := &world{w.site.Browser(), t, w.site, w.settings}
		to := b.start("other", "")
		if to.Path != "/common/oauth2/v2.0/authorize" {
			t.Errorf("sent to %v", to)
		}
		i.gives(i.ofTenant(w, signer, to.Query().Get("nonce"), tenant))
		b.back("other", "code", "c", "state", to.Query().Get("state")).WantRedirect(t, "/login/upstream") // nobody's, each time
		b.Post("/login/upstream", "do", "signup", "name", "M", "email", tenant+"@example.org").WantRedirect(t, "/account")
		all := b.identities(b.user(tenant + "@example.org"))
		if len(all) != 1 || all[0].Issuer != i.URL+"/"+tenant+"/v2.0" || all[0].Subject != "subject" {
			t.Errorf("%+v", all)
		}
	}
	b := &world{w.site.Browser(), t, w.site, w.settings}
	to := b.start("other", "")
	i.gives(i.ofTenant(w, signer, to.Query().Get("nonce"), contoso))
	b.back("other", "code", "c", "state", to.Query().Get("state")).WantRedirect(t, "/account")
	if b.Session().UserID != b.user(contoso+"@example.org").ID {
		t.Error("somebody else is logged in")
	}
}

func TestATokenMustBeOfItsTenant(t *testing.T) {
	t.Parallel()
	w, i, signer := entra(t, upstream.Settings{Tenants: []string{contoso}})
	for name, make := range map[string]func(nonce string) string{
		"another tenant's issuer": func(n string) string { return i.ofTenant(w, signer, n, contoso, "iss", i.URL+"/"+fabrikam+"/v2.0") },
		"another tenant":          func(n string) string { return i.ofTenant(w, signer, n, fabrikam) },
		"the place of a tenant":   func(n string) string { return i.ofTenant(w, signer, n, "{tenantid}") },
		"no tenant":               func(n string) string { return i.ofTenant(w, signer, n, contoso, "tid", nil) },
		"a path":                  func(n string) string { return i.ofTenant(w, signer, n, contoso+"/../"+contoso) },
		"a tenant in capitals": func(n string) string {
			return i.ofTenant(w, signer, n, "8EAEF023-2B34-4DA1-9BAA-8BC8C9D6A490")
		},
		"the address of all": func(n string) string { return i.ofTenant(w, signer, n, contoso, "iss", i.URL+"/common/v2.0") },
	} {
		to := w.start("other", "")
		i.gives(make(to.Query().Get("nonce")))
		if got := outcome(t, w.back("other", "code", "c", "state", to.Query().Get("state"))); got != "failed" {
			t.Errorf("%s: outcome %q", name, got)
		}
	}
	// A key of one tenant signs for no other.
	i.entra(signer, "common", i.URL+"/{tenantid}/v2.0")
	theirs := providertest.NewSigner(t, "k2")
	set := map[string][]map[string]any{}
	for at, one := range []*providertest.Signer{signer, theirs} {
		var keys map[string][]map[string]any
		if err := json.Unmarshal(one.JWKS(), &keys); err != nil {
			t.Fatal(err)
		}
		keys["keys"][0]["issuer"] = i.URL + "/" + []string{"{tenantid}", fabrikam}[at] + "/v2.0"
		set["keys"] = append(set["keys"], keys["keys"][0])
	}
	i.shows("/common/discovery/v2.0/keys", set)
	w.site.Clock.Advance(2 * time.Hour)
	to := w.start("other", "")
	i.gives(i.ofTenant(w, theirs, to.Query().Get("nonce"), contoso))
	if got := outcome(t, w.back("other", "code", "c", "state", to.Query().Get("state"))); got != "failed" {
		t.Errorf("a key of another tenant: outcome %q", got)
	}
	// Nor does an answer count that names another issuer than the token.
	for iss, want := range map[string]string{i.URL + "/" + fabrikam + "/v2.0": "failed", i.URL + "/common/v2.0": "failed", i.URL + "/" + contoso + "/v2.0": ""} {
		to = w.start("other", "")
		i.gives(i.ofTenant(w, signer, to.Query().Get("nonce"), contoso))
		if got := outcome(t, w.back("other", "code", "c", "state", to.Query().Get("state"), "iss", iss)); got != want {
			t.Errorf("iss %s: outcome %q", iss, got)
		}
	}
}

// Any tenant writes what it likes into email. It counts if Microsoft says that the owner of the domain
// was verified.
func TestMicrosoftsAddressCountsIfItsDomainIsVerified(t *testing.T) {
	t.Parallel()
	w, i, signer := entra(t, upstream.Settings{})
	for name, test := range map[string]struct {
		claims []any
		want   bool
	}{
		"nothing is said":       {nil, false},
		"email_verified":        {[]any{"email_verified", true}, false},
		"verified":              {[]any{"xms_edov", true}, true},
		"verified, as a number": {[]any{"xms_edov", 1}, true},
		"verified, as a text":   {[]any{"xms_edov", "1"}, true},
		"not verified":          {[]any{"xms_edov", false}, false},
		"zero":                  {[]any{"xms_edov", 0}, false},
	} {
		b := &world{w.site.Browser(), t, w.site, w.settings}
		to := b.start("other", "")
		i.gives(i.ofTenant(w, signer, to.Query().Get("nonce"), contoso, test.claims...))
		b.back("other", "code", "c", "state", to.Query().Get("state")).WantRedirect(t, "/login/upstream")
		if page := b.Get("/login/upstream"); proved(page) != test.want || address(page) != "jiwoo@example.com" {
			t.Errorf("%s: proved %t", name, proved(page))
		}
	}
}

// What Microsoft says is of the claim email: an address from elsewhere is no more than what somebody wrote.
func TestAnAddressFromAnotherClaimIsNotVerifiedByMicrosoft(t *testing.T) {
	t.Parallel()
	w, i, signer := entra(t, upstream.Settings{Claims: map[string]string{"email": "preferred_username"}})
	to := w.start("other", "")
	i.gives(i.ofTenant(w, signer, to.Query().Get("nonce"), contoso, "xms_edov", true, "preferred_username", "boss@example.org"))
	w.back("other", "code", "c", "state", to.Query().Get("state")).WantRedirect(t, "/login/upstream")
	if page := w.Get("/login/upstream"); proved(page) || address(page) != "boss@example.org" {
		t.Errorf("%q: proved %t", address(page), proved(page))
	}
}

// A company with one tenant names it: then it is an issuer as any other.
func TestOneTenantIsAnIssuerAsAnyOther(t *testing.T) {
	t.Parallel()
	s := peopletest.With(t, calls(t))
	i, signer := imitate(t), providertest.NewSigner(t, "k1")
	i.entra(signer, contoso, i.URL+"/"+contoso+"/v2.0")
	w := add(t, s, upstream.Settings{Preset: "microsoft", Issuer: i.URL + "/" + contoso + "/v2.0"})
	to := w.start("other", "")
	i.gives(i.ofTenant(w, signer, to.Query().Get("nonce"), fabrikam))
	if got := outcome(t, w.back("other", "code", "c", "state", to.Query().Get("state"))); got != "failed" {
		t.Errorf("another tenant: outcome %q", got)
	}
	to = w.start("other", "")
	i.gives(i.ofTenant(w, signer, to.Query().Get("nonce"), contoso))
	w.back("other", "code", "c", "state", to.Query().Get("state")).WantRedirect(t, "/login/upstream")
	w.Get("/login/upstream").Want(t, http.StatusOK, "Continue with Microsoft")

	// Nor does the metadata of all speak for it, or that of one for all.
	for tenant, issuer := range map[string]string{contoso: i.URL + "/{tenantid}/v2.0", "common": i.URL + "/" + contoso + "/v2.0"} {
		i.entra(signer, tenant, issuer)
		name := "a-" + tenant[:4]
		b := addNamed(t, s, name, upstream.Settings{Preset: "microsoft", Issuer: i.URL + "/" + tenant + "/v2.0"}, "s")
		s.Clock.Advance(2 * time.Hour)
		b.Get("/login")
		if got := outcome(t, b.Post("/login/upstream/"+name)); got != "failed" {
			t.Errorf("%s: outcome %q", tenant, got)
		}
	}
}

func TestTenantsAreChecked(t *testing.T) {
	t.Parallel()
	const at = "https://login.microsoftonline.com/"
	for name, test := range map[string]struct {
		settings upstream.Settings
		field    string
	}{
		"the preset":          {upstream.Settings{Preset: "microsoft"}, ""},
		"organizations":       {upstream.Settings{Preset: "microsoft", Issuer: at + "organizations/v2.0", Tenants: []string{contoso}}, ""},
		"one tenant":          {upstream.Settings{Preset: "microsoft", Issuer: at + contoso + "/v2.0"}, ""},
		"consumers":           {upstream.Settings{Preset: "microsoft", Issuer: at + "consumers/v2.0"}, "issuer"},
		"a domain":            {upstream.Settings{Preset: "microsoft", Issuer: at + "contoso.onmicrosoft.com/v2.0"}, "issuer"},
		"the place":           {upstream.Settings{Preset: "microsoft", Issuer: at + "{tenantid}/v2.0"}, "issuer"},
		"version 1":           {upstream.Settings{Preset: "microsoft", Issuer: at + "common"}, "issuer"},
		"tenants of one":      {upstream.Settings{Preset: "microsoft", Issuer: at + contoso + "/v2.0", Tenants: []string{contoso}}, "tenants"},
		"tenants elsewhere":   {upstream.Settings{Title: "X", Issuer: "https://x.example", Tenants: []string{contoso}}, "tenants"},
		"no tenant":           {upstream.Settings{Preset: "microsoft", Tenants: []string{"contoso"}}, "tenants"},
		"log-out at GitHub":   {upstream.Settings{Preset: "github", Logout: true}, "logout"},
		"log-out by OpenID":   {upstream.Settings{Title: "X", Issuer: "https://x.example", Logout: true}, ""},
		"common by no preset": {upstream.Settings{Title: "X", Issuer: at + "common/v2.0"}, ""}, // whose metadata then names another issuer
	} {
		test.settings.ClientID = "maru"
		err := test.settings.Check(nil)
		var wrong *upstream.InputError
		if errors.As(err, &wrong) != (test.field != "") || wrong != nil && wrong.Field != test.field {
			t.Errorf("%s: %v", name, err)
		}
	}
}
