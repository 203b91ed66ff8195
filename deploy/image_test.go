package deploy

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/maru-auth/maru/internal/testenv"
)

func TestTheImagesAreBareAndNotRoot(t *testing.T) {
	t.Parallel()
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
	for _, want := range []string{"CGO_ENABLED=0", "-trimpath", "timetzdata,libcrypto", "deploy/image-libraries.sh /libraries",
		"./authz-server ./resources/user ./resources/board ./client-demo", "deploy/tools/caddy/go.mod"} {
		if !strings.Contains(build, want) {
			t.Errorf("the build has no %s", want)
		}
	}
	for name, executables := range map[string][]string{"maru": {"authz-server", "user", "board", "client-demo"},
		"gateway": {"caddy"}} {
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

// The image has no loader's cache and nothing else that a system has: what image-libraries.sh copies
// must do. The program is the test of the package that loads the library.
func TestOpenSSLIsFoundInAnImageOfNothingElse(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("chroot takes root")
	}
	if !testenv.Libcrypto() {
		testenv.Absent(t, "no libcrypto.so.3: install libssl3")
	}
	if _, err := exec.LookPath("dpkg-query"); err != nil {
		t.Skip("the script is for Debian")
	}
	image := t.TempDir()
	build := exec.Command("go", "test", "-c", "-tags", "timetzdata,libcrypto", "-trimpath", "-o", image+"/program", "../internal/libcrypto")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if out, err := exec.Command("./image-libraries.sh", image, image+"/program").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	run := exec.Command("chroot", "--userspec=65532:65532", image, "/program", "-test.v", "-test.run", "TestTheLibraryIsUsed|TestSignaturesAreThoseOfGo")
	run.Env = []string{"CI=true"} // nothing may be left out
	out, err := run.CombinedOutput()
	if err != nil || strings.Count(string(out), "--- PASS") != 2 {
		t.Errorf("%v\n%s", err, out)
	}
	for _, known := range []string{"libc6", "libssl3"} {
		status, err := os.ReadFile(image + "/var/lib/dpkg/status.d/" + known)
		if err != nil || !strings.Contains(string(status), "\nVersion: ") {
			t.Errorf("a scanner does not learn the version of %s: %v", known, err)
		}
	}
}

// What the build's Dockerfile copies must not be kept from it by .dockerignore.
func TestTheBuildSeesEveryPackageItNeeds(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../.dockerignore")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(text), "\n")
	cmd := exec.Command("go", "list", "-deps", "-f",
		`{{if not .Standard}}{{with .Module}}{{if .Main}}{{$.ImportPath}}{{end}}{{end}}{{end}}`,
		"./authz-server", "./resources/user", "./resources/board", "./client-demo")
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
