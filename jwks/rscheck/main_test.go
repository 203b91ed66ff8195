package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/maru-auth/maru/jwks"
)

const audience = "https://api.example/notes"

// session runs the command against a server that is configured with the issuer
// that the command prints, and returns its exit status and output.
func session(t *testing.T, protect func(t *testing.T, issuer string, next http.Handler) http.Handler, args ...string) (status int, output string) {
	t.Helper()
	notes := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	var handler atomic.Pointer[http.Handler]
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h := handler.Load(); h != nil {
			(*h).ServeHTTP(w, r)
			return
		}
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	defer server.Close()
	read, write := io.Pipe()
	ended := make(chan int, 1)
	var errs bytes.Buffer
	go func() {
		ended <- run(t.Context(), append([]string{"--url", server.URL, "--audience", audience}, args...), write, &errs)
		write.Close()
	}()
	var out strings.Builder
	for lines := bufio.NewScanner(read); lines.Scan(); {
		out.WriteString(lines.Text() + "\n")
		if fields := strings.Fields(lines.Text()); len(fields) == 2 && fields[0] == "issuer" {
			h := protect(t, fields[1], notes)
			handler.Store(&h)
		}
	}
	return <-ended, out.String() + errs.String()
}

func guarded(t *testing.T, issuer string, next http.Handler) http.Handler {
	t.Helper()
	cache, err := jwks.NewCache(t.Context(), jwks.CacheConfig{Issuer: issuer})
	if err != nil {
		t.Error(err)
		return next
	}
	verifier, err := jwks.NewVerifier(jwks.VerifierConfig{Issuer: issuer, Audience: audience, Keys: cache})
	if err != nil {
		t.Error(err)
		return next
	}
	return jwks.Middleware(verifier, jwks.GuardConfig{})(next)
}

func TestTheStatusSaysWhetherTheServerPassed(t *testing.T) {
	t.Parallel()
	report := filepath.Join(t.TempDir(), "report.json")
	status, out := session(t, guarded, "--only", "alg-none,challenge", "--json", report)
	if status != 0 || !strings.Contains(out, "PASS    MUST   alg-none") || !strings.Contains(out, "2 checks") {
		t.Errorf("status %d:\n%s", status, out)
	}
	text, err := os.ReadFile(report)
	if err != nil {
		t.Fatal(err)
	}
	var read struct {
		Results []struct{ Name, Level, Spec, Sent, Expected, Got, Verdict string }
	}
	if err := json.Unmarshal(text, &read); err != nil || len(read.Results) != 2 {
		t.Fatalf("%v: %s", err, text)
	}
	if r := read.Results[0]; r.Name != "alg-none" || r.Level != "MUST" || r.Spec == "" || r.Sent == "" || r.Expected != "401" || r.Got == "" || r.Verdict != "pass" {
		t.Errorf("%+v", r)
	}

	open := func(_ *testing.T, _ string, next http.Handler) http.Handler { return next }
	status, out = session(t, open, "--only", "alg-none")
	if status != exitFailed || !strings.Contains(out, "FAIL    MUST   alg-none") || !strings.Contains(out, "see       RFC 8725") {
		t.Errorf("status %d:\n%s", status, out)
	}
	if status, out = session(t, open, "--only", "token-in-query"); status != 0 {
		t.Errorf("a failed SHOULD: status %d:\n%s", status, out)
	}
	if status, out = session(t, open, "--only", "token-in-query", "--strict"); status != exitFailed {
		t.Errorf("a failed SHOULD with --strict: status %d:\n%s", status, out)
	}
	closed := func(*testing.T, string, http.Handler) http.Handler { return http.NotFoundHandler() }
	const says = `does not accept a good token: for \d+s it answered 404`
	if status, out = session(t, closed, "--wait", "300ms"); status != exitUsage || !regexp.MustCompile(says).MatchString(out) {
		t.Errorf("a server that takes no token: status %d:\n%s", status, out)
	}
}

func TestItRefusesToAttackOtherMachines(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"http://192.0.2.1/", "http://[2001:db8::1]/", "http://0.0.0.0:1/"} {
		var out, errs bytes.Buffer
		status := run(t.Context(), []string{"--url", url, "--audience", audience, "--wait", "1s"}, &out, &errs)
		if status != exitUsage || !strings.Contains(errs.String(), "attack tool") {
			t.Errorf("%s: status %d, %s", url, status, &errs)
		}
	}
}

func TestAWrongCommandLineIsRefused(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{}, {"--url", "http://127.0.0.1:1"}, {"--url", "ftp://x", "--audience", audience}, {"--url", "http://127.0.0.1:1", "--audience", audience, "more"},
		{"--url", "http://127.0.0.1:1", "--audience", audience, "--only", "no-such-check"}, {"--header", "nothing"}, {"--claim", "a=b"}, {"--unknown"},
		{"--url", "http://127.0.0.1:1", "--audience", audience, "--alg", "HS256"}, {"--url", "http://127.0.0.1:1", "--audience", audience, "--issuer-url", "x"},
	} {
		var out, errs bytes.Buffer
		if status := run(t.Context(), args, &out, &errs); status != exitUsage || errs.Len() == 0 {
			t.Errorf("%q: status %d, %s", args, status, &errs)
		}
	}
	var out, errs bytes.Buffer
	if status := run(t.Context(), []string{"--list"}, &out, &errs); status != 0 || strings.Count(out.String(), " sends ") < 60 {
		t.Errorf("--list: status %d, %s%s", status, &out, &errs)
	}
}
