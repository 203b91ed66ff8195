package jwks_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/maru-auth/maru/jwks"
	"github.com/maru-auth/maru/jwks/jwkstest"
)

// Protect an API: a key cache, a verifier, a guard, and a scope for each
// route.
func Example() {
	tb := newExampleTB()
	defer tb.end()
	iss := jwkstest.NewIssuer(tb) // in earnest: your issuer
	issuer, audience := iss.URL(), "https://api.example/notes"

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel() // ends the background refresh
	cache, err := jwks.NewCache(ctx, jwks.CacheConfig{Issuer: issuer})
	if err != nil {
		panic(err) // wrong configuration; an issuer that is down is no error
	}
	verifier, err := jwks.NewVerifier(jwks.VerifierConfig{Issuer: issuer, Audience: audience, Keys: cache})
	if err != nil {
		panic(err)
	}
	guard := jwks.NewGuard(verifier, jwks.GuardConfig{})
	notes := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		claims, _ := jwks.FromContext(r.Context())
		fmt.Fprintf(w, "the notes of %s", claims.Subject)
	})
	api := guard.Middleware(jwks.RequireScope("notes:read")(notes))

	for _, token := range []string{
		iss.AccessToken(tb, jwkstest.Token{Subject: "mina", Audience: audience, Scope: "notes:read"}),
		iss.AccessToken(tb, jwkstest.Token{Subject: "mina", Audience: audience, Scope: "notes:write"}),
		iss.AccessToken(tb, jwkstest.Token{Subject: "mina", Audience: "https://api.example/other", Scope: "notes:read"}),
	} {
		r := httptest.NewRequest("GET", "/notes", nil)
		r.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		api.ServeHTTP(w, r)
		fmt.Println(w.Code, strings.TrimSpace(w.Body.String()))
		fmt.Println(w.Header().Get("WWW-Authenticate"))
	}
	// Output:
	// 200 the notes of mina
	//
	// 403 {"title":"Forbidden","status":403,"detail":"The access token does not have the scope that is needed."}
	// Bearer error="insufficient_scope", error_description="The access token does not have the scope that is needed.", scope="notes:read"
	// 401 {"title":"Unauthorized","status":401,"detail":"The access token is for another resource."}
	// Bearer error="invalid_token", error_description="The access token is for another resource."
}

// Refuse what the issuer revoked, without a call to it for each request.
func ExampleStatusLists() {
	tb := newExampleTB()
	defer tb.end()
	iss := jwkstest.NewIssuer(tb) // in earnest: your issuer
	iss.PublishStatusLists()
	issuer, audience := iss.URL(), "https://api.example/notes"

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel() // ends the background refresh
	cache, err := jwks.NewCache(ctx, jwks.CacheConfig{Issuer: issuer})
	if err != nil {
		panic(err)
	}
	lists, err := jwks.NewStatusLists(ctx, jwks.StatusConfig{Issuer: issuer, Keys: cache})
	if err != nil {
		panic(err)
	}
	verifier, err := jwks.NewVerifier(jwks.VerifierConfig{Issuer: issuer, Audience: audience, Keys: cache, Status: lists})
	if err != nil {
		panic(err)
	}

	revoked := iss.AccessToken(tb, jwkstest.Token{Audience: audience})
	good := iss.AccessToken(tb, jwkstest.Token{Audience: audience})
	iss.Revoke(tb, revoked) // the person logs out, say
	for _, token := range []string{revoked, good} {
		_, err := verifier.Verify(ctx, token)
		fmt.Println(err)
	}
	fmt.Println("lists:", lists.Stats().Lists)
	// Output:
	// jwks: token revoked
	// <nil>
	// lists: 1
}

// Ask for a recent log-in with several factors before something that cannot be
// undone. A client that gets the challenge sends the person to the issuer with
// its acr_values and max_age, and comes back with another token (RFC 9470).
func ExampleRequireACR() {
	tb := newExampleTB()
	defer tb.end()
	iss := jwkstest.NewIssuer(tb)
	guard := jwks.NewGuard(iss.Verifier(tb, "https://api.example/notes"), jwks.GuardConfig{})
	erase := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "all notes are gone") })
	// Every class that is good enough: "phr" is not understood to imply "2".
	strong, recent := jwks.RequireACR("2", "phr"), jwks.RequireAuthWithin(10*time.Minute)
	api := guard.Middleware(jwks.RequireScope("notes:write")(strong(recent(erase))))

	for _, acr := range []string{"1", "phr"} {
		token := iss.AccessToken(tb, jwkstest.Token{Audience: "https://api.example/notes", Scope: "notes:write", ACR: acr})
		r := httptest.NewRequest("DELETE", "/notes", nil)
		r.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		api.ServeHTTP(w, r)
		fmt.Println(w.Code, strings.TrimSpace(w.Body.String()))
		fmt.Println(w.Header().Get("WWW-Authenticate"))
	}
	// Output:
	// 401 {"title":"Unauthorized","status":401,"detail":"A different authentication level is required."}
	// Bearer error="insufficient_user_authentication", error_description="A different authentication level is required.", acr_values="2 phr", max_age="600"
	// 200 all notes are gone
}

// Tell why a token is refused.
func ExampleVerifier_Verify() {
	tb := newExampleTB()
	defer tb.end()
	iss := jwkstest.NewIssuer(tb)
	verifier := iss.Verifier(tb, "https://api.example/notes")

	token := iss.AccessToken(tb, jwkstest.Token{Audience: "https://api.example/notes", Lifetime: -time.Minute})
	claims, err := verifier.Verify(context.Background(), token)
	switch {
	case err == nil:
		fmt.Println("welcome,", claims.Subject)
	case errors.Is(err, jwks.ErrKeysUnavailable):
		fmt.Println("nothing is known about the token; try again later")
	case errors.Is(err, jwks.ErrExpired):
		fmt.Println("get a new one")
	default:
		fmt.Println("forged, or for somebody else:", err)
	}
	// Output: get a new one
}

// A service that must not start before it can verify waits for the keys.
func ExampleCache_Ready() {
	tb := newExampleTB()
	defer tb.end()
	iss := jwkstest.NewIssuer(tb)

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	cache, err := jwks.NewCache(ctx, jwks.CacheConfig{Issuer: iss.URL(), MaxStale: time.Hour})
	if err != nil {
		panic(err)
	}
	waiting, stop := context.WithTimeout(ctx, 10*time.Second)
	defer stop()
	fmt.Println(cache.Ready(waiting))
	// Output: <nil>
}

// With a framework that has its own handlers, use Authenticate and WriteError,
// or Refuse.
func ExampleGuard_Authenticate() {
	tb := newExampleTB()
	defer tb.end()
	iss := jwkstest.NewIssuer(tb)
	guard := jwks.NewGuard(iss.Verifier(tb, "https://api.example/notes"), jwks.GuardConfig{
		ResourceMetadata: "https://api.example/.well-known/oauth-protected-resource/notes",
	})
	handle := func(w http.ResponseWriter, r *http.Request) {
		claims, err := guard.Authenticate(r)
		if err == nil {
			err = claims.RequireScope("notes:read")
		}
		if err != nil {
			guard.WriteError(w, r, err)
			return
		}
		fmt.Fprintln(w, "hello", claims.Subject)
	}

	w := httptest.NewRecorder()
	handle(w, httptest.NewRequest("GET", "/notes", nil))
	fmt.Println(w.Code, w.Header().Get("WWW-Authenticate"))
	// Output: 401 Bearer resource_metadata="https://api.example/.well-known/oauth-protected-resource/notes"
}
