package interop

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/maru-auth/maru/internal/testenv/program"
)

// packages installs the pinned npm packages once, outside the repository, and returns the folder.
//
// Node is not among what CI installs (.ci/run), so that its absence skips these tests there too:
// they run where Node and npm are present and a registry can be reached.
func packages(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"node", "npm"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Skipf("%s is not installed", name)
		}
	}
	dir, err := install()
	if err != nil {
		t.Skipf("npm cannot install the packages, most likely for want of a registry: %v", err)
	}
	return dir
}

var installed string // the folder of Node's packages, removed at the end

var install = sync.OnceValues(func() (dir string, err error) {
	if installed, err = os.MkdirTemp("", "maru-interop-"); err != nil {
		return "", err
	}
	dir = filepath.Join(installed, "node")
	if err := os.CopyFS(dir, os.DirFS("node")); err != nil {
		return "", err
	}
	cmd := exec.Command("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return dir, nil
})

func TestOpenIDClientInNode(t *testing.T) {
	t.Parallel()
	dir := packages(t)
	m := start(t, "AUTHZ_DPOP_NONCES=true", "AUTHZ_REGISTRATION=open")
	b := m.browser("https://client.example/")
	cmd := exec.CommandContext(bounded(t), "node", "openid-client.js", m.issuer)
	cmd.Dir = dir
	log := &program.Output{}
	cmd.Stderr = log
	answers, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	questions, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := serve(b, questions, answers)
	if err := cmd.Wait(); err != nil {
		t.Errorf("node: %v\n%s", err, log)
	}
	want := []string{
		"client_secret_basic", "client_secret_post", "DPoP",
		"private_key_jwt, PAR, JAR and signed answers by RS256", "private_key_jwt, PAR, JAR and signed answers by PS256",
		"private_key_jwt, PAR, JAR and signed answers by ES256",
		"private_key_jwt, PAR, JAR and signed answers by EdDSA",
		"private_key_jwt, PAR, JAR and signed answers by Ed25519",
		"FAPI 2.0 with message signing", "client credentials", "signed introspection", "token exchange",
		"device authorization", "registration",
	}
	for _, name := range want {
		if !slices.Contains(done, name) {
			t.Errorf("not done: %s", name)
		}
	}
	t.Logf("done: %s", strings.Join(done, "; "))
}

// serve does what the script asks for, until it ends, and returns what it has done.
func serve(b *browser, questions io.Reader, answers io.Writer) (done []string) {
	b.t.Helper()
	encoder := json.NewEncoder(answers)
	lines := bufio.NewScanner(questions)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var question struct {
			Do, URL, Code, Done string
			Client              metadata
		}
		if err := json.Unmarshal(lines.Bytes(), &question); err != nil {
			b.t.Fatalf("%v: %s", err, lines.Text())
		}
		answer := map[string]string{}
		switch question.Do {
		case "visit":
			answer["url"] = b.callback(question.URL).String()
		case "device":
			b.allowDevice(question.URL, question.Code)
		case "register":
			b.m.register(question.Client)
		default:
			done = append(done, question.Done)
			continue
		}
		if err := encoder.Encode(answer); err != nil {
			b.t.Logf("the script has ended: %v", err)
			break
		}
	}
	return done
}

// allowDevice enters the code, unless the address brought it, and lets the device have what it asks
// for.
func (b *browser) allowDevice(address, code string) {
	b.t.Helper()
	shown := b.visit(address)
	for range 4 {
		switch {
		case strings.Contains(shown.Body, `id="allow"`):
			shown = b.press(shown, "allow", nil)
		case strings.Contains(shown.Body, `name="user_code"`):
			shown = b.press(shown, "continue", map[string][]string{"user_code": {code}})
		default:
			return
		}
	}
	b.t.Errorf("the pages for the device have no end: %s", shown.Body)
}
