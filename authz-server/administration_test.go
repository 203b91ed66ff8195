package main

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

// The interface for operators is where its metadata says, at every form of issuer, and takes the token
// of a client that has the scope.
func TestTheInterfaceForOperatorsAtEveryFormOfIssuer(t *testing.T) {
	t.Parallel()
	for _, issuer := range []string{"https://login.example", "https://example.com/id", "https://example.com/id/"} {
		t.Run(issuer, func(t *testing.T) {
			t.Parallel()
			j := serveAs(t, issuer)
			base := strings.TrimSuffix(issuer, "/")
			host := "https://" + parsed(t, issuer).Host
			read := func(at string, into any, header ...string) int {
				t.Helper()
				r := j.request("GET", at, nil)
				for i := 0; i < len(header); i += 2 {
					r.Header.Set(header[i], header[i+1])
				}
				resp, body := j.do(r)
				if err := json.Unmarshal([]byte(body), into); err != nil {
					t.Fatalf("%s: %d %s", at, resp.StatusCode, body)
				}
				if at := resp.Header.Get("WWW-Authenticate"); resp.StatusCode == 401 && !strings.Contains(at, host+"/.well-known/oauth-protected-resource"+j.prefix+"/admin") {
					t.Errorf("the challenge is %s", at)
				}
				return resp.StatusCode
			}
			var metadata struct {
				Resource string   `json:"resource"`
				Issuers  []string `json:"authorization_servers"`
			}
			read(host+"/.well-known/oauth-protected-resource"+j.prefix+"/admin", &metadata)
			if metadata.Resource != base+"/admin" || len(metadata.Issuers) != 1 || metadata.Issuers[0] != issuer {
				t.Errorf("the metadata says %+v", metadata)
			}
			var document struct {
				Servers []struct{ URL string } `json:"servers"`
			}
			if read(base+"/admin/openapi.json", &document); len(document.Servers) != 1 || document.Servers[0].URL != base+"/admin" {
				t.Errorf("the document says %+v", document)
			}
			var problem struct {
				Status int `json:"status"`
			}
			if read(base+"/admin/v1/keys", &problem); problem.Status != 401 {
				t.Errorf("without a token: %d", problem.Status)
			}
			if read(base+"/admin/v1/nothing", &problem); problem.Status != 404 {
				t.Errorf("at no path: %d", problem.Status)
			}
		})
	}
}

// What the README shows: a client of the command line gets a token, and asks.
func TestAServiceThatACommandMadeAdministersTheServer(t *testing.T) {
	t.Parallel()
	databaseURL := sqldbtest.SQLite(t)
	served(t, databaseURL)
	c := commandLine{t, databaseURL}
	out := c.must("client", "create", "--id", "ops", "--name", "Operations", "--grant-type", "client_credentials", "--scope", "admin:write")
	var made struct {
		Secret string `json:"client_secret"`
	}
	if err := json.Unmarshal([]byte(out), &made); err != nil {
		t.Fatal(err)
	}
	addr, _ := serving(t, databaseURL, "--shutdown-delay=0", "--issuer=https://login.example", "--api-origin=https://api.example")
	j := &journey{t, "https://login.example", "", &http.Client{Transport: gatewayTransport{addr}, CheckRedirect: stay}}
	r := j.request("POST", "https://login.example/oauth2/token", url.Values{"grant_type": {"client_credentials"}})
	r.SetBasicAuth("ops", made.Secret)
	_, body := j.do(r)
	var token struct {
		Access string `json:"access_token"`
	}
	if err := json.Unmarshal([]byte(body), &token); err != nil || token.Access == "" {
		t.Fatalf("%v %s", err, body)
	}
	for path, says := range map[string]string{
		"/admin/v1/users":      `"items":[`,
		"/admin/v1/keys":       `"state":"current"`,
		"/admin/v1/settings":   `"name":"issuer"`,
		"/admin/v1/attention":  `"no_administrator"`,
		"/admin/v1/statistics": `"logins"`,
		"/admin/v1/roles":      `"moderator"`,
	} {
		r := j.request("GET", "https://login.example"+path, nil)
		r.Header.Set("Authorization", "Bearer "+token.Access)
		if resp, body := j.do(r); resp.StatusCode != 200 || !strings.Contains(body, says) || strings.Contains(body, made.Secret) {
			t.Errorf("%s: %d %.300s", path, resp.StatusCode, body)
		}
	}
}

func TestTheOpenAPIDocumentIsWhatTheCodeSays(t *testing.T) {
	t.Parallel()
	committed, err := os.ReadFile("openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	if printed := (commandLine{t, "sqlite:nowhere"}).must("openapi"); printed != string(committed) {
		t.Error("openapi.json is not what the code says: run 'make openapi'")
	}
}
