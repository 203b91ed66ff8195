package attack_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/maru-auth/maru/jwks"
	"github.com/maru-auth/maru/jwks/rscheck/attack"
)

const (
	audience = "https://api.example/notes"
	scope    = "notes:read"
)

func newIssuer(t *testing.T, cfg attack.IssuerConfig) *attack.Issuer {
	t.Helper()
	issuer, err := attack.NewIssuer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := issuer.Close(); err != nil {
			t.Error(err)
		}
	})
	return issuer
}

// guarded is a server as package jwks protects it.
func guarded(t *testing.T, issuer *attack.Issuer) *httptest.Server {
	t.Helper()
	cache, err := jwks.NewCache(t.Context(), jwks.CacheConfig{Issuer: issuer.URL(), Cooldown: 500 * time.Millisecond, MinRefresh: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(nil)
	url := "http://" + server.Listener.Addr().String()
	algorithms := []string{issuer.Algorithm()}
	lists, err := jwks.NewStatusLists(t.Context(), jwks.StatusConfig{Issuer: issuer.URL(), Keys: cache, Algorithms: algorithms})
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := jwks.NewVerifier(jwks.VerifierConfig{Issuer: issuer.URL(), Audience: audience, Keys: cache, Algorithms: algorithms, Status: lists})
	if err != nil {
		t.Fatal(err)
	}
	dpop, err := jwks.NewDPoP(jwks.DPoPConfig{BaseURL: url})
	if err != nil {
		t.Fatal(err)
	}
	metadata := jwks.ResourceMetadata{Resource: url + "/notes", AuthorizationServers: []string{issuer.URL()}}
	guard := jwks.NewGuard(verifier, jwks.GuardConfig{DPoP: dpop, ResourceMetadata: metadata.URL()})
	mux := http.NewServeMux()
	mux.Handle("/notes", guard.Middleware(jwks.RequireScope(scope)(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("notes"))
	}))))
	mux.Handle(metadata.Path(), metadata)
	server.Config.Handler = mux
	server.Start()
	t.Cleanup(server.Close)
	return server
}

func TestAServerThatIsRightPassesEverything(t *testing.T) {
	t.Parallel()
	issuer := newIssuer(t, attack.IssuerConfig{})
	server := guarded(t, issuer)
	report, err := attack.Run(t.Context(), issuer, attack.Config{URL: server.URL + "/notes", Audience: audience, Scope: scope, Revocation: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range report.Results {
		if r.Verdict != attack.Pass {
			t.Error(r)
		}
	}
}
