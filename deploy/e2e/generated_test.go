package e2e

import (
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/maru-auth/maru/deploy/stack"
)

// The interface for operators' programs, by a client that a stock generator makes of its document: it
// does what TestTheFirstDayOfAnOperator does by a client of our own. `make interop` asks for it, since
// the generator and what it needs are fetched and compiled.
func TestAGeneratedClientDoesWhatAnOperatorDoes(t *testing.T) {
	t.Parallel()
	if wanted, err := strconv.ParseBool(os.Getenv("INTEROP_OAUTH2_PROXY")); err != nil || !wanted {
		t.Skip("run by `make interop`: it fetches and compiles a generator of clients")
	}
	r := start(t, 2)
	client := generatedClient(t, r)
	o := &operator{t: t, r: r}
	who, id, token := o.somebody()
	cmd := exec.CommandContext(t.Context(), client, who.Email)
	cmd.Env = append(os.Environ(), "OPERATORS="+r.Issuer+"/admin", "TOKEN_ENDPOINT="+r.Issuer+"/oauth2/token",
		"CLIENT_ID=generated", "CLIENT_SECRET="+o.service("generated", "admin:read admin:write"))
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, stderrOf(err))
	}
	var seen struct {
		ID                 string
		Disabled, Repeated bool
		Stale              int
		Audit              []string
		Lists              map[string]int
	}
	if err := json.Unmarshal(out, &seen); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if seen.ID != id || !seen.Disabled || !seen.Repeated || seen.Stale != http.StatusPreconditionFailed ||
		!slices.Equal(seen.Audit, []string{"by a generated client"}) {
		t.Errorf("the client saw %s", out)
	}
	for _, list := range []string{"clients", "roles", "resources", "keys", "settings", "charts", "grants", "sessions", "sessions of everything"} {
		if seen.Lists[list] == 0 {
			t.Errorf("the client found no %s: %s", list, out)
		}
	}
	o.refused(token)
	o.command("audit", "verify")
	if log := o.command("audit", "export"); !strings.Contains(log, "by a generated client") {
		t.Errorf("the audit log does not say why:\n%s", log)
	}
}

// generatedClient makes the package of the program operatorclient of the document that the issuer
// serves, and compiles the program, in a folder of its own. It returns the program.
func generatedClient(t *testing.T, r *running) string {
	t.Helper()
	generator, err := stack.Tool(t.Context(), root, "oapi-codegen")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("operatorclient")); err != nil {
		t.Fatal(err)
	}
	document := call(t, "GET", r.Issuer+"/admin/openapi.json", "", nil)
	if document.Status != http.StatusOK {
		t.Fatal(document)
	}
	if err := os.MkdirAll(filepath.Join(dir, "operators"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "openapi.json"), document.Body, 0o600); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "client")
	for _, command := range [][]string{
		{generator, "-generate", "types,client", "-package", "operators", "-o", filepath.Join("operators", "client.go"), "openapi.json"},
		{"go", "build", "-o", program, "."},
	} {
		cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%q: %v\n%s", command, err, out)
		}
	}
	return program
}

func stderrOf(err error) string {
	if failed, ok := err.(*exec.ExitError); ok { //nolint:errorlint // exec wraps it in nothing
		return string(failed.Stderr)
	}
	return ""
}
