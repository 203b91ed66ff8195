package directory_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/directory"
	"github.com/maru-auth/maru/authz-server/internal/fetch"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

func TestMain(m *testing.M) { sqldbtest.Main(m) }

// fixture is a directory, and a site of a client's developer whose pages tests write.
type fixture struct {
	*directory.Clients
	store   *store.Store
	fetcher *fetch.Client
	site    *httptest.Server

	mu    sync.Mutex
	at    time.Time
	pages map[string]string // by path; missing: 404
	cache string            // Cache-Control
	hits  map[string]int
}

func (f *fixture) now() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.at
}

func (f *fixture) advance(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.at = f.at.Add(d)
}

func (f *fixture) page(path, text string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pages[path] = text
}

func (f *fixture) read(path string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.hits[path]
}

func (f *fixture) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hits[r.URL.Path]++
	text, ok := f.pages[r.URL.Path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Cache-Control", f.cache)
	io.WriteString(w, text)
}

func newFixture(t testing.TB, databaseURL string) *fixture {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	f := &fixture{at: time.Date(2026, 5, 1, 9, 0, 0, 0, time.UTC), pages: map[string]string{}, hits: map[string]int{}}
	f.site = httptest.NewTLSServer(f)
	t.Cleanup(f.site.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	must(os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: f.site.Certificate().Raw}), 0o600))
	fetcher, err := fetch.New(fetch.Config{CAFile: ca, InsecureLoopback: true, Now: f.now})
	must(err)
	f.fetcher = fetcher
	f.store, err = store.Open(t.Context(), databaseURL, f.now)
	must(err)
	t.Cleanup(func() {
		if err := f.store.Close(); err != nil {
			t.Error(err)
		}
	})
	f.Clients, err = directory.New(directory.Config{
		Store: f.store, Fetch: fetcher, MetadataDocuments: true, Now: f.now, Log: slog.New(slog.DiscardHandler),
		Policy: client.Policy{
			Scopes: []string{"openid", "profile", "board:read"}, DefaultScope: "openid profile",
			GrantTypes: []string{client.AuthorizationCode, client.RefreshToken, client.DeviceCode},
		},
	})
	must(err)
	return f
}

func one(t testing.TB) *fixture { t.Helper(); return newFixture(t, sqldbtest.SQLite(t)) }

func TestAStoredClientComesAsItIs(t *testing.T) {
	f := one(t)
	if err := f.store.CreateClient(t.Context(), client.Client{ID: "app", Name: "App"}); err != nil {
		t.Fatal(err)
	}
	if err := f.store.AddClientSecret(t.Context(), "app", store.Hash("s"), time.Time{}); err != nil {
		t.Fatal(err)
	}
	c, secrets, err := f.Client(t.Context(), "app")
	if err != nil || c.Name != "App" || len(secrets) != 1 {
		t.Errorf("%+v %v %v", c, secrets, err)
	}
	for _, id := range []string{"", "none", "http://app.example/c", "HTTPS://app.example/c"} {
		if _, _, err := f.Client(t.Context(), id); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%q: %v", id, err)
		}
	}
}

// document is a good one at path of the site, with members put over its own.
func (f *fixture) document(path string, members map[string]any) string {
	all := map[string]any{
		"client_id": f.site.URL + path, "client_name": "Agent", "redirect_uris": []string{"http://127.0.0.1:33418/"},
		"grant_types": []string{"authorization_code", "refresh_token"}, "token_endpoint_auth_method": "none",
	}
	for name, value := range members {
		if all[name] = value; value == nil {
			delete(all, name)
		}
	}
	text, err := json.Marshal(all)
	if err != nil {
		panic(err)
	}
	return string(text)
}

func TestAClientIsKnownByItsDocument(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		f := newFixture(t, databaseURL)
		id := f.site.URL + "/client.json"
		f.page("/client.json", f.document("/client.json", map[string]any{
			"trusted": true, "audiences": []string{"https://api.example/board"}, "logo_uri": "https://app.example/logo.png",
			"token_endpoint_auth_method": nil, "scope": "openid board:read board:moderate", "application_type": "native",
			"grant_types":    []string{"authorization_code", "urn:ietf:params:oauth:grant-type:jwt-bearer", "urn:ietf:params:oauth:grant-type:device_code"},
			"response_types": []string{"code", "code id_token"}, "client_name#ko": "대리인",
		}))
		c, secrets, err := f.Client(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if c.ID != id || c.Name != "Agent" || c.LogoURI == "" || !c.Document() || "https://"+c.Host() != f.site.URL || c.In("ko").Name != "대리인" || secrets != nil {
			t.Errorf("%+v", c)
		}
		if c.Trusted || c.Audiences != nil || !c.Public() || !c.RequirePKCE {
			t.Errorf("it took what an operator must give: %+v", c)
		}
		if c.Scope != "openid board:read" || strings.Join(c.GrantTypes, " ") != "authorization_code "+client.DeviceCode || strings.Join(c.ResponseTypes, " ") != "code" {
			t.Errorf("what the server does not offer: %q %q %q", c.Scope, c.GrantTypes, c.ResponseTypes)
		}
		// Grants have something to hang on.
		if stored, err := f.store.Client(t.Context(), id); err != nil || stored.Name != "Agent" {
			t.Errorf("%+v %v", stored, err)
		}
		if !c.MatchRedirectURI("http://127.0.0.1:50000/") {
			t.Error("another port on loopback is refused")
		}
	})
}

func TestADocumentIsReadAgainWhenItIsNoLongerFresh(t *testing.T) {
	for cache, fresh := range map[string]time.Duration{"": time.Minute, "no-store": time.Minute, "max-age=5": time.Minute, "max-age=600": 10 * time.Minute, "max-age=86400": time.Hour} {
		f := one(t)
		f.cache = cache
		id := f.site.URL + "/c.json"
		name := func(want string) {
			t.Helper()
			c, _, err := f.Client(t.Context(), id)
			if err != nil || c.Name != want {
				t.Errorf("%q: %s, not %s; %v", cache, c.Name, want, err)
			}
		}
		f.page("/c.json", f.document("/c.json", nil))
		name("Agent")
		f.page("/c.json", f.document("/c.json", map[string]any{"client_name": "Changed"}))
		f.advance(fresh - time.Second)
		name("Agent")
		if f.read("/c.json") != 1 {
			t.Errorf("%q: read %d times", cache, f.read("/c.json"))
		}
		f.advance(time.Second)
		name("Changed")

		// One that is gone is no client any more, and is not asked for at every request.
		f.mu.Lock()
		delete(f.pages, "/c.json")
		f.mu.Unlock()
		f.advance(fresh)
		before := f.read("/c.json")
		for range 3 {
			var wrong *directory.DocumentError
			if _, _, err := f.Client(t.Context(), id); !errors.Is(err, store.ErrNotFound) || !errors.As(err, &wrong) || "https://"+wrong.Host != f.site.URL || !strings.Contains(err.Error(), "404") {
				t.Errorf("%q: gone, and %v", cache, err)
			}
		}
		if f.read("/c.json") != before+1 {
			t.Errorf("%q: asked for %d times", cache, f.read("/c.json")-before)
		}
		f.page("/c.json", f.document("/c.json", map[string]any{"client_name": "Back"}))
		f.advance(10 * time.Second)
		name("Back")
	}
}

func TestDocumentsThatAreRefused(t *testing.T) {
	f := one(t)
	n := 0
	for name, members := range map[string]map[string]any{
		"to the letter":      {"client_id": f.site.URL + "/another.json"},
		"letter":             {"client_id": nil},
		"client_secret":      {"client_secret": "s"},
		"private_key_jwt":    {"token_endpoint_auth_method": "client_secret_basic"},
		"none or private":    {"token_endpoint_auth_method": "client_secret_post"},
		"jwks":               {"token_endpoint_auth_method": "private_key_jwt"},
		"fragment":           {"redirect_uris": []string{"https://app.example/#x"}},
		"must be https":      {"redirect_uris": []string{"http://app.example/"}},
		"at least one":       {"redirect_uris": []string{}},
		"array of strings":   {"redirect_uris": "https://app.example/"},
		"printable":          {"client_name": "a\u202eb"},
		"64 KiB":             {"x": strings.Repeat("x", 64<<10)},
		"sector_identifier":  {"sector_identifier_uri": f.site.URL + "/nothing"},
		"expires_at":         {"client_secret_expires_at": 0},
		"must not hold priv": {"jwks": map[string]any{"keys": []any{map[string]any{"kty": "oct", "k": "AAAA"}}}},
	} {
		if n++; n%15 == 0 {
			f.advance(time.Hour) // so that it is not how many there are
		}
		path := fmt.Sprint("/", n)
		f.page(path, f.document(path, members))
		_, _, err := f.Client(t.Context(), f.site.URL+path)
		if !errors.Is(err, store.ErrNotFound) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := f.store.Client(t.Context(), f.site.URL+path); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s: it was stored", name)
		}
	}
	f.page("/list", "[]")
	if _, _, err := f.Client(t.Context(), f.site.URL+"/list"); err == nil || !strings.Contains(err.Error(), "JSON object") {
		t.Error(err)
	}
}

func TestURLsThatCannotBeAClientAreNotRead(t *testing.T) {
	f := one(t)
	for _, id := range []string{
		f.site.URL, f.site.URL + "/", f.site.URL + "/a#b", f.site.URL + "/a/../b", strings.Replace(f.site.URL, "https://", "https://me@", 1) + "/a",
		"https://10.0.0.1/a", "https://169.254.169.254/latest", "https://[fd00::1]/a", "https://2130706433/a",
	} {
		if _, _, err := f.Client(t.Context(), id); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s: %v", id, err)
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.hits) > 0 {
		t.Error(f.hits)
	}
}

func TestWithoutTheSwitchNoDocumentIsRead(t *testing.T) {
	f := one(t)
	closed, err := directory.New(directory.Config{Store: f.store, Log: slog.New(slog.DiscardHandler)}) // without Fetch: it would panic
	if err != nil {
		t.Fatal(err)
	}
	f.page("/c.json", f.document("/c.json", nil))
	if _, _, err := f.Client(t.Context(), f.site.URL+"/c.json"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := closed.Client(t.Context(), f.site.URL+"/c.json"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a client from before the switch was turned off: %v", err)
	}
}

func TestUnknownDocumentsAreReadSoManyTimes(t *testing.T) {
	f := one(t)
	refused := 0
	for i := range 30 {
		_, _, err := f.Client(t.Context(), fmt.Sprint(f.site.URL, "/", i))
		if err == nil {
			t.Fatal("there is no such page")
		}
		if strings.Contains(err.Error(), "too many") {
			refused++
		}
	}
	if refused != 10 {
		t.Errorf("%d of 30 refused", refused)
	}
	f.advance(10 * time.Minute)
	f.page("/good", f.document("/good", nil))
	if _, _, err := f.Client(t.Context(), f.site.URL+"/good"); err != nil {
		t.Error(err)
	}
	for i := range 30 {
		f.Client(t.Context(), fmt.Sprint(f.site.URL, "/again/", i))
	}
	f.advance(2 * time.Minute)
	if _, _, err := f.Client(t.Context(), f.site.URL+"/good"); err != nil {
		t.Errorf("a known one is kept out by others: %v", err)
	}
}

func TestTheListOfASectorMustHoldAllRedirectURIs(t *testing.T) {
	f := one(t)
	c := &client.Client{RedirectURIs: []string{"https://a.example/cb", "https://b.example/cb"}, SectorIdentifierURI: f.site.URL + "/sector"}
	for text, says := range map[string]string{
		`["https://b.example/cb","https://a.example/cb","https://c.example/cb"]`: "",
		`["https://a.example/cb"]`: "lacks https://b.example/cb",
		`[]`:                       "lacks",
		`{"redirect_uris":[]}`:     "JSON array",
		`not JSON`:                 "JSON array",
		`["https://a.example/cb","https://b.example/cb/"]`: "lacks",
	} {
		f.page("/sector", text)
		err := f.CheckSector(t.Context(), c)
		var wrong *client.Error
		if says == "" && err != nil || says != "" && (!errors.As(err, &wrong) || wrong.Code != client.InvalidMetadata || !strings.Contains(err.Error(), says)) {
			t.Errorf("%s: %v", text, err)
		}
	}
	c.SectorIdentifierURI = f.site.URL + "/none"
	if err := f.CheckSector(t.Context(), c); err == nil || !strings.Contains(err.Error(), "404") {
		t.Error(err)
	}
	if err := f.CheckSector(t.Context(), &client.Client{}); err != nil {
		t.Error(err)
	}
}

// Keys of a client, made once.
var (
	rsaKey  = must(rsa.GenerateKey(rand.Reader, 2048))
	rsaKey2 = must(rsa.GenerateKey(rand.Reader, 2048))
	ecKey   = must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	edKey   = must(generateEd25519())
)

func generateEd25519() (ed25519.PrivateKey, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	return key, err
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// sign makes a JWT with any header.
func sign(t testing.TB, alg string, key any, header map[string]any, claims string) string {
	t.Helper()
	if alg == "Ed25519" { // RFC 9864; go-jose knows EdDSA alone
		header = maps.Clone(header)
		header["alg"] = alg
		message := strings.TrimSuffix(jwt(string(must(json.Marshal(header))), claims, nil), ".")
		return message + "." + base64.RawURLEncoding.EncodeToString(ed25519.Sign(key.(ed25519.PrivateKey), []byte(message)))
	}
	options := &jose.SignerOptions{}
	for name, value := range header {
		options.WithHeader(jose.HeaderKey(name), value)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(alg), Key: key}, options)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign([]byte(claims))
	if err != nil {
		t.Fatal(err)
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// jwt joins parts as they are, for what no library signs.
func jwt(header, claims string, signature []byte) string {
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(header)) + "." + encode([]byte(claims)) + "." + encode(signature)
}

func set(t testing.TB, keys ...jose.JSONWebKey) string {
	t.Helper()
	text, err := json.Marshal(jose.JSONWebKeySet{Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func jwk(kid, alg string, key crypto.Signer) jose.JSONWebKey {
	return jose.JSONWebKey{Key: key.Public(), KeyID: kid, Algorithm: alg, Use: "sig"}
}

func TestVerifyTakesWhatAKeyOfTheClientSigned(t *testing.T) {
	f := one(t)
	c := &client.Client{ID: "app", JWKS: json.RawMessage(set(t, jwk("r", "", rsaKey), jwk("e", "", ecKey), jwk("d", "", edKey), jwk("", "", rsaKey2),
		jwk("named EdDSA", "EdDSA", edKey), jwk("named Ed25519", "Ed25519", edKey)))}
	const claims = `{"iss":"app","n":1.50}`
	for _, test := range []struct {
		alg    string
		key    any
		header map[string]any
		rule   directory.Rule
	}{
		{"RS256", rsaKey, map[string]any{"kid": "r"}, directory.Rule{}},
		{"PS256", rsaKey, map[string]any{"kid": "r"}, directory.Rule{}},
		{"ES256", ecKey, map[string]any{"kid": "e"}, directory.Rule{}},
		{"EdDSA", edKey, map[string]any{"kid": "d"}, directory.Rule{Algs: []string{"EdDSA"}}},
		{"Ed25519", edKey, map[string]any{"kid": "d"}, directory.Rule{}},
		{"Ed25519", edKey, map[string]any{"kid": "named EdDSA"}, directory.Rule{Algs: []string{"EdDSA"}}},
		{"EdDSA", edKey, map[string]any{"kid": "named Ed25519"}, directory.Rule{Algs: []string{"Ed25519"}}},
		{"RS256", rsaKey2, nil, directory.Rule{}}, // without kid every key that fits
		{"RS256", rsaKey, nil, directory.Rule{}},
		{"RS256", rsaKey, map[string]any{"kid": "r", "typ": "JWT"}, directory.Rule{Types: []string{"", "JWT"}}},
		{"RS256", rsaKey, map[string]any{"kid": "r"}, directory.Rule{Types: []string{"", "JWT"}}},
		{"RS256", rsaKey, map[string]any{"kid": "r", "typ": "application/OAuth-authz-req+jwt"}, directory.Rule{Types: []string{"oauth-authz-req+jwt"}}},
		{"RS256", rsaKey, map[string]any{"kid": "r", "typ": "anything"}, directory.Rule{}},
	} {
		got, alg, err := f.Verify(t.Context(), c, sign(t, test.alg, test.key, test.header, claims), test.rule)
		if err != nil || string(got) != claims || alg != test.alg {
			t.Errorf("%s %v: %s %s %v", test.alg, test.header, got, alg, err)
		}
	}
}

func TestVerifyRefuses(t *testing.T) {
	f := one(t)
	var (
		good     = sign(t, "RS256", rsaKey, map[string]any{"kid": "r"}, `{}`)
		stranger = must(rsa.GenerateKey(rand.Reader, 2048))
		attacker = jose.JSONWebKey{Key: stranger.Public(), KeyID: "r"}
		public   = pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: must(x509.MarshalPKIXPublicKey(rsaKey.Public()))})
		weak     = func() *rsa.PrivateKey {
			t.Setenv("GODEBUG", "rsa1024min=0")
			return must(rsa.GenerateKey(rand.Reader, 1024))
		}()
	)
	hs256 := func(key []byte) string {
		head := jwt(`{"alg":"HS256","kid":"r"}`, `{}`, nil)
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(strings.TrimSuffix(head, ".")))
		return head + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
	}
	parts := strings.Split(good, ".")
	c := &client.Client{ID: "app", JWKS: json.RawMessage(set(t,
		jwk("r", "RS256", rsaKey), jwk("e", "", ecKey), jwk("weak", "", weak), jose.JSONWebKey{Key: rsaKey2.Public(), KeyID: "enc", Use: "enc"}))}
	for name, test := range map[string]struct {
		jwt  string
		rule directory.Rule
		says string
	}{
		"nothing":                       {"", directory.Rule{}, "header"},
		"no JWT":                        {"abc", directory.Rule{}, "header"},
		"two parts":                     {parts[0] + "." + parts[1], directory.Rule{}, "compact form"},
		"four parts":                    {good + ".x", directory.Rule{}, "compact form"},
		"JSON form":                     {`{"payload":"` + parts[1] + `","protected":"` + parts[0] + `","signature":"` + parts[2] + `"}`, directory.Rule{}, "compact form"},
		"no signature":                  {parts[0] + "." + parts[1] + ".", directory.Rule{}, "signature"},
		"changed claims":                {parts[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(`{"sub":"x"}`)) + "." + parts[2], directory.Rule{}, "signature"},
		"alg none":                      {jwt(`{"alg":"none"}`, `{}`, nil), directory.Rule{}, "alg"},
		"alg None":                      {jwt(`{"alg":"None"}`, `{}`, nil), directory.Rule{}, "alg"},
		"alg none by a careless rule":   {jwt(`{"alg":"none"}`, `{}`, nil), directory.Rule{Algs: []string{"none"}}, "alg"},
		"no alg":                        {jwt(`{"kid":"r"}`, `{}`, nil), directory.Rule{}, "alg"},
		"alg in capitals":               {jwt(`{"ALG":"RS256","kid":"r"}`, `{}`, nil), directory.Rule{}, "alg"},
		"alg a number":                  {jwt(`{"alg":1}`, `{}`, nil), directory.Rule{}, "string"},
		"alg twice":                     {jwt(`{"alg":"none","alg":"RS256","kid":"r"}`, `{}`, nil), directory.Rule{}, ""},
		"HMAC with the public key":      {hs256(public), directory.Rule{}, "alg"},
		"HMAC by a careless rule":       {hs256(public), directory.Rule{Algs: []string{"HS256", "RS256"}}, "alg"},
		"HMAC with the modulus":         {hs256(rsaKey.N.Bytes()), directory.Rule{}, "alg"},
		"an alg that is not asked for":  {good, directory.Rule{Algs: []string{"PS256", "ES256"}}, "PS256, ES256"},
		"an alg that is the server's":   {sign(t, "RS512", rsaKey, map[string]any{"kid": "r"}, `{}`), directory.Rule{Algs: []string{"RS512"}}, "alg"},
		"an alg that is not the key's":  {sign(t, "PS256", rsaKey, map[string]any{"kid": "r"}, `{}`), directory.Rule{}, "signature"},
		"a key of another kind":         {sign(t, "RS256", rsaKey, map[string]any{"kid": "e"}, `{}`), directory.Rule{}, "signature"},
		"an unknown kid":                {sign(t, "RS256", rsaKey, map[string]any{"kid": "x"}, `{}`), directory.Rule{}, "kid"},
		"another's key":                 {sign(t, "RS256", stranger, map[string]any{"kid": "r"}, `{}`), directory.Rule{}, "signature"},
		"a key of its own in jwk":       {sign(t, "RS256", stranger, map[string]any{"kid": "r", "jwk": attacker}, `{}`), directory.Rule{}, "signature"},
		"a key of its own at jku":       {sign(t, "RS256", stranger, map[string]any{"kid": "r", "jku": f.site.URL + "/jwks"}, `{}`), directory.Rule{}, "signature"},
		"a key of its own at x5u":       {sign(t, "RS256", stranger, map[string]any{"kid": "r", "x5u": f.site.URL + "/cert"}, `{}`), directory.Rule{}, "signature"},
		"a certificate of its own":      {sign(t, "RS256", stranger, map[string]any{"kid": "r", "x5c": []string{base64.StdEncoding.EncodeToString(f.site.Certificate().Raw)}}, `{}`), directory.Rule{}, ""},
		"a key that is too short":       {sign(t, "RS256", weak, map[string]any{"kid": "weak"}, `{}`), directory.Rule{}, "kid"},
		"a key for encryption":          {sign(t, "RS256", rsaKey2, map[string]any{"kid": "enc"}, `{}`), directory.Rule{}, "kid"},
		"crit":                          {sign(t, "RS256", rsaKey, map[string]any{"kid": "r", "crit": []string{"exp"}, "exp": 1}, `{}`), directory.Rule{}, "crit"},
		"crit with b64":                 {sign(t, "RS256", rsaKey, map[string]any{"kid": "r", "crit": []string{"b64"}, "b64": true}, `{}`), directory.Rule{}, "crit"},
		"another type":                  {sign(t, "RS256", rsaKey, map[string]any{"kid": "r", "typ": "at+jwt"}, `{}`), directory.Rule{Types: []string{"", "JWT"}}, "typ"},
		"no type where one must be":     {good, directory.Rule{Types: []string{"dpop+jwt"}}, "typ"},
		"too long":                      {good, directory.Rule{MaxBytes: len(good) - 1}, "bytes"},
		"too long for anything":         {good + strings.Repeat("a", 16<<10), directory.Rule{}, "bytes"},
		"a signature in another base64": {parts[0] + "." + parts[1] + "." + parts[2] + "==", directory.Rule{}, ""},
		"a line break":                  {parts[0] + "\n." + parts[1] + "." + parts[2], directory.Rule{}, "compact form"},
		"a header that is an array":     {jwt(`[]`, `{}`, nil), directory.Rule{}, "JSON object"},
		"a header that is null":         {jwt(`null`, `{}`, nil), directory.Rule{}, "JSON object"},
	} {
		claims, _, err := f.Verify(t.Context(), c, test.jwt, test.rule)
		if !errors.Is(err, directory.ErrInvalid) || claims != nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %s, %v", name, claims, err)
		}
	}
	if _, _, err := f.Verify(t.Context(), &client.Client{}, good, directory.Rule{}); !errors.Is(err, directory.ErrInvalid) || !strings.Contains(err.Error(), "jwks_uri") {
		t.Errorf("without keys: %v", err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.hits) > 0 {
		t.Error("an address in a header was visited", f.hits)
	}
}

func TestRotatedKeysAreReadAgain(t *testing.T) {
	f := one(t)
	f.cache = "max-age=86400"
	c := &client.Client{ID: "app", JWKSURI: f.site.URL + "/jwks"}
	oldJWT := sign(t, "RS256", rsaKey, map[string]any{"kid": "old"}, `{}`)
	newJWT := sign(t, "RS256", rsaKey2, map[string]any{"kid": "new"}, `{}`)
	sameKid := sign(t, "RS256", rsaKey2, map[string]any{"kid": "old"}, `{}`)
	unknown := sign(t, "RS256", rsaKey2, map[string]any{"kid": "unknown"}, `{}`)
	verify := func(jwt string, good bool, reads int) {
		t.Helper()
		before := f.read("/jwks")
		_, _, err := f.Verify(t.Context(), c, jwt, directory.Rule{})
		if good && err != nil || !good && !errors.Is(err, directory.ErrInvalid) {
			t.Errorf("verified: %v", err)
		}
		if got := f.read("/jwks") - before; got != reads {
			t.Errorf("read %d times, not %d", got, reads)
		}
	}
	f.page("/jwks", set(t, jwk("old", "", rsaKey)))
	verify(oldJWT, true, 1)
	verify(oldJWT, true, 0)
	f.page("/jwks", set(t, jwk("new", "", rsaKey2)))
	verify(oldJWT, true, 0)
	verify(newJWT, true, 1)   // at once, though what was read is fresh
	verify(oldJWT, false, 0)  // the old key is gone with its set
	verify(unknown, false, 0) // a flood of unknown ones reads once a minute
	f.advance(59 * time.Second)
	verify(unknown, false, 0)
	verify(newJWT, true, 0)
	f.advance(time.Second)
	verify(unknown, false, 1)
	verify(unknown, false, 0)
	f.page("/jwks", set(t, jwk("old", "", rsaKey2))) // another key under a kid of before
	f.advance(time.Minute)
	verify(sameKid, true, 1)
	f.advance(time.Hour) // the longest that a set counts
	verify(sameKid, true, 1)
}

func TestAnOutageOfAKeySet(t *testing.T) {
	f := one(t)
	c := &client.Client{ID: "app", JWKSURI: f.site.URL + "/jwks"}
	jwt := sign(t, "RS256", rsaKey, map[string]any{"kid": "k"}, `{}`)
	good := func(want bool, reads int) {
		t.Helper()
		before := f.read("/jwks")
		_, _, err := f.Verify(t.Context(), c, jwt, directory.Rule{})
		if (err == nil) != want || err != nil && !errors.Is(err, directory.ErrInvalid) {
			t.Errorf("%v", err)
		}
		if got := f.read("/jwks") - before; got != reads {
			t.Errorf("read %d times, not %d", got, reads)
		}
	}
	good(false, 1) // there is none yet
	good(false, 0)
	f.advance(10 * time.Second)
	f.page("/jwks", set(t, jwk("k", "", rsaKey)))
	good(true, 1)
	f.page("/jwks", `{"keys":[{"kty":"oct","k":"AAAA"}]}`) // a set that must not be
	f.advance(time.Minute)
	good(true, 1) // the last good keys
	good(true, 0)
	f.advance(time.Hour)
	good(false, 1)
	f.page("/jwks", set(t, jwk("k", "", rsaKey)))
	f.advance(10 * time.Second)
	good(true, 1)
}

func TestManyVerifyAtOnceAndTheKeysAreReadOnce(t *testing.T) {
	f := one(t)
	f.page("/jwks", set(t, jwk("k", "", rsaKey)))
	c := &client.Client{ID: "app", JWKSURI: f.site.URL + "/jwks"}
	jwt := sign(t, "RS256", rsaKey, map[string]any{"kid": "k"}, `{}`)
	var wg sync.WaitGroup
	for range 32 {
		wg.Go(func() {
			if _, _, err := f.Verify(t.Context(), c, jwt, directory.Rule{}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if f.read("/jwks") != 1 {
		t.Error(f.read("/jwks"))
	}
}

func TestWhoGaveUpDoesNotSpoilTheKeysForOthers(t *testing.T) {
	f := one(t)
	f.page("/jwks", set(t, jwk("k", "", rsaKey)))
	c := &client.Client{ID: "app", JWKSURI: f.site.URL + "/jwks"}
	jwt := sign(t, "RS256", rsaKey, map[string]any{"kid": "k"}, `{}`)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := f.Verify(gone, c, jwt, directory.Rule{}); errors.Is(err, directory.ErrInvalid) { // nil if the keys were faster
		t.Errorf("%v", err)
	}
	if _, _, err := f.Verify(t.Context(), c, jwt, directory.Rule{}); err != nil {
		t.Error(err)
	}
}

// Whatever is sent as a JWT is refused as the client's fault, or was signed by its key.
func FuzzVerify(f *testing.F) {
	d, err := directory.New(directory.Config{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		f.Fatal(err)
	}
	good := sign(f, "ES256", ecKey, map[string]any{"kid": "e"}, `{"iss":"app"}`)
	c := &client.Client{JWKS: json.RawMessage(set(f, jwk("e", "", ecKey), jwk("d", "", edKey)))}
	f.Add(good)
	f.Add(jwt(`{"alg":"none"}`, `{}`, nil))
	f.Add(jwt(`{"alg":"EdDSA","crit":[],"jwk":{}}`, `{}`, make([]byte, 64)))
	f.Fuzz(func(t *testing.T, text string) {
		claims, _, err := d.Verify(t.Context(), c, text, directory.Rule{})
		switch {
		case err == nil && string(claims) != `{"iss":"app"}`:
			t.Fatalf("%q: forged %s", text, claims)
		case err != nil && !errors.Is(err, directory.ErrInvalid):
			t.Fatalf("%q: %v", text, err)
		}
	})
}

func BenchmarkStoredClient(b *testing.B) {
	f := one(b)
	if err := f.store.CreateClient(b.Context(), client.Client{ID: "app"}); err != nil {
		b.Fatal(err)
	}
	for name, look := range map[string]func(context.Context, string) (client.Client, [][]byte, error){"store": f.store.ClientWithSecrets, "directory": f.Client} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := look(b.Context(), "app"); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
