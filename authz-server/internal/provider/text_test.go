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
	"github.com/maru-auth/maru/authz-server/internal/provider/providertest"
	"github.com/maru-auth/maru/authz-server/internal/registration"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

// notText is what PostgreSQL stores in no text, in the form of a query.
var notText = map[string]string{"NUL": "a%00b", "bad UTF-8": "a%ffb", "half a character": "%ea%b0"}

// wantRefusal checks that an answer is 400 in the form of the interface: JSON for programs, a page
// for people.
func wantRefusal(t *testing.T, what, path string, a providertest.Answer) {
	t.Helper()
	pages := strings.HasPrefix(path, "/oauth2/authorize") || strings.HasPrefix(path, "/oauth2/logout") ||
		strings.HasPrefix(path, "/oauth2/check_session") ||
		!strings.HasPrefix(path, "/oauth2/") && !strings.HasPrefix(path, "/.well-known/")
	kind := a.Header.Get("Content-Type")
	var body struct{ Error string }
	switch {
	case a.Status != http.StatusBadRequest:
		t.Errorf("%s, %s: %d %v %.200s", path, what, a.Status, a.Location, a.Body)
	case pages && !strings.HasPrefix(kind, "text/html"):
		t.Errorf("%s, %s: no page but %s", path, what, kind)
	case !pages && (json.Unmarshal([]byte(a.Body), &body) != nil || body.Error != "invalid_request" || kind != "application/json"):
		t.Errorf("%s, %s: %s %s", path, what, kind, a.Body)
	}
}

// Every route that there is, on the database that cannot store such text; also those that are added
// later.
func TestWhatIsNotTextIsRefusedAtEveryDoor(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		r := providertest.NewRegistrar(t, databaseURL, registration.Open)
		b := r.Browser().LogIn(r.User)
		router, ok := r.Server.Config.Handler.(*mux.Router)
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
						wantRefusal(t, method+" with "+what+" in the query", plain, b.Send(r.Request(method, plain+"?"+query, nil)))
					}
					if strings.Contains(path, "{client_id}") {
						at := strings.Replace(path, "{client_id}", value, 1)
						wantRefusal(t, method+" with "+what+" in the path", at, b.Send(r.Request(method, at, nil)))
					}
				}
				plain := strings.NewReplacer("{client_id}", "x").Replace(path)
				wantRefusal(t, method+" with a User-Agent in Latin-1", plain, b.Send(r.Request(method, plain, nil, "User-Agent", "caf\xe9")))
			}
			return nil
		})
		if err != nil || routes < 15 {
			t.Fatal(routes, err)
		}
	})
}

func TestWhatIsNotTextIsRefusedInBodiesAndCredentials(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		r := providertest.NewRegistrar(t, databaseURL, registration.Open)
		key := providertest.NewSigner(t, "k1")
		r.AddClient("signer", func(c *client.Client) { c.JWKS = key.JWKS() })
		b := r.Browser().LogIn(r.User)
		for what, value := range notText {
			text, err := url.QueryUnescape(value)
			if err != nil {
				t.Fatal(err)
			}
			for _, path := range []string{
				"/oauth2/token", "/oauth2/par", "/oauth2/revoke", "/oauth2/introspect", "/oauth2/device_authorization", "/oauth2/userinfo",
				"/oauth2/authorize", "/oauth2/logout", "/login", "/signup", "/device",
			} {
				form := providertest.Parameters("grant_type", "authorization_code")
				for _, name := range []string{"client_id", "state", "nonce", "scope", "token", "email", "user_code", "code", "unknown"} {
					changed := url.Values{}
					for n, v := range form {
						changed[n] = v
					}
					changed.Set(name, text)
					q := r.Request("POST", path, changed, "Origin", r.Issuer, "Sec-Fetch-Site", "same-origin")
					if path == "/oauth2/userinfo" {
						if a := b.Send(q); a.Status != http.StatusBadRequest || !strings.Contains(a.Header.Get("WWW-Authenticate"), "invalid_request") {
							t.Errorf("userinfo, %s in %s: %d %s", what, name, a.Status, a.Body)
						}
						continue
					}
					wantRefusal(t, what+" in "+name, path, b.Send(q))
				}
			}
			q := r.Request("POST", "/oauth2/token", url.Values{"grant_type": {"client_credentials"}})
			q.SetBasicAuth(value, "x")
			wantRefusal(t, what+" in the Basic client_id", "/oauth2/token", b.Send(q))

			for _, member := range []string{"client_name", "software_id", "scope", "client_name#ko", "tos_uri", "jwks_uri"} {
				text, err := json.Marshal(text)
				if err != nil {
					t.Fatal(err)
				}
				if a := r.Send("POST", "/oauth2/register", "", `{`+providertest.WebApp+`,"`+member+`":`+string(text)+
					`}`); a.Status != http.StatusBadRequest {
					t.Errorf("registration, %s in %s: %d %s", what, member, a.Status, a.Body)
				}
				if a := r.Send("POST", "/oauth2/register", "", "{"+providertest.WebApp+`,"`+member+`":"`+
					strings.ReplaceAll(value, "%ff", "\xff")+"\xff\"}"); a.Status != http.StatusBadRequest {
					t.Errorf("registration, %s in %s: %d %s", what, member, a.Status, a.Body)
				}
			}
		}
		nul := "a\x00b"
		inside := providertest.Parameters("client_id", "signer", "nonce", nul, "state", nul)
		if a := b.AuthorizeForm(url.Values{
			"client_id": {"signer"}, "response_type": {"code"}, "redirect_uri": {providertest.Callback},
			"request": {key.RequestObject(r.Fixture, inside)},
		}); a.Parameter("error") != "invalid_request" || a.Parameter("state") != "" {
			t.Errorf("in a request object: %d %v", a.Status, a.Location)
		}
		assertion := key.SignText(map[jose.HeaderKey]any{}, `{"iss":"a\u0000b","sub":"a\u0000b"}`)
		form := url.Values{
			"grant_type": {"client_credentials"}, "client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
			"client_assertion": {assertion},
		}
		r.PostForm("/oauth2/token", form).WantError(t, http.StatusUnauthorized, "invalid_client")
	})
}
