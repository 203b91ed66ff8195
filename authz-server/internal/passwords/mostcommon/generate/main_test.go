package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

func TestShortPasswordsAndNumbersTakeNoPlaceInTheList(t *testing.T) {
	t.Parallel()
	var in strings.Builder
	in.WriteString("123456\nshort\n1234567890\n")
	for i := range entries - 1 {
		fmt.Fprintf(&in, "password%d\nPASSWORD%[1]d\n", i)
	}
	var out bytes.Buffer
	if err := run(strings.NewReader(in.String()), &out); err == nil || out.Len() > 0 {
		t.Errorf("a list of %d bytes was made of too few passwords: %v", out.Len(), err)
	}
	in.WriteString("the last one\nand one more\n")
	if err := run(strings.NewReader(in.String()), &out); err != nil || out.Len() < 3*entries {
		t.Errorf("%d bytes, %v", out.Len(), err)
	}
}
