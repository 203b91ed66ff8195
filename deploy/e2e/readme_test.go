package e2e

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/internal/testenv"
)

// The files whose steps are run, in the order in which a reader comes to them; those in Korean have
// the same blocks, as a test of package deploy holds them to.
var readmes = []string{"README.md", filepath.Join("authz-server", "README.md")}

// What a reader does by hand stands here as shell functions: `make run` has been done, a program is
// compiled already, and what an answer holds is put into the variable that the text names. Every
// other failure ends the script.
const readersHand = `
set -euo pipefail
make() { :; }
go() {
	if [ "$1 $2" != "run ./authz-server" ]; then command go "$@"; return; fi
	shift 2
	local out; out=$(cd "$BESIDE_DATA" && "$PROGRAM_OF_AUTHZ" "$@")
	printf '%s\n' "$out"
	local id secret
	id=$(printf '%s\n' "$out" | awk -F\" '$2 == "client_id" { print $4 }')
	secret=$(printf '%s\n' "$out" | awk -F\" '$2 == "client_secret" { print $4 }')
	if [ -n "$secret" ]; then id=${id^^}; printf -v "${id//-/_}_SECRET" %s "$secret"; fi
}
curl() {
	local out status=0
	out=$(command curl -sS --fail-with-body --max-time 30 "$@") || status=$?
	printf '%s\n' "$out"
	case $out in *'"authorization_pending"'*) return ;; esac # the answer that the text shows
	[ $status = 0 ] || return $status
	case $out in *'"access_token":"'*) TOKEN=$(printf %s "$out" | sed 's/.*"access_token":"\([^"]*\)".*/\1/') ;; esac
	case $out in *'"device_code":"'*) DEVICE_CODE=$(printf %s "$out" | sed 's/.*"device_code":"\([^"]*\)".*/\1/') ;; esac
}
# serve PORT PROGRAM: until the script ends
serve() {
	"$2" &
	trap "kill $(jobs -p | tr '\n' ' ')" EXIT
	until command curl -s -o /dev/null --max-time 5 "http://127.0.0.1:$1/"; do kill -0 $!; sleep 0.05; done
}
`

func TestEveryStepOfTheReadmesRuns(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"bash", "curl"} {
		if _, err := exec.LookPath(program); err != nil {
			testenv.Absent(t, "no "+program+", with which the README's steps are run")
		}
	}
	var text string
	for _, path := range readmes {
		part, err := os.ReadFile(filepath.Join(root, path))
		if err != nil {
			t.Fatal(err)
		}
		text += string(part)
	}
	scratch := t.TempDir()
	notes, login := testenv.FreePort(t), testenv.FreePort(t)
	text = strings.NewReplacer("../", scratch+"/", ":8091", ":"+notes, ":8090", ":"+login).Replace(text)

	r := start(t, 1, exported(text)...)
	text = strings.NewReplacer("http://localhost:9000", r.Issuer, "http://localhost:8000", r.API,
		"http://localhost:8080", r.App).Replace(text)
	token := sampleApp(t, r, "openid", "user:read", "board:read", "board:write").signUp(newPerson(t, nil)).AccessToken
	repository, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	// the commands find what `make run` keeps
	for name, target := range map[string]string{"data": r.dir, "deploy": filepath.Join(repository, "deploy")} {
		if err := os.Symlink(target, filepath.Join(scratch, name)); err != nil {
			t.Fatal(err)
		}
	}
	programs, err := programs()
	if err != nil {
		t.Fatal(err)
	}

	script, ran := steps(t, text, scratch, map[string]string{"README's service": notes, "log-in": login})
	if ran < 10 {
		t.Fatalf("found only %d steps", ran)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-c", readersHand+script)
	cmd.WaitDelay = 5 * time.Second
	cmd.Dir = root
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(pair string) bool { return strings.HasPrefix(pair, "AUTHZ_") }),
		"ROOT="+repository, "BESIDE_DATA="+scratch, "PROGRAM_OF_AUTHZ="+programs.AuthzServer, "PERSON_TOKEN="+token,
		"AUTHZ_ISSUER="+r.Issuer, "AUTHZ_API_ORIGIN="+r.API)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{"Notes of notes-reader", "urn:ietf:params:oauth:request_uri:", `"user_code"`,
		"authorization_pending", `"registration_access_token"`, "RS256"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("the steps never show %s:\n%s", want, out)
		}
	}
}

// block is a block of the text, with the reason why it is not run, its language and what is in it.
var block = regexp.MustCompile("(?ms)(?:^<!-- not run: ([^\n]*) -->\n)?^```([a-z]*)\n(.*?)^```$")

// exported are the settings that the text exports for the server, those of services in one.
func exported(text string) []string {
	var env, resources []string
	text = block.ReplaceAllStringFunc(text, func(whole string) string {
		if strings.HasPrefix(whole, "<!-- not run") {
			return ""
		}
		return whole
	})
	for _, line := range regexp.MustCompile(`(?m)^export .*$`).FindAllString(text, -1) {
		for _, m := range regexp.MustCompile(`(AUTHZ_[A-Z_]+)=(?:"([^"]*)"|(\S+))`).FindAllStringSubmatch(line, -1) {
			if m[1] == "AUTHZ_RESOURCE" {
				resources = append(resources, m[2])
			} else {
				env = append(env, m[1]+"="+m[2]+m[3])
			}
		}
	}
	return append(env, "AUTHZ_RESOURCE="+strings.Join(resources, ","))
}

// steps makes one script of the text's blocks of shell and Go programs. A block after a comment
// "not run: reason" is left out, and listed. ports are those on which the programs of the text
// listen.
func steps(t *testing.T, text, scratch string, ports map[string]string) (script string, ran int) {
	t.Helper()
	for i, m := range block.FindAllStringSubmatch(text, -1) {
		reason, language, code := m[1], m[2], m[3]
		switch {
		case reason != "":
			t.Logf("not run (%s):\n%s", reason, code)
		case strings.Contains(code, "+---"): // a picture
		case language == "":
			script += "cd \"$ROOT\"\n" + code
			ran++
		case strings.HasPrefix(code, "package main"):
			file := filepath.Join(scratch, "program"+strconv.Itoa(i))
			if err := os.WriteFile(file+".go", []byte(code), 0o600); err != nil {
				t.Fatal(err)
			}
			for what, port := range ports {
				if strings.Contains(code, `"127.0.0.1:`+port+`"`) {
					t.Logf("the %s program runs on %s", what, port)
					// In the folder of the step before, as main.go of the reader's module, or else
					// by this repository's.
					script += "if [ \"$PWD\" != \"$ROOT\" ]; then cp " + file +
						".go main.go; command go build -o " + file + " .; else command go build -o " + file +
						" " + file + ".go; fi\n" +
						"serve " + port + " " + file + "\n"
					ran++
				}
			}
		}
	}
	return script, ran
}
