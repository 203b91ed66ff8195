package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/internal/libcrypto"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

func TestMain(m *testing.M) { sqldbtest.Main(m) }

const testKEK = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

// commandLine runs commands on one database.
type commandLine struct {
	t   *testing.T
	url string
}

func (c commandLine) run(input string, args ...string) (string, error) {
	c.t.Helper()
	served(c.t, c.url)
	var out, errs bytes.Buffer
	p := &program{in: strings.NewReader(input), out: &out, errs: &errs, now: time.Now}
	err := p.run(c.t.Context(), append([]string{"--database-url=" + c.url, "--key-encryption-key=" + testKEK}, args...))
	return out.String(), err
}

// served makes the database as serve makes it, unless it is there: no command does.
func served(t *testing.T, databaseURL string) {
	t.Helper()
	if path, ok := strings.CutPrefix(databaseURL, "sqlite:"); ok {
		if _, err := os.Stat(path); err == nil {
			return
		}
		s, err := store.Open(t.Context(), databaseURL, time.Now)
		if err == nil {
			err = s.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func (c commandLine) must(args ...string) string { c.t.Helper(); return c.mustWith("", args...) }

// mustWith is must with something on standard input.
func (c commandLine) mustWith(input string, args ...string) string {
	c.t.Helper()
	out, err := c.run(input, args...)
	if err != nil {
		c.t.Fatalf("%q: %v", args, err)
	}
	return out
}

// refused runs a command that must fail with an error that says all of says.
func (c commandLine) refused(args []string, says ...string) {
	c.t.Helper()
	c.refusedWith("", args, says...)
}

// refusedWith is refused with something on standard input.
func (c commandLine) refusedWith(input string, args []string, says ...string) {
	c.t.Helper()
	out, err := c.run(input, args...)
	if err == nil {
		c.t.Errorf("%q is taken: %s", args, out)
		return
	}
	for _, one := range says {
		if !strings.Contains(err.Error(), one) {
			c.t.Errorf("%q: %v (says nothing of %q)", args, err, one)
		}
	}
	if strings.Contains(err.Error(), "\n") {
		c.t.Errorf("%q: more than one line: %v", args, err)
	}
}

// shows checks that text has all of parts.
func shows(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, one := range parts {
		if !strings.Contains(text, one) {
			t.Errorf("%q is not in:\n%s", one, text)
		}
	}
}

// hides checks that text has none of parts.
func hides(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, one := range parts {
		if strings.Contains(text, one) {
			t.Errorf("%q is in:\n%s", one, text)
		}
	}
}

func (c commandLine) store() *store.Store {
	c.t.Helper()
	s, err := store.Open(c.t.Context(), c.url, time.Now)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() {
		if err := s.Close(); err != nil {
			c.t.Error(err)
		}
	})
	return s
}

// serving runs the server on a database, with the settings args, until end is called or the test
// ends. addr is where it listens.
func serving(t testing.TB, databaseURL string, args ...string) (addr string, end func()) {
	t.Helper()
	addresses, done := make(chan net.Addr, 1), make(chan error, 1)
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	p := &program{in: strings.NewReader(""), out: io.Discard, errs: io.Discard, now: time.Now}
	p.serving = func(addr net.Addr) { addresses <- addr }
	always := []string{"--database-url=" + databaseURL, "--key-encryption-key=" + testKEK, "--listen=127.0.0.1:0", "--log-level=error"}
	go func() { done <- p.run(ctx, append(always, args...)) }()
	end = sync.OnceFunc(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	select {
	case addr := <-addresses:
		t.Cleanup(end)
		return addr.String(), end
	case err := <-done:
		t.Fatal(err)
		return "", nil
	}
}

// stay keeps a client from following redirects.
func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// eachEngine runs test on both engines with a new database.
func eachEngine(t *testing.T, test func(t *testing.T, c commandLine)) {
	t.Helper()
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) { test(t, commandLine{t, databaseURL}) })
}

func TestHelpAndVersionEndWell(t *testing.T) {
	c := commandLine{t, sqldbtest.SQLite(t)}
	shows(t, c.must("--help"), "$AUTHZ_DATABASE_URL", "client create")
	help := c.must("client", "create", "--help")
	shows(t, help, "--redirect-uri")
	hides(t, help, "$AUTHZ_NAME")
	if out := c.must("version"); !strings.HasPrefix(out, "authz-server ") {
		t.Error(out)
	}
	shows(t, c.must("version", "--json"), `"version": "`, `"rsa": "`+libcrypto.Name()+`"`)
	c.refused([]string{"nonsense"}, "nonsense", "--help")
	c.refused([]string{"--nonsense"}, "nonsense", "--help")
}
