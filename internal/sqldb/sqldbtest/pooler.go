package sqldbtest

import (
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/maru-auth/maru/internal/freeport"
	"github.com/maru-auth/maru/internal/testenv"
	"github.com/maru-auth/maru/internal/testenv/program"
)

// PgBouncer starts a PgBouncer in transaction mode before the database's server and returns the URL
// of the database by this way. It has two connections to give and takes no setting of a session. It
// ends with the test, which ends by [testenv.Absent] where there is none.
func PgBouncer(t testing.TB, databaseURL string) string {
	t.Helper()
	bin := testenv.PgBouncer(t)
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	host, port := u.Hostname(), u.Port()
	if folder := u.Query().Get("host"); folder != "" {
		host, port = folder, u.Query().Get("port")
	}
	if port == "" {
		port = "5432"
	}
	dir, err := os.MkdirTemp("", "maru-pooler-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	account, err := postgresAccount(dir) // it does not run as root either
	if err != nil {
		t.Fatal(err)
	}
	at, release, err := freeport.Reserve()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(release)
	password, _ := u.User.Password()
	for name, text := range map[string]string{
		"users": fmt.Sprintf("%q %q\n", u.User.Username(), password),
		"pgbouncer.ini": fmt.Sprintf(`[databases]
* = host=%s port=%s
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %d
unix_socket_dir =
auth_type = trust
auth_file = %s
pool_mode = transaction
default_pool_size = 2
max_client_conn = 500
server_reset_query =
`, host, port, at, filepath.Join(dir, "users")),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	command := exec.Command(bin, filepath.Join(dir, "pgbouncer.ini"))
	command.Dir, command.SysProcAttr = dir, account
	p := program.Start(t, command)
	u.Host, u.RawQuery = fmt.Sprint("127.0.0.1:", at), "sslmode=disable"
	testenv.Eventually(t, "PgBouncer answers", func() bool {
		if p.Ended() {
			t.Fatalf("PgBouncer ended: %s", &p.Output)
		}
		return administer(u.String(), `SELECT 1`) == nil
	})
	return u.String()
}
