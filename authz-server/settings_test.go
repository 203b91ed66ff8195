package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/keys"
	"github.com/maru-auth/maru/authz-server/internal/queue"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/outbox"
	"github.com/maru-auth/maru/authz-server/internal/tokens"
	"github.com/maru-auth/maru/internal/cli"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

func TestWrongSettingsEndTheStartWithOneLine(t *testing.T) {
	c := commandLine{t, sqldbtest.SQLite(t)}
	for _, test := range []struct {
		args string
		says []string
	}{
		{"--issuer=", []string{"--issuer", "origin"}},
		{"--issuer=login.example", []string{"--issuer", "origin"}},
		{"--issuer=//login.example", []string{"--issuer", "origin"}},
		{"--issuer=ftp://login.example", []string{"--issuer", "origin"}},
		{"--issuer=https://", []string{"--issuer", "origin"}},
		{"--issuer=https://login.example//", []string{"--issuer", "path"}},
		{"--issuer=https://login.example/%70ath", []string{"--issuer", "path"}},
		{"--issuer=http://login.example/path", []string{"--issuer", "https"}},
		{"--issuer=https://login.example?a=1", []string{"--issuer", "query"}},
		{"--issuer=https://login.example#a", []string{"--issuer", "fragment"}},
		{"--issuer=https://me@login.example", []string{"--issuer", "origin"}},
		{"--issuer=https://LOGIN.example", []string{"--issuer", "lower case"}},
		{"--issuer=http://login.example", []string{"--issuer", "https", "--insecure-http-issuer"}},
		{"--issuer=http://10.0.0.1", []string{"--issuer", "https"}},
		{"--api-origin=http://api.example", []string{"--api-origin", "https"}},
		{"--api-origin=https://api.example/", []string{"--api-origin", "slash"}},
		{"--resource=https://api.example/orders", []string{"--resource", "URL=scope"}},
		{"--resource=orders=orders:read", []string{"--resource", "absolute"}},
		{"--resource=https://api.example/orders=user:read", []string{"--resource", "user:read", "belongs to"}},
		{"--resource=https://api.example/orders=", []string{"--resource", "at least one scope"}},
		{"--key-encryption-key=c2hvcnQ=", []string{"--key-encryption-key", "32 bytes"}},
		{"--key-encryption-key=!", []string{"--key-encryption-key", "base64"}},
		{"--key-encryption-key-file=/nonexistent/kek", []string{"both set"}},
		{"--key-encryption-key= --key-encryption-key-file=/nonexistent/kek", []string{"--key-encryption-key-file", "/nonexistent/kek"}},
		{"--key-encryption-key=", []string{"--key-encryption-key", "must be set"}},
		{"--old-key-encryption-key=c2hvcnQ=", []string{"--old-key-encryption-key", "32 bytes"}},
		{"--brand-color=#ffcc00", []string{"--brand-color", "1.39", "4.5", "#876c00"}},
		{"--brand-logo=/nonexistent/logo.svg", []string{"--brand-logo", "/nonexistent/logo.svg"}},
		{"--brand-support=javascript:alert(1)", []string{"--brand-support", "https"}},
		{"--signup=nobody", []string{"--signup"}},
		{"--signup=domains", []string{"--signup-domain"}},
		{"--signup=domains --signup-domain=localhost", []string{"--signup-domain", "localhost"}},
		{"--terms-url=https://maker.example/terms", []string{"--terms-version"}},
		{"--terms-url=http://maker.example/terms --terms-version=1", []string{"--terms-url", "https"}},
		{"--privacy-url=javascript:alert(1)", []string{"--privacy-url", "https"}},
		{"--key-bits=1024", []string{"--key-bits", "2048"}},
		{"--key-bits=many", []string{"--key-bits"}},
		{"--key-rotation=1m", []string{"--key-rotation", "at least"}},
		{"--key-rotation=-1h", []string{"--key-rotation"}},
		{"--access-token-lifetime=0", []string{"--access-token-lifetime"}},
		{"--access-token-lifetime=10", []string{"--access-token-lifetime", "unit"}},
		{"--access-token-lifetime=48h", []string{"--access-token-lifetime", "24h"}},
		{"--id-token-lifetime=-1s", []string{"--id-token-lifetime"}},
		{"--code-lifetime=1h", []string{"--code-lifetime", "10m"}},
		{"--refresh-idle=2161h", []string{"--refresh-idle"}},
		{"--refresh-absolute=0", []string{"--refresh-idle"}},
		{"--refresh-grace=1h", []string{"--refresh-grace"}},
		{"--session-idle=337h", []string{"--session-idle"}},
		{"--session-absolute=20000h", []string{"--session-absolute"}},
		{"--jwks-max-age=0", []string{"--jwks-max-age"}},
		{"--registration=some", []string{"--registration", "closed"}},
		{"--registration-scopes=openid+x", []string{"--registration-scopes", "openid+x"}},
		{"--registration-scopes=user:delete", []string{"--registration-scopes", "user:delete"}}, // no stranger may have it
		{"--registration-scopes=openid,orders:read", []string{"--registration-scopes"}},
		{"--password-breach-url=pwned.example", []string{"--password-breach-url", "address"}},
		{"--password-breach-url=http://pwned.example/range/", []string{"--password-breach-url", "https"}},
		{"--password-breach-url=https://pwned.example/range", []string{"--password-breach-url", "slash"}},
		{"--outgoing-ca-file=/nonexistent/ca.pem", []string{"/nonexistent/ca.pem"}},
		{"--log-level=loud", []string{"--log-level"}},
		{"--log-format=xml", []string{"--log-format"}},
		{"--trusted-proxies=gateway", []string{"--trusted-proxies", "gateway"}},
		{"--listen=nowhere", []string{"--listen", "nowhere"}},
		{"--database-url=mysql://x:hunter2@y/z", []string{"database URL", "sqlite:PATH"}},
		{"--database-url=sqlite:", []string{"sqlite:PATH"}},
		{"extra", []string{"extra"}},
	} {
		c.refused(append([]string{"--listen=127.0.0.1:0"}, strings.Fields(test.args)...), test.says...)
	}
	if _, err := c.run("", "--database-url=mysql://x:hunter2@y/z"); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("the error repeats the password: %v", err)
	}
	if _, err := c.run("", "--key-encryption-key=c2VjcmV0"); err == nil || strings.Contains(err.Error(), "c2VjcmV0") {
		t.Errorf("the error repeats the key: %v", err)
	}
}

func TestTheDefaultsOfTheRoomsAreThoseOfTheSettings(t *testing.T) {
	p := &program{in: strings.NewReader(""), out: io.Discard, errs: io.Discard, now: time.Now}
	parser, err := p.parser(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse([]string{"version"}); err != nil {
		t.Fatal(err)
	}
	s := p.settings
	if got, want := s.lifetimes(), tokens.New(tokens.Config{}).Lifetimes; got != want {
		t.Errorf("tokens live for %+v by default, and %+v without settings", got, want)
	}
	if s.SessionIdle != accounts.SessionIdle || s.SessionAbsolute != accounts.SessionLifetime {
		t.Errorf("sessions last for %s and %s by default", s.SessionIdle, s.SessionAbsolute)
	}
	if s.KeyBits != keys.DefaultBits || s.JWKSMaxAge != keys.DefaultMaxAge {
		t.Errorf("keys have %d bits by default, and are cached for %s", s.KeyBits, s.JWKSMaxAge)
	}
}

func TestSettingsThatAreRight(t *testing.T) {
	for _, change := range []func(*settings){
		func(*settings) {},
		func(s *settings) { s.Issuer = "https://login.example:8443" },
		func(s *settings) { s.Issuer = "https://login.example/" },
		func(s *settings) { s.Issuer = "https://example.com/a/login/" },
		func(s *settings) { s.Issuer = "http://127.0.0.1:9000" },
		func(s *settings) { s.Issuer = "http://[::1]:9000" },
		func(s *settings) { s.Issuer, s.InsecureHTTPIssuer = "http://login.internal", true },
		func(s *settings) { s.Resource = []string{"https://api.example/orders=orders:read orders:write"} },
		func(s *settings) { s.RegistrationScopes = "openid board:read" },
		func(s *settings) { s.KeyRotation, s.RefreshGrace = 0, 0 },
	} {
		s := settings{
			Issuer: "http://localhost:9000", APIOrigin: "http://localhost:8000", KeyBits: 2048, KeyRotation: time.Hour, JWKSMaxAge: time.Minute,
			AccessTokenLifetime: time.Minute, IDTokenLifetime: time.Minute, CodeLifetime: time.Minute,
			RefreshIdle: time.Hour, RefreshAbsolute: time.Hour, SessionIdle: time.Hour, SessionAbsolute: time.Hour,
		}
		change(&s)
		if err := s.check(); err != nil {
			t.Error(err)
		}
	}
}

func TestTheEnvironmentSets(t *testing.T) {
	databaseURL := sqldbtest.SQLite(t)
	served(t, databaseURL)
	t.Setenv("AUTHZ_DATABASE_URL", databaseURL)
	t.Setenv("AUTHZ_KEY_ENCRYPTION_KEY", testKEK)
	t.Setenv("AUTHZ_RESOURCE", "https://api.example/a=a:read a:write,https://api.example/b=b:read")
	var out, errs bytes.Buffer
	p := &program{in: strings.NewReader(""), out: &out, errs: &errs, now: time.Now}
	create := []string{"client", "create", "--name=this", "--grant-type=client_credentials", "--scope=a:write b:read"}
	if err := p.run(t.Context(), create); err != nil {
		t.Fatal(err)
	}
	if made := document(t, out.String()); made["client_name"] != "this" {
		t.Error(made)
	}
}

func TestVariablesThatSetNothingAreRefused(t *testing.T) {
	databaseURL := sqldbtest.SQLite(t)
	served(t, databaseURL)
	for variable, says := range map[string]string{
		"AUTHZ_NAME=x":                                 "AUTHZ_NAME", // flags of commands have no variable
		"AUTHZ_ISUER=https://a":                        "did you mean AUTHZ_ISSUER",
		"AUTHZ_KEY_ENCRYPTION_KEY_FLIE=/x":             "did you mean AUTHZ_KEY_ENCRYPTION_KEY_FILE",
		"AUTHZ_SERVER_SERVICE_HOST=10.0.0.1":           "", // of Kubernetes
		"AUTHZ_SERVER_PORT=tcp://10.0.0.1:9100":        "",
		"BOARD_NONSENSE=x":                             "", // another program's
		"AUTHZ_DATABASE_PASSWORD=of-the-database-role": "",
	} {
		var out, errs bytes.Buffer
		p := &program{in: strings.NewReader(""), out: &out, errs: &errs, now: time.Now, environ: []string{variable}}
		err := p.run(t.Context(), []string{"--database-url=" + databaseURL, "client", "list"})
		if (err == nil) != (says == "") || err != nil && (!strings.Contains(err.Error(), says) || cli.Status(err) != cli.Misuse) {
			t.Errorf("%s: %v", variable, err)
		}
	}
}

func TestExitStatus(t *testing.T) {
	databaseURL := sqldbtest.SQLite(t)
	served(t, databaseURL)
	for args, want := range map[string]int{
		"client list":                                     0,
		"client show nobody":                              cli.Failed,
		"client list --format=xml":                        cli.Misuse,
		"client frobnicate":                               cli.Misuse,
		"--issuer=nonsense":                               cli.Misuse,
		"--issuer=nonsense keys rotate":                   cli.Misuse,
		"user set-role a@b.c mod":                         cli.Misuse,
		"--database-url=sqlite:/no/such/file client list": cli.Failed,
	} {
		var out bytes.Buffer
		p := &program{in: strings.NewReader(""), out: &out, errs: &out, now: time.Now}
		if err := p.run(t.Context(), append([]string{"--database-url=" + databaseURL}, strings.Fields(args)...)); cli.Status(err) != want {
			t.Errorf("%q ends with %d: %v", args, cli.Status(err), err)
		}
	}
}

func TestKeysAreFoundBesideTheDatabase(t *testing.T) {
	dir := t.TempDir()
	databaseURL := "sqlite:" + filepath.Join(dir, "authz.db")
	served(t, databaseURL)
	run := func(args ...string) (string, error) {
		var out bytes.Buffer
		p := &program{in: strings.NewReader(""), out: &out, errs: &out, now: time.Now}
		err := p.run(t.Context(), append([]string{"--database-url=" + databaseURL}, args...))
		return out.String(), err
	}
	if out, err := run("keys", "list"); err != nil || strings.Contains(out, "current") {
		t.Errorf("before there are keys: %s, %v", out, err)
	}
	if _, err := run("keys", "rotate"); err == nil || !strings.Contains(err.Error(), "--key-encryption-key") {
		t.Errorf("without a key: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "authz.kek"), []byte(testKEK+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := run("keys", "rotate", "--now"); err != nil || !strings.Contains(out, "signs now") {
		t.Errorf("with the key beside the database: %s, %v", out, err)
	}
	if err := os.Remove(filepath.Join(dir, "authz.kek")); err != nil {
		t.Fatal(err)
	}
	// To list them, no key is needed.
	out, err := run("keys", "list")
	if err != nil || strings.Count(out, "current") != len(client.Algorithms) || strings.Count(out, "retired") != len(client.Algorithms) {
		t.Errorf("%s, %v", out, err)
	}
	// serve takes no key that nobody named.
	if err := os.WriteFile(filepath.Join(dir, "authz.kek"), []byte(testKEK), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := run("serve", "--listen=127.0.0.1:0"); err == nil || !strings.Contains(err.Error(), "--key-encryption-key") {
		t.Errorf("serve: %v", err)
	}
}

func TestKeysCommands(t *testing.T) {
	eachEngine(t, func(t *testing.T, c commandLine) {
		if out := c.must("keys", "list"); strings.Contains(out, "current") {
			t.Errorf("a list made keys: %s", out)
		}
		cfg := keys.Config{Store: c.store().Keys, KEK: kek(t), Now: time.Now, Log: slog.New(slog.DiscardHandler)}
		if _, err := keys.Open(t.Context(), cfg); err != nil { // as serve does
			t.Fatal(err)
		}
		type key struct{ KID, Alg, State string }
		all := func() (keys []key) {
			t.Helper()
			if err := json.Unmarshal([]byte(c.must("keys", "list", "--format=json")), &keys); err != nil {
				t.Fatal(err)
			}
			return keys
		}
		list := func() []key {
			t.Helper()
			return slices.DeleteFunc(all(), func(k key) bool { return k.Alg != "RS256" })
		}
		if got := all(); len(got) != len(client.Algorithms) || got[0].Alg != "RS256" || got[len(got)-1].Alg != "Ed25519" {
			t.Error(got)
		}
		first := list()
		if len(first) != 1 || first[0].State != "current" {
			t.Fatal(first)
		}
		if out := c.must("keys", "rotate", "--alg=RS256"); strings.Count(out, "signs from") != 1 || len(all()) != len(client.Algorithms)+1 {
			t.Error(out)
		}
		c.refused([]string{"keys", "rotate"}, "waiting", "--now")
		if got := list(); len(got) != 2 || got[0].State != "next" || got[1] != first[0] {
			t.Error(got)
		}
		if out := c.must("keys", "rotate", "--now"); strings.Count(out, "signs now") != len(client.Algorithms) {
			t.Error(out)
		}
		if got := list(); len(got) != 2 || got[0].State != "current" || got[1].State != "retired" || len(all()) != 2*len(client.Algorithms) {
			t.Error(got)
		}
		c.refused([]string{"keys", "rotate", "--alg=HS256"}, "RS256")
		for _, command := range []string{"client create", "keys rotate"} { // the help names what the server knows
			help := c.must(append(strings.Fields(command), "--help")...)
			shows(t, strings.Join(strings.Fields(help), " "), strings.Join(client.Algorithms, ", "))
		}
		shows(t, c.must("keys", "list"), "KID", first[0].KID)
		c.must("keys", "withdraw", first[0].KID)

		const other = "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8="
		c.refused([]string{"--key-encryption-key=" + other, "keys", "rotate"}, "does not fit the keys in this database")
		letter, err := queue.Seal(kek(t), outbox.Item{Kind: "mail"}, []byte("a code"))
		if err != nil {
			t.Fatal(err)
		}
		if err := c.store().Outbox.Add(t.Context(), letter); err != nil {
			t.Fatal(err)
		}
		out := c.must("--key-encryption-key="+other, "--old-key-encryption-key="+testKEK, "keys", "rewrap")
		shows(t, c.must("audit", "list", "--kind=key.rewrapped"), "machine", "command")
		shows(t, out, fmt.Sprintf("anew: %d;", 2*len(client.Algorithms)-1+1))
		c.must("--key-encryption-key="+other, "keys", "list")
		c.refused([]string{"keys", "rotate"}, "does not fit")
	})
}

func kek(t *testing.T) *keys.KEK {
	t.Helper()
	text, err := base64.StdEncoding.DecodeString(testKEK)
	if err != nil {
		t.Fatal(err)
	}
	one, err := keys.NewKEK(text)
	if err != nil {
		t.Fatal(err)
	}
	return one
}
