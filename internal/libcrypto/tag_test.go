//go:build !libcrypto

package libcrypto

import (
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/maru-auth/maru/internal/testenv"
)

// The tag is on no other test's command line: this one has the tests of all who sign run with it.
func TestWithTheTag(t *testing.T) {
	if runtime.GOOS != "linux" || !testenv.Libcrypto() {
		testenv.Absent(t, "no libcrypto.so.3: install libssl3")
	}
	cmd := exec.Command("go", "test", "-vet=off", "-tags", "libcrypto", ".", "../../authz-server/internal/keys")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("go test -tags libcrypto: %v\n%s", err, out)
	}
}

// A plain build, and one for a system where OpenSSL is not used, calls no C: it stays static.
func TestOnlyTheTagCallsC(t *testing.T) {
	t.Parallel()
	for _, build := range []struct {
		tags, system string
		calls        bool
	}{
		{"", "linux/amd64", false}, {"", "darwin/arm64", false},
		{"libcrypto", "linux/amd64", true}, {"libcrypto", "linux/arm64", true},
		{"libcrypto", "linux/riscv64", false}, {"libcrypto", "darwin/arm64", false}, {"libcrypto", "windows/amd64", false},
	} {
		system, processor, _ := strings.Cut(build.system, "/")
		cmd := exec.Command("go", "list", "-deps", "-tags", build.tags,
			"../../authz-server", "../../resources/user", "../../resources/board", "../../client-demo")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+system, "GOARCH="+processor)
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		if slices.Contains(strings.Fields(string(out)), "github.com/ebitengine/purego") != build.calls {
			t.Errorf("tags %q for %s: calls C is not %v", build.tags, build.system, build.calls)
		}
	}
}

func TestAPlainBuildIsByGoWithoutComplaint(t *testing.T) {
	if Name() != "go" || Problem() != nil {
		t.Errorf("%q, %v", Name(), Problem())
	}
}
