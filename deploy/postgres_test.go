package deploy

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"gopkg.in/yaml.v3"

	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
	"github.com/maru-auth/maru/internal/testenv"
)

func TestComposesProgramsCheckPostgressCertificate(t *testing.T) {
	t.Parallel()
	c, _ := readCompose(t)
	seen := 0
	for name, s := range c.Services {
		for setting, value := range s.Environment {
			if !strings.HasSuffix(setting, "_DATABASE_URL") {
				continue
			}
			seen++
			u, err := url.Parse(regexp.MustCompile(`\$\{[^}]*\}`).ReplaceAllString(value, "secret"))
			if err != nil {
				t.Fatal(err)
			}
			secret := strings.TrimPrefix(u.Query().Get("sslrootcert"), "/run/secrets/")
			if u.Query().Get("sslmode") != "verify-full" || !slices.Contains(s.Secrets, secret) || u.Hostname() != "postgres" {
				t.Errorf("%s: %s = %s, with the secrets %v", name, setting, value, s.Secrets)
			}
		}
		for setting := range s.Environment {
			if strings.Contains(setting, "INSECURE") {
				t.Errorf("%s sets %s", name, setting)
			}
		}
	}
	if seen < 5 {
		t.Errorf("only %d database URLs", seen)
	}
}

// postgresKey is the server's key as the container's start makes it of the secret. As root the
// script itself does that, ending in a stand-in for the image's entrypoint; another user's Postgres
// runs as that user, who has the key already.
func postgresKey(t *testing.T, dir, secret string, command []string) string {
	t.Helper()
	key := filepath.Join(dir, "server.key")
	if os.Geteuid() != 0 {
		text, err := os.ReadFile(secret)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(key, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return key
	}
	stand := filepath.Join(dir, "bin")
	if err := os.Mkdir(stand, 0o755); err != nil {
		t.Fatal(err)
	}
	// Not while another test forks: its child would have the file open for writing, and none such can be run.
	syscall.ForkLock.RLock()
	err := os.WriteFile(filepath.Join(stand, "docker-entrypoint.sh"), []byte("#!/bin/sh\nprintf '%s\\n' \"$@\"\n"), 0o755)
	syscall.ForkLock.RUnlock()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", append([]string{"postgres-start.sh"}, command...)...)
	cmd.Env = []string{"PATH=" + stand + ":" + os.Getenv("PATH"), "POSTGRES_KEY_SECRET=" + secret, "POSTGRES_KEY=" + key}
	out, err := cmd.CombinedOutput()
	if err != nil || string(out) != strings.Join(command, "\n")+"\n" {
		t.Fatalf("postgres-start.sh: %v\n%s", err, out)
	}
	return key
}

// needsOpenSSL skips the test where the scripts could not run.
func needsOpenSSL(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("openssl"); err != nil {
		testenv.Absent(t, "openssl, by which deploy/compose-secrets.sh makes a certificate")
	}
}

func TestPostgresRunsWithTheCertificateThatTheScriptMakes(t *testing.T) {
	t.Parallel()
	needsOpenSSL(t)
	dir, err := os.MkdirTemp("", "maru-tls-") // where the account that runs Postgres gets at it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	secrets := filepath.Join(t.TempDir(), "secrets")
	if out, err := exec.Command("sh", "compose-secrets.sh", secrets).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if info, err := os.Stat(filepath.Join(secrets, "postgres.key")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key: %v, %v", info, err)
	}
	if left, err := filepath.Glob(filepath.Join(secrets, "*ca*key*")); err != nil || len(left) > 0 {
		t.Errorf("the CA's key is kept: %v (%v)", left, err)
	}
	certificate := filepath.Join(dir, "server.crt")
	text, err := os.ReadFile(filepath.Join(secrets, "postgres.crt"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(certificate, text, 0o644); err != nil {
		t.Fatal(err)
	}

	// Postgres with compose's settings, but for where its files and its port are.
	var c struct {
		Services map[string]struct{ Command []string }
	}
	composed, err := os.ReadFile("compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(composed, &c); err != nil {
		t.Fatal(err)
	}
	command := c.Services["postgres"].Command
	key := postgresKey(t, dir, filepath.Join(secrets, "postgres.key"), command)
	port := testenv.FreePort(t)
	settings := []string{"listen_addresses=127.0.0.1", "port=" + port}
	for _, argument := range command[1:] {
		setting, ok := strings.CutPrefix(argument, "--")
		if !ok {
			t.Fatalf("compose starts Postgres with %q", argument)
		}
		setting = strings.NewReplacer("/run/secrets/postgres-cert", certificate, "/run/postgresql/server.key", key).Replace(setting)
		settings = append(settings, setting)
	}
	_, stop, err := sqldbtest.Start(settings...)
	if errors.Is(err, sqldbtest.ErrNoPostgres) {
		testenv.Absent(t, err.Error())
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	})

	connect := func(host, root string) error {
		config, err := pgx.ParseConfig(fmt.Sprintf("postgres://postgres@%s:%s/postgres?sslmode=verify-full&sslrootcert=%s", host, port, root))
		if err != nil {
			return err
		}
		config.LookupFunc = func(context.Context, string) ([]string, error) { return []string{"127.0.0.1"}, nil }
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		conn, err := pgx.ConnectConfig(ctx, config)
		if err != nil {
			return err
		}
		state := conn.PgConn().Conn().(*tls.Conn).ConnectionState()
		if state.Version != tls.VersionTLS13 {
			t.Errorf("TLS version %x", state.Version)
		}
		return conn.Close(ctx)
	}
	if err := connect("postgres", filepath.Join(secrets, "postgres-ca.crt")); err != nil {
		t.Errorf("with the CA: %v", err)
	}
	if err := connect("elsewhere", filepath.Join(secrets, "postgres-ca.crt")); err == nil {
		t.Error("the certificate passes for another host")
	}
	other := filepath.Join(t.TempDir(), "secrets")
	if out, err := exec.Command("sh", "compose-secrets.sh", other).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if err := connect("postgres", filepath.Join(other, "postgres-ca.crt")); err == nil {
		t.Error("another installation's CA vouches for this Postgres")
	}
}

func TestTheScriptsSayWhenOpenSSLIsMissing(t *testing.T) {
	t.Parallel()
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Fatal(err)
	}
	tools := t.TempDir() // all that the scripts call but openssl
	for _, name := range []string{"sh", "dirname", "mkdir", "cat", "sed", "od", "tr", "head", "base64", "chmod",
		"mv", "mktemp", "rm"} {
		path, err := exec.LookPath(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(path, filepath.Join(tools, name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, script := range []string{"compose-secrets.sh", "kubernetes-secrets.sh"} {
		dir := filepath.Join(t.TempDir(), "secrets")
		cmd := exec.Command(shell, script, dir)
		cmd.Env = []string{"PATH=" + tools}
		out, err := cmd.CombinedOutput()
		if err == nil || !strings.HasPrefix(string(out), "openssl is missing") || strings.Count(string(out), "\n") != 1 {
			t.Errorf("%s: %v\n%s", script, err, out)
		}
		if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s left something half made (%v)", script, err)
		}
	}
}

func TestAnOlderInstallationGetsItsCertificate(t *testing.T) {
	t.Parallel()
	needsOpenSSL(t)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "compose.env"), []byte("POSTGRES_PASSWORD=kept\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("sh", "compose-secrets.sh", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, name := range []string{"postgres-ca.crt", "postgres.crt", "postgres.key"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
	if text, err := os.ReadFile(filepath.Join(dir, "compose.env")); err != nil || string(text) != "POSTGRES_PASSWORD=kept\n" {
		t.Errorf("the passwords changed: %s (%v)", text, err)
	}
}

func TestKubernetesSecretsAreMadeByTheirScript(t *testing.T) {
	t.Parallel()
	needsOpenSSL(t)
	dir := filepath.Join(t.TempDir(), "secrets")
	ca := filepath.Join(t.TempDir(), "ca.crt")
	if err := os.WriteFile(ca, []byte("a certificate\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	run := func(settings ...string) ([]byte, error) {
		cmd := exec.Command("sh", "kubernetes-secrets.sh", dir)
		cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "MARU_APP=https://app.example.com",
			"AUTHZ_DATABASE_URL=postgres://a:p%22w@db/authz",
			"USER_DATABASE_URL=postgres://u:pw@db/user?connect_timeout=5",
			"BOARD_DATABASE_URL=postgres://b:pw@db/board", "POSTGRES_CA=" + ca,
			"AUTHZ_MAIL_SMTP_URL=smtps://m:pw@mail", "AUTHZ_MAIL_FROM=Maru <no-reply@example.com>"}, settings...)
		return cmd.CombinedOutput()
	}
	for _, refused := range []string{"AUTHZ_DATABASE_URL=", "AUTHZ_DATABASE_URL=sqlite:x",
		"BOARD_DATABASE_URL=postgres://b@db/board?sslmode=disable",
		"USER_DATABASE_URL=postgres://u@db/user?a=b&sslmode=require", "MARU_APP=", "AUTHZ_MAIL_FROM="} {
		name, _, _ := strings.Cut(refused, "=")
		if out, err := run(refused); err == nil || !strings.Contains(string(out), name) {
			t.Errorf("%s: %v\n%s", refused, err, out)
		}
		if _, err := os.Stat(filepath.Join(dir, "kubernetes.yaml")); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: secrets were made (%v)", refused, err)
		}
	}
	if out, err := run(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	f, err := os.Open(filepath.Join(dir, "kubernetes.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file of secrets: %v, %v", info, err)
	}
	made := map[string]map[string]string{}
	for d := yaml.NewDecoder(f); ; {
		var o object
		if err := d.Decode(&o); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		values := map[string]string{}
		for name, value := range o.Data {
			decoded, err := base64.StdEncoding.DecodeString(value)
			if err != nil {
				t.Fatal(err)
			}
			values[name] = string(decoded)
		}
		made[o.Metadata.Name] = values
	}
	for name, want := range map[string]string{
		"authz": "postgres://a:p%22w@db/authz?sslmode=verify-full&sslrootcert=/postgres/ca.crt",
		"user":  "postgres://u:pw@db/user?connect_timeout=5&sslmode=verify-full&sslrootcert=/postgres/ca.crt",
		"board": "postgres://b:pw@db/board?sslmode=verify-full&sslrootcert=/postgres/ca.crt",
	} {
		if made[name]["database-url"] != want {
			t.Errorf("%s: %s, want %s", name, made[name]["database-url"], want)
		}
	}
	if made["postgres-ca"]["ca.crt"] == "" || made["board"]["client-secret"] == made["demo"]["client-secret"] {
		t.Errorf("%v", made)
	}

	// The manifests take from Secrets what the script makes, and nothing else.
	for _, o := range manifests(t) {
		if o.Kind != "Deployment" || o.Metadata.Name == "gateway" {
			continue
		}
		pod := o.Spec.Template.Spec
		database := false
		for _, e := range pod.Containers[0].Env {
			if ref := e.ValueFrom.SecretKeyRef; ref != nil {
				database = database || ref.Key == "database-url"
				if made[ref.Name][ref.Key] == "" {
					t.Errorf("%s: the script makes no %s/%s", o.Metadata.Name, ref.Name, ref.Key)
				}
			}
		}
		mounted := slices.ContainsFunc(pod.Containers[0].VolumeMounts, func(m struct {
			Name      string
			MountPath string `yaml:"mountPath"`
		}) bool {
			return m.MountPath == "/postgres"
		})
		if database != mounted {
			t.Errorf("%s: has a database: %v, Postgres's CA: %v", o.Metadata.Name, database, mounted)
		}
		for _, v := range pod.Volumes {
			if name := v.Secret.SecretName; name != "" && made[name] == nil {
				t.Errorf("%s: the script makes no Secret %s", o.Metadata.Name, name)
			}
		}
	}
}
