package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"go.uber.org/goleak"

	"github.com/maru-auth/maru/internal/cli"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestWrongSettingsStopTheProgramWithOneClearLine(t *testing.T) {
	good := config{Origin: "http://localhost:8080", Issuer: "http://localhost:9000", ClientID: "demo",
		UserAPI: "http://localhost:8000/user", BoardAPI: "http://localhost:8000/board"}
	for _, test := range []struct {
		change func(*config)
		want   string
	}{
		{func(c *config) { c.Origin = "localhost:8080" }, "--origin"},
		{func(c *config) { c.Origin = "http://localhost:8080/app" }, "--origin"},
		{func(c *config) { c.Issuer = "" }, "--issuer"},
		{func(c *config) { c.Issuer = "http://localhost:9000?x=1" }, "--issuer"},
		{func(c *config) { c.ClientID = "" }, "--client-id"},
		{func(c *config) { c.UserAPI = "ftp://localhost" }, "--user-api"},
		{func(c *config) { c.BoardAPI = "http://user:secret@localhost" }, "--board-api"},
		{func(c *config) { c.CookieKey = "secret" }, "--cookie-key"},
		{func(c *config) { c.CookieKey = base64.StdEncoding.EncodeToString(make([]byte, 31)) }, "--cookie-key"},
	} {
		cfg := good
		test.change(&cfg)
		if err := run(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("want an error that names %s, got %v", test.want, err)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("the error repeats a secret: %v", err)
		}
	}
}

func TestVersionNeedsNoSettings(t *testing.T) {
	var out bytes.Buffer
	parser, err := kong.New(new(commands), append(options(), kong.Writers(&out, &out))...)
	if err != nil {
		t.Fatal(err)
	}
	command, err := parser.Parse([]string{"version", "--json"})
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Run(); err != nil {
		t.Fatal(err)
	}
	var build cli.Build
	if err := json.Unmarshal(out.Bytes(), &build); err != nil || build.Version == "" || build.RSA != "go" {
		t.Errorf("%s, %v", out.String(), err)
	}
}

func TestACookieKeyComesInEitherAlphabetOfBase64(t *testing.T) {
	key := bytes.Repeat([]byte{0xfb, 0xff}, 16)
	for _, text := range []string{base64.StdEncoding.EncodeToString(key) + "\n", base64.RawURLEncoding.EncodeToString(key)} {
		if got, err := (&config{CookieKey: text}).cookieKey(); err != nil || !bytes.Equal(got, key) {
			t.Errorf("%q: %x, %v", text, got, err)
		}
	}
}

// parse reads the settings as the program does.
func parse(args ...string) (config, error) {
	var all commands
	parser, err := kong.New(&all, options()...)
	if err != nil {
		return config{}, err
	}
	_, err = cli.Parse(parser, "client-demo", "DEMO_", args, os.Environ())
	return all.Serve, err
}

func TestSettingsComeFromTheEnvironment(t *testing.T) {
	for name, value := range map[string]string{"DEMO_ORIGIN": "http://localhost:1", "DEMO_ISSUER": "http://localhost:2",
		"DEMO_CLIENT_ID": "c", "DEMO_CLIENT_SECRET": "s",
		"DEMO_USER_API": "http://localhost:3/user", "DEMO_BOARD_API": "http://localhost:3/board",
		"DEMO_LISTEN": "127.0.0.1:0"} {
		t.Setenv(name, value)
	}
	cfg, err := parse()
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Origin != "http://localhost:1" || cfg.ClientSecret != "s" || cfg.BoardAPI != "http://localhost:3/board" ||
		cfg.Listen != "127.0.0.1:0" || cfg.ShutdownTimeout != 10*time.Second {
		t.Errorf("got %+v", cfg)
	}
	t.Setenv("DEMO_ISSUER", "")
	os.Unsetenv("DEMO_ISSUER")
	if _, err := parse(); err == nil || !strings.Contains(err.Error(), "--issuer") {
		t.Errorf("want an error that names --issuer, got %v", err)
	}
}

// TestTheClientOfDevelopmentIsThisApp compares what development registers with what the app serves.
func TestTheClientOfDevelopmentIsThisApp(t *testing.T) {
	text, err := os.ReadFile("../deploy/dev/clients.json")
	if err != nil {
		t.Fatal(err)
	}
	var clients []map[string]any
	if err := json.Unmarshal(text, &clients); err != nil {
		t.Fatal(err)
	}
	for _, c := range clients {
		if c["client_id"] != "demo" {
			continue
		}
		if c["client_name"] != "Maru demo" || c["client_name#ko"] != "마루 데모" || c["client_uri"] != "http://localhost:8080/" {
			t.Errorf("%v", c)
		}
		path, ok := strings.CutPrefix(c["logo_uri"].(string), "http://localhost:8080")
		if w := start(t); !ok || w.browser().get(path).status != http.StatusOK {
			t.Errorf("there is no logo at %s", c["logo_uri"])
		}
		return
	}
	t.Error("there is no client demo")
}

// TestTheServicesOfferWhatIsCalled compares what this app calls with what the services publish.
func TestTheServicesOfferWhatIsCalled(t *testing.T) {
	w := start(t)
	w.fill()
	b := w.browser().login()
	for _, path := range []string{"/people/person-1", "/posts/id1/edit", "/search?q=x", "/comments/id2/edit"} {
		b.get(path)
	}
	b.post("/posts/id1/delete", "etag", b.get("/posts/id1/delete").field(t, "etag"))
	b.post("/settings", "etag", `"1"`)
	b.post("/comments/id2/edit", "etag", `"1"`, "body", "x")
	b.post("/comments/id2/delete", "etag", `"2"`)
	w.services.mu.Lock()
	defer w.services.mu.Unlock()
	for service, calls := range w.services.calls {
		text, err := os.ReadFile("../resources/" + service + "/openapi.json")
		if err != nil {
			t.Fatal(err)
		}
		var document struct {
			Paths map[string]map[string]any
		}
		if err := json.Unmarshal(text, &document); err != nil {
			t.Fatal(err)
		}
		if len(calls) < 5 {
			t.Errorf("only %d kinds of calls to the %s service", len(calls), service)
		}
		for call := range calls {
			method, path, _ := strings.Cut(call, " ")
			if _, ok := document.Paths[path][strings.ToLower(method)]; !ok && !strings.HasSuffix(path, "/{mark}") {
				t.Errorf("the %s service publishes no %s", service, call)
			}
		}
	}
}
