package providertest

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// CodeGrant is the token request that redeems a code of [Parameters].
func CodeGrant(code string) url.Values {
	return url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {Callback}, "code_verifier": {Verifier}}
}

// RefreshGrant is the token request with a refresh token.
func RefreshGrant(token string) url.Values {
	return url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}
}

// Token calls the token endpoint as a client that has [Secret].
func (f *Fixture) Token(id string, form url.Values) Answer {
	f.T.Helper()
	return f.TokenWith(id, Secret, form)
}

// TokenWith calls the token endpoint as client id. With an empty secret the id goes into the body.
func (f *Fixture) TokenWith(id, secret string, form url.Values) Answer {
	f.T.Helper()
	if secret == "" {
		form.Set("client_id", id)
		return f.PostForm("/oauth2/token", form)
	}
	r := f.Request("POST", "/oauth2/token", form)
	r.SetBasicAuth(url.QueryEscape(id), url.QueryEscape(secret))
	return f.Do(r)
}

// Redeem exchanges a code of "app" for tokens, with pairs of parameters changed; an empty value
// takes one out.
func (f *Fixture) Redeem(code string, changes ...string) Answer {
	f.T.Helper()
	return f.Token("app", changed(CodeGrant(code), changes))
}

// Refresh exchanges a refresh token of "app" for new tokens, with pairs of parameters changed.
func (f *Fixture) Refresh(token string, changes ...string) Answer {
	f.T.Helper()
	return f.Token("app", changed(RefreshGrant(token), changes))
}

// Tokens are what a successful token request is answered with.
type Tokens struct{ Access, Refresh, ID, Scope string }

// Tokens reads the tokens out of an answer, which must be as every one with bearer tokens is.
func (f *Fixture) Tokens(a Answer) Tokens {
	f.T.Helper()
	if a.Status != http.StatusOK {
		f.T.Fatalf("token endpoint: %d %s", a.Status, a.Body)
	}
	object := a.JSON(f.T)
	text := func(name string) string { s, _ := object[name].(string); return s }
	if object["token_type"] != "Bearer" || object["expires_in"] != float64(600) || a.Header.Get("Cache-Control") != "no-store" {
		f.T.Errorf("token answer: %v %v", object, a.Header)
	}
	return Tokens{text("access_token"), text("refresh_token"), text("id_token"), text("scope")}
}

// Decode reads a JWT's header and claims without a look at its signature.
func Decode(t testing.TB, token string) (header, claims map[string]any) {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("no JWT: %q", token)
	}
	for i, into := range []*map[string]any{&header, &claims} {
		text, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, into); err != nil {
			t.Fatal(err)
		}
	}
	return header, claims
}

// Userinfo calls the userinfo endpoint with a bearer token.
func (f *Fixture) Userinfo(token string) Answer {
	f.T.Helper()
	return f.Do(f.Request("GET", "/oauth2/userinfo", nil, "Authorization", "Bearer "+token))
}

// UserinfoWithProof calls the userinfo endpoint with a token that is bound to a key.
func (f *Fixture) UserinfoWithProof(token, proof string) Answer {
	f.T.Helper()
	return f.Do(f.Request("GET", "/oauth2/userinfo", nil, "Authorization", "DPoP "+token, "DPoP", proof))
}
