package sqldb_test

import (
	"strings"
	"testing"

	"github.com/maru-auth/maru/internal/sqldb"
)

func TestAWayToPostgresThatIsNotProtectedIsRefused(t *testing.T) {
	for databaseURL, exposed := range map[string]string{
		"postgres://u:p@localhost/d":                                              "",
		"postgres://u:p@127.0.0.1,[::1]/d?sslmode=disable":                        "",
		"postgres:///d?host=/run/postgresql":                                      "",
		"postgres://u:p@db.example/d?sslmode=verify-full":                         "",
		"postgres://u:p@a.example:5432,b.example:5433/d?sslmode=verify-full":      "",
		"postgres://u:p@db.example/d?sslrootcert=system":                          "",
		"postgres://u:p@db.example/d":                                             "db.example",
		"postgres://u:p@db.example/d?sslmode=require":                             "db.example",
		"postgres://u:p@db.example/d?sslmode=verify-ca":                           "db.example",
		"postgres://u:p@db.example/d?sslmode=prefer":                              "db.example",
		"postgres://u:p@db.example/d?sslmode=disable":                             "db.example",
		"postgres://u:p@localhost,db.example/d?sslmode=disable":                   "db.example",
		"postgres://u:p@localhost/d?host=db.example&sslmode=disable":              "db.example",
		"postgres://u:p@a.example,b.example/d?sslmode=require":                    "a.example b.example",
		"postgres://u:p@localhost.example/d?sslmode=disable":                      "localhost.example",
		"postgres://u:p@10.0.0.1/d?sslmode=verify-full&sslmode=disable":           "10.0.0.1",
		"postgres://u:p@[2001:db8::1]:5432/d?sslmode=allow&application_name=127.": "2001:db8::1",
	} {
		got, err := sqldb.ExposedHosts(databaseURL)
		if err != nil || strings.Join(got, " ") != exposed {
			t.Errorf("%s: %q %v, want %q", databaseURL, got, err, exposed)
		}
	}
	t.Run("by the environment", func(t *testing.T) {
		t.Setenv("PGHOST", "db.example")
		t.Setenv("PGSSLMODE", "disable")
		db, err := sqldb.OpenWith(t.Context(), sqldb.Options{DatabaseURL: "postgres://u:secret@/d"})
		if err == nil {
			db.Close()
		}
		if err == nil || !strings.Contains(err.Error(), "db.example") ||
			!strings.Contains(err.Error(), "--insecure-database-transport") || strings.Contains(err.Error(), "secret") {
			t.Error(err)
		}
	})
}
