package site

import (
	"context"
	"encoding/json"
	"os/exec"
	"strings"

	"github.com/maru-auth/maru/deploy/stack"
)

// Version asks the authorization server of programs for its version, and what makes its signatures: "go", or
// a libcrypto. A program that does not say so signs by Go.
func Version(ctx context.Context, programs stack.Programs) (version, rsaOf string) {
	var said struct{ Version, RSA string }
	out, err := exec.CommandContext(ctx, programs.AuthzServer, "version", "--json").Output()
	if err != nil || json.Unmarshal(out, &said) != nil {
		return "", "go"
	}
	if said.RSA == "" {
		said.RSA = "go"
	}
	return said.Version, strings.ToLower(said.RSA)
}
