package jwks_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/jwks"
	"github.com/maru-auth/maru/jwks/jwkstest"
)

const metadataURL = "https://api.example/.well-known/oauth-protected-resource/notes"

// notes is an API as a service would write it.
func notes(t *testing.T, iss *jwkstest.Issuer, cfg jwks.GuardConfig) http.Handler {
	t.Helper()
	guard := jwks.NewGuard(iss.Verifier(t, audience), cfg)
	mux := http.NewServeMux()
	hello := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		claims, ok := jwks.FromContext(r.Context())
		if !ok {
			t.Error("no claims in the context")
			return
		}
		fmt.Fprint(w, "hello ", claims.Subject)
	})
	mux.Handle("GET /notes", guard.Middleware(jwks.RequireScope("notes:read")(hello)))
	mux.Handle("POST /notes", guard.Middleware(jwks.RequireScope("notes:read", "notes:write")(hello)))
	return mux
}

func call(h http.Handler, method, target string, authorization ...string) *http.Response {
	r := httptest.NewRequest(method, target, nil)
	for _, value := range authorization {
		r.Header.Add("Authorization", value)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

// problem reads the answer's problem document, and fails if it is none.
func problem(t *testing.T, resp *http.Response) (detail string) {
	t.Helper()
	if got := resp.Header.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("content type %q", got)
	}
	if got := resp.Header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control %q", got)
	}
	var body struct {
		Title, Detail string
		Status        int
	}
	if err := json.NewDecoder(resp.Body).Decode(&body); err != nil {
		t.Fatal(err)
	}
	if body.Status != resp.StatusCode || body.Title != http.StatusText(resp.StatusCode) || body.Detail == "" {
		t.Errorf("status %d with problem %+v", resp.StatusCode, body)
	}
	return body.Detail
}

func TestAGoodTokenPasses(t *testing.T) {
	t.Parallel()
	iss := jwkstest.NewIssuer(t)
	api := notes(t, iss, jwks.GuardConfig{})
	token := iss.AccessToken(t, jwkstest.Token{Subject: "mina", Audience: audience, Scope: "notes:read"})
	for _, scheme := range []string{"Bearer ", "bearer ", "BEARER ", "Bearer    "} {
		resp := call(api, "GET", "/notes", scheme+token)
		if body, _ := io.ReadAll(resp.Body); resp.StatusCode != 200 || string(body) != "hello mina" {
			t.Errorf("%q: status %d: %s", scheme, resp.StatusCode, body)
		}
	}
}

func TestEveryBadTokenIsRefusedOverHTTP(t *testing.T) {
	t.Parallel()
	iss := jwkstest.NewIssuer(t)
	api := notes(t, iss, jwks.GuardConfig{Realm: "notes", ResourceMetadata: metadataURL})
	details := map[error]string{}
	for _, bad := range iss.BadTokens(audience, jwkstest.Token{Scope: "notes:read"}) {
		resp := call(api, "GET", "/notes", "Bearer "+bad.Token)
		if resp.StatusCode != 401 {
			t.Errorf("%s: status %d", bad.Name, resp.StatusCode)
		}
		detail := problem(t, resp)
		if known, ok := details[bad.Want]; ok && known != detail {
			t.Errorf("%s: detail %q, but %q before", bad.Name, detail, known)
		}
		details[bad.Want] = detail
		want := `Bearer realm="notes", error="invalid_token", error_description="` + detail + `", resource_metadata="` + metadataURL + `"`
		if got := resp.Header.Values("WWW-Authenticate"); len(got) != 1 || got[0] != want {
			t.Errorf("%s: challenge %q, want %q", bad.Name, got, want)
		}
	}
}

func TestWaysToSendAToken(t *testing.T) {
	t.Parallel()
	iss := jwkstest.NewIssuer(t)
	api := notes(t, iss, jwks.GuardConfig{ResourceMetadata: metadataURL})
	token := iss.AccessToken(t, jwkstest.Token{Audience: audience, Scope: "notes:read"})
	none := `Bearer resource_metadata="` + metadataURL + `"` // no error code: RFC 6750 §3.1
	invalid := `Bearer error="invalid_request", error_description="The access token must be sent once, in the Authorization header.", ` +
		`resource_metadata="` + metadataURL + `"`
	for _, tc := range []struct {
		name, target  string
		authorization []string
		status        int
		challenge     string
	}{
		{"none", "/notes", nil, 401, none},
		{"an empty header", "/notes", []string{""}, 401, none},
		{"another scheme", "/notes", []string{"Basic dTpw"}, 401, none},
		{"DPoP", "/notes", []string{"DPoP " + token}, 401, none},
		{"a scheme that begins alike", "/notes", []string{"BearerX " + token}, 401, none},
		{"no scheme", "/notes", []string{token}, 401, none},
		{"the query only", "/notes?access_token=" + token, nil, 401, none},
		{"a scheme alone", "/notes", []string{"Bearer"}, 400, invalid},
		{"a scheme and spaces", "/notes", []string{"Bearer   "}, 400, invalid},
		{"two tokens", "/notes", []string{"Bearer " + token + " " + token}, 400, invalid},
		{"two tokens with a comma", "/notes", []string{"Bearer " + token + ", Bearer " + token}, 400, invalid},
		{"two headers", "/notes", []string{"Bearer " + token, "Bearer " + token}, 400, invalid},
		{"two headers of two kinds", "/notes", []string{"Bearer " + token, "Basic dTpw"}, 400, invalid},
		{"header and query", "/notes?a=b&access_token=" + token, []string{"Bearer " + token}, 400, invalid},
		{"a tab", "/notes", []string{"Bearer \t" + token}, 400, invalid},
		{"quotes", "/notes", []string{`Bearer "` + token + `"`}, 400, invalid},
		{"not ASCII", "/notes", []string{"Bearer 토큰"}, 400, invalid},
		{"padding alone", "/notes", []string{"Bearer =="}, 400, invalid},
		{"another parameter", "/notes?my_access_token_x=1", []string{"Bearer " + token}, 200, ""},
	} {
		resp := call(api, "GET", tc.target, tc.authorization...)
		if resp.StatusCode != tc.status || resp.Header.Get("WWW-Authenticate") != tc.challenge {
			t.Errorf("%s: status %d, challenge %s; want %d, %s", tc.name, resp.StatusCode, resp.Header.Get("WWW-Authenticate"),
				tc.status, tc.challenge)
		}
		if resp.StatusCode != 200 {
			problem(t, resp)
		}
	}
}

func TestMissingScopesAreNamed(t *testing.T) {
	t.Parallel()
	iss := jwkstest.NewIssuer(t)
	api := notes(t, iss, jwks.GuardConfig{Realm: "notes", ResourceMetadata: metadataURL})
	for scope, status := range map[string]int{"": 403, "notes:read": 403, "notes:write": 403, "notes:read notes:write": 200} {
		resp := call(api, "POST", "/notes", "Bearer "+iss.AccessToken(t, jwkstest.Token{Audience: audience, Scope: scope}))
		if resp.StatusCode != status {
			t.Errorf("scope %q: status %d, want %d", scope, resp.StatusCode, status)
		}
		if status == 200 {
			continue
		}
		detail := problem(t, resp)
		want := `Bearer realm="notes", error="insufficient_scope", error_description="` + detail +
			`", scope="notes:read notes:write", resource_metadata="` + metadataURL + `"`
		if got := resp.Header.Get("WWW-Authenticate"); got != want {
			t.Errorf("challenge %s, want %s", got, want)
		}
	}
}

func TestRequireScopeAloneLetsNobodyPass(t *testing.T) {
	t.Parallel()
	h := jwks.RequireScope()(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("passed") }))
	resp := call(h, "GET", "/", "Bearer x")
	if resp.StatusCode != 401 || resp.Header.Get("WWW-Authenticate") != "Bearer" {
		t.Errorf("status %d, challenge %q", resp.StatusCode, resp.Header.Get("WWW-Authenticate"))
	}
	problem(t, resp)
}

func TestClaimsInAContext(t *testing.T) {
	t.Parallel()
	if c, ok := jwks.FromContext(t.Context()); ok || c != nil {
		t.Error("claims from nowhere")
	}
	want := &jwks.Claims{Subject: "u", Scope: []string{"a"}}
	ctx := jwks.NewContext(t.Context(), want)
	if c, ok := jwks.FromContext(ctx); !ok || c != want {
		t.Errorf("got %v, %v", c, ok)
	}
	passed := false
	h := jwks.RequireScope("a")(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { passed = true }))
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil).WithContext(ctx))
	if !passed {
		t.Error("did not pass")
	}
	if _, ok := jwks.FromContext(jwks.NewContext(t.Context(), nil)); ok {
		t.Error("nil claims are claims")
	}
}

// The way of an adapter to another framework.
func TestAdaptersGetTheSameAnswers(t *testing.T) {
	t.Parallel()
	iss := jwkstest.NewIssuer(t)
	guard := jwks.NewGuard(iss.Verifier(t, audience), jwks.GuardConfig{Realm: "notes"})
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Authorization", "Bearer "+iss.AccessToken(t, jwkstest.Token{Audience: audience, Scope: "notes:read"}))
	claims, err := guard.Authenticate(r)
	if err != nil {
		t.Fatal(err)
	}
	refusal := guard.Refuse(claims.RequireScope("notes:write"))
	if refusal.Status != 403 || !strings.Contains(refusal.Challenge, `realm="notes"`) ||
		!strings.Contains(refusal.Challenge, `scope="notes:write"`) {
		t.Errorf("%+v", refusal)
	}
	h := jwks.RequireScope("notes:write")(http.NotFoundHandler())
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r.WithContext(guard.NewContext(r.Context(), claims)))
	if got := w.Header().Get("WWW-Authenticate"); got != refusal.Challenge {
		t.Errorf("challenge %s, want %s", got, refusal.Challenge)
	}
	middleware := jwks.Middleware(iss.Verifier(t, audience), jwks.GuardConfig{})
	if resp := call(middleware(http.NotFoundHandler()), "GET", "/"); resp.StatusCode != 401 {
		t.Errorf("status %d", resp.StatusCode)
	}
}

func TestUnavailableKeysAreNoFaultOfTheToken(t *testing.T) {
	t.Parallel()
	iss := jwkstest.NewIssuer(t)
	iss.SetDown(true)
	cache, err := jwks.NewCache(t.Context(), jwks.CacheConfig{Issuer: iss.URL()})
	if err != nil {
		t.Fatal(err)
	}
	v, err := jwks.NewVerifier(jwks.VerifierConfig{Issuer: iss.URL(), Audience: audience, Keys: cache})
	if err != nil {
		t.Fatal(err)
	}
	api := jwks.NewGuard(v, jwks.GuardConfig{}).Middleware(http.NotFoundHandler())
	good := iss.AccessToken(t, jwkstest.Token{Audience: audience})
	resp := call(api, "GET", "/", "Bearer "+good)
	if resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" || resp.Header.Get("WWW-Authenticate") != "" {
		t.Errorf("status %d, header %v", resp.StatusCode, resp.Header)
	}
	problem(t, resp)
	// What needs no key is judged all the same.
	if resp := call(api, "GET", "/", "Bearer "+iss.IDToken(t, jwkstest.Token{})); resp.StatusCode != 401 {
		t.Errorf("an ID token: status %d", resp.StatusCode)
	}
	iss.SetDown(false)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := cache.Ready(ctx); err != nil {
		t.Fatal(err)
	}
	if resp := call(api, "GET", "/", "Bearer "+good); resp.StatusCode != 404 {
		t.Errorf("after recovery: status %d", resp.StatusCode)
	}
}

func TestOtherErrorsStayHidden(t *testing.T) {
	t.Parallel()
	var guard *jwks.Guard
	for _, err := range []error{errors.New("password is hunter2"), context.Canceled, nil} {
		w := httptest.NewRecorder()
		guard.WriteError(w, httptest.NewRequest("GET", "/", nil), err)
		if w.Code != 500 || strings.Contains(w.Body.String(), "hunter2") {
			t.Errorf("%v: status %d: %s", err, w.Code, w.Body)
		}
	}
}

func TestOtherErrorsAreInTheLog(t *testing.T) {
	t.Parallel()
	iss := jwkstest.NewIssuer(t)
	var log strings.Builder
	guard := jwks.NewGuard(iss.Verifier(t, audience), jwks.GuardConfig{Log: slog.New(slog.NewTextHandler(&log, nil))})
	guard.WriteError(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil), jwks.ErrKeysUnavailable)
	if log.String() != "" {
		t.Errorf("a flood during an outage would flood the log: %s", log.String())
	}
	guard.WriteError(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil), errors.New("disk full"))
	if !strings.Contains(log.String(), "level=ERROR") || !strings.Contains(log.String(), "disk full") {
		t.Errorf("log %s", log.String())
	}
}

// Nothing that comes from configuration, or from scopes, can break out of a
// challenge.
func TestChallengesCannotBeInjected(t *testing.T) {
	t.Parallel()
	iss := jwkstest.NewIssuer(t)
	nasty := "a\"\\b\r\nSet-Cookie: x=y\x00\x7fé"
	guard := jwks.NewGuard(iss.Verifier(t, audience), jwks.GuardConfig{Realm: nasty, ResourceMetadata: nasty})
	err := (&jwks.Claims{}).RequireScope(nasty)
	challenge := guard.Refuse(err).Challenge
	quoted := `"a\"\\b??Set-Cookie: x=y????"`
	want := `Bearer realm=` + quoted +
		`, error="insufficient_scope", error_description="The access token does not have the scope that is needed.", ` +
		`scope=` + quoted + `, resource_metadata=` + quoted
	if challenge != want {
		t.Errorf("challenge %s\nwant      %s", challenge, want)
	}
}

func TestTheLogSaysWhyButShowsNoToken(t *testing.T) {
	t.Parallel()
	iss := jwkstest.NewIssuer(t)
	var log strings.Builder
	logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	api := notes(t, iss, jwks.GuardConfig{Log: logger})
	for _, bad := range iss.BadTokens(audience) {
		log.Reset()
		call(api, "GET", "/notes?q=secret", "Bearer "+bad.Token)
		if !strings.Contains(log.String(), bad.Want.Error()) {
			t.Errorf("%s: log %s", bad.Name, log.String())
		}
		for part := range strings.SplitSeq(bad.Token, ".") {
			if len(part) > 10 && strings.Contains(log.String(), part) || strings.Contains(log.String(), "secret") {
				t.Errorf("%s: the log shows too much: %s", bad.Name, log.String())
			}
		}
	}
}
