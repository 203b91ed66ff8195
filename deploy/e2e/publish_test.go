package e2e

import (
	"os"
	"strconv"
	"testing"

	"github.com/maru-auth/maru/internal/machine"
)

// howMany is what a setting of the environment says, for a long run by hand.
func howMany(t *testing.T, setting string, otherwise int) int {
	t.Helper()
	text := os.Getenv(setting)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("%s=%s: want a number from 1", setting, text)
	}
	return n
}

// publish writes what a long run has come to where E2E_OUT and E2E_README say, as JSON and as a part
// of a README.
func publish(t *testing.T, name string, report any, text string) {
	t.Helper()
	text = "`make " + name + "`: " + machine.This().String() + ".\n\n" + text
	t.Log("\n" + text)
	if err := (machine.Output{Out: os.Getenv("E2E_OUT"), Readme: os.Getenv("E2E_README")}).Write(name, report, text); err != nil {
		t.Error(err)
	}
}
