package deploy

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"
)

type compose struct {
	Services map[string]struct {
		Image       string
		User        string
		ReadOnly    bool     `yaml:"read_only"`
		CapDrop     []string `yaml:"cap_drop"`
		CapAdd      []string `yaml:"cap_add"`
		SecurityOpt []string `yaml:"security_opt"`
		Privileged  bool
		Command     []string
		Ports       []string
		Environment map[string]string
		Secrets     []string
		MemLimit    string        `yaml:"mem_limit"`
		StopGrace   time.Duration `yaml:"stop_grace_period"`
		Logging     struct {
			Driver  string
			Options map[string]string
		}
		Build struct {
			Target, Dockerfile string
			Args               map[string]string
		}
	}
	Secrets map[string]struct{ File string }
}

func readCompose(t *testing.T) (compose, string) {
	t.Helper()
	text, err := os.ReadFile("compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var c compose
	if err := yaml.Unmarshal(text, &c); err != nil {
		t.Fatal(err)
	}
	return c, string(text)
}

// Otherwise "version" of what compose builds says nothing.
func TestComposeTellsTheBuildWhatItBuilds(t *testing.T) {
	t.Parallel()
	c, _ := readCompose(t)
	dockerfile, err := os.ReadFile("Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	arguments := regexp.MustCompile(`(\w+)=(?:\s|$)`).FindAllStringSubmatch(regexp.MustCompile(`(?m)^ARG .*`).FindString(string(dockerfile)), -1)
	if len(arguments) != 3 {
		t.Fatalf("the Dockerfile takes %v", arguments)
	}
	for name, s := range c.Services {
		for _, argument := range arguments {
			if s.Build.Target == "maru" && s.Build.Args[argument[1]] != "${MARU_"+argument[1]+":-}" {
				t.Errorf("%s is built with %v, without %s", name, s.Build.Args, argument[1])
			}
		}
	}
}

func TestComposeRunsWhatTheDevRunnerRuns(t *testing.T) {
	t.Parallel()
	c, _ := readCompose(t)
	table := fromTable(t)
	running := map[string]int{}
	for name, s := range c.Services {
		if name == "postgres" {
			continue
		}
		program := "caddy"
		if s.Build.Target == "maru" {
			if len(s.Command) == 0 {
				t.Errorf("%s: no command, and the image has none", name)
				continue
			}
			program = filepath.Base(s.Command[0])
		}
		running[program]++
		p := process{"compose service " + name, program, s.Environment}
		agrees(t, table, p)
		for setting, value := range p.env {
			p.env[setting] = expanded(value)
		}
		starts(t, p)
	}
	// 3: two that serve, one that registers clients
	if want := map[string]int{"authz-server": 3, "user": 1, "board": 1, "client-demo": 1, "caddy": 1}; !maps.Equal(running, want) {
		t.Errorf("compose runs %v, want %v", running, want)
	}
	for setting, upstreams := range map[string]string{"GATEWAY_AUTHZ": "authz-server:9100 authz-server-2:9100",
		"GATEWAY_USER": "user:9200", "GATEWAY_BOARD": "board:9300", "GATEWAY_DEMO": "demo:9400"} {
		if got := c.Services["gateway"].Environment[setting]; got != upstreams {
			t.Errorf("%s: %s, want %s", setting, got, upstreams)
		}
		for _, upstream := range strings.Fields(upstreams) {
			host, _, _ := strings.Cut(upstream, ":")
			if _, ok := c.Services[host]; !ok {
				t.Errorf("%s names %s, which is no service", setting, host)
			}
		}
	}
}

// expanded is a value of compose.yaml as it is without further settings.
func expanded(value string) string {
	return regexp.MustCompile(`\$\{[A-Z_]+(:[-?])([^}]*)\}`).ReplaceAllStringFunc(value, func(reference string) string {
		name, fallback, ok := strings.Cut(strings.Trim(reference, "${}"), ":-")
		if !ok {
			return strings.ToLower(name) // a secret
		}
		return fallback
	})
}

func TestComposeGivesNoContainerMoreThanItNeeds(t *testing.T) {
	t.Parallel()
	c, _ := readCompose(t)
	for name, s := range c.Services {
		if !s.ReadOnly || !slices.Equal(s.CapDrop, []string{"ALL"}) || s.Privileged ||
			!slices.Contains(s.SecurityOpt, "no-new-privileges:true") {
			t.Errorf("%s: read-only %v, drops %v, privileged %v, %v", name, s.ReadOnly, s.CapDrop, s.Privileged, s.SecurityOpt)
		}
		if name != "postgres" && (s.User != "65532:65532" || len(s.CapAdd) > 0) {
			t.Errorf("%s: runs as %q and adds %v", name, s.User, s.CapAdd)
		}
		if name != "gateway" && len(s.Ports) > 0 {
			t.Errorf("%s publishes %v: only the gateway is reached from outside", name, s.Ports)
		}
		for _, port := range s.Ports {
			if !strings.HasPrefix(port, "127.0.0.1:") {
				t.Errorf("%s publishes %s to other machines by default", name, port)
			}
		}
		for _, secret := range s.Secrets {
			if c.Secrets[secret].File == "" {
				t.Errorf("%s: no secret is called %q", name, secret)
			}
		}
	}
}

func TestComposesSecretsAreMadeByItsScript(t *testing.T) {
	t.Parallel()
	for name, app := range map[string]string{"as it comes": "", "with a name of one's own": "https://app.example.com"} {
		t.Run(name, func(t *testing.T) { testComposeSecrets(t, app) })
	}
}

func testComposeSecrets(t *testing.T, app string) {
	c, text := readCompose(t)
	dir := filepath.Join(t.TempDir(), "secrets")
	run := func() {
		if err := os.MkdirAll(dir, 0o755); err != nil { // somebody made or copied it
			t.Fatal(err)
		}
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("sh", "compose-secrets.sh", dir)
		cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "MARU_APP=" + app}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	run()
	env, err := os.ReadFile(filepath.Join(dir, "compose.env"))
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]string{}
	for line := range strings.Lines(string(env)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		if len(value) != 64 {
			t.Errorf("%s: %d characters, want 64 of hexadecimal", name, len(value))
		}
		values[name] = value
	}
	for _, m := range regexp.MustCompile(`\$\{([A-Z_]+):\?`).FindAllStringSubmatch(text, -1) {
		if values[m[1]] == "" {
			t.Errorf("compose wants %s, which the script does not make", m[1])
		}
	}
	for name, secret := range c.Secrets {
		if _, err := os.Stat(filepath.Join(dir, filepath.Base(secret.File))); err != nil {
			t.Errorf("secret %s: %v", name, err)
		}
	}
	kek, err := os.ReadFile(filepath.Join(dir, "authz.kek"))
	if err != nil {
		t.Fatal(err)
	}
	if key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(kek))); err != nil || len(key) != 32 {
		t.Errorf("the key-encryption key: %d bytes, %v", len(key), err)
	}
	list, err := os.ReadFile(filepath.Join(dir, "clients.json"))
	if err != nil {
		t.Fatal(err)
	}
	var clients []struct {
		ID        string   `json:"client_id"`
		Secret    string   `json:"client_secret"`
		Redirects []string `json:"redirect_uris"`
	}
	if err := json.Unmarshal(list, &clients); err != nil {
		t.Fatal(err)
	}
	for _, client := range clients {
		if strings.Contains(client.Secret, "development") {
			t.Errorf("%s has development's public secret", client.ID)
		}
		if client.ID == "demo" && (client.Secret != values["DEMO_CLIENT_SECRET"] ||
			!slices.Equal(client.Redirects, []string{cmp.Or(app,
				expanded(c.Services["demo"].Environment["DEMO_ORIGIN"])) + "/callback"})) {
			t.Errorf("the demo client: %+v", client)
		}
		if client.ID == "board" && client.Secret != values["BOARD_CLIENT_SECRET"] {
			t.Error("the board's client has another secret than the board")
		}
	}
	closed := func() {
		info, err := os.Stat(dir)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o700 {
			t.Errorf("the folder of secrets has mode %v", info.Mode())
		}
	}
	closed()
	run()
	closed()
	if again, err := os.ReadFile(filepath.Join(dir, "compose.env")); err != nil || string(again) != string(env) {
		t.Errorf("a second run changed the secrets (%v)", err)
	}
	if len(clients) != 2 {
		t.Errorf("%d clients, want those of production, the demo app and the board", len(clients))
	}
	app = "https://moved.example.com"
	run()
	if moved, err := os.ReadFile(filepath.Join(dir, "clients.json")); err != nil ||
		!strings.Contains(string(moved), `"https://moved.example.com/callback"`) ||
		!strings.Contains(string(moved), values["DEMO_CLIENT_SECRET"]) {
		t.Errorf("the app's new origin, with its old secret, is not in the clients' file (%v):\n%s", err, moved)
	}

	// The authorization server takes the clients as they are.
	p, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	imported := exec.Command(p.AuthzServer, "client", "import", filepath.Join(dir, "clients.json"))
	for name, value := range c.Services["clients"].Environment {
		switch name {
		case "AUTHZ_DATABASE_URL":
			value = "sqlite:" + filepath.Join(dir, "authz.db")
		case "AUTHZ_KEY_ENCRYPTION_KEY_FILE":
			value = filepath.Join(dir, "authz.kek")
		}
		imported.Env = append(imported.Env, name+"="+expanded(value))
	}
	serving := exec.Command(p.AuthzServer) // makes the database, which no command does
	serving.Env = append(slices.Clone(imported.Env), "AUTHZ_LISTEN=127.0.0.1:0")
	if said, ok := serves(t, serving); !ok {
		t.Fatal(said)
	}
	if out, err := imported.CombinedOutput(); err != nil {
		t.Errorf("client import: %v\n%s", err, out)
	}
}
