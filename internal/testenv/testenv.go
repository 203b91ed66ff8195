// Package testenv tells tests what this machine offers beyond Go: Postgres and Chromium; and waits
// for them.
//
// Its rooms are what tests share: clock (a time to be moved), site (somebody's https), program (a
// process of a test's own), chrome (a browser), testkey (RSA keys).
//
// What is absent is skipped on a developer's machine and fails with CI=true, so that CI never
// leaves anything out silently.
package testenv

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// CI tells whether this run may leave nothing out: the environment variable CI is set to a true
// value.
func CI() bool {
	on, err := strconv.ParseBool(os.Getenv("CI"))
	return err == nil && on
}

// Absent ends a test that lacks something of the machine: it is skipped with the reason, and fails
// with CI=true.
func Absent(t testing.TB, reason string) {
	t.Helper()
	if CI() {
		t.Fatalf("%s (CI=true leaves nothing out)", reason)
	}
	t.Skip(reason)
}

// Chromium returns the path of a Chromium or Chrome to drive, out of CHROMIUM or the PATH. A test
// without one ends by [Absent].
func Chromium(t testing.TB) string {
	t.Helper()
	path, ok := chromium()
	if !ok {
		Absent(t, "no Chromium: install it, or name it in CHROMIUM")
	}
	return path
}

func chromium() (string, bool) {
	if named := os.Getenv("CHROMIUM"); named != "" {
		path, err := exec.LookPath(named)
		return path, err == nil
	}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, true
		}
	}
	return "", false
}

// PostgresBin returns the folder that holds Postgres's own programs initdb and postgres. Debian
// keeps them off the PATH, in a folder a version; of several the newest is taken.
func PostgresBin() (dir string, ok bool) {
	if path, err := exec.LookPath("initdb"); err == nil {
		if real, err := filepath.EvalSymlinks(path); err == nil && hasPostgres(filepath.Dir(real)) {
			return filepath.Dir(real), true
		}
		if hasPostgres(filepath.Dir(path)) {
			return filepath.Dir(path), true
		}
	}
	if out, err := exec.Command("pg_config", "--bindir").Output(); err == nil {
		if dir := strings.TrimSpace(string(out)); hasPostgres(dir) {
			return dir, true
		}
	}
	dirs, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil {
		return "", false
	}
	dirs = slices.DeleteFunc(dirs, func(dir string) bool { return !hasPostgres(dir) })
	if len(dirs) == 0 {
		return "", false
	}
	return slices.MaxFunc(dirs, func(a, b string) int { return version(a) - version(b) }), true
}

// version is the major version in a path like /usr/lib/postgresql/15/bin, or 0.
func version(bin string) int {
	major, _, _ := strings.Cut(filepath.Base(filepath.Dir(bin)), ".")
	n, err := strconv.Atoi(major)
	if err != nil {
		return 0
	}
	return n
}

func hasPostgres(dir string) bool {
	for _, name := range []string{"initdb", "postgres"} {
		if _, err := exec.LookPath(filepath.Join(dir, name)); err != nil {
			return false
		}
	}
	return true
}

// PgBouncer returns the path of a PgBouncer to run. A test without one ends by [Absent].
func PgBouncer(t testing.TB) string {
	t.Helper()
	path, ok := pgBouncer()
	if !ok {
		Absent(t, "no PgBouncer: install pgbouncer")
	}
	return path
}

// pgBouncer looks where Debian puts it, too, which is not on the PATH of everybody.
func pgBouncer() (string, bool) {
	for _, name := range []string{"pgbouncer", "/usr/sbin/pgbouncer"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, true
		}
	}
	return "", false
}

// NetworkNamespaces tells whether this process may make network namespaces, and move a program into
// them: on Linux, as root, with the commands ip and nsenter.
func NetworkNamespaces() bool {
	_, noIP := exec.LookPath("ip")
	_, noNsenter := exec.LookPath("nsenter")
	return runtime.GOOS == "linux" && os.Geteuid() == 0 && noIP == nil && noNsenter == nil
}

// Libcrypto tells whether OpenSSL 3 is where the linker of a Linux system looks for it.
func Libcrypto() bool {
	for _, pattern := range []string{"/usr/lib/*-linux-gnu/libcrypto.so.3", "/usr/lib64/libcrypto.so.3", "/usr/lib/libcrypto.so.3"} {
		if found, err := filepath.Glob(pattern); err == nil && len(found) > 0 {
			return true
		}
	}
	return false
}

// Missing names what this machine lacks, and with it which tests are left out; empty when nothing
// is.
func Missing() []string {
	var missing []string
	if _, ok := PostgresBin(); !ok && os.Getenv("TEST_POSTGRES_URL") == "" {
		missing = append(missing, "Postgres (every store ran on SQLite alone; install postgresql or set TEST_POSTGRES_URL)")
	}
	if _, ok := pgBouncer(); !ok {
		missing = append(missing, "PgBouncer (no test behind a pooler; install pgbouncer)")
	}
	if _, ok := chromium(); !ok {
		missing = append(missing, "Chromium (no test in a browser; install chromium or set CHROMIUM)")
	}
	if !Libcrypto() {
		missing = append(missing, "OpenSSL 3 (no test of the build with -tags libcrypto; install libssl3, or openssl-libs)")
	}
	if !NetworkNamespaces() {
		missing = append(missing, "network namespaces (no partition between services; they take Linux, root, iproute2 and util-linux)")
	}
	return missing
}
