package provider_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/provider"
	"github.com/maru-auth/maru/authz-server/internal/provider/providertest"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

func TestAPushedRequestIsUsedOnceAndAlone(t *testing.T) {
	providertest.Each(t, func(t *testing.T, f *providertest.Fixture) {
		f.AddClient("other", nil)
		b := f.Browser().LogIn(f.User)
		pushed := func() string {
			a := f.Push("state", "pushed", "nonce", "pushed")
			object := a.JSON(t)
			if a.Status != http.StatusCreated || object["expires_in"] != float64(60) || a.Header.Get("Cache-Control") != "no-store" {
				t.Fatalf("%d %s", a.Status, a.Body)
			}
			return object["request_uri"].(string)
		}
		reference := func(uri string, more ...string) url.Values {
			form := url.Values{"client_id": {"app"}, "request_uri": {uri}}
			for i := 0; i < len(more); i += 2 {
				form.Set(more[i], more[i+1])
			}
			return form
		}
		// What stands beside the reference is injected by whoever could change the address.
		uri := pushed()
		a := b.AuthorizeForm(reference(uri, "nonce", "injected", "state", "injected", "prompt", "none", "redirect_uri", "https://evil.example/", "scope", "openid board:moderate"))
		if a.Parameter("state") != "pushed" || !strings.HasPrefix(a.Location.String(), providertest.Callback) {
			t.Fatalf("%d %v %s", a.Status, a.Location, a.Body)
		}
		got := f.Tokens(f.Redeem(a.Parameter("code")))
		if _, id := providertest.Decode(t, got.ID); id["nonce"] != "pushed" || strings.Contains(got.Scope, "moderate") {
			t.Errorf("injected: %v %s", id, got.Scope)
		}
		if a := b.AuthorizeForm(reference(uri)); a.Status != http.StatusBadRequest || a.Location != nil {
			t.Errorf("used twice: %d %v", a.Status, a.Location)
		}
		// Another client's.
		form := reference(pushed())
		form.Set("client_id", "other")
		if a := b.AuthorizeForm(form); a.Status != http.StatusBadRequest || a.Location != nil {
			t.Errorf("by another client: %d %v", a.Status, a.Location)
		}
		// Not spent by opening the page, only by the answer; and a slow person does not lose it.
		uri = pushed()
		fresh := f.Browser()
		first, second := fresh.AuthorizeForm(reference(uri)), fresh.AuthorizeForm(reference(uri))
		if first.Location.Path != "/login" || second.Location.Path != "/login" {
			t.Fatalf("%v %v", first.Location, second.Location)
		}
		f.Clock.Advance(2 * time.Minute)
		fresh.LogIn(f.User)
		if a := fresh.Get("/oauth2/authorize?interaction=" + url.QueryEscape(first.Parameter("interaction"))); a.Parameter("code") == "" {
			t.Errorf("after the log-in: %d %v %s", a.Status, a.Location, a.Body)
		}
		if a := fresh.Get("/oauth2/authorize?interaction=" + url.QueryEscape(second.Parameter("interaction"))); a.Parameter("code") != "" {
			t.Error("the request was answered twice")
		}
		// Expired.
		uri = pushed()
		f.Clock.Advance(61 * time.Second)
		if a := b.AuthorizeForm(reference(uri)); a.Status != http.StatusBadRequest {
			t.Errorf("expired: %d %v", a.Status, a.Location)
		}
	})
}

func TestAPushedRequestIsAnsweredOnceInARace(t *testing.T) {
	providertest.Each(t, func(t *testing.T, f *providertest.Fixture) {
		b := f.Browser().LogIn(f.User)
		uri := f.Push().JSON(t)["request_uri"].(string)
		var codes atomic.Int64
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				if b.AuthorizeForm(url.Values{"client_id": {"app"}, "request_uri": {uri}}).Parameter("code") != "" {
					codes.Add(1)
				}
			})
		}
		wg.Wait()
		if codes.Load() != 1 {
			t.Fatalf("%d codes", codes.Load())
		}
	})
}

func TestAPushIsCheckedLikeARequest(t *testing.T) {
	f := providertest.One(t)
	f.AddClient("must-push", func(c *client.Client) { c.RequirePAR = true })
	f.Push("redirect_uri", "https://evil.example/").WantError(t, 400, "invalid_request")
	f.Push("scope", "wish").WantError(t, 400, "invalid_scope")
	f.Push("request_uri", "urn:ietf:params:oauth:request_uri:x").WantError(t, 400, "invalid_request")
	f.Push("code_challenge", "").WantError(t, 400, "invalid_request")
	f.PostForm("/oauth2/par", providertest.Parameters()).WantError(t, 401, "invalid_client")
	form := providertest.Parameters()
	form.Set("client_secret", providertest.Secret)
	f.PushForm(form).WantError(t, 400, "invalid_request")
	if a := f.Browser().Authorize("client_id", "must-push"); a.Parameter("error") != "invalid_request" {
		t.Errorf("a client that must push did not: %v", a.Location)
	}
}

func TestLegacyResponseTypesAreOffUntilSwitchedOn(t *testing.T) {
	f := providertest.NewWith(t, sqldbtest.SQLite(t), func(c *provider.Config) { c.InsecureLegacyResponseTypes = true })
	f.AddClient("old", func(c *client.Client) {
		c.GrantTypes = []string{"authorization_code", "implicit"}
		c.ResponseTypes = []string{"code", "id_token", "id_token token", "code id_token", "code token", "code id_token token"}
		c.RequirePKCE = false
	})
	b := f.Browser().LogIn(f.User)
	for _, kind := range []string{"id_token", "token id_token", "code id_token", "code token", "code id_token token"} {
		for _, mode := range []string{"", "form_post"} {
			a := b.Authorize("client_id", "old", "response_type", kind, "response_mode", mode)
			if mode == "" && (a.Location == nil || a.Location.Fragment == "" || a.Location.Query().Has("state")) {
				t.Errorf("%s: %d %v", kind, a.Status, a.Location)
			}
			for name, parameter := range map[string]string{"code": "code", "token": "access_token", "id_token": "id_token"} {
				if wanted := slices.Contains(strings.Fields(kind), name); wanted != (a.Parameter(parameter) != "") {
					t.Errorf("%s %s: %s is there: %t", kind, mode, parameter, !wanted)
				}
			}
			if a.Parameter("id_token") == "" {
				continue
			}
			_, id := providertest.Decode(t, a.Parameter("id_token"))
			if id["nonce"] != "n-1" || (id["at_hash"] != nil) != (a.Parameter("access_token") != "") || (id["c_hash"] != nil) != (a.Parameter("code") != "") {
				t.Errorf("%s: %v", kind, id)
			}
			// Where no access token can be had, the claims are in the ID token (OIDC Core §5.4).
			if (id["email"] != nil) != (kind == "id_token") {
				t.Errorf("%s: email in the ID token: %v", kind, id["email"])
			}
		}
	}
	if a := b.Authorize("client_id", "old", "response_type", "id_token", "nonce", ""); a.Parameter("error") != "invalid_request" {
		t.Errorf("without a nonce: %v", a.Location)
	}
	if a := b.Authorize("client_id", "old", "response_type", "code token", "response_mode", "query"); a.Parameter("error") != "unsupported_response_mode" {
		t.Errorf("tokens in a query: %v", a.Location)
	}
	if a := f.Userinfo(b.Authorize("client_id", "old", "response_type", "id_token token").Parameter("access_token")); a.Status != 200 {
		t.Errorf("userinfo: %d %s", a.Status, a.Body)
	}
}

func TestSignedAnswersAreJARM(t *testing.T) {
	f := providertest.One(t)
	b := f.Browser().LogIn(f.User)
	for _, mode := range []string{"jwt", "query.jwt", "fragment.jwt", "form_post.jwt"} {
		for _, scope := range []string{"openid", "unknown"} {
			a := b.Authorize("response_mode", mode, "state", "s-1", "scope", scope)
			_, claims := providertest.Decode(t, a.Parameter("response"))
			if claims["iss"] != f.Issuer || claims["aud"] != "app" || claims["exp"] == nil || claims["state"] != "s-1" {
				t.Errorf("%s: %v", mode, claims)
			}
			if (claims["code"] != nil) != (scope == "openid") || (claims["error"] != nil) == (scope == "openid") || a.Parameter("code") != "" {
				t.Errorf("%s %s: %v", mode, scope, claims)
			}
		}
	}
}

func TestFormPostKeepsTheAnswerOutOfTheAddress(t *testing.T) {
	f := providertest.One(t)
	a := f.Browser().LogIn(f.User).Authorize("response_mode", "form_post", "state", `"><script>alert(1)</script>`)
	if a.Status != 200 || a.Location != nil || !strings.Contains(a.Body, `action="https://app.example/cb?tenant=1"`) || strings.Contains(a.Body, "<script>alert") {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	if policy := a.Header.Get("Content-Security-Policy"); !strings.Contains(policy, "script-src 'self'") || strings.Contains(policy, "unsafe-inline") {
		t.Errorf("policy: %s", policy)
	}
	f.Tokens(f.Redeem(a.Parameter("code")))
}

func TestResourcesNarrowTheAudience(t *testing.T) {
	f := providertest.One(t)
	b := f.Browser().LogIn(f.User)
	aud := func(token string) any { _, claims := providertest.Decode(t, token); return claims["aud"] }
	got := f.Tokens(f.Redeem(b.Code("resource", providertest.APIOrigin+"/board")))
	if aud(got.Access) != providertest.APIOrigin+"/board" {
		t.Errorf("at the authorization endpoint: %v", aud(got.Access))
	}
	wide := f.Tokens(f.Redeem(b.Code(), "resource", providertest.APIOrigin+"/user"))
	if aud(wide.Access) != providertest.APIOrigin+"/user" {
		t.Errorf("at the token endpoint: %v", aud(wide.Access))
	}
	if again := f.Tokens(f.Refresh(wide.Refresh, "resource", providertest.APIOrigin+"/board")); aud(again.Access) != providertest.APIOrigin+"/board" {
		t.Errorf("at a refresh: %v", aud(again.Access))
	}
	f.Refresh(got.Refresh, "resource", providertest.APIOrigin+"/user").WantError(t, 400, "invalid_target")
	if a := b.Authorize("resource", "https://evil.example/"); a.Parameter("error") != "invalid_target" {
		t.Errorf("unknown: %v", a.Location)
	}
	f.Token("app", url.Values{"grant_type": {"client_credentials"}, "scope": {"board:read"}, "resource": {providertest.APIOrigin + "/user"}}).WantError(t, 400, "invalid_target")
}

func TestTheClaimsParameter(t *testing.T) {
	f := providertest.One(t)
	if err := f.Store.Users.SetClaims(t.Context(), f.User.ID, accounts.Claims{GivenName: "민지", PhoneNumber: "+82 10 1234 5678", Address: accounts.Address{Country: "KR"}}); err != nil {
		t.Fatal(err)
	}
	b := f.Browser().LogIn(f.User)
	got := f.Tokens(f.Redeem(b.Code("scope", "openid", "claims", `{"userinfo":{"name":{"essential":true},"gender":null},"id_token":{"given_name":null,"auth_time":{"essential":true}}}`)))
	_, id := providertest.Decode(t, got.ID)
	info := f.Userinfo(got.Access).JSON(t)
	if id["given_name"] != "민지" || id["name"] != nil || info["name"] != "김민지" || info["given_name"] != nil || len(info) != 2 {
		t.Errorf("ID token %v, userinfo %v", id, info)
	}
	if _, again := providertest.Decode(t, f.Tokens(f.Refresh(got.Refresh)).ID); again["given_name"] != "민지" {
		t.Errorf("after a refresh: %v", again)
	}
	all := f.Userinfo(f.Tokens(f.Redeem(b.Code("scope", "openid profile email address phone"))).Access).JSON(t)
	if all["phone_number_verified"] != false || all["address"].(map[string]any)["country"] != "KR" || all["family_name"] != nil {
		t.Errorf("%v", all)
	}
	for claims, want := range map[string]string{
		`{"id_token":{"sub":{"value":"` + f.User.ID + `"}}}`:         "",
		`{"id_token":{"sub":{"value":"somebody"}}}`:                  "login_required",
		`{"id_token":{"acr":{"essential":true,"values":["9"]}}}`:     "unmet_authentication_requirements",
		`{"id_token":{"acr":{"essential":true,"values":["9","1"]}}}`: "",
		`{"id_token":{"acr":{"values":["9"]}}}`:                      "",
		`{`:                                                          "invalid_request",
	} {
		if a := b.Authorize("claims", claims); a.Parameter("error") != want {
			t.Errorf("%s: %v", claims, a.Location)
		}
	}
}

func TestPairwiseSubjectsCannotBeLinked(t *testing.T) {
	f := providertest.One(t)
	for id, redirect := range map[string]string{"one": "https://one.example/cb", "two": "https://two.example/cb"} {
		f.AddClient(id, func(c *client.Client) {
			c.SubjectType, c.RedirectURIs = "pairwise", []string{redirect}
		})
	}
	b := f.Browser().LogIn(f.User)
	subjects := map[string]bool{f.User.ID: true}
	for id, redirect := range map[string]string{"one": "https://one.example/cb", "two": "https://two.example/cb"} {
		code := b.Code("client_id", id, "redirect_uri", redirect)
		got := f.Tokens(f.Token(id, url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {redirect}, "code_verifier": {providertest.Verifier}}))
		_, token := providertest.Decode(t, got.ID)
		subject := token["sub"].(string)
		if subjects[subject] {
			t.Errorf("%s: the subject %s is known elsewhere", id, subject)
		}
		subjects[subject] = true
		if f.Userinfo(got.Access).JSON(t)["sub"] != subject {
			t.Error("userinfo tells another subject")
		}
		for _, one := range []string{got.Access, got.Refresh, got.ID} {
			if _, claims := providertest.Decode(t, one); claims["sub"] != subject {
				t.Errorf("a token tells the subject %v", claims["sub"])
			}
		}
		if a := b.Authorize("client_id", id, "redirect_uri", redirect, "prompt", "none", "id_token_hint", got.ID); a.Parameter("code") == "" {
			t.Errorf("the hint is not understood: %v", a.Location)
		}
		if a := b.Get("/oauth2/logout?" + url.Values{"id_token_hint": {got.ID}}.Encode()); !strings.Contains(a.Body, "You are logged out") {
			t.Errorf("log-out by the hint: %d %s", a.Status, a.Body)
		}
		b.LogIn(f.User)
	}
}

func TestDPoPBindsTokensToAKey(t *testing.T) {
	providertest.Each(t, func(t *testing.T, f *providertest.Fixture) {
		key, thief := providertest.NewSigner(t, ""), providertest.NewSigner(t, "")
		b := f.Browser().LogIn(f.User)
		exchange := func(code, proof string) providertest.Answer {
			return f.PostAs("app", "/oauth2/token", providertest.CodeGrant(code), "DPoP", proof)
		}
		a := exchange(b.Code(), key.Proof(f, "POST", "/oauth2/token"))
		if a.Status != 200 || a.JSON(t)["token_type"] != "DPoP" {
			t.Fatalf("%d %s", a.Status, a.Body)
		}
		access := a.JSON(t)["access_token"].(string)
		if _, claims := providertest.Decode(t, access); claims["cnf"].(map[string]any)["jkt"] != key.Thumbprint() {
			t.Errorf("cnf: %v", claims["cnf"])
		}
		use := func(scheme, token, proof string) providertest.Answer {
			r := f.Request("GET", "/oauth2/userinfo", nil, "Authorization", scheme+" "+token)
			if proof != "" {
				r.Header.Set("DPoP", proof)
			}
			return f.Do(r)
		}
		good := key.Proof(f, "GET", "/oauth2/userinfo", "ath", providertest.ATH(access))
		if a := use("dPoP", access, good); a.Status != 200 {
			t.Fatalf("%d %s", a.Status, a.Body)
		}
		bearer := f.Tokens(f.Redeem(b.Code())).Access
		for name, a := range map[string]providertest.Answer{
			"the proof again":             use("DPoP", access, good),
			"as a plain bearer":           use("Bearer", access, ""),
			"as a bearer with a proof":    use("Bearer", access, key.Proof(f, "GET", "/oauth2/userinfo", "ath", providertest.ATH(access))),
			"without a proof":             use("DPoP", access, ""),
			"another key":                 use("DPoP", access, thief.Proof(f, "GET", "/oauth2/userinfo", "ath", providertest.ATH(access))),
			"without ath":                 use("DPoP", access, key.Proof(f, "GET", "/oauth2/userinfo")),
			"another token's ath":         use("DPoP", access, key.Proof(f, "GET", "/oauth2/userinfo", "ath", providertest.ATH(bearer))),
			"another endpoint's proof":    use("DPoP", access, key.Proof(f, "GET", "/oauth2/token", "ath", providertest.ATH(access))),
			"another method's":            use("DPoP", access, key.Proof(f, "POST", "/oauth2/userinfo", "ath", providertest.ATH(access))),
			"an unbound token under DPoP": use("DPoP", bearer, key.Proof(f, "GET", "/oauth2/userinfo", "ath", providertest.ATH(bearer))),
		} {
			if a.Status != 401 || !strings.Contains(a.Header.Get("WWW-Authenticate"), "error=") {
				t.Errorf("%s: %d %s", name, a.Status, a.Header.Get("WWW-Authenticate"))
			}
		}
		private := key.Key
		for name, proof := range map[string]string{
			"rubbish":         "x.y.z",
			"typ":             key.Proof(f, "POST", "/oauth2/token", "typ", "JWT"),
			"a private key":   key.Proof(f, "POST", "/oauth2/token", "jwk", private),
			"another's jwk":   key.Proof(f, "POST", "/oauth2/token", "jwk", thief.Key.Public()),
			"no jti":          key.Proof(f, "POST", "/oauth2/token", "jti", nil),
			"no iat":          key.Proof(f, "POST", "/oauth2/token", "iat", nil),
			"an hour ago":     key.Proof(f, "POST", "/oauth2/token", "iat", f.Clock.Now().Add(-time.Hour).Unix()),
			"an hour ahead":   key.Proof(f, "POST", "/oauth2/token", "iat", f.Clock.Now().Add(time.Hour).Unix()),
			"another method":  key.Proof(f, "GET", "/oauth2/token"),
			"another address": key.Proof(f, "POST", "/oauth2/par"),
		} {
			code := b.Code()
			exchange(code, proof).WantError(t, 400, "invalid_dpop_proof")
			if a := exchange(code, key.Proof(f, "POST", "/oauth2/token", "htu", f.Issuer+"/oauth2/token?x=1#y")); a.Status != 200 {
				t.Errorf("%s: the refusal cost the code: %s", name, a.Body)
			}
		}
		once := key.Proof(f, "POST", "/oauth2/token")
		if a := exchange(b.Code(), once); a.Status != 200 {
			t.Errorf("%d %s", a.Status, a.Body)
		}
		exchange(b.Code(), once).WantError(t, 400, "invalid_dpop_proof")

		r := f.Request("POST", "/oauth2/token", url.Values{"grant_type": {"client_credentials"}})
		r.SetBasicAuth("app", providertest.Secret)
		r.Header["Dpop"] = []string{key.Proof(f, "POST", "/oauth2/token"), key.Proof(f, "POST", "/oauth2/token")}
		f.Do(r).WantError(t, 400, "invalid_dpop_proof")

		// RFC 9449 §10: a code that was bound at the authorization endpoint.
		bound := func() string { return b.Code("dpop_jkt", key.Thumbprint()) }
		exchange(bound(), thief.Proof(f, "POST", "/oauth2/token")).WantError(t, 400, "invalid_grant")
		f.Redeem(bound()).WantError(t, 400, "invalid_grant")
		if a := exchange(bound(), key.Proof(f, "POST", "/oauth2/token")); a.Status != 200 {
			t.Errorf("the right key: %d %s", a.Status, a.Body)
		}
	})
}

func TestAPublicClientsRefreshTokenIsBoundToItsKey(t *testing.T) {
	f := providertest.One(t)
	f.AddClient("public", func(c *client.Client) {
		c.TokenEndpointAuthMethod, c.GrantTypes = "none", []string{"authorization_code", "refresh_token"}
	})
	key, thief := providertest.NewSigner(t, ""), providertest.NewSigner(t, "")
	code := f.Browser().LogIn(f.User).Code("client_id", "public")
	a := f.PostForm("/oauth2/token", url.Values{"client_id": {"public"}, "grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {providertest.Callback}, "code_verifier": {providertest.Verifier}}, "DPoP", key.Proof(f, "POST", "/oauth2/token"))
	token, _ := a.JSON(t)["refresh_token"].(string)
	form := func() url.Values {
		return url.Values{"client_id": {"public"}, "grant_type": {"refresh_token"}, "refresh_token": {token}}
	}
	f.PostForm("/oauth2/token", form()).WantError(t, 400, "invalid_grant")
	f.PostForm("/oauth2/token", form(), "DPoP", thief.Proof(f, "POST", "/oauth2/token")).WantError(t, 400, "invalid_grant")
	if a := f.PostForm("/oauth2/token", form(), "DPoP", key.Proof(f, "POST", "/oauth2/token")); a.Status != 200 || a.JSON(t)["token_type"] != "DPoP" {
		t.Errorf("%d %s", a.Status, a.Body)
	}
}

func TestDPoPNonces(t *testing.T) {
	f := providertest.NewWith(t, sqldbtest.SQLite(t), func(c *provider.Config) { c.DPoPNonces = true })
	key := providertest.NewSigner(t, "")
	call := func(changes ...any) providertest.Answer {
		return f.PostAs("app", "/oauth2/token", url.Values{"grant_type": {"client_credentials"}, "scope": {"board:read"}}, "DPoP", key.Proof(f, "POST", "/oauth2/token", changes...))
	}
	a := call()
	a.WantError(t, 400, "use_dpop_nonce")
	nonce := a.Header.Get("DPoP-Nonce")
	if a := call("nonce", nonce); a.Status != 200 {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	call("nonce", nonce[:len(nonce)-8]+"AAAAAAAA").WantError(t, 400, "use_dpop_nonce")
	f.Clock.Advance(10 * time.Minute)
	call("nonce", nonce).WantError(t, 400, "use_dpop_nonce")
}
