package deploy

import (
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/maru-auth/maru/deploy/stack"
	"github.com/maru-auth/maru/internal/testenv/program"
)

// No container engine is needed for these tests: they read the files and hold them to the table
// that the dev runner runs, which the end-to-end tests have proved, and to what the programs
// themselves say in --help.

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
	t.Parallel()
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

// ofLibraries are settings of every program that no flag of ours has: Go's and OpenTelemetry's.
var ofLibraries = []string{"GOMEMLIMIT", "GOGC", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_SERVICE_NAME"}

// agrees holds a process of a deployment to the table: the same settings, the same ports, and no
// setting that nobody reads.
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
		if !slices.Contains(known[p.program], name) && !slices.Contains(ofLibraries, name) {
			t.Errorf("%s: %s does not know %s", p.where, p.program, name)
		}
	}
	for name, value := range want.env {
		got, set := p.env[name]
		// What development may do and a deployment must not, and references to try the interfaces
		// in.
		development := strings.Contains(name, "_INSECURE_") || strings.HasSuffix(name, "_DOCS_CLIENT_ID") || name == "DEMO_API_DOCS"
		if set == development {
			t.Errorf("%s: set is %t for %s", p.where, set, name)
		}
		if _, port, ok := strings.Cut(value, ":"); ok && strings.HasSuffix(name, "_LISTEN") && !strings.HasSuffix(got, ":"+port) {
			t.Errorf("%s: %s is %s, and the table says port %s", p.where, name, got, port)
		}
	}
}

// starts runs a program with a deployment's settings, but for its address, its database and its
// key, and fails the test unless it serves: a setting with a wrong value stops every program at its
// start.
func starts(t *testing.T, p process) {
	t.Helper()
	all, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	path, ok := map[string]string{"authz-server": all.AuthzServer, "user": all.User, "board": all.Board,
		"client-demo": all.Demo}[p.program]
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
		case strings.HasSuffix(name, "_STATUS_CACHE_FILE"):
			value = filepath.Join(dir, "status.json")
		case strings.HasSuffix(name, "_CLIENT_SECRET"):
			value = "a-secret-from-elsewhere"
		}
		// No test asks for a name outside of this machine.
		cmd.Env = append(cmd.Env, name+"="+strings.ReplaceAll(value, "example.com", "maru.localhost"))
	}
	if said, ok := serves(t, cmd); !ok {
		t.Errorf("%s: %s does not start:\n%s", p.where, p.program, said)
	}
}

// serves runs a program until it serves, then kills it, and returns what it said until then.
func serves(t *testing.T, cmd *exec.Cmd) (said string, ok bool) {
	t.Helper()
	p := program.Start(t, cmd)
	ok = p.Says("serving")
	p.Kill()
	return p.String(), ok
}
