package endpoint_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/gorilla/mux"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/provider"
	"github.com/maru-auth/maru/authz-server/internal/provider/providertest"
	"github.com/maru-auth/maru/authz-server/internal/registration"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

// RFC 6749 §3.1, §3.2: "Parameters sent without a value MUST be treated as if they were omitted",
// and unknown ones are ignored.
func TestParametersWithoutAValueAreOmittedAndUnknownOnesIgnoredAtEveryEndpoint(t *testing.T) {
	t.Parallel()
	f := providertest.One(t)
	f.AddClient("public", func(c *client.Client) {
		c.TokenEndpointAuthMethod, c.GrantTypes = "none", []string{"authorization_code", client.DeviceCode}
	})
	f.AddClient("device", func(c *client.Client) { c.GrantTypes = append(c.GrantTypes, client.DeviceCode) })
	b := f.Browser().LogIn(f.User)
	// with is a form with parameters that say nothing: empty ones, and unknown ones, repeated.
	with := func(form url.Values, empty ...string) url.Values {
		for _, name := range empty {
			form.Add(name, "")
		}
		form["made_up"] = []string{"1", "2"}
		return form
	}
	back := func(id, path string, form url.Values) providertest.Answer {
		t.Helper()
		return f.PostAs(id, path, form)
	}
	beside := []string{
		"resource", "max_age", "claims", "prompt", "request", "request_uri", "response_mode", "registration", "dpop_jkt",
		"id_token_hint", "interaction", "posted",
	}

	a := b.AuthorizeForm(with(providertest.Parameters(), append(beside, "scope", "state")...)) // empty beside one with a value
	if a.Parameter("code") == "" {
		t.Errorf("authorize: %d %v %s", a.Status, a.Location, a.Body)
	}
	if a := b.Send(f.Request("POST", "/oauth2/authorize", with(providertest.Parameters(), beside...))); a.Parameter("code") == "" {
		t.Errorf("authorize by POST: %d %v %s", a.Status, a.Location, a.Body)
	}
	// Without PKCE, as its client may do.
	if a := b.AuthorizeForm(with(providertest.Parameters("code_challenge", "", "code_challenge_method", ""), "code_challenge",
		"code_challenge_method")); a.Parameter("code") == "" {
		t.Errorf("authorize, no PKCE: %v", a.Location)
	}
	if a := back("app", "/oauth2/par", with(providertest.Parameters(),
		append(beside, "client_secret", "client_assertion", "client_assertion_type")...)); a.Status != 201 {
		t.Errorf("par: %d %s", a.Status, a.Body)
	}
	got := f.Tokens(back("app", "/oauth2/token", with(providertest.CodeGrant(a.Parameter("code")),
		"scope", "resource", "client_id", "client_secret", "client_assertion", "client_assertion_type")))
	got = f.Tokens(back("app", "/oauth2/token", with(providertest.RefreshGrant(got.Refresh), "scope", "resource", "audience", "client_id")))
	f.Tokens(back("app", "/oauth2/token", with(url.Values{"grant_type": {"client_credentials"}, "scope": {"user:lookup"}}, "resource",
		"client_secret")))
	code := b.Code("client_id", "public")
	if a := f.Do(f.Request("POST", "/oauth2/token", with(url.Values{"grant_type": {"authorization_code"}, "client_id": {"public"},
		"code":         {code},
		"redirect_uri": {providertest.Callback}, "code_verifier": {providertest.Verifier}}, "client_secret", "client_assertion",
		"client_assertion_type"))); a.Status != 200 {
		t.Errorf("a public client with an empty secret: %d %s", a.Status, a.Body)
	}
	if a := back("device", "/oauth2/device_authorization",
		with(url.Values{"scope": {"openid"}}, "resource", "client_id", "client_secret")); a.Status != 200 {
		t.Errorf("device_authorization: %d %s", a.Status, a.Body)
	}
	if a := back("app", "/oauth2/introspect", with(url.Values{"token": {got.Access}}, "token_type_hint",
		"client_secret")); a.Status != 200 || a.JSON(t)["active"] != true {
		t.Errorf("introspect: %d %s", a.Status, a.Body)
	}
	userinfo := f.Do(f.Request("POST", "/oauth2/userinfo", with(url.Values{}, "access_token"), "Authorization", "Bearer "+got.Access))
	if userinfo.Status != 200 {
		t.Errorf("userinfo: %d %s", userinfo.Status, userinfo.Body)
	}
	if a := back("app", "/oauth2/revoke", with(url.Values{"token": {got.Access}}, "token_type_hint", "client_secret")); a.Status != 200 {
		t.Errorf("revoke: %d %s", a.Status, a.Body)
	}
	if a := b.Get("/oauth2/logout?" + with(url.Values{"id_token_hint": {got.ID}}, "client_id", "post_logout_redirect_uri",
		"logout_hint", "state").Encode()); a.Status != 200 {
		t.Errorf("logout: %d %s", a.Status, a.Body)
	}
}

// Of two readers each could take another one.
func TestAKnownParameterThatComesTwiceIsRefused(t *testing.T) {
	t.Parallel()
	f := providertest.One(t)
	b := f.Browser().LogIn(f.User)
	twice := func(form url.Values, name string) url.Values {
		form[name] = []string{"a", "b"}
		return form
	}
	if a := b.AuthorizeForm(twice(providertest.Parameters(), "nonce")); a.Parameter("error") != "invalid_request" {
		t.Errorf("%v", a.Location)
	}
	for path, form := range map[string]url.Values{
		"/oauth2/token":      twice(url.Values{"grant_type": {"client_credentials"}}, "scope"),
		"/oauth2/par":        twice(providertest.Parameters(), "state"),
		"/oauth2/revoke":     twice(url.Values{}, "token"),
		"/oauth2/introspect": twice(url.Values{}, "token"),
	} {
		r := f.Request("POST", path, form)
		r.SetBasicAuth("app", providertest.Secret)
		if a := f.Do(r); a.Status != 400 || a.JSON(t)["error"] != "invalid_request" {
			t.Errorf("%s: %d %s", path, a.Status, a.Body)
		}
	}
	if a := b.Get("/oauth2/logout?" + twice(url.Values{}, "state").Encode()); a.Status != 400 {
		t.Errorf("logout: %d", a.Status)
	}
}

// endless is a body without an end. It counts what was read of it.
type endless struct{ read int }

func (e *endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	e.read += len(p)
	return len(p), nil
}

func TestNoEndpointReadsMoreOfABodyThanItNeeds(t *testing.T) {
	t.Parallel()
	f := providertest.NewWith(t, sqldbtest.SQLite(t), func(c *provider.Config) { c.Registration = registration.Open })
	most := map[string]int{"/oauth2/token": 64 << 10, "/account/profile": 64 << 10, "/oauth2/register": 256 << 10}
	err := f.Server.Config.Handler.(*mux.Router).Walk(func(route *mux.Route, _ *mux.Router, _ []*mux.Route) error {
		path, err := route.GetPathTemplate()
		methods, _ := route.GetMethods() // one without takes every method
		if err != nil || !slices.Contains(methods, http.MethodPost) {
			return err
		}
		limit := most[path]
		if limit == 0 {
			limit = 32 << 10
		}
		body := &endless{}
		r := httptest.NewRequest(http.MethodPost, path, body)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if path == "/oauth2/register" {
			r.Header.Set("Content-Type", "application/json")
		}
		w := httptest.NewRecorder()
		f.Server.Config.Handler.ServeHTTP(w, r)
		if (w.Code != http.StatusRequestEntityTooLarge && w.Code != http.StatusBadRequest) || body.read > limit+4<<10 {
			t.Errorf("%s answers %d after %d bytes", path, w.Code, body.read)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestLongListsCostAndAnswerLittle(t *testing.T) {
	t.Parallel()
	f := providertest.One(t)
	tokens := func(scope string, resources ...string) providertest.Answer {
		return f.Token("app", url.Values{"grant_type": {"client_credentials"}, "scope": {scope}, "resource": resources})
	}
	got := tokens(strings.Repeat("board:read ", 5000))
	if got.Status != http.StatusOK || got.JSON(t)["scope"] != "board:read" {
		t.Errorf("a scope said 5000 times: %d %s", got.Status, got.Body)
	}
	long := strings.Repeat("x", 40<<10)
	for what, a := range map[string]providertest.Answer{"scope": tokens(long), "resource": tokens("board:read", "https://"+long)} {
		if a.Status != http.StatusBadRequest || len(a.Body) > 700 {
			t.Errorf("a %s of %d bytes: %d, %d bytes", what, len(long), a.Status, len(a.Body))
		}
	}
}
