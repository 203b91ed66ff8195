package jwks_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/maru-auth/maru/jwks"
	"github.com/maru-auth/maru/jwks/jwkstest"
)

// Accept tokens that are bound to their sender's key: who steals one cannot
// use it.
func ExampleNewDPoP() {
	tb := newExampleTB()
	defer tb.end()
	iss := jwkstest.NewIssuer(tb)

	dpop, err := jwks.NewDPoP(jwks.DPoPConfig{
		BaseURL:  "https://api.example", // where clients reach "/", whatever a gateway makes of it
		Required: true,                  // no bearer tokens
	})
	if err != nil {
		panic(err) // wrong configuration
	}
	guard := jwks.NewGuard(iss.Verifier(tb, "https://api.example/notes"), jwks.GuardConfig{DPoP: dpop})
	api := guard.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		claims, _ := jwks.FromContext(r.Context())
		fmt.Fprintf(w, "the notes of %s", claims.Subject)
	}))

	key := iss.ProofKey(tb, "ES256") // the client's
	token := iss.AccessToken(tb, jwkstest.Token{Subject: "mina", Audience: "https://api.example/notes", ProofKey: key})
	proof := key.Proof(tb, jwkstest.Proof{Method: "GET", URL: "https://api.example/notes", Token: token})
	for _, scheme := range []string{"DPoP", "DPoP", "Bearer"} {
		r := httptest.NewRequest("GET", "/notes", nil)
		r.Header.Set("Authorization", scheme+" "+token)
		r.Header.Set("DPoP", proof)
		w := httptest.NewRecorder()
		api.ServeHTTP(w, r)
		fmt.Println(w.Code, strings.TrimSpace(w.Body.String()))
	}
	// Output:
	// 200 the notes of mina
	// 401 {"title":"Unauthorized","status":401,"detail":"The DPoP proof was used before."}
	// 401 {"title":"Unauthorized","status":401,"detail":"An access token is required that is bound to a key, with a DPoP proof."}
}

// Protect a server of the Model Context Protocol. A client that knows the
// server's URL alone finds out by the challenge where the metadata is, by the
// metadata where to get a token, and asks there for one for the server's URL
// (RFC 8707), which is the audience that the server insists on.
func Example_mcp() {
	tb := newExampleTB()
	defer tb.end()
	iss := jwkstest.NewIssuer(tb) // in earnest: your issuer
	const server = "https://tools.example/mcp"

	metadata := jwks.ResourceMetadata{
		Resource:             server,
		AuthorizationServers: []string{iss.URL()},
		Scopes:               []string{"tools:call"},
	}
	verifier := iss.Verifier(tb, server) // jwks.NewVerifier with Audience: server
	guard := jwks.NewGuard(verifier, jwks.GuardConfig{ResourceMetadata: metadata.URL(), Scope: "tools:call"})
	tools := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		claims, _ := jwks.FromContext(r.Context())
		fmt.Fprintf(w, "called by %s for %s", claims.ClientID, claims.Subject)
	})
	mux := http.NewServeMux()
	mux.Handle("/mcp", guard.Middleware(jwks.RequireScope("tools:call")(tools)))
	mux.Handle(metadata.Path(), metadata)

	// What a client does.
	post := func(token string) *httptest.ResponseRecorder {
		r := httptest.NewRequest("POST", "/mcp", strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"tools/list"}`))
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		return w
	}
	first := post("")
	fmt.Println(first.Code, first.Header().Get("WWW-Authenticate"))

	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest("GET", "/.well-known/oauth-protected-resource/mcp", nil))
	var found struct {
		Resource string   `json:"resource"`
		Servers  []string `json:"authorization_servers"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &found); err != nil {
		panic(err)
	}
	fmt.Println("ask", len(found.Servers), "issuer for resource", found.Resource)

	grant := jwkstest.Token{Subject: "mina", ClientID: "assistant", Audience: found.Resource, Scope: "tools:call"}
	fmt.Println(post(iss.AccessToken(tb, grant)).Body)
	grant.Audience = "https://tools.example/other"
	fmt.Println(post(iss.AccessToken(tb, grant)).Code)
	// Output:
	// 401 Bearer scope="tools:call", resource_metadata="https://tools.example/.well-known/oauth-protected-resource/mcp"
	// ask 1 issuer for resource https://tools.example/mcp
	// called by assistant for mina
	// 401
}
