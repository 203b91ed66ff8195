package endpoint_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/provider/providertest"
	"github.com/maru-auth/maru/internal/httpd"
)

// records is a log in JSON that goroutines may share.
type records struct {
	sync.Mutex
	bytes.Buffer
}

func (b *records) Write(p []byte) (int, error) {
	b.Lock()
	defer b.Unlock()
	return b.Buffer.Write(p)
}

// behindHTTPD serves the fixture as the program does, and returns what stops it and gives the log.
func behindHTTPD(f *providertest.Fixture) (base string, log func() string) {
	f.T.Helper()
	written := &records{}
	addresses, done := make(chan net.Addr, 1), make(chan error, 1)
	ctx, stop := context.WithCancel(f.T.Context())
	server := &httpd.Server{
		Config: httpd.Config{Listen: "127.0.0.1:0", ShutdownTimeout: 10 * time.Second}, Log: slog.New(slog.NewJSONHandler(written, nil)),
		Handler: f.Server.Config.Handler, Serving: func(a net.Addr) { addresses <- a },
	}
	go func() { done <- server.Run(ctx) }()
	end := sync.OnceFunc(func() {
		stop()
		if err := <-done; err != nil {
			f.T.Error(err)
		}
	})
	f.T.Cleanup(end)
	return "http://" + (<-addresses).String(), func() string {
		end() // a request is logged after it is answered
		return written.String()
	}
}

func TestARefusalIsFoundInTheLogByItsRequestID(t *testing.T) {
	t.Parallel()
	f := providertest.One(t)
	f.AddClient("other", nil)
	base, log := behindHTTPD(f)
	const hidden = "hidden-5e8f"
	form := func(pairs ...string) url.Values {
		v := url.Values{}
		for i := 0; i < len(pairs); i += 2 {
			v.Set(pairs[i], pairs[i+1])
		}
		return v
	}
	b := f.Browser().LogIn(f.User)
	tests := []struct {
		name, method, path  string
		form                url.Values
		user                string
		bearer              string
		code, client, about string
	}{
		{
			"a wrong secret", "POST", "/oauth2/token", form("grant_type", "client_credentials"), "app", "", "invalid_client", "app",
			"secret is wrong",
		},
		{
			"an unknown code", "POST", "/oauth2/token", form("grant_type", "authorization_code", "code", hidden, "redirect_uri",
				providertest.Callback, "code_verifier", hidden), "app", "", "invalid_grant", "app", "",
		},
		{
			"an assertion of nobody", "POST", "/oauth2/par",
			form("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer", "client_assertion",
				"e30.eyJzdWIiOiJnaG9zdCJ9."+hidden+"A"), "", "", "invalid_client", "ghost", "private_key_jwt",
		},
		{"no token to revoke", "POST", "/oauth2/revoke", form("token_type_hint", "x"), "app", "", "invalid_request", "app", "token"},
		{"a bad access token", "GET", "/oauth2/userinfo", nil, "", hidden, "invalid_token", "", "access token"},
		{
			"a device without the grant", "POST", "/oauth2/device_authorization", form("scope", "openid"), "app", "", "unauthorized_client",
			"app", "device_code",
		},
		{
			"a wrong redirect URI", "GET", "/oauth2/authorize?" +
				form("client_id", "app", "response_type", "code", "redirect_uri", "https://app.example/cb2<script>").Encode(), nil, "", "",
			"invalid_request", "app", "https://app.example/cb2<script>",
		},
		{
			"a wrong redirect URI with a query", "GET", "/oauth2/authorize?" +
				form("client_id", "app", "response_type", "code", "redirect_uri", "https://app.example/cb?code="+hidden).Encode(), nil, "", "",
			"invalid_request", "app", "https://app.example/cb?...",
		},
		{
			"a secret in the place of the client's name", "POST", "/oauth2/token", form("grant_type", "client_credentials"), hidden, "",
			"invalid_client", "", "",
		},
		{
			"a refusal that the client is sent", "GET", "/oauth2/authorize?" +
				form("client_id", "app", "response_type", "code", "redirect_uri", providertest.Callback, "scope", "x", "state",
					hidden).Encode(), nil, "", "", "invalid_scope", "app", "",
		},
		{
			"a foreign hint at log-out", "GET", "/oauth2/logout?" +
				form("client_id", "other", "post_logout_redirect_uri", "https://elsewhere.example/").Encode(), nil, "", "", "invalid_request",
			"other", "https://elsewhere.example/",
		},
		{"a log-in that expired", "GET", "/login?interaction=" + hidden, nil, "", "", "invalid_request", "", "interaction"},
		{"a wrong password", "POST", "/login", form("email", f.User.Email, "password", hidden), "", "", "", "", ""},
		{
			"a sign-up without a name", "POST", "/signup", form("email", "someone@example.com", "password", hidden, "name", ""), "", "", "",
			"", "name: name_missing",
		},
		{
			"a device code of nobody", "POST", "/device", form("user_code", "BBBB-BBBB"), "", "", "invalid_form", "", "user_code: device_code_wrong",
		},
	}
	ids := make([]string, len(tests))
	for i, test := range tests {
		r, err := http.NewRequestWithContext(t.Context(), test.method, base+test.path, strings.NewReader(test.form.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		if test.form != nil {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		if test.user != "" {
			password := providertest.Secret
			if test.code == "invalid_client" {
				password = hidden
			}
			r.SetBasicAuth(test.user, password)
		}
		if test.bearer != "" {
			r.Header.Set("Authorization", "Bearer "+test.bearer)
		}
		for _, cookie := range b.Jar.Cookies(f.Request("GET", "/", nil).URL) {
			r.AddCookie(cookie)
		}
		resp, err := b.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		ids[i] = resp.Header.Get("X-Request-Id")
	}
	text := log()
	if strings.Contains(text, hidden) || strings.Contains(text, providertest.Secret) || strings.Contains(text, "someone@") {
		t.Errorf("a secret, or an address, is in the log:\n%s", text)
	}
	lines := make(map[string]map[string]any)
	for line := range strings.Lines(text) {
		var record map[string]any
		if err := json.Unmarshal([]byte(line), &record); err != nil {
			t.Fatal(err)
		}
		if id, ok := record["request"].(string); ok {
			lines[id] = record
		}
	}
	for i, test := range tests {
		record := lines[ids[i]]
		has := func(key, want string) bool { got, ok := record[key].(string); return ok && strings.Contains(got, want) }
		if record["level"] != "INFO" || !has("error", test.code) || !has("description", test.about) ||
			(test.client != "" && record["client"] != test.client) {
			t.Errorf("%s: %v", test.name, record)
		}
	}
}

func TestTheRefusalOfARedirectURIShowsWhatWasReceived(t *testing.T) {
	t.Parallel()
	f := providertest.One(t)
	page := f.Browser().Get("/oauth2/authorize?" + url.Values{
		"client_id": {"app"}, "response_type": {"code"}, "redirect_uri": {`https://app.example/"><script>x</script>` + strings.Repeat("y", 2000)},
	}.Encode())
	_, received, _ := strings.Cut(page.Body, "Received: ")
	received, _, _ = strings.Cut(received, "</dd>")
	if page.Status != http.StatusBadRequest || !strings.HasPrefix(received, "https://app.example/") ||
		strings.Contains(page.Body, "<script>x") || !strings.HasSuffix(received, "yyy...") || len(received) > 300 {
		t.Errorf("%d %s", page.Status, received)
	}
	page = f.Browser().LogIn(f.User).Get("/oauth2/logout?" + url.Values{
		"client_id": {"app"}, "post_logout_redirect_uri": {"https://app.example/bye/"},
	}.Encode())
	if page.Status != http.StatusBadRequest || !strings.Contains(page.Body, "https://app.example/bye/") {
		t.Errorf("%d %s", page.Status, page.Body)
	}
}
