package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"golang.org/x/net/html"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/opaque"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
	"github.com/maru-auth/maru/jwks"
)

// gatewayTransport sends what is for the issuer's https origin to the server, as a gateway would.
type gatewayTransport struct{ addr string }

func (g gatewayTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	inner := r.Clone(r.Context())
	inner.Host = r.URL.Host
	inner.URL.Scheme, inner.URL.Host = "http", g.addr
	resp, err := http.DefaultTransport.RoundTrip(inner)
	if err == nil {
		resp.Request = r // which redirects are relative to
	}
	return resp, err
}

// journey is a person's browser and an app at a server whose issuer is of some form.
type journey struct {
	t      *testing.T
	issuer string
	prefix string // that the path of every address of the server has
	http   *http.Client
}

// do sends r and reads the answer. It stays where the server sends it.
func (j *journey) do(r *http.Request) (*http.Response, string) {
	j.t.Helper()
	resp, err := j.http.Do(r)
	if err != nil {
		j.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		j.t.Fatal(err)
	}
	return resp, string(body)
}

func (j *journey) request(method, at string, form url.Values) *http.Request {
	j.t.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r, err := http.NewRequestWithContext(j.t.Context(), method, at, body)
	if err != nil {
		j.t.Fatal(err)
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return r
}

// browse sends r as a browser does: it follows redirects within the server, and loads what a page
// needs. It returns where it ended: at a page, with its body, or at an address of somebody else,
// where it does not go.
func (j *journey) browse(r *http.Request) (at *url.URL, page string) {
	j.t.Helper()
	for range 10 {
		if r.Method == http.MethodPost {
			r.Header.Set("Origin", "https://"+r.URL.Host)
		}
		resp, body := j.do(r)
		if resp.StatusCode >= 400 {
			j.t.Fatalf("%s %s: %s %s", r.Method, r.URL, resp.Status, body)
		}
		location, err := resp.Location()
		if err != nil {
			j.load(r.URL, body)
			return r.URL, body
		}
		if location.Host != r.URL.Host {
			return location, ""
		}
		if !strings.HasPrefix(location.Path, j.prefix+"/") {
			j.t.Fatalf("%s leads out of the issuer's path: %s", r.URL, location)
		}
		r = j.request("GET", location.String(), nil)
	}
	j.t.Fatal("too many redirects")
	return nil, ""
}

// load makes sure that every address of a page is the server's, and is there.
func (j *journey) load(at *url.URL, page string) {
	j.t.Helper()
	for tag, attributes := range elements(j.t, page) {
		for _, element := range attributes {
			for _, name := range []string{"href", "src", "action"} {
				link, ok := element[name]
				if !ok || strings.HasPrefix(link, "http") {
					continue
				}
				target := at.ResolveReference(parsed(j.t, link))
				if !strings.HasPrefix(target.Path, j.prefix+"/") {
					j.t.Errorf("%s: <%s %s=%q> leads out of the issuer's path", at, tag, name, link)
				} else if name != "action" && tag != "a" {
					if resp, _ := j.do(j.request("GET", target.String(), nil)); resp.StatusCode != http.StatusOK {
						j.t.Errorf("%s: %s", target, resp.Status)
					}
				}
			}
		}
	}
}

func parsed(t *testing.T, address string) *url.URL {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// elements are the attributes of a page's elements, by name.
func elements(t *testing.T, page string) map[string][]map[string]string {
	t.Helper()
	doc, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string][]map[string]string)
	for node := range doc.Descendants() {
		if node.Type == html.ElementNode {
			attributes := make(map[string]string)
			for _, a := range node.Attr {
				attributes[a.Key] = a.Val
			}
			all[node.Data] = append(all[node.Data], attributes)
		}
	}
	return all
}

// submit fills in the last form of a page, which its button with the id sends, and browses on.
func (j *journey) submit(at *url.URL, page, button string, fields ...string) (*url.URL, string) {
	j.t.Helper()
	all := elements(j.t, page)
	forms := all["form"]
	if len(forms) == 0 {
		j.t.Fatalf("%s has no form:\n%s", at, page)
	}
	form := url.Values{}
	for _, input := range append(all["input"], all["button"]...) {
		_, checked := input["checked"]
		if input["type"] == "hidden" || input["type"] == "checkbox" && checked || input["id"] == button && input["name"] != "" {
			form.Add(input["name"], input["value"])
		}
	}
	for i := 0; i < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	target := at.ResolveReference(parsed(j.t, forms[len(forms)-1]["action"]))
	return j.browse(j.request("POST", target.String(), form))
}

// serveAs runs the program with that issuer and the client "app", and returns a browser and app at
// it.
func serveAs(t *testing.T, issuer string) *journey {
	t.Helper()
	databaseURL := sqldbtest.SQLite(t)
	served(t, databaseURL)
	s := commandLine{t, databaseURL}.store()
	app := client.Client{
		ID: "app", Name: "App", RedirectURIs: []string{"https://app.example/cb"}, PostLogoutRedirectURIs: []string{"https://app.example/bye"},
		GrantTypes: []string{client.AuthorizationCode, client.RefreshToken, client.DeviceCode}, Scope: "openid email user:read",
		TokenEndpointAuthMethod: client.AuthBasic,
	}
	if err := app.Check(client.Policy{Scopes: client.Scopes(client.Builtin("https://api.example"))}); err != nil {
		t.Fatal(err)
	}
	if err := s.Clients.CreateClient(t.Context(), app); err != nil {
		t.Fatal(err)
	}
	if err := s.Clients.AddClientSecret(t.Context(), "app", opaque.Hash("a-secret"), time.Time{}); err != nil {
		t.Fatal(err)
	}
	addr, _ := serving(t, databaseURL, "--shutdown-delay=0", "--issuer="+issuer, "--api-origin=https://api.example", "--registration=open")
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar, Transport: gatewayTransport{addr}, CheckRedirect: stay}
	return &journey{t, issuer, strings.TrimSuffix(parsed(t, issuer).Path, "/"), browser}
}

// discover reads the metadata at the forms of OIDC Discovery §4 and RFC 8414 §3.1, and makes sure
// that they are the same.
func (j *journey) discover() map[string]any {
	j.t.Helper()
	origin := "https://" + parsed(j.t, j.issuer).Host
	var first string
	for _, at := range []string{
		strings.TrimSuffix(j.issuer, "/") + "/.well-known/openid-configuration", origin + "/.well-known/oauth-authorization-server" + j.prefix,
		origin + "/.well-known/openid-configuration" + j.prefix, origin + j.prefix + "/.well-known/oauth-authorization-server",
	} {
		resp, body := j.do(j.request("GET", at, nil))
		if first == "" {
			first = body
		}
		if resp.StatusCode != http.StatusOK || body != first || resp.Header.Get("Access-Control-Allow-Origin") != "*" {
			j.t.Errorf("%s: %s %s", at, resp.Status, body)
		}
	}
	var metadata map[string]any
	if err := json.Unmarshal([]byte(first), &metadata); err != nil {
		j.t.Fatal(err)
	}
	if metadata["issuer"] != j.issuer {
		j.t.Errorf("issuer %v", metadata["issuer"])
	}
	for name, value := range metadata {
		address, ok := value.(string)
		if !ok || name == "issuer" {
			continue
		}
		if !strings.HasPrefix(address, origin+j.prefix+"/") || strings.Contains(address, ".example//") || strings.Contains(address, "id//") {
			j.t.Errorf("%s: %s", name, address)
		}
	}
	return metadata
}

// call calls an endpoint as the app, and reads its JSON.
func (j *journey) call(at any, form url.Values, header ...string) map[string]any {
	j.t.Helper()
	r := j.request("POST", at.(string), form)
	r.SetBasicAuth("app", "a-secret")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, body := j.do(r)
	var answer map[string]any
	if err := json.Unmarshal([]byte(body), &answer); err != nil || resp.StatusCode >= 400 {
		j.t.Fatalf("%s: %s %s", at, resp.Status, body)
	}
	return answer
}

func TestTheWholeJourneyAtEveryFormOfIssuer(t *testing.T) {
	for _, issuer := range []string{
		"https://id.example", "https://id.example/", "https://shared.example/id", "https://shared.example/our/id/",
	} {
		t.Run(issuer, func(t *testing.T) {
			t.Parallel()
			j := serveAs(t, issuer)
			metadata := j.discover()

			// A person signs up, agrees, and comes back.
			verifier := strings.Repeat("v", 43)
			challenge := sha256.Sum256([]byte(verifier))
			question := url.Values{
				"client_id": {"app"}, "response_type": {"code"}, "redirect_uri": {"https://app.example/cb"},
				"scope": {"openid email user:read"}, "state": {"s"},
				"code_challenge": {base64.RawURLEncoding.EncodeToString(challenge[:])}, "code_challenge_method": {"S256"},
			}
			at, page := j.browse(j.request("GET", metadata["authorization_endpoint"].(string)+"?"+question.Encode(), nil))
			for _, link := range elements(t, page)["a"] {
				if strings.Contains(link["href"], "/signup") {
					at, page = j.browse(j.request("GET", at.ResolveReference(parsed(t, link["href"])).String(), nil))
				}
			}
			const password = "violet-harbor-2718-lamp"
			at, page = j.submit(at, page, "signup", "name", "민지", "email", "minji@example.com", "password", password)
			at, _ = j.submit(at, page, "allow", "decision", "allow")
			if at.Host != "app.example" || at.Query().Get("code") == "" || at.Query().Get("iss") != issuer {
				t.Fatalf("came back to %s", at)
			}

			// The app gets tokens, bound to a key, and its API takes them.
			key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			redeem := url.Values{
				"grant_type": {"authorization_code"}, "code": at.Query()["code"],
				"redirect_uri": {"https://app.example/cb"}, "code_verifier": {verifier},
			}
			tokens := j.call(metadata["token_endpoint"], redeem, "DPoP", dpopProof(t, key, "POST", metadata["token_endpoint"].(string), ""))
			access := tokens["access_token"].(string)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			keys, err := jwks.NewCache(ctx, jwks.CacheConfig{Issuer: issuer, Client: &http.Client{Transport: j.http.Transport}})
			if err != nil {
				t.Fatal(err)
			}
			service, err := jwks.NewVerifier(jwks.VerifierConfig{Issuer: issuer, Audience: "https://api.example/user", Keys: keys})
			if err != nil {
				t.Fatal(err)
			}
			var id struct{ Iss, Sub string }
			text, err := base64.RawURLEncoding.DecodeString(strings.Split(tokens["id_token"].(string), ".")[1])
			if err != nil || json.Unmarshal(text, &id) != nil || id.Iss != issuer {
				t.Errorf("the ID token: %s", text)
			}
			about := j.request("GET", metadata["userinfo_endpoint"].(string), nil)
			about.Header.Set("Authorization", "DPoP "+access)
			about.Header.Set("DPoP", dpopProof(t, key, "GET", metadata["userinfo_endpoint"].(string), access))
			if resp, body := j.do(about); resp.StatusCode != http.StatusOK || !strings.Contains(body, "minji@example.com") {
				t.Errorf("userinfo: %s %s", resp.Status, body)
			}
			refresh := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {tokens["refresh_token"].(string)}}
			refreshed := j.call(metadata["token_endpoint"], refresh)
			if claims, err := service.Verify(ctx, refreshed["access_token"].(string)); err != nil || claims.Issuer != issuer {
				t.Errorf("the access token: %v %v", claims, err)
			}

			// An app may also post its question, which comes without cookies.
			elsewhere := j.request("POST", metadata["authorization_endpoint"].(string), question)
			elsewhere.Header.Set("Sec-Fetch-Site", "cross-site")
			resp, err := j.http.Transport.RoundTrip(elsewhere)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if !strings.HasPrefix(resp.Header.Get("Location"), j.prefix+"/oauth2/authorize?") {
				t.Errorf("a posted question: %v", resp)
			}

			// What else has an address.
			base := strings.TrimSuffix(issuer, "/")
			device := j.call(metadata["device_authorization_endpoint"], url.Values{"scope": {"openid"}})
			if device["verification_uri"] != base+"/device" {
				t.Errorf("device: %v", device)
			} else if at, _ := j.browse(j.request("GET", device["verification_uri_complete"].(string), nil)); at.Path != j.prefix+"/device" {
				t.Errorf("the device page: %s", at)
			}
			registration := j.request("POST", metadata["registration_endpoint"].(string), nil)
			registration.Body = io.NopCloser(strings.NewReader(`{"redirect_uris":["https://agent.example/cb"]}`))
			registration.Header.Set("Content-Type", "application/json")
			resp, body := j.do(registration)
			if resp.StatusCode != http.StatusCreated || !strings.Contains(body, `"registration_client_uri":"`+base+`/oauth2/register/`) {
				t.Errorf("registration: %s %s", resp.Status, body)
			}
			for _, path := range []string{"/account", "/account/profile", "/account/sessions", "/account/apps", "/account/password"} {
				j.browse(j.request("GET", base+path, nil))
			}
			if at, _ := j.browse(j.request("GET", base+"/", nil)); at.Path != j.prefix+"/account" {
				t.Errorf("the root leads to %s", at)
			}

			// Nothing is told to others on the host, nor answered in their stead.
			origin := parsed(t, "https://"+parsed(t, issuer).Host+"/others")
			if sent := j.http.Jar.Cookies(origin); (len(sent) > 0) != (j.prefix == "") {
				t.Errorf("%s gets the cookies %v", origin, sent)
			}
			for _, cookie := range j.http.Jar.Cookies(parsed(t, base+"/account")) {
				want := map[bool]string{true: "__Host-", false: "__Secure-"}[j.prefix == ""]
				if strings.Contains(cookie.Name, "session") && !strings.HasPrefix(cookie.Name, want) {
					t.Errorf("the cookie %s", cookie.Name)
				}
			}
			if resp, _ := j.do(j.request("GET", origin.String(), nil)); resp.StatusCode != http.StatusNotFound {
				t.Errorf("%s: %s", origin, resp.Status)
			}

			// And the person logs out.
			bye := url.Values{"id_token_hint": {tokens["id_token"].(string)}, "post_logout_redirect_uri": {"https://app.example/bye"}}
			at, _ = j.browse(j.request("GET", metadata["end_session_endpoint"].(string)+"?"+bye.Encode(), nil))
			if at.Host != "app.example" {
				t.Errorf("after the log-out: %s", at)
			}
			if at, _ := j.browse(j.request("GET", base+"/account", nil)); at.Path != j.prefix+"/login" {
				t.Errorf("still logged in: %s", at)
			}
		})
	}
}

// dpopProof is a proof of key for a request (RFC 9449 §4.2).
func dpopProof(t *testing.T, key *ecdsa.PrivateKey, method, at, token string) string {
	t.Helper()
	options := (&jose.SignerOptions{EmbedJWK: true}).WithType("dpop+jwt")
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, options)
	if err != nil {
		t.Fatal(err)
	}
	claims := map[string]any{"htm": method, "htu": at, "iat": time.Now().Unix(), "jti": rand.Text()}
	if token != "" {
		sum := sha256.Sum256([]byte(token))
		claims["ath"] = base64.RawURLEncoding.EncodeToString(sum[:])
	}
	text, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(text)
	if err != nil {
		t.Fatal(err)
	}
	proof, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return proof
}
