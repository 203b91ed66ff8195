package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestNoCommandMakesADatabase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data", "authz.db")
	for _, args := range [][]string{
		{"client", "list"}, {"client", "create", "--name=x", "--grant-type=client_credentials"},
		{"keys", "list"}, {"keys", "rotate"}, {"user", "list"}, {"logout", "list"},
	} {
		var out bytes.Buffer
		p := &program{in: strings.NewReader(""), out: &out, errs: &out, now: time.Now}
		err := p.run(t.Context(), append([]string{"--database-url=sqlite:" + path, "--key-encryption-key=" + testKEK}, args...))
		if err == nil {
			t.Fatalf("%q succeeds", args)
		}
		shows(t, err.Error(), path, "--database-url")
		hides(t, err.Error(), "\n")
	}
	if _, err := os.Stat(filepath.Dir(path)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("there is a folder now: %v", err)
	}
}
