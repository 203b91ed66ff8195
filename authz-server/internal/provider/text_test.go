package provider_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/gorilla/mux"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/registration"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

// notText is what PostgreSQL stores in no text, in the form of a query.
var notText = map[string]string{"NUL": "a%00b", "bad UTF-8": "a%ffb", "half a character": "%ea%b0"}

// wantRefusal checks that an answer is 400 in the form of the interface: JSON for programs, a page for people.
func wantRefusal(t *testing.T, what, path string, a answer) {
	t.Helper()
	pages := strings.HasPrefix(path, "/oauth2/authorize") || strings.HasPrefix(path, "/oauth2/logout") || strings.HasPrefix(path, "/oauth2/check_session") ||
		!strings.HasPrefix(path, "/oauth2/") && !strings.HasPrefix(path, "/.well-known/")
	kind := a.header.Get("Content-Type")
	var body struct{ Error string }
	switch {
	case a.status != http.StatusBadRequest:
		t.Errorf("%s, %s: %d %v %.200s", path, what, a.status, a.location, a.body)
	case pages && !strings.HasPrefix(kind, "text/html"):
		t.Errorf("%s, %s: no page but %s", path, what, kind)
	case !pages && (json.Unmarshal([]byte(a.body), &body) != nil || body.Error != "invalid_request" || kind != "application/json"):
		t.Errorf("%s, %s: %s %s", path, what, kind, a.body)
	}
}

// Every route that there is, on the database that cannot store such text; also those that are added later.
func TestWhatIsNotTextIsRefusedAtEveryDoor(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		r := newRegistrar(t, databaseURL, registration.Open)
		b := r.browser().logIn(r.user)
		router, ok := r.server.Config.Handler.(*mux.Router)
		if !ok {
			t.Fatal("the handler is no router")
		}
		routes := 0
		err := router.Walk(func(route *mux.Route, _ *mux.Router, _ []*mux.Route) error {
			path, err := route.GetPathTemplate()
			if err != nil {
				return err
			}
			methods, err := route.GetMethods()
			if err != nil {
				return err
			}
			routes++
			for _, method := range methods {
				if method == http.MethodOptions || method == http.MethodHead {
					continue
				}
				for what, value := range notText {
					plain := strings.NewReplacer("{client_id}", "x").Replace(path)
					for _, query := range []string{"x=" + value, value + "=x", "client_id=" + value, "interaction=" + value} {
						wantRefusal(t, method+" with "+what+" in the query", plain, r.do(b.Client, r.request(method, plain+"?"+query, nil)))
					}
					if strings.Contains(path, "{client_id}") {
						at := strings.Replace(path, "{client_id}", value, 1)
						wantRefusal(t, method+" with "+what+" in the path", at, r.do(b.Client, r.request(method, at, nil)))
					}
				}
				plain := strings.NewReplacer("{client_id}", "x").Replace(path)
				wantRefusal(t, method+" with a User-Agent in Latin-1", plain, r.do(b.Client, r.request(method, plain, nil, "User-Agent", "caf\xe9")))
			}
			return nil
		})
		if err != nil || routes < 15 {
			t.Fatal(routes, err)
		}
	})
}

func TestWhatIsNotTextIsRefusedInBodiesAndCredentials(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		r := newRegistrar(t, databaseURL, registration.Open)
		key := newSigner(t, "k1")
		r.addClient("signer", func(c *client.Client) { c.JWKS = key.set() })
		b := r.browser().logIn(r.user)
		for what, value := range notText {
			text, err := url.QueryUnescape(value)
			if err != nil {
				t.Fatal(err)
			}
			for _, path := range []string{"/oauth2/token", "/oauth2/par", "/oauth2/revoke", "/oauth2/introspect", "/oauth2/device_authorization", "/oauth2/userinfo", "/oauth2/authorize", "/oauth2/logout", "/login", "/signup", "/device"} {
				form := parameters("grant_type", "authorization_code")
				for _, name := range []string{"client_id", "state", "nonce", "scope", "token", "email", "user_code", "code", "unknown"} {
					changed := url.Values{}
					for n, v := range form {
						changed[n] = v
					}
					changed.Set(name, text)
					q := r.request("POST", path, changed, "Origin", r.issuer, "Sec-Fetch-Site", "same-origin")
					if path == "/oauth2/userinfo" {
						if a := r.do(b.Client, q); a.status != http.StatusBadRequest || !strings.Contains(a.header.Get("WWW-Authenticate"), "invalid_request") {
							t.Errorf("userinfo, %s in %s: %d %s", what, name, a.status, a.body)
						}
						continue
					}
					wantRefusal(t, what+" in "+name, path, r.do(b.Client, q))
				}
			}
			q := r.request("POST", "/oauth2/token", url.Values{"grant_type": {"client_credentials"}})
			q.SetBasicAuth(value, "x")
			wantRefusal(t, what+" in the Basic client_id", "/oauth2/token", r.do(b.Client, q))

			for _, member := range []string{"client_name", "software_id", "scope", "client_name#ko", "tos_uri", "jwks_uri"} {
				text, err := json.Marshal(text)
				if err != nil {
					t.Fatal(err)
				}
				if a := r.send("POST", "/oauth2/register", "", `{`+webApp+`,"`+member+`":`+string(text)+`}`); a.status != http.StatusBadRequest {
					t.Errorf("registration, %s in %s: %d %s", what, member, a.status, a.body)
				}
				if a := r.send("POST", "/oauth2/register", "", "{"+webApp+`,"`+member+`":"`+strings.ReplaceAll(value, "%ff", "\xff")+"\xff\"}"); a.status != http.StatusBadRequest {
					t.Errorf("registration, %s in %s: %d %s", what, member, a.status, a.body)
				}
			}
		}
		nul := "a\x00b"
		inside := parameters("client_id", "signer", "nonce", nul, "state", nul)
		if a := b.authorize(url.Values{"client_id": {"signer"}, "response_type": {"code"}, "redirect_uri": {callback}, "request": {key.object(r.fixture, inside)}}); a.parameter("error") != "invalid_request" || a.parameter("state") != "" {
			t.Errorf("in a request object: %d %v", a.status, a.location)
		}
		assertion := key.signText(map[jose.HeaderKey]any{}, `{"iss":"a\u0000b","sub":"a\u0000b"}`)
		form := url.Values{"grant_type": {"client_credentials"}, "client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}, "client_assertion": {assertion}}
		wantError(t, r.postForm("/oauth2/token", form), http.StatusUnauthorized, "invalid_client")
	})
}
