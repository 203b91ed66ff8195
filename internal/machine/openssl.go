package machine

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
)

// opensslSpeed finds the time of a signature in what `openssl speed rsa2048` prints: "0.000435s",
// or "435.2us" of newer ones.
var opensslSpeed = regexp.MustCompile(`(?m)^rsa\s+2048 bits\s+([0-9.]+)(s|us)\s`)

// OpenSSL returns how many milliseconds of one processor OpenSSL takes for an RSA-2048 signature, as
// `openssl speed -seconds N rsa2048` finds in N seconds; 0: it is not installed.
func OpenSSL(ctx context.Context, seconds int) (float64, error) {
	cmd := exec.CommandContext(ctx, "openssl", "speed", "-seconds", strconv.Itoa(seconds), "rsa2048") //nolint:gosec // G204: a number
	out, err := cmd.Output()
	if errors.Is(err, exec.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("openssl speed: %w", err)
	}
	return parseOpenSSL(string(out))
}

func parseOpenSSL(text string) (float64, error) {
	found := opensslSpeed.FindStringSubmatch(text)
	if found == nil {
		return 0, fmt.Errorf("openssl speed says no time of a signature: %q", text)
	}
	n, err := strconv.ParseFloat(found[1], 64)
	if err != nil {
		return 0, err
	}
	if found[2] == "us" {
		return n / 1000, nil
	}
	return n * 1000, nil
}
