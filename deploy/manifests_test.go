package deploy

import (
	"bufio"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/maru-auth/maru/deploy/stack"
)

// No container engine is needed for these tests: they read the files and hold them to the table that the dev runner runs,
// which the end-to-end tests have proved, and to what the programs themselves say in --help.

// programs compiles the four programs once.
var programs = sync.OnceValues(func() (stack.Programs, error) { return stack.BuildForTests(context.Background(), "..") })

// setting tells of each program which environment variables it knows.
var settings = sync.OnceValues(func() (map[string][]string, error) {
	p, err := programs()
	if err != nil {
		return nil, err
	}
	known := map[string][]string{}
	for program, help := range map[string][]string{
		"authz-server": {p.AuthzServer, "serve", "--help"},
		"user":         {p.User, "serve", "--help"},
		"board":        {p.Board, "serve", "--help"},
		"client-demo":  {p.Demo, "--help"},
	} {
		out, err := exec.Command(help[0], help[1:]...).CombinedOutput()
		if err != nil {
			return nil, fmt.Errorf("%s: %w\n%s", strings.Join(help, " "), err, out)
		}
		for _, m := range regexp.MustCompile(`\$([A-Z][A-Z0-9_]+)`).FindAllStringSubmatch(string(out), -1) {
			known[program] = append(known[program], m[1])
		}
		if len(known[program]) < 5 {
			return nil, fmt.Errorf("%s --help names only %v", program, known[program])
		}
	}
	text, err := os.ReadFile("Caddyfile")
	if err != nil {
		return nil, err
	}
	for _, m := range regexp.MustCompile(`\{\$([A-Z_]+)`).FindAllStringSubmatch(string(text), -1) {
		known["caddy"] = append(known["caddy"], m[1])
	}
	return known, nil
})

// process is a program as some file here runs it.
type process struct {
	where   string
	program string // the name of its executable
	env     map[string]string
}

// fromTable is how the dev runner runs each program.
func fromTable(t *testing.T) map[string]process {
	t.Helper()
	s, err := stack.New(stack.Config{
		Root: "..", Dir: t.TempDir(), Ports: stack.DevelopmentPorts(),
		Programs: stack.Programs{AuthzServer: "authz-server", User: "user", Board: "board", Demo: "client-demo", Caddy: "caddy"},
	})
	if err != nil {
		t.Fatal(err)
	}
	table := map[string]process{}
	for _, part := range s.Parts() {
		env := map[string]string{}
		for _, pair := range part.Env {
			name, value, _ := strings.Cut(pair, "=")
			if strings.HasPrefix(name, part.Prefix) {
				env[name] = value
			}
		}
		table[part.Program] = process{"the dev runner's table", part.Program, env}
	}
	return table
}

func TestTheTableAndTheProgramsKnowTheSameSettings(t *testing.T) {
	known, err := settings()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range fromTable(t) {
		for name := range p.env {
			if !slices.Contains(known[p.program], name) {
				t.Errorf("%s: %s does not know %s", p.where, p.program, name)
			}
		}
	}
}

// agrees holds a process of a deployment to the table: the same settings, the same ports, and no setting that nobody reads.
func agrees(t *testing.T, table map[string]process, p process) {
	t.Helper()
	known, err := settings()
	if err != nil {
		t.Fatal(err)
	}
	want, ok := table[p.program]
	if !ok {
		t.Errorf("%s: runs %q, which the dev runner does not", p.where, p.program)
		return
	}
	for name := range p.env {
		if !slices.Contains(known[p.program], name) && name != "GOMEMLIMIT" { // which Go's runtime knows
			t.Errorf("%s: %s does not know %s", p.where, p.program, name)
		}
	}
	for name, value := range want.env {
		got, set := p.env[name]
		// What development may do and a deployment must not, and references to try the interfaces in.
		development := strings.Contains(name, "_INSECURE_") || strings.HasSuffix(name, "_DOCS_CLIENT_ID") || name == "DEMO_API_DOCS"
		if set == development {
			t.Errorf("%s: set is %t for %s", p.where, set, name)
		}
		if _, port, ok := strings.Cut(value, ":"); ok && strings.HasSuffix(name, "_LISTEN") && !strings.HasSuffix(got, ":"+port) {
			t.Errorf("%s: %s is %s, and the table says port %s", p.where, name, got, port)
		}
	}
}

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
		Build struct{ Target, Dockerfile string }
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

func TestComposeRunsWhatTheDevRunnerRuns(t *testing.T) {
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
	if want := map[string]int{"authz-server": 3, "user": 1, "board": 1, "client-demo": 1, "caddy": 1}; !maps.Equal(running, want) { // 3: two that serve, one that registers clients
		t.Errorf("compose runs %v, want %v", running, want)
	}
	for setting, upstreams := range map[string]string{"GATEWAY_AUTHZ": "authz-server:9100 authz-server-2:9100", "GATEWAY_USER": "user:9200", "GATEWAY_BOARD": "board:9300", "GATEWAY_DEMO": "demo:9400"} {
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

// starts runs a program with a deployment's settings, but for its address, its database and its key, and fails the test unless
// it serves: a setting with a wrong value stops every program at its start.
func starts(t *testing.T, p process) {
	t.Helper()
	all, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	path, ok := map[string]string{"authz-server": all.AuthzServer, "user": all.User, "board": all.Board, "client-demo": all.Demo}[p.program]
	if !ok {
		return // the gateway; its own tests start it
	}
	dir := t.TempDir()
	key := filepath.Join(dir, "key")
	if err := os.WriteFile(key, []byte(base64.StdEncoding.EncodeToString(make([]byte, 32))), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path)
	for name, value := range p.env {
		switch {
		case strings.HasSuffix(name, "_LISTEN"):
			value = "127.0.0.1:0"
		case strings.HasSuffix(name, "_DATABASE_URL"):
			value = "sqlite:" + filepath.Join(dir, "database")
		case strings.HasSuffix(name, "_KEY_ENCRYPTION_KEY_FILE"):
			value = key
		case strings.HasSuffix(name, "_JWKS_CACHE_FILE"):
			value = filepath.Join(dir, "keys.json")
		case strings.HasSuffix(name, "_CLIENT_SECRET"):
			value = "a-secret-from-elsewhere"
		}
		// No test asks for a name outside of this machine.
		cmd.Env = append(cmd.Env, name+"="+strings.ReplaceAll(value, "example.com", "maru.localhost"))
	}
	if said, serves := untilServing(t, cmd); !serves {
		t.Errorf("%s: %s does not start:\n%s", p.where, p.program, said)
	}
}

// untilServing runs a program until it serves, and tells what it said until then.
func untilServing(t *testing.T, cmd *exec.Cmd) (said string, serves bool) {
	t.Helper()
	log, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(log); !serves && lines.Scan(); {
		said += lines.Text() + "\n"
		serves = strings.Contains(lines.Text(), "serving")
	}
	if err := cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Error(err)
	}
	if _, err := io.Copy(io.Discard, log); err != nil {
		t.Error(err)
	}
	cmd.Wait() // it was killed
	return said, serves
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
	c, _ := readCompose(t)
	for name, s := range c.Services {
		if !s.ReadOnly || !slices.Equal(s.CapDrop, []string{"ALL"}) || s.Privileged || !slices.Contains(s.SecurityOpt, "no-new-privileges:true") {
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
	for name, app := range map[string]string{"as it comes": "", "with a name of one's own": "https://app.example.com"} {
		t.Run(name, func(t *testing.T) { testComposeSecrets(t, app) })
	}
}

func testComposeSecrets(t *testing.T, app string) {
	c, text := readCompose(t)
	dir := filepath.Join(t.TempDir(), "secrets")
	run := func() {
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
		if client.ID == "demo" && (client.Secret != values["DEMO_CLIENT_SECRET"] || !slices.Equal(client.Redirects, []string{cmp.Or(app, expanded(c.Services["demo"].Environment["DEMO_ORIGIN"])) + "/callback"})) {
			t.Errorf("the demo client: %+v", client)
		}
		if client.ID == "board" && client.Secret != values["BOARD_CLIENT_SECRET"] {
			t.Error("the board's client has another secret than the board")
		}
	}
	info, err := os.Stat(dir)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o700 {
		t.Errorf("the folder of secrets has mode %v", info.Mode())
	}
	run()
	if again, err := os.ReadFile(filepath.Join(dir, "compose.env")); err != nil || string(again) != string(env) {
		t.Errorf("a second run changed the secrets (%v)", err)
	}
	if len(clients) != 2 {
		t.Errorf("%d clients, want those of production, the demo app and the board", len(clients))
	}
	app = "https://moved.example.com"
	run()
	if moved, err := os.ReadFile(filepath.Join(dir, "clients.json")); err != nil || !strings.Contains(string(moved), `"https://moved.example.com/callback"`) || !strings.Contains(string(moved), values["DEMO_CLIENT_SECRET"]) {
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
	if said, serves := untilServing(t, serving); !serves {
		t.Fatal(said)
	}
	if out, err := imported.CombinedOutput(); err != nil {
		t.Errorf("client import: %v\n%s", err, out)
	}
}

// object is as much of a Kubernetes object as is looked at here.
type object struct {
	Kind     string
	Metadata struct{ Name string }
	Data     map[string]string
	Spec     struct {
		Replicas int
		Selector any
		Ports    []struct{ Port int }
		Template struct {
			Metadata struct{ Labels map[string]string }
			Spec     struct {
				AutomountServiceAccountToken bool  `yaml:"automountServiceAccountToken"`
				EnableServiceLinks           *bool `yaml:"enableServiceLinks"`
				Grace                        int   `yaml:"terminationGracePeriodSeconds"`
				Volumes                      []struct {
					Name   string
					Secret struct {
						SecretName string `yaml:"secretName"`
					}
				}
				SecurityContext securityContext `yaml:"securityContext"`
				Containers      []container
			}
		}
		PodSelector struct {
			MatchLabels map[string]string `yaml:"matchLabels"`
		} `yaml:"podSelector"`
		Ingress []any
	}
}

type securityContext struct {
	RunAsNonRoot             bool  `yaml:"runAsNonRoot"`
	RunAsUser                int   `yaml:"runAsUser"`
	AllowPrivilegeEscalation *bool `yaml:"allowPrivilegeEscalation"`
	ReadOnlyRootFilesystem   bool  `yaml:"readOnlyRootFilesystem"`
	Capabilities             struct{ Drop []string }
	SeccompProfile           struct{ Type string } `yaml:"seccompProfile"`
}

type probe struct {
	HTTPGet   *struct{ Path, Port string } `yaml:"httpGet"`
	TCPSocket *struct{ Port string }       `yaml:"tcpSocket"`
	Timeout   int                          `yaml:"timeoutSeconds"`
	Failures  int                          `yaml:"failureThreshold"`
	Period    int                          `yaml:"periodSeconds"`
}

type container struct {
	Image   string
	Command []string
	Ports   []struct {
		Name          string
		ContainerPort int `yaml:"containerPort"`
	}
	SecurityContext securityContext `yaml:"securityContext"`
	ReadinessProbe  probe           `yaml:"readinessProbe"`
	LivenessProbe   probe           `yaml:"livenessProbe"`
	Resources       struct{ Limits struct{ Memory string } }
	Lifecycle       struct {
		PreStop struct{ Sleep struct{ Seconds int } } `yaml:"preStop"`
	}
	VolumeMounts []struct {
		Name      string
		MountPath string `yaml:"mountPath"`
	} `yaml:"volumeMounts"`
	Env []struct {
		Name, Value string
		ValueFrom   struct {
			ConfigMapKeyRef *struct{ Name, Key string } `yaml:"configMapKeyRef"`
			SecretKeyRef    *struct{ Name, Key string } `yaml:"secretKeyRef"`
		} `yaml:"valueFrom"`
	}
}

// manifests reads what kustomization.yaml names, and holds it to naming all that is there.
func manifests(t *testing.T) []object {
	t.Helper()
	text, err := os.ReadFile("kubernetes/kustomization.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var kustomization struct{ Resources []string }
	if err := yaml.Unmarshal(text, &kustomization); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("kubernetes/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != len(kustomization.Resources)+1 {
		t.Errorf("kustomization.yaml names %v, and there is %v", kustomization.Resources, files)
	}
	var objects []object
	for _, name := range kustomization.Resources {
		f, err := os.Open(filepath.Join("kubernetes", name))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for d := yaml.NewDecoder(f); ; {
			var o object
			if err := d.Decode(&o); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if o.Kind == "" || o.Metadata.Name == "" {
				t.Errorf("%s: an object without kind or name", name)
			}
			objects = append(objects, o)
		}
	}
	return objects
}

func named(objects []object, kind, name string) *object {
	for i, o := range objects {
		if o.Kind == kind && o.Metadata.Name == name {
			return &objects[i]
		}
	}
	return nil
}

func TestKubernetesRunsWhatTheDevRunnerRuns(t *testing.T) {
	objects := manifests(t)
	table := fromTable(t)
	origins := named(objects, "ConfigMap", "origins")
	if origins == nil {
		t.Fatal("no ConfigMap origins")
	}
	programs := map[string]bool{}
	for _, o := range objects {
		if o.Kind != "Deployment" {
			continue
		}
		name := o.Metadata.Name
		c := o.Spec.Template.Spec.Containers[0]
		program := "caddy"
		if c.Image == "maru" {
			program = filepath.Base(c.Command[0])
		} else if c.Image != "maru-gateway" {
			t.Errorf("%s: the Dockerfile makes no image %q", name, c.Image)
		}
		programs[program] = true
		env := map[string]string{}
		for _, e := range c.Env {
			env[e.Name] = e.Value
			if ref := e.ValueFrom.ConfigMapKeyRef; ref != nil {
				value, ok := origins.Data[ref.Key]
				if !ok || ref.Name != "origins" {
					t.Errorf("%s: %s is taken from %s/%s, which is not there", name, e.Name, ref.Name, ref.Key)
				}
				env[e.Name] = value
			}
			if secret := strings.Contains(e.Name, "SECRET") || strings.Contains(e.Name, "DATABASE_URL"); secret != (e.ValueFrom.SecretKeyRef != nil) {
				t.Errorf("%s: %s comes from a Secret: %v, want %v", name, e.Name, !secret, secret)
			}
		}
		agrees(t, table, process{"deployment " + name, program, env})
		starts(t, process{"deployment " + name, program, env})
		if program == "caddy" {
			for _, setting := range []string{"GATEWAY_AUTHZ", "GATEWAY_USER", "GATEWAY_BOARD", "GATEWAY_DEMO"} {
				host, port, _ := strings.Cut(env[setting], ":")
				s := named(objects, "Service", host)
				if s == nil || len(s.Spec.Ports) != 1 || strconv.Itoa(s.Spec.Ports[0].Port) != port {
					t.Errorf("%s is %s, and no Service is there", setting, env[setting])
				}
			}
		} else if got := env[c.prefix()+"LISTEN"]; got != fmt.Sprintf("0.0.0.0:%d", c.Ports[0].ContainerPort) || c.Ports[0].Name != "http" {
			t.Errorf("%s listens on %s, and the container's ports are %v", name, got, c.Ports)
		}
	}
	if len(programs) != len(table) {
		t.Errorf("runs %v, and the dev runner %d programs", programs, len(table))
	}
}

// prefix is that of the program's settings, as its first one has it.
func (c container) prefix() string {
	for _, e := range c.Env {
		if prefix, _, ok := strings.Cut(e.Name, "_"); ok {
			return prefix + "_"
		}
	}
	return ""
}

func TestKubernetesGivesNoPodMoreThanItNeeds(t *testing.T) {
	objects := manifests(t)
	if o := named(objects, "NetworkPolicy", "nothing-by-default"); o == nil || len(o.Spec.PodSelector.MatchLabels) > 0 || len(o.Spec.Ingress) > 0 {
		t.Error("traffic is open by default")
	}
	for _, o := range objects {
		if o.Kind != "Deployment" {
			continue
		}
		name, pod := o.Metadata.Name, o.Spec.Template.Spec
		if !pod.SecurityContext.RunAsNonRoot || pod.SecurityContext.RunAsUser != 65532 || pod.SecurityContext.SeccompProfile.Type != "RuntimeDefault" || pod.AutomountServiceAccountToken {
			t.Errorf("%s: %+v", name, pod.SecurityContext)
		}
		if pod.EnableServiceLinks == nil || *pod.EnableServiceLinks {
			t.Errorf("%s: Kubernetes would set variables with our programs' prefixes", name)
		}
		for _, c := range pod.Containers {
			s := c.SecurityContext
			if s.AllowPrivilegeEscalation == nil || *s.AllowPrivilegeEscalation || !s.ReadOnlyRootFilesystem || !slices.Equal(s.Capabilities.Drop, []string{"ALL"}) {
				t.Errorf("%s: %+v", name, s)
			}
			if name == "gateway" {
				if c.ReadinessProbe.TCPSocket == nil || c.LivenessProbe.TCPSocket == nil {
					t.Errorf("%s: no probes", name)
				}
				continue
			}
			if r, l := c.ReadinessProbe.HTTPGet, c.LivenessProbe.HTTPGet; r == nil || l == nil || r.Path != "/readyz" || l.Path != "/livez" || r.Port != "http" || l.Port != "http" {
				t.Errorf("%s: readiness %+v, liveness %+v", name, r, l)
			}
		}
		policy := named(objects, "NetworkPolicy", name)
		if policy == nil || !maps.Equal(policy.Spec.PodSelector.MatchLabels, o.Spec.Template.Metadata.Labels) {
			t.Errorf("%s: no network policy selects its pods", name)
		}
		if budget := named(objects, "PodDisruptionBudget", name); (budget != nil) != (o.Spec.Replicas > 1) {
			t.Errorf("%s: %d replicas, disruption budget %v", name, o.Spec.Replicas, budget != nil)
		}
	}
}

func TestTheImagesAreBareAndNotRoot(t *testing.T) {
	text, err := os.ReadFile("Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	stages := map[string][]string{}
	var stage string
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(line)
		if len(words) == 0 || words[0] == "#" {
			continue
		}
		if words[0] == "FROM" {
			stage = words[3]
		}
		stages[stage] = append(stages[stage], strings.Join(words, " "))
	}
	build := strings.Join(stages["build"], "\n")
	for _, want := range []string{"CGO_ENABLED=0", "-trimpath", "timetzdata", "./authz-server ./resources/user ./resources/board ./client-demo", "deploy/tools/caddy/go.mod"} {
		if !strings.Contains(build, want) {
			t.Errorf("the build has no %s", want)
		}
	}
	for name, executables := range map[string][]string{"maru": {"authz-server", "user", "board", "client-demo"}, "gateway": {"caddy"}} {
		lines := stages[name]
		if len(lines) == 0 || lines[0] != "FROM scratch AS "+name {
			t.Errorf("%s is not made from nothing: %v", name, lines)
		}
		if !slices.Contains(lines, "USER 65532:65532") {
			t.Errorf("%s runs as root", name)
		}
		if slices.ContainsFunc(lines, func(line string) bool { return strings.HasPrefix(line, "RUN") }) {
			t.Errorf("%s has a RUN, and no shell", name)
		}
		for _, executable := range executables {
			if !strings.Contains(strings.Join(lines, "\n"), "/out/"+executable+" ") {
				t.Errorf("%s holds no %s", name, executable)
			}
		}
	}
}

// What the build's Dockerfile copies must not be kept from it by .dockerignore.
func TestTheBuildSeesEveryPackageItNeeds(t *testing.T) {
	text, err := os.ReadFile("../.dockerignore")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(text), "\n")
	cmd := exec.Command("go", "list", "-deps", "-f", `{{if not .Standard}}{{with .Module}}{{if .Main}}{{$.ImportPath}}{{end}}{{end}}{{end}}`, "./authz-server", "./resources/user", "./resources/board", "./client-demo")
	cmd.Dir = ".."
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	packages := strings.Fields(string(out))
	if len(packages) < 8 {
		t.Fatalf("go list names only %v", packages)
	}
	for _, p := range packages {
		folder := strings.TrimPrefix(p, "github.com/maru-auth/maru/")
		top, _, _ := strings.Cut(folder, "/")
		if !slices.Contains(lines, "!"+top) {
			t.Errorf(".dockerignore keeps %s out", folder)
		}
	}
}
