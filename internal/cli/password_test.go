package cli

import (
	"strings"
	"testing"
)

func TestAPasswordIsOneLine(t *testing.T) {
	for input, want := range map[string]string{"one\n": "one", "one\r\ntwo\n": "one", "one": "one", " a b \n": " a b "} {
		if got, err := ReadPassword(strings.NewReader(input)); got != want || err != nil {
			t.Errorf("%q is read as %q, %v", input, got, err)
		}
	}
	for _, input := range []string{"", "\n", "\r\n"} {
		if got, err := ReadPassword(strings.NewReader(input)); err == nil {
			t.Errorf("%q is read as %q", input, got)
		}
	}
	if got, err := ReadPassword(strings.NewReader(strings.Repeat("a", 1<<20))); len(got) != maxPasswordLine || err != nil {
		t.Errorf("%d bytes are read, %v", len(got), err)
	}
}
