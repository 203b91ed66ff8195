package provider_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/consent"
	"github.com/maru-auth/maru/authz-server/internal/directory"
	"github.com/maru-auth/maru/authz-server/internal/people"
	"github.com/maru-auth/maru/authz-server/internal/provider"
	"github.com/maru-auth/maru/authz-server/internal/provider/providertest"
	"github.com/maru-auth/maru/authz-server/internal/registration"
	"github.com/maru-auth/maru/authz-server/internal/signup"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

// Both documents are one, and caches know when it changes.
func TestBothDiscoveryDocumentsAreOne(t *testing.T) {
	t.Parallel()
	f := providertest.One(t)
	get := func(path string, header ...string) providertest.Answer {
		return f.Do(f.Request("GET", path, nil, header...))
	}
	openid, oauth2 := get("/.well-known/openid-configuration"), get("/.well-known/oauth-authorization-server")
	if openid.Body != oauth2.Body || openid.Header.Get("Content-Type") != "application/json" ||
		openid.Header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("%v %s", openid.Header, oauth2.Body)
	}
	if again := get("/.well-known/openid-configuration", "If-None-Match", openid.Header.Get("ETag")); again.Status != http.StatusNotModified {
		t.Errorf("with its ETag: %d", again.Status)
	}
	jwks := get("/.well-known/jwks.json")
	if !strings.Contains(jwks.Header.Get("Cache-Control"), "max-age=") || jwks.Header.Get("ETag") == "" ||
		strings.Contains(jwks.Body, `"d"`) || jwks.Header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("JWKS: %v %s", jwks.Header, jwks.Body)
	}
}

// announced is a server whose metadata has all members, and what tries them.
type announced struct {
	*providertest.Registrar
	t *testing.T
	b *providertest.Browser // in which the person is logged in

	clients int // how many were made for a try
}

// newID is the id of one more client.
func (a *announced) newID(of string) string {
	a.clients++
	return fmt.Sprintf("%s-%d", of, a.clients)
}

// Whatever discovery announces is tried, each endpoint, value and algorithm; and it announces nothing
// that is not tried here.
func TestDiscoveryAnnouncesWhatWorks(t *testing.T) {
	t.Parallel()
	a := &announced{t: t, Registrar: providertest.NewRegistrarWith(t, sqldbtest.SQLite(t), func(cfg *provider.Config, clients *directory.Config) {
		cfg.Registration, clients.MetadataDocuments = registration.Open, true
		clients.Policy = client.Policy{Scopes: []string{"openid"}, DefaultScope: "openid", GrantTypes: []string{client.AuthorizationCode}, InsecureLoopback: true}
	})}
	claims := accounts.Claims{
		GivenName: "x", FamilyName: "x", MiddleName: "x", Nickname: "x", PreferredUsername: "x", Profile: "https://x.example/", Picture: "https://x.example/",
		Website: "https://x.example/", Gender: "x", Birthdate: "2000-01-01", Zoneinfo: "Asia/Seoul", PhoneNumber: "+82212345678", Address: accounts.Address{Country: "KR"},
	}
	var err error
	a.User, err = a.Store.Users.CreateUser(t.Context(), accounts.User{Email: "known@example.com", Name: "x", Locale: "ko", PasswordHash: "x"})
	if err == nil {
		err = a.Store.Users.SetClaims(t.Context(), a.User.ID, claims)
	}
	if err != nil {
		t.Fatal(err)
	}
	a.b = a.Browser().LogIn(a.User)
	tries := a.tries()
	document := a.Do(a.Request("GET", "/.well-known/openid-configuration", nil)).JSON(t)
	for name, value := range document {
		try, there := tries[name]
		if !there {
			t.Errorf("%s is announced as %v, and nothing tries it", name, value)
			continue
		}
		delete(tries, name)
		values, isList := value.([]any)
		if !isList {
			values = []any{value}
		}
		if len(values) == 0 {
			t.Errorf("%s has no values", name)
		}
		for _, one := range values {
			if !try(one) {
				t.Errorf("%s: %v is not what the server does", name, one)
			}
		}
	}
	for name := range tries {
		t.Errorf("%s is not announced", name)
	}
}

func TestDiscoveryNamesWhatPeopleAgreeTo(t *testing.T) {
	t.Parallel()
	const terms, privacy = "https://x.example/terms", "https://x.example/privacy"
	f := providertest.WithPeople(t, sqldbtest.SQLite(t), func(cfg *people.Config) {
		cfg.Signup.Terms = signup.Terms{URL: terms, Privacy: privacy, Version: "1"}
	})
	document := f.Do(f.Request("GET", "/.well-known/openid-configuration", nil)).JSON(t)
	if document["op_tos_uri"] != terms || document["op_policy_uri"] != privacy {
		t.Errorf("%v %v", document["op_tos_uri"], document["op_policy_uri"])
	}
}

// tries has for each member what tries one of its values.
func (a *announced) tries() map[string]func(any) bool {
	is := func(want any) func(any) bool { return func(value any) bool { return value == want } }
	text := func(try func(string) bool) func(any) bool {
		return func(value any) bool {
			s, ok := value.(string)
			return ok && try(s)
		}
	}
	code := func(parameter string) func(any) bool {
		return text(func(value string) bool { return a.b.Authorize(parameter, value).Parameter("code") != "" })
	}
	noError := func(parameter string) func(any) bool {
		return text(func(value string) bool {
			got := a.b.Authorize(parameter, value)
			return got.Location != nil && got.Parameter("error") == ""
		})
	}
	all := map[string]func(any) bool{
		"issuer": is(a.Issuer),

		"scopes_supported":         code("scope"),
		"claims_supported":         text(a.claim),
		"response_types_supported": noError("response_type"),
		"response_modes_supported": text(func(mode string) bool {
			got := a.b.Authorize("response_mode", mode)
			return got.Parameter("code")+got.Parameter("response") != ""
		}),
		"grant_types_supported":    text(a.grantType),
		"subject_types_supported":  text(a.subjectType),
		"acr_values_supported":     noError("acr_values"),
		"prompt_values_supported":  noError("prompt"),
		"display_values_supported": code("display"),
		"claim_types_supported":    is("normal"), // userinfo has the claims themselves
		"ui_locales_supported": text(func(tag string) bool {
			b := a.Browser()
			return strings.Contains(b.Get(b.Authorize("ui_locales", tag).Location.String()).Body, `<html lang="`+tag+`"`)
		}),
		"code_challenge_methods_supported": text(func(method string) bool {
			return method == "S256" && a.b.Authorize("code_challenge_method", "plain").Parameter("code") == ""
		}),

		"id_token_signing_alg_values_supported":          text(a.signsIDTokens),
		"userinfo_signing_alg_values_supported":          text(a.signsUserinfo),
		"authorization_signing_alg_values_supported":     text(a.signsAnswers),
		"introspection_signing_alg_values_supported":     text(a.signsIntrospection),
		"request_object_signing_alg_values_supported":    text(a.takesRequestObjects),
		"dpop_signing_alg_values_supported":              text(a.takesProofs),
		"claims_parameter_supported":                     is(a.claimsParameter()),
		"request_parameter_supported":                    is(a.takesRequestObjects("ES256")),
		"request_uri_parameter_supported":                is(true), // TestPAR…, and a registered one in the tests of authorize
		"require_request_uri_registration":               is(a.refusesRequestURI()),
		"require_pushed_authorization_requests":          is(a.b.Authorize().Parameter("code") == ""),
		"require_signed_request_object":                  is(a.b.Authorize().Parameter("code") == ""),
		"authorization_response_iss_parameter_supported": is(a.b.Authorize().Parameter("iss") == a.Issuer),
		// What a log-out tells apps, and how documents are read, is tested in their own rooms.
		"backchannel_logout_supported": is(true), "backchannel_logout_session_supported": is(true),
		"frontchannel_logout_supported": is(true), "frontchannel_logout_session_supported": is(true),
		"client_id_metadata_document_supported": is(true),
	}
	for name, try := range a.endpoints() {
		all[name] = text(try)
	}
	// Clients authenticate in the same ways wherever they do.
	for prefix, passes := range a.authenticated() {
		all[prefix+"_auth_methods_supported"] = text(func(method string) bool {
			return passes(a.authenticating(method, "ES256"))
		})
		all[prefix+"_auth_signing_alg_values_supported"] = text(func(alg string) bool {
			return passes(a.authenticating("private_key_jwt", alg))
		})
	}
	return all
}

// endpoints has what tries an address.
func (a *announced) endpoints() map[string]func(at string) bool {
	as := func(at string, form url.Values) providertest.Answer { return a.PostAs("app", at, form) }
	get := func(at string, header ...string) providertest.Answer {
		return a.Do(a.Request("GET", at, nil, header...))
	}
	tokens := func() providertest.Tokens { return a.Tokens(a.Redeem(a.b.Code("scope", "openid offline_access"))) }
	a.AddTV("tv", nil)
	return map[string]func(at string) bool{
		"authorization_endpoint": func(at string) bool {
			return a.b.Get(at+"?"+providertest.Parameters().Encode()).Parameter("code") != ""
		},
		"token_endpoint": func(at string) bool {
			return as(at, providertest.CodeGrant(a.b.Code())).JSON(a.t)["access_token"] != nil
		},
		"pushed_authorization_request_endpoint": func(at string) bool {
			return as(at, providertest.Parameters()).JSON(a.t)["request_uri"] != nil
		},
		"userinfo_endpoint": func(at string) bool {
			return get(at, "Authorization", "Bearer "+tokens().Access).JSON(a.t)["sub"] == a.User.ID
		},
		"jwks_uri": func(at string) bool {
			keys, _ := get(at).JSON(a.t)["keys"].([]any)
			return len(keys) > 0
		},
		"end_session_endpoint": func(at string) bool {
			b := a.Browser().LogIn(a.User)
			hint := a.Tokens(a.Redeem(b.Code())).ID
			got := b.Get(at + "?" + url.Values{"id_token_hint": {hint}, "post_logout_redirect_uri": {"https://app.example/bye"}}.Encode())
			return got.Status == http.StatusOK || got.Location != nil && strings.HasPrefix(got.Location.String(), "https://app.example/bye")
		},
		"check_session_iframe": func(at string) bool {
			got := get(at)
			return got.Status == http.StatusOK && strings.HasPrefix(got.Header.Get("Content-Type"), "text/html") && got.Header.Get("X-Frame-Options") == ""
		},
		"revocation_endpoint": func(at string) bool {
			made := tokens()
			return as(at, url.Values{"token": {made.Refresh}}).Status == http.StatusOK && a.Userinfo(made.Access).Status == http.StatusUnauthorized
		},
		"introspection_endpoint": func(at string) bool {
			return as(at, url.Values{"token": {tokens().Access}}).JSON(a.t)["active"] == true
		},
		"device_authorization_endpoint": func(at string) bool {
			return a.PostForm(at, url.Values{"client_id": {"tv"}}).JSON(a.t)["device_code"] != nil
		},
		"registration_endpoint": func(at string) bool {
			return a.Send("POST", at, "", "{"+providertest.WebApp+"}").Status == http.StatusCreated
		},
		"status_list_aggregation_endpoint": func(at string) bool {
			_, there := get(at).JSON(a.t)["status_lists"].([]any)
			return there
		},
	}
}

// claim tells whether somebody gets a claim.
func (a *announced) claim(name string) bool {
	for _, claims := range consent.ScopeClaims {
		if slices.Contains(claims, name) {
			got := a.Tokens(a.Redeem(a.b.Code("scope", "openid profile email address phone")))
			_, there := a.Userinfo(got.Access).JSON(a.t)[name]
			return there
		}
	}
	if name == "c_hash" { // of a code in the same answer, which certification has
		return true
	}
	_, claims := providertest.Decode(a.t, a.Tokens(a.Redeem(a.b.Code("nonce", "n"))).ID)
	return claims[name] != nil
}

func (a *announced) grantType(grant string) bool {
	id := "grants-" + strings.ReplaceAll(grant, ":", "-")
	a.AddClient(id, func(c *client.Client) {
		switch c.GrantTypes = []string{grant}; grant {
		case client.TokenExchange:
			c.TokenExchangeAudiences = []string{providertest.APIOrigin + "/user"}
		case client.RefreshToken:
			c.GrantTypes = append(c.GrantTypes, client.AuthorizationCode)
		}
		if !c.HasGrantType(client.AuthorizationCode) {
			c.RedirectURIs = nil
		}
	})
	code := a.Token(id, url.Values{"grant_type": {grant}}).JSON(a.t)["error"]
	return code != "unsupported_grant_type" && code != "unauthorized_client"
}

func (a *announced) subjectType(kind string) bool {
	a.AddClient(kind, func(c *client.Client) { c.SubjectType = kind })
	_, claims := providertest.Decode(a.t, a.codeTokens(kind).ID)
	return claims["sub"] != nil && (claims["sub"] == a.User.ID) == (kind == "public")
}

// codeTokens are those of a log-in to a client.
func (a *announced) codeTokens(id string) providertest.Tokens {
	return a.Tokens(a.Token(id, providertest.CodeGrant(a.b.Code("client_id", id))))
}

func (a *announced) algOf(jwt string) any {
	if strings.Count(jwt, ".") != 2 {
		return nil
	}
	header, _ := providertest.Decode(a.t, jwt)
	return header["alg"]
}

func (a *announced) signsIDTokens(alg string) bool {
	a.AddClient("id-"+alg, func(c *client.Client) { c.IDTokenSignedResponseAlg = alg })
	return a.algOf(a.codeTokens("id-"+alg).ID) == alg
}

func (a *announced) signsUserinfo(alg string) bool {
	a.AddClient("userinfo-"+alg, func(c *client.Client) { c.UserinfoSignedResponseAlg = alg })
	return a.algOf(a.Userinfo(a.codeTokens("userinfo-"+alg).Access).Body) == alg
}

func (a *announced) signsAnswers(alg string) bool {
	a.AddClient("answers-"+alg, func(c *client.Client) { c.AuthorizationSignedResponseAlg = alg })
	return a.algOf(a.b.Authorize("client_id", "answers-"+alg, "response_mode", "jwt").Parameter("response")) == alg
}

func (a *announced) signsIntrospection(alg string) bool {
	a.AddClient("introspects-"+alg, func(c *client.Client) { c.IntrospectionSignedResponseAlg = alg })
	got := a.PostAs("introspects-"+alg, "/oauth2/introspect", url.Values{"token": {"x"}}, "Accept", "application/token-introspection+jwt")
	return a.algOf(got.Body) == alg
}

func (a *announced) takesRequestObjects(alg string) bool {
	id := a.newID("objects")
	key := providertest.SignerFor(a.t, "the client", "k1", alg)
	a.AddClient(id, func(c *client.Client) { c.JWKS, c.RequestObjectSigningAlg = key.JWKS(), alg })
	claims := map[string]any{"iss": id, "aud": a.Issuer}
	for name, values := range providertest.Parameters("client_id", id) {
		claims[name] = values[0]
	}
	object := key.Sign(map[jose.HeaderKey]any{"typ": "oauth-authz-req+jwt"}, claims)
	return a.b.AuthorizeForm(url.Values{"client_id": {id}, "response_type": {"code"}, "scope": {"openid"}, "request": {object}}).Parameter("code") != ""
}

func (a *announced) takesProofs(alg string) bool {
	proof := providertest.SignerFor(a.t, "the proofs", "", alg).Proof(a.Fixture, "POST", "/oauth2/token")
	return a.PostAs("app", "/oauth2/token", providertest.CodeGrant(a.b.Code()), "DPoP", proof).JSON(a.t)["token_type"] == "DPoP"
}

func (a *announced) claimsParameter() bool {
	code := a.b.Code("scope", "openid", "claims", `{"userinfo":{"nickname":null}}`)
	return a.Userinfo(a.Tokens(a.Redeem(code)).Access).JSON(a.t)["nickname"] == "x"
}

func (a *announced) refusesRequestURI() bool {
	got := a.b.AuthorizeForm(url.Values{"client_id": {"app"}, "response_type": {"code"}, "scope": {"openid"}, "request_uri": {"https://app.example/request"}})
	return got.Parameter("code") == "" && (got.Status == http.StatusBadRequest || got.Parameter("error") != "")
}

// authenticated has what tells whether an endpoint let a client in that sends a form its own way.
func (a *announced) authenticated() map[string]func(send func(path string, form url.Values) providertest.Answer) bool {
	return map[string]func(send func(path string, form url.Values) providertest.Answer) bool{
		"token_endpoint": func(send func(string, url.Values) providertest.Answer) bool {
			return send("/oauth2/token", providertest.RefreshGrant("nothing")).JSON(a.t)["error"] == "invalid_grant"
		},
		"revocation_endpoint": func(send func(string, url.Values) providertest.Answer) bool {
			return send("/oauth2/revoke", url.Values{"token": {"nothing"}}).Status == http.StatusOK
		},
		"introspection_endpoint": func(send func(string, url.Values) providertest.Answer) bool {
			return send("/oauth2/introspect", url.Values{"token": {"nothing"}}).JSON(a.t)["active"] == false
		},
	}
}

// authenticating registers a client that authenticates by a method, and returns how it sends forms.
func (a *announced) authenticating(method, alg string) func(path string, form url.Values) providertest.Answer {
	id := a.newID(method)
	key := providertest.SignerFor(a.t, "the client", "k1", alg)
	a.AddClient(id, func(c *client.Client) {
		c.TokenEndpointAuthMethod, c.GrantTypes = method, []string{client.AuthorizationCode, client.RefreshToken}
		if method == "private_key_jwt" {
			c.JWKS, c.TokenEndpointAuthSigningAlg = key.JWKS(), alg
		}
	})
	return func(path string, form url.Values) providertest.Answer {
		switch method {
		case "client_secret_basic":
			return a.PostAs(id, path, form)
		case "client_secret_post":
			return a.PostForm(path, providertest.Merge(form, url.Values{"client_id": {id}, "client_secret": {providertest.Secret}}))
		case "private_key_jwt":
			return a.PostForm(path, providertest.Merge(form, key.Assertion(a.Fixture, id)))
		}
		return a.PostForm(path, providertest.Merge(form, url.Values{"client_id": {id}}))
	}
}
